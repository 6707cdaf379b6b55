"""Published state dicts, recognised by their keys and shapes, turned into networks of this project.

Known: RFDN as njulj/RFDN publishes it, the branched networks of yindaheng98/NTIRE2022_ESR (2 or 4 branches, with or
without small blocks), and RLFN as bytedance/RLFN publishes it, also with 1×1 kernels or without biases. All were
trained on RGB in [0, 255]; that range is folded into the first and last convolution.
"""

import math
import re
from typing import cast

import torch
from torch import Tensor, nn

from sr_explore.errors import UserError
from sr_explore.networks.rfdn import RFDN, BranchedRFDN
from sr_explore.surgery import modules_of
from sr_explore.zoo.foreign_rlfn import empty_rlfn, is_rlfn, rlfn_keys

ACCEPTED = (
    "accepted are networks saved by sr-explore, RFDN as published, its branched forms (2 or 4 branches, with or"
    " without small blocks), and RLFN as published"
)
TRAINED_RANGE = 255.0

_BLOCK_LAYERS = {
    "c1_d": "distil.0",
    "c2_d": "distil.1",
    "c3_d": "distil.2",
    "c1_r": "refine.0",
    "c2_r": "refine.1",
    "c3_r": "refine.2",
    "c4": "last",
    "c5": "fuse",
    "esa.conv1": "esa.reduce",
    "esa.conv_f": "esa.skip",
    "esa.conv2": "esa.stride",
    "esa.conv_max": "esa.small1",
    "esa.conv3": "esa.small2",
    "esa.conv3_": "esa.small3",
    "esa.conv4": "esa.expand",
}
_TAIL_LAYERS = {"c.0": "tail.fuse", "LR_conv": "tail.smooth", "upsampler.0": "tail.upsample.conv"}

# Key prefix of every head and entry, in the order of the branches, by the set of prefixes that a file has.
_FORMS: dict[frozenset[str], tuple[list[str], dict[str, int]]] = {
    frozenset({"fea_conv"}): (["fea_conv"], {}),
    frozenset({"fea_conv", "fea_conv2"}): (["fea_conv", "fea_conv2"], {}),
    frozenset({"fea_conv", "fea_conv2", "B2S2"}): (["fea_conv", "fea_conv2"], {"B2S2": 1}),
    frozenset({"fea_conv", "fea_conv1", "fea_conv2", "fea_conv3"}): (
        ["fea_conv", "fea_conv1", "fea_conv2", "fea_conv3"],
        {},
    ),
    frozenset({"fea_conv", "fea_conv1", "fea_conv2", "fea_conv3", "B2S1", "B2S2", "B2S3"}): (
        ["fea_conv", "fea_conv1", "fea_conv2", "fea_conv3"],
        {"B2S1": 1, "B2S2": 2, "B2S3": 3},
    ),
}


def from_foreign(state: dict[str, Tensor]) -> nn.Module:
    """The network of a published state dict, with inputs and outputs in [0, 1].

    Raises:
        UserError: if the keys or shapes are of no known network.
    """
    model = _rlfn(state) if is_rlfn(state) else _rfdn(state)
    fold_range(model, TRAINED_RANGE)
    return model.eval()


def _rlfn(state: dict[str, Tensor]) -> nn.Module:
    state = rlfn_keys(state)
    try:
        model = empty_rlfn(state)
    except UserError as error:
        raise UserError(f"{error}; {ACCEPTED}") from error
    _load(model, state, "RLFN")
    return model


def _rfdn(state: dict[str, Tensor]) -> nn.Module:
    roots = frozenset(re.match(r"[^.]*", key).group() for key in state)  # pyright: ignore[reportOptionalMemberAccess]
    form = _FORMS.get(frozenset(root for root in roots if root.startswith("fea_conv") or re.fullmatch(r"B2S\d", root)))
    blocks = sorted(root for root in roots if re.fullmatch(r"B\d", root))
    if form is None or not blocks:
        raise UserError(
            f"this is no network known here (it has {len(state)} tensors, the first named {_first(state)!r});"
            f" {ACCEPTED}"
        )
    heads, entries = form
    model = _empty_network(state, heads, entries, blocks)
    prefixes = _prefixes(heads, entries, blocks)
    _load(model, {_own_key(key, prefixes): value for key, value in state.items()}, "RFDN")
    return model


