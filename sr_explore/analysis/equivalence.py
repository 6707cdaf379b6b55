"""Are two networks the same function? Compared in float64, where a mistake cannot hide in round-off."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from typing import Any

import torch
from torch import Tensor, nn

from sr_explore.analysis.layer_table import check_size
from sr_explore.records import Difference, EquivalenceRecord, LayerDifference, LayerEdit

BORDER_LR_PX = 8
FLAT = 1e-6  # An output whose range is this share of its largest value counts as constant.


def equivalence(
    before: nn.Module,
    after: nn.Module,
    lr: Tensor,
    edits: Sequence[LayerEdit] = (),
    bound: float = 1e-12,
) -> EquivalenceRecord:
    """Run both networks on one picture, in float64 and float32, and say how far apart they are.

    In float32 an error of 1e-5 in one weight looks like round-off; in float64 it is a million times larger than that,
    so float64 decides and float32 is information. Interior and border stand apart because wrong padding is exact
    inside.

    Args:
        before, after: networks (N, 3, H, W) to pictures. Copies of them run, in eval mode and on `lr`'s device.
        lr: the picture (N, 3, H, W) in [0, 1]; every side at least the networks' `requires_size`.
        edits: what became of each layer. Every one that promises the same output is compared by itself: the target's
            output in `after` with the sources' outputs in `before`, joined along channels.
        bound: what the relative float64 difference must not exceed, a share of the range of the output of `before`.

    Returns:
        The differences. They are inf where two outputs cannot be compared (shapes differ, a layer is missing or never
        ran, or runs another number of times) and NaN where an output holds NaN; neither is ever `equal`. The border is
        8 px of the input wide, less on small pictures; where that leaves no interior, `interior` is 0.

    Raises:
        UserError: if `lr` is smaller than a network takes.

    Source: identity proofs in float64 as in this project's docs/architecture.md; relative to max - min of the output,
    or to its largest value where it is constant.
    """
    for model in (before, after):
        check_size(model, (lr.shape[-2], lr.shape[-1]))
    promised = [edit for edit in edits if edit.same_output and edit.sources]
    with exact_arithmetic(lr.device):
        double = _compare(before, after, lr.double(), promised)
        single = _compare(before, after, lr.float(), promised)
    layers = tuple(
        LayerDifference(edit.target, double.layers[index], single.layers[index]) for index, edit in enumerate(promised)
    )
    # float32's figure is divided by float64's range, so that the two stand beside each other.
    wide, narrow = (_difference(run, double.scale) for run in (double, single))
    return EquivalenceRecord(wide, narrow, layers, bound, double.border_px)


@contextmanager
def exact_arithmetic(device: torch.device) -> Iterator[None]:
    """No gradients and no shortcuts: TF32, cuDNN's search for the fastest kernel and autocast are off meanwhile."""
    cudnn: Any = torch.backends.cudnn
    matmul = torch.backends.cuda.matmul
    saved = cudnn.allow_tf32, cudnn.benchmark, matmul.allow_tf32
    cudnn.allow_tf32, cudnn.benchmark, matmul.allow_tf32 = False, False, False
    try:
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        cudnn.allow_tf32, cudnn.benchmark, matmul.allow_tf32 = saved


@dataclass
class _Comparison:
    """Two runs in one precision: largest absolute differences, and every promised layer's relative one."""

    interior: float
    border: float
    whole: float
    scale: float
    border_px: int
    layers: list[float]


def _compare(before: nn.Module, after: nn.Module, lr: Tensor, edits: Sequence[LayerEdit]) -> _Comparison:
    features: dict[str, list[Tensor]] = {}
    out_before = _run_and_keep(before, lr, edits, features)
    checks = [_LayerCheck([features.get(path, []) for path in edit.sources]) for edit in edits]
    out_after = _run_and_check(after, lr, edits, checks)
    scale, border_px = _scale_of(out_before), _border_px(lr, out_before)
    layers = [check.result() for check in checks]
    if out_before.shape != out_after.shape:
        return _Comparison(inf, inf, inf, scale, border_px, layers)
    gap = (out_before.double() - out_after.double()).abs()
    interior = gap[..., border_px:-border_px, border_px:-border_px]
    border = gap.clone()
    border[..., border_px:-border_px, border_px:-border_px] = 0
    return _Comparison(_amax(interior), _amax(border), _amax(gap), scale, border_px, layers)


def _run_and_keep(
    model: nn.Module, lr: Tensor, edits: Sequence[LayerEdit], features: dict[str, list[Tensor]]
) -> Tensor:
    clone = _private(model, lr)
    modules = dict(clone.named_modules())

    def keep(path: str, output: object) -> None:
        if isinstance(output, Tensor):  # a clone, since an in-place activation may follow
            features.setdefault(path, []).append(output.clone())

    for path in {source for edit in edits for source in edit.sources} & modules.keys():
        modules[path].register_forward_hook(lambda _module, _inputs, output, path=path: keep(path, output))
    return clone(lr)


def _run_and_check(model: nn.Module, lr: Tensor, edits: Sequence[LayerEdit], checks: Sequence["_LayerCheck"]) -> Tensor:
    clone = _private(model, lr)
    modules = dict(clone.named_modules())
    for edit, check in zip(edits, checks, strict=True):
        if edit.target in modules:
            modules[edit.target].register_forward_hook(lambda _module, _inputs, output, check=check: check.see(output))
    return clone(lr)


def _private(model: nn.Module, lr: Tensor) -> nn.Module:
    return copy.deepcopy(model).to(lr.device, lr.dtype).eval()


@dataclass
class _LayerCheck:
    """One promised layer: for every source, what it put out at each of its calls."""

    sources: list[list[Tensor]]
    figures: list[float] = field(default_factory=list)

    def see(self, output: object) -> None:
        """Compare the target's next call with the same call of the sources; nothing of it is kept."""
        expected = self._expected(len(self.figures))
        if expected is None or not isinstance(output, Tensor) or expected.shape != output.shape:
            self.figures.append(inf)
        else:
            self.figures.append(_amax((expected - output).abs()) / _scale_of(expected))

    def _expected(self, call: int) -> Tensor | None:
        if any(len(calls) <= call for calls in self.sources):
            return None
        outputs = [calls[call] for calls in self.sources]
        same_size = len({(output.shape[:1], output.shape[2:]) for output in outputs}) == 1
        return torch.cat(outputs, dim=1) if same_size else None

    def result(self) -> float:
        called = len(self.figures)
        if not called or any(len(calls) != called for calls in self.sources):
            return inf
        return _amax(torch.tensor(self.figures, dtype=torch.float64))


def _difference(run: _Comparison, scale: float) -> Difference:
    return Difference(run.interior, run.border, run.whole / scale)


def _scale_of(output: Tensor) -> float:
    """What differences are measured against: the range; for a constant output its value, for zeros 1."""
    low, high = (float(value) for value in torch.aminmax(output))
    peak = max(abs(low), abs(high))
    return peak or 1.0 if high - low <= FLAT * peak else high - low


def _border_px(lr: Tensor, output: Tensor) -> int:
    """8 px of the input in output pixels; a quarter of the shorter side where the picture is small."""
    scale = max(output.shape[-1] // lr.shape[-1], 1)
    return min(BORDER_LR_PX * scale, max(min(output.shape[-2:]) // 4, 1))


def _amax(values: Tensor) -> float:
    """The largest value; NaN if there is one (Python's max would lose it), 0 if there is none."""
    return float(values.amax()) if values.numel() else 0.0
