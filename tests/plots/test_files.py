import shutil
from pathlib import Path

import plotly.graph_objects as go
import pytest
from PIL import Image

from sr_explore.errors import UserError
from sr_explore.plots import save_figure


@pytest.mark.skipif(not (shutil.which("chromium") or shutil.which("google-chrome")), reason="needs Chrome or Chromium")
def test_a_figure_becomes_a_page_and_a_picture(tmp_path: Path):
    figure = go.Figure(go.Scatter(x=[1, 2], y=[1, 3]))
    page, picture = save_figure(figure, tmp_path / "deep" / "figure", width=300, scale=1)
    assert "https://cdn" not in page.read_text("utf-8").split("<body>")[0]
    with Image.open(picture) as opened:
        assert opened.width == 300
    assert figure.layout.paper_bgcolor is None, "the figure that was given has changed"  # pyright: ignore


def test_without_a_browser_the_page_is_there_and_one_sentence_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object, **__: object) -> None:
        raise ValueError("no browser\nlong advice")

    monkeypatch.setattr(go.Figure, "write_image", fail)
    with pytest.raises(UserError, match=r"figure\.html is written, .* no browser$"):
        save_figure(go.Figure(), tmp_path / "figure")
    assert (tmp_path / "figure.html").exists()
