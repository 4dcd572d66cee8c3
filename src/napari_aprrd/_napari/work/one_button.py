"""The job behind the "Denoise" dock: learn from a layer's planes, then denoise them, as one bar."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ...layers import levels
from .denoising import remarks
from .previews import Preview, View

if TYPE_CHECKING:
    from ...axes import ArrayPlanes
    from ...core.data.neighbours import Amid
    from ...core.jobs import Job, OneBar
    from ...core.model.denoiser import Denoiser
    from ...core.training.two_steps import Learnt

T = TypeVar("T")


@dataclass(frozen=True)
class Wish:
    """What to make of a layer.

    Parameters
    ----------
    planes : ArrayPlanes
        What is denoised.
    minutes : float
        Time for learning; not used with a model.
    device : str
    first : int
        The plane on screen, which is denoised first.
    amid : Amid, optional
        A single plane and those beside it, all of which are learnt from.
    model : Denoiser, optional
        To denoise with, instead of one that learns.
    shapes : sequence of shape
        Of the resolutions that the result is wanted in, the full one first; none for one alone.
    lazily : bool
        Only learn, since the result would not fit into memory.
    denoising : float
        Share of the time that denoising will take, after the learning.
    """

    planes: ArrayPlanes
    minutes: float
    device: str
    first: int = 0
    amid: Amid | None = None
    model: Denoiser | None = None
    shapes: Sequence[tuple[int, ...]] = ()
    lazily: bool = False
    denoising: float = 0.1


@dataclass(frozen=True)
class Made:
    """What became of a wish.

    Parameters
    ----------
    data : array, or list of arrays
        The denoised image, in all its resolutions; None if it is to be computed lazily.
    record : dict
        How it was made.
    learnt : Learnt or None
        The models that were trained for it.
    """

    data: Any
    record: dict[str, Any]
    learnt: Learnt | None


def fulfil(
    wish: Wish, bar: OneBar, share: float, view: Callable[[], View | None]
) -> Generator[Any, Any, Made | None]:
    """Show a first look, learn, denoise.

    Parameters
    ----------
    wish : Wish
    bar : OneBar
        Shared by the wishes of several layers.
    share : float
        Of the bar, for this wish.
    view : callable
        What is on screen, for the first look; None where that cannot be shown.

    Yields
    ------
    Preview or Progress

    Returns
    -------
    Made or None
        None when it was stopped before there was a result.
    """
    from ...core.config import DenoiseConfig, DistillConfig, TrainConfig
    from ...core.model.pretrained import first_look
    from ...core.training.two_steps import learn
    from ...denoise_arrays.at_once import denoise_now

    learnt, model, rest = None, wish.model, share
    if model is None:
        if (seen := view()) is not None:
            yield Preview(seen, first_look(seen.read()))
        rest = share * wish.denoising
        learnt = yield from learn(
            wish.planes if wish.amid is None else wish.amid.planes,
            TrainConfig(device=wish.device),
            DistillConfig(device=wish.device),
            minutes=wish.minutes,
            bar=bar,
            share=share - rest,
        )
        model = learnt.model
    yield from bar.part(remarks(wish.planes, wish.model, wish.amid), 0.0)
    if wish.lazily:
        return Made(None, {}, learnt)
    config = DenoiseConfig(device=wish.device)
    job = denoise_now(wish.planes, model, config, first=wish.first, amid=wish.amid)
    made = yield from bar.part(job if learnt is None else _to_its_end(job), rest)
    if made is None:
        return None
    # Made here, in the job's thread, since averaging and hashing take a while.
    data = levels(made.data, wish.shapes) if wish.shapes else made.data
    return Made(data, made.record(), learnt)


def _to_its_end(job: Job[T]) -> Job[T]:
    """Denoise all of it: "Finish now" is for the learning, whose result would be lost."""
    try:
        while True:
            yield job.send(None)
    except StopIteration as end:
        return end.value
    finally:
        job.close()
