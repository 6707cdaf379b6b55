import pytest
import torch

from sr_explore.analysis import sketch
from sr_explore.plots import network_plot
from sr_explore.plots.network import former_heights, part_edges, route
from sr_explore.records import SketchBox
from sr_explore.stages import MergeBranches, PruneChannels, apply_stages
from tests.plots.records import layout, traces
from tests.tiny import NETWORKS, tiny_branched, tiny_example


def box(path: str, left: float, middle: float, height: float, parts: tuple[int, ...] = ()) -> SketchBox:
    parts = parts or (int(height),)
    return SketchBox(path, "block", ("x",) * len(parts), parts, left, 1.0, middle, height, sum(parts), 1, 9)


def filled(figure, name: str) -> list[tuple[float, float]]:
    """(top, bottom) of every rectangle drawn in the colour of a kind."""
    (trace,) = [t for t in traces(figure) if t.fill == "toself" and t.name == name]
    tops = [y for y in trace.y if y is not None]
    return [(tops[index], tops[index + 2]) for index in range(0, len(tops), 5)]


def test_a_box_is_as_tall_as_it_has_channels_and_parts_share_its_height():
    edges = part_edges(box("a", 0, 0, 40, (10, 30)))
    assert edges[0][0] == pytest.approx(-20 + 0.75)
    assert [round(bottom - top + 1.5, 6) for top, bottom in edges] == [10, 30]


def test_wires_run_straight_where_boxes_face_each_other_and_bend_where_not():
    assert route(box("a", 0, 5, 10), box("b", 2, 0, 40), None) == [(1, 5), (2, 5)]
    bent = route(box("a", 0, 100, 10), box("b", 2, 0, 40), None)
    assert bent[0] == (1, 100)
    assert bent[-1] == (2, 0)
    assert len(bent) == 4
    assert {y for _, y in route(box("a", 0, 0, 10), box("b", 2, 0, 10), 30)} == {0, 30}


def test_what_was_taller_before_is_outlined():
    above, below = tiny_sketches()
    former = former_heights(above, below)
    assert former["heads.stack"] == 32
    assert not {"lr", "sr"} & set(former)
    dotted = [shape for shape in layout(network_plot([above, below])).shapes if shape.line.dash == "dot"]
    assert len(dotted) == len(former)
    assert max(abs(shape.y1 - shape.y0) for shape in dotted) == 32


def tiny_sketches():
    example = tiny_example()
    merged = MergeBranches()(tiny_branched(4, True), example).model
    stages = NETWORKS["converted-4s"]()
    pruned = apply_stages(stages, (PruneChannels(importance="magnitude"),), example)
    return sketch(merged, "merged"), sketch(pruned, "pruned")


def test_channels_moved_by_index_become_channels_moved_by_convolution():
    before = network_plot([sketch(NETWORKS["merged-4s"]())])
    after = network_plot([sketch(NETWORKS["converted-4s"]())])
    index, conv = "channels moved by index", "channels moved by a 1×1 convolution"
    assert len(filled(before, index)) == len(filled(after, conv)) == 4
    assert conv not in {trace.name for trace in traces(before)}
    assert index not in {trace.name for trace in traces(after)}


def test_the_legend_names_every_kind_once_over_several_drawings():
    figure = network_plot([sketch(NETWORKS["row"]()), sketch(NETWORKS["branched-4s"]())])
    named = [trace.name for trace in traces(figure) if trace.showlegend and trace.fill == "toself"]
    assert sorted(named) == ["block", "convolution", "picture", "small block"]
    with pytest.raises(ValueError, match="no network"):
        network_plot([])


@pytest.mark.parametrize("name", NETWORKS)
def test_every_form_can_be_drawn(name: str):
    figure = network_plot([sketch(NETWORKS[name](), name)])
    assert any(name in (note.text or "") for note in layout(figure).annotations)
    assert figure.to_json()


def test_other_networks_are_drawn_too():
    other = torch.nn.Sequential(torch.nn.Conv2d(3, 20, 3), torch.nn.Conv2d(20, 12, 3))
    assert len(filled(network_plot([sketch(other)]), "convolution")) == 2


def test_an_open_block_is_drawn_with_its_convolutions_and_hover_tells_kernel_and_bias():
    figure = network_plot([sketch(NETWORKS["rlfn"]())])
    assert [len(filled(figure, name)) for name in ("block, opened", "1×1 convolution", "attention")] == [2, 2, 2]
    stories = [
        story for trace in traces(figure) for story in (trace.customdata if trace.mode == "markers" else ()) or ()
    ]
    assert any("blocks.0.fuse" in story and "1×1 kernels, with bias" in story for story in stories)


def test_frames_leave_no_outline():
    drawing = sketch(NETWORKS["rlfn"]())
    lower = sketch(PruneChannels(importance="magnitude")(NETWORKS["rlfn"](), tiny_example()).model)
    former = former_heights(drawing, lower)
    assert former["blocks.0.refine.0"] == 8
    assert "blocks.0" not in former
