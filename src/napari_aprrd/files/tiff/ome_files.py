"""OME-TIFF datasets of several files: which images, and which files, belong to one of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from ..library_logs import listening


@dataclass(frozen=True)
class OmeFile:
    """What the OME metadata says of one file.

    Parameters
    ----------
    xml : str
        The metadata, whole.
    text : str
        The same for tifffile: of the images in this file alone.
    images : tuple of int
        Which images of the metadata these are.
    files : frozenset of str
        Names of the files beside this one that hold parts of these images, and this one's.
    """

    xml: str
    text: str
    images: tuple[int, ...]
    files: frozenset[str]


def files_of_the_same_image(path: Path) -> set[str]:
    """Names of the files in the same folder that hold parts of the images of a TIFF.

    No pixels are read. A file that is not part of a dataset is alone.

    Parameters
    ----------
    path : Path
        One of the files.

    Returns
    -------
    set of str
        With the name of the path itself, and of the file that holds the metadata. Some of the
        files may be missing.
    """
    import tifffile

    try:
        with listening(), tifffile.TiffFile(path) as tiff:
            ome = own_images(tiff.ome_metadata or "", path)[0] if tiff.is_ome else None
    except Exception:  # of foreign bytes; whoever reads the file says what is wrong
        ome = None
    return {path.name, *(ome.files if ome is not None else ())}


def own_images(xml: str, path: Path) -> tuple[OmeFile | None, list[str]]:
    """Find the images of a file in its OME metadata, which may describe many files.

    Returns
    -------
    OmeFile or None
        None where the metadata cannot be used.
    notes : list of str
        Sentences on what is missing.
    """
    from xml.etree import ElementTree

    names = {path.name}
    try:
        root = ElementTree.fromstring(xml)
        elsewhere = next(_children(root, "BinaryOnly"), None)
        if elsewhere is not None:
            name = _file_name(elsewhere.get("MetadataFile", ""))
            names.add(name)
            xml = _metadata_in(path.with_name(name))
            if not xml:
                missing = f"{name}, the file with its OME metadata, is missing or damaged"
                return None, [f"{missing}: its pages are read as they come (--axes)."]
            uuid, root = root.get("UUID"), ElementTree.fromstring(xml)
            # Only so does tifffile know which pages of the dataset are in this file.
            root.set("UUID", uuid or root.get("UUID") or "")
    except ElementTree.ParseError:
        return None, ["Its OME metadata is damaged: its pages are read as they come (--axes)."]
    before = len(list(root.iter()))
    images = _choose_images(root, path)
    changed = elsewhere is not None or len(list(root.iter())) < before
    names |= set(_referenced(root))
    absent = sorted(name for name in names if not path.with_name(name).exists())
    text = ElementTree.tostring(root, encoding="unicode") if changed else xml
    return OmeFile(xml, text, images, frozenset(names)), _missing_files(absent)


def _choose_images(root: Any, path: Path) -> tuple[int, ...]:
    """Remove the images of other files; the numbers of those that stay."""
    images = list(_children(root, "Image"))
    names = set(_referenced(root))
    if len(names) == 1 and not path.with_name(*names).exists():
        _forget_files(root)  # the file was renamed: all the planes are its own
    own = [n for n, image in enumerate(images) if _is_own(image, root.get("UUID"), path)]
    own = own or list(range(len(images)))
    for number, image in enumerate(images):
        if number not in own:
            root.remove(image)
    return tuple(own)


def _is_own(image: Any, uuid: str | None, path: Path) -> bool:
    """Whether an image has planes in a file; it has if it does not name any."""
    places = [
        next(_children(data, "UUID"), None)
        for pixels in _children(image, "Pixels")
        for data in _children(pixels, "TiffData")
    ]
    return not places or any(
        place is None
        or (uuid is not None and place.text == uuid)
        or _file_name(place.get("FileName", "")).lower() == path.name.lower()
        for place in places
    )


def _forget_files(root: Any) -> None:
    for image in _children(root, "Image"):
        for pixels in _children(image, "Pixels"):
            for data in _children(pixels, "TiffData"):
                for place in list(_children(data, "UUID")):
                    data.remove(place)


def _referenced(root: Any) -> Iterator[str]:
    """Names of the files that hold the planes of the images."""
    for image in _children(root, "Image"):
        for pixels in _children(image, "Pixels"):
            for data in _children(pixels, "TiffData"):
                for place in _children(data, "UUID"):
                    if name := _file_name(place.get("FileName", "")):
                        yield name


def _missing_files(names: list[str]) -> list[str]:
    if not names:
        return []
    if len(names) == 1:
        return [f"{names[0]}, which holds a part of the image, is missing."]
    return [f"{len(names)} files that hold parts of the image are missing, such as {names[0]}."]


def _metadata_in(path: Path) -> str:
    """OME-XML of a companion file or of another TIFF; empty where there is none."""
    import tifffile

    try:
        if path.suffix.lower() in (".ome", ".xml"):
            return path.read_text(encoding="utf-8")
        with tifffile.TiffFile(path) as tiff:
            return str(tiff.ome_metadata or "")
    except (OSError, ValueError):  # tifffile's errors are ValueErrors
        return ""


def _children(element: Any, name: str) -> Iterator[Any]:
    """Children of a name, whatever the version of the schema."""
    return (child for child in element if str(child.tag).rpartition("}")[2] == name)


def _file_name(text: str) -> str:
    """Name of a file, without its folder in either notation."""
    return PureWindowsPath(text).name
