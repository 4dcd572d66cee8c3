"""Which layers are chosen without asking, and what was made from what."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from core.makers import neighbour_denoiser, noisy_stack, ramp
from napari.components import ViewerModel
from napari.layers import Image

from napari_aprrd._napari import sample_data
from napari_aprrd._napari.layers.choice import (
    channel_group,
    default,
    doubt,
    results_of,
    source_of,
    usable,
)
from napari_aprrd._napari.layers.preview import LivePreview
from napari_aprrd._napari.layers.views import planes_on_screen, show_result
from napari_aprrd._napari.widgets.images.layer_picker import LayerPicker
from napari_aprrd._napari.work import previews
from napari_aprrd._napari.work.previews import Preview, View, with_preview
from napari_aprrd.axes import ArrayPlanes
from napari_aprrd.core.jobs import Progress
from napari_aprrd.layers import denoised_layer, layer_planes, map_layer


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    for name in ("a", "b"):
        viewer.add_image(ramp(3, 64, 64), name=name)
    return viewer


def denoised(viewer: ViewerModel, source: Any) -> Any:
    result = denoised_layer(source, source.data, {})
    show_result(viewer, result, source)
    return result


def open_sample(viewer: ViewerModel) -> None:
    """As napari does: one layer after the other."""
    for data, attributes, _ in sample_data.white_noise():
        viewer.add_layer(Image(data, **attributes))


# Without asking -------------------------------------------------------------------------------


def test_the_active_layer_is_meant_or_else_the_topmost(viewer: ViewerModel) -> None:
    first, second = viewer.layers
    viewer.layers.selection.active = first
    assert default(viewer) is first
    viewer.layers.selection = {first, second}
    assert default(viewer) is second
    second.visible = False
    assert default(viewer) is first
    viewer.layers.clear()
    assert default(viewer) is None


def test_the_truth_of_the_sample_is_never_meant(few_steps: None) -> None:
    viewer = ViewerModel()
    open_sample(viewer)
    truth, noisy = viewer.layers
    truth.visible = True
    viewer.layers.selection.active = truth
    assert default(viewer) is noisy
    assert "clean image" in doubt(truth)
    viewer.layers.remove(noisy)
    assert default(viewer) is None


@pytest.mark.parametrize("blending", ["translucent", "additive"])
def test_beside_its_result_the_source_is_meant(viewer: ViewerModel, blending: str) -> None:
    source = viewer.layers["a"]
    source.blending = blending
    viewer.layers.selection.active = source
    result = denoised(viewer, source)
    assert viewer.layers.selection.active is result
    assert source.visible is (blending == "translucent")
    assert default(viewer) is source  # also where it was hidden for its result
    assert doubt(result) == "'a denoised' is denoised already."
    assert not doubt(source)
    viewer.layers.remove(result)
    assert source.visible  # it takes its place again


def test_previews_and_maps_cannot_be_chosen(viewer: ViewerModel) -> None:
    source = viewer.layers["a"]
    before = usable(viewer)
    viewer.add_layer(map_layer(source, source.data, "a map"))
    viewer.add_image(ramp(64, 64), metadata={"napari-aprrd preview": True})
    assert usable(viewer) == before
    assert default(viewer) is viewer.layers["b"]


# Identity -------------------------------------------------------------------------------------


def test_a_result_knows_its_source_by_identity(viewer: ViewerModel) -> None:
    source = viewer.layers["a"]
    result = denoised(viewer, source)
    source.name, result.name = "my movie", "better"
    viewer.layers["b"].name = "a"
    assert source_of(viewer, result) is source
    assert results_of(viewer, source) == [result]
    assert results_of(viewer, viewer.layers["a"]) == []
    viewer.layers.remove(source)
    assert source_of(viewer, result) is None


def test_a_copy_of_a_layer_claims_no_results(viewer: ViewerModel) -> None:
    source = viewer.layers["a"]
    result = denoised(viewer, source)
    data, attributes, _ = source.as_layer_data_tuple()
    copied = Image(data, **{**attributes, "name": "copy"})  # as napari's "Duplicate" does
    viewer.layers.insert(0, copied)
    assert source_of(viewer, result) is source
    assert results_of(viewer, copied) == []
    of_copy = denoised(viewer, copied)
    assert source_of(viewer, of_copy) is copied
    assert results_of(viewer, source) == [result]


def test_a_result_of_a_result_has_the_result_as_source(viewer: ViewerModel) -> None:
    source = viewer.layers["a"]
    first = denoised(viewer, source)
    second = denoised(viewer, first)
    assert source_of(viewer, second) is first
    assert results_of(viewer, source) == [first]
    viewer.layers.selection.active = second
    assert default(viewer) is source


# Channels -------------------------------------------------------------------------------------


def test_split_channels_are_found_together(viewer: ViewerModel) -> None:
    names = ["DAPI", "GFP", "mito"]
    channels = viewer.add_image(ramp(3, 64, 64), channel_axis=0, name=names)
    viewer.add_image(ramp(40, 40), blending="additive", name="other")
    denoised(viewer, channels[1])
    assert channel_group(viewer, channels[1]) == channels
    assert channel_group(viewer, viewer.layers["a"]) == [viewer.layers["a"]]


# The widget -----------------------------------------------------------------------------------


@pytest.fixture(params=[False, True], ids=["several", "one"])
def picker(request: Any, qtbot: Any, viewer: ViewerModel) -> LayerPicker:
    return made(qtbot, viewer, compact=request.param)


def made(qtbot: Any, viewer: ViewerModel, *, compact: bool = False) -> LayerPicker:
    picker = LayerPicker(viewer, compact=compact)
    qtbot.addWidget(picker)
    for event in ("inserted", "removed", "reordered", "renamed"):
        getattr(viewer.layers.events, event).connect(picker.reset_choices)
    return picker


def test_the_picker_follows_until_someone_chooses(picker: Any, viewer: ViewerModel) -> None:
    first, second = viewer.layers
    assert picker.chosen() == [second]
    viewer.layers.selection.active = first
    assert picker.chosen() == [first]
    third = viewer.add_image(ramp(40, 40), name="c")
    assert picker.chosen() == [third]
    picker.layers.value = [first]
    viewer.layers.selection.active = second
    viewer.add_image(ramp(40, 40), name="d")
    first.name = "renamed"
    assert picker.chosen() == [first]
    viewer.layers.remove(first)  # what was chosen is gone: it follows again
    assert picker.chosen() == [viewer.layers["d"]]
    viewer.layers.clear()
    assert picker.layers.value == []


def test_with_the_widget_open_the_sample_is_chosen_not_its_truth(
    qtbot: Any, few_steps: None
) -> None:
    viewer = ViewerModel()
    picker = made(qtbot, viewer)
    open_sample(viewer)
    assert [layer.name for layer in picker.chosen()] == ["cells, white noise"]
    assert picker.doubt.isHidden()
    picker.layers.value = [viewer.layers["cells, white noise, truth"]]
    assert "clean image" in picker.doubt.text()
    assert not picker.doubt.isHidden()


def test_of_many_layers_the_visible_one_is_chosen(qtbot: Any) -> None:
    viewer = ViewerModel()
    picker = made(qtbot, viewer)
    for number in range(20):
        for layer in viewer.layers:
            layer.visible = False
        viewer.add_image(ramp(40, 40), name=f"position{number:02}")
    assert [layer.name for layer in picker.chosen()] == ["position19"]


def test_after_a_result_its_source_stays_chosen(picker: Any, viewer: ViewerModel) -> None:
    source = viewer.layers["a"]
    viewer.layers.selection.active = source
    denoised(viewer, source)
    assert picker.chosen() == [source]


def test_several_selected_layers_are_chosen_together(qtbot: Any, viewer: ViewerModel) -> None:
    picker = made(qtbot, viewer)
    viewer.layers.selection = set(viewer.layers)
    assert picker.chosen() == list(viewer.layers)


def test_a_wrong_letter_leaves_the_true_reading(qtbot: Any, viewer: ViewerModel) -> None:
    picker = made(qtbot, viewer)
    reading = picker.reading.text()
    assert reading == "Read as 3 planes of 64 x 64 pixels."
    picker.axes.value = "XYZ"
    picker.axes.native.editingFinished.emit()
    assert "needs 3 different letters" in picker.wrong.text()
    assert picker.reading.text() == reading
    picker.axes.value = "zyx"
    picker.axes.native.editingFinished.emit()
    assert picker.wrong.isHidden()
    assert "3 slices" in picker.reading.text()


def test_a_new_shapes_layer_is_chosen_where_one_is_needed(qtbot: Any, viewer: ViewerModel) -> None:
    picker = made(qtbot, viewer)
    picker.part.value = "Rectangle in a Shapes layer"
    assert picker.shapes.value is None
    box = viewer.add_shapes([np.array([[0, 0], [0, 40], [40, 40], [40, 0]])])
    assert picker.shapes.value is box
    assert picker.planes().sizes == [(40, 40)] * 3


@pytest.mark.parametrize("compact", [False, True])
def test_the_picker_fits_a_narrow_dock(qtbot: Any, viewer: ViewerModel, compact: bool) -> None:
    for number in range(9):
        viewer.add_image(ramp(40, 40), name=f"a very long name of an experiment {number}")
    picker = made(qtbot, viewer, compact=compact)
    assert picker.minimumSizeHint().width() <= 280
    if not compact:
        assert picker.layers.sizeHint().height() < 140


# The plane on screen --------------------------------------------------------------------------


def on_screen(viewer: ViewerModel, layer: Any) -> list[int]:
    dims = viewer.dims
    return planes_on_screen(layer, dims.point, dims.units, dims.displayed)


def test_what_the_canvas_cuts_is_on_screen() -> None:
    viewer = ViewerModel()
    layer = viewer.add_image(ramp(2, 3, 40, 50))
    viewer.dims.set_point((0, 1), (1, 2))
    assert on_screen(viewer, layer) == [5]
    viewer.dims.ndisplay = 3
    assert on_screen(viewer, layer) == [3, 4, 5]
    viewer.dims.ndisplay = 2
    viewer.dims.order = (0, 2, 1, 3)  # Z and X on the canvas
    assert on_screen(viewer, layer) == [3, 4, 5]
    viewer.dims.order = (0, 1, 3, 2)  # the same plane, with rows and columns exchanged
    assert on_screen(viewer, layer) == [5]


def test_no_preview_where_the_canvas_shows_another_side(viewer: ViewerModel) -> None:
    source = viewer.layers["a"]
    preview = LivePreview(viewer, source)
    view = preview.view()
    assert view is not None
    assert not preview.about
    viewer.dims.ndisplay = 3
    assert preview.view() is None
    assert "volume" in preview.why_hidden
    preview.show(Preview(view, view.read()))
    assert len(viewer.layers) == 2
    viewer.dims.ndisplay = 2
    preview.show(Preview(view, view.read()))
    shown = viewer.layers["a preview"]
    assert "not yet the result" in preview.about
    assert viewer.layers[-1] is shown  # on top, also of what lies above its source
    viewer.dims.order = (1, 0, 2)
    assert not shown.visible
    viewer.dims.order = (0, 1, 2)
    assert shown.visible
    preview.close()
    assert "a preview" not in viewer.layers


def test_a_preview_is_not_summed_with_an_additive_source(viewer: ViewerModel) -> None:
    source = viewer.layers["a"]
    source.blending = "additive"
    preview = LivePreview(viewer, source)
    window = (slice(0, 64), slice(0, 64))
    view = View(layer_planes(source), 0, *window)
    preview.show(Preview(view, view.read()))
    assert viewer.layers["a preview"].blending.startswith("translucent")
    preview.close()
    assert source.visible


@pytest.mark.parametrize("kind", ["blind-spot", "student-1.00M"])
def test_a_preview_of_a_stack_sees_the_neighbours_of_the_plane_on_screen(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(step=10.0)
    monkeypatch.setattr(previews, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    model, stack = neighbour_denoiser(kind), noisy_stack(3, 64, 64)

    def shown_of(data: Any) -> Any:
        def training() -> Any:
            yield Progress("Train teacher", 1, 9, 0.0, snapshot=model.copy)

        planes = ArrayPlanes(data, "TYX")
        view = View(planes, 1, slice(0, 64), slice(0, 64))
        reports = with_preview(training(), lambda: view)
        return next(each for each in reports if isinstance(each, Preview)).image

    other = stack.copy()
    other[2] = noisy_stack(64, 64, seed=9)  # only a neighbour of what is shown
    assert shown_of(stack).shape == (1, 64, 64)
    assert not np.array_equal(shown_of(stack), shown_of(other))
