"""The tab that enlarges one photo by several networks and shows the results side by side."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.processing_utils import save_bytes_to_cache
from PIL import Image

from sr_explore import explore, guests
from sr_explore.comparing import difference_map, side_by_side
from sr_explore.devices import pick_device
from sr_explore.errors import UserError
from sr_explore.images import Photo, png_bytes, read_photo, sample_photos
from sr_explore.latest_only import GaveUp
from sr_explore.page.shared import Shared, visitor
from sr_explore.page.words import (
    PHOTO,
    Own,
    address,
    alert,
    choices,
    file_link,
    how_long,
    html_table,
    is_alert,
    label,
    note,
    others,
)
from sr_explore.plots import file_grid
from sr_explore.resize import crop_to_multiple, to_uint8
from sr_explore.streaming import Flags

ENLARGE, TEST = "enlarge", "test"
MODES = [("Test it: shrink the photo first and compare with it", TEST), ("My photo is small: enlarge it ×4", ENLARGE)]
ALWAYS = (explore.BICUBIC, *explore.JOURNEY)
HEAD = ("Network", "Parameters", "Multiply-adds", "Time (ms)", "Memory (MB)", "PSNR Y (dB)", "SSIM Y", "Picture")
SAMPLES = list(sample_photos().values())
MOST_EXTRA = 3
WHITE = 32
ROOM = "(files, own, _) => [files, own, document.querySelector('#together')?.clientWidth || window.innerWidth]"
"""What the browser adds: how wide the pictures that are zoomed together may be, px."""
THREE_PX = 600
SCALE = f'<p class="scale">0<i></i>{WHITE} or more grey levels apart</p>'
NO_PHOTO = "There is no photo yet; upload one or pick one of ours."
DELETED = "These results were deleted after an hour; press Upscale once more."


class UpscaleTab:
    """Components and what they do; handlers give the components that change and their new values."""

    def __init__(self, shared: Shared) -> None:
        self.shared, self._flags = shared, Flags()
        with gr.Row():
            with gr.Column(scale=3, min_width=300):
                self._add_photo()
            with gr.Column(scale=2, min_width=300):
                self._add_controls()
        with gr.Column(visible=False) as self.section:
            self._add_results()
        self.kept = gr.State({})

    def _add_photo(self) -> None:
        self.photo_box = gr.Image(
            str(SAMPLES[0]), label="Photo", type="filepath", image_mode=None, height=484, buttons=["fullscreen"],
            sources=["upload", "clipboard", "webcam"], webcam_options=gr.WebcamOptions(mirror=False), elem_id="photo",
        )  # fmt: skip

    def _add_controls(self) -> None:
        gr.Markdown("Upload your photo, or pick one of these:")
        self.samples = gr.Gallery(
            [Image.open(path).reduce(4) for path in SAMPLES], show_label=False, container=False,
            columns=3, format="png", allow_preview=False, object_fit="cover", buttons=[], interactive=False,
            elem_id="samples", elem_classes="tiles",
        )  # fmt: skip
        self.mode = gr.Radio(MODES, value=TEST, show_label=False, container=False, elem_id="mode")
        with gr.Accordion("Compare more networks", open=False):
            self.extra = gr.Dropdown(
                choices(others()), value=[], multiselect=True, max_choices=MOST_EXTRA, elem_id="extra",
                label=f"Up to {MOST_EXTRA} more", info="Any member of the family, or your own.",
            )  # fmt: skip
            self.checkpoint = gr.UploadButton(
                "Use a checkpoint of yours (.safetensors or .pth)", file_types=[".safetensors", ".pth"], size="sm",
                elem_id="checkpoint",
            )  # fmt: skip
        with gr.Row():
            self.button = gr.Button("Upscale", variant="primary", elem_id="upscale", scale=3, min_width=160)
            self.stop = gr.Button("Stop", interactive=False, elem_id="stop", scale=1, min_width=90)
        self.status = gr.HTML(elem_id="status", elem_classes="said", padding=False)

    def _add_results(self) -> None:
        gr.Markdown("### The centre of each result, pixel for pixel: click one to see it whole")
        self.gallery = gr.Gallery(
            show_label=False, container=False, columns=5, format="png", object_fit="none", interactive=False,
            buttons=["download", "fullscreen"], elem_id="results", elem_classes=["tiles", "exact"],
        )  # fmt: skip
        gr.Markdown("### What each one costs, and how close it comes to the photo")
        self.table = gr.HTML(elem_id="table", elem_classes="figures", padding=False)
        gr.Markdown("### Any two, before and after: drag the line, zoom with the mouse wheel")
        with gr.Row():
            listed = choices((*ALWAYS, PHOTO))
            self.left = gr.Dropdown(listed, value=ALWAYS[0], label="Left", min_width=240, elem_id="left")
            self.right = gr.Dropdown(listed, value=ALWAYS[1], label="Right", min_width=240, elem_id="right")
        self.pair = gr.ImageSlider(
            format="png", max_height=720, show_label=False, interactive=False, elem_id="pair", elem_classes="exact"
        )
        with gr.Accordion("Where these two differ", open=False, elem_id="where-they-differ"):
            self.difference = gr.Image(
                format="png", show_label=False, interactive=False, buttons=["download", "fullscreen"],
                elem_id="difference", elem_classes="exact",
            )  # fmt: skip
            self.scale = gr.HTML(elem_id="difference-scale", padding=False)
        gr.Markdown("### The same place in all of them: drag a frame to zoom in, double-click to see the whole")
        self.together = gr.Plot(show_label=False, elem_id="together", elem_classes="exact")
        self.room = gr.Number(visible=False)

    def wire(self) -> None:
        """Connect what is clicked with what it does."""
        shared = self.shared
        quick: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        chosen = [self.photo_box, self.mode, self.extra, shared.own, shared.device, shared.dtype]
        heavy: dict[str, Any] = {"concurrency_id": "torch", "concurrency_limit": 1, "show_progress_on": [self.status]}
        changed = [self.section, self.gallery, self.table, self.left, self.right, self.pair, self.kept, self.status]
        self.button.click(self.begin, None, [self.stop], queue=False, **quick).then(
            self.upscale, [self.photo_box, self.mode, self.left, self.right, *chosen[2:]], [*changed, self.stop],
            api_name="upscale", **heavy,
        ).then(
            self.show_difference, [self.kept, self.left, self.right], [self.difference, self.scale], **quick
        ).then(
            self.show_together, [self.kept, shared.own, self.room], self.together, js=ROOM, **quick
        )  # fmt: skip
        self.stop.click(self.end, None, [self.stop], queue=False, **quick)
        lists = [self.left.input, self.right.input]
        inputs = [self.kept, self.left, self.right]
        gr.on(lists, self.show_pair, inputs, [self.pair, self.status], api_name="pair", show_progress="hidden")
        gr.on(
            lists, self.show_difference, inputs, [self.difference, self.scale],
            api_name="difference", show_progress="hidden",
        )  # fmt: skip
        described: dict[str, Any] = {"inputs": chosen, "outputs": self.status, **quick}
        uploaded = [self.photo_box, self.mode, self.status]
        self.photo_box.upload(self.accept, chosen, uploaded, **quick)
        # Neither `clear` nor `input` tells that a photo was taken away by its button (gradio 6.31).
        self.photo_box.change(self.notice_empty, [self.photo_box, self.status], self.status, **quick)
        self.samples.select(self.pick, chosen[2:], uploaded, **quick)
        gr.on([self.mode.input, self.extra.input, shared.device.input, shared.dtype.input], self.describe, **described)
        self.checkpoint.upload(
            self.bring, [self.checkpoint, shared.own, self.extra], [shared.own, self.extra, self.status], **quick
        )

    def begin(self, request: gr.Request | None = None) -> dict[Any, Any]:
        """Before the work waits for its turn: from now on Stop counts."""
        self._flags.begin(visitor(request))
        return {self.stop: gr.Button(interactive=True)}

    def end(self, request: gr.Request | None = None) -> dict[Any, Any]:
        """Stop what this visitor has begun; the work itself says so, within a second or two."""
        self._flags.stop(visitor(request))
        return {self.stop: gr.Button(interactive=False)}

    def leave(self, request: gr.Request) -> None:
        """The visitor closed the page: nobody waits any more."""
        self._flags.stop(visitor(request))

    def upscale(
        self,
        path: str | None,
        mode: str,
        left: str,
        right: str,
        extra: Sequence[str] = (),
        own: Own | None = None,
        device: str = "auto",
        dtype: str = "auto",
        request: gr.Request | None = None,
    ) -> Iterator[dict[Any, Any]]:
        """Enlarge the photo by bicubic and by every network, and show each result as soon as it is there."""
        flag = self._flags.current(visitor(request))
        try:
            yield from self._results(path, mode, (left, right), extra, own or {}, device, dtype, flag.is_set)
        except UserError as error:
            yield {self.status: alert(error)} | self._over
        except GaveUp:
            yield {self.status: note("Stopped; what was done before stays.")} | self._over
        finally:
            self._flags.end(visitor(request), flag)

    @property
    def _over(self) -> dict[Any, Any]:
        """Goes with the last change: clients of the programming interface get that one alone."""
        return {self.stop: gr.Button(interactive=False)}

    def _results(
        self,
        path: str | None,
        mode: str,
        wanted: tuple[str, str],
        extra: Sequence[str],
        own: Own,
        device: str,
        dtype: str,
        should_stop: Any,
    ) -> Iterator[dict[Any, Any]]:
        networks = (*explore.JOURNEY, *extra)
        names = (explore.BICUBIC, *networks)
        done: list[explore.Upscaled] = []
        yield {self.status: note(_progress(done, names, own))}
        photo, is_reference = _read(path), mode == TEST
        explore.plan(photo, networks, is_reference, device, dtype)
        files = {PHOTO: self._keep(_reference(photo), f"{photo.name}_photo")} if is_reference else {}
        listed = choices((*names, PHOTO) if is_reference else names, own)
        there = {name for _, name in listed}
        pair = tuple(name if name in there else usual for name, usual in zip(wanted, ALWAYS[:2], strict=True))
        shown: dict[Any, Any] = {
            self.left: gr.Dropdown(listed, value=pair[0]),
            self.right: gr.Dropdown(listed, value=pair[1]),
        }
        for result in explore.compare_networks(photo, networks, is_reference, device, dtype, should_stop):
            done.append(result)
            stem = own.get(result.name, result.name)
            files[result.name] = self._keep(result.photo, f"{photo.name}_x4_{stem}")
            shown |= {self.section: gr.Column(visible=True), self.kept: dict(files)}
            shown |= {self.status: note(_progress(done, names, own)), self.table: _table(done, files, own)}
            shown |= {self.gallery: [(files[one.name], _caption(one, own)) for one in done]}
            if result.name in pair and set(pair) <= files.keys():  # once: the lists may change meanwhile
                shown[self.pair] = slider(files[pair[0]], files[pair[1]])
            if len(done) == len(names):
                shown[self.table] += self._link_to_all(photo, done, own)
                shown |= self._over
            yield shown
            shown = {}

    def _link_to_all(self, photo: Photo, done: Sequence[explore.Upscaled], own: Own) -> str:
        """A link to one picture of all results."""
        whole = side_by_side({_caption(one, own): to_uint8(one.photo.rgb) for one in done})
        kept = self._keep_bytes(png_bytes(whole, None, photo.icc), f"{photo.name}_side_by_side")
        return f"<p>{file_link(kept, 'Save all of them side by side, as one picture')}</p>"

    def show_pair(self, files: dict[str, str], left: str, right: str) -> dict[Any, Any]:
        """Put two results into the slider; they are on the disk already and nothing is computed."""
        if not {left, right} <= files.keys():
            return {self.pair: gr.skip()}
        try:
            return {self.pair: slider(files[left], files[right])}
        except FileNotFoundError:
            return {self.status: alert(DELETED)}

    def show_together(self, files: dict[str, str], own: Own, room: float = 960) -> Any:
        """All results with one zoom, their middle at first, in so many px of room: two a row on a phone, else three."""
        if not files:
            return gr.skip()
        with Image.open(next(iter(files.values()))) as image:
            width, height = image.size
        part = (width - width // 3) // 2, (height - height // 3) // 2, max(1, width // 3), max(1, height // 3)
        results = [name for name in files if name != PHOTO] + [PHOTO] * (PHOTO in files)
        sources = [(label(name, own), address(files[name])) for name in results]
        return file_grid(sources, (height, width), 3 if room >= THREE_PX else 2, part, round(room))

    def show_difference(self, files: dict[str, str], left: str, right: str) -> dict[Any, Any]:
        """Where the two results in the slider differ, and by how much."""
        if not {left, right} <= files.keys():
            return {self.difference: gr.skip()}
        try:
            one, other = (_pixels(files[name]) for name in (left, right))
        except FileNotFoundError:
            return {self.difference: gr.skip()}
        apart = np.abs(one.astype(np.int16) - other)
        figures = f"Largest difference of a colour: {apart.max()} of 255 levels; mean: {apart.mean():.2f}."
        path = self._keep_bytes(png_bytes(difference_map(one, other, WHITE)), "difference")
        return {self.difference: path, self.scale: SCALE + note(figures)}

    def accept(self, path: str | None, mode: str = TEST, *chosen: Any) -> Iterator[dict[Any, Any]]:
        """Take an uploaded photo: say what will be made of it, or in one sentence why it cannot be used."""
        if path is None:
            return
        try:
            photo = _read(path)
        except UserError as error:
            yield {self.photo_box: None, self.status: alert(error)}
            return
        height, width = photo.rgb.shape[:2]
        wanted = ENLARGE if height * width <= explore.LARGEST_LR_PIXELS[pick_device().type] else TEST
        shown: dict[Any, Any] = {self.mode: wanted}
        if str(path).lower().endswith((".tif", ".tiff")):  # which browsers cannot show
            shown[self.photo_box] = self._keep(photo, photo.name)
        yield shown  # at once, for those who press the button before the time is estimated
        yield {self.status: self.describe(path, wanted, *chosen)}

    def notice_empty(self, path: str | None, said: str | None) -> Any:
        """Say so when the visitor has taken the photo away; but why a bad one was refused stays."""
        return gr.skip() if path or is_alert(said) else note(NO_PHOTO)

    def pick(self, event: gr.SelectData, *chosen: Any) -> dict[Any, Any]:
        """Take one of the photos that come with the package; they are large enough for the test."""
        path = str(SAMPLES[event.index])
        return {self.photo_box: path, self.mode: TEST, self.status: self.describe(path, TEST, *chosen)}

    def describe(
        self,
        path: str | None,
        mode: str,
        extra: Sequence[str] = (),
        own: Own | None = None,
        device: str = "auto",
        dtype: str = "auto",
    ) -> str:
        """What the button will do with this photo, or why it cannot, told before it is pressed."""
        networks = (*explore.JOURNEY, *extra)
        try:
            photo = _read(path)
            plan = explore.plan(photo, networks, mode == TEST, device, dtype)
        except UserError as error:
            return note(error) if path is None else alert(error)
        sizes = [f"{width}×{height} px" for width, height in (plan.lr, plan.sr)]
        small = f"{'Shrunk to ' if mode == TEST else ''}{sizes[0]}"
        told = f"{small}, then enlarged to {sizes[1]}: about {how_long(plan.seconds)} for all {_count(networks)}."
        return note(" ".join([told, *photo.notes]))

    def bring(self, path: str, own: Own, extra: Sequence[str]) -> dict[Any, Any]:
        """Take a visitor's checkpoint into memory, and its file off the disk, where others might find it."""
        try:
            name = guests.admit_file(path)
        except UserError as error:
            return {self.status: alert(error)}
        finally:
            Path(path).unlink(missing_ok=True)
        own = {**own, name: f"Yours: {Path(path).stem[:40]}"}
        said = f"{own[name]} is among the networks to compare, and under Prune; nobody else can see it."
        return {self.shared.own: own, self.extra: self.listed(own, extra, name), self.status: note(said)}

    def listed(self, own: Own, extra: Sequence[str], new: str) -> Any:
        """The list of further networks with a visitor's own in it, the new one chosen."""
        return gr.update(choices=choices((*own, *others()), own), value=[*extra[-MOST_EXTRA + 1 :], new])

    def _keep(self, photo: Photo, name: str) -> str:
        """Write the exact pixels once, for gallery, slider and download alike; gradio deletes the file in time."""
        return self._keep_bytes(png_bytes(photo.rgb, photo.alpha, photo.icc), name)

    def _keep_bytes(self, data: bytes, name: str) -> str:
        return save_bytes_to_cache(data, f"{name}.png", self.photo_box.GRADIO_CACHE)


