import pytest

from sr_explore.plots import live_curve, ratio_curves
from tests.plots.records import layout, traces


def test_series_are_drawn_in_order_of_the_ratio_and_levels_as_dashed_lines():
    figure = ratio_curves({"pruned": {0.5: 25.0, 0.0: 31.0}, "refitted": [(0.0, 31.0)]}, {"bicubic": 28.4})
    first, second = traces(figure)
    assert (list(first.x), list(first.y)) == ([0.0, 0.5], [31.0, 25.0])
    assert (first.name, second.name) == ("pruned", "refitted")
    assert first.line.color != second.line.color
    (level,) = layout(figure).shapes
    assert (level.y0, level.y1, level.line.dash) == (28.4, 28.4, "dash")
    assert layout(figure).annotations[0].text == "bicubic 28.40"
    with pytest.raises(ValueError, match="no curve"):
        ratio_curves({})


def test_a_live_curve_writes_out_only_its_last_value():
    figure = live_curve([(0, 25), (2, 28.126)], total_s=10)
    assert list(traces(figure)[0].text) == ["", "28.13"]
    assert list(layout(figure).xaxis.range) == [0, 10]
    assert layout(figure).uirevision == "keep"


def test_a_live_curve_that_takes_longer_stays_in_sight():
    assert list(layout(live_curve([(12, 28)], total_s=10)).xaxis.range) == [0, 12]


def test_a_live_curve_may_have_no_points_yet():
    assert len(traces(live_curve([]))[0].x) == 0
