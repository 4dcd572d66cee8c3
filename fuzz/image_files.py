"""Fuzzing of the image readers and of names: a picture or one sentence, never another exception.

python fuzz/image_files.py --cases 5000
python fuzz/image_files.py --cases 500 --only tiff ome_xml --silent

With --silent, warnings and log lines of libraries, which users would see, are failures as well.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import re
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from napari_aprrd.core.errors import UserError
from napari_aprrd.files.description import describe
from napari_aprrd.files.formats import (
    FORMATS,
    find_files,
    images_in,
    read_picture,
    write_picture,
)
from napari_aprrd.files.inputs import Files
from napari_aprrd.files.picture import Picture

FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-image-files-"))
RNG = np.random.default_rng(0)
STACK = RNG.integers(0, 4000, (2, 3, 12, 10), dtype=np.uint16)
SEEN: Counter[str] = Counter()  # what became of the files
Check = Callable[[Any], None]
CHECKS: dict[str, Check] = {}


class SpokeError(AssertionError):
    """A library said something on the console."""


def sentence_of(error: UserError) -> None:
    text = str(error)
    assert 5 < len(text) < 3000, text
    assert "Traceback" not in text


def read(path: Path) -> Picture | None:
    """What every command does with an input: list it, open it, describe it, read a window."""
    try:
        images_in(path)
    except UserError as error:
        sentence_of(error)
    try:
        picture = read_picture(path, in_memory=2**24)
    except UserError as error:
        SEEN["refused"] += 1
        sentence_of(error)
        return None
    assert len(picture.axes) == len(picture.data.shape)
    assert all(np.isfinite(step) for step in picture.scale.values()), picture.scale
    SEEN["read"] += 1
    assert "\n" not in str(describe(picture))
    try:
        window = picture.as_planes.read(0, slice(0, 4), slice(0, 4))
        assert window.ndim == 3
    except UserError as error:
        sentence_of(error)
    return picture


def fresh(name: str) -> Path:
    """A path at which nothing is."""
    path = FOLDER / name
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return path


def strategy(check: Check) -> Check:
    CHECKS[check.__name__] = check
    return check


@st.composite
def damages(draw: Any) -> Callable[[bytes], bytes]:
    """A function that damages bytes, often not at all: some are changed, put in or cut off."""
    if draw(st.integers(0, 2)):
        return lambda content: content
    edits = draw(
        st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), max_size=3)
    )
    early, kept = draw(st.booleans()), draw(st.just(1.0) | st.just(1.0) | st.floats(0, 1))
    added = draw(st.booleans())

    def damage(content: bytes) -> bytes:
        for place, new in edits:
            start = int(place * (min(len(content), 600) if early else len(content)))
            content = content[:start] + new + content[start + (0 if added else len(new)) :]
        return content[: int(kept * len(content))]

    return damage


TEXTS = st.text(max_size=30) | st.sampled_from(
    ["ImageJ=1.53\nimages=6\nslices=3\nframes=2\nhyperstack=true", "ImageJ=", '{"shape": [2]}',
     '{"axes": "QQ", "shape": [3, 12, 10]}', "<OME", "MetaMorph", "{" * 50]
)  # fmt: skip
NUMBERS = st.integers(0, 2**32 - 1) | st.sampled_from([0, 1, 2, 3, 4, 7, 8, 16, 2**31])
# (code, type, value): of TIFF 6.0, ImageJ, LSM, STK, ICC, EXIF, and of nobody
TAGS = st.one_of(
    st.tuples(st.sampled_from([270, 305, 306, 315, 65000]), st.just("s"), TEXTS),
    st.tuples(st.sampled_from([282, 283]), st.just("2I"), st.tuples(NUMBERS, NUMBERS)),
    st.tuples(st.sampled_from([254, 262, 266, 274, 277, 284, 296, 317, 338, 339]), st.just("H"),
              st.integers(0, 70000).map(lambda n: n % 65536)),
    st.tuples(st.sampled_from([330, 33628, 34665, 34853, 50838]), st.just("I"), NUMBERS),
    st.tuples(st.sampled_from([34675, 34412, 50839, 37510, 700, 33629]), st.just("B"),
              st.binary(min_size=1, max_size=60)),
)  # fmt: skip


@st.composite
def images(draw: Any) -> np.ndarray[Any, Any]:
    """Small arrays of any type and shape, also with colours last or planes last."""
    shape = draw(
        st.one_of(
            st.lists(st.integers(1, 5), max_size=4).map(lambda s: [*s, 12, 10]),
            st.sampled_from([[12, 10, 1], [12, 10, 2], [12, 10, 3], [12, 10, 4], [3, 12, 10],
                             [12, 10, 5], [2, 12, 10, 3], [1, 1, 1], [1, 40], [12, 10, 1, 1]]),
        )
    )  # fmt: skip
    dtype = draw(st.sampled_from([*["u1", "u2"] * 4, "i2", "u4", "f4", "f8", "?", "c8", "i8"]))
    values: np.ndarray[Any, Any] = RNG.integers(0, 200, shape).astype(dtype)
    return values


@st.composite
def tiffs(draw: Any) -> tuple[list[tuple[Any, dict[str, Any]]], dict[str, Any], Any]:
    """Arguments of tifffile's writer for one or several series."""
    kind = draw(st.sampled_from([{}, {}, {"ome": True}, {"imagej": True}, {"bigtiff": True},
                                 {"byteorder": ">"}]))  # fmt: skip
    axes = st.none() | st.text("TZCYXSQIHRAEPMVL", max_size=6)
    series = []
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        metadata = draw(st.sampled_from([{}, None, "axes"]))
        extra = [(code, kind_of, None, value, True)
                 for code, kind_of, value in draw(st.lists(TAGS, max_size=2))]  # fmt: skip
        options = {
            "metadata": {"axes": draw(axes)} if metadata == "axes" else metadata,
            "photometric": draw(
                st.sampled_from([*[None] * 4, "minisblack", "miniswhite", "rgb", "palette"])
            ),
            "planarconfig": draw(st.sampled_from([*[None] * 4, "contig", "separate"])),
            "compression": draw(st.sampled_from([None, None, "zlib", "lzw", "packbits"])),
            "extratags": extra,
        }
        if options["photometric"] == "palette":
            options["colormap"] = RNG.integers(0, 65535, (3, 256), dtype=np.uint16)
        series.append((draw(images()), options))
    return series, kind, draw(damages())


