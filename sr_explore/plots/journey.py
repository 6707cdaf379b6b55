"""A network's way through the stages: what it costs after each, and what it is worth."""

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sr_explore.plots.theme import GREY, MEANING, styled
from sr_explore.records import PipelineRun


def journey_plot(run: PipelineRun) -> go.Figure:
    """Parameters and multiply-adds after every step, and PSNR where the run measured it.

    Colours say what a stage promises: exact stages keep the function, lossy ones do not.
    """
    tables = [run.start, *(step.table for step in run.steps)]
    height, width = run.start.size
    panels = {
        "parameters (M)": [table.params / 1e6 for table in tables],
        f"multiply-adds (G) for {width} × {height} px": [table.macs / 1e9 for table in tables],
    }
    figure = make_subplots(1, 3 if _measured(run) else 2, subplot_titles=[*panels, "PSNR-Y (dB)"][: 2 + _measured(run)])
    for column, values in enumerate(panels.values(), start=1):
        _add_bars(figure, run, values, column)
    if _measured(run):
        _add_quality(figure, run)
    figure.update_annotations(font={"size": 13, "color": GREY})
    figure.update_xaxes(tickangle=-60, showgrid=False)
    styled(figure, height=420)
    # The legend stands above the panels' titles, which sit where it has its place in other figures.
    return figure.update_layout(barmode="stack", legend={"y": 1.1}, margin={"t": 72})


def step_names(run: PipelineRun) -> list[str]:
    """The network's name and those of the stages, in order; a stage that comes again is numbered."""
    names: list[str] = []
    for name in [run.model or "start", *(step.stage for step in run.steps)]:
        again = sum(earlier.split(" (")[0] == name for earlier in names)
        names.append(f"{name} ({again + 1})" if again else name)
    return names


def _add_bars(figure: go.Figure, run: PipelineRun, values: list[float], column: int) -> None:
    kinds = _kinds(run)
    names = step_names(run)
    for kind in dict.fromkeys(kinds):
        mine = [index for index, other in enumerate(kinds) if other == kind]
        figure.add_bar(
            x=[names[index] for index in mine],
            y=[values[index] for index in mine],
            name=kind,
            legendgroup=kind,
            showlegend=column == 1,
            marker_color=MEANING[kind],
            texttemplate="%{y:.2f}",
            textfont_color=GREY,
            textposition="outside",
            hovertemplate=f"<b>%{{x}}</b> ({kind})<br>%{{y:.4f}}<extra></extra>",
            row=1,
            col=column,
        )
    figure.update_xaxes(categoryorder="array", categoryarray=names, row=1, col=column)
    figure.update_yaxes(range=(0, 1.15 * max(values)), row=1, col=column)


def _add_quality(figure: go.Figure, run: PipelineRun) -> None:
    qualities = [run.start_quality, *(step.quality for step in run.steps)]
    psnrs = [quality.psnr_y for quality in qualities if quality]
    figure.add_scatter(
        x=step_names(run),
        y=psnrs,
        mode="lines+markers+text",
        line_color=GREY,
        marker={"size": 11, "color": [MEANING[kind] for kind in _kinds(run)]},
        texttemplate="%{y:.2f}",
        textposition=["bottom center" if _dips(psnrs, index) else "top center" for index in range(len(psnrs))],
        cliponaxis=False,
        showlegend=False,
        hovertemplate="<b>%{x}</b><br>%{y:.3f} dB<extra></extra>",
        row=1,
        col=3,
    )
    room = 0.15 * (max(psnrs) - min(psnrs)) + 0.1
    figure.update_yaxes(range=(min(psnrs) - room, max(psnrs) + room), row=1, col=3)


def _dips(values: Sequence[float], index: int) -> bool:
    """Whether a line goes down into this value, so that above it there is no room for its figure."""
    return index > 0 and values[index] < values[index - 1]


def _kinds(run: PipelineRun) -> list[str]:
    return ["start", *("exact" if step.exact else "lossy" for step in run.steps)]


def _measured(run: PipelineRun) -> bool:
    """Whether quality was measured at every step; a line with gaps would mislead."""
    return run.start_quality is not None and all(step.quality is not None for step in run.steps)
