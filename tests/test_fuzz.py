"""Whatever comes in: a result or one sentence, never another exception.

200 cases of each kind; NAPARI_APRRD_FUZZ=5000 asks for more.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from command_line import call, options
from core.makers import TINY, noisy_image, random_denoiser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import napari_aprrd as aprrd
from napari_aprrd.api import as_planes
from napari_aprrd.axes import infer_axes
from napari_aprrd.core.errors import UserError
from napari_aprrd.core.model.denoiser import load
from napari_aprrd.core.model.methods_text import methods
from napari_aprrd.files.formats import read_picture

FUZZ = settings(
    max_examples=int(os.environ.get("NAPARI_APRRD_FUZZ", "200")),
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
DTYPES = ("u1", "<u2", ">u2", "i1", ">i4", "u8", "f2", "<f4", ">f4", "f8", "c8", "?", "O", "S3")
QUIET: dict[str, Any] = {"progress": False}


def result_or_sentence(call: Any, *arguments: Any, **settings: Any) -> Any:
    """The result, or None where the user was told what is wrong."""
    try:
        return call(*arguments, **settings)
    except UserError as error:
        sentence = str(error)
    assert len(sentence) > 5
    assert "\n" not in sentence
    return None


@st.composite
def arrays(draw: Any) -> Any:
    """Of 0 to 5 dimensions and any type: noise, constants, NaN, views, other byte orders."""
    shape = draw(
        st.one_of(
            st.lists(st.integers(0, 6), max_size=5),
            st.lists(st.integers(1, 3), max_size=3).map(lambda s: [*s, 24, 20]),
            st.lists(st.integers(1, 3), max_size=2).map(lambda s: [*s, 18, 30, 3]),
        )
    )
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    scale = draw(st.sampled_from([0.0, 1.0, 1e-30, 1e4, 1e30, 1e300]))
    with np.errstate(all="ignore"):
        values = np.asarray(100 + scale * rng.normal(size=shape)).astype(dtype)
    if dtype.kind == "f" and values.size:
        spoilt = draw(st.sampled_from([0.0, 0.0, 0.05, 1.0]))
        bad = draw(st.sampled_from([np.nan, np.inf, -np.inf]))
        values[np.asarray(rng.random(shape)) < spoilt] = bad
    view = draw(st.sampled_from([lambda a: a, np.transpose, lambda a: a[..., ::-1]]))
    return view(values) if values.ndim else values


AXES = st.none() | st.text("ITZCYXSq", max_size=6) | st.text(max_size=4).filter(str.isprintable)
MODEL = random_denoiser(width=2)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@FUZZ
@given(arrays(), AXES)
def test_arrays(array: Any, axes: str | None) -> None:
    planes = result_or_sentence(as_planes, array, axes)
    noise = result_or_sentence(aprrd.inspect_noise, array, axes=axes)
    clean = result_or_sentence(aprrd.denoise, array, MODEL, axes=axes, **QUIET)
    if planes is None:
        assert noise is None
        assert clean is None
    if clean is not None:
        assert clean.shape == array.shape
        assert clean.dtype == array.dtype.newbyteorder("=")
        result_or_sentence(aprrd.trust_report, array, clean, axes=axes)


@FUZZ
@given(st.lists(st.integers(0, 5), max_size=7), AXES)
def test_axes(shape: list[int], axes: str | None) -> None:
    named = result_or_sentence(infer_axes, shape, axes)
    assert named is None or len(named) == len(shape)


VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.lists(st.integers(-1, 40), max_size=4) | st.dictionaries(st.text(max_size=2), st.none())
)  # fmt: skip


@FUZZ
@given(st.data())
def test_settings(data: Any) -> None:
    config = data.draw(
        st.sampled_from([aprrd.TrainConfig, aprrd.DistillConfig, aprrd.DenoiseConfig])
    )
    names = st.sampled_from([*config.model_fields, "other"])
    made = result_or_sentence(config.of, **data.draw(st.dictionaries(names, VALUES, max_size=4)))
    assert made is None or config.of(made) == made


@st.composite
def damages(draw: Any) -> Any:
    """A function that damages bytes: some are changed, put in or cut off."""
    edits = draw(
        st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), max_size=4)
    )
    early, kept = draw(st.booleans()), draw(st.just(1.0) | st.floats(0, 1))
    added = draw(st.booleans())

    def damage(content: bytes) -> bytes:
        for place, new in edits:
            start = int(place * (min(len(content), 1500) if early else len(content)))
            content = content[:start] + new + content[start + (0 if added else len(new)) :]
        return content[: int(kept * len(content))]

    return damage


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small files of each kind."""
    folder = tmp_path_factory.mktemp("fuzz")
    MODEL.save(folder / "model.aprrd")
    image = noisy_image(2, 40, 36).astype(np.uint16)
    for name, kind in {"plain": {}, "imagej": {"imagej": True}, "ome": {"ome": True}}.items():
        tifffile.imwrite(folder / f"{name}.tif", image, metadata={"axes": "TYX"}, **kind)
    np.save(folder / "image.npy", image)
    (folder / "text.txt").write_text("no image")
    return folder


