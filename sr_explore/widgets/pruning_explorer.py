"""A slider that prunes: what is left of every layer, what that costs and gains, and the picture, while one drags."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import ipywidgets as ipw

from sr_explore.exploring import PruningSession
from sr_explore.plots import Table, live_curve, picture_grid, pruning_bars
from sr_explore.plots.pictures import Window
from sr_explore.pruning_requests import PruningAnswer, PruningRequest
from sr_explore.stages import PolishProgress
from sr_explore.stages.prune_channels import HIGHEST_RATIO, IMPORTANCES, SCOPES
from sr_explore.stages.prune_kernels import STARTS
from sr_explore.widgets.figures import blank, figure_widget, set_picture, take_over
from sr_explore.widgets.working import LABELLED, Working
from sr_explore.zoo.ladders import ladder

ROW: dict[str, Any] = {"layout": {"align_items": "center"}}
CHECK: dict[str, Any] = {"indent": False, "layout": {"width": "auto", "margin": "2px 0 2px 24px"}}
NEARNESS = "PSNR to unpruned (dB)"


@dataclass(frozen=True)
class _Question:
    """A request, and how many seconds to polish its network: 0 for none."""

    request: PruningRequest
    polish_s: float = 0.0


class PruningExplorer(Working[_Question, PruningAnswer]):
    """Prunes one network on one photo, as its controls say.

    Set a control's `value`, and `record` follows as soon as `wait` returns.

    Args:
        session: which network and photo.
        request: where the controls stand at first.
        window: the part of the picture to show at first, see `picture_grid`.
        kernels: show what cuts kernels and biases; default for an RLFN, or where the request has them.

    Attributes:
        ratio, importance, scope, largest_first, reconstruct, trained, kernels, start, drop_biases: the controls.
        seconds, polish, stop: for how long to train, the button that begins, and the one that ends it early.
        record: what is shown now; None until there is something.
    """

    def __init__(
        self,
        session: PruningSession,
        request: PruningRequest | None = None,
        window: Window | None = None,
        kernels: bool | None = None,
    ) -> None:
        super().__init__()
        self.session = session
        self.record: PruningAnswer | None = None
        self._unpruned = session.answer(PruningRequest(0.0))
        self._stopped = threading.Event()
        request = request or PruningRequest()
        asked = bool(request.kernels or request.drop_biases) or session.is_rlfn
        self._make_controls(request, asked if kernels is None else kernels)
        self._make_views(window)
        self.children = (*self._rows, self.status, self.figures, self.pictures, self.curve_box, self.bars)
        self._changed()

    def request(self) -> PruningRequest:
        """What the controls say."""
        return PruningRequest(**{name: control.value for name, control in self._controls.items()})

    def _make_controls(self, start: PruningRequest, with_kernels: bool) -> None:
        self.ratio = ipw.FloatSlider(
            start.ratio,
            min=0,
            max=HIGHEST_RATIO,
            step=0.05,
            description="pruning ratio",
            readout_format=".0%",
            layout={"width": "460px"},
            **LABELLED,
        )
        self.importance = ipw.Dropdown(options=IMPORTANCES, value=start.importance, description="importance")
        self.scope = ipw.Dropdown(options=SCOPES, value=start.scope, description="scope")
        self.largest_first = ipw.Checkbox(start.largest_first, description="most important first", **CHECK)
        self.reconstruct = ipw.Checkbox(start.reconstruct, description="reconstruct", **CHECK)
        self.trained = ipw.Checkbox(start.trained, description="nearest fine-tuned step", **CHECK)
        self.trained.disabled = not ladder(self.session.network)
        self.seconds = ipw.IntSlider(20, min=2, max=120, description="polish: seconds", **LABELLED)
        self.polish = ipw.Button(description="Polish", tooltip="train it to give what the unpruned network gives")
        self.stop = ipw.Button(description="Stop", disabled=True, tooltip="end the polish with what there is")
        self._make_kernel_controls(start)
        self._controls = {field.name: getattr(self, field.name) for field in fields(PruningRequest)}
        self._rows = (
            ipw.HBox([self.ratio, self.reconstruct, self.trained], **ROW),
            ipw.HBox([self.importance, self.scope, self.largest_first], **ROW),
            *([ipw.HBox([self.kernels, self.start, self.drop_biases], **ROW)] if with_kernels else []),
            ipw.HBox([self.seconds, self.polish, self.stop], **ROW),
        )
        for control in self._controls.values():
            control.observe(self._changed, "value")
        self.polish.on_click(self._polish)
        self.stop.on_click(lambda _: self._stopped.set())

    def _make_kernel_controls(self, start: PruningRequest) -> None:
        self.kernels = ipw.IntSlider(
            start.kernels, min=0, max=len(self.session.kernels), description="kernels made 1×1", **LABELLED
        )
        self.start = ipw.Dropdown(options=STARTS, value=start.start, description="start")
        self.drop_biases = ipw.Checkbox(start.drop_biases, description="drop biases", **CHECK)

    def _make_views(self, window: Window | None) -> None:
        unpruned = self._unpruned
        pictures = {"unpruned": unpruned.picture, "pruned": blank(unpruned.picture)}
        self.pictures = figure_widget(picture_grid(pictures, window=window))
        set_picture(self.pictures, 0, unpruned.picture, _title("unpruned", unpruned))
        self.bars = figure_widget(pruning_bars(unpruned.before, unpruned.before))
        self.curve = figure_widget(live_curve([], NEARNESS))
        self.curve_box = ipw.VBox([self.curve], layout={"display": "none"})
        self.figures = ipw.HTML()

    def _changed(self, _change: Any = None) -> None:
        for name in self._controls.keys() - {"ratio", "trained"}:
            self._controls[name].disabled = self.trained.value
        self._ask(_Question(self.request()))

    def _polish(self, _button: Any = None) -> None:
        self._stopped.clear()
        self._ask(_Question(self.request(), self.seconds.value))

    def _answer(
        self, question: _Question, tell: Callable[[str], None], should_stop: Callable[[], bool]
    ) -> PruningAnswer:
        if not question.polish_s:
            return self.session.answer(question.request, tell, should_stop)
        return self._train(question, tell, should_stop)

    def _train(
        self, question: _Question, tell: Callable[[str], None], should_stop: Callable[[], bool]
    ) -> PruningAnswer:
        points: list[tuple[float, float]] = []

        def on_progress(progress: PolishProgress) -> None:
            points.append((progress.seconds, progress.psnr_db))
            tell(f"polishing, {progress.seconds:.0f} of {question.polish_s:.0f} s, step {progress.step}")
            take_over(self.curve, live_curve(points), "x", "y", "text")
            self.curve_box.layout.display = "block"

        tell("asking the unpruned network")
        self.stop.disabled, self.polish.disabled = False, True
        try:
            return self.session.polish(
                question.request, question.polish_s, on_progress, lambda: self._stopped.is_set() or should_stop()
            )
        finally:
            self.stop.disabled, self.polish.disabled = True, False

    def _show(self, question: _Question, answer: PruningAnswer) -> None:
        name = _name(answer)
        set_picture(self.pictures, 1, answer.picture, _title(name, answer))
        take_over(self.bars, pruning_bars(answer.before, answer.after, answer.report), "x", "y", "text", "customdata")
        self.figures.value = figure_table({"unpruned": self._unpruned, name: answer})._repr_html_()
        self.record = answer


def figure_table(answers: dict[str, PruningAnswer]) -> Table:
    """The figures of several answers, a row each."""
    head = ("", "channels removed", "parameters", "multiply-adds (G)", "latency (ms)", "PSNR-Y (dB)")
    return Table(head, tuple(_row(name, answer) for name, answer in answers.items()))


def _row(name: str, answer: PruningAnswer) -> tuple[str, ...]:
    return (
        name,
        f"{answer.achieved_ratio:.1%}",
        f"{answer.params:,}",
        f"{answer.macs / 1e9:.2f}",
        f"{answer.milliseconds:.0f}",
        _decibels(answer),
    )


def _title(name: str, answer: PruningAnswer) -> str:
    return f"<b>{name}</b>  {_decibels(answer)} dB"


def _decibels(answer: PruningAnswer) -> str:
    return "–" if answer.psnr_y is None else f"{answer.psnr_y:.2f}"


def _name(answer: PruningAnswer) -> str:
    name = answer.name if answer.request.trained else answer.request.words
    return name + (", polished" if answer.polished else "")
