"""Matching features: what modules of a student should give is what modules of its teacher give."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

FeaturePairs = Sequence[tuple[str, str]]
"""(path in the student, path in the teacher) of modules whose outputs should agree."""


@dataclass(frozen=True)
class Features:
    """What the teacher's module of a pair took and gave, (N, C, H, W)."""

    taken: Tensor
    given: Tensor


class FeatureMatching:
    """Compares a student's features with those of a teacher that is run beside it.

    Args:
        teacher: frozen, on the student's device.
        pairs: which modules to compare.
        level: mean absolute value to which each of the teacher's features is scaled; 0 leaves them as they are. A
            student from scratch needs it: a published network's features may be a hundred times as large as its own.
        forced: student modules that are fed what the teacher's module took, scaled likewise, instead of what comes
            before them. Each then learns its own part at once, not behind parts that have learned nothing yet.
    """

    def __init__(self, teacher: nn.Module, pairs: FeaturePairs, level: float = 0.0, forced: Sequence[str] = ()) -> None:
        self.teacher, self.pairs, self.level, self.forced = teacher.eval(), tuple(pairs), level, frozenset(forced)
        self._factors: dict[str, tuple[float, float]] = {}

    @torch.no_grad()
    def calibrate(self, lr: Tensor) -> None:
        """Fix the factors that bring the teacher's features to `level`, from one batch (N, 3, H, W)."""
        raw = self._run_teacher(lr)
        self._factors = {
            own: (self.level / _size(features.taken), self.level / _size(features.given))
            for own, features in raw.items()
        }

    @torch.no_grad()
    def targets(self, lr: Tensor) -> dict[str, Features]:
        """The teacher's features for a batch, by path in the student, scaled."""
        raw = self._run_teacher(lr)
        if not self.level:
            return raw
        return {
            own: Features(features.taken * self._factors[own][0], features.given * self._factors[own][1])
            for own, features in raw.items()
        }

    @contextmanager
    def watching(self, student: nn.Module, targets: dict[str, Features]) -> Iterator[dict[str, Tensor]]:
        """While the block runs, the student's outputs are kept in the dictionary given, and forced modules are fed."""
        outputs: dict[str, Tensor] = {}
        handles = []
        for own, _ in self.pairs:
            module = student.get_submodule(own)
            handles.append(module.register_forward_hook(_keeper(outputs, own)))
            if own in self.forced:
                handles.append(module.register_forward_pre_hook(_feeder(targets[own].taken)))
        try:
            yield outputs
        finally:
            for handle in handles:
                handle.remove()

    def distance(self, outputs: dict[str, Tensor], targets: dict[str, Features]) -> Tensor:
        """The mean over the pairs of L1(student, teacher) / mean(|teacher|)."""
        distances = []
        for own, _ in self.pairs:
            wanted = targets[own].given.float()
            distances.append((outputs[own].float() - wanted).abs().mean() / wanted.abs().mean())
        return torch.stack(distances).mean()

    def _run_teacher(self, lr: Tensor) -> dict[str, Features]:
        seen: dict[str, Features] = {}
        paths = {other for _, other in self.pairs}
        handles = [self.teacher.get_submodule(path).register_forward_hook(_recorder(seen, path)) for path in paths]
        try:
            self.teacher(lr)
        finally:
            for handle in handles:
                handle.remove()
        return {own: seen[other] for own, other in self.pairs}


def _size(features: Tensor) -> float:
    return float(features.float().abs().mean())


def _keeper(outputs: dict[str, Tensor], path: str):
    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        outputs[path] = output

    return hook


def _recorder(seen: dict[str, Features], path: str):
    def hook(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen[path] = Features(inputs[0], output)

    return hook


def _feeder(taken: Tensor):
    def hook(_module: nn.Module, _inputs: object) -> tuple[Tensor]:
        return (taken,)

    return hook
