from dataclasses import replace

import pytest

from sr_explore.plots import family_plot, family_table
from sr_explore.records import FamilyMember, TimingRecord
from tests.plots.records import layout, traces

TIMING = TimingRecord(120.0, 1.0, 9, (180, 320), "CPU, 2 threads", "float32", 2)


def member(name: str, line: str, macs: int, psnr: float, timing: TimingRecord | None = TIMING) -> FamilyMember:
    return FamilyMember(name, "title", line, 1000, macs, (180, 320), {"Set5": psnr}, timing)


MEMBERS = [
    member("rfdn-x4-pruned-50", "rfdn-x4-pruned", 2 * 10**9, 31.0, replace(TIMING, median_ms=50.0)),
    member("rfdn-x4-pruned-90", "rfdn-x4-pruned", 10**8, 30.0, replace(TIMING, median_ms=5.0)),
    member("rfdn-x4", "rfdn-x4", 2 * 10**10, 32.0),
    member("theirs", "published", 3 * 10**10, 32.2, None),
]


def test_a_ladder_is_a_line_from_the_cheapest_rung_to_the_dearest():
    ladder = next(trace for trace in traces(family_plot(MEMBERS)) if trace.name == "merged, then pruned")
    assert ladder.mode == "lines+markers"
    assert list(ladder.x) == pytest.approx([0.1, 2.0])
    assert list(ladder.y) == [30.0, 31.0]


def test_only_what_was_timed_is_drawn_over_time():
    right = [trace for trace in traces(family_plot(MEMBERS)) if trace.xaxis == "x2"]
    assert {name for trace in right for name in (text.split("<")[1].split(">")[1] for text in trace.text)} == {
        "rfdn-x4",
        "rfdn-x4-pruned-50",
        "rfdn-x4-pruned-90",
    }
    assert sorted(value for trace in right for value in trace.x) == [5.0, 50.0, 120.0]


def test_every_line_has_one_entry_in_the_legend():
    shown = [trace.name for trace in traces(family_plot(MEMBERS)) if trace.showlegend]
    assert sorted(shown) == ["merged, then pruned", "original", "published"]


def test_the_axes_say_what_was_measured_on_what():
    figure = layout(family_plot(MEMBERS))
    assert figure.xaxis.title.text == "G multiply-adds for 320 × 180 px"
    assert figure.xaxis2.title.text == "milliseconds (CPU, 2 threads, float32)"
    assert layout(family_plot([MEMBERS[-1]])).xaxis2.title.text == "milliseconds (not measured)"


def test_networks_without_a_score_are_left_out():
    other = replace(MEMBERS[0], psnr_y={"Set14": 28.0}, line="x", name="other")
    assert "x" not in {trace.name for trace in traces(family_plot([*MEMBERS, other]))}


def test_the_table_has_a_row_a_network_and_a_dash_where_nothing_is_known():
    table = family_table([*MEMBERS, replace(MEMBERS[0], psnr_y={"Set14": 28.123})])
    assert table.head[-2:] == ("Set5 (dB)", "Set14 (dB)")
    assert table.rows[3] == ("theirs", "1,000", "30.00", "–", "32.20", "–")
    assert table.rows[4][-2:] == ("–", "28.12")
