"""Figures as files: a page to explore, and a picture for a README."""

from pathlib import Path

import plotly.graph_objects as go

from sr_explore.errors import UserError

PAPER, INK = "white", "#333333"


def save_figure(figure: go.Figure, path: Path, width: int = 1200, scale: float = 1.5) -> tuple[Path, Path]:
    """Write PATH.html, which needs no network, and PATH.png on white paper.

    Args:
        width: of the picture, px before `scale`.

    Raises:
        UserError: if kaleido or a Chrome or Chromium for it is missing; the page is written all the same.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    page, picture = path.with_suffix(".html"), path.with_suffix(".png")
    figure.write_html(page, include_plotlyjs=True)
    printed = go.Figure(figure).update_layout(paper_bgcolor=PAPER, plot_bgcolor=PAPER, font_color=INK)
    try:
        printed.write_image(picture, width=width, scale=scale)
    except Exception as error:
        raise UserError(
            f"{page} is written, but {picture.name} needs kaleido (pip install 'sr-explore[report]') and Chrome or"
            f" Chromium: {str(error).strip().splitlines()[0]}"
        ) from error
    return page, picture
