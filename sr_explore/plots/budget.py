"""What pruned networks are worth, at equal multiply-adds and at equal time."""

from collections.abc import Callable, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sr_explore.plots.tables import Table
from sr_explore.plots.theme import PALETTE, styled
from sr_explore.records import PrunedCost, RatioRecord

SYMBOLS = ("diamond", "circle", "square", "star", "triangle-up", "x")


def budget_plot(costs: Sequence[PrunedCost]) -> go.Figure:
    """PSNR over the share of multiply-adds, and over the share of time at every size that was measured.

    One panel each, PSNR on one scale. A way of pruning is a colour and a line from its least pruned network to its most
    pruned one. Bars across a point are the quartiles of the time.

    Raises:
        ValueError: if there is no network, or they were timed at different sizes.
    """
    if not costs:
        raise ValueError("there is no network to draw")
    sizes = [time.size for time in costs[0].times]
    if any([time.size for time in cost.times] != sizes for cost in costs):
        raise ValueError("the networks were timed at different sizes")
    panels = ["multiply-adds", *(f"time, {width}×{height} px" for height, width in sizes)]
    figure = make_subplots(1, len(panels), shared_yaxes=True, horizontal_spacing=0.03)
    for index, way in enumerate(dict.fromkeys(cost.way for cost in costs)):
        mine = sorted((cost for cost in costs if cost.way == way), key=lambda cost: -cost.macs_share)
        _add_way(figure, mine, 1, index, lambda cost: (cost.macs_share, None))
        for column in range(len(sizes)):
            _add_way(figure, mine, column + 2, index, lambda cost, column=column: _ratio(cost.times[column]))
    for column, panel in enumerate(panels, start=1):
        figure.update_xaxes(title_text=panel, tickformat=".0%", row=1, col=column)
    figure.update_yaxes(title_text="PSNR-Y (dB)", row=1, col=1)
    return styled(figure, height=460).update_layout(margin_t=64)


def budget_table(costs: Sequence[PrunedCost]) -> Table:
    """One row a network: parameters, multiply-adds, PSNR-Y, and milliseconds with their share of the first one's."""
    sizes = [time.size for time in costs[0].times]
    head = ("network", "params", "MACs", "PSNR-Y (dB)", *(f"{width}×{height} px" for height, width in sizes))
    rows = [
        (
            cost.name,
            f"{cost.params:,}",
            f"{cost.macs_share:.0%}",
            f"{cost.psnr_db:.2f}",
            *(f"{time.ratio:.2f} ({time.ms:.1f} ms)" for time in cost.times),
        )
        for cost in costs
    ]
    return Table(head, tuple(rows))


def _ratio(time: RatioRecord) -> tuple[float, tuple[float, float]]:
    return time.ratio, (time.ratio - time.low, time.high - time.ratio)


def _add_way(
    figure: go.Figure,
    costs: Sequence[PrunedCost],
    column: int,
    index: int,
    share: Callable[[PrunedCost], tuple[float, tuple[float, float] | None]],
) -> None:
    shares = [share(cost) for cost in costs]
    spreads = [spread for _, spread in shares if spread]
    below, above = ([spread[side] for spread in spreads] for side in (0, 1))
    bars = {"type": "data", "arrayminus": below, "array": above, "symmetric": False, "thickness": 1, "width": 3}
    figure.add_scatter(
        x=[value for value, _ in shares],
        y=[cost.psnr_db for cost in costs],
        error_x=bars if spreads else None,
        mode="lines+markers",
        name=costs[0].way,
        legendgroup=costs[0].way,
        showlegend=column == 1,
        line={"color": PALETTE[index % len(PALETTE)], "width": 1.5},
        marker={"size": 10, "symbol": SYMBOLS[index % len(SYMBOLS)]},
        text=[f"<b>{cost.name}</b><br>{cost.params:,} parameters" for cost in costs],
        hovertemplate="%{text}<br>%{x:.1%}, %{y:.2f} dB<extra></extra>",
        row=1,
        col=column,
    )