def _read(path: str | None) -> Photo:
    if path is None:
        raise UserError(NO_PHOTO)
    return read_photo(path)


def _reference(photo: Photo) -> Photo:
    return Photo(np.ascontiguousarray(crop_to_multiple(photo.rgb, 4)), None, photo.icc, photo.name)


def _pixels(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def slider(left: str, right: str) -> dict[str, Any]:
    """Small pictures at the largest whole multiple of their size that fits, so that all their pixels look alike."""
    with Image.open(left) as image:
        times = max(1, min(1200 // image.width, 720 // image.height))
        return gr.update(value=(left, right), max_height=times * image.height)


def _caption(result: explore.Upscaled, own: Own) -> str:
    return label(result.name, own) + (f"\n{result.quality.psnr_y:.2f} dB" if result.quality else "")


def _table(done: Sequence[explore.Upscaled], files: dict[str, str], own: Own) -> str:
    links = [file_link(files[one.name], "Save") for one in done]
    return html_table(HEAD, [_cells(one, own) for one in done], links)


def _cells(result: explore.Upscaled, own: Own) -> list[str]:
    costs, quality = result.table, result.quality
    weights = [f"{costs.params:,}", f"{costs.macs / 1e9:.2f} G"] if costs else ["—", "—"]
    memory = f"{result.memory_mb:,.0f}" if result.memory_mb else "—"
    scores = [f"{quality.psnr_y:.2f}", f"{quality.ssim_y:.3f}"] if quality else ["—", "—"]
    cells = [label(result.name, own), *weights, f"{result.milliseconds:,.0f}", memory, *scores]
    return [cell.replace("nan", "—") for cell in cells]  # SSIM of a picture smaller than its window


def _progress(done: Sequence[explore.Upscaled], names: Sequence[str], own: Own) -> str:
    if len(done) < len(names):
        return f"{len(done)} of {len(names)} done; now: {label(names[len(done)], own)} …"
    height, width = done[0].photo.rgb.shape[:2]
    notes = dict.fromkeys(said for one in done for said in one.photo.notes)
    return " ".join([f"All {_count(names[1:])} are done, {width}×{height} px each.", *(_sentence(n) for n in notes)])


def _sentence(text: str) -> str:
    said = text[:1].upper() + text[1:]
    return said if said.endswith(".") else f"{said}."


def _count(networks: Sequence[str]) -> str:
    return ("five", "six", "seven", "eight")[len(networks) - len(explore.JOURNEY)]
