"""Pictures side by side at their real pixels: zoom or pan in one, and all follow."""

import base64
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from sr_explore.image_files import png_bytes
from sr_explore.plots.theme import GREY, styled

Window = tuple[int, int, int, int]
CAPTION_PX, NOMINAL_WIDTH_PX = 34, 960


def picture_grid(
    pictures: Mapping[str, NDArray[Any]],
    captions: Mapping[str, str] | None = None,
    columns: int = 4,
    window: Window | None = None,
) -> go.Figure:
    """Put pictures side by side, with one zoom for all.

    A smaller picture is stretched to the largest one's size, pixel by pixel without smoothing, so that the same place
    lies under the same spot everywhere.

    Args:
        pictures: by name, each (H, W, 3) float in [0, 1] or uint8; all of one aspect ratio.
        captions: a few words by name, set beside the name.
        columns: pictures a row, at most.
        window: the part to show at first, (left, top, width, height) in px of the largest; a double click shows all.

    Raises:
        ValueError: if there is no picture or the aspect ratios differ.
    """
    height, width = _full_size(pictures)
    columns = min(columns, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    titles = [_title(name, (captions or {}).get(name, "")) for name in pictures]
    cell = NOMINAL_WIDTH_PX / columns
    shown = window or (0, 0, width, height)
    total = rows * (cell * shown[3] / shown[2] + CAPTION_PX) + 8
    figure = make_subplots(
        rows,
        columns,
        shared_xaxes="all",  # pyright: ignore[reportArgumentType]
        shared_yaxes="all",  # pyright: ignore[reportArgumentType]
        subplot_titles=titles,
        horizontal_spacing=0.008,
        vertical_spacing=CAPTION_PX / total,
    )
    for index, (name, picture) in enumerate(pictures.items()):
        figure.add_trace(_trace(name, picture, width), row=index // columns + 1, col=index % columns + 1)
    _link(figure, shown)
    figure.update_annotations(font={"size": 12, "color": GREY})
    figure.update_layout(uirevision="keep", dragmode="zoom", margin={"l": 0, "r": 0, "t": CAPTION_PX, "b": 0})
    return styled(figure, height=round(total))


def data_uri(picture: NDArray[Any]) -> str:
    """A picture (H, W, 3), float in [0, 1] or uint8, as the data URI of a PNG that holds exactly its 8-bit pixels."""
    rgb = picture / np.float32(255) if picture.dtype == np.uint8 else picture
    return "data:image/png;base64," + base64.b64encode(png_bytes(rgb)).decode()


def _full_size(pictures: Mapping[str, NDArray[Any]]) -> tuple[int, int]:
    if not pictures:
        raise ValueError("there are no pictures to show")
    sizes = {name: (picture.shape[0], picture.shape[1]) for name, picture in pictures.items()}
    height, width = max(sizes.values())
    if wrong := [name for name, size in sizes.items() if size[0] * width != size[1] * height]:
        raise ValueError(f"{wrong[0]} is {sizes[wrong[0]]}, which is not the aspect ratio of {(height, width)}")
    return height, width


def _trace(name: str, picture: NDArray[Any], width: int) -> go.Image:
    pixel = width / picture.shape[1]
    first = (pixel - 1) / 2  # plotly gives the centre of the first pixel; edges have to coincide
    return go.Image(source=data_uri(picture), dx=pixel, dy=pixel, x0=first, y0=first, name=name, hoverinfo="name")


def _link(figure: go.Figure, shown: Window) -> None:
    left, top, width, height = shown
    hidden: dict[str, Any] = {"showticklabels": False, "showgrid": False, "zeroline": False, "ticks": ""}
    figure.update_xaxes(matches="x", range=(left - 0.5, left + width - 0.5), constrain="domain", **hidden)
    figure.update_yaxes(matches="y", range=(top + height - 0.5, top - 0.5), constrain="domain", **hidden)
    # The first axes lead: they follow nobody, and theirs are the square pixels that the others take over.
    figure.update_layout(xaxis_matches=None, yaxis_matches=None, yaxis_scaleanchor="x", yaxis_scaleratio=1)


def _title(name: str, caption: str) -> str:
    return f"<b>{name}</b>  {caption}" if caption else f"<b>{name}</b>"
