"""What a pruning left of every layer, as one figure that a widget keeps and fills anew."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sr_explore.plots.layers import QUANTITIES
from sr_explore.plots.lineage import Lineage, lineages
from sr_explore.plots.theme import GREY, MEANING, styled
from sr_explore.records import LayerRow, LayerTable, StageReport

PANELS = ("channels", "params", "macs")
PARTS = ("kept", "removed")


def pruning_bars(before: LayerTable, after: LayerTable, report: StageReport | None = None) -> go.Figure:
    """Kept and removed of every layer, three panels: output channels, parameters, multiply-adds.

    Always six traces in one order over the layers of `before`, so that a figure on the screen can take over the data of
    another one. What a layer gained counts as kept. A layer whose kernel became 1×1 says so in its name and on what was
    removed of it; what else became of kernel and bias stands in the hover text.
    """
    rows = [row for row in lineages(before, after, report) if row.before]
    names = [f"{row.label}, 1×1" if _is_narrowed(row) else row.label for row in rows]
    marks = ["1×1" if _is_narrowed(row) else "" for row in rows]
    fates = [_fate(row) for row in rows]
    titles = [QUANTITIES[panel][0] for panel in PANELS]
    figure = make_subplots(3, 1, shared_xaxes=True, vertical_spacing=0.06, subplot_titles=titles)
    for index, panel in enumerate(PANELS, start=1):
        name, count = QUANTITIES[panel]
        old = [sum(map(count, row.before)) for row in rows]
        new = [sum(map(count, row.after)) for row in rows]
        values = {"kept": new, "removed": [max(a - b, 0) for a, b in zip(old, new, strict=True)]}
        shares = [f" ({b / a:.0%} left)" if a else "" for a, b in zip(old, new, strict=True)]
        hover = [f"{a:,} → {b:,} {name}{c}{d}" for a, b, c, d in zip(old, new, shares, fates, strict=True)]
        for part in PARTS:
            trace = _bar(part, names, values[part], hover, marks if part == "removed" and panel != "channels" else None)
            figure.add_bar(**trace, showlegend=index == 1, row=index, col=1)
    figure.update_annotations(font={"size": 13, "color": GREY}, x=0, xanchor="left")
    figure.update_xaxes(tickangle=-60, tickfont_size=9, showgrid=False)
    styled(figure, height=560)
    return figure.update_layout(barmode="stack", uirevision="keep", legend={"y": 1.04}, margin={"t": 44})


def _is_narrowed(row: Lineage) -> bool:
    """Whether a kernel became 1×1."""
    return bool(row.after) and _widest(row.before) > 1 == _widest(row.after)


def _widest(layers: Sequence[LayerRow]) -> int:
    return max(side for layer in layers for side in layer.kernel)


def _fate(row: Lineage) -> str:
    """What became of kernel and bias, as further lines."""
    kernel = [f"kernel {_widest(row.before)}×{_widest(row.before)} → 1×1"] if _is_narrowed(row) else []
    bias = ["bias gone"] if row.after and _biases(row.before) and not _biases(row.after) else []
    return "".join(f"<br>{line}" for line in (*kernel, *bias))


def _biases(layers: Sequence[LayerRow]) -> int:
    """How many biases there are: whatever a convolution's kernel does not hold."""
    return sum(
        layer.params - layer.out_channels * layer.in_channels // layer.groups * layer.kernel[0] * layer.kernel[1]
        for layer in layers
    )


def _bar(part: str, names: list[str], values: list[int], hover: list[str], marks: list[str] | None) -> dict[str, Any]:
    return {
        "x": names,
        "y": values,
        "name": part,
        "legendgroup": part,
        "marker_color": MEANING[part],
        "text": marks or [""] * len(names),
        "textposition": "inside",
        "insidetextanchor": "end",
        "textangle": 0,
        "textfont": {"size": 9, "color": "black"},
        "customdata": hover,
        "hovertemplate": f"<b>%{{x}}</b><br>{part} %{{y:,}}<br>%{{customdata}}<extra></extra>",
    }
