"""Images in a Zarr, whoever wrote it: OME-Zarr, bioformats2raw, xarray, or a plain array."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...core.errors import UserError
from ...layers import KEY
from ..picture import Picture
from .arrays import is_image, member, named_arrays, plain_picture
from .metadata import picture_of
from .places import Place, is_zarr

_MOST_NAMED = 5  # images in a sentence that lists them
_MOST_VISITED = 200  # groups, in search of images to name
_LARGEST_XML = 2**24  # bytes; a larger one takes seconds for no more than names
_LABELS = "it holds labels of objects, not intensities; name the image itself."


def pictures_in(path: Path) -> list[Picture]:
    """All images of a Zarr; no pixels are read.

    Raises
    ------
    UserError
        If there is none; it says which paths inside hold images.
    """
    import zarr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zarr on files beside the arrays, and on rare types
        place = Place.of(path)
        node = place.open()
        if isinstance(node, zarr.Array):
            return [_level(path, node) or plain_picture(node, {})]
        return _in_group(node, place)


def _in_group(group: Any, place: Place) -> list[Picture]:
    about = group.attrs.asdict()
    ome = _ome(about)
    if isinstance(ome.get("plate"), dict):
        raise UserError(_plate(group, ome["plate"], place))
    if "image-label" in ome:
        raise UserError(_LABELS)
    if _multiscales(group):
        return _ome_images(group)
    if isinstance(ome.get("well"), dict):
        return _well(group, ome["well"], place)
    if "bioformats2raw.layout" in {*about, *ome} or (ome is not about and "series" in ome):
        return _collection(group, place)
    pictures = named_arrays(group, place)
    if pictures:
        return pictures
    if isinstance(ome.get("labels"), list):
        raise UserError(_LABELS)
    inside = _find_images(group, place)
    hint = place.advice(inside) if inside else "there is no image in it"
    raise UserError(f"it is a Zarr group without OME-Zarr images: {hint}.")


def _ome(about: dict[str, Any]) -> dict[str, Any]:
    """What a group says in the words of OME-Zarr: 0.5 has a place of its own for that."""
    ome = about.get("ome")
    return ome if isinstance(ome, dict) else about


def _multiscales(group: Any) -> list[dict[str, Any]]:
    """The images of a group as OME-Zarr describes them, mostly one."""
    found = _ome(group.attrs.asdict()).get("multiscales")
    return found if isinstance(found, list) else []


def _group(group: Any, name: str) -> Any:
    import zarr

    found = member(group, name)
    return found if isinstance(found, zarr.Group) else None


def _ome_images(group: Any) -> list[Picture]:
    import zarr

    about = group.attrs.asdict()
    ome, record = _ome(about), about.get(KEY)
    pictures = []
    for multiscale in _multiscales(group):
        name = multiscale["datasets"][0]["path"]
        array = member(group, name)
        if not isinstance(array, zarr.Array):
            raise UserError(f"its array {name!r} is missing or damaged.")
        picture = picture_of(array, multiscale, ome.get("omero"), _version(ome, multiscale))
        pictures.append(replace(picture, record=record if isinstance(record, dict) else {}))
    labels = _group(group, "labels")
    if labels is None:
        return pictures
    names = _ome(labels.attrs.asdict()).get("labels")
    listed = f" ({', '.join(map(str, names))})" if isinstance(names, list) and names else ""
    note = f"Its labels{listed} are left out."
    return [replace(picture, notes=(*picture.notes, note)) for picture in pictures]


def _version(ome: dict[str, Any], multiscale: dict[str, Any]) -> str:
    return str(ome.get("version") or multiscale.get("version") or "")


def _level(path: Path, array: Any) -> Picture | None:
    """An array that is one of the levels of an OME-Zarr image, with what that says about it."""
    import zarr

    if not path.is_dir() or not is_zarr(path.absolute().parent):
        return None
    parent = zarr.open_group(path.absolute().parent, mode="r", use_consolidated=False)
    ome = _ome(parent.attrs.asdict())
    for multiscale in _multiscales(parent):
        names = [level["path"] for level in multiscale["datasets"]]
        if path.name in names:
            version, level = _version(ome, multiscale), names.index(path.name)
            picture = picture_of(array, multiscale, ome.get("omero"), version, level)
            note = f"It is level {level + 1} of {len(names)}, not the full resolution."
            notes = (*picture.notes, note) if level else picture.notes
            return replace(picture, notes=notes)
    return None


def _collection(group: Any, place: Place) -> list[Picture]:
    """The images that bioformats2raw numbers, with the names that their OME-XML has."""
    about = _group(group, "OME")
    listed = _ome(about.attrs.asdict()).get("series") if about is not None else None
    listed = listed or _ome(group.attrs.asdict()).get("series")
    names = (
        listed
        if isinstance(listed, list) and listed
        else sorted((n for n in place.children() if n.isdecimal()), key=int)
    )
    found = [(number, _group(group, str(name))) for number, name in enumerate(names)]
    images = [(number, image) for number, image in found if image and _multiscales(image)]
    if not images:
        raise UserError("it is a collection of images that lacks all of them.")
    known = _names_in_xml(place) if len(images) > 1 else []
    pictures = []
    for number, image in images:
        picture = _ome_images(image)[0]
        name = known[number] if number < len(known) and known[number] else picture.name
        pictures.append(replace(picture, name=name or str(names[number])))
    missing = [str(names[n]) for n, _ in found if n not in {number for number, _ in images}]
    if not missing:
        return pictures
    note = f"Of the images that it lists, {', '.join(missing[:_MOST_NAMED])} cannot be read."
    return [replace(picture, notes=(*picture.notes, note)) for picture in pictures]


def _names_in_xml(place: Place) -> list[str]:
    """Names of the images in the OME-XML that bioformats2raw adds."""
    content = place.content("OME/METADATA.ome.xml")
    if not 0 < len(content) <= _LARGEST_XML:
        return []
    import ome_types

    try:
        return [image.name or "" for image in ome_types.from_xml(content).images]
    except Exception:  # of the XML parser and of pydantic; the images are numbered all the same
        return []


def _plate(group: Any, plate: dict[str, Any], place: Place) -> str:
    """Say that it is a plate, and name an image in it."""
    wells = [str(well["path"]) for well in plate.get("wells") or []]
    count = f"{len(wells)} well{'s' if len(wells) != 1 else ''}"
    for path in wells[:_MOST_VISITED]:
        well = _group(group, path)
        fields = _fields(_ome(well.attrs.asdict()).get("well")) if well is not None else []
        if fields:
            return f"it is a plate of {count}: {_name_one(place, f'{path}/{fields[0]}')}."
    return f"it is a plate of {count} without images."


def _name_one(place: Place, inside: str) -> str:
    if place.zipped is not None:
        return f"unpack it and name an image inside, such as {inside}"
    return f"name an image inside, such as {place.path / inside}"


def _fields(well: Any) -> list[str]:
    return [str(image["path"]) for image in (well or {}).get("images") or []]


def _well(group: Any, well: Any, place: Place) -> list[Picture]:
    """The image of a well; several are named."""
    fields = _fields(well)
    if len(fields) != 1:
        first = f": {_name_one(place, fields[0])}" if fields else ""
        raise UserError(f"it is a well of {len(fields)} images{first}.")
    image = _group(group, fields[0])
    if image is None:
        raise UserError(f"its image {fields[0]!r} is missing or damaged.")
    return _ome_images(image)


def _find_images(group: Any, place: Place) -> list[str]:
    """Paths of some images in a group, those nearest to it first."""
    import zarr

    found: list[str] = []
    waiting, visited = [""], 0
    while waiting and visited < _MOST_VISITED and len(found) < _MOST_NAMED:
        inside, visited = waiting.pop(0), visited + 1
        for name in place.children(inside):
            path = f"{inside}/{name}".lstrip("/")
            node = member(group, path)
            if is_image(node) or (isinstance(node, zarr.Group) and _holds_images(node)):
                found.append(path)
            elif isinstance(node, zarr.Group):
                waiting.append(path)
    return found[:_MOST_NAMED]


def _holds_images(group: Any) -> bool:
    """Whether a group says that it is an image or a collection of images."""
    about = group.attrs.asdict()
    said = {*about, *_ome(about)}
    holds = {"multiscales", "plate", "well", "bioformats2raw.layout"} & said
    return bool(holds) and "image-label" not in said
