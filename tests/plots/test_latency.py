import pytest

from sr_explore.plots import crossovers, latency_plot, verdict
from sr_explore.records import TimingRecord
from tests.plots.records import layout, traces


def curve(*points: tuple[int, float], spread: float = 0.01) -> list[TimingRecord]:
    return [TimingRecord(ms, spread, 5, (side, side), "CPU", "float32", 1) for side, ms in points]


STEEP = curve((10, 1.0), (20, 4.0), (40, 16.0))
FLAT = curve((10, 4.0), (20, 4.5), (40, 5.0))
CURVES = {"steep": STEEP, "flat": FLAT}


def test_a_crossing_lies_where_the_lines_meet_on_logarithmic_axes():
    lines = {"a": curve((10, 1.0), (40, 16.0)), "b": curve((10, 4.0), (40, 4.0))}
    (crossing,) = crossovers(lines, "a", "b")
    assert crossing.side == pytest.approx(20)
    assert crossing.ms == pytest.approx(4)
    assert (crossing.small, crossing.large) == ("a", "b")
    assert crossovers(lines, "b", "a") == (crossing,)
    assert verdict(lines, "b", "a") == "a is faster up to about 20 px a side, b above."


def test_a_difference_within_the_spread_decides_nothing():
    noisy = {"a": curve((10, 1.0), (20, 2.0), (40, 4.0), spread=1.0), "b": curve((10, 1.5), (20, 1.9), (40, 4.3))}
    assert crossovers(noisy, "a", "b") == ()
    assert "cannot be told apart" in verdict(noisy, "a", "b")


def test_no_crossover_is_said_in_so_many_words():
    lines = {"a": curve((10, 1.0), (20, 2.0)), "b": curve((10, 2.0), (20, 6.0))}
    assert crossovers(lines, "a", "b") == ()
    sentence = "No crossover: a is faster than b at every size measured, by a factor of 2.0 to 3.0."
    assert verdict(lines, "b", "a") == sentence
    assert len(traces(latency_plot(lines, [("a", "b")]))) == 2


def test_lines_that_cross_again_and_again_are_too_close_to_call():
    lines = {"a": curve((10, 1.0), (20, 3.0), (40, 4.0)), "b": curve((10, 2.0), (20, 2.0), (40, 8.0))}
    assert len(crossovers(lines, "a", "b")) == 2
    assert "too close to call" in verdict(lines, "a", "b")


def test_the_crossing_is_marked_in_the_figure():
    figure = latency_plot(CURVES, [("steep", "flat")])
    mark = traces(figure)[-1]
    (crossing,) = crossovers(CURVES, "steep", "flat")
    assert list(mark.x) == [crossing.side]
    assert list(mark.y) == [crossing.ms]
    assert "steep | flat" in mark.name
    assert list(traces(figure)[0].x) == [10, 20, 40]
    assert list(traces(figure)[0].y) == [1, 4, 16]
    assert layout(figure).title.text == "CPU, float32"


def test_only_sizes_that_both_have_are_compared():
    assert crossovers({"a": STEEP, "b": curve((10, 2.0))}, "a", "b") == ()
    with pytest.raises(ValueError, match="no curve"):
        latency_plot({})
