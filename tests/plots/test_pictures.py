import base64
import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from sr_explore.plots import data_uri, file_grid, picture_grid
from sr_explore.plots.pictures import CAPTION_PX
from tests.plots.records import layout, traces


def decoded(uri: str) -> np.ndarray:
    head, _, body = uri.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(body))))


def picture(height: int = 6, width: int = 9, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_pictures_arrive_pixel_by_pixel():
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    assert np.array_equal(decoded(data_uri(levels)), levels)
    assert np.array_equal(decoded(data_uri(levels / np.float32(255))), levels)
    assert np.array_equal(decoded(data_uri(levels / 255.0)), levels)


def test_every_picture_is_in_the_grid_under_its_name_and_caption():
    pictures = {name: picture(seed=index) for index, name in enumerate("abcde")}
    figure = picture_grid(pictures, {"b": "30.00 dB"}, columns=3)
    assert [trace.name for trace in traces(figure)] == list("abcde")
    for trace, expected in zip(traces(figure), pictures.values(), strict=True):
        assert np.array_equal(decoded(trace.source), expected)
    assert [note.text for note in layout(figure).annotations][:2] == ["<b>a</b>", "<b>b</b>  30.00 dB"]
    assert {trace.xaxis for trace in traces(figure)} == {"x", "x2", "x3", "x4", "x5"}


def test_zooming_one_zooms_all():
    plain = picture_grid({name: picture() for name in "abcde"}, columns=3).to_dict()["layout"]
    axes = {name: axis for name, axis in plain.items() if name.startswith(("xaxis", "yaxis"))}
    assert len(axes) == 12
    for name, axis in axes.items():
        assert axis.get("matches") == (None if name in ("xaxis", "yaxis") else name[0]), name
        assert axis["showticklabels"] is False
    assert (axes["yaxis"]["scaleanchor"], axes["yaxis"]["scaleratio"]) == ("x", 1)
    assert plain["uirevision"] == "keep"


def test_all_is_shown_with_the_top_row_at_the_top_unless_a_window_is_asked_for():
    pictures = {"a": picture(), "b": picture()}
    whole, part = layout(picture_grid(pictures)), layout(picture_grid(pictures, window=(2, 1, 4, 3)))
    assert (whole.xaxis.range, whole.yaxis2.range) == ((-0.5, 8.5), (5.5, -0.5))
    assert (part.xaxis2.range, part.yaxis.range) == ((1.5, 5.5), (3.5, 0.5))


def test_a_small_picture_covers_the_same_ground_as_the_large_one():
    figure = picture_grid({"lr": picture(4, 6), "sr": picture(16, 24)})
    small, large = traces(figure)
    assert (large.x0, large.dx, large.y0, large.dy) == (0, 1, 0, 1)
    assert (small.dx, small.dy) == (4, 4)
    assert (small.x0 - small.dx / 2, small.y0 - small.dy / 2) == (-0.5, -0.5), "edges coincide, not centres"


@pytest.mark.parametrize("pictures", [{}, {"a": picture(6, 9), "b": picture(6, 10)}])
def test_pictures_that_cannot_stand_side_by_side_are_refused(pictures):
    with pytest.raises(ValueError, match=r"no pictures|aspect ratio"):
        picture_grid(pictures)


def test_plots_do_without_torch():
    code = "import sys, sr_explore.plots; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_grid_of_files_names_addresses_and_shares_one_zoom():
    figure = file_grid([("a", "file=a.png"), ("b", "file=b.png"), ("b", "file=c.png")], (40, 60), 2, (10, 5, 20, 10))
    assert [image.source for image in figure.layout.images] == ["file=a.png", "file=b.png", "file=c.png"]
    assert {(image.x, image.y, image.sizex, image.sizey) for image in figure.layout.images} == {(-0.5, -0.5, 60, 40)}
    assert [image.xref for image in figure.layout.images] == ["x", "x2", "x3"]
    assert figure.layout.xaxis2.matches == "x"
    assert tuple(figure.layout.xaxis.range) == (9.5, 29.5)
    assert tuple(figure.layout.yaxis.range) == (14.5, 4.5)
    assert len(str(figure.to_json())) < 20_000
    with pytest.raises(ValueError, match="no pictures"):
        file_grid([], (1, 1))


def test_the_height_follows_from_the_room():
    """At 600 px, three a row are 200 × 100 px each; on a phone, two a row of 150 × 75 px."""
    sources = [(name, f"file={name}.png") for name in "abcdef"]
    wide, narrow = (file_grid(sources, (50, 100), columns, room=room) for columns, room in ((3, 600), (2, 300)))
    assert layout(wide).height - layout(narrow).height == 2 * (100 + CAPTION_PX) - 3 * (75 + CAPTION_PX)
