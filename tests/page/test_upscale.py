"""The tab that enlarges: its handlers called directly."""

from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from sr_explore import explore, zoo
from sr_explore.images import read_photo, to_uint8, write_png
from sr_explore.page import Page
from sr_explore.page.upscale import ALWAYS, ENLARGE, TEST
from sr_explore.page.words import label

PAIR = (explore.BICUBIC, explore.JOURNEY[0])


@pytest.fixture(scope="module")
def upscaling(page: Page) -> Any:
    return page.upscale


@pytest.fixture(scope="module")
def tested(upscaling: Any, crop: Path) -> list[dict]:
    """Everything that the button shows for the crop, one dictionary a result."""
    return _shown(upscaling, crop, TEST)


def _accepted(upscaling: Any, path: str) -> dict:
    """Everything that an upload changes on the page, the later changes over the earlier ones."""
    return {key: value for changes in upscaling.accept(path) for key, value in changes.items()}


def _shown(upscaling: Any, path: Path | None, mode: str) -> list[dict]:
    first, *others = upscaling.upscale(None if path is None else str(path), mode, *PAIR)
    assert list(first) == [upscaling.status], "something changed before the photo was read"
    assert upscaling.stop in others[-1], "the last change is all that a program gets, so it has to come with the rest"
    return others


def test_every_result_is_shown_as_soon_as_it_is_there(upscaling: Any, tested: list[dict]):
    assert [len(shown[upscaling.gallery]) for shown in tested] == [1, 2, 3, 4, 5]
    assert "1 of 5" in tested[0][upscaling.status]
    assert "96×64" in tested[-1][upscaling.status]
    assert [upscaling.pair in shown for shown in tested] == [False, True, False, False, False]


def test_captions_and_table_carry_the_figures(upscaling: Any, tested: list[dict]):
    captions = [caption for _, caption in tested[-1][upscaling.gallery]]
    assert [caption.split("\n")[0] for caption in captions] == [label(name) for name in ALWAYS]
    assert all(caption.endswith(" dB") for caption in captions)
    table = tested[-1][upscaling.table]
    assert table.count("<tr>") == 6
    assert "1,963,052" in table
    assert table.count("—") == 3, "bicubic has no parameters, no multiply-adds, no memory; all else has a figure"


def test_without_a_reference_there_are_no_scores(upscaling: Any, crop: Path):
    shown = _shown(upscaling, crop, ENLARGE)[0]
    path, caption = shown[upscaling.gallery][0]
    assert caption == label(ALWAYS[0])
    assert Image.open(path).size == (384, 256)
    assert shown[upscaling.table].count("—") == 5


def test_slider_and_gallery_get_the_exact_pixels(upscaling: Any, crop: Path, tested: list[dict]):
    expected = {
        result.name: to_uint8(result.photo.rgb)
        for result in explore.compare_networks(read_photo(crop), is_reference=True)
    }
    shown = upscaling.show_pair(tested[-1][upscaling.kept], explore.JOURNEY[0], explore.JOURNEY[3])[upscaling.pair]
    sent = upscaling.pair.postprocess(shown["value"])
    for image, name in zip(sent.root, (explore.JOURNEY[0], explore.JOURNEY[3]), strict=True):
        assert np.array_equal(np.asarray(Image.open(image.path)), expected[name])
    tiles = upscaling.gallery.postprocess(tested[-1][upscaling.gallery])
    for tile, pixels in zip(tiles.root, expected.values(), strict=True):
        assert np.array_equal(np.asarray(Image.open(tile.image.path)), pixels)


def test_no_component_shows_pictures_with_losses(page: Page):
    shows = [block for block in page.demo.blocks.values() if isinstance(block, gr.Gallery | gr.ImageSlider)]
    assert len(shows) == 4
    assert {block.format for block in shows} == {"png"}


def test_another_pair_is_shown_without_computing(upscaling: Any, tested: list[dict], monkeypatch: pytest.MonkeyPatch):
    for name in ("compare_networks", "upscale", "upscaler", "plan"):
        monkeypatch.setattr(explore, name, lambda *_, name=name, **__: pytest.fail(f"{name} was called"))
    files = tested[-1][upscaling.kept]
    for left in ALWAYS:
        for right in ALWAYS:
            shown = upscaling.show_pair(files, left, right)[upscaling.pair]
            assert shown["value"] == (files[left], files[right])


def test_small_pictures_are_enlarged_by_whole_multiples(upscaling: Any, tested: list[dict]):
    assert (
        upscaling.show_pair(tested[-1][upscaling.kept], *PAIR)[upscaling.pair]["max_height"] == 704
    )  # 11 × 64, below 720


