from sr_explore.plots import live_curve, ratio_curves
from tests.plots.records import layout, traces


def test_points_stand_in_order_of_the_ratio():
    first, second = traces(ratio_curves({"a": [(0.5, 29.0), (0.1, 31.0)], "b": [(0.3, 30.0)]}))
    assert (list(first.x), list(first.y)) == ([0.1, 0.5], [31.0, 29.0])
    assert first.marker.symbol != second.marker.symbol


def test_levels_are_lines_with_names_and_inside_the_axis():
    figure = layout(ratio_curves({"a": [(0.5, 29.0)]}, {"unpruned": 32.16, "bicubic": 28.43}, "Set5"))
    assert [line.y0 for line in figure.shapes] == [32.16, 28.43]
    assert [note.text for note in figure.annotations] == ["unpruned 32.16", "bicubic 28.43"]
    low, high = figure.yaxis.range
    assert low < 28.43
    assert high > 32.16
    assert figure.yaxis.title.text == "PSNR-Y on Set5 (dB)"


def test_a_live_curve_writes_out_only_its_last_value():
    figure = live_curve([(0, 25), (2, 28.126)], total_s=10)
    assert list(traces(figure)[0].text) == ["", "28.13"]
    assert list(layout(figure).xaxis.range) == [0, 10]
    assert layout(figure).uirevision == "keep"


def test_a_live_curve_that_takes_longer_stays_in_sight():
    assert list(layout(live_curve([(12, 28)], total_s=10)).xaxis.range) == [0, 12]


def test_no_points_yet_and_none_at_all():
    assert len(traces(live_curve([]))[0].x) == 0
    assert not traces(ratio_curves({}))
