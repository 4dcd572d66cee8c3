"""Reading windows of planes ahead of their use, in a thread, in the type of their source."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.neighbours import offsets, stand_ins
from ..data.planes import Place, Planes, RawPlanes
from ..errors import UserError
from .scales import RAW, carrier
from .tiling import PlaneTile, input_of

NewMemory = Callable[[tuple[int, ...], torch.dtype], Tensor]
_KEPT = 2**29  # bytes of planes that stay on the device as neighbours of those that follow


@dataclass
class Window:
    """A part of a plane on its way to the device.

    Parameters
    ----------
    host : Tensor or None
        (C, h, w) in the host's memory; None once it was sent.
    reading : Future
        Gives whether it could be read in the type of its source.
    on_device : Tensor or None
        The same on the device, once it was sent.
    """

    host: Tensor | None
    reading: Future[bool]
    on_device: Tensor | None = None

    @property
    def is_read(self) -> bool:
        """Whether nobody has to wait for it."""
        return self.reading.done()

    def wait(self) -> UserError | None:
        """Wait until it is read: what went wrong, if anything did."""
        error = self.reading.exception()
        if error is None or isinstance(error, UserError):
            return error
        raise error

    @property
    def is_good(self) -> bool:
        """Whether it was read in the type of its source."""
        return self.wait() is None and self.reading.result()


class WindowReader:
    """Reads windows of planes and of those beside them, each of them once.

    Parameters
    ----------
    planes : Planes
    axis : str
        Letter of the axis along which planes are neighbours.
    reach : int
        Neighbours k on either side, 0 for planes alone.
    new_memory : callable
        Gives memory of the host of a shape and type.
    """

    def __init__(self, planes: Planes, axis: str, reach: int, new_memory: NewMemory) -> None:
        self._planes, self._axis, self._reach = planes, axis, reach
        self._new_memory = new_memory
        self._thread = ThreadPoolExecutor(1, "napari-aprrd-read")
        self._kept: OrderedDict[tuple[int, ...], Window] = OrderedDict()
        own = planes.raw_type if isinstance(planes, RawPlanes) else np.dtype(np.float32)
        self.type = own if own in RAW else np.dtype(np.float32)

    def close(self) -> None:
        """Read no more; what is being read is waited for."""
        self._thread.shutdown(cancel_futures=True)
        self._kept.clear()

    def read(self, unit: PlaneTile, size: tuple[int, int]) -> list[Window]:
        """Begin to read what a tile of a plane of this size is computed from.

        Returns
        -------
        list of Window
            Of the plane itself and of its neighbours; empty if something stands for a neighbour.
        """
        rows, columns = input_of(size, (unit.rows, unit.columns))
        return [self._window((plane, rows, columns)) for plane in self._seen(unit.plane)]

    def _seen(self, plane: int) -> list[int]:
        """Numbers of a plane and of what is seen beside it; none where there is nothing."""
        if not self._reach:
            return [plane]
        beside = {o: self._planes.beside(plane, o, self._axis) for o in offsets(self._reach)}
        there = {o: number for o, number in beside.items() if number is not None}
        seen = [there[o] for o in stand_ins(there, self._reach) if o is not None]
        return [plane, *seen] if len(seen) == 2 * self._reach else []

    def _window(self, place: Place) -> Window:
        """A window; it stays for the planes that follow, if it is to be their neighbour."""
        plane, rows, columns = place
        key = (plane, rows.start, rows.stop, columns.start, columns.stop)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        shape = (self._planes.channels, rows.stop - rows.start, columns.stop - columns.start)
        host = self._new_memory(shape, carrier(self.type))
        array = host.numpy().view(self.type)
        window = Window(host, self._thread.submit(_fill, self._planes, array, place))
        if self._reach:
            self._kept[key] = window
            while len(self._kept) * host.nbytes > _KEPT:
                self._kept.popitem(last=False)
        return window


def _fill(planes: Planes, array: NDArray[Any], place: Place) -> bool:
    """Read a window into an array; False where its type is not what the planes promised."""
    if not isinstance(planes, RawPlanes) or planes.raw_type != array.dtype:
        array[...] = planes.read(*place)
        return True
    try:
        np.copyto(array, planes.read_raw(*place), casting="equiv")
    except TypeError:  # some have masks in some chunks only
        return False
    return True
