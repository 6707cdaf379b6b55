"""ConcatToConv: orders and selections of channels become 1×1 convolutions that a pruner may cut (PRFDN, NTIRE 2023)."""

from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from sr_explore.conv_algebra import selection
from sr_explore.errors import UserError
from sr_explore.networks.layers import Concat, ConcatConv, Select, StructuralConv2d
from sr_explore.records import LayerEdit
from sr_explore.stages.base import Edited, Example, Stage, weight_shape
from sr_explore.surgery import modules_of, replace_module


@dataclass(frozen=True)
class ConcatToConv(Stage):
    """Every concatenation that also sorts channels, and every selection, becomes a bias-free 1×1 convolution.

    x[:, order] = Conv(x, S), S_ij = 1 where j = order_i. A pruner cannot follow indices that stand in a network's
    code, but it can cut rows and columns of S. A concatenation that leaves its channels as they come needs no
    convolution.
    """

    exact: ClassVar[bool] = True

    def requires(self, model: nn.Module, example: Example) -> None:
        if not index_layers(model):
            raise UserError("concat-to-conv finds no channel order or selection here; merge-branches makes some")

    def edit(self, model: nn.Module, example: Example) -> Edited:
        widths = _input_widths(model, index_layers(model), example)
        like = next(model.parameters())
        edits = []
        for path, in_channels in widths.items():
            layer = model.get_submodule(path)
            indices = layer.order if isinstance(layer, Concat) else layer.indices
            structural = _structural_conv(cast(Tensor, indices), in_channels, like)
            new = ConcatConv(structural) if isinstance(layer, Concat) else structural
            replace_module(model, path, new)
            kind = "permutation" if isinstance(layer, Concat) else "selection"
            edits.append(LayerEdit(kind, (path,), path, ((),), weight_shape(new), same_output=True))
        return Edited(model, tuple(edits))


def index_layers(model: nn.Module) -> list[str]:
    """Paths of the layers that order or select channels by index."""
    return [
        path
        for path, layer in modules_of(model, (Concat, Select))
        if isinstance(layer, Select) or layer.order is not None
    ]


def _structural_conv(indices: Tensor, in_channels: int, like: Tensor) -> StructuralConv2d:
    structural = StructuralConv2d(in_channels, len(indices)).to(like)
    structural.weight.data = selection(indices.tolist(), in_channels).to(like)
    return structural


def _input_widths(model: nn.Module, paths: list[str], example: Example) -> dict[str, int]:
    widths: dict[str, int] = {}

    def note(path: str):
        def hook(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            widths[path] = sum(feature.shape[1] for feature in inputs)

        return hook

    handles = [model.get_submodule(path).register_forward_pre_hook(note(path)) for path in paths]
    try:
        with torch.no_grad():
            model(example.lr.to(next(model.parameters())))
    finally:
        for handle in handles:
            handle.remove()
    return widths