@strategy
def tiff(cases: Any) -> None:
    """TIFFs with random tags, series, axes, types and some damage."""

    @cases
    @given(tiffs())
    def check(made: Any) -> None:
        series, kind, damage = made
        content = io.BytesIO()
        try:
            with warnings.catch_warnings(), muted("tifffile"):
                warnings.simplefilter("ignore")
                with tifffile.TiffWriter(content, **kind) as writer:
                    for data, options in series:
                        writer.write(data, **options)
        except Exception:  # nobody can write this one
            return
        path = fresh("a.tif")
        path.write_bytes(damage(content.getvalue()))
        read(path)

    check()


def ome_document() -> str:
    content = io.BytesIO()
    metadata = {
        "axes": "TCYX",
        "Channel": {"Name": ["one", "two", "three"]},
        **{"PhysicalSizeX": 0.1, "PhysicalSizeXUnit": "nm", "TimeIncrement": 2.0},
        "Plane": {"DeltaT": [0.1] * 6},
    }
    tifffile.imwrite(content, STACK, ome=True, metadata=metadata)
    content.seek(0)
    return str(tifffile.TiffFile(content).ome_metadata)


OME = ome_document()
WORDS = st.sampled_from(
    ["", "0", "-1", "1", "3", "1e999", "nan", "0.5", "abc", "99999999999", "XYZCT", "uint8",
     "double", "complex", "µm", "nm", "pixel", "reference frame", "furlong", "-16711681",
     "Image:9", "urn:uuid:0", "other.ome.tif", "2024-99-99T00:00:00", "true"]
)  # fmt: skip
WORDS |= st.text(st.characters(exclude_characters='<>&"', exclude_categories=("C",)), max_size=8)


