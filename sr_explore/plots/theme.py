"""One look for all figures: colours that everybody can tell apart, on white and on black paper."""

import plotly.graph_objects as go

# Okabe and Ito's palette, without black and yellow, which vanish on one of the two papers.
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
VERMILION, SKY, PURPLE = "#D55E00", "#56B4E9", "#CC79A7"
PALETTE = (BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE)

GREY = "#787878"  # contrast of about 4.4 both to white and to JupyterLab's dark paper
GRID = "rgba(120, 120, 120, 0.25)"
CLEAR = "rgba(0, 0, 0, 0)"

MEANING = {"exact": BLUE, "lossy": ORANGE, "start": GREY, "kept": BLUE, "removed": ORANGE, "added": GREEN}
"""What a colour says, the same in every figure."""


def template() -> go.layout.Template:
    """The project's plotly template; every figure of `sr_explore.plots` carries it, none is set globally."""
    axis = {"gridcolor": GRID, "linecolor": GRID, "zerolinecolor": GRID, "tickcolor": GRID, "automargin": True}
    layout = go.Layout(
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        colorway=PALETTE,
        font={"color": GREY, "size": 13},
        title={"font": {"size": 16}, "x": 0, "xref": "paper"},
        xaxis=axis,
        yaxis=axis,
        margin={"l": 8, "r": 8, "t": 48, "b": 8},
        legend={
            "orientation": "h",
            "y": 1.0,
            "yanchor": "bottom",
            "x": 1.0,
            "xanchor": "right",
            "traceorder": "normal",
        },
        hoverlabel={"font": {"size": 13}},
        modebar={"bgcolor": CLEAR, "color": GREY, "activecolor": BLUE},
        bargap=0.25,
    )
    return go.layout.Template(layout=layout)


def styled(figure: go.Figure, title: str = "", height: int = 360) -> go.Figure:
    """The figure in the project's look; changed in place and returned."""
    return figure.update_layout(template=template(), title_text=title, height=height)
