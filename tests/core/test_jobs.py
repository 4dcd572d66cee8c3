"""Running a job: what it says, hears, and how Ctrl-C ends it."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from napari_aprrd.core import jobs as progress
from napari_aprrd.core.jobs import BAR, STOP, Clock, Job, OneBar, Parts, Progress, run


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


def two_parts(bar: Parts) -> Job[tuple[str, str]]:
    first = yield from bar.part(counting(4), 0.75)
    return first, (yield from bar.part(counting(2), 0.25, stage="Another"))


def test_several_jobs_are_one_bar() -> None:
    heard: list[Progress] = []
    assert run(two_parts(OneBar()), heard.append) == ("counted to 4", "counted to 2")
    assert [report.step for report in heard] == [188, 375, 562, 750, 875, 1000]
    assert {report.total for report in heard} == {BAR}
    assert [report.stage for report in heard] == ["Count"] * 4 + ["Another"] * 2
    assert [report.seconds for report in heard] == [1, 2, 3, 4, 5, 6]  # of both jobs
    assert heard[1].seconds_left == pytest.approx(2 * 5 / 3)  # 3 / 8 took 2 s
    assert heard[-1].seconds_left == 0


def test_parts_keep_their_own_steps_and_tell_the_share_of_the_whole() -> None:
    heard: list[Progress] = []
    run(two_parts(Parts()), heard.append)
    assert [(report.step, report.total) for report in heard[3:]] == [(4, 4), (1, 2), (2, 2)]
    assert [report.fraction for report in heard[3:]] == [0.75, 0.875, 1]


def test_a_bar_never_goes_back() -> None:
    def estimating() -> Job[None]:
        for step, total in [(1, 2), (2, 8), (3, 9), (8, 9)]:
            yield Progress("Count", step, total, float(step))

    def job() -> Job[None]:
        bar = OneBar()
        yield from bar.part(estimating(), 0.5)  # ends before its total
        yield from bar.part(estimating(), 0.5)

    heard: list[Progress] = []
    run(job(), heard.append)
    steps = [report.step for report in heard]
    assert steps == sorted(steps)
    assert steps[4] == 750


def test_bars_lie_within_bars() -> None:
    def job() -> Job[Any]:
        bar = OneBar()
        yield from bar.part(two_parts(OneBar()), 0.8)
        return (yield from bar.part(counting(1), 0.2))

    heard: list[Progress] = []
    assert run(job(), heard.append) == "counted to 1"
    assert [report.step for report in heard] == [150, 300, 450, 600, 700, 800, 1000]
    assert [report.seconds for report in heard] == [1, 2, 3, 4, 5, 6, 7]


def test_a_part_hears_that_it_is_to_stop_also_where_it_did_not_listen() -> None:
    def hard_of_hearing() -> Job[int]:
        yield Progress("Start", 0, 3, 0.0)
        for step in (1, 2, 3):
            if (yield Progress("Count", step, 3, float(step))) is STOP:
                break
        return step

    bar = Parts()
    job = bar.part(hard_of_hearing(), 0.5)
    next(job)
    job.send(STOP)  # answers the first report, where nobody listens
    with pytest.raises(StopIteration) as end:
        job.send(None)
    assert end.value.value == 1
    assert bar.stopped
    assert run(bar.part(counting(), 0.5)) == "counted to 5"  # the next part was not told


def test_a_part_is_closed_with_the_whole() -> None:
    closed = []

    def job() -> Job[None]:
        try:
            yield Progress("Count", 1, 2, 1.0)
        finally:
            closed.append(True)

    part = OneBar().part(job(), 1.0)
    next(part)
    part.close()
    assert closed


@pytest.mark.parametrize(("step", "seconds"), [(0, 0.0), (1, 0.0), (0, 2.0)])
def test_the_time_left_is_unknown_at_the_start(step: int, seconds: float) -> None:
    report = Progress("Train teacher", step, 10, seconds)
    assert report.speed == 0
    assert math.isnan(report.seconds_left)