def test_a_pair_whose_files_were_deleted_is_explained(upscaling: Any, tmp_path: Path):
    gone = dict.fromkeys(ALWAYS, str(tmp_path / "gone.png"))
    shown = upscaling.show_pair(gone, *PAIR)
    assert upscaling.pair not in shown
    assert "press Upscale once more" in shown[upscaling.status]


def test_before_the_first_result_changing_the_pair_does_nothing(upscaling: Any):
    assert list(upscaling.show_pair({}, *PAIR)) == [upscaling.pair]


def test_bad_uploads_give_one_sentence_and_keep_the_results(upscaling: Any, text_file: Path):
    shown = _accepted(upscaling, str(text_file))
    assert shown[upscaling.photo_box] is None
    assert "is not a PNG" in shown[upscaling.status]
    for outcome in ([shown], _shown(upscaling, text_file, TEST)):
        assert len(outcome) == 1
        assert "alert" in outcome[0][upscaling.status]
        assert upscaling.gallery not in outcome[0]


def test_pressing_the_button_without_a_photo_says_what_to_do(upscaling: Any):
    (shown,) = _shown(upscaling, None, TEST)
    assert "upload one or pick one" in shown[upscaling.status]


def test_names_of_files_cannot_bring_markup_into_the_page(upscaling: Any, tmp_path: Path):
    path = tmp_path / "<img src=x onerror=alert(1)>.png"
    path.write_text("no picture")
    assert "<img" not in _accepted(upscaling, str(path))[upscaling.status]


