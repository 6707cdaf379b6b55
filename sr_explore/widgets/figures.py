"""Plotly figures that stay on the screen and take over new data."""

from typing import Any, cast

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from sr_explore.plots import data_uri

WIDTH_PX = 840


def figure_widget(figure: go.Figure) -> go.FigureWidget:
    """A figure to be changed later."""
    return go.FigureWidget(figure.update_layout(width=WIDTH_PX))


def set_picture(figure: go.FigureWidget, index: int, picture: NDArray[Any], title: str) -> None:
    """Put a picture and its title into a cell of a `picture_grid`; zoom stays. An equal picture is not sent again."""
    source = data_uri(picture)
    trace = cast(Any, figure.data[index])
    with figure.batch_update():
        if trace.source != source:
            trace.source = source
        cast(Any, figure.layout).annotations[index].text = title


def take_over(figure: go.FigureWidget, new: go.Figure, *names: str) -> None:
    """Give each trace these attributes of the new figure's, which has as many traces."""
    fresh = cast(list[Any], list(new.data))
    with figure.batch_update():
        for trace, other in zip(cast(list[Any], list(figure.data)), fresh, strict=True):
            trace.update({name: other[name] for name in names})


def blank(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A grey picture of the same size, until there is a real one."""
    return np.full_like(picture, 128)