def fold_range(model: nn.Module, value_range: float) -> None:
    """Make a network trained on RGB in [0, value_range] take and give [0, 1], in place.

    Conv(range · x, K) = Conv(x, range · K); the last convolution's output is divided likewise, bias and all.
    """
    with torch.no_grad():
        for path, layer in modules_of(model, nn.Conv2d):
            if path == "head" or path.startswith("heads."):
                layer.weight *= value_range
        last = cast(nn.Conv2d, model.get_submodule("tail.upsample.conv"))
        last.weight /= value_range
        if last.bias is not None:
            last.bias /= value_range


def _empty_network(state: dict[str, Tensor], heads: list[str], entries: dict[str, int], blocks: list[str]) -> nn.Module:
    try:
        widths = {
            "scale": math.isqrt(state["upsampler.0.weight"].shape[0] // 3),
            "num_feat": state["fea_conv.weight"].shape[0],
            "num_block": len(blocks),
            "distilled_channels": state["B1.c1_d.weight"].shape[0],
            "esa_channels": state["B1.esa.conv1.weight"].shape[0],
        }
    except (KeyError, IndexError) as error:
        raise UserError(f"this looks like an RFDN, but {error} is missing or has no channels; {ACCEPTED}") from error
    if len(blocks) % len(heads) or widths["scale"] not in (2, 3, 4):
        raise UserError(
            f"this looks like an RFDN, but its {len(blocks)} blocks or its scale {widths['scale']} do not fit;"
            f" {ACCEPTED}"
        )
    with torch.device("meta"):
        if len(heads) == 1:
            return RFDN(**widths)
        return BranchedRFDN(num_branches=len(heads), small_blocks=bool(entries), **widths)


def _prefixes(heads: list[str], entries: dict[str, int], blocks: list[str]) -> dict[str, str]:
    if len(heads) == 1:
        return {"fea_conv": "head"} | {block: f"blocks.{index}" for index, block in enumerate(blocks)}
    each = len(blocks) // len(heads)
    places = {head: f"heads.{index}" for index, head in enumerate(heads)}
    places |= {entry: f"branches.{index}.entry" for entry, index in entries.items()}
    return places | {block: f"branches.{i // each}.blocks.{i % each}" for i, block in enumerate(blocks)}


def _own_key(key: str, prefixes: dict[str, str]) -> str:
    layer, _, parameter = key.rpartition(".")
    if layer in _TAIL_LAYERS:
        return f"{_TAIL_LAYERS[layer]}.{parameter}"
    root, _, inner = layer.partition(".")
    place = prefixes.get(root, root)
    return f"{place}.{_BLOCK_LAYERS.get(inner, inner)}.{parameter}" if inner else f"{place}.{parameter}"


def _load(model: nn.Module, state: dict[str, Tensor], kind: str) -> None:
    expected = model.state_dict()
    missing, extra = set(expected) - set(state), set(state) - set(expected)
    if missing or extra:
        odd = sorted(missing or extra)[0]
        raise UserError(f"this looks like an {kind}, but {odd} is {'missing' if missing else 'too much'}; {ACCEPTED}")
    for key, value in expected.items():
        if state[key].shape != value.shape:
            found, wanted = tuple(state[key].shape), tuple(value.shape)
            raise UserError(
                f"this looks like an {kind}, but {key} has the shape {found} where {wanted} is expected; {ACCEPTED}"
            )
    # Copies, because folding the range must not reach back into the caller's tensors.
    model.load_state_dict({key: value.clone() for key, value in state.items()}, assign=True)


def _first(state: dict[str, Tensor]) -> str:
    return next(iter(state), "")[:60]
