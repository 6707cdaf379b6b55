"""Quality over the pruning ratio, and training as it goes: lines, with what they should reach as levels."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sr_explore.plots.theme import BLUE, GREY, ORANGE, PALETTE, styled

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


def training_curves(
    loss: Points, psnr_y: Points = (), levels: Mapping[str, float] | None = None, title: str = ""
) -> go.Figure:
    """A training as it goes: loss over seconds, and beside it PSNR-Y where that was measured.

    `figure.data[0]` is the loss, `figure.data[1]` the PSNR: set their x and y to draw on live.

    Args:
        loss: by seconds; drawn on a logarithmic axis.
        psnr_y: dB by seconds.
        levels: dB by name, dashed lines beside the PSNR.
    """
    figure = make_subplots(1, 2, subplot_titles=["loss", "PSNR-Y (dB)"])
    for column, (name, points, colour) in enumerate([("loss", loss, ORANGE), ("PSNR-Y", psnr_y, BLUE)], start=1):
        x, y = _columns(points)
        hover = f"{name} %{{y:.4g}}<br>after %{{x:.1f}} s<extra></extra>"
        figure.add_scatter(x=x, y=y, mode="lines+markers", line_color=colour, name=name, row=1, col=column)
        figure.update_traces(hovertemplate=hover, marker_size=5, row=1, col=column)
    figure.update_annotations(font={"size": 13, "color": GREY})
    for name, height in (levels or {}).items():
        _level(figure, name, height, row=1, col=2)
    figure.update_xaxes(title_text="seconds", rangemode="tozero")
    figure.update_yaxes(type="log", row=1, col=1)
    return styled(figure, title, height=340).update_layout(showlegend=False, margin_r=96)


def _columns(points: Points) -> tuple[list[float], list[float]]:
    ordered = sorted(points.items() if isinstance(points, Mapping) else points)
    return [x for x, _ in ordered], [y for _, y in ordered]


def _level(figure: go.Figure, name: str, height: float, **place: int) -> None:
    line = {"color": GREY, "dash": "dash", "width": 1.3}
    figure.add_hline(height, line=line, **place)  # pyright: ignore[reportArgumentType]
    side = {"xref": "x2 domain", "yref": "y2"} if place else {"xref": "paper", "yref": "y"}
    font = {"color": GREY, "size": 12}
    figure.add_annotation(
        x=1.01, xanchor="left", y=height, text=f"{name} {height:.2f}", showarrow=False, font=font, **side
    )
