"""Polish: seconds of training after pruning, against the pictures that the unpruned network makes."""

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sr_explore.devices import has_fast_bfloat16
from sr_explore.errors import UserError
from sr_explore.records import LayerEdit
from sr_explore.stages.base import Calibration, Edited, Example, Stage, weight_shape
from sr_explore.surgery import modules_of

HELD_OUT_EVERY = 6
"""Of so many calibration patches one is never trained on, and says which weights are kept."""
DECAY = 0.98
WARMUP = 0.1


class PolishPoint(NamedTuple):
    """Where polishing stands: seconds and steps done, and PSNR to the unpruned network on held-out patches, dB."""

    seconds: float
    step: int
    held_out_db: float


Watcher = Callable[[PolishPoint], bool | None]
_watcher: ContextVar[Watcher | None] = ContextVar("polish_watcher", default=None)


@contextmanager
def watching_polish(watcher: Watcher) -> Iterator[None]:
    """While the block runs, `watcher` gets a point of every Polish's curve; if it gives True, polishing ends there."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


@dataclass(frozen=True)
class Polish(Stage):
    """Adam on L1(network(x), unpruned(x)) over calibration patches, turned and mirrored; no reference is needed.

    A moving average of the weights is looked at on held-out patches on the way, and the best is kept: the result is
    never worse there than what came in. See `watching_polish` for a live curve and for stopping early.

    Attributes:
        seconds: how long to train.
        steps: exactly so many instead, whatever they take; 0 lets the seconds decide.
        learning_rate: highest; it rises over the first tenth and falls to 0 along a cosine.
        batch_size: patches a step.
        look_every: steps between two looks at the held-out patches.
        seed: of the order of the patches.
    """

    exact: ClassVar[bool] = False

    seconds: float = 20.0
    steps: int = 0
    learning_rate: float = 1e-3
    batch_size: int = 4
    look_every: int = 20
    seed: int = 0

    def requires(self, model: nn.Module, example: Example) -> None:
        if not 0 < self.seconds <= 3600:
            raise UserError(f"seconds is {self.seconds}; give more than 0 and at most 3600")
        if self.steps < 0 or self.batch_size < 1 or self.look_every < 1 or self.learning_rate <= 0:
            raise UserError("polish needs steps of 0 or more, and a batch_size, look_every and learning_rate above 0")
        if example.unpruned is None:
            raise UserError("polish needs a network that prune-channels has cut, and the one before it")
        if example.calibration is None or len(example.calibration.lr) < 2:
            raise UserError("polish needs at least 2 calibration patches: some to train on, one to look at")

    def edit(self, model: nn.Module, example: Example) -> Edited:
        lr = cast(Calibration, example.calibration).lr
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.manual_seed(self.seed)
            run = _Run(self, model, cast(nn.Module, example.unpruned), lr.to(next(model.parameters())))
            polished = run.best()
        edits = tuple(
            LayerEdit("polished", (path,), path, (weight_shape(layer),), weight_shape(layer))
            for path, layer in modules_of(polished, nn.Conv2d)
        )
        return Edited(polished, edits, run.notes(), run.figures())


class _Run:
    """One polishing: the patches, the network that moves, its average, and the best average so far."""

    def __init__(self, stage: Polish, model: nn.Module, unpruned: nn.Module, lr: Tensor) -> None:
        self.stage, self.model, self.unpruned = stage, model, unpruned.eval()
        held = torch.arange(len(lr)) % HELD_OUT_EVERY == 0
        self.lr, self.held_lr = lr[~held], lr[held]
        self.fast = has_fast_bfloat16(lr.device)
        self.targets: dict[int, Tensor] = {}
        with torch.no_grad():
            self.held_target = unpruned(self.held_lr)
        self.average = copy.deepcopy(model)
        self.start_db = self.best_db = self._held_out_db()
        self.best_state = copy.deepcopy(model.state_dict())
        self.step, self.elapsed = 0, 0.0

    def best(self) -> nn.Module:
        """Train, and give the network with the best weights that were seen."""
        self.model.train().requires_grad_(True)
        optimizer = torch.optim.Adam(self.model.parameters(), lr=self.stage.learning_rate)
        started, watcher = time.perf_counter(), _watcher.get()
        while self._progress() < 1:
            for group in optimizer.param_groups:
                group["lr"] = self.stage.learning_rate * _one_cycle(self._progress())
            self._train_step(optimizer)
            self.step, self.elapsed = self.step + 1, time.perf_counter() - started
            if (self.step % self.stage.look_every == 0 or self._progress() >= 1) and self._look(watcher):
                break
        self.model.load_state_dict(self.best_state)
        for parameter in self.model.parameters():
            parameter.grad = None
        return self.model

    def figures(self) -> dict[str, float]:
        """What came of it: PSNR to the unpruned network on held-out patches, dB, before and after."""
        gained = {"held_out_db_before": self.start_db, "held_out_db_after": self.best_db}
        return gained | {"steps": float(self.step)}

    def notes(self) -> tuple[str, ...]:
        """One sentence where nothing was gained."""
        return () if self.best_db > self.start_db else ("polishing found nothing better than what it was given",)

    def _progress(self) -> float:
        return self.step / self.stage.steps if self.stage.steps else self.elapsed / self.stage.seconds

    def _look(self, watcher: Watcher | None) -> bool:
        """Measure the average and keep it if it is the best; whether the watcher wants to stop."""
        held_out_db = self._held_out_db()
        if held_out_db > self.best_db:
            self.best_db, self.best_state = held_out_db, copy.deepcopy(self.average.state_dict())
        return bool(watcher and watcher(PolishPoint(self.elapsed, self.step, held_out_db)))

    def _train_step(self, optimizer: torch.optim.Optimizer) -> None:
        views = torch.randint(8 * len(self.lr), (self.stage.batch_size,)).tolist()
        lr = torch.stack([self._view(view) for view in views]).contiguous(memory_format=torch.channels_last)
        target = torch.stack([self._target(view) for view in views])
        with torch.autocast(lr.device.type, torch.bfloat16, enabled=self.fast):
            sr = self.model(lr)
        optimizer.zero_grad(set_to_none=True)
        F.l1_loss(sr.to(target).contiguous(), target).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            decay = min(DECAY, (1 + self.step) / (10 + self.step))
            for kept, moving in zip(self.average.parameters(), self.model.parameters(), strict=True):
                kept.lerp_(moving, 1 - decay)

    def _view(self, view: int) -> Tensor:
        """Patch view // 8, mirrored and turned by view % 8: (3, h, w)."""
        patch = self.lr[view // 8]
        patch = patch.flip(1) if view & 1 else patch
        return torch.rot90(patch, view // 2 % 4, (1, 2))

    @torch.no_grad()
    def _target(self, view: int) -> Tensor:
        """What the unpruned network makes of a view: each view once, because it is the slower of the two networks."""
        if view not in self.targets:
            self.targets[view] = self.unpruned(self._view(view)[None])[0]
        return self.targets[view]

    @torch.no_grad()
    def _held_out_db(self) -> float:
        error = (self.average.eval()(self.held_lr) - self.held_target).square().mean()
        return math.inf if error == 0 else -10 * math.log10(float(error))


def _one_cycle(progress: float) -> float:
    if progress < WARMUP:
        return 0.1 + 0.9 * progress / WARMUP
    return 0.5 * (1 + math.cos(math.pi * (progress - WARMUP) / (1 - WARMUP)))
