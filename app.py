"""The page: one photo enlarged by every network, side by side. Layout and wiring only; `explore` does the work."""

import os
import sys
from collections.abc import Iterator
from html import escape
from typing import Any

from PIL import Image

from sr_explore import explore
from sr_explore.devices import device_name, pick_device
from sr_explore.errors import UserError
from sr_explore.images import Photo, png_bytes, read_photo, sample_photos
from sr_explore.resize import degrade, to_uint8

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported: no request may leave this machine
import gradio as gr
from gradio.processing_utils import save_bytes_to_cache

# gradio would open an upload first, and end in a traceback where it cannot; `read_photo` wants the file as it came. For
# one object this is forgotten when gradio updates it, and for a subclass it would write an app.pyi beside this file.
gr.Image.preprocess = lambda self, payload: payload and payload.path

ENLARGE, TEST = "enlarge", "test"
MODES = [("Test it: shrink the photo first and compare with it", TEST), ("My photo is small: enlarge it ×4", ENLARGE)]
WORDS = ("Bicubic, no network", "Original network", "Cut into branches", "Branches merged", "Half the channels pruned")
ORIGINAL = explore.JOURNEY[0]
LABELS: dict[str, str] = dict(zip((explore.BICUBIC, *explore.JOURNEY), WORDS, strict=True))
CHOICES = [(label, name) for name, label in LABELS.items()]
HEADERS = ["Network", "Parameters", "Multiply-adds", "Time (ms)", "PSNR Y (dB)", "SSIM Y"]
SAMPLES = list(sample_photos().values())
INTRO = """# One photo, four networks
See what cutting up a super-resolution network does to its pictures: the same photo, four times larger, by the original
network, by the ones made from it, and by plain bicubic interpolation."""
THEME = gr.themes.Default(primary_hue="teal", font=["system-ui", "sans-serif"])
CSS = """
.gradio-container { width: 100%; max-width: 1240px !important; margin: 0 auto !important; }
#status p { margin: 0; padding: 8px 12px; border-left: 4px solid var(--color-accent); overflow-wrap: anywhere; }
#status p.alert { border-color: #dc2626; font-weight: 600; }
#mode .wrap { flex-direction: column; }
#results img, #pair img { image-rendering: pixelated; }
.tiles .grid-wrap { min-height: 0; max-height: none; overflow: hidden; padding: 0; }
.tiles .grid-container { grid-template-columns: repeat(var(--grid-cols), minmax(0, 1fr)); padding: 0; }
#samples .thumbnail-item { aspect-ratio: 3 / 2; border: 0; box-shadow: none; }
#results .caption-label { inset: auto 0 0 0; max-width: none; border: 0; border-radius: 0; opacity: 1;
  white-space: pre-line; text-align: center; }
#results:has(.preview), #results:has(.preview) .gallery-container { min-height: min(720px, 80vh); }
#results .media-button { overflow: auto; }
#results .media-button img { width: auto; height: auto; max-width: none; margin: auto; }
#status > div, #table > div { padding: 0; }
#table { overflow-x: auto; }
#table table, #table tr { border: 0; }
#table table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
#table :is(th, td) { padding: 6px 10px; text-align: right; border: 0 solid var(--border-color-primary); }
#table tr :is(th, td) { border-bottom-width: 1px; }
#table :is(th, td):first-child { text-align: left; }
@media (max-width: 640px) {
  #results .grid-container { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  #photo { height: 300px !important; }
  #table :is(th, td) { padding: 6px 2px; font-size: 11px; }
}
"""


def upscale(path: str | None, mode: str, left: str, right: str) -> Iterator[dict[Any, Any]]:
    """Enlarge the photo by bicubic and by every network, and show each result as soon as it is there."""
    done: list[explore.Upscaled] = []
    files: dict[str, str] = {}
    yield {status: _note(_progress(done))}
    try:
        photo = _read(path)
        explore.plan(photo, is_reference=mode == TEST)
        for result in explore.compare_networks(photo, is_reference=mode == TEST):
            done.append(result)
            files[result.name] = _keep(result.photo, f"{photo.name}_x4_{result.name}")
            shown = {section: gr.Column(visible=True), kept: dict(files), status: _note(_progress(done))}
            shown |= {gallery: [(files[one.name], _caption(one)) for one in done], table: _table(done)}
            if result.name in (left, right) and {left, right} <= files.keys():  # once: the lists may change meanwhile
                shown[pair] = _slider(files[left], files[right])
            yield shown
    except UserError as error:
        yield {status: _note(error, "alert")}


