import pytest

from sr_explore.plots import ratio_curves, training_curves
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


def test_a_training_can_be_drawn_on_while_it_runs():
    figure = training_curves([(0.0, 1.0)], levels={"unpruned": 31.0})
    loss, psnr = traces(figure)
    assert (list(loss.x), list(psnr.x)) == ([0.0], [])
    loss.update(x=[0.0, 1.0], y=[1.0, 0.5])
    assert list(traces(figure)[0].y) == [1.0, 0.5]
    assert layout(figure).yaxis.type == "log"
    assert layout(figure).shapes[0].yref == "y2", "the level belongs beside the PSNR"
