"""RLFN as bytedance/RLFN publishes it, and with some kernels 1×1 and some biases gone (AdvancedSR, NTIRE 2024).

What is left of each layer is read off the tensors: a weight's shape says its kernel, and a missing bias is no bias.
"""

import math
import re

import torch
from torch import Tensor, nn

from sr_explore.errors import UserError
from sr_explore.networks.layers import conv_like
from sr_explore.networks.rlfn import RLFN
from sr_explore.surgery import modules_of, replace_module

_LAYERS = {
    "c1_r": "refine.0",
    "c2_r": "refine.1",
    "c3_r": "refine.2",
    "c5": "fuse",
    "esa.conv1": "esa.reduce",
    "esa.conv_f": "esa.skip",
    "esa.conv2": "esa.stride",
    "esa.conv3": "esa.small",
    "esa.conv4": "esa.expand",
}
_ENDS = {"conv_1": "head", "conv_2": "tail.smooth", "upsampler.0": "tail.upsample.conv"}


def is_rlfn(state: dict[str, Tensor]) -> bool:
    """Whether the keys are those of an RLFN."""
    return "conv_1.weight" in state and "block_1.c1_r.weight" in state


def rlfn_keys(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the names that they have here; unknown ones keep theirs."""
    return {_own_key(key): value for key, value in state.items()}


def empty_rlfn(state: dict[str, Tensor]) -> nn.Module:
    """An RLFN without memory for weights, with the widths, kernels and biases of `state` (our names).

    Raises:
        UserError: if widths cannot be read off, or a kernel would not keep the picture's size.
    """
    try:
        widths = {
            "scale": math.isqrt(state["tail.upsample.conv.weight"].shape[0] // 3),
            "num_feat": state["head.weight"].shape[0],
            "mid_feat": state["blocks.0.refine.0.weight"].shape[0],
            "esa_channels": state["blocks.0.esa.reduce.weight"].shape[0],
            "num_block": len({key.split(".")[1] for key in state if key.startswith("blocks.")}),
        }
    except (KeyError, IndexError) as error:
        raise UserError(f"this looks like an RLFN, but {error} is missing or has no channels") from error
    if widths["scale"] not in (2, 3, 4):
        raise UserError(f"this looks like an RLFN, but its scale {widths['scale']} does not fit")
    with torch.device("meta"):
        model = RLFN(**widths)
    for path, layer in list(modules_of(model, nn.Conv2d)):
        replace_module(model, path, _as_in(state, path, layer))
    return model


def _as_in(state: dict[str, Tensor], path: str, layer: nn.Conv2d) -> nn.Conv2d:
    weight = state.get(f"{path}.weight", layer.weight)
    size = weight.shape[-1] if weight.ndim == 4 else 0
    try:
        return conv_like(layer, size, bias=f"{path}.bias" in state)
    except ValueError as error:
        shape = tuple(weight.shape)
        raise UserError(f"this looks like an RLFN, but {path}.weight has the shape {shape}: {error}") from error


def _own_key(key: str) -> str:
    layer, _, parameter = key.rpartition(".")
    if layer in _ENDS:
        return f"{_ENDS[layer]}.{parameter}"
    if found := re.fullmatch(r"block_([1-9]\d?)\.(.+)", layer):
        return f"blocks.{int(found[1]) - 1}.{_LAYERS.get(found[2], found[2])}.{parameter}"
    return key