def show_pair(files: dict[str, str], left: str, right: str) -> dict[Any, Any]:
    """Put two results into the slider; they are on the disk already and nothing is computed."""
    if not {left, right} <= files.keys():
        return {pair: gr.skip()}
    try:
        return {pair: _slider(files[left], files[right])}
    except FileNotFoundError:
        return {status: _note("These results were deleted after an hour; press Upscale once more.", "alert")}


def accept(path: str | None) -> Iterator[dict[Any, Any]]:
    """Take an uploaded photo: say what will be made of it, or in one sentence why it cannot be used."""
    try:
        photo = _read(path)
    except UserError as error:
        yield {photo_box: None, status: _note(error, "alert")}
        return
    height, width = photo.rgb.shape[:2]
    wanted = ENLARGE if height * width <= explore.LARGEST_LR_PIXELS[pick_device().type] else TEST
    shown: dict[Any, Any] = {mode_choice: wanted}
    if str(path).lower().endswith((".tif", ".tiff")):  # which browsers cannot show
        shown[photo_box] = _keep(photo, photo.name)
    yield shown  # at once, for those who press the button before the time is estimated
    yield {status: describe(path, wanted)}


def pick(event: gr.SelectData) -> dict[Any, Any]:
    """Take one of the photos that come with the package; they are large enough for the test."""
    path = str(SAMPLES[event.index])
    return {photo_box: path, mode_choice: TEST, status: describe(path, TEST)}


def describe(path: str | None, mode: str) -> str:
    """What the button will do with this photo, or why it cannot, told before it is pressed."""
    try:
        photo = _read(path)
        plan = explore.plan(photo, is_reference=mode == TEST)
    except UserError as error:
        return _note(error, "note" if path is None else "alert")
    sizes = [f"{width}×{height} px" for width, height in (plan.lr, plan.sr)]
    wait = f"{max(1, round(plan.seconds))} s" if plan.seconds < 90 else f"{round(plan.seconds / 60)} minutes"
    told = f"{'Shrunk to ' if mode == TEST else ''}{sizes[0]}, then enlarged to {sizes[1]}: about {wait} for all five."
    return _note(" ".join([told, *photo.notes]))


def _read(path: str | None) -> Photo:
    if path is None:
        raise UserError("There is no photo yet; upload one or pick one of ours.")
    return read_photo(path)


def _keep(photo: Photo, name: str) -> str:
    """Write the exact pixels once, for gallery, slider and download alike; gradio deletes the file in time."""
    data = png_bytes(photo.rgb, photo.alpha, photo.icc, compress_level=1)
    return save_bytes_to_cache(data, f"{name}.png", demo.GRADIO_CACHE)


