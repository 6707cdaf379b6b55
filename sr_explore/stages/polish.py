"""Polish: train the pruned network for seconds to give what the unpruned one gives. No reference pictures needed."""

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sr_explore.devices import has_fast_bfloat16
from sr_explore.errors import UserError
from sr_explore.networks.layers import StructuralConv2d
from sr_explore.records import LayerEdit
from sr_explore.stages.base import Calibration, Edited, Example, Stage, weight_shape
from sr_explore.surgery import modules_of

T = TypeVar("T", nn.Module, Tensor)

View = tuple[int, int, int, int, int]
"""Patch, top and left of the crop in px, quarter turns, flip."""

CHECKS = 24
CROP_PX = 48
GRID_PX = 16
MOST_ANSWERS = 1000
BATCH = 6
HELD_OUT = 1 / 6
EMA_DECAY = 0.95
WARM_UP = 0.2
GENTLE_STEPS = 40


@dataclass(frozen=True)
class PolishProgress:
    """One point of the live curve: after `step` steps and `seconds`, how near the averaged network has come.

    Attributes:
        psnr_db: of its output against the unpruned network's, on the patches held out, dB.
        network: gives a copy of the averaged network as it is now, while the listener runs.
    """

    step: int
    seconds: float
    psnr_db: float
    network: Callable[[], nn.Module] = field(repr=False, compare=False)


@dataclass(frozen=True)
class _Watcher:
    on_progress: Callable[[PolishProgress], None] | None = None
    should_stop: Callable[[], bool] | None = None


_watcher: ContextVar[_Watcher] = ContextVar("polishing", default=_Watcher())  # noqa: B039 - frozen


@contextmanager
def polishing(
    on_progress: Callable[[PolishProgress], None] | None = None, should_stop: Callable[[], bool] | None = None
) -> Iterator[None]:
    """Watch or stop every `Polish` that runs inside this block, in this thread.

    A stage's fields must stay plain values, so its listeners come in from outside: `with polishing(draw): stage(...)`.

    Args:
        on_progress: told of the network before the first step, and then about `CHECKS` times.
        should_stop: asked before every step; True ends the polish with the best network so far.
    """
    token = _watcher.set(_Watcher(on_progress, should_stop))
    try:
        yield
    finally:
        _watcher.reset(token)


@dataclass(frozen=True)
class Polish(Stage):
    """Trains for seconds, on the calibration patches' low-resolution side, towards the unpruned network's pictures.

    L1 distance, Adam under a one-cycle learning rate, on random crops, flips and turns; an average of the last weights
    is what counts. One patch in six is held out: the best network on those is returned, at worst the one that came in.
    Weights that only move channels stay as they are.

    Attributes:
        seconds: how long to train, more than 0. How far that goes depends on the machine.
        steps: train exactly this many steps instead; then the result is the same every time. 0 goes by `seconds`.
        learning_rate: the highest of the cycle.
        seed: of crops, flips and turns.
    """

    exact: ClassVar[bool] = False

    seconds: float = 20.0
    steps: int = 0
    learning_rate: float = 1e-3
    seed: int = 0

    def requires(self, model: nn.Module, example: Example) -> None:
        if not self.seconds > 0 or self.steps < 0:
            raise UserError(f"polish got seconds={self.seconds}, steps={self.steps}; give seconds above 0, or steps")
        if not self.learning_rate > 0:
            raise UserError(f"learning_rate is {self.learning_rate}; it must be more than 0, as 0.001")
        if example.calibration is None or len(example.calibration.lr) < 2:
            raise UserError("polish needs at least two calibration patches: one to train on, one to hold out")
        if example.unpruned is None:
            raise UserError("polish needs a network that prune-channels has cut, and the one before it")

    def edit(self, model: nn.Module, example: Example) -> Edited:
        lr = cast(Calibration, example.calibration).lr.to(next(model.parameters()))
        run = _Run(self, model, cast(nn.Module, example.unpruned), lr)
        with torch.enable_grad():
            run.train()
        edits = tuple(
            LayerEdit("polished", (path,), path, (weight_shape(layer),), weight_shape(layer))
            for path, layer in modules_of(run.best, nn.Conv2d)
            if not isinstance(layer, StructuralConv2d)
        )
        figures = {"psnr_before_db": run.psnr_before, "psnr_after_db": run.psnr_best, "steps": float(run.step)}
        if not self.steps:
            figures["seconds"] = run.elapsed
        return Edited(run.best, edits, figures=figures)


