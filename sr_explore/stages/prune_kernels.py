"""PruneKernels: 3×3 convolutions become 1×1 (AdvancedSR, NTIRE 2024)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sr_explore.errors import UserError
from sr_explore.networks.layers import conv_like, is_padded
from sr_explore.stages.base import Calibration, Edited, Example, Stage, named, shrunk
from sr_explore.stages.least_squares import fit
from sr_explore.surgery import captured, modules_of, replace_module

STARTS = ("centre", "mean", "least-squares")
RANKINGS = ("response", "output")
RIDGE = 1e-4
POSITIONS = 40_000


@dataclass(frozen=True)
class PruneKernels(Stage):
    """Replaces padded 3×3 convolutions by 1×1 ones with the same channels: a ninth of the weights and of the work.

    Conv(x, K) = Conv(x, K[centre]) wherever all other taps are zero; else something is lost, and `Reconstruct` refits
    the rest. Layers are chosen in one of three ways: by name, else by a budget, else by number.

    Attributes:
        layers: paths joined by +, * allowed ("tail.*+blocks.3.refine.1").
        macs: share of the network's multiply-adds that may be left, up to 1; layers go in order of what they matter
            for each multiply-add saved, until the budget holds. 0 for no budget.
        count: so many layers, those that matter least.
        start: the 1×1 kernel: "centre" takes the centre tap; "mean" nine times the taps' mean, which gives the same
            where the picture is flat; "least-squares" what comes nearest to the 3×3's output on calibration patches.
        ranking: what a layer matters: "response" the share of its output's energy that the centre tap does not give
            (see `off_centre`), "output" how far the network's picture moves when the layer alone is pruned (a pass
            for each).
    """

    exact: ClassVar[bool] = False

    layers: str = ""
    macs: float = 0.0
    count: int = 3
    start: str = "centre"
    ranking: str = "output"

    def requires(self, model: nn.Module, example: Example) -> None:
        if self.start not in STARTS:
            raise UserError(f"start is {self.start!r}; use one of {', '.join(STARTS)}")
        if self.ranking not in RANKINGS:
            raise UserError(f"ranking is {self.ranking!r}; use one of {', '.join(RANKINGS)}")
        paths = list(wide_kernels(model))
        if not self.layers and not self.macs and not 1 <= self.count <= len(paths):
            raise UserError(f"count is {self.count}; this network has {len(paths)} kernels that can become 1×1")
        if not 0 <= self.macs <= 1:
            raise UserError(f"macs is {self.macs}; give the share that may be left, more than 0 and up to 1")
        named(self.layers, paths, "kernel that can become 1×1")
        if example.calibration is None and (not self.layers or self.start == "least-squares"):
            raise UserError("prune-kernels needs calibration patches, unless layers are named and start is not fitted")

    def edit(self, model: nn.Module, example: Example) -> Edited:
        paths = self.chosen(model, example)
        new = {path: self._pointwise(cast(nn.Conv2d, model.get_submodule(path))) for path in paths}
        if self.start == "least-squares":
            _fit_each(model, new, cast(Calibration, example.calibration).lr)
        edits = []
        for path, layer in new.items():
            old = cast(nn.Conv2d, model.get_submodule(path))
            edits.append(shrunk("1×1", path, old, layer, same_output=_is_same(old, layer)))
            replace_module(model, path, layer)
        return Edited(model, tuple(edits), exact=all(edit.same_output for edit in edits))

    def chosen(self, model: nn.Module, example: Example) -> list[str]:
        """The paths of the layers that would become 1×1, in the order of the network.

        Raises:
            UserError: if a budget cannot be met even with all of them.
        """
        paths = list(wide_kernels(model))
        if self.layers:
            return named(self.layers, paths, "kernel that can become 1×1")
        loss = self._losses(model, example)
        if self.macs:
            return self._within_budget(model, example, loss)
        first = sorted(paths, key=lambda path: loss[path])[: self.count]
        return [path for path in paths if path in first]

    def _within_budget(self, model: nn.Module, example: Example, loss: dict[str, float]) -> list[str]:
        macs = macs_of(model, example.lr)
        size = {path: layer.weight[0, 0].numel() for path, layer in wide_kernels(model).items()}
        saved = {path: macs[path] * (1 - 1 / size[path]) for path in size}
        left, chosen = float(sum(macs.values())), set()
        budget = self.macs * left
        for path in sorted(size, key=lambda path: loss[path] / saved[path]):
            if left <= budget:
                break
            left -= saved[path]
            chosen.add(path)
        if left > budget:
            share = left / sum(macs.values())
            raise UserError(
                f"with every kernel 1×1, {share:.0%} of the multiply-adds are left; macs={self.macs} is less"
            )
        return [path for path in size if path in chosen]

    def _losses(self, model: nn.Module, example: Example) -> dict[str, float]:
        lr = cast(Calibration, example.calibration).lr
        if self.ranking == "response":
            return off_centre(model, lr)
        return {path: _picture_error(model, path, self, example) for path in wide_kernels(model)}

    def _pointwise(self, layer: nn.Conv2d) -> nn.Conv2d:
        """The 1×1 convolution to begin with, bias as it was."""
        new = conv_like(layer, 1, bias=layer.bias is not None)
        kernel = layer.weight.sum(dim=(2, 3), keepdim=True) if self.start == "mean" else centre_tap(layer.weight)
        with torch.no_grad():
            new.weight.copy_(kernel)
            if layer.bias is not None:
                cast(Tensor, new.bias).copy_(layer.bias)
        return new


def wide_kernels(model: nn.Module) -> dict[str, nn.Conv2d]:
    """Every convolution whose kernel could become 1×1 and leave the picture's size as it is, by path."""
    return {path: conv for path, conv in modules_of(model, nn.Conv2d) if is_padded(conv) and max(conv.kernel_size) > 1}


