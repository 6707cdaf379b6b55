"""Kernels and other matrices as heat maps, one cell as large everywhere."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from sr_explore.plots.theme import GREY, styled

# From light to dark on white, from dim to bright on black: every step stands out from both papers.
SCALE = [[0.0, "#4b6a9b"], [0.35, "#7b73b6"], [0.65, "#cf6f8f"], [1.0, "#f2b34c"]]
NOTHING = "rgba(120, 120, 120, 0.13)"
WIDTH_PX, HEIGHT_PX, LARGEST_CELL_PX = 930, 420, 26
CAPTION_PX, GAP_PX, BAR_PX = 44, 26, 76
FLOOR = -6.0


def kernel_maps(kernels: Mapping[str, NDArray[Any]], title: str = "") -> go.Figure:
    """How strongly every output channel of a convolution looks at every input channel.

    A cell is the norm of one kh × kw kernel; zeros are left empty. Outputs run downwards, inputs to the right, and a
    channel is as long in all maps. A grouped convolution shows what it stores: outputs × inputs of one group.

    Args:
        kernels: by name, each (out, in, kh, kw); several stand beside each other.

    Raises:
        ValueError: if there is none, or one has not four axes.
    """
    for name, kernel in kernels.items():
        if kernel.ndim != 4:
            raise ValueError(f"{name} has the shape {kernel.shape}; a kernel has four axes: out, in, kh, kw")
    norms = {name: np.sqrt(np.square(kernel.astype(np.float64)).sum(axis=(2, 3))) for name, kernel in kernels.items()}
    captions = {name: f"{norm.shape[0]} × {norm.shape[1]}{_zeros(norm)}" for name, norm in norms.items()}
    hover = "out %{y}, in %{x}<br>norm %{z:.4f}<extra>%{meta}</extra>"
    return _maps(norms, captions, hover, "norm", title)


def tap_maps(kernels: Mapping[str, NDArray[Any]], title: str = "") -> go.Figure:
    """How the weights of a convolution are spread over the taps of its kernels: each tap's share of their squares.

    Args:
        kernels: by name, each (out, in, kh, kw), not all zero; several stand beside each other, on one scale.

    Raises:
        ValueError: if there is none, or one has not four axes.
    """
    if wrong := [name for name, kernel in kernels.items() if kernel.ndim != 4]:
        raise ValueError(f"{wrong[0]} needs four axes: (out, in, kh, kw)")
    squares = {name: np.square(kernel.astype(np.float64)).sum(axis=(0, 1)) for name, kernel in kernels.items()}
    shares = {name: taps / taps.sum() for name, taps in squares.items()}
    captions = {name: f"centre {taps[taps.shape[0] // 2, taps.shape[1] // 2]:.0%}" for name, taps in shares.items()}
    hover = "row %{y}, column %{x}<br>%{z:.1%} of the squared weights<extra>%{meta}</extra>"
    return _maps(shares, captions, hover, "share", title, largest_cell=3 * LARGEST_CELL_PX)


def field_maps(fields: Mapping[str, NDArray[Any]], captions: Mapping[str, str], title: str = "") -> go.Figure:
    """Where an output pixel looks: its sensitivity to every input pixel, in powers of ten of the largest.

    Args:
        fields: by name, each (H, W), at least 0; see `analysis.receptive_field`.
        captions: a few words by name.

    Raises:
        ValueError: if there is none.
    """
    decades = {name: _decades(field) for name, field in fields.items()}
    return _maps(decades, captions, "y %{y}, x %{x}<br>10^%{z:.1f} of the largest<extra>%{meta}</extra>", "10^", title)


def _decades(field: NDArray[Any], floor: float = FLOOR) -> NDArray[Any]:
    """Powers of ten below the largest value; what lies under the floor is nothing."""
    largest = max(float(field.max()), np.finfo(np.float64).tiny)
    decades = np.log10(np.maximum(field / largest, 10.0 ** (floor - 1)))
    return np.where(decades < floor, np.nan, decades)


def _maps(
    matrices: Mapping[str, NDArray[Any]],
    captions: Mapping[str, str],
    hover: str,
    unit: str,
    title: str,
    largest_cell: float = LARGEST_CELL_PX,
) -> go.Figure:
    if not matrices:
        raise ValueError("there is no matrix to draw")
    shapes = [matrix.shape for matrix in matrices.values()]
    by_width = (WIDTH_PX - BAR_PX - GAP_PX * len(shapes)) / sum(width for _, width in shapes)
    cell = min(largest_cell, by_width, HEIGHT_PX / max(height for height, _ in shapes))
    total_px = sum(width * cell for _, width in shapes) + GAP_PX * (len(shapes) - 1)
    plot_px = max(max(height for height, _ in shapes) * cell, 150.0)
    figure, left = go.Figure(), 0.0
    for number, (name, matrix) in enumerate(matrices.items(), start=1):
        values = np.where(matrix == 0, np.nan, matrix) if unit != "10^" else matrix
        shown = {"coloraxis": "coloraxis", "hovertemplate": hover, "meta": name, "name": name, "hoverongaps": False}
        axis = "" if number == 1 else str(number)
        figure.add_heatmap(z=values.astype(np.float32), xaxis=f"x{axis}", yaxis=f"y{axis}", **shown)
        right = left + matrix.shape[1] * cell
        _place(figure, axis, matrix.shape, (left / total_px, right / total_px), matrix.shape[0] * cell / plot_px)
        _caption(figure, left / total_px, name, captions.get(name, ""))
        left = right + GAP_PX
    bar = {"title": {"text": "" if unit == "10^" else unit}, "thickness": 12, "outlinewidth": 0, "len": 1.0}
    if unit == "10^":
        bar |= {"tickprefix": "10<sup>", "ticksuffix": "</sup>"}
    ends = (0.0, max(float(matrix.max()) for matrix in matrices.values())) if unit != "10^" else (FLOOR, 0.0)
    figure.update_layout(coloraxis={"colorscale": SCALE, "colorbar": bar, "cmin": ends[0], "cmax": ends[1]})
    top = CAPTION_PX + (34 if title else 0)
    styled(figure, title, height=round(plot_px + top + 12))
    figure.update_layout(plot_bgcolor=NOTHING, width=round(total_px + BAR_PX + 20), margin={"l": 4, "t": top, "b": 8})
    return figure


def _place(figure: go.Figure, axis: str, shape: Sequence[int], across: tuple[float, float], share: float) -> None:
    hidden = {"showgrid": False, "zeroline": False, "showticklabels": False, "ticks": ""}
    across = (across[0], min(across[1], 1.0))
    figure.update_layout(
        {
            f"xaxis{axis}": {**hidden, "domain": across, "range": (-0.5, shape[1] - 0.5), "anchor": f"y{axis}"},
            f"yaxis{axis}": {
                **hidden,
                "domain": (max(1 - share, 0.0), 1),
                "range": (shape[0] - 0.5, -0.5),
                "anchor": f"x{axis}",
            },
        }
    )


def _caption(figure: go.Figure, left: float, name: str, text: str) -> None:
    figure.add_annotation(
        x=left,
        y=1,
        xref="paper",
        yref="paper",
        xanchor="left",
        yanchor="bottom",
        align="left",
        text=f"<b>{name}</b><br>{text}",
        showarrow=False,
        font={"size": 12, "color": GREY},
    )


def _zeros(norm: NDArray[Any]) -> str:
    share = float((norm == 0).mean())
    if share == 0:
        return ""
    return f", {share:.0%} zero" if share < 0.99 else f", {share:.2%} zero"
