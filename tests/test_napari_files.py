"""napari's File menu: layers are saved with all that they say, model files open; layers' files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile
from core.makers import random_denoiser
from napari.components import ViewerModel
from napari.layers import Image
from napari.utils.notifications import notification_manager
from numpy.typing import NDArray

import napari_aprrd as aprrd
from napari_aprrd._napari.file_menu import SavingError
from napari_aprrd._napari.layers.picture import picture_of
from napari_aprrd._napari.layers.source import learn_axes, reading_of
from napari_aprrd._napari.models.session import session
from napari_aprrd.files.formats import read_picture, write_picture
from napari_aprrd.files.picture import Channel, Picture
from napari_aprrd.files.units import symbol
from napari_aprrd.layers import denoised_layer, layer_axes, name_axes

PLUGIN = "napari-aprrd"
RECORD = {"denoise": {"model": "1234"}}
FILM = {
    **{"PhysicalSizeX": 0.065, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.065},
    **{"PhysicalSizeYUnit": "µm", "TimeIncrement": 0.05, "TimeIncrementUnit": "s"},
}
STACK = {
    **{"scale": (2, 0.1, 0.2), "units": ("s", "um", "nm"), "axis_labels": ("t", "y", "x")},
    **{"translate": (0, 10, -20), "colormap": "green", "contrast_limits": (3, 70)},
}


@pytest.fixture(autouse=True)
def no_notifications_left() -> Iterator[None]:
    yield
    notification_manager.records.clear()


@pytest.fixture
def viewer(npe2pm: Any) -> ViewerModel:
    """A viewer without a window, whose plugins are napari's own and this one."""
    for name in ("napari", PLUGIN):
        npe2pm.register(name)
    return ViewerModel()


def ramp(*shape: int, dtype: Any = np.uint16) -> NDArray[Any]:
    return (np.arange(np.prod(shape)).reshape(shape) % 251).astype(dtype)


def film(path: Path, axes: str = "TYX", shape: tuple[int, ...] = (5, 40, 48), **more: Any) -> Path:
    """An OME-TIFF, which says more than napari's reader keeps."""
    metadata = {"axes": axes, **FILM, **more}
    tifffile.imwrite(path, ramp(*shape), ome=True, metadata=metadata)
    return path


def saved(viewer: ViewerModel, path: Path, *layers: Any) -> Picture:
    """Save layers as napari's dialog does with the plugin's entry chosen; read them again."""
    viewer.layers.selection = set(layers)
    assert viewer.layers.save(str(path), selected=True, plugin=PLUGIN) == [str(path)]
    return read_picture(path)


def messages() -> list[str]:
    return [str(record.message) for record in notification_manager.records]


# Saving -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a b.ome.tif", "film.tif", "film.ome.zarr"])
def test_a_denoised_layer_is_saved_with_sizes_axes_and_how_it_was_made(
    viewer: ViewerModel, tmp_path: Path, name: str
) -> None:
    source = viewer.add_image(ramp(3, 40, 48), name="cells", **STACK)
    layer = viewer.add_layer(aprrd.denoise(source, random_denoiser(), progress=False))
    picture = saved(viewer, tmp_path / name, layer)
    np.testing.assert_array_equal(picture.data, layer.data)
    assert (picture.axes, picture.named) == ("TYX", True)
    assert picture.scale == pytest.approx({"T": 2, "Y": 0.1, "X": 0.2})
    assert [symbol(picture.units[a]) for a in "TYX"] == ["s", "µm", "nm"]
    (channel,) = picture.channels
    assert (channel.name, channel.colour) == ("cells denoised", "00FF00")
    if name.endswith(".zarr"):  # OME-XML has no place for it
        assert channel.window == (3, 70)
    assert picture.record == layer.metadata["napari-aprrd"]
    assert aprrd.methods(tmp_path / name).startswith("Images were denoised")
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_the_place_of_a_layer_is_saved_where_the_format_has_one(
    viewer: ViewerModel, tmp_path: Path
) -> None:
    layer = viewer.add_image(ramp(3, 40, 48), name="cells", **STACK)
    assert saved(viewer, tmp_path / "a.zarr", layer).origin == {"Y": 10, "X": -20}
    assert messages() == []
    saved(viewer, tmp_path / "a.ome.tif", layer)
    assert messages() == ["a.ome.tif has no place for the position of the layer."]
    layer.rotate = 30
    saved(viewer, tmp_path / "a.zarr", layer)
    assert messages()[1:] == ["a.zarr has no place for the rotation or shear of the layer."]


