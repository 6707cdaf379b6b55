"""Rescale: the same network with features of another size, for training on from weights made for inputs in [0, 255]."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from sr_explore.errors import UserError
from sr_explore.networks.layers import ESA, PixelShuffleTail, SlimESA
from sr_explore.networks.rfdn import RFDN, BranchedRFDN
from sr_explore.networks.rlfn import RLFN
from sr_explore.records import LayerEdit
from sr_explore.stages.base import Edited, Example, Stage, weight_shape
from sr_explore.surgery import modules_of

LARGEST_EXPONENT = 24


@dataclass(frozen=True)
class Rescale(Stage):
    """Every feature becomes c = 2^exponent times as large, and the picture stays: conv(c x) + c b = c (conv(x) + b).

    Leaky ReLU, ReLU, pooling and resizing pass a positive factor through. Only the attention's sigmoid does not, so the
    convolution before it takes the factor back, as the last one does before the picture.

    Networks that were trained on inputs in [0, 255] have, once the range is folded in, a last convolution of tiny
    weights: steps of a learning rate that suits all others would wipe it out.

    Attributes:
        exponent: -24 to 24; of two, because only that changes no digit of a weight.
    """

    exact: ClassVar[bool] = True

    exponent: int = -5

    def requires(self, model: nn.Module, example: Example) -> None:
        if abs(self.exponent) > LARGEST_EXPONENT:
            raise UserError(f"exponent is {self.exponent}; give -{LARGEST_EXPONENT} to {LARGEST_EXPONENT}")
        if not isinstance(model, RFDN | BranchedRFDN | RLFN):
            raise UserError(f"rescale needs an RFDN, its branches or an RLFN; this network is a {type(model).__name__}")

    @torch.no_grad()
    def edit(self, model: nn.Module, example: Example) -> Edited:
        heads = list(model.heads) if isinstance(model, BranchedRFDN) else [model.head]  # pyright: ignore
        ends = [esa.expand for _, esa in modules_of(model, (ESA, SlimESA))]
        ends += [tail.conv for _, tail in modules_of(model, PixelShuffleTail)]
        factor, edits = 2.0**self.exponent, []
        for path, layer in modules_of(model, nn.Conv2d):
            is_end = any(layer is end for end in ends)
            if is_end:
                layer.weight.div_(factor)
            else:
                if any(layer is head for head in heads):
                    layer.weight.mul_(factor)
                if layer.bias is not None:
                    layer.bias.mul_(factor)
            shape = weight_shape(layer)
            edits.append(LayerEdit("rescaled", (path,), path, (shape,), shape, same_output=is_end))
        return Edited(model, tuple(edits))
