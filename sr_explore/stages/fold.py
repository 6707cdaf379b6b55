"""Fold: compose the 1×1 convolutions that only move channels into their neighbours."""

from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from sr_explore.conv_algebra import compose_after, compose_before, selection
from sr_explore.errors import UserError
from sr_explore.networks.layers import Concat, ConcatConv, Select
from sr_explore.networks.rfdn import DistillBlock, MergedHeads, Tail
from sr_explore.records import LayerEdit
from sr_explore.stages.base import Edited, Example, Stage, weight_shape
from sr_explore.surgery import modules_of


@dataclass(frozen=True)
class Fold(Stage):
    """A permutation before a 1×1 convolution sorts that convolution's columns; a selection of the heads picks its rows.

    Conv(Conv(x, P), K) = Conv(x, K P) and Conv(Conv(x, K) + b, S) = Conv(x, S K) + S b. Neither P nor S has a bias, so
    both are exact up to the border.
    """

    exact: ClassVar[bool] = True

    def requires(self, model: nn.Module, example: Example) -> None:
        if any(layer.groups != 1 for _, layer in modules_of(model, nn.Conv2d)):
            raise UserError("fold cannot compose grouped convolutions; merge with layout=dense")
        if not _sorting_concats(model) and not _selecting_heads(model):
            raise UserError("fold finds no permutation or selection to compose; merge-branches makes some")

    def edit(self, model: nn.Module, example: Example) -> Edited:
        edits = [_fold_concat(path, owner) for path, owner in _sorting_concats(model)]
        for path, heads in _selecting_heads(model):
            edits += _fold_heads(path, heads)
        return Edited(model, tuple(edits))


def _sorting_concats(model: nn.Module) -> list[tuple[str, DistillBlock | Tail]]:
    owners = modules_of(model, (DistillBlock, Tail))
    return [(path, owner) for path, owner in owners if _order_kernel(owner.concat, owner.fuse.weight) is not None]


def _selecting_heads(model: nn.Module) -> list[tuple[str, MergedHeads]]:
    return [(path, heads) for path, heads in modules_of(model, MergedHeads) if isinstance(heads.stack, nn.Conv2d)]


def _order_kernel(concat: nn.Module, like: Tensor) -> Tensor | None:
    if isinstance(concat, ConcatConv):
        return concat.mix.weight.detach()
    if isinstance(concat, Concat) and concat.order is not None:
        return selection(concat.order.tolist(), len(concat.order)).to(like)
    return None


def _fold_concat(path: str, owner: DistillBlock | Tail) -> LayerEdit:
    kernel = cast(Tensor, _order_kernel(owner.concat, owner.fuse.weight))
    before = weight_shape(owner.fuse)
    owner.fuse = _conv_like(owner.fuse, compose_before(owner.fuse.weight.detach(), kernel), owner.fuse.bias)
    owner.concat = Concat()
    target = f"{path}.fuse"
    return LayerEdit("composed", (target,), target, (before,), weight_shape(owner.fuse), same_output=True)


def _fold_heads(path: str, heads: MergedHeads) -> list[LayerEdit]:
    stack = cast(nn.Conv2d, heads.stack)
    edits = []
    for name in ("first", "rest"):
        view = getattr(heads, name)
        source = f"{path}.stack" if isinstance(view, nn.Identity) else f"{path}.{name}"
        before = weight_shape(stack if isinstance(view, nn.Identity) else view)
        folded = stack if isinstance(view, nn.Identity) else _select_outputs(stack, view)
        setattr(heads, name, folded)
        edits.append(
            LayerEdit("composed", (source,), f"{path}.{name}", (before,), weight_shape(folded), same_output=True)
        )
    heads.stack = nn.Identity()
    return edits


def _select_outputs(stack: nn.Conv2d, view: nn.Module) -> nn.Conv2d:
    like = stack.weight.detach()
    if isinstance(view, Select):
        pointwise = selection(view.indices.tolist(), stack.out_channels).to(like)
    else:
        pointwise = cast(nn.Conv2d, view).weight.detach()
    return _conv_like(stack, *compose_after(pointwise, like, None if stack.bias is None else stack.bias.detach()))


def _conv_like(source: nn.Conv2d, weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
    """A convolution with the source's geometry and new weights."""
    with torch.device("meta"):
        folded = nn.Conv2d(
            weight.shape[1],
            weight.shape[0],
            cast(tuple[int, int], source.kernel_size),
            stride=cast(tuple[int, int], source.stride),
            padding=cast(tuple[int, int], source.padding),
            bias=bias is not None,
        )
    folded.weight = nn.Parameter(weight.clone(memory_format=torch.contiguous_format))
    if bias is not None:
        folded.bias = nn.Parameter(bias.detach().clone())
    return folded