@st.composite
def documents(draw: Any) -> str:
    """OME-XML with attributes changed or dropped, and elements dropped, doubled or renamed."""
    text = OME
    for _ in range(draw(st.integers(0, 4))):
        attributes = list(re.finditer(r' (\w+)="([^"]*)"', text))
        elements = list(re.finditer(r"<(\w+)[^<>]*/>|<(\w+)[^<>]*>[^<>]*</\2>", text))
        action = draw(st.sampled_from(["set", "set", "set", "drop", "cut", "double", "rename"]))
        if action in ("set", "drop", "rename") and attributes:
            match = attributes[draw(st.integers(0, len(attributes) - 1))]
            new = f' {match[1]}="{draw(WORDS)}"' if action == "set" else ""
            new = f' {match[1]}x="{match[2]}"' if action == "rename" else new
        elif elements:
            match = elements[draw(st.integers(0, len(elements) - 1))]
            new = match[0] * 2 if action == "double" else ""
        else:
            continue
        text = text[: match.start()] + new + text[match.end() :]
    if draw(st.integers(0, 9)) == 0:
        text = text[: draw(st.integers(0, len(text)))]
    return text


@strategy
def ome_xml(cases: Any) -> None:
    """OME-TIFFs whose OME-XML has been changed."""

    @cases
    @given(documents(), st.sampled_from([(2, 3, 12, 10), (6, 12, 10), (5, 12, 10), (12, 10)]))
    def check(text: str, shape: tuple[int, ...]) -> None:
        path = fresh("a.ome.tif")
        data = np.resize(STACK, shape)
        options: dict[str, Any] = {"photometric": "minisblack", "metadata": None}
        tifffile.imwrite(path, data, description=text.encode(), **options)
        read(path)

    check()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**40) | st.floats() | st.text(max_size=5)
    | st.sampled_from(["x", "y", "time", "space", "micrometer", "0", "bytes", "uint16", "|O"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)  # fmt: skip


@st.composite
def changes(draw: Any) -> Callable[[Any], Any]:
    """A function that changes one place of a JSON value."""
    way, new = draw(st.lists(st.floats(0, 0.999), min_size=1, max_size=9)), draw(JSON)
    action = draw(st.sampled_from(["set", "set", "drop", "double"]))

    def change(value: Any) -> Any:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        here, *further = way_left
        if not keys:
            return value
        key = keys[int(here * len(keys))]
        way_left[:] = further
        inner = value[key]
        if further and isinstance(inner, dict | list) and inner:
            value[key] = change(inner)
        elif action == "set":
            value[key] = new
        elif action == "drop":
            del value[key]
        elif isinstance(value, list):
            value.append(inner)
        return value

    way_left: list[float] = []

    def changed(value: Any) -> Any:
        way_left[:] = way
        return change(value) if isinstance(value, dict | list) else new

    return changed


def old_zarr(path: Path) -> None:
    """OME-Zarr 0.4 with two levels and an omero block, as other programs write it."""
    import zarr

    group = zarr.open_group(path, mode="w", zarr_format=2)
    for name, step in (("0", 1), ("1", 2)):
        data = STACK[..., ::step, ::step]
        array = group.create_array(name, shape=data.shape, dtype=data.dtype, chunks=(1, 1, 6, 5))
        array[:] = data
    axes = [{"name": "t", "type": "time", "unit": "second"}, {"name": "c", "type": "channel"},
            *({"name": n, "type": "space", "unit": "micrometer"} for n in "yx")]  # fmt: skip
    levels = [
        {"path": str(n), "coordinateTransformations": [{"type": "scale", "scale": [1, 1, s, s]}]}
        for n, s in enumerate((0.1, 0.2))
    ]
    window = {"start": 0, "end": 4000, "min": 0, "max": 65535}
    channels = [{"label": n, "color": "00FF00", "active": True, "window": window} for n in "abc"]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": levels}]
    group.attrs["omero"] = {"channels": channels}


@strategy
def zarr_metadata(cases: Any) -> None:
    """OME-Zarr 0.4 and 0.5 whose JSON files have been changed."""
    sources = {"new": FOLDER / "new.zarr", "old": FOLDER / "old.zarr"}
    write_picture(sources["new"], Picture(STACK, "TCYX", {"X": 0.1, "Y": 0.1}, {"X": "µm"}))
    old_zarr(sources["old"])
    files = {
        kind: sorted(
            p.relative_to(source)
            for p in source.rglob("*")
            if p.suffix == ".json" or p.name.startswith(".z")
        )
        for kind, source in sources.items()
    }

    @cases
    @given(
        st.sampled_from(sorted(sources)),
        st.lists(st.tuples(st.integers(0, 99), changes()), max_size=3),
        damages(),
        st.integers(0, 9),
    )
    def check(kind: str, edits: Any, damage: Any, broken: int) -> None:
        path = fresh("a.zarr")
        shutil.copytree(sources[kind], path)
        for number, change in edits:
            file = path / files[kind][number % len(files[kind])]
            file.write_text(json.dumps(change(json.loads(file.read_text()))))
        if broken == 0:
            file = path / files[kind][0]
            file.write_bytes(damage(file.read_bytes()))
        read(path)

    check()


@st.composite
def photographs(draw: Any) -> tuple[str, bytes]:
    """PNGs and JPEGs of all modes, with EXIF, profiles and texts, damaged or not."""
    suffix = draw(st.sampled_from([".png", ".jpg"]))
    modes = (
        ["L", "RGB", "CMYK"] if suffix == ".jpg" else ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]
    )
    mode = draw(st.sampled_from(modes))
    if mode == "I;16":
        picture = Image.fromarray(STACK[0, 0])
    else:
        picture = Image.fromarray(RNG.integers(0, 255, (12, 10, 3), dtype=np.uint8)).convert(mode)
    exif = Image.Exif()
    for code in draw(st.lists(st.sampled_from([274, 282, 306, 33434]), max_size=2)):
        exif[code] = draw(st.integers(0, 9)) if code == 274 else "1"
    options: dict[str, Any] = {"exif": draw(st.just(exif) | st.binary(max_size=30))}
    if draw(st.booleans()):
        options["icc_profile"] = draw(st.binary(min_size=1, max_size=40))
    if suffix == ".png":
        texts = PngImagePlugin.PngInfo()
        for value in draw(st.lists(st.text(max_size=8), max_size=2)):
            texts.add_itxt("Comment", value)
        options["pnginfo"] = texts
    content = io.BytesIO()
    try:
        picture.save(content, "PNG" if suffix == ".png" else "JPEG", **options)
    except Exception:  # nobody can write this one
        return suffix, b""
    return suffix, draw(damages())(content.getvalue())


