"""Quality over the pruning ratio, and a value that grows while one watches; levels for what they are measured by."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from sr_explore.plots.theme import BLUE, GREY, PALETTE, styled

Points = Mapping[float, float] | Sequence[tuple[float, float]]
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")


def ratio_curves(series: Mapping[str, Points], levels: Mapping[str, float] | None = None, title: str = "") -> go.Figure:
    """PSNR-Y over the pruning ratio.

    Args:
        series: by name ("pruned", "reconstructed", …), dB by ratio (0 to 1); in any order.
        levels: what does not depend on the ratio, dB by name ("unpruned", "bicubic"): dashed lines.

    Raises:
        ValueError: if there is no series.
    """
    if not series:
        raise ValueError("there is no curve to draw")
    figure = go.Figure()
    for index, (name, points) in enumerate(series.items()):
        x, y = _columns(points)
        figure.add_scatter(
            x=x,
            y=y,
            mode="lines+markers",
            name=name,
            line_color=PALETTE[index % len(PALETTE)],
            marker={"size": 8, "symbol": SYMBOLS[index % len(SYMBOLS)]},
            hovertemplate="<b>%{fullData.name}</b><br>ratio %{x:.0%}: %{y:.2f} dB<extra></extra>",
        )
    for name, height in (levels or {}).items():
        _level(figure, name, height)
    figure.update_xaxes(title_text="pruning ratio", tickformat=".0%", rangemode="tozero")
    figure.update_yaxes(title_text="PSNR-Y (dB)")
    return styled(figure, title, height=420).update_layout(margin_r=96)


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
        marker_size=5,
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


def _columns(points: Points) -> tuple[list[float], list[float]]:
    ordered = sorted(points.items() if isinstance(points, Mapping) else points)
    return [x for x, _ in ordered], [y for _, y in ordered]


def _level(figure: go.Figure, name: str, height: float) -> None:
    figure.add_hline(height, line={"color": GREY, "dash": "dash", "width": 1.3})  # pyright: ignore[reportArgumentType]
    place = {"xref": "paper", "yref": "y", "xanchor": "left", "showarrow": False}
    figure.add_annotation(x=1.01, y=height, text=f"{name} {height:.2f}", font={"color": GREY, "size": 12}, **place)