def _slider(left: str, right: str) -> dict[str, Any]:
    """Small pictures at the largest whole multiple of their size that fits, so that all their pixels look alike."""
    with Image.open(left) as image:
        times = max(1, min(1200 // image.width, 720 // image.height))
        return gr.update(value=(left, right), max_height=times * image.height)


def _caption(result: explore.Upscaled) -> str:
    return LABELS[result.name] + (f"\n{result.quality.psnr_y:.2f} dB" if result.quality else "")


def _table(done: list[explore.Upscaled]) -> str:
    rows = [f"<tr><td>{'</td><td>'.join(_cells(result))}</td></tr>" for result in done]
    return f"<table><tr><th>{'</th><th>'.join(HEADERS)}</th></tr>{''.join(rows)}</table>"


def _cells(result: explore.Upscaled) -> list[str]:
    costs, quality = result.table, result.quality
    weights = [f"{costs.params:,}", f"{costs.macs / 1e9:.2f} G"] if costs else ["—", "—"]
    scores = [f"{quality.psnr_y:.2f}", f"{quality.ssim_y:.4f}"] if quality else ["—", "—"]
    cells = [LABELS[result.name], *weights, f"{result.milliseconds:,.0f}", *scores]
    return [cell.replace("nan", "—") for cell in cells]  # SSIM of a picture smaller than its window


def _progress(done: list[explore.Upscaled]) -> str:
    if len(done) < len(WORDS):
        return f"{len(done)} of {len(WORDS)} done; now: {WORDS[len(done)].lower()} …"
    height, width = done[0].photo.rgb.shape[:2]
    return " ".join([f"All five are done, {width}×{height} px each.", *done[-1].photo.notes])


def _note(text: object, kind: str = "note") -> str:
    """One sentence for the page; escaped, because it may quote the name of somebody's file."""
    said = str(text)
    return f'<p class="{kind}" role="status">{escape(said[:1].upper() + said[1:])}</p>'


with gr.Blocks(title="sr_explore", analytics_enabled=False, delete_cache=(600, 3600)) as demo:
    gr.Markdown(f"{INTRO} Runs on {device_name(pick_device())}.")
    with gr.Row():
        with gr.Column(scale=3, min_width=300):
            photo_box = gr.Image(
                str(SAMPLES[0]), label="Photo", type="filepath", image_mode=None, sources=["upload", "clipboard"],
                height=484, buttons=["fullscreen"], elem_id="photo",
            )  # fmt: skip
        with gr.Column(scale=2, min_width=300):
            gr.Markdown("Upload your photo, or pick one of these:")
            samples = gr.Gallery(
                [to_uint8(degrade(read_photo(path).rgb, 4)) for path in SAMPLES], show_label=False, container=False,
                columns=3, format="png", allow_preview=False, object_fit="cover", buttons=[], interactive=False,
                elem_id="samples", elem_classes="tiles",
            )  # fmt: skip
            mode_choice = gr.Radio(MODES, value=TEST, show_label=False, container=False, elem_id="mode")
            button = gr.Button("Upscale", variant="primary", elem_id="upscale")
            status = gr.HTML(elem_id="status", padding=False)
    with gr.Column(visible=False) as section:
        gr.Markdown("### The centre of each result, pixel for pixel: click one to see it whole")
        gallery = gr.Gallery(
            show_label=False, container=False, columns=5, format="png", object_fit="none", interactive=False,
            buttons=["download", "fullscreen"], elem_id="results", elem_classes="tiles",
        )  # fmt: skip
        gr.Markdown("### What each one costs, and how close it comes to the photo")
        table = gr.HTML(elem_id="table", padding=False)
        gr.Markdown("### Any two, before and after: drag the line, zoom with the mouse wheel")
        with gr.Row():
            left_choice = gr.Dropdown(CHOICES, value=explore.BICUBIC, label="Left", min_width=240, elem_id="left")
            right_choice = gr.Dropdown(CHOICES, value=ORIGINAL, label="Right", min_width=240, elem_id="right")
        pair = gr.ImageSlider(format="png", max_height=720, show_label=False, interactive=False, elem_id="pair")
    kept = gr.State({})

    button.click(
        upscale, [photo_box, mode_choice, left_choice, right_choice], [section, gallery, table, pair, kept, status],
        api_name="upscale", concurrency_id="torch", concurrency_limit=1, show_progress_on=[status],
    )  # fmt: skip
    gr.on(
        [left_choice.input, right_choice.input], show_pair, [kept, left_choice, right_choice], [pair, status],
        api_name="pair", show_progress="hidden",
    )  # fmt: skip
    quick: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    photo_box.upload(accept, photo_box, [photo_box, mode_choice, status], **quick)
    photo_box.clear(describe, [photo_box, mode_choice], status, **quick)
    samples.select(pick, None, [photo_box, mode_choice, status], **quick)
    mode_choice.input(describe, [photo_box, mode_choice], status, **quick)
    demo.load(describe, [photo_box, mode_choice], status, **quick)  # also loads the networks and warms them up
demo.queue(max_size=16)


def launch_page(host: str = "127.0.0.1", port: int | None = None, browser: bool = False) -> None:
    """Serve the page on an address and a port (a free one from 7860 on if None) until it is interrupted.

    Raises:
        UserError: if the port is taken.
    """
    try:
        _, url, _ = demo.launch(
            server_name=host, server_port=port, inbrowser=browser, share=False, theme=THEME, css=CSS, quiet=True,
            max_file_size="32mb", allowed_paths=[str(SAMPLES[0].parent)], max_threads=8, show_error=False,
            strict_cors=True, ssr_mode=False, mcp_server=False, enable_monitoring=False, run_history=False,
            footer_links=[], prevent_thread_lock=True,
        )  # fmt: skip
    except OSError as error:
        raise UserError(f"port {port or 7860} cannot be used; give another one with --port") from error
    print(f"The page is open at {url} (Ctrl+C ends it)", flush=True)
    demo.block_thread()


if __name__ == "__main__":
    try:
        launch_page()
    except UserError as problem:
        sys.exit(str(problem))
