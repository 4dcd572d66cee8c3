"""The switch from the fast operations of this folder to plain PyTorch.

`upconv` and `upward` write some gradients by hand because that is faster. To see whether a strange
result comes from there, run with NAPARI_APRRD_PLAIN=1: the networks then use ordinary PyTorch
operations, which give the same values and gradients within rounding, only more slowly.
"""

from __future__ import annotations

import os

WANTED = os.environ.get("NAPARI_APRRD_PLAIN") == "1"  # read once, at import
