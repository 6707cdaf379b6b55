import pytest

from sr_explore.plots import budget_plot, budget_table
from sr_explore.records import PrunedCost, RatioRecord
from tests.plots.records import layout, traces


def timed(side: int, ratio: float) -> RatioRecord:
    return RatioRecord(20 * ratio, ratio, ratio - 0.02, ratio + 0.05, 9, (side, side), "CPU", "float32", 1, "CPU time")


def cost(name: str, way: str, macs: float, db: float, *ratios: float) -> PrunedCost:
    times = tuple(timed(side, ratio) for side, ratio in zip((64, 128), ratios, strict=False))
    return PrunedCost(name, way, 1234, macs, db, times)


COSTS = (
    cost("RLFN", "whole", 1.0, 32.0, 1.0, 1.0),
    cost("five", "kernels", 0.7, 31.0, 0.8, 0.82),
    cost("three", "kernels", 0.8, 31.5, 0.9, 0.91),
)


def test_a_panel_for_multiply_adds_and_one_for_each_size():
    figure = budget_plot(COSTS)
    kernels = [trace for trace in traces(figure) if trace.name == "kernels"]
    assert [tuple(trace.x) for trace in kernels] == [(0.8, 0.7), (0.9, 0.8), (0.91, 0.82)], "least pruned first"
    assert all(tuple(trace.y) == (31.5, 31.0) for trace in kernels)
    assert [trace.showlegend for trace in kernels] == [True, False, False]
    axes = [layout(figure)[f"xaxis{number}"].title.text for number in ("", 2, 3)]
    assert axes == ["multiply-adds", "time, 64×64 px", "time, 128×128 px"]


def test_quartiles_are_bars_across():
    bars = next(t for t in traces(budget_plot(COSTS)) if t.name == "kernels" and t.xaxis == "x2").error_x
    assert list(bars.arrayminus) == pytest.approx([0.02, 0.02])
    assert list(bars.array) == pytest.approx([0.05, 0.05])


def test_the_table_gives_shares_and_milliseconds():
    assert budget_table(COSTS).rows[1] == ("five", "1,234", "70%", "31.00", "0.80 (16.0 ms)", "0.82 (16.4 ms)")


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="no network"):
        budget_plot([])
    with pytest.raises(ValueError, match="different sizes"):
        budget_plot([COSTS[0], cost("other", "x", 1.0, 30.0, 0.9)])
