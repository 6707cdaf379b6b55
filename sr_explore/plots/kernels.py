"""Which channels feed which: matrices of kernel norms, where zero is empty and never looks like a small number."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from sr_explore.plots.theme import GREY, styled

# Light blue to dark orange: told apart without red and green too, and far from both papers, as single cells must be.
SCALE = ["#6CB6E8", "#7E93D2", "#9A6FB0", "#B94F7A", "#D14A1F"]
EMPTY = "rgba(120, 120, 120, 0.12)"
MAX_CELLS = 240  # a side; finer cells than pixels would be dropped, and a permutation is made of single cells


def kernel_map(matrices: Mapping[str, NDArray[Any]]) -> go.Figure:
    """Draw matrices of kernel norms side by side, on one colour scale; pairs that are not connected stay empty.

    A side of more than 240 channels is drawn in steps of several channels, each as strong as its strongest kernel, so
    that no single connection is lost.

    Args:
        matrices: by title, each (out, in), the norm of every kernel, finite and at least 0; 0 means not connected.

    Raises:
        ValueError: if there is none, or one is empty, not a matrix, or holds something else than norms.
    """
    if not matrices:
        raise ValueError("there are no kernels to show")
    for title, matrix in matrices.items():
        _check(title, matrix)
    largest = max(float(matrix.max()) for matrix in matrices.values()) or 1.0
    titles = [_title(title, matrix) for title, matrix in matrices.items()]
    figure = make_subplots(1, len(matrices), subplot_titles=titles, horizontal_spacing=0.3 / (len(matrices) + 4))
    for column, (title, matrix) in enumerate(matrices.items(), start=1):
        figure.add_trace(_heatmap(title, matrix), row=1, col=column)
        _axes(figure, matrix, column)
    figure.update_annotations(font={"size": 13, "color": GREY})
    bar = {"title": {"text": "norm"}, "thickness": 12, "outlinewidth": 0, "len": 0.9}
    figure.update_layout(coloraxis={"cmin": 0, "cmax": largest, "colorscale": SCALE, "colorbar": bar})
    styled(figure, height=400)
    return figure.update_layout(plot_bgcolor=EMPTY, margin={"t": 64})


def strongest(matrix: NDArray[Any], most: int = MAX_CELLS) -> tuple[NDArray[Any], int, int]:
    """Make a matrix smaller by keeping the largest of each rectangle.

    Returns:
        The matrix, at most (most, most), and how many rows and columns one of its cells stands for.
    """
    rows, columns = (math.ceil(side / most) for side in matrix.shape)
    missing = [(0, -side % step) for side, step in zip(matrix.shape, (rows, columns), strict=True)]
    whole = np.pad(matrix, missing)
    blocks = whole.reshape(whole.shape[0] // rows, rows, whole.shape[1] // columns, columns)
    return blocks.max(axis=(1, 3)), rows, columns


def _check(title: str, matrix: NDArray[Any]) -> None:
    if matrix.ndim != 2 or not matrix.size:
        raise ValueError(f"{title} has the shape {matrix.shape}; a matrix (out, in) is needed")
    if not np.isfinite(matrix).all() or (matrix < 0).any():
        raise ValueError(f"{title} holds numbers that are no norms: negative or not finite")


def _title(title: str, matrix: NDArray[Any]) -> str:
    out_channels, in_channels = matrix.shape
    filled = 100 * np.count_nonzero(matrix) / matrix.size
    return f"<b>{title}</b><br>{out_channels} × {in_channels}, {filled:.3g} % connected"


def _heatmap(title: str, matrix: NDArray[Any]) -> go.Heatmap:
    cells, rows, columns = strongest(matrix.astype(float))
    return go.Heatmap(
        z=np.where(cells > 0, cells, np.nan),
        x0=(columns - 1) / 2,
        dx=columns,
        y0=(rows - 1) / 2,
        dy=rows,
        name=title,
        coloraxis="coloraxis",
        hoverongaps=False,
        hovertemplate="input %{x} → output %{y}<br>norm %{z:.3g}<extra>%{fullData.name}</extra>",
    )


def _axes(figure: go.Figure, matrix: NDArray[Any], column: int) -> None:
    out_channels, in_channels = matrix.shape
    plain: dict[str, Any] = {"showgrid": False, "zeroline": False, "constrain": "domain", "tickformat": "d"}
    figure.update_xaxes(title_text="input channel", range=(-0.5, in_channels - 0.5), row=1, col=column, **plain)
    leader = "x" if column == 1 else f"x{column}"
    figure.update_yaxes(
        range=(out_channels - 0.5, -0.5), scaleanchor=leader, constraintoward="top", row=1, col=column, **plain
    )
    if column == 1:
        figure.update_yaxes(title_text="output channel", row=1, col=column)