def test_name_colour_and_contrast_of_a_layer_are_those_of_its_channel() -> None:
    assert picture_of(Image(ramp(3, 40, 48), name="GFP", **STACK)).channels == (
        Channel("GFP", "00FF00", (3, 70)),
    )
    # A map of several colours has no colour to name.
    assert picture_of(Image(ramp(40, 48), colormap="viridis")).channels[0].colour == ""
    assert picture_of(Image(ramp(40, 48, 3, dtype="u1"), rgb=True)).channels == ()


def test_labels_and_steps_that_napari_made_up_are_not_saved_as_names(
    viewer: ViewerModel, tmp_path: Path
) -> None:
    layer = viewer.add_image(ramp(3, 40, 48), name="cells")
    picture = picture_of(layer)
    assert (picture.named, picture.scale, picture.units, picture.origin) == (False, {}, {}, {})
    saved(viewer, tmp_path / "a.ome.tif", layer)
    assert [m.partition(";")[0] for m in messages()] == [
        "Nothing says what the axes of 'cells' are"
    ]
    # Of a stack with other steps between its planes than in them, the ratio is known.
    layer.scale, layer.axis_labels = (5, 1, 1), ("z", "y", "x")
    assert picture_of(layer).scale == {"Z": 5, "Y": 1, "X": 1}


@pytest.mark.parametrize("name", ["a.ome.tif", "a.tif", "a.zarr"])
def test_lazy_layers_are_written_plane_by_plane(
    viewer: ViewerModel, tmp_path: Path, name: str
) -> None:
    computed: list[int] = []

    def block(block_info: Any = None) -> NDArray[np.uint16]:
        computed.append(block_info[None]["chunk-location"][0])
        return ramp(1, 40, 48)

    data = da.map_blocks(block, chunks=((1,) * 4, (40,), (48,)), dtype="u2", meta=ramp(0, 0, 0))
    levels = [data, data[:, ::2, ::2]]
    axes = ("t", "y", "x")
    layer = viewer.add_image(levels, multiscale=True, contrast_limits=(0, 250), axis_labels=axes)
    computed.clear()
    picture = saved(viewer, tmp_path / name, layer)
    assert sorted(computed) == [0, 1, 2, 3]  # each plane of the full resolution, once
    np.testing.assert_array_equal(picture.data[2], ramp(40, 48))


def test_masks_and_large_integers_are_saved(viewer: ViewerModel, tmp_path: Path) -> None:
    mask = viewer.add_image(ramp(40, 48) > 100, name="mask")
    np.testing.assert_array_equal(saved(viewer, tmp_path / "a.ome.tif", mask).data, mask.data)
    large = viewer.add_image(ramp(40, 48, dtype=np.int64), name="large")
    np.testing.assert_array_equal(saved(viewer, tmp_path / "a.tif", large).data, large.data)


def test_what_cannot_be_saved_gets_one_sentence_and_leaves_nothing(
    viewer: ViewerModel, tmp_path: Path
) -> None:
    data, attributes, _ = viewer.add_image(ramp(40, 48), name="cells").as_layer_data_tuple()
    save = _writer("image").exec
    (tmp_path / "cells.ome.tif").touch()
    (tmp_path / "other.zarr").mkdir()
    (tmp_path / "other.zarr" / "diary.txt").touch()
    before = sorted(tmp_path.rglob("*"))
    for name, sentence in {
        "no/a.tif": r"^Cannot write .*a\.tif: No such file or directory\.$",
        "a.png": r"^Use a name that ends in .*, not a\.png\.$",
        "cells": r"^cells\.ome\.tif is there already; choose it to replace it\.$",
        "other.zarr": r"is a folder with other files, not a Zarr image; name another\.$",
    }.items():
        with pytest.raises(SavingError, match=sentence):
            save(args=(str(tmp_path / name), data, attributes))
    assert sorted(tmp_path.rglob("*")) == before


def _writer(*kinds: str) -> Any:
    from npe2 import plugin_manager

    writers = plugin_manager.iter_compatible_writers(kinds)
    return next(writer for writer in writers if writer.plugin_name == PLUGIN)


def test_a_name_without_an_ending_becomes_an_ome_tiff(viewer: ViewerModel, tmp_path: Path) -> None:
    layer = viewer.add_image(ramp(40, 48), name="cells")
    path = str(tmp_path / "cells v2.1 denoised")
    written = _writer("image").exec(args=(path, *layer.as_layer_data_tuple()[:2]))
    assert written == [f"{path}.ome.tif"]
    assert read_picture(written[0]).flavour == "ome"


