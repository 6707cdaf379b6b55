"""How milliseconds grow with the picture, and from which size on one network overtakes another."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import plotly.graph_objects as go

from sr_explore.plots.theme import GREY, PALETTE, styled
from sr_explore.records import TimingRecord

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star")
TICKS = [step * 10.0**power for power in range(-4, 6) for step in (1, 2, 5)]
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Crossover:
    """Where two lines cross: below `x`, `faster_below` is the lower one, above it `faster_above`."""

    faster_below: str
    faster_above: str
    x: float
    y: float


def crossovers(lines: Mapping[str, Points]) -> tuple[Crossover, ...]:
    """Where any two lines cross, straight between their points on log-log axes.

    Args:
        lines: by name, (x, y), all above 0, in any order, each x at most once; outside the range that two lines share
            nothing is said. Lines that only touch do not cross.

    Returns:
        From left to right.

    Raises:
        ValueError: if a number is not above 0.
    """
    logs = {name: _logs(name, points) for name, points in lines.items()}
    found = [each for one, other in combinations(logs, 2) for each in _crossings(one, logs[one], other, logs[other])]
    return tuple(sorted(found, key=lambda each: each.x))


def latency_plot(timings: Mapping[str, Sequence[TimingRecord]]) -> go.Figure:
    """Median milliseconds over megapixels of the low-resolution input, both on log scales, with every crossover named.

    Args:
        timings: by name of the network or layout, one record a size. Bars are half the interquartile range.
    """
    lines = {name: _points(records) for name, records in timings.items()}
    figure = go.Figure()
    for index, (name, records) in enumerate(timings.items()):
        ordered = sorted(records, key=_megapixels)
        figure.add_scatter(
            x=[_megapixels(record) for record in ordered],
            y=[record.median_ms for record in ordered],
            error_y={"array": [record.iqr_ms / 2 for record in ordered], "thickness": 1, "width": 3},
            name=name,
            mode="lines+markers",
            line_color=PALETTE[index % len(PALETTE)],
            marker={"symbol": SYMBOLS[index % len(SYMBOLS)], "size": 8},
            text=[f"{record.size[1]} × {record.size[0]} px" for record in ordered],
            hovertemplate="%{text}: %{y:.3g} ms<extra>%{fullData.name}</extra>",
        )
    if found := crossovers(lines):
        _mark(figure, found)
    figure.update_xaxes(type="log", tickvals=TICKS, title_text="megapixels of input")
    figure.update_yaxes(type="log", tickvals=TICKS, title_text=f"milliseconds{_where(timings)}")
    return styled(figure, height=440)


def _mark(figure: go.Figure, found: Sequence[Crossover]) -> None:
    """Number the crossovers and name them in the corner that growing lines leave free: at their places they overlap."""
    texts = [f"from {each.x:.2g} megapixels on, {each.faster_above} beats {each.faster_below}" for each in found]
    figure.add_scatter(
        x=[each.x for each in found],
        y=[each.y for each in found],
        mode="markers+text",
        marker={"symbol": "circle-open", "size": 16, "color": GREY, "line_width": 2},
        text=[f"<b>{number}</b>" for number in range(1, len(found) + 1)],
        textposition=["bottom right" if index % 2 == 0 else "top left" for index in range(len(found))],
        customdata=texts,
        name="crossover",
        showlegend=False,
        hovertemplate="%{customdata}<extra></extra>",
    )
    figure.add_annotation(
        x=1,
        y=0,
        xref="paper",
        yref="paper",
        xanchor="right",
        yanchor="bottom",
        text="<br>".join(f"<b>{number}</b>  {text}" for number, text in enumerate(texts, start=1)),
        align="left",
        showarrow=False,
        font={"color": GREY, "size": 12},
    )


def _crossings(one: str, first: Points, other: str, second: Points) -> list[Crossover]:
    low, high = max(first[0][0], second[0][0]), min(first[-1][0], second[-1][0])
    places = sorted({x for x, _ in [*first, *second] if low <= x <= high})
    gaps = [(x, _at(first, x) - _at(second, x)) for x in places]
    found = []
    apart = [(x, gap) for x, gap in gaps if not math.isclose(gap, 0, abs_tol=1e-12)]
    for (x0, gap0), (x1, gap1) in pairwise(apart):
        if gap0 * gap1 < 0:
            touching = [x for x, _ in gaps if x0 < x < x1]
            x = touching[0] if touching else x0 + (x1 - x0) * gap0 / (gap0 - gap1)
            names = (one, other) if gap0 < 0 else (other, one)
            found.append(Crossover(*names, math.exp(x), math.exp(_at(first, x))))
    return found


def _at(points: Points, x: float) -> float:
    if len(points) == 1:
        return points[0][1]
    index = next((i for i in range(1, len(points)) if points[i][0] >= x), len(points) - 1)
    (x0, y0), (x1, y1) = points[index - 1], points[index]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def _logs(name: str, points: Points) -> list[tuple[float, float]]:
    if not points or any(not value > 0 for point in points for value in point):
        raise ValueError(f"{name} needs points, and a log scale shows only numbers above 0")
    return sorted((math.log(x), math.log(y)) for x, y in points)


def _points(records: Sequence[TimingRecord]) -> list[tuple[float, float]]:
    return [(_megapixels(record), record.median_ms) for record in records]


def _megapixels(record: TimingRecord) -> float:
    return record.size[0] * record.size[1] / 1e6


def _where(timings: Mapping[str, Sequence[TimingRecord]]) -> str:
    places = {f"{record.device}, {record.dtype}" for records in timings.values() for record in records}
    return f" ({places.pop()})" if len(places) == 1 else ""
