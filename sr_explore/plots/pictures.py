"""Pictures side by side at their real pixels: zoom or pan in one, and all follow."""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from sr_explore.image_files import png_bytes
from sr_explore.plots.theme import GREY, styled

Window = tuple[int, int, int, int]
CAPTION_PX, NOMINAL_WIDTH_PX = 34, 960
SPARE_BUTTONS = ["toImage", "zoomIn", "zoomOut", "autoScale"]  # they would hide the last caption


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
    size = _full_size(pictures)
    titles = [_title(name, (captions or {}).get(name, "")) for name in pictures]
    figure, cells = _grid(titles, size, columns, window)
    for (name, picture), cell in zip(pictures.items(), cells, strict=True):
        figure.add_trace(_trace(name, picture, size[1]), *cell)
    return figure


def file_grid(
    sources: Sequence[tuple[str, str]],
    size: tuple[int, int],
    columns: int = 3,
    window: Window | None = None,
    room: int = NOMINAL_WIDTH_PX,
) -> go.Figure:
    """Like `picture_grid`, of pictures that the browser fetches from addresses, so that the figure stays small.

    Args:
        sources: (name, address) of each; the pictures are stretched to one size.
        size: (height, width) of the pictures, px.
        columns, window: as for `picture_grid`.
        room: how wide the figure will be, px, from which its height follows.

    Raises:
        ValueError: if there is no picture.
    """
    if not sources:
        raise ValueError("there are no pictures to show")
    height, width = size
    figure, cells = _grid([_title(name, "") for name, _ in sources], size, columns, window, room)
    placed: dict[str, Any] = {"x": -0.5, "y": -0.5, "sizex": width, "sizey": height, "sizing": "stretch"}
    for (_, source), (row, column) in zip(sources, cells, strict=True):
        figure.add_trace(_glass(height, width), row, column)
        figure.add_layout_image(source=source, xanchor="left", yanchor="top", row=row, col=column, **placed)
    return figure


def _grid(
    titles: Sequence[str],
    size: tuple[int, int],
    columns: int,
    window: Window | None,
    room: int = NOMINAL_WIDTH_PX,
) -> tuple[go.Figure, list[tuple[int, int]]]:
    """Empty axes with one zoom for all, and the (row, column) of each."""
    columns = min(columns, len(titles))
    rows = math.ceil(len(titles) / columns)
    cell = room / columns
    shown = window or (0, 0, size[1], size[0])
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
    _link(figure, shown)
    figure.update_annotations(font={"size": 12, "color": GREY})
    figure.update_layout(uirevision="keep", dragmode="zoom", margin={"l": 0, "r": 0, "t": CAPTION_PX, "b": 0})
    figure.update_layout(modebar_remove=SPARE_BUTTONS)
    return styled(figure, height=round(total)), [(i // columns + 1, i % columns + 1) for i in range(len(titles))]


def data_uri(picture: NDArray[Any], alpha: NDArray[Any] | None = None) -> str:
    """A picture (H, W, 3), float in [0, 1] or uint8, as the data URI of a PNG that holds exactly its 8-bit pixels.

    Args:
        alpha: (H, W) float in [0, 1], or None for an opaque picture.
    """
    return "data:image/png;base64," + base64.b64encode(png_bytes(picture, alpha)).decode()


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


def _glass(height: int, width: int) -> go.Image:
    """One transparent pixel over a whole picture: axes without a trace are not drawn, nor know their range."""
    clear = data_uri(np.zeros((1, 1, 3)), np.zeros((1, 1)))
    return go.Image(source=clear, dx=width, dy=height, x0=(width - 1) / 2, y0=(height - 1) / 2, hoverinfo="skip")


def _link(figure: go.Figure, shown: Window) -> None:
    left, top, width, height = shown
    hidden: dict[str, Any] = {"showticklabels": False, "showgrid": False, "zeroline": False, "ticks": ""}
    figure.update_xaxes(matches="x", range=(left - 0.5, left + width - 0.5), constrain="domain", **hidden)
    figure.update_yaxes(matches="y", range=(top + height - 0.5, top - 0.5), constrain="domain", **hidden)
    # The first axes lead: they follow nobody, and theirs are the square pixels that the others take over.
    figure.update_layout(xaxis_matches=None, yaxis_matches=None, yaxis_scaleanchor="x", yaxis_scaleratio=1)


def _title(name: str, caption: str) -> str:
    return f"<b>{name}</b>  {caption}" if caption else f"<b>{name}</b>"
