"""What a stage did to every layer: kept, removed and added, lined up although layers may have changed their names."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sr_explore.plots.journey import step_names
from sr_explore.plots.lineage import Lineage, lineages, run_lineages
from sr_explore.plots.theme import GREY, MEANING, styled
from sr_explore.records import LayerTable, PipelineRun, StageReport

QUANTITIES = {
    "params": ("parameters", lambda row: row.params),
    "channels": ("output channels", lambda row: row.out_channels),
    "macs": ("multiply-adds", lambda row: row.macs),
}


def layer_bars(
    before: LayerTable,
    after: LayerTable,
    report: StageReport | None = None,
    what: str = "params",
    as_share: bool = False,
) -> go.Figure:
    """One bar a layer: how much of it a stage kept, removed and added.

    Args:
        before, after: of the networks around the stage.
        report: the stage's; without it layers are lined up by their paths alone.
        what: "params", "channels" (outputs) or "macs".
        as_share: of what the layer had before; then what was removed is its pruning ratio.
    """
    name, count = QUANTITIES[what]
    rows = lineages(before, after, report)
    old = [sum(map(count, row.before)) for row in rows]
    new = [sum(map(count, row.after)) for row in rows]
    hover = [f"{a:,} → {b:,} {name}<br>{_story(row)}" for row, a, b in zip(rows, old, new, strict=True)]
    figure = go.Figure()
    for part, values in _split(old, new).items():
        if any(values):
            shown = [value / (a or b or 1) for value, a, b in zip(values, old, new, strict=True)]
            figure.add_bar(**_bar(part, [row.label for row in rows], shown if as_share else values, hover, as_share))
    title = f"{report.stage if report else 'layers'}: {sum(old):,} → {sum(new):,} {name}"
    figure.update_layout(barmode="stack")
    figure.update_xaxes(tickangle=-60, tickfont_size=10, showgrid=False)
    figure.update_yaxes(tickformat=".0%" if as_share else None)
    return styled(figure, title, height=420)


def run_bars(run: PipelineRun, what: str = "channels") -> go.Figure:
    """All layers through all steps of a run: one row of bars a step, and what belongs together stands in one column.

    Layers are followed by every step's edits through all changes of name, so that a column reads from top to bottom:
    as many layers as became one, what it grew to when branches were merged, and what pruning left of it.

    Args:
        run: at least one step.
        what: "params", "channels" (outputs) or "macs".
    """
    name, count = QUANTITIES[what]
    columns = run_lineages(run)
    amounts = [
        [sum(map(count, column.generations[index])) for column in columns] for index in range(len(run.steps) + 1)
    ]
    figure = make_subplots(
        len(amounts),
        1,
        shared_xaxes=True,
        shared_yaxes="all",  # pyright: ignore[reportArgumentType]
        vertical_spacing=0.03,
        subplot_titles=step_names(run),
    )
    figure.update_annotations(x=0, xanchor="left", font={"size": 12, "color": GREY})
    labels, shown = [column.label for column in columns], set()
    for index, new in enumerate(amounts):
        old = amounts[max(index - 1, 0)]
        changes = [f"{a:,} → {b:,} {name}" for a, b in zip(old, new, strict=True)]
        hover = [f"{change}<br>{_names(column, index)}" for change, column in zip(changes, columns, strict=True)]
        for part, values in _split(old, new).items():
            if any(values):
                legend = {"legendgroup": part, "showlegend": part not in shown}
                figure.add_bar(**_bar(part, labels, values, hover), **legend, row=index + 1, col=1)
                shown.add(part)
    figure.update_layout(barmode="stack", legend={"y": 1.04})
    figure.update_xaxes(tickangle=-60, tickfont_size=10, showgrid=False)
    return styled(figure, f"{name}, layer by layer", height=120 * len(amounts) + 190).update_layout(margin_t=84)


def _bar(
    part: str, labels: Sequence[str], values: Sequence[float], hover: Sequence[str], as_share: bool = False
) -> dict[str, Any]:
    number = ".0%" if as_share else ","
    return {
        "x": labels,
        "y": values,
        "name": part,
        "marker": {"color": MEANING[part], "opacity": 1 if part == "kept" else 0.8},
        "customdata": hover,
        "hovertemplate": f"<b>%{{x}}</b><br>{part} %{{y:{number}}}<br>%{{customdata}}<extra></extra>",
    }


def _split(old: Sequence[int], new: Sequence[int]) -> dict[str, list[int]]:
    pairs = list(zip(old, new, strict=True))
    return {
        "kept": [min(pair) for pair in pairs],
        "removed": [max(a - b, 0) for a, b in pairs],
        "added": [max(b - a, 0) for a, b in pairs],
    }


def _story(row: Lineage) -> str:
    old = ", ".join(layer.path for layer in row.before) or "new"
    return old if row.after else f"{old}: gone"


def _names(column: Lineage, index: int) -> str:
    rows = column.generations[index]
    return ", ".join(row.path for row in rows[:4]) + (" …" if len(rows) > 4 else "") if rows else "not here"
