"""Running a job: what it says, hears, and how Ctrl-C ends it."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from napari_aprrd.core import jobs as progress
from napari_aprrd.core.jobs import STOP, Clock, Job, Progress, run


def counting(total: int = 5) -> Job[str]:
    """Counts to `total`; says how far it came and whether it was told to stop."""
    for step in range(1, total + 1):
        if (yield Progress("Count", step, total, float(step))) is STOP:
            return f"stopped at {step}"
    return f"counted to {total}"


def interrupt() -> None:
    """Press Ctrl-C."""
    signal.raise_signal(signal.SIGINT)


@pytest.fixture
def handler() -> Iterator[object]:
    """Python's handler of Ctrl-C, whatever pytest had installed."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, as a list of one number, for tests to change."""
    time = [100.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(perf_counter=lambda: time[0]))
    return time


def test_run_returns_the_result() -> None:
    assert run(counting()) == "counted to 5"


def test_the_listener_gets_every_report() -> None:
    heard: list[Progress] = []
    assert run(counting(), heard.append) == "counted to 5"
    assert [report.step for report in heard] == [1, 2, 3, 4, 5]


def test_the_listener_may_stop() -> None:
    assert run(counting(), lambda report: STOP if report.step == 3 else None) == "stopped at 3"


def test_other_answers_of_the_listener_do_not_stop() -> None:
    assert run(counting(), lambda report: report.step) == "counted to 5"


def test_ctrl_c_keeps_the_result(handler: object) -> None:
    def listen(report: Progress) -> None:
        if report.step == 2:
            interrupt()

    assert run(counting(), listen) == "stopped at 2"
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_within_a_step_is_heard_at_its_end(handler: object) -> None:
    def job() -> Job[str]:
        yield Progress("Work", 1, 3, 1.0)
        interrupt()  # as in a long step
        answer = yield Progress("Work", 2, 3, 2.0)
        return "kept" if answer is STOP else "not heard"

    assert run(job()) == "kept"
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_second_ctrl_c_interrupts(handler: object) -> None:
    def listen(report: Progress) -> None:
        interrupt()
        interrupt()

    with pytest.raises(KeyboardInterrupt):
        run(counting(), listen)
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_works_as_before_after_an_error(handler: object) -> None:
    def listen(report: Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(counting(), listen)
    assert signal.getsignal(signal.SIGINT) is handler


def test_run_works_in_another_thread(handler: object) -> None:
    results: list[str] = []
    thread = threading.Thread(target=lambda: results.append(run(counting())))
    thread.start()
    thread.join(10)
    assert results == ["counted to 5"]
    assert signal.getsignal(signal.SIGINT) is handler


def test_the_clock_stands_still_while_paused(now: list[float]) -> None:
    clock = Clock()
    now[0] += 2
    assert clock.seconds == pytest.approx(2)
    clock.pause()
    now[0] += 1000
    clock.resume()
    assert clock.seconds == pytest.approx(2)
    now[0] += 3
    assert clock.seconds == pytest.approx(5)


def test_a_report_is_due_after_a_while_of_work(now: list[float]) -> None:
    clock = Clock()
    assert not clock.report_due()
    now[0] += 2 * progress.YIELD_EVERY
    assert clock.report_due()
    clock.pause()
    now[0] += 1000
    clock.resume()
    assert not clock.report_due()
    now[0] += 2 * progress.YIELD_EVERY
    assert clock.report_due()


def test_speed_and_time_left_follow_from_the_steps() -> None:
    report = Progress("Train teacher", 50, 200, 10.0)
    assert report.speed == pytest.approx(5)
    assert report.seconds_left == pytest.approx(30)
    assert Progress("Train teacher", 200, 200, 10.0).seconds_left == 0


@pytest.mark.parametrize(("step", "seconds"), [(0, 0.0), (1, 0.0), (0, 2.0)])
def test_the_time_left_is_unknown_at_the_start(step: int, seconds: float) -> None:
    report = Progress("Train teacher", step, 10, seconds)
    assert report.speed == 0
    assert math.isnan(report.seconds_left)
