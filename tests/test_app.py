"""The whole page, served and driven in Chromium."""

import io
import os
import pickle
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sr_explore import explore
from sr_explore.images import read_photo, to_uint8
from tests.browser import Watched, free_port, wait_until_up
from tests.pictures import broken_pictures, odd_pictures


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page as `sr-explore app` serves it, started from a foreign folder, with a cache of its own."""
    port = free_port()
    folder = tmp_path_factory.mktemp("served")
    command = [sys.executable, "-m", "sr_explore", "app", "--port", str(port), "--no-browser"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "GRADIO_TEMP_DIR": str(folder / "cache")}
    log = (folder / "log").open("w+")
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT) as server:
        try:
            wait_until_up(f"http://127.0.0.1:{port}/", server)
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()
            server.wait(10)
    log.seek(0)
    assert "Traceback" not in log.read()


@pytest.fixture
def tab(chromium: Any, address: str) -> Iterator[Any]:
    """The page in a fresh tab; afterwards there must be no console error and no request to another host."""
    tab = chromium.new_page(viewport={"width": 1280, "height": 900})
    tab.set_default_timeout(90_000)  # ms; a busy machine is slow, not wrong
    watched = Watched(tab)
    tab.goto(address)
    tab.wait_for_selector("#status p", timeout=60_000)
    yield tab
    tab.close()
    watched.has_no_fault(address)


def _wait_for_status(tab: Any, text: str) -> None:
    _wait_for_text(tab, "#status", text)


def _alert(tab: Any) -> str:
    """What the page complains about, without gradio's clock, which may run beside it for a moment."""
    tab.wait_for_selector("#status .alert")
    return tab.inner_text("#status .alert")


def _upload(tab: Any, path: Path) -> None:
    tab.click("#photo [aria-label='Remove Image']")
    tab.wait_for_selector("#photo input[type=file]", state="attached")
    tab.set_input_files("#photo input[type=file]", path)


def _pair_pixels(tab: Any) -> list[np.ndarray]:
    """Both pictures of the slider, as the browser got them."""
    urls = tab.eval_on_selector_all("#pair .content img", "images => images.map(image => image.src)")
    return [np.asarray(Image.open(io.BytesIO(tab.request.get(url).body()))) for url in urls]


@pytest.mark.browser
def test_a_photo_goes_through_the_whole_page(tab: Any, crop: Path):
    _upload(tab, crop)
    _wait_for_status(tab, "96×64 px, then enlarged to 384×256 px")
    tab.get_by_text("Test it").click()
    _wait_for_status(tab, "Shrunk to 24×16 px")
    tab.click("#upscale")
    _wait_for_status(tab, "All five are done")
    assert tab.locator("#results .thumbnail-item").count() == 5
    assert "dB" in tab.inner_text("#results .caption-label >> nth=4")
    assert tab.locator("#table tr").count() == 6

    photo = read_photo(crop)
    wanted = [to_uint8(one.photo.rgb) for one in explore.compare_networks(photo, is_reference=True)]
    assert [np.array_equal(*both) for both in zip(_pair_pixels(tab), wanted, strict=False)] == [True, True]

    _drag_the_line(tab)
    _choose(tab, "#left", "Half the channels pruned")
    tab.wait_for_function("document.querySelector('#pair .content img').src.includes('pruned')")
    assert np.array_equal(_pair_pixels(tab)[0], wanted[4])

    _zoom_into_all(tab)
    _see_one_whole(tab)


def _zoom_into_all(tab: Any) -> None:
    """A frame drawn in one picture is what all of them show then; a double click brings back the whole."""
    tab.wait_for_selector("#together .js-plotly-plot image >> nth=5", state="attached")
    ranges = """() => {
        const all = document.querySelector('#together .js-plotly-plot')._fullLayout;
        return ['', 2, 3, 4, 5, 6].map(n => [...all['xaxis' + n].range, ...all['yaxis' + n].range].map(Math.round));
    }"""
    assert len({tuple(one) for one in tab.evaluate(ranges)}) == 1
    before = tab.evaluate(ranges)[0]
    pane = tab.locator("#together .nsewdrag >> nth=1")
    pane.scroll_into_view_if_needed()
    box = pane.bounding_box()
    x, y = box["x"] + box["width"] / 4, box["y"] + box["height"] / 4
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.mouse.move(x + box["width"] / 2, y + box["height"] / 2, steps=5)
    tab.mouse.up()
    tab.wait_for_timeout(500)
    zoomed = tab.evaluate(ranges)
    assert len({tuple(one) for one in zoomed}) == 1
    assert zoomed[0][1] - zoomed[0][0] < before[1] - before[0]
    pane.dblclick()
    tab.wait_for_timeout(500)
    pane.dblclick()
    tab.wait_for_timeout(500)
    whole = tab.evaluate(ranges)
    assert {(round(a), round(b)) for a, b, *_ in whole} == {(0, 96)}, whole
    assert {(c, d) for *_, c, d in whole} == {(64, 0)}, whole


