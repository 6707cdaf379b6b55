"""The tab that prunes: sliders, what is left of every layer, and the picture beside the unpruned one."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache

from sr_explore import guests
from sr_explore.errors import UserError
from sr_explore.exploring import Polished, PruningSession, middle, shared_session
from sr_explore.images import Photo, read_photo
from sr_explore.latest_only import GaveUp
from sr_explore.page.prune_controls import PruneControls, asked
from sr_explore.page.shared import Shared, visitor
from sr_explore.page.upscale import TEST, UpscaleTab, slider
from sr_explore.page.words import Own, alert, html_table, label, note
from sr_explore.plots import live_curve, pruning_bars
from sr_explore.pruning_requests import PruningAnswer, PruningRequest
from sr_explore.stages import PolishProgress
from sr_explore.streaming import Flags, Newest, Streamed
from sr_explore.zoo import network_bytes

HEAD = ("Network", "Channels removed", "Parameters", "Multiply-adds", "Time (ms)", "PSNR Y (dB)")
NEARNESS = "PSNR to unpruned (dB)"
MOST_SECONDS = 60
SAVE_IT = "() => document.querySelector('#pruned-file').click()"

Made = dict[str, Any]
"""What is shown now: `network`, `request`, `title`, and `guest`, the name of a polished network."""


class PruneTab:
    """Components and what they do; handlers give the components that change and their new values."""

    def __init__(self, shared: Shared, upscaling: UpscaleTab, tabs: gr.Tabs) -> None:
        self.shared, self.upscaling, self.tabs = shared, upscaling, tabs
        self._flags, self._newest = Flags(), Newest()
        gr.Markdown("Drag a slider: the network loses parts while you watch, on the photo chosen under *Upscale*.")
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                self.controls = PruneControls()
                self._add_actions()
            with gr.Column(scale=2, min_width=300):
                self.pair = gr.ImageSlider(
                    label="Unpruned, left; pruned, right", format="png", max_height=720, interactive=False,
                    elem_id="pruned-pair", elem_classes="exact",
                )  # fmt: skip
                self.figures = gr.HTML(elem_id="pruned-figures", elem_classes="figures", padding=False)
        gr.Markdown("### What is left of every layer")
        self.bars = gr.Plot(show_label=False, elem_id="bars")
        self.made = gr.State({})

    def _add_actions(self) -> None:
        with gr.Accordion("Polish: train it for seconds, and watch", open=False, elem_id="polishing"):
            self.seconds = gr.Slider(5, MOST_SECONDS, 15, step=5, label="Seconds", buttons=[])
            with gr.Row():
                self.polish = gr.Button("Polish", variant="primary", elem_id="polish", min_width=120)
                self.stop = gr.Button("Stop", interactive=False, elem_id="stop-polish", min_width=90)
            self.curve = gr.Plot(show_label=False, visible=False, elem_id="curve")
        with gr.Row():
            self.use = gr.Button("Compare it under Upscale", size="sm", elem_id="use-pruned", min_width=150)
            self.save = gr.Button("Save the pruned network", size="sm", elem_id="save-pruned", min_width=150)
        self.file = gr.DownloadButton("File", elem_id="pruned-file", elem_classes="hidden-file")
        self.status = gr.HTML(elem_id="pruned-status", elem_classes="said", padding=False)

    def wire(self, tab: gr.Tab) -> None:
        """Connect what is clicked with what it does; `tab` is this one."""
        shared, up = self.shared, self.upscaling
        quick: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        asks = self.controls
        inputs = [up.photo_box, up.mode, asks.network, *asks.former, shared.device, shared.dtype, shared.own]
        inputs += asks.later
        shown = [self.pair, self.figures, self.bars, self.made, self.status]
        dragged: dict[str, Any] = {"trigger_mode": "always_last", "show_progress": "hidden"}
        dragged |= {"concurrency_id": "prune", "concurrency_limit": 1}
        # Which kernels can be spared may take a minute to find, so those who move on do not wait for it.
        gr.on(
            [asks.network.input, asks.kernels.input], self.move_on, [asks.network, asks.kernels], queue=False, **quick
        )
        moved = [control.input for control in (*asks.former, *asks.later)]
        gr.on(moved, self.prune, inputs, shown, api_name="prune", **dragged)
        chosen = asks.network.input(asks.fit, [asks.network, asks.kernels], asks.kernels, **quick)
        chosen.then(self.prune, inputs, shown, api_visibility="private", **dragged)
        tab.select(self.prune, inputs, shown, api_visibility="private", **dragged)
        self.polish.click(self.begin, None, [self.stop, self.polish], queue=False, **quick).then(
            self.train, [*inputs[:9], self.seconds, *inputs[9:]], [*shown, self.curve, self.stop, self.polish],
            api_name="polish", concurrency_id="polish", concurrency_limit=1, show_progress="hidden",
        )  # fmt: skip
        self.stop.click(self.end, None, self.stop, queue=False, **quick)
        whose = [up.photo_box, up.mode, self.made, shared.device, shared.dtype]
        self.save.click(self.write, whose, [self.file, self.status], **quick).success(None, js=SAVE_IT)
        self.use.click(
            self.hand_over, [*whose, shared.own, up.extra],
            [shared.own, up.extra, up.status, self.made, self.status, self.tabs], **quick,
        )  # fmt: skip
        shared.own.change(asks.listed, shared.own, asks.network, **quick)

    def prune(
        self,
        path: str | None,
        mode: str,
        network: str,
        percent: float,
        importance: str,
        scope: str,
        largest_first: bool,
        reconstruct: bool,
        trained: bool,
        device: str = "auto",
        dtype: str = "auto",
        own: Own | None = None,
        kernels: float = 0,
        start: str = "centre",
        drop_biases: bool = False,
        request: gr.Request | None = None,
    ) -> Iterator[dict[Any, Any]]:
        """Prune as the sliders say and show the picture beside the unpruned one's."""
        yield {self.status: note("Pruning …")}
        self.move_on(network, kernels, request)
        how, cut = (importance, scope, largest_first, reconstruct, trained), (kernels, start, drop_biases)
        try:
            wanted = asked(network, percent, how, cut, own or {})
            session = _session(path, mode, network, device, dtype)
            pruning: Streamed[str, PruningAnswer] = Streamed(
                lambda tell: session.answer(
                    wanted, tell, lambda: self._newest.is_passed(visitor(request), (network, kernels))
                )
            )
            for doing in pruning:
                yield {self.status: note(f"{doing} …")}
            yield self._shown(session, pruning.result, own or {})
        except UserError as error:
            yield {self.status: alert(error)}
        except GaveUp:
            yield {self.status: note("Something else is wanted by now …")}

    def move_on(self, network: str, kernels: float, request: gr.Request | None = None) -> None:
        """Whatever is being searched for another network or another number of kernels may stop."""
        self._newest.want(visitor(request), (network, kernels))

    def begin(self, request: gr.Request | None = None) -> dict[Any, Any]:
        """Before the training waits for its turn: from now on Stop counts."""
        self._flags.begin(visitor(request))
        return {self.stop: gr.Button(interactive=True), self.polish: gr.Button(interactive=False)}

    def end(self, request: gr.Request | None = None) -> Any:
        """End the training with what there is."""
        self._flags.stop(visitor(request))
        return gr.Button(interactive=False)

    def leave(self, request: gr.Request) -> None:
        """The visitor closed the page: nobody waits any more."""
        self._flags.stop(visitor(request))

    def train(
        self,
        path: str | None,
        mode: str,
        network: str,
        percent: float,
        importance: str,
        scope: str,
        largest_first: bool,
        reconstruct: bool,
        trained: bool,
        seconds: float,
        device: str = "auto",
        dtype: str = "auto",
        own: Own | None = None,
        kernels: float = 0,
        start: str = "centre",
        drop_biases: bool = False,
        request: gr.Request | None = None,
    ) -> Iterator[dict[Any, Any]]:
        """Train the pruned network for seconds to give what the unpruned one gives; curve and picture on the way."""
        flag = self._flags.current(visitor(request))
        how, cut = (importance, scope, largest_first, reconstruct, trained), (kernels, start, drop_biases)
        yield {self.status: note("Asking the unpruned network …")}
        try:
            wanted = asked(network, percent, how, cut, own or {})
            session = _session(path, mode, network, device, dtype)
            yield from self._watched(session, wanted, min(seconds, MOST_SECONDS), flag.is_set, own or {})
        except UserError as error:
            yield {self.status: alert(error)} | self._over
        finally:
            flag.set()  # a visitor who left waits no longer
            self._flags.end(visitor(request), flag)

    def _watched(
        self, session: PruningSession, wanted: PruningRequest, seconds: float, should_stop: Callable[[], bool], own: Own
    ) -> Iterator[dict[Any, Any]]:
        def work(tell: Callable[[PolishProgress | PruningAnswer], None]) -> Polished:
            return session.polish_network(wanted, seconds, tell, should_stop, tell)

        points: list[tuple[float, float]] = []
        polishing: Streamed[PolishProgress | PruningAnswer, Polished] = Streamed(work)
        for report in polishing:
            if isinstance(report, PruningAnswer):
                yield {self.pair: self._pair(session, report), self.figures: self._table(session, report, own)}
                continue
            points.append((report.seconds, report.psnr_db))
            told = f"Polishing: {report.seconds:.0f} of {seconds:.0f} s, step {report.step}."
            curve = live_curve(points, NEARNESS, total_s=seconds).update_layout(height=220)
            yield {self.curve: gr.Plot(curve, visible=True), self.status: note(told)}
        done = polishing.result
        yield self._shown(session, done.answer, own, guests.admit(done.model)) | self._over

    @property
    def _over(self) -> dict[Any, Any]:
        return {self.stop: gr.Button(interactive=False), self.polish: gr.Button(interactive=True)}

    def write(self, path: str | None, mode: str, made: Made, device: str, dtype: str) -> dict[Any, Any]:
        """Put the network that is shown into a file to save."""
        try:
            model = _model(path, mode, made, device, dtype)
        except UserError as error:
            return {self.status: alert(error)}
        stem = f"{made['stem']}.safetensors"
        file = save_bytes_to_cache(network_bytes(model), stem, self.pair.GRADIO_CACHE)
        return {self.file: file, self.status: note(f"Saved as {Path(file).name}; sr-explore takes it as a model.")}

    def hand_over(
        self, path: str | None, mode: str, made: Made, device: str, dtype: str, own: Own, extra: list[str]
    ) -> dict[Any, Any]:
        """Put the network that is shown among those of the first tab."""
        try:
            name = made.get("guest") or guests.admit(_model(path, mode, made, device, dtype))
        except UserError as error:
            return {self.status: alert(error)}
        own = {**own, name: made["title"]}
        said = f"{made['title']} is among the networks now: press Upscale."
        up = self.upscaling
        return {
            self.shared.own: own,
            up.extra: up.listed(own, [one for one in extra if one != name], name),
            up.status: note(said),
            self.made: {**made, "guest": name},
            self.tabs: gr.Tabs(selected="upscale"),
        }

    def _shown(self, session: PruningSession, answer: PruningAnswer, own: Own, guest: str = "") -> dict[Any, Any]:
        done = _achieved(answer)
        title = f"{label(session.network, own)}, {done.words}" + (", polished" if answer.polished else "")
        stem = _stem("own" if session.network in own else session.network, done, answer.request)
        made = {"network": session.network, "request": answer.request, "guest": guest, "title": title, "stem": stem}
        width, height = session.size[::-1]
        left = answer.macs / answer.before.macs
        said = f"{left:.0%} of the work is left. Shown: {width}×{height} px, made {session.scale} times larger."
        return {
            self.pair: self._pair(session, answer),
            self.figures: self._table(session, answer, own),
            self.bars: pruning_bars(answer.before, answer.after, answer.report),
            self.made: made,
            self.status: note(said),
        }

    def _pair(self, session: PruningSession, answer: PruningAnswer) -> dict[str, Any]:
        unpruned = session.answer(PruningRequest(0.0))
        both = {"unpruned": unpruned, "pruned": answer}
        return slider(
            *(save_bytes_to_cache(one.png, f"{name}.png", self.pair.GRADIO_CACHE) for name, one in both.items())
        )

    def _table(self, session: PruningSession, answer: PruningAnswer, own: Own) -> str:
        unpruned = session.answer(PruningRequest(0.0))
        named = ((label(session.network, own), unpruned), (_name(answer, own), answer))
        return html_table(HEAD, [_row(name, one) for name, one in named])


