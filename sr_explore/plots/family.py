"""The family: what every network is worth, against its multiply-adds and against the time it takes."""

from collections.abc import Callable, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sr_explore.plots.tables import Table
from sr_explore.plots.theme import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, styled
from sr_explore.records import FamilyMember

PUBLISHED = "published"
TICKS = [step * 10**power for power in range(-2, 5) for step in (1, 2, 5)]
LADDERS = {"rfdn-x4-pruned": ("merged, then pruned", BLUE), "rfdn-x4-direct": ("pruned straight away", ORANGE)}
SINGLES = {
    "rfdn-x4": ("original", GREEN, "diamond"),
    "rfdn-x4-branched": ("4 branches", VERMILION, "square"),
    "rfdn-x4-branched-2": ("2 branches", PURPLE, "square"),
    "rfdn-x4-merged": ("merged", SKY, "star"),
    "rlfn-x4": ("RLFN", GREEN, "diamond-open"),
    "rlfn-x4-kernels": ("RLFN, three kernels 1×1", VERMILION, "diamond-open"),
}


def family_plot(members: Sequence[FamilyMember], test_set: str = "Set5") -> go.Figure:
    """PSNR-Y over multiply-adds and over milliseconds, both on a log scale; ladders are lines, published ones crosses.

    Args:
        members: those without a score on `test_set` are left out, those without a timing only on the right.
    """
    shown = [member for member in members if test_set in member.psnr_y]
    timed = [member for member in shown if member.timing]
    height, width = members[0].size
    axes = [f"G multiply-adds for {width} × {height} px", _time_title(timed)]
    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.04)
    _add_lines(figure, shown, test_set, lambda member: member.macs / 1e9, 1)
    _add_lines(figure, timed, test_set, _milliseconds, 2)
    for column, title in enumerate(axes, start=1):
        figure.update_xaxes(type="log", tickvals=TICKS, title_text=title, row=1, col=column)
    figure.update_yaxes(title_text=f"PSNR-Y on {test_set} (dB)", row=1, col=1)
    styled(figure, height=520)
    return figure.update_layout(margin={"t": 84}, legend={"y": 1.03})


def family_table(members: Sequence[FamilyMember]) -> Table:
    """One row a network: parameters, multiply-adds, milliseconds and PSNR-Y on each test set."""
    sets = list(dict.fromkeys(name for member in members for name in member.psnr_y))
    rows = [
        (
            member.name,
            f"{member.params:,}",
            f"{member.macs / 1e9:.2f}",
            f"{member.timing.median_ms:.0f}" if member.timing else "–",
            *(f"{member.psnr_y[name]:.2f}" if name in member.psnr_y else "–" for name in sets),
        )
        for member in members
    ]
    return Table(("network", "params", "MACs (G)", "ms", *(f"{name} (dB)" for name in sets)), tuple(rows))


def _time_title(timed: Sequence[FamilyMember]) -> str:
    record = next((member.timing for member in timed if member.timing), None)
    return f"milliseconds ({record.device}, {record.dtype})" if record else "milliseconds (not measured)"


def _add_lines(
    figure: go.Figure,
    members: Sequence[FamilyMember],
    test_set: str,
    cost: Callable[[FamilyMember], float],
    column: int,
) -> None:
    for line in dict.fromkeys(member.line for member in members):
        mine = sorted((member for member in members if member.line == line), key=cost)
        name, style = _look(line)
        figure.add_scatter(
            x=[cost(member) for member in mine],
            y=[member.psnr_y[test_set] for member in mine],
            name=name,
            legendgroup=name,
            showlegend=column == 1,
            text=[f"<b>{member.name}</b><br>{member.title}<br>{member.params:,} parameters" for member in mine],
            hovertemplate="%{text}<br>%{x:.3g}, %{y:.3f} dB<extra></extra>",
            row=1,
            col=column,
            **style,
        )


def _look(line: str) -> tuple[str, dict]:
    if line in LADDERS:
        name, colour = LADDERS[line]
        return name, {"mode": "lines+markers", "line": {"color": colour}, "marker": {"size": 7}}
    if line in SINGLES:
        name, colour, symbol = SINGLES[line]
        return name, {"mode": "markers", "marker": {"color": colour, "symbol": symbol, "size": 13}}
    symbol = "x-thin-open" if line == PUBLISHED else "circle"
    return line, {"mode": "markers", "marker": {"color": GREY, "symbol": symbol, "size": 10, "line": {"width": 2}}}


def _milliseconds(member: FamilyMember) -> float:
    assert member.timing
    return member.timing.median_ms
