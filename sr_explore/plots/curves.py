"""Lines over a number: what is left of the quality as more is pruned, and a value that grows while one watches."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from sr_explore.plots.theme import BLUE, GREY, PALETTE, styled

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star")


def ratio_curves(
    series: Mapping[str, Sequence[tuple[float, float]]],
    levels: Mapping[str, float] | None = None,
    test_set: str = "",
) -> go.Figure:
    """PSNR over the pruning ratio, one line a method, and horizontal lines for what they are measured against.

    Args:
        series: by name, (pruning ratio in [0, 1], PSNR-Y in dB), in any order.
        levels: by name, dB: the unpruned network, bicubic.
        test_set: what was measured, for the axis.
    """
    figure = go.Figure()
    for index, (name, points) in enumerate(series.items()):
        ordered = sorted(points)
        figure.add_scatter(
            x=[ratio for ratio, _ in ordered],
            y=[psnr for _, psnr in ordered],
            name=name,
            mode="lines+markers",
            line_color=PALETTE[index % len(PALETTE)],
            marker={"symbol": SYMBOLS[index % len(SYMBOLS)], "size": 8},
            hovertemplate="%{x:.0%} pruned: %{y:.2f} dB<extra>%{fullData.name}</extra>",
        )
    for name, psnr in (levels or {}).items():
        _level(figure, name, psnr)
    figure.update_xaxes(title_text="pruning ratio", tickformat=".0%", rangemode="tozero")
    figure.update_yaxes(title_text=f"PSNR-Y{f' on {test_set}' if test_set else ''} (dB)")
    values = [psnr for points in series.values() for _, psnr in points] + list((levels or {}).values())
    if values:
        room = 0.08 * (max(values) - min(values)) + 0.05
        figure.update_yaxes(range=(min(values) - room, max(values) + room))
    return styled(figure, height=420)


def live_curve(
    points: Sequence[tuple[float, float]],
    label: str = "PSNR-Y (dB)",
    levels: Mapping[str, float] | None = None,
    total_s: float | None = None,
) -> go.Figure:
    """A value over seconds, drawn anew as points arrive; zoom stays as it was, and the last value is written out.

    Args:
        points: (seconds since the start, value), in order; none yet is an empty figure with its axes.
        label: of the value, with its unit.
        levels: horizontal lines by name.
        total_s: how long it will take, seconds, so that the axis stays still; None lets it grow.
    """
    figure = go.Figure()
    last = len(points) - 1
    end = max(total_s, points[-1][0] if points else 0.0) if total_s else None
    figure.add_scatter(
        x=[seconds for seconds, _ in points],
        y=[value for _, value in points],
        mode="lines+markers+text",
        line_color=BLUE,
        marker={"size": [9 if index == last else 4 for index in range(len(points))]},
        text=[f"{value:.2f}" if index == last else "" for index, (_, value) in enumerate(points)],
        textposition="top center",
        cliponaxis=False,
        showlegend=False,
        hovertemplate="%{x:.1f} s: %{y:.3f}<extra></extra>",
    )
    for name, value in (levels or {}).items():
        _level(figure, name, value)
    figure.update_xaxes(title_text="seconds", range=(0, end) if end else None, rangemode="tozero")
    figure.update_yaxes(title_text=label)
    figure.update_layout(uirevision="keep")
    return styled(figure, height=320)


def _level(figure: go.Figure, name: str, value: float) -> None:
    figure.add_hline(
        y=value,
        line={"color": GREY, "dash": "dash", "width": 1.5},
        annotation={"text": f"{name} {value:.2f}", "font": {"color": GREY, "size": 12}},
        annotation_position="top right",
    )
