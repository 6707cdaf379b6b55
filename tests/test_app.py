"""The page: its handlers called directly, and the whole of it driven in Chromium."""

import importlib.util
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from sr_explore import explore
from sr_explore.images import read_photo, read_sample, to_uint8, write_png
from tests.browser import Watched, free_port, wait_until_up

ROOT = Path(__file__).parents[1]
PAIR = (explore.BICUBIC, explore.JOURNEY[0])


@pytest.fixture(scope="module")
def page() -> Any:
    """app.py as a module of another name, the way the command line loads it."""
    spec = importlib.util.spec_from_file_location("page_under_test", ROOT / "app.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def crop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    whole = read_sample("fig")
    return write_png(tmp_path_factory.mktemp("photos") / "fig crop.png", whole.rgb[200:264, 300:396])


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "letter.png"
    path.write_text("Dear Sir or Madam")
    return path


@pytest.fixture(scope="module")
def tested(page: Any, crop: Path) -> list[dict]:
    """Everything that the button shows for the crop, one dictionary a result."""
    return _shown(page, crop, page.TEST)


def _accepted(page: Any, path: str) -> dict:
    """Everything that an upload changes on the page, the later changes over the earlier ones."""
    return {key: value for changes in page.accept(path) for key, value in changes.items()}


def _shown(page: Any, path: Path | None, mode: str) -> list[dict]:
    first, *others = page.upscale(None if path is None else str(path), mode, *PAIR)
    assert list(first) == [page.status], "something changed before the photo was read"
    return others


def test_every_result_is_shown_as_soon_as_it_is_there(page: Any, tested: list[dict]):
    assert [len(shown[page.gallery]) for shown in tested] == [1, 2, 3, 4, 5]
    assert "1 of 5" in tested[0][page.status]
    assert "96×64" in tested[-1][page.status]
    assert [page.pair in shown for shown in tested] == [False, True, False, False, False]


def test_captions_and_table_carry_the_figures(page: Any, tested: list[dict]):
    captions = [caption for _, caption in tested[-1][page.gallery]]
    assert [caption.split("\n")[0] for caption in captions] == list(page.WORDS)
    assert all(caption.endswith(" dB") for caption in captions)
    table = tested[-1][page.table]
    assert table.count("<tr>") == 6
    assert "1,963,052" in table
    assert table.count("—") == 2, "bicubic has no parameters and no multiply-adds; all else has a figure"


def test_without_a_reference_there_are_no_scores(page: Any, crop: Path):
    shown = _shown(page, crop, page.ENLARGE)[0]
    path, caption = shown[page.gallery][0]
    assert caption == page.WORDS[0]
    assert Image.open(path).size == (384, 256)
    assert shown[page.table].count("—") == 4


def test_slider_and_gallery_get_the_exact_pixels(page: Any, crop: Path, tested: list[dict]):
    expected = {
        result.name: to_uint8(result.photo.rgb)
        for result in explore.compare_networks(read_photo(crop), is_reference=True)
    }
    shown = page.show_pair(tested[-1][page.kept], explore.JOURNEY[0], explore.JOURNEY[3])[page.pair]
    sent = page.pair.postprocess(shown["value"])
    for image, name in zip(sent.root, (explore.JOURNEY[0], explore.JOURNEY[3]), strict=True):
        assert np.array_equal(np.asarray(Image.open(image.path)), expected[name])
    tiles = page.gallery.postprocess(tested[-1][page.gallery])
    for tile, pixels in zip(tiles.root, expected.values(), strict=True):
        assert np.array_equal(np.asarray(Image.open(tile.image.path)), pixels)


def test_no_component_shows_pictures_with_losses(page: Any):
    shows = [block for block in page.demo.blocks.values() if isinstance(block, gr.Gallery | gr.ImageSlider)]
    assert len(shows) == 3
    assert {block.format for block in shows} == {"png"}


def test_another_pair_is_shown_without_computing(page: Any, tested: list[dict], monkeypatch: pytest.MonkeyPatch):
    for name in ("compare_networks", "upscale", "upscaler", "plan"):
        monkeypatch.setattr(explore, name, lambda *_, name=name, **__: pytest.fail(f"{name} was called"))
    files = tested[-1][page.kept]
    for left in page.LABELS:
        for right in page.LABELS:
            shown = page.show_pair(files, left, right)[page.pair]
            assert shown["value"] == (files[left], files[right])


def test_small_pictures_are_enlarged_by_whole_multiples(page: Any, tested: list[dict]):
    assert page.show_pair(tested[-1][page.kept], *PAIR)[page.pair]["max_height"] == 704  # 11 × 64, below 720


def test_a_pair_whose_files_were_deleted_is_explained(page: Any, tmp_path: Path):
    gone = dict.fromkeys(page.LABELS, str(tmp_path / "gone.png"))
    shown = page.show_pair(gone, *PAIR)
    assert page.pair not in shown
    assert "press Upscale once more" in shown[page.status]


def test_before_the_first_result_changing_the_pair_does_nothing(page: Any):
    assert list(page.show_pair({}, *PAIR)) == [page.pair]


def test_bad_uploads_give_one_sentence_and_keep_the_results(page: Any, text_file: Path):
    shown = _accepted(page, str(text_file))
    assert shown[page.photo_box] is None
    assert "is not a PNG" in shown[page.status]
    for outcome in ([shown], _shown(page, text_file, page.TEST)):
        assert len(outcome) == 1
        assert "alert" in outcome[0][page.status]
        assert page.gallery not in outcome[0]


def test_pressing_the_button_without_a_photo_says_what_to_do(page: Any):
    (shown,) = _shown(page, None, page.TEST)
    assert "upload one or pick one" in shown[page.status]


def test_names_of_files_cannot_bring_markup_into_the_page(page: Any, tmp_path: Path):
    path = tmp_path / "<img src=x onerror=alert(1)>.png"
    path.write_text("no picture")
    assert "<img" not in _accepted(page, str(path))[page.status]


def test_a_large_photo_is_told_its_limit_before_any_work(page: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(explore, "compare_networks", lambda *_, **__: pytest.fail("it was computed"))
    monkeypatch.setattr(explore, "seconds_per_pixel", lambda *_: 1e-4)
    large = tmp_path / "large.png"
    Image.new("RGB", (1500, 1400)).save(large)
    (shown,) = _shown(page, large, page.ENLARGE)
    assert "2.1 megapixels" in shown[page.status]
    assert "at most 1 megapixels" in shown[page.status]
    assert "test it instead" in shown[page.status]
    accepted = _accepted(page, str(large))
    assert accepted[page.mode_choice] == page.TEST
    assert "about 13 s" in accepted[page.status]


def test_a_photo_too_small_for_the_test_is_told_so(page: Any, tmp_path: Path):
    Image.new("RGB", (40, 9)).save(tmp_path / "tiny.png")
    assert "too small to be shrunk" in page.describe(str(tmp_path / "tiny.png"), page.TEST)


@pytest.mark.parametrize("size", [(1, 1), (14, 60)])
def test_tiny_photos_are_enlarged_by_all_five(page: Any, tmp_path: Path, size: tuple[int, int]):
    Image.new("RGB", size, "teal").save(tmp_path / "tiny.png")
    *_, last = _shown(page, tmp_path / "tiny.png", page.ENLARGE)
    assert {Image.open(path).size for path, _ in last[page.gallery]} == {(4 * size[0], 4 * size[1])}


def test_the_upload_reaches_the_reader_as_it_came(page: Any, text_file: Path):
    sent = page.photo_box.data_model(path=str(text_file), orig_name="letter.png")
    assert page.photo_box.preprocess(sent) == str(text_file)
    assert page.photo_box.preprocess(None) is None


def test_a_tiff_is_shown_as_png_because_browsers_cannot(page: Any, crop: Path, tmp_path: Path):
    Image.open(crop).save(tmp_path / "scan.TIF")
    shown = _accepted(page, str(tmp_path / "scan.TIF"))[page.photo_box]
    assert shown.endswith("scan.png")
    assert np.array_equal(np.asarray(Image.open(shown)), np.asarray(Image.open(crop)))


def test_profile_and_transparency_survive_into_the_files(page: Any, tmp_path: Path):
    alpha = np.zeros((20, 20), np.float32)
    profile = _srgb_profile()
    write_png(tmp_path / "logo.png", np.full((20, 20, 3), 0.5, np.float32), alpha, profile)
    shown = _shown(page, tmp_path / "logo.png", page.ENLARGE)[0]
    with Image.open(shown[page.gallery][0][0]) as image:
        assert image.mode == "RGBA"
        assert image.info["icc_profile"] == profile


def test_picking_one_of_ours_is_one_click(page: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(explore, "seconds_per_pixel", lambda *_: 1e-4)
    event = gr.SelectData(None, {"index": 3, "value": None})
    shown = page.pick(event)
    assert shown[page.photo_box].endswith("fig.png")
    assert shown[page.mode_choice] == page.TEST
    assert "192×128" in shown[page.status]


def test_heavy_and_quick_events_are_wired_apart(page: Any):
    events = {event.api_name: event for event in page.demo.fns.values()}
    assert events["upscale"].concurrency_id == "torch"
    assert events["upscale"].concurrency_limit == 1
    assert events["pair"].concurrency_id != "torch", "a pair must not wait for somebody's upscaling"
    assert page.demo.analytics_enabled is False
    assert page.demo.delete_cache == (600, 3600)


def _srgb_profile() -> bytes:
    from PIL import ImageCms  # noqa: PLC0415

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


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
    tab.wait_for_function("text => document.querySelector('#status').innerText.includes(text)", arg=text)


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

    _see_one_whole(tab)


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
    _wait_for_status(tab, "is not a PNG")
    assert tab.inner_text("#status").count(".") <= 2, "more than one sentence (the file's name has a dot)"
    tab.wait_for_selector("#photo input[type=file]", state="attached")  # free again for the next photo
    tab.set_input_files("#photo input[type=file]", crop)
    _wait_for_status(tab, "96×64 px")


@pytest.mark.browser
def test_the_page_fits_a_phone(tab: Any):
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.locator("#samples .thumbnail-item").nth(2).click()
    tab.wait_for_function("document.querySelector('#photo img').src.includes('dogs')")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
