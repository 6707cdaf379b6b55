"""The training loop, on accelerate: the same on one CPU, one GPU, or several processes through `accelerate launch`."""

import fnmatch
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm.auto import tqdm

from sr_explore.devices import has_fast_bfloat16
from sr_explore.training.checkpoint import Progress, fingerprint, load_checkpoint, save_checkpoint
from sr_explore.training.data import Batch, Patches
from sr_explore.training.features import FeatureMatching
from sr_explore.training.settings import TrainSettings


class Trainer:
    """One run: its network, its average, its optimizer and how far it is.

    Args:
        model: trained in place; only parameters whose name matches one of `trainable` move.
        patches: where batches come from.
        settings: the numbers.
        folder: for checkpoints.
        features: what the network's features are compared with; a teacher's *pictures* come with the patches.
        trainable: patterns of parameter names, as `branches.*.entry.*`.
        validate: a network to its PSNR in dB, on whatever the caller holds out.
    """

    def __init__(
        self,
        model: nn.Module,
        patches: Patches,
        settings: TrainSettings,
        folder: Path,
        features: FeatureMatching | None = None,
        trainable: Sequence[str] = ("*",),
        validate: Callable[[nn.Module], float] | None = None,
    ) -> None:
        self.settings, self.patches, self.folder = settings, patches, folder
        # Precision is ours to set: accelerate keeps one for the whole process, and the phases of a recipe may differ.
        self.accelerator = Accelerator(mixed_precision="no", cpu=not torch.cuda.is_available())
        self._bfloat16 = _takes_bfloat16(settings.precision, self.accelerator.device)
        self.identity = fingerprint(model, settings.to_dict())
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(any(fnmatch.fnmatchcase(name, pattern) for pattern in trainable))
        model = model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        moving = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.Adam(moving, lr=settings.learning_rate)
        self.model, self.optimizer = self.accelerator.prepare(model.train(), optimizer)
        average = _moving_average(settings.ema_decay)
        self.ema = AveragedModel(self._bare(), multi_avg_fn=average)  # pyright: ignore[reportArgumentType]
        self.features = features if settings.feature_weight else None
        if self.features is not None:
            self.features.teacher.to(self.accelerator.device).to(memory_format=torch.channels_last)  # pyright: ignore
            with self._autocast():  # always on the first step's patches, so that a resumed run has the same factors
                self.features.calibrate(self._on_device(patches.batch(0).lr))
        self.validate = validate
        self.progress = Progress()
        self._stop = False

    def run(self, resume: bool = False, until: int | None = None) -> Progress:
        """Train to the last step, or to step `until`; a checkpoint is written at the end and on the way.

        SIGTERM finishes the step under way, writes a checkpoint and returns.
        """
        if resume:
            self.progress = load_checkpoint(self.folder, self._bare(), self.ema, self.optimizer, self.identity)
        last = min(until or self.settings.steps, self.settings.steps)
        with self._signals(), self._bar(last) as bar:
            for step in range(self.progress.step, last):
                started = time.perf_counter()
                loss = self._step(step)
                self._note(step + 1, loss, time.perf_counter() - started)
                self._show(bar)
                if self._stop or (step + 1) % self.settings.checkpoint_every == 0 or step + 1 == last:
                    self._save()
                if self._stop:
                    break
        return self.progress

    def result(self) -> nn.Module:
        """The averaged network, on the CPU, in eval mode."""
        return self.ema.module.to("cpu", memory_format=torch.contiguous_format).eval()  # pyright: ignore

    def _bare(self) -> nn.Module:
        return self.accelerator.unwrap_model(self.model)

    def _step(self, step: int) -> Tensor:
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate_at(step)
        batch = self.patches.batch(step, self.accelerator.process_index, self.accelerator.num_processes)
        loss = self._loss(batch)
        self.optimizer.zero_grad(set_to_none=True)
        self.accelerator.backward(loss)
        if self.settings.grad_clip:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.settings.grad_clip)
        self.optimizer.step()
        self.ema.update_parameters(self._bare())
        return loss.detach()

    def _loss(self, batch: Batch) -> Tensor:
        settings = self.settings
        lr = self._on_device(batch.lr)
        matching, bare = self.features, self._bare()
        with self._autocast():
            targets = matching.targets(lr) if matching else {}
            with matching.watching(bare, targets) if matching else nullcontext({}) as outputs:
                sr = self.model(lr)
        # Plain memory order, as the pictures have it: subtracting two orders takes three times as long.
        sr = sr.float().contiguous()
        loss = settings.reference_weight * self._distance(sr, batch.hr)
        if settings.teacher_weight and batch.taught is not None:
            loss = loss + settings.teacher_weight * self._distance(sr, batch.taught)
        if matching:
            loss = loss + settings.feature_weight * matching.distance(outputs, targets)
        return loss

    def _distance(self, sr: Tensor, wanted: Tensor) -> Tensor:
        return (F.mse_loss if self.settings.squared else F.l1_loss)(sr, wanted.to(sr.device))

    def _on_device(self, lr: Tensor) -> Tensor:
        return lr.to(self.accelerator.device).to(memory_format=torch.channels_last)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=self._bfloat16)

    def _note(self, step: int, loss: Tensor, seconds: float) -> None:
        losses, psnrs = self.progress.losses, self.progress.psnrs
        if step % self.settings.loss_every == 0 or step == 1:
            losses = (*losses, (step, float(cast(Tensor, self.accelerator.reduce(loss, "mean")))))
        if self.validate and (step % self.settings.validate_every == 0 or step == self.settings.steps):
            psnrs = (*psnrs, (step, self.validate(self.ema.module)))
        self.progress = replace(
            self.progress, step=step, seconds=self.progress.seconds + seconds, losses=losses, psnrs=psnrs
        )

    def _save(self) -> None:
        if self.accelerator.is_main_process:
            save_checkpoint(self.folder, self._bare(), self.ema, self.optimizer, self.progress, self.identity)

    def _bar(self, last: int):
        return tqdm(
            total=last,
            initial=self.progress.step,
            desc="training",
            unit="step",
            mininterval=1,
            disable=not self.accelerator.is_main_process,
        )

    def _show(self, bar: tqdm) -> None:
        bar.update()
        figures = {"loss": f"{self.progress.losses[-1][1]:.4f}"}
        if self.progress.psnrs:
            figures["psnr_db"] = f"{self.progress.psnrs[-1][1]:.2f}"
        bar.set_postfix(figures, refresh=False)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        try:
            before = signal.signal(signal.SIGTERM, self._request_stop)
        except ValueError:  # not the main thread: whoever runs us there stops us in another way
            with nullcontext():
                yield
            return
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def _request_stop(self, *_: object) -> None:
        self._stop = True


def _moving_average(decay: float) -> Callable[[list[Tensor], list[Tensor], Tensor | int], None]:
    """An exponential moving average that forgets its beginning faster, so that the first weights do not linger."""

    @torch.no_grad()
    def update(averaged: list[Tensor], current: list[Tensor], count: Tensor | int) -> None:
        step = int(count)
        torch._foreach_lerp_(averaged, current, 1 - min(decay, (1 + step) / (10 + step)))

    return update


def _takes_bfloat16(precision: str, device: torch.device) -> bool:
    return precision == "bfloat16" or (precision == "auto" and has_fast_bfloat16(device))
