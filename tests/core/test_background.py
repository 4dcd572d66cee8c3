"""Jobs in a thread of their own."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from napari_aprrd.core.background import Background, CancelledError
from napari_aprrd.core.errors import UserError
from napari_aprrd.core.jobs import STOP, Job, Progress

SOON = 30.0  # seconds; nothing here takes that long unless it is broken


class Held:
    """A job that holds after its first report until it is let go."""

    def __init__(self) -> None:
        self.reported, self.let_go, self.closed = (threading.Event() for _ in range(3))

    def job(self, steps: int = 1000) -> Job[int]:
        try:
            answer = yield Progress("Hold", 1, steps, 1.0)
            for step in range(2, steps + 1):
                if answer is STOP:
                    return step - 1
                self.reported.set()
                assert self.let_go.wait(SOON)
                answer = yield Progress("Hold", step, steps, float(step))
            return steps
        finally:
            self.closed.set()


def test_a_handle_says_how_far_it_is(held: Held) -> None:
    handle = Background(held.job(4))
    assert held.reported.wait(SOON)
    assert repr(handle) == "<Hold: 25 %, 3 s left>"
    handle.stop()
    held.let_go.set()
    handle.result(SOON)
    assert repr(handle) == "<done, see .result()>"


def test_a_handle_says_why_there_is_no_result() -> None:
    def job() -> Job[None]:
        yield Progress("Hold", 0, 1, 0.0)
        raise UserError("The image is constant.")

    handle = Background(job())
    with pytest.raises(UserError):
        handle.result(SOON)
    assert repr(handle) == "<failed: The image is constant.>"


@pytest.fixture
def held() -> Iterator[Held]:
    held = Held()
    yield held
    held.let_go.set()


def failing(error: Exception) -> Job[None]:
    yield Progress("Fail", 1, 2, 1.0)
    raise error


def test_the_result_is_handed_over(held: Held) -> None:
    held.let_go.set()
    background = Background(held.job(5))
    assert background.result(SOON) == 5
    assert background.done
    assert background.result() == 5  # again


def test_the_progress_can_be_read_while_it_runs(held: Held) -> None:
    background = Background(held.job(3))
    assert held.reported.wait(SOON)
    assert not background.done
    assert background.progress == Progress("Hold", 1, 3, 1.0)
    held.let_go.set()
    background.result(SOON)
    assert background.progress == Progress("Hold", 3, 3, 3.0)


def test_the_job_runs_in_another_thread() -> None:
    def job() -> Job[int]:
        yield Progress("Ask", 1, 1, 1.0)
        return threading.get_ident()

    assert Background(job()).result(SOON) != threading.get_ident()


def test_cancelling_closes_the_job_and_leaves_no_result(held: Held) -> None:
    background = Background(held.job())
    assert held.reported.wait(SOON)
    background.cancel()
    held.let_go.set()
    with pytest.raises(CancelledError):
        background.result(SOON)
    assert held.closed.is_set()
    assert background.done
    assert background.progress == Progress("Hold", 2, 1000, 2.0)  # the step it was in, no more


def test_stopping_keeps_what_is_there(held: Held) -> None:
    background = Background(held.job())
    assert held.reported.wait(SOON)
    background.stop()
    held.let_go.set()
    assert background.result(SOON) == 2


@pytest.mark.parametrize("error", [UserError("Too small."), RuntimeError("CUDA out of memory")])
def test_errors_are_raised_for_whoever_asks(error: Exception) -> None:
    background = Background(failing(error))
    for _ in range(2):
        with pytest.raises(type(error), match=str(error)) as raised:
            background.result(SOON)
        assert raised.value is error
    assert background.done


def test_an_error_before_the_first_report_is_raised_too() -> None:
    def job() -> Job[None]:
        raise UserError("The image is constant.")
        yield

    with pytest.raises(UserError, match="constant"):
        Background(job()).result(SOON)


@pytest.mark.parametrize("timeout", [0.0, 0.1])
def test_waiting_has_a_limit_and_the_job_goes_on(held: Held, timeout: float) -> None:
    background = Background(held.job(4))
    assert held.reported.wait(SOON)
    with pytest.raises(TimeoutError, match="still running"):
        background.result(timeout)
    assert not background.done
    held.let_go.set()
    assert background.result(SOON) == 4


def test_the_window_stays_live_while_waiting(held: Held) -> None:
    calls: list[int] = []

    def while_waiting() -> None:
        calls.append(threading.get_ident())
        if len(calls) == 3:
            held.let_go.set()

    assert Background(held.job(4), while_waiting).result(SOON) == 4
    assert len(calls) >= 3
    assert set(calls) == {threading.get_ident()}  # windows belong to the caller's thread