@strategy
def photograph(cases: Any) -> None:
    """PNG and JPEG of all modes, with damage."""

    @cases
    @given(photographs())
    def check(made: tuple[str, bytes]) -> None:
        suffix, content = made
        path = fresh(f"a{suffix}")
        path.write_bytes(content)
        read(path)

    check()


@strategy
def foreign(cases: Any) -> None:
    """Any bytes under any of the names."""
    suffixes = sorted(suffix for file_format in FORMATS for suffix in file_format.suffixes)
    beginnings = sorted({first for file_format in FORMATS for first in file_format.first_bytes})

    @cases
    @given(st.sampled_from(suffixes), st.sampled_from([b"", *beginnings]), st.binary(max_size=300))
    def check(suffix: str, first: bytes, content: bytes) -> None:
        path = fresh(f"a{suffix}")
        path.write_bytes(first + content)
        read(path)

    check()


NAMES = st.text(max_size=12) | st.lists(
    st.sampled_from([" ", "-", "--", "~", "*", "?", "[1]", "[", "**", ".", "..", "/", "%", "'",
                     '"', "a", "ß", "細", "🔬", "\n", "\0", "\udce9", "$HOME", "\\", ":", "|",
                     "x" * 260]),
    max_size=5,
).map("".join)  # fmt: skip
ENDINGS = st.sampled_from(["", ".tif", ".TIFF", ".png", ".npy", ".zarr", ".czi", ".txt", ".tif/"])


