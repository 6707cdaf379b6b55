import pytest

from sr_explore.plots import crossovers, latency_plot
from sr_explore.records import TimingRecord
from tests.plots.records import layout, traces


def record(side: int, ms: float, device: str = "GPU") -> TimingRecord:
    return TimingRecord(ms, 0.4, 9, (side, 2 * side), device, "float16", 1)


def test_power_laws_cross_where_they_should():
    # y = x² and y = 10 x cross at (10, 100); both are straight on log axes, whatever points they are given by.
    (found,) = crossovers({"square": [(1, 1), (1000, 10**6)], "line": [(2, 20), (50, 500), (400, 4000)]})
    assert (found.faster_below, found.faster_above) == ("square", "line")
    assert (found.x, found.y) == (pytest.approx(10), pytest.approx(100))


def test_a_crossing_on_a_measured_point_counts_once():
    (found,) = crossovers({"a": [(1, 1), (10, 10), (100, 100)], "b": [(1, 2), (10, 10), (100, 50)]})
    assert (found.faster_below, found.faster_above, found.x) == ("a", "b", pytest.approx(10))


def test_touching_is_not_crossing_and_nothing_is_said_outside_the_shared_range():
    assert not crossovers({"a": [(1, 1), (10, 10), (100, 100)], "b": [(1, 2), (10, 10), (100, 200)]})
    assert not crossovers({"a": [(1, 1), (2, 2)], "b": [(3, 1), (4, 1)]})
    assert not crossovers({"a": [(1, 1), (2, 2)], "b": [(1, 1), (2, 2)]})


def test_several_come_from_left_to_right():
    lines = {"a": [(1, 1), (10, 3), (100, 1)], "b": [(1, 2), (10, 2), (100, 2)], "c": [(1, 9), (100, 9)]}
    assert [(each.faster_below, each.faster_above) for each in crossovers(lines)] == [("a", "b"), ("b", "a")]


def test_numbers_that_no_log_scale_shows_are_refused():
    with pytest.raises(ValueError, match="a needs points"):
        crossovers({"a": [(0, 1)], "b": [(1, 1)]})


def test_lines_are_sorted_sizes_in_megapixels_and_crossings_are_named():
    figure = latency_plot({"a": [record(1000, 40), record(100, 1)], "b": [record(100, 2), record(1000, 20)]})
    first, _, mark = traces(figure)
    assert (list(first.x), list(first.y)) == ([0.02, 2.0], [1, 40])
    assert list(first.error_y.array) == [0.2, 0.2]
    assert (layout(figure).xaxis.type, layout(figure).yaxis.type) == ("log", "log")
    assert len(mark.x) == 1
    assert "megapixels on, b beats a" in layout(figure).annotations[0].text
    assert layout(figure).yaxis.title.text == "milliseconds (GPU, float16)"


def test_lines_that_never_cross_have_no_mark():
    figure = latency_plot({"a": [record(100, 1)], "b": [record(100, 2, device="CPU")]})
    assert len(traces(figure)) == 2
    assert layout(figure).yaxis.title.text == "milliseconds"
