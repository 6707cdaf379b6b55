import pytest

from sr_explore.plots import network_plot
from sr_explore.records import Sketch, SketchBox, SketchWire
from tests.plots.records import layout, traces


def box(path: str, column: int, channels: int, lane: int | None = None, kind: str = "block", **widths: int):
    return SketchBox(path, path.upper(), kind, column, lane, channels, 7, widths or {path: channels})


BRANCHES = Sketch(
    (box("a", 0, 10, 0), box("b", 0, 10, 1), box("c", 1, 20, kind="tail")),
    (SketchWire("a", "c", 10), SketchWire("b", "c", 10), SketchWire("a", "c", 10, "under")),
    21,
)
ROW = Sketch((box("a", 0, 5, x=5, y=3), box("c", 1, 20)), (SketchWire("a", "c", 5),), 14)


def frame(figure, name: str, which: int = 0):
    return [shape for shape in layout(figure).shapes if shape.name == name][which]


def test_heights_are_channels_on_one_scale_in_all_drawings():
    figure = network_plot({"before": BRANCHES, "after": ROW})
    scale = [(frame(figure, name, i).y1 - frame(figure, name, i).y0) for name, i in (("a", 0), ("c", 0), ("a", 1))]
    assert scale[1] == pytest.approx(2 * scale[0])
    assert scale[2] == pytest.approx(scale[0] / 2)


def test_lanes_stand_below_each_other_and_drawings_too():
    figure = network_plot({"before": BRANCHES, "after": ROW})
    assert frame(figure, "a").y1 < frame(figure, "b").y0
    assert frame(figure, "c").y1 < frame(figure, "c", 1).y0
    assert frame(figure, "b").y1 < frame(figure, "a", 1).y0


def test_bands_share_the_edge_that_they_arrive_at():
    figure = network_plot({"": BRANCHES})
    target = frame(figure, "c")
    middle = (target.y0 + target.y1) / 2
    assert f"L 1 {target.y0} L 1 {middle} " in frame(figure, "a → c").path
    assert f"L 1 {middle} L 1 {target.y1} " in frame(figure, "b → c").path
    assert frame(figure, "a → c", 1).line.dash == "dot"


def test_hover_gives_widths_and_parameters():
    hover = next(trace for trace in traces(network_plot({"": ROW})) if trace.mode == "markers")
    assert "5 channels out" in hover.text[0]
    assert "x: 5<br>y: 3" in hover.text[0]
    assert "7 parameters" in hover.text[0]


def test_titles_give_the_parameters():
    assert [note.text for note in layout(network_plot({"after": ROW})).annotations] == ["<b>after</b>  14 parameters"]


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="no network"):
        network_plot({})
