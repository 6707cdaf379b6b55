"""Where two networks differ, layer by layer, and whether that is more than round-off."""

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from sr_explore.plots.theme import BLUE, GREEN, GREY, ORANGE, styled
from sr_explore.records import EquivalenceRecord

FLOOR, CEILING = 1e-18, 1e2
"""Where a logarithmic axis draws what it has no place for: exactly equal, and not comparable at all."""
WHOLE = "whole picture"
EPSILON = {"float64": float(np.finfo(np.float64).eps), "float32": float(np.finfo(np.float32).eps)}


def equivalence_plot(record: EquivalenceRecord) -> go.Figure:
    """The error of every layer that promises the same output, and of the picture, in float64 and float32.

    Errors are relative to the range of what is compared. Hollow marks on the floor are exactly equal; crosses at the
    top cannot be compared (infinite, or no number).
    """
    names = [*(layer.target for layer in record.layers), WHOLE]
    figures = {
        "float64": [*(layer.float64 for layer in record.layers), record.float64.relative],
        "float32": [*(layer.float32 for layer in record.layers), record.float32.relative],
    }
    figure = go.Figure()
    for dtype, colour in (("float32", ORANGE), ("float64", BLUE)):
        figure.add_scatter(**_marks(names, figures[dtype]), name=dtype, marker_color=colour)
        _line(figure, EPSILON[dtype], f"round-off of {dtype}", colour)
    _line(figure, record.bound, "bound", GREEN, dash="solid")
    verdict = "the same function" if record.equal else "NOT the same function"
    title = f"{verdict}: largest float64 difference {record.float64.relative:.1e} of the picture's range"
    figure.update_xaxes(tickangle=-60, tickfont_size=10, showgrid=False)
    figure.update_yaxes(type="log", range=_range(figures["float32"] + figures["float64"]), exponentformat="power")
    figure.update_yaxes(title_text="relative error", dtick=3)
    return styled(figure, title, height=420).update_layout(margin_r=128)  # room for the lines' names


def drawn_at(error: float) -> float:
    """Where an error stands on the axis: zero and below on the floor, what is no finite number at the ceiling."""
    return min(max(error, FLOOR), CEILING) if math.isfinite(error) else CEILING


def _marks(names: Sequence[str], errors: Sequence[float]) -> dict:
    return {
        "x": list(names),
        "y": [drawn_at(error) for error in errors],
        "mode": "markers",
        "marker": {"size": 9, "symbol": [_symbol(error) for error in errors]},
        "customdata": ["exactly equal" if error == 0 else f"{error:.2e}" for error in errors],
        "hovertemplate": "<b>%{x}</b><br>%{customdata}<extra>%{fullData.name}</extra>",
    }


def _symbol(error: float) -> str:
    if not math.isfinite(error):
        return "x"
    return "circle-open" if error <= FLOOR else "circle"


def _line(figure: go.Figure, height: float, text: str, colour: str, dash: str = "dot") -> None:
    figure.add_hline(height, line={"color": colour, "dash": dash, "width": 1}, opacity=0.8)
    figure.add_annotation(
        x=1.005,
        xref="paper",
        xanchor="left",
        y=math.log10(height),
        text=text,
        showarrow=False,
        font={"color": GREY, "size": 11},
    )


def _range(errors: Sequence[float]) -> tuple[float, float]:
    """Decades to show: from the floor to float32's round-off, or as far up as an error reaches."""
    top = max(drawn_at(error) for error in [*errors, 10 * EPSILON["float32"]])
    return math.log10(FLOOR) - 0.5, math.log10(top) + 1