def _drag_the_line(tab: Any) -> None:
    tab.locator("#pair").scroll_into_view_if_needed()
    clip = "document.querySelectorAll('#pair .content img')[1].style.clipPath"
    before = tab.evaluate(clip)
    handle = tab.locator("#pair [data-testid=slider]").bounding_box()
    x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.mouse.move(x - 150, y, steps=5)
    tab.mouse.up()
    assert tab.evaluate(clip) != before
    boxes = [image.bounding_box() for image in tab.locator("#pair .content img").all()]
    assert boxes[0] == boxes[1], "the two pictures do not lie on each other"


def _choose(tab: Any, where: str, label: str) -> None:
    tab.click(f"{where} input")
    tab.get_by_role("option", name=label).click()


def _see_one_whole(tab: Any) -> None:
    """A click shows a result at its real pixels, not fitted to the window."""
    tab.click("#results .thumbnail-item >> nth=1")
    tab.wait_for_selector("#results .media-button img")
    box = tab.locator("#results .media-button img").bounding_box()
    assert (box["width"], box["height"]) == (96, 64)


@pytest.mark.browser
def test_a_text_file_gets_one_sentence_on_the_page(tab: Any, text_file: Path, crop: Path):
    _upload(tab, crop)  # after an update gradio has made a new component, which must take bad files too
    _wait_for_status(tab, "96×64 px")
    _upload(tab, text_file)
    said = _alert(tab)
    assert "is not a PNG" in said
    assert said.count(".") <= 2, "more than one sentence (the file's name has a dot)"
    tab.wait_for_selector("#photo input[type=file]", state="attached")  # free again for the next photo
    tab.set_input_files("#photo input[type=file]", crop)
    _wait_for_status(tab, "96×64 px")


@pytest.mark.browser
@pytest.mark.parametrize("name", odd_pictures())
def test_odd_pictures_are_enlarged_as_they_are_meant(tab: Any, tmp_path: Path, name: str):
    path = tmp_path / name
    path.write_bytes(odd_pictures()[name])
    photo = read_photo(path)
    height, width = photo.rgb.shape[:2]
    _upload(tab, path)
    _wait_for_status(tab, f"{width}×{height} px, then enlarged to {4 * width}×{4 * height} px")
    tab.click("#upscale")
    _wait_for_status(tab, "All five are done")
    wanted = next(one for one in explore.compare_networks(photo) if one.name == "rfdn-x4")
    assert np.array_equal(_pair_pixels(tab)[1][..., :3], to_uint8(wanted.photo.rgb))


@pytest.mark.browser
@pytest.mark.parametrize("name", broken_pictures())
def test_broken_pictures_get_one_sentence_on_the_page(tab: Any, tmp_path: Path, name: str):
    data, words = broken_pictures()[name]
    path = tmp_path / name
    path.write_bytes(data)
    _upload(tab, path)
    said = _alert(tab)
    assert words in said
    assert said.replace(name, "").count(". ") == 0, "more than one sentence"
    assert tab.locator("#photo input[type=file]").count() == 1  # free for the next photo


@pytest.mark.browser
def test_a_hostile_checkpoint_gets_one_sentence_on_the_page(tab: Any, tmp_path: Path):
    path = tmp_path / "model.pth"
    path.write_bytes(pickle.dumps({"head.weight": _Hostile(str(tmp_path / "owned"))}))
    tab.get_by_text("Compare more networks").click()
    with tab.expect_file_chooser() as choosing:
        tab.click("#checkpoint")
    choosing.value.set_files(path)
    assert "model.pth" in _alert(tab)
    assert not (tmp_path / "owned").exists()


