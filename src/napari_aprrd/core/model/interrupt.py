"""Ending a network's work in the middle of an image, where nobody waits for it any more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch.nn.modules.module import register_module_forward_pre_hook

from ..background import CancelledError
from ..jobs import Job, R, Signal

IsWanted = Callable[[], bool]
_registering = threading.Lock()  # PyTorch numbers its hooks without one


class Interrupted(CancelledError):  # noqa: N818  # nothing went wrong
    """Raised inside a network whose result is no longer wanted."""

    def __init__(self) -> None:
        super().__init__("The work was cancelled.")


@contextmanager
def interruptible(is_wanted: IsWanted, *, only_predicting: bool = False) -> Iterator[None]:
    """Let the work of networks in this thread end as soon as it is no longer wanted.

    It is asked before each layer of a network: many times within a large tile.

    Parameters
    ----------
    is_wanted : callable
        Asked in this thread; it may look at what another thread sets.
    only_predicting : bool
        Whether the steps of a training go on all the same.

    Raises
    ------
    Interrupted
        Inside, and from then on whenever a network is used, when it is not wanted.
    """
    here = threading.get_ident()

    def look(*_: object) -> None:
        if threading.get_ident() != here or (
            only_predicting and not torch.is_inference_mode_enabled()
        ):
            return
        if not is_wanted():
            raise Interrupted

    # Not a hook of the network itself, since copies and pickles of it would take it along.
    with _registering:
        hook = register_module_forward_pre_hook(look)
    try:
        yield
    finally:
        with _registering:
            hook.remove()


def unless_cancelled(is_cancelled: Callable[[], bool] | None) -> AbstractContextManager[None]:
    """In it, what nobody waits for any more is not computed; nor is it begun.

    Parameters
    ----------
    is_cancelled : callable or None
        None: nobody can cancel it.

    Raises
    ------
    Interrupted
        At once, or inside.
    """
    if is_cancelled is None:
        return nullcontext()
    if is_cancelled():
        raise Interrupted
    return interruptible(lambda: not is_cancelled())


def interruptible_job(job: Job[R], is_wanted: IsWanted) -> Job[R]:
    """Let a job end within a network as soon as it is no longer wanted.

    Only prediction is interrupted, of targets and images. The steps of a training are short, and
    closing the job between two of them keeps its checkpoint.

    Parameters
    ----------
    job : generator
    is_wanted : callable
        Asked in the thread that advances the job.

    Raises
    ------
    Interrupted
        When it is not wanted.
    """
    answer: Signal | None = None
    try:
        while True:
            with interruptible(is_wanted, only_predicting=True):
                try:
                    progress = job.send(answer)
                except StopIteration as end:
                    return end.value  # type: ignore[no-any-return]
            answer = yield progress
    finally:
        job.close()