@lru_cache(maxsize=4)
def _photo(path: str, _changed: float, mode: str, device: str) -> Photo:
    return middle(read_photo(path), mode == TEST, device)


def _session(path: str | None, mode: str, network: str, device: str, dtype: str) -> PruningSession:
    if path is None:
        raise UserError("There is no photo yet; choose one under Upscale.")
    photo = _photo(path, Path(path).stat().st_mtime, mode, device)
    if mode == TEST and min(photo.rgb.shape[:2]) < 12:
        raise UserError("This photo is too small to be shrunk first; choose “enlarge it” under Upscale.")
    return shared_session(network, photo, mode == TEST, device, dtype)


def _model(path: str | None, mode: str, made: Made, device: str, dtype: str) -> Any:
    if not made:
        raise UserError("Nothing is pruned yet; move the slider first.")
    if made["guest"]:
        return guests.load(made["guest"])
    return _session(path, mode, made["network"], device, dtype).network_of(made["request"])


def _row(name: str, answer: PruningAnswer) -> list[str]:
    psnr = "—" if answer.psnr_y is None else f"{answer.psnr_y:.2f}"
    macs, time = f"{answer.macs / 1e9:.2f} G", f"{answer.milliseconds:,.0f}"
    return [name, f"{answer.achieved_ratio:.0%}", f"{answer.params:,}", macs, time, psnr]


def _name(answer: PruningAnswer, own: Own) -> str:
    request = answer.request
    name = label(answer.name, own) if request.trained else request.words
    return name[:1].upper() + name[1:] + (", polished" if answer.polished else "")


def _achieved(answer: PruningAnswer) -> PruningRequest:
    """What was really cut, which for the channels is not quite what was asked for."""
    request = answer.request
    ratio = answer.achieved_ratio if request.ratio else 0.0
    return PruningRequest(ratio, kernels=len(answer.narrowed), drop_biases=request.drop_biases and not request.trained)


def _stem(network: str, done: PruningRequest, wanted: PruningRequest) -> str:
    parts = {
        f"pruned_{wanted.ratio:.0%}".strip("%"): wanted.ratio or not done.cuts,
        f"kernels_{done.kernels}": done.kernels,
        "no_biases": done.drop_biases,
    }
    return "_".join([network, *(part for part, is_so in parts.items() if is_so)])
