import math

import pytest

from sr_explore.plots import equivalence_plot
from sr_explore.plots.equivalence import CEILING, FLOOR, WHOLE, drawn_at
from sr_explore.records import LayerDifference
from tests.plots.records import checked, layout, traces

RECORD = checked(
    3e-16,
    (
        LayerDifference("head", 0.0, 0.0),
        LayerDifference("blocks.0", 2e-16, 1e-7),
        LayerDifference("blocks.1", math.inf, math.nan),
    ),
)


def marks(dtype: str):
    return next(trace for trace in traces(equivalence_plot(RECORD)) if trace.name == dtype)


def test_every_layer_and_the_whole_picture_are_drawn_in_both_formats():
    assert list(marks("float64").x) == list(marks("float32").x) == ["head", "blocks.0", "blocks.1", WHOLE]
    assert list(marks("float64").y) == [FLOOR, 2e-16, CEILING, 3e-16]
    assert list(marks("float32").y) == [FLOOR, 1e-7, CEILING, 1e-7]


def test_exactly_equal_and_not_comparable_look_different():
    assert list(marks("float64").marker.symbol) == ["circle-open", "circle", "x", "circle"]
    assert marks("float64").customdata[0] == "exactly equal"
    assert marks("float32").customdata[2] == "nan"


@pytest.mark.parametrize(
    ("error", "height"), [(0, FLOOR), (1e-30, FLOOR), (0.5, 0.5), (1e9, CEILING), (-math.inf, CEILING)]
)
def test_heights_are_ones_that_a_logarithm_can_draw(error: float, height: float):
    assert drawn_at(error) == height


def test_round_off_of_each_format_and_the_bound_are_marked():
    figure = equivalence_plot(RECORD)
    heights = sorted(shape.y0 for shape in layout(figure).shapes)
    assert heights == [2.0**-52, 1e-12, 2.0**-23]
    texts = {round(10**note.y, 25): note.text for note in layout(figure).annotations}
    assert set(texts.values()) == {"round-off of float64", "bound", "round-off of float32"}
    low, high = layout(figure).yaxis.range
    assert layout(figure).yaxis.type == "log"
    assert low < math.log10(FLOOR)
    assert high > math.log10(CEILING), "the cross at the ceiling must be in view"


def test_the_title_says_whether_it_is_the_same_function():
    assert layout(equivalence_plot(checked(1e-16))).title.text.startswith("the same function")
    assert layout(equivalence_plot(checked(1e-9))).title.text.startswith("NOT")