class _Hostile:
    """Writes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __reduce__(self) -> tuple:
        return open, (self._path, "w")


@pytest.mark.browser
def test_upscaling_is_stopped_within_two_seconds(tab: Any):
    _wait_for_status(tab, "Shrunk to")
    tab.click("#upscale")
    _wait_for_status(tab, "of 5 done")
    started = time.monotonic()
    tab.click("#stop")
    _wait_for_status(tab, "Stopped")
    assert time.monotonic() - started < 4, "2 s, and as much again for a busy machine"


@pytest.mark.browser
def test_taking_the_photo_away_is_noticed_and_one_can_be_pasted(tab: Any):
    _wait_for_status(tab, "Shrunk to")
    tab.click("#photo [aria-label='Remove Image']")
    _wait_for_status(tab, "There is no photo yet")
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.evaluate("""async () => {
        const canvas = Object.assign(document.createElement('canvas'), {width: 40, height: 30});
        canvas.getContext('2d').fillRect(3, 3, 9, 9);
        const png = await new Promise(resolve => canvas.toBlob(resolve, 'image/png'));
        await navigator.clipboard.write([new ClipboardItem({'image/png': png})]);
    }""")
    tab.click("#photo [aria-label='Paste from clipboard']")
    _wait_for_status(tab, "40×30 px, then enlarged to 160×120 px")


@pytest.mark.browser
def test_the_page_fits_a_phone(tab: Any):
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.locator("#samples .thumbnail-item").nth(2).click()
    tab.wait_for_function("document.querySelector('#photo img').src.includes('dogs')")
    tab.click("#upscale")
    tab.wait_for_selector("#together .js-plotly-plot image >> nth=5", state="attached")
    tops = "[...document.querySelectorAll('#together .nsewdrag')].map(pane => pane.getBoundingClientRect().top)"
    assert len(set(tab.evaluate(tops))) == 3, "two results a row"
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.browser
def test_a_saved_result_is_what_the_command_line_writes(tab: Any, crop: Path, tmp_path: Path):
    _upload(tab, crop)
    _wait_for_status(tab, "96×64 px, then enlarged to 384×256 px")
    tab.click("#upscale")
    _wait_for_status(tab, "All five are done")
    with tab.expect_download() as saving:
        tab.click("#table a >> nth=1")
    command = [sys.executable, "-m", "sr_explore", "upscale", str(crop), "-o", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    assert saving.value.path().read_bytes() == (tmp_path / "fig crop_x4_rfdn-x4.png").read_bytes()


@pytest.mark.browser
def test_dragging_the_pruning_slider_changes_picture_and_table(tab: Any):
    tab.get_by_role("tab", name="Prune").click()
    _wait_for_text(tab, "#pruned-figures", "50% pruned")
    before = _pruned_picture(tab)
    slider = tab.locator("#ratio input[type=range]")
    box = slider.bounding_box()
    tab.mouse.move(box["x"] + box["width"] * 0.55, box["y"] + box["height"] / 2)
    tab.mouse.down()
    for share in (0.3, 0.8, 0.6, 0.9):
        tab.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2, steps=4)
    tab.mouse.up()
    percent = slider.input_value()
    assert 75 < int(percent) < 90
    _wait_for_text(tab, "#pruned-figures", f"{percent}% pruned")  # the last value of the drag wins
    assert _pruned_picture(tab) != before
    assert tab.locator("#bars .js-plotly-plot").count() == 1


@pytest.mark.browser
def test_moving_the_kernels_slider_changes_picture_table_and_bars(tab: Any):
    tab.get_by_role("tab", name="Prune").click()
    _wait_for_text(tab, "#pruned-figures", "50% pruned")
    before = _pruned_picture(tab)
    tab.get_by_text("Kernels and biases").click()
    slider = tab.locator("#kernels input[type=range]")
    slider.focus()
    for _ in range(4):
        slider.press("ArrowRight")
    _wait_for_text(tab, "#pruned-figures", "50% pruned, 4 kernels 1×1")
    tab.wait_for_function("was => document.querySelectorAll('#pruned-pair .content img')[1].src !== was", arg=before)
    tab.wait_for_function("document.querySelector('#bars').textContent.includes(', 1×1')")
    tab.get_by_label("Drop biases").check()
    _wait_for_text(tab, "#pruned-figures", "4 kernels 1×1, no biases, reconstructed")
    _choose(tab, "#network", "Branches merged")
    tab.wait_for_function("document.querySelector('#kernels input[type=range]').max === '8'")


@pytest.mark.browser
def test_polish_is_stopped_within_two_seconds(tab: Any):
    tab.get_by_role("tab", name="Prune").click()
    _wait_for_text(tab, "#pruned-figures", "50% pruned")
    tab.get_by_text("Polish: train it").click()
    tab.click("#polish")
    _wait_for_text(tab, "#pruned-status", "step")
    started = time.monotonic()
    tab.click("#stop-polish")
    _wait_for_text(tab, "#pruned-figures", "polished")
    assert time.monotonic() - started < 4, "2 s, and as much again for a busy machine"


@pytest.mark.browser
def test_how_it_works_draws_and_checks(tab: Any):
    tab.get_by_role("tab", name="How it works").click()
    tab.wait_for_selector("#drawing .js-plotly-plot")
    tab.get_by_label("Fold").click()
    _wait_for_text(tab, "#stage-told", "scaffolding")
    tab.click("#check")
    _wait_for_text(tab, "#check-status", "Every promise was kept")
    assert tab.locator("#check-table tr").count() == 6


@pytest.mark.browser
@pytest.mark.parametrize("name", ["Prune", "How it works"])
def test_every_tab_fits_a_phone(tab: Any, name: str):
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.get_by_role("tab", name=name).click()
    tab.wait_for_selector("#bars .js-plotly-plot" if name == "Prune" else "#drawing .js-plotly-plot")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.browser
def test_a_page_of_another_origin_cannot_upload(address: str):
    request = urllib.request.Request(f"{address}gradio_api/upload", b"x", {"Origin": "http://evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=10)


def _wait_for_text(tab: Any, where: str, text: str) -> None:
    told = "([where, text]) => document.querySelector(where)?.innerText.includes(text)"
    tab.wait_for_function(told, arg=[where, text])


def _pruned_picture(tab: Any) -> str:
    return tab.eval_on_selector_all("#pruned-pair .content img", "images => images.map(image => image.src)[1]")