@FUZZ
@given(damage=damages())
def test_model_files(folder: Path, damage: Any) -> None:
    path = folder / "damaged.aprrd"
    path.write_bytes(damage((folder / "model.aprrd").read_bytes()))
    model = result_or_sentence(load, path)
    assert model is None or model.channels == 1


@pytest.mark.filterwarnings("ignore")
@FUZZ
@given(name=st.sampled_from(["plain.tif", "imagej.tif", "ome.tif", "image.npy"]), damage=damages())
def test_image_files(folder: Path, name: str, damage: Any) -> None:
    path = folder / f"damaged.{name}"
    path.write_bytes(damage((folder / name).read_bytes()))
    picture = result_or_sentence(read_picture, path)
    if picture is not None:
        assert len(picture.axes) == picture.data.ndim
        assert isinstance(picture.record, dict)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@FUZZ
@given(st.dictionaries(st.sampled_from(["train", "distill", "denoise", "noise", "imported"]), JSON))
def test_records(record: dict[str, Any]) -> None:
    text = result_or_sentence(methods, record)
    assert text is None or "[1]" in text


FILES = ["plain.tif", "image.npy", "text.txt", "model.aprrd", "none.tif", "*.npy", ".", "", "\0"]
OPTIONS = [
    *("--axes", "--planes", "--shifts", "--tile", "--dtype", "--seed", "--shift", "--window"),
    *("--patch", "--loss", "--preset", "--device", "--learning-rate", "--hold-out", "--json"),
    *("--methods", "--report", "--model", "--steps", "--batch", "--help"),
]
WORDS = [
    *("0", "1", "-1", "3", "0:1", "0:0", "1e9", "nan", "TYX", "QQQ", "1,2", "fast", "cuda"),
    *("cpu", "float32", "--", "-o", "x y", "", "model.aprrd", "out.tif", "out.xyz", "out"),
]
COMMANDS = ["inspect", "evaluate", "info", "import", "denoise", "denoise", "train", "distill", "x"]
CHEAP = options({**TINY, "steps": 1, "width": 2})


@pytest.mark.filterwarnings("ignore")
@FUZZ
@given(
    command=st.sampled_from(COMMANDS),
    files=st.lists(st.sampled_from(FILES), max_size=3),
    more=st.lists(st.sampled_from(OPTIONS) | st.sampled_from(WORDS), max_size=5),
    complete=st.booleans(),
)
def test_command_lines(
    folder: Path, command: str, files: list[str], more: list[str], complete: bool
) -> None:
    words = [command, *files, *more]
    if command in ("train", "distill"):
        words += CHEAP
    if complete:
        words += ["-o", "out.npy"] if command in ("train", "distill", "denoise", "import") else []
    if command == "denoise":  # without a model it would train for long
        words += ["--model", "model.aprrd"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = call(*words)
    assert result.exit_code in (0, 2), (words, result.output)
    assert result.exception is None or isinstance(result.exception, SystemExit), words
    assert "Traceback" not in result.output