def centre_tap(kernel: Tensor) -> Tensor:
    """The middle of odd kernels (out, in, kh, kw), as (out, in, 1, 1); a view."""
    height, width = kernel.shape[2:]
    return kernel[:, :, height // 2 : height // 2 + 1, width // 2 : width // 2 + 1]


@torch.no_grad()
def off_centre(model: nn.Module, lr: Tensor) -> dict[str, float]:
    """For every kernel that could become 1×1: the share of its response that the other taps give, 0 to about 1.

    |Conv(x, K) − Conv(x, K[centre])|² / |Conv(x, K)|², biases left out, both summed over patches, places and channels.
    Over 1 where the centre tap works against the rest.

    Args:
        model: only looked at. lr: patches (N, 3, h, w) in [0, 1].
    """
    layers = wide_kernels(model)
    shares = {}
    with _inputs(model, list(layers)) as given:
        model(lr.to(next(model.parameters())))
        for path, layer in layers.items():
            whole = _response(layer, given[path], layer.weight)
            rest = whole - _response(layer, given[path], _only_centre(layer.weight))
            shares[path] = float(rest.square().sum() / whole.square().sum().clamp_min(torch.finfo(rest.dtype).tiny))
    return shares


def macs_of(model: nn.Module, lr: Tensor) -> dict[str, int]:
    """Multiply-adds of every convolution for a picture (1, 3, H, W), by path."""
    layers = dict(modules_of(model, nn.Conv2d))
    with torch.no_grad(), captured(model, list(layers)) as outputs:
        model(lr.to(next(model.parameters())))
    return {path: output.shape[-2:].numel() * layers[path].weight.numel() for path, output in outputs.items()}


def _picture_error(model: nn.Module, path: str, stage: PruneKernels, example: Example) -> float:
    """The mean square by which the network's pictures move when one layer alone is pruned."""
    lr = cast(Calibration, example.calibration).lr.to(next(model.parameters()))
    alone = PruneKernels(layers=path, start=stage.start)(model, example).model
    with torch.no_grad():
        return sum(float((alone(one) - model(one)).square().mean()) for one in lr.split(6)) / len(lr)


def _fit_each(model: nn.Module, new: dict[str, nn.Conv2d], lr: Tensor) -> None:
    """Fit every new layer by itself to what the old one gives on the old network's features."""
    with torch.no_grad(), _inputs(model, list(new)) as given:
        model(lr.to(next(model.parameters())))
        for path, layer in new.items():
            fit(layer, given[path], model.get_submodule(path)(given[path]), RIDGE, POSITIONS)


def _is_same(old: nn.Conv2d, new: nn.Conv2d) -> bool:
    """Whether the old kernel was the new one with zeros around it."""
    return torch.equal(old.weight, _only_centre(old.weight)) and torch.equal(centre_tap(old.weight), new.weight)


def _only_centre(kernel: Tensor) -> Tensor:
    cut = torch.zeros_like(kernel)
    centre_tap(cut).copy_(centre_tap(kernel))
    return cut


def _response(layer: nn.Conv2d, x: Tensor, kernel: Tensor) -> Tensor:
    return F.conv2d(x, kernel, None, layer.stride, layer.padding, layer.dilation, layer.groups)


@contextmanager
def _inputs(model: nn.Module, paths: list[str]) -> Iterator[dict[str, Tensor]]:
    """While the block runs, every forward pass leaves what the modules at `paths` were given."""
    given: dict[str, Tensor] = {}

    def keep(path: str):
        def hook(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            given[path] = inputs[0]

        return hook

    handles = [model.get_submodule(path).register_forward_pre_hook(keep(path)) for path in paths]
    try:
        yield given
    finally:
        for handle in handles:
            handle.remove()