@strategy
def names(cases: Any) -> None:
    """Names of inputs and outputs: the file is there and found, or one sentence says why not."""

    @cases
    @given(NAMES, ENDINGS, st.booleans())
    def check(name: str, ending: str, there: bool) -> None:
        if "**" in name and (name[0] in "/~" or ".." in name):
            return  # looks through all of the machine, as it should
        folder = fresh("place")
        folder.mkdir()
        os.chdir(folder)
        if there and ending in (".tif", ".npy", ".zarr") and "/" not in name and name[:1] != ".":
            target = folder / f"{name}{ending}"
            try:
                write_picture(target, Picture(STACK, "TCYX"))
            except UserError as error:
                sentence_of(error)
            else:
                assert [p.name for p in folder.iterdir()] == [target.name]
                if name[:1] != "~":
                    assert find_files([target.name]) == [Path(target.name)]
                assert read(target) is not None
        try:
            found = find_files([f"{name}{ending}"])
            for path in found[:3]:
                read(path) if path.is_relative_to(FOLDER) or not path.is_absolute() else None
        except UserError as error:
            sentence_of(error)
        try:
            Files.to([Path("in.tif")], Path(f"{name}{ending}"))
        except UserError as error:
            sentence_of(error)

    check()


@contextmanager
def muted(name: str) -> Any:
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


class Ear(logging.Handler):
    """Turns log lines that would reach the console into failures."""

    def emit(self, record: logging.LogRecord) -> None:
        raise SpokeError(f"{record.name}: {record.getMessage()[:300]}")


def run(name: str, cases: int) -> tuple[float, BaseException | None]:
    """Seconds per case, and what went wrong."""
    here = Path.cwd()
    config = settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    started = time.perf_counter()
    try:
        CHECKS[name](config)
    except Exception as error:
        return (time.perf_counter() - started) / cases, error
    finally:
        os.chdir(here)
    return (time.perf_counter() - started) / cases, None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=200, help="of each strategy")
    parser.add_argument("--only", nargs="+", choices=sorted(CHECKS), default=sorted(CHECKS))
    parser.add_argument("--silent", action="store_true", help="what libraries say is a failure")
    given_options = parser.parse_args()
    warnings.simplefilter("error" if given_options.silent else "ignore")
    if given_options.silent:
        logging.getLogger().addHandler(Ear(logging.WARNING))
    else:
        logging.getLogger().addHandler(logging.NullHandler())
    failed = 0
    for name in given_options.only:
        SEEN.clear()
        seconds, error = run(name, given_options.cases)
        failed += error is not None
        became = f"{SEEN['read']} read, {SEEN['refused']} refused"
        told = f"{given_options.cases} cases, {seconds * 1000:.0f} ms each, {became}"
        print(f"{name:14} {told}: {'failed' if error else 'passed'}", flush=True)
        if error is not None:
            traceback.print_exception(error, limit=-4)
    shutil.rmtree(FOLDER, ignore_errors=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
