import pytest

from sr_explore.plots import journey_plot, step_names, step_table
from sr_explore.plots.theme import MEANING
from tests.plots.records import layout, run, traces

NAMES = ["net", "fold", "prune-channels", "fold (2)"]


def test_a_stage_that_comes_again_is_numbered():
    assert step_names(run()) == NAMES


def test_costs_of_all_steps_are_drawn_in_the_colour_of_their_promise():
    figure = journey_plot(run())
    for axis, unit in (("x", 1e6), ("x2", 1e9 / 7)):
        bars = [bar for bar in traces(figure) if bar.type == "bar" and bar.xaxis == axis]
        assert {bar.name: bar.marker.color for bar in bars} == {
            kind: MEANING[kind] for kind in ("start", "exact", "lossy")
        }
        drawn = {name: value for bar in bars for name, value in zip(bar.x, bar.y, strict=True)}
        assert drawn == pytest.approx(dict(zip(NAMES, [value / unit for value in (100, 200, 50, 40)], strict=True)))
    assert list(layout(figure).xaxis.categoryarray) == NAMES, (
        "bars of one colour must not be drawn apart from the others"
    )


def test_quality_is_drawn_only_where_every_step_has_it():
    line = next(trace for trace in traces(journey_plot(run())) if trace.type == "scatter")
    assert (list(line.x), list(line.y)) == (NAMES, [30.0, 30.0, 28.0, 28.0])
    assert all(trace.type == "bar" for trace in traces(journey_plot(run(with_quality=False))))


def test_the_table_says_what_each_step_costs_and_proves():
    table = step_table(run())
    assert table.rows[0] == ("net", "", "100", "0.00", "1", "30.00", "–")
    assert table.rows[2] == ("prune-channels", "lossy", "50", "0.00", "1", "28.00", "–")
    assert table.rows[3] == ("fold (2)", "exact", "40", "0.00", "1", "28.00", "1e-16")
    lines = str(table).splitlines()
    assert len(lines) == 2 + len(NAMES)
    assert [line.find("lossy") > 0 for line in lines].count(True) == 1
    assert table._repr_html_().count("<tr>") == 1 + len(NAMES)
    assert "–" in str(step_table(run(with_quality=False)))