class _Run:
    """One polish under way."""

    def __init__(self, stage: Polish, model: nn.Module, unpruned: nn.Module, lr: Tensor) -> None:
        self.started = time.perf_counter()
        self.stage, self.watcher = stage, _watcher.get()
        self.step = self.checks = 0
        self.best = model
        self.model = _channels_last(copy.deepcopy(model))
        for _, layer in modules_of(self.model, StructuralConv2d):
            layer.requires_grad_(False)
        self.average = copy.deepcopy(self.model)
        self.unpruned = _channels_last(copy.deepcopy(unpruned).to(lr).eval().requires_grad_(False))
        self.optimizer = torch.optim.Adam([p for p in self.model.parameters() if p.requires_grad], betas=(0.9, 0.99))
        self.generator = torch.Generator().manual_seed(stage.seed)
        apart = max(round(len(lr) * HELD_OUT), 1)
        chosen = torch.arange(len(lr)) % (len(lr) // apart) == 0  # spread out: patches of one photo are neighbours
        self.patches, self.held_out = lr[~chosen], _channels_last(lr[chosen])
        self.side = min(CROP_PX, *lr.shape[-2:])
        self.answers: dict[View, Tensor] = {}
        with torch.no_grad():
            self.wanted = self.unpruned(self.held_out)
        self.psnr_before = self.psnr_best = self._psnr()

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self.started

    def train(self) -> None:
        self._tell(self.psnr_before)
        while (done := self._share_done()) < 1 and not (self.watcher.should_stop and self.watcher.should_stop()):
            # On a slow machine seconds are few steps, and Adam's first ones at full length would undo the refit.
            gentle = min((self.step + 1) / GENTLE_STEPS, 1)
            if not self._step(self.stage.learning_rate * one_cycle(done) * gentle):
                break
            if self._share_done() * CHECKS >= self.checks + 1:
                self._check()
        if self.step:
            self._check()

    def _share_done(self) -> float:
        return self.step / self.stage.steps if self.stage.steps else self.elapsed / self.stage.seconds

    def _step(self, learning_rate: float) -> bool:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        views = [self._random_view() for _ in range(min(BATCH, len(self.patches)))]
        lr, wanted = _channels_last(torch.stack([self._see(view) for view in views])), self._targets(views)
        with self._autocast():
            sr = self.model(lr)
        loss = F.l1_loss(sr.to(lr.dtype), wanted.to(lr.dtype))
        if not torch.isfinite(loss):
            return False
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.step += 1
        self._update_average()
        return True

    @torch.no_grad()
    def _update_average(self) -> None:
        # The first averages forget faster, so that the weights before training do not linger.
        share = 1 - min(EMA_DECAY, self.step / (self.step + 9))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), share)

    def _random_view(self) -> View:
        height, width = self.patches.shape[-2:]
        counts = (len(self.patches), (height - self.side) // GRID_PX + 1, (width - self.side) // GRID_PX + 1, 4, 2)
        index, row, column, turns, flip = (int(torch.randint(count, (), generator=self.generator)) for count in counts)
        return index, row * GRID_PX, column * GRID_PX, turns, flip

    def _see(self, view: View) -> Tensor:
        index, top, left, turns, flip = view
        crop = self.patches[index, :, top : top + self.side, left : left + self.side].rot90(turns, (1, 2))
        return crop.flip(2) if flip else crop

    @torch.no_grad()
    def _targets(self, views: list[View]) -> Tensor:
        """The unpruned network's answers; it costs more than a training step of the pruned one, so they are kept."""
        if new := [view for view in views if view not in self.answers]:
            with self._autocast():
                sr = self.unpruned(_channels_last(torch.stack([self._see(view) for view in new])))
            self.answers.update(zip(new, sr.half(), strict=True))
        wanted = torch.stack([self.answers[view] for view in views])
        while len(self.answers) > MOST_ANSWERS:
            del self.answers[next(iter(self.answers))]
        return wanted

    def _autocast(self) -> torch.autocast:
        device = self.patches.device
        return torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bfloat16(device))

    def _check(self) -> None:
        self.checks = max(self.checks + 1, math.floor(self._share_done() * CHECKS))
        psnr = self._psnr()
        if psnr > self.psnr_best:
            self.psnr_best = psnr
            self.best = self._copied()
        self._tell(psnr)

    @torch.no_grad()
    def _psnr(self) -> float:
        error = float((self.average(self.held_out) - self.wanted).square().mean())
        return -10 * math.log10(max(error, 1e-20)) if math.isfinite(error) else -math.inf

    def _copied(self) -> nn.Module:
        return _plain(copy.deepcopy(self.average))

    def _tell(self, psnr: float) -> None:
        if self.watcher.on_progress:
            self.watcher.on_progress(PolishProgress(self.step, self.elapsed, psnr, self._copied))


def one_cycle(done: float) -> float:
    """The share of the highest learning rate at a share `done` of the training: up in a line, down in a cosine."""
    if done < WARM_UP:
        return max(done / WARM_UP, 0.02)
    return 0.5 + 0.5 * math.cos(math.pi * min((done - WARM_UP) / (1 - WARM_UP), 1))


def _channels_last(value: T) -> T:
    return value.to(memory_format=torch.channels_last)  # pyright: ignore


def _plain(model: nn.Module) -> nn.Module:
    for parameter in model.parameters():
        parameter.grad = None
    return model.to(memory_format=torch.contiguous_format).requires_grad_(True)  # pyright: ignore[reportCallIssue]
