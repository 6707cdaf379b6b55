"""Milliseconds against picture size for several networks, and where one overtakes another."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import plotly.graph_objects as go

from sr_explore.plots.theme import GREY, PALETTE, styled
from sr_explore.records import TimingRecord

Curves = Mapping[str, Sequence[TimingRecord]]
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")


@dataclass(frozen=True)
class Crossover:
    """Where two curves cross: up to so many low-resolution `pixels` the network `small` is faster, above it `large`."""

    pixels: float
    ms: float
    small: str
    large: str

    @property
    def side(self) -> float:
        """The side of a square picture of so many pixels."""
        return math.sqrt(self.pixels)


def latency_plot(curves: Curves, pairs: Sequence[tuple[str, str]] = ()) -> go.Figure:
    """Median time over the side of the picture, with the quartiles as bars, both axes logarithmic.

    Args:
        curves: by name, records of square or other sizes; a picture counts as a square of as many pixels.
        pairs: names of curves whose crossovers are marked; see `crossovers`.

    Raises:
        ValueError: if there is no curve.
    """
    if not curves:
        raise ValueError("there is no curve to draw")
    figure = go.Figure()
    for index, (name, records) in enumerate(curves.items()):
        figure.add_scatter(
            x=[math.sqrt(_pixels(record)) for record in records],
            y=[record.median_ms for record in records],
            error_y={"array": [record.iqr_ms / 2 for record in records], "thickness": 1, "width": 3},
            mode="lines+markers",
            name=name,
            line_color=PALETTE[index % len(PALETTE)],
            marker={"size": 9, "symbol": SYMBOLS[index % len(SYMBOLS)]},
            customdata=[f"{record.size[1]} × {record.size[0]} px, {record.runs} runs" for record in records],
            hovertemplate="<b>%{fullData.name}</b><br>%{y:.2f} ms<br>%{customdata}<extra></extra>",
        )
    for one, other in pairs:
        for crossing in crossovers(curves, one, other):
            _mark(figure, crossing)
    first = next(record for records in curves.values() for record in records)
    ticks = sorted({round(math.sqrt(_pixels(record))) for records in curves.values() for record in records})
    figure.update_xaxes(type="log", title_text="side of the low-resolution picture (px)", tickvals=ticks)
    figure.update_yaxes(type="log", title_text="milliseconds a picture", dtick="D2")
    return styled(figure, f"{first.device}, {first.dtype}", height=440)


def crossovers(curves: Curves, one: str, other: str) -> tuple[Crossover, ...]:
    """Where two curves cross, from small pictures to large ones.

    A size at which the two differ by less than their spreads together decides nothing; a crossing lies between two
    sizes that do decide, and differently.
    """
    pairs = sorted(_same_sizes(curves[one], curves[other]), key=lambda pair: _pixels(pair[0]))
    clear = [pair for pair in pairs if _winner(*pair) is not None]
    found = []
    for (a, b), (c, d) in pairwise(clear):
        if _winner(a, b) != _winner(c, d):
            pixels, ms = _meeting(a, b, c, d)
            small, large = (one, other) if _winner(a, b) == 0 else (other, one)
            found.append(Crossover(pixels, ms, small, large))
    return tuple(found)


def verdict(curves: Curves, one: str, other: str) -> str:
    """One honest sentence on which of two is faster, and where."""
    found = crossovers(curves, one, other)
    if len(found) > 1:
        sides = ", ".join(f"{crossing.side:.0f}" for crossing in found)
        return f"{one} and {other} overtake each other more than once (near {sides} px): too close to call."
    if found:
        (crossing,) = found
        return f"{crossing.small} is faster up to about {crossing.side:.0f} px a side, {crossing.large} above."
    pairs = _same_sizes(curves[one], curves[other])
    clear = [pair for pair in pairs if _winner(*pair) is not None]
    if not clear:
        return f"{one} and {other} cannot be told apart here: they differ by less than the measurements vary."
    faster, slower = (one, other) if _winner(*clear[0]) == 0 else (other, one)
    ratios = sorted(max(a.median_ms, b.median_ms) / min(a.median_ms, b.median_ms) for a, b in clear)
    clearly = "at every size" if len(clear) == len(pairs) else f"at {len(clear)} of {len(pairs)} sizes"
    return (
        f"No crossover: {faster} is faster than {slower} {clearly} measured,"
        f" by a factor of {ratios[0]:.1f} to {ratios[-1]:.1f}."
    )


def _mark(figure: go.Figure, crossing: Crossover) -> None:
    figure.add_vline(crossing.side, line={"color": GREY, "dash": "dot", "width": 1})
    figure.add_scatter(
        x=[crossing.side],
        y=[crossing.ms],
        mode="markers",
        marker={"size": 17, "symbol": "circle-open", "color": GREY, "line": {"width": 2}},
        name=f"crossover: {crossing.small} | {crossing.large}",
        hovertemplate=f"{crossing.small} is faster up to here,<br>{crossing.large} above<extra></extra>",
    )
    figure.add_annotation(
        x=math.log10(crossing.side),
        y=0.02,
        yref="paper",
        yanchor="bottom",
        xanchor="left",
        text=f" ≈ {crossing.side:.0f} px",
        showarrow=False,
        font={"size": 12, "color": GREY},
    )


def _pixels(record: TimingRecord) -> int:
    return record.size[0] * record.size[1]


def _same_sizes(one: Sequence[TimingRecord], other: Sequence[TimingRecord]) -> list[tuple[TimingRecord, TimingRecord]]:
    by_size = {record.size: record for record in other}
    return [(record, by_size[record.size]) for record in one if record.size in by_size]


def _winner(one: TimingRecord, other: TimingRecord) -> int | None:
    """0 if the first is clearly faster, 1 if the second is, None if the spreads leave it open."""
    if abs(one.median_ms - other.median_ms) <= (one.iqr_ms + other.iqr_ms) / 2:
        return None
    return int(one.median_ms > other.median_ms)


def _meeting(a: TimingRecord, b: TimingRecord, c: TimingRecord, d: TimingRecord) -> tuple[float, float]:
    """Pixels and milliseconds where the line from a to c meets the one from b to d, on logarithmic axes."""
    left, right = math.log(_pixels(a)), math.log(_pixels(c))
    before, after = math.log(a.median_ms / b.median_ms), math.log(c.median_ms / d.median_ms)
    share = before / (before - after)
    ms = math.log(a.median_ms) + share * math.log(c.median_ms / a.median_ms)
    return math.exp(left + share * (right - left)), math.exp(ms)