def test_several_layers_become_the_channels_of_one_file(
    viewer: ViewerModel, tmp_path: Path
) -> None:
    first, second = (ramp(3, 40, 48) + n for n in (0, 1))
    layers = [
        viewer.add_image(data, name=name, axis_labels=("z", "y", "x"))
        for data, name in ((first, "DAPI"), (da.from_array(second, chunks=(1, 40, 48)), "GFP"))
    ]
    picture = saved(viewer, tmp_path / "a.ome.tif", *layers)
    assert picture.axes == "CZYX"
    np.testing.assert_array_equal(picture.data, [first, second])
    assert [channel.name for channel in picture.channels] == ["DAPI", "GFP"]
    viewer.add_image(ramp(2, 9, 9), name="other")
    with pytest.raises(SavingError, match=r"equal axes.*; save these one by one, or to a folder\."):
        saved(viewer, tmp_path / "b.ome.tif", *viewer.layers)
    assert not (tmp_path / "b.ome.tif").exists()


# What the file of a layer says ------------------------------------------------------------------


def test_axes_and_sizes_that_napari_left_out_are_read_from_the_file(
    viewer: ViewerModel, tmp_path: Path
) -> None:
    (layer,) = viewer.open(film(tmp_path / "film.ome.tif"), plugin="napari")
    learn_axes(layer)
    assert layer.axis_labels == ("t", "y", "x")
    assert reading_of(layer) == (
        "Read as TYX, 5 time points of 40 x 48 pixels, 0.065 x 0.065 µm, 0.05 s."
    )
    # An output overlays its source, and is saved with the sizes that the file has.
    out = viewer.add_layer(denoised_layer(layer, layer.data + 1, RECORD))
    assert tuple(out.scale) == tuple(layer.scale) == (1, 1, 1)
    picture = saved(viewer, tmp_path / "denoised.ome.tif", out)
    assert (picture.scale["X"], picture.scale["T"]) == (0.065, 0.05)
    assert (picture.units["X"], picture.units["T"]) == ("µm", "s")
    # What the user says counts.
    name_axes(layer, "zyx")
    layer.scale = (0.3, 0.1, 0.1)
    assert reading_of(layer) == "Read as ZYX, 5 slices of 40 x 48 pixels."
    assert picture_of(layer).scale == pytest.approx({"Z": 0.3, "Y": 0.1, "X": 0.1})


@pytest.mark.parametrize("name", ["out.ome.tif", "out.ome.zarr"])
def test_names_of_channels_in_the_file_come_back(
    viewer: ViewerModel, tmp_path: Path, name: str
) -> None:
    names = ("DAPI", "far red")
    path = film(tmp_path / "film.ome.tif", "TCYX", (3, 2, 40, 48), Channel={"Name": list(names)})
    (layer,) = viewer.open(path, plugin="napari")
    learn_axes(layer)
    out = viewer.add_layer(denoised_layer(layer, layer.data, RECORD))
    picture = saved(viewer, tmp_path / name, out)
    assert reading_of(out).endswith(", 0.065 x 0.065 µm, 0.05 s, channels DAPI, far red.")
    assert tuple(channel.name for channel in picture.channels) == names


def test_what_imagej_keeps_in_a_file_comes_back(viewer: ViewerModel, tmp_path: Path) -> None:
    about = {"spacing": 0.5, "unit": "nm", "mode": "composite", "Info": "by me"}
    path, again = tmp_path / "film.tif", tmp_path / "again.tif"
    tifffile.imwrite(path, ramp(4, 2, 40, 48), imagej=True, metadata={"axes": "ZCYX", **about})
    (layer,) = viewer.open(path, plugin="napari")
    saved(viewer, again, viewer.add_layer(denoised_layer(layer, layer.data, RECORD)))
    with tifffile.TiffFile(again) as file:
        assert about.items() <= (file.imagej_metadata or {}).items()


def test_planes_are_not_called_time_points_where_nobody_says_so(
    viewer: ViewerModel, tmp_path: Path
) -> None:
    np.save(tmp_path / "film.npy", ramp(5, 40, 48))
    (layer,) = viewer.open(tmp_path / "film.npy", plugin="napari")
    learn_axes(layer)
    assert reading_of(layer) == "Read as 5 planes of 40 x 48 pixels."
    assert layer.axis_labels == ("-3", "-2", "-1")


def test_a_file_that_does_not_fit_or_cannot_be_read_changes_nothing(
    viewer: ViewerModel, tmp_path: Path
) -> None:
    path = film(tmp_path / "film.ome.tif")
    (layer,) = viewer.open(path, plugin="napari")
    path.write_bytes(b"II*\0 no more than that")
    assert reading_of(layer) == "Read as 5 planes of 40 x 48 pixels."
    film(path)
    (layer,) = viewer.open(path, plugin="napari")
    layer.data = layer.data[:4]
    learn_axes(layer)
    assert reading_of(layer) == "Read as 4 planes of 40 x 48 pixels."
    assert messages() == []


