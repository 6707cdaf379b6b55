"""What modules put out: channel by channel as pictures, and how well one module gives what another one gave."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from sr_explore.plots.pictures import NOMINAL_WIDTH_PX, data_uri
from sr_explore.plots.theme import GREY, GRID, PALETTE, styled
from sr_explore.records import FeatureMatch

SLIDER_PX = 110
SPREAD = 3.0
"""How many standard deviations of a map lie between grey and black or white."""


def channel_slider(stacks: Mapping[str, NDArray[Any]], channels: Sequence[int]) -> go.Figure:
    """Feature maps side by side, one channel at a time; a slider under them goes through the channels.

    Grey is a map's own mean, black and white lie 3 of its standard deviations away. So brightness and contrast play no
    part, as in a correlation: maps of one pattern look the same.

    Args:
        stacks: by name, each (C, H, W), all of one shape.
        channels: to be offered, in this order.

    Raises:
        ValueError: if there is nothing to show or the shapes differ.
    """
    shapes = {stack.shape for stack in stacks.values()}
    if len(shapes) != 1 or not channels:
        raise ValueError(f"feature maps of one shape and at least one channel are needed; these have {sorted(shapes)}")
    _, height, width = shapes.pop()
    figure = make_subplots(
        1,
        len(stacks),
        shared_xaxes="all",  # pyright: ignore[reportArgumentType]
        shared_yaxes="all",  # pyright: ignore[reportArgumentType]
        subplot_titles=[f"<b>{name}</b>" for name in stacks],
        horizontal_spacing=0.01,
    )
    for position, channel in enumerate(channels):
        for column, stack in enumerate(stacks.values(), start=1):
            image = go.Image(source=data_uri(_grey(stack[channel])), visible=position == 0, hoverinfo="skip")
            figure.add_trace(image, row=1, col=column)
    hidden: dict[str, Any] = {"showticklabels": False, "showgrid": False, "zeroline": False, "ticks": ""}
    figure.update_xaxes(range=(-0.5, width - 0.5), constrain="domain", **hidden)
    figure.update_yaxes(range=(height - 0.5, -0.5), constrain="domain", **hidden)
    figure.update_layout(yaxis_scaleanchor="x", sliders=[_slider(channels, len(stacks))])
    figure.update_annotations(font={"size": 12, "color": GREY})
    styled(figure, height=round(NOMINAL_WIDTH_PX / len(stacks) * height / width) + SLIDER_PX + 40)
    return figure.update_layout(margin={"l": 12, "r": 12, "t": 34, "b": 24})


def match_plot(series: Mapping[str, Sequence[FeatureMatch]]) -> go.Figure:
    """For every pair of modules, how the channels of one correlate with those of the other: quartiles and all channels.

    Args:
        series: by name, matches of the same pairs.

    Raises:
        ValueError: if there is none.
    """
    if not series:
        raise ValueError("there is nothing to compare")
    figure = go.Figure()
    for index, (name, matches) in enumerate(series.items()):
        labels = [f"{match.path}<br>against {match.other}" for match in matches]
        figure.add_box(
            x=[label for label, match in zip(labels, matches, strict=True) for _ in match.correlations],
            y=[value for match in matches for value in match.correlations],
            name=name,
            boxpoints="all",
            jitter=0.5,
            pointpos=0,
            marker={"size": 4, "opacity": 0.6},
            line_color=PALETTE[index % len(PALETTE)],
            hovertemplate="%{x}<br>channel %{pointNumber}: %{y:.2f}<extra></extra>",
        )
    figure.update_layout(boxmode="group")
    figure.update_xaxes(showgrid=False, tickfont_size=11)
    figure.update_yaxes(title_text="correlation, channel by channel", range=(-1.05, 1.05))
    return styled(figure, height=420)


def _grey(one: NDArray[Any]) -> NDArray[np.float32]:
    spread = max(float(one.std()), np.finfo(np.float32).tiny)
    grey = np.clip(0.5 + (one - one.mean()) / (2 * SPREAD * spread), 0, 1).astype(np.float32)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _slider(channels: Sequence[int], panels: int) -> dict[str, Any]:
    total = len(channels) * panels
    steps = [
        {
            "label": str(channel),
            "method": "restyle",
            "args": [{"visible": [index // panels == position for index in range(total)]}],
        }
        for position, channel in enumerate(channels)
    ]
    now = {"prefix": "channel ", "font": {"color": GREY, "size": 13}}
    return {
        "steps": steps,
        "currentvalue": now,
        "pad": {"t": 8},
        "tickcolor": GREY,
        "bgcolor": GRID,
        "bordercolor": GRID,
        "activebgcolor": GREY,
        "font": {"color": GREY},
    }
