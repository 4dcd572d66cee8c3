"""Ending a network's work in the middle of a tile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .denoiser import Denoiser


class Interrupted(Exception):  # noqa: N818  nothing went wrong
    """The work of a network is not wanted any more."""


@contextmanager
def interruptible(denoiser: Denoiser, is_wanted: Callable[[], bool]) -> Iterator[None]:
    """Ask before each layer of the network whether its work is still wanted.

    Parameters
    ----------
    denoiser : Denoiser
    is_wanted : callable
        Called in the thread that computes, many times a second.

    Raises
    ------
    Interrupted
        Inside the network, when it is not.
    """

    def check(module: Any, inputs: Any) -> None:
        if not is_wanted():
            raise Interrupted("The work was interrupted.")

    hooks = [part.register_forward_pre_hook(check) for part in denoiser.network.modules()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