def test_layers_that_are_single_channels_of_a_file_have_its_other_axes_and_sizes(
    viewer: ViewerModel, tmp_path: Path
) -> None:
    from napari.layers._source import layer_source

    path = tmp_path / "two.zarr"
    data = ramp(3, 2, 40, 48)
    scale, units = {"T": 2.0, "Y": 0.5, "X": 0.5}, {"T": "s", "Y": "µm", "X": "µm"}
    write_picture(path, Picture(data, "TCYX", scale, units))
    with layer_source(path=str(path), reader_plugin="other"):  # which makes a layer of each channel
        layer = viewer.add_image(data[:, 1], name="GFP")
    learn_axes(layer)
    assert layer_axes(layer) == "TYX"
    assert reading_of(layer) == ("Read as TYX, 3 time points of 40 x 48 pixels, 0.5 x 0.5 µm, 2 s.")
    picture = picture_of(layer)
    assert (picture.scale, picture.channels[0].name) == (scale, "GFP")


def test_what_a_file_says_is_read_once(
    viewer: ViewerModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (layer,) = viewer.open(film(tmp_path / "film.ome.tif"), plugin="napari")
    first = reading_of(layer)
    monkeypatch.setattr("napari_aprrd.files.formats.read_picture", lambda *_, **__: 1 / 0)
    assert reading_of(layer) == first


def test_the_widgets_say_how_a_file_was_read(
    qtbot: Any, viewer: ViewerModel, tmp_path: Path
) -> None:
    from napari_aprrd._napari.widgets.images.layer_picker import LayerPicker

    viewer.open(film(tmp_path / "film.ome.tif", "CYX", (2, 40, 48)), plugin="napari")
    picker = LayerPicker(viewer)
    qtbot.addWidget(picker)
    assert picker.axes.value == "CYX"
    assert picker.reading.text().startswith("Read as CYX, 2 channels of 40 x 48 pixels, 0.065 x")
    assert picker.planes().channels == 2


# Opening models -----------------------------------------------------------------------------------


def test_a_model_file_that_is_opened_joins_the_models_of_the_session(
    qtbot: Any, viewer: ViewerModel, tmp_path: Path
) -> None:
    model = random_denoiser("student-1.00M")
    model.save(tmp_path / "my cells.aprrd")
    session.add("my cells", random_denoiser("student-1.00M"))
    for _ in range(2):  # the second time it is there already
        assert viewer.open(tmp_path / "my cells.aprrd", plugin=None) == []
        qtbot.waitUntil(lambda: session.chosen == "my cells 2", timeout=10_000)
        assert list(session) == ["my cells", "my cells 2"]
        assert messages()[-1] == "Loaded student my cells.aprrd as 'my cells 2'."
        session.choose("my cells")


def test_what_is_not_a_model_gets_one_sentence(
    qtbot: Any, viewer: ViewerModel, tmp_path: Path
) -> None:
    (tmp_path / "cells.aprrd").write_bytes(b"something else")
    assert viewer.open(tmp_path / "cells.aprrd", plugin=None) == []
    qtbot.waitUntil(lambda: len(messages()) == 1, timeout=10_000)
    (sentence,) = messages()
    assert sentence.endswith("is not a napari-aprrd model; choose an *.aprrd file.")
    assert list(session) == []


# In a true viewer ---------------------------------------------------------------------------------


def test_the_save_dialog_of_napari_offers_the_plugin(
    make_napari_viewer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qtpy.QtWidgets import QFileDialog

    viewer = make_napari_viewer(show=True)
    (source,) = viewer.open(film(tmp_path / "film.ome.tif"), plugin="napari")
    out = viewer.add_layer(denoised_layer(source, source.data + 1, RECORD))
    path = tmp_path / "saved.ome.tif"

    def choose(dialog: Any, *_: Any, filter: str, **__: Any) -> tuple[str, str]:
        return str(path), next(f for f in filter.split(";;") if f.startswith("APR-RD denoising"))

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    actions = {action.text(): action for action in viewer.window.file_menu.actions()}
    save = next(action for text, action in actions.items() if text.startswith("Save Selected"))
    for layer, record in ((source, {}), (out, {**RECORD, "source": "film.ome"})):
        viewer.layers.selection = {layer}
        save.trigger()
        picture = read_picture(path)
        assert (picture.axes, picture.scale["X"], picture.record) == ("TYX", 0.065, record)
        np.testing.assert_array_equal(picture.data, layer.data)


def test_a_model_file_is_opened_as_napari_opens_what_is_dropped(
    make_napari_viewer: Any, qtbot: Any, tmp_path: Path
) -> None:
    viewer = make_napari_viewer(show=True)
    random_denoiser().save(tmp_path / "cells.aprrd")
    viewer.window._qt_viewer._qt_open([str(tmp_path / "cells.aprrd")], stack=False)
    qtbot.waitUntil(lambda: list(session) == ["cells"], timeout=10_000)
    assert messages() == ["Loaded teacher cells.aprrd."]
    assert len(viewer.layers) == 0