def test_a_large_photo_is_told_its_limit_before_any_work(
    upscaling: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(explore, "compare_networks", lambda *_, **__: pytest.fail("it was computed"))
    monkeypatch.setattr(explore, "seconds_per_pixel", lambda *_: 1e-4)
    large = tmp_path / "large.png"
    Image.new("RGB", (1500, 1400)).save(large)
    (shown,) = _shown(upscaling, large, ENLARGE)
    assert "2.1 megapixels" in shown[upscaling.status]
    assert "at most 1 megapixels" in shown[upscaling.status]
    assert "test it instead" in shown[upscaling.status]
    accepted = _accepted(upscaling, str(large))
    assert accepted[upscaling.mode] == TEST
    assert "about 13 s" in accepted[upscaling.status]


def test_a_photo_too_small_for_the_test_is_told_so(upscaling: Any, tmp_path: Path):
    Image.new("RGB", (40, 9)).save(tmp_path / "tiny.png")
    assert "too small to be shrunk" in upscaling.describe(str(tmp_path / "tiny.png"), TEST)


@pytest.mark.parametrize("size", [(1, 1), (14, 60)])
def test_tiny_photos_are_enlarged_by_all_five(upscaling: Any, tmp_path: Path, size: tuple[int, int]):
    Image.new("RGB", size, "teal").save(tmp_path / "tiny.png")
    *_, last = _shown(upscaling, tmp_path / "tiny.png", ENLARGE)
    assert {Image.open(path).size for path, _ in last[upscaling.gallery]} == {(4 * size[0], 4 * size[1])}


def test_the_upload_reaches_the_reader_as_it_came(upscaling: Any, text_file: Path):
    sent = upscaling.photo_box.data_model(path=str(text_file), orig_name="letter.png")
    assert upscaling.photo_box.preprocess(sent) == str(text_file)
    assert upscaling.photo_box.preprocess(None) is None


def test_a_tiff_is_shown_as_png_because_browsers_cannot(upscaling: Any, crop: Path, tmp_path: Path):
    Image.open(crop).save(tmp_path / "scan.TIF")
    shown = _accepted(upscaling, str(tmp_path / "scan.TIF"))[upscaling.photo_box]
    assert shown.endswith("scan.png")
    assert np.array_equal(np.asarray(Image.open(shown)), np.asarray(Image.open(crop)))


def test_profile_and_transparency_survive_into_the_files(upscaling: Any, tmp_path: Path):
    alpha = np.zeros((20, 20), np.float32)
    profile = _srgb_profile()
    write_png(tmp_path / "logo.png", np.full((20, 20, 3), 0.5, np.float32), alpha, profile)
    shown = _shown(upscaling, tmp_path / "logo.png", ENLARGE)[0]
    with Image.open(shown[upscaling.gallery][0][0]) as image:
        assert image.mode == "RGBA"
        assert image.info["icc_profile"] == profile


def test_picking_one_of_ours_is_one_click(upscaling: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(explore, "seconds_per_pixel", lambda *_: 1e-4)
    event = gr.SelectData(None, {"index": 3, "value": None})
    shown = upscaling.pick(event)
    assert shown[upscaling.photo_box].endswith("fig.png")
    assert shown[upscaling.mode] == TEST
    assert "192×128" in shown[upscaling.status]


def test_heavy_and_quick_events_are_wired_apart(page: Page):
    events = {event.api_name: event for event in page.demo.fns.values()}
    assert events["upscale"].concurrency_id == "torch"
    assert events["upscale"].concurrency_limit == 1
    assert events["pair"].concurrency_id != "torch", "a pair must not wait for somebody's upscaling"
    assert page.demo.analytics_enabled is False
    assert page.demo.delete_cache == (600, 3600)


def _srgb_profile() -> bytes:
    from PIL import ImageCms  # noqa: PLC0415

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_a_checkpoint_is_taken_into_memory_and_off_the_disk(upscaling: Any, tmp_path: Path, crop: Path):
    zoo.save(tmp_path / "mine.safetensors", zoo.load("rfdn-x4-direct-90"))
    shown = upscaling.bring(str(tmp_path / "mine.safetensors"), {}, [])
    assert not (tmp_path / "mine.safetensors").exists()
    (name,) = shown[upscaling.shared.own]
    *_, last = [
        one
        for one in upscaling.upscale(str(crop), TEST, *PAIR, [name], {name: "Yours: mine"})
        if upscaling.gallery in one
    ]
    assert last[upscaling.gallery][-1][1].startswith("Yours: mine\n")
    assert "All six are done" in last[upscaling.status]


def test_a_hostile_checkpoint_is_one_sentence_and_gone(upscaling: Any, tmp_path: Path):
    path = tmp_path / "evil.pth"
    path.write_bytes(b"\x80\x02cposix\nsystem\n(S'touch hacked'\ntR.")
    (said,) = upscaling.bring(str(path), {}, []).values()
    assert "evil.pth" in said
    assert "alert" in said
    assert not path.exists()


def test_stop_ends_what_was_begun(upscaling: Any, crop: Path):
    upscaling.begin()
    running = upscaling.upscale(str(crop), TEST, *PAIR)
    next(running)
    next(running)
    upscaling.end()
    rest = list(running)
    assert "Stopped" in rest[0][upscaling.status]
    assert not any(upscaling.gallery in shown for shown in rest)
    assert len(_shown(upscaling, crop, TEST)) == 5, "the stop reached the next run, too"


def test_the_difference_of_the_same_picture_is_black(upscaling: Any, tested: list[dict]):
    files = tested[-1][upscaling.kept]
    same = upscaling.show_difference(files, PAIR[0], PAIR[0])
    apart = upscaling.show_difference(files, *PAIR)
    assert np.asarray(Image.open(same[upscaling.difference])).max() == 0
    assert np.asarray(Image.open(apart[upscaling.difference])).max() > 100
    assert "Largest difference of a colour: 0 of 255" in same[upscaling.scale]


def test_the_photo_itself_is_one_of_the_pair_where_there_is_a_reference(upscaling: Any, tested: list[dict], crop: Path):
    files = tested[-1][upscaling.kept]
    assert np.array_equal(np.asarray(Image.open(files["photo"])), np.asarray(Image.open(crop)))
    assert "photo" not in _shown(upscaling, crop, ENLARGE)[-1][upscaling.kept]


def test_every_result_and_all_together_can_be_saved(upscaling: Any, tested: list[dict]):
    table = tested[-1][upscaling.table]
    assert table.count("download>Save<") == 5
    assert "side by side" in table
    assert " " not in table.split('href="')[1].split('"')[0]


def test_two_results_a_row_on_a_phone_and_three_on_a_desk(upscaling: Any, tested: list[dict]):
    for room, columns in ((326, 2), (1174, 3)):
        figure = upscaling.show_together(tested[-1][upscaling.kept], {}, room)
        lefts = {figure.layout[f"xaxis{n}"].domain[0] for n in ("", 2, 3, 4, 5, 6)}
        assert len(lefts) == columns


def test_the_number_format_reaches_the_networks(upscaling: Any, crop: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []
    real = explore.upscaler
    monkeypatch.setattr(explore, "upscaler", lambda *args: asked.append(args[2]) or real(*args))
    list(upscaling.upscale(str(crop), TEST, *PAIR, [], {}, "cpu", "bfloat16"))
    assert set(asked) == {"bfloat16"}
