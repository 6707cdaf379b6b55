"""Where time goes: single convolutions over their width, and networks by kinds of layers."""

from collections.abc import Callable, Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sr_explore.plots.theme import GREY, PALETTE, SKY, VERMILION, styled
from sr_explore.records import ConvTime, LayerTime, ProfileRecord

KINDS: dict[str, tuple[str, Callable[[LayerTime], bool]]] = {
    "convolutions with larger kernels": (SKY, lambda layer: max(layer.kernel) > 1),
    "1×1 convolutions": (VERMILION, lambda layer: max(layer.kernel) == 1),
}
REST = "everything else"


def conv_steps_plot(times: Sequence[ConvTime], step: int = 16) -> go.Figure:
    """Milliseconds of one convolution over its channels, and how many multiply-adds it does a second.

    Args:
        times: a line for each size of kernel. step: ticks and grid lines stand at its multiples.

    Raises:
        ValueError: if there is none.
    """
    if not times:
        raise ValueError("there is no time to draw")
    height, width = times[0].size
    figure = make_subplots(1, 2, horizontal_spacing=0.12)
    for index, kernel in enumerate(dict.fromkeys(time.kernel for time in times)):
        mine = sorted((time for time in times if time.kernel == kernel), key=lambda time: time.channels)
        values = {1: [time.ms for time in mine], 2: [time.macs / time.ms / 1e6 for time in mine]}
        for column, unit in ((1, "ms"), (2, "G/s")):
            figure.add_scatter(
                x=[time.channels for time in mine],
                y=values[column],
                mode="lines+markers",
                name=f"{kernel}×{kernel}",
                legendgroup=str(kernel),
                showlegend=column == 1,
                line_color=PALETTE[index % len(PALETTE)],
                hovertemplate=f"{kernel}×{kernel}, %{{x}} channels<br>%{{y:.2f}} {unit}<extra></extra>",
                row=1,
                col=column,
            )
    figure.update_xaxes(title_text="channels, in and out", dtick=step, tick0=0)
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(title_text="milliseconds", row=1, col=1)
    figure.update_yaxes(title_text="G multiply-adds a second", row=1, col=2)
    return styled(figure, f"one convolution alone, {width}×{height} px", height=400)


def profile_bars(profiles: Mapping[str, ProfileRecord]) -> go.Figure:
    """A bar a network: milliseconds in large kernels, in 1×1s, and in all that is not a convolution.

    Raises:
        ValueError: if there is none.
    """
    if not profiles:
        raise ValueError("there is no profile to draw")
    parts = {name: [_sum(profile, test) for profile in profiles.values()] for name, (_, test) in KINDS.items()}
    parts[REST] = [profile.rest_ms for profile in profiles.values()]
    colours = {name: colour for name, (colour, _) in KINDS.items()} | {REST: GREY}
    figure = go.Figure()
    for name, values in parts.items():
        figure.add_bar(
            y=list(profiles),
            x=values,
            orientation="h",
            name=name,
            marker_color=colours[name],
            text=[f"{value:.1f}" for value in values],
            textposition="inside",
            insidetextanchor="middle",
            hovertemplate=f"<b>%{{y}}</b><br>{name}: %{{x:.2f}} ms<extra></extra>",
        )
    figure.update_layout(barmode="stack")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(title_text="milliseconds a picture")
    first = next(iter(profiles.values()))
    styled(figure, f"{first.size[1]}×{first.size[0]} px", height=150 + 46 * len(profiles))
    return figure.update_layout(margin_t=56)


def _sum(profile: ProfileRecord, test: Callable[[LayerTime], bool]) -> float:
    return sum(layer.ms for layer in profile.layers if test(layer))
