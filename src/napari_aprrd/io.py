"""Image files in Python: read them with all that they say, see what they hold, write them."""

from .files.description import ImageDescription, describe
from .files.formats import images_in, read_picture, write_picture
from .files.picture import Channel, Choice, Picture

__all__ = [
    "Channel",
    "Choice",
    "ImageDescription",
    "Picture",
    "describe",
    "images_in",
    "read_picture",
    "write_picture",
]
