"""What a network costs, layer by layer, for one input size, without computing any picture."""

import copy
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from sr_explore.errors import UserError
from sr_explore.networks.layers import StructuralConv2d
from sr_explore.records import LayerRow, LayerTable
from sr_explore.surgery import modules_of


def layer_table(model: nn.Module, size: tuple[int, int]) -> LayerTable:
    """Every convolution's parameters, multiply-adds and activations, and their totals.

    One convolution with kernel k_h×k_w and g groups costs out·out_h·out_w · (in / g)·k_h·k_w multiply-adds; biases,
    activations and resizing are not counted, as in the tables of the NTIRE efficient-SR challenges. A convolution that
    runs twice counts twice. The network runs on the meta device, where tensors have shapes and no content, so that a
    1080p table takes as long as a small one.

    Args:
        model: (1, 3, H, W) to any output; it is not changed.
        size: height and width of the low-resolution input in px, at least the network's `requires_size`.

    Returns:
        The table, one row a convolution, in order of execution; one that never ran comes last, with no macs.
        `params` counts every parameter of the network once, those outside convolutions too.

    Raises:
        UserError: if the network does not take pictures of this size.

    Source: FLOPs from `torch.utils.flop_counter`, halved.
    """
    check_size(model, size)
    shadow = copy.deepcopy(model).to("meta").eval()
    counts = _run(shadow, size)
    convs = dict(modules_of(shadow, nn.Conv2d))
    never = [path for path in convs if path not in counts.activations]
    rows = tuple(_row(path, convs[path], counts) for path in [*counts.activations, *never])
    structural = {id(conv.weight): conv.weight for conv in convs.values() if isinstance(conv, StructuralConv2d)}
    return LayerTable(
        size=size,
        rows=rows,
        params=sum(parameter.numel() for parameter in shadow.parameters()),
        structural_params=sum(weight.numel() for weight in structural.values()),
        macs=sum(row.macs for row in rows),
        activations=sum(row.activations for row in rows),
    )


def check_size(model: nn.Module, size: tuple[int, int]) -> None:
    """Raise a `UserError` if a picture of this size (height, width in px) is too small for the network."""
    smallest = cast(int, getattr(model, "requires_size", 1))
    if min(size) < smallest:
        raise UserError(
            f"a picture of {size[1]}×{size[0]} px is too small for this network; use one of at least"
            f" {smallest} px a side"
        )


@dataclass
class _Counts:
    """By path, in order of first execution."""

    activations: dict[str, int] = field(default_factory=dict)
    macs: dict[str, int] = field(default_factory=dict)


def _run(shadow: nn.Module, size: tuple[int, int]) -> _Counts:
    counts = _Counts()

    def count(path: str, output: Any) -> None:
        counts.activations[path] = counts.activations.get(path, 0) + output.numel()

    for path, conv in modules_of(shadow, nn.Conv2d):
        conv.register_forward_hook(lambda _module, _inputs, output, path=path: count(path, output))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        shadow(torch.empty(1, 3, *size, device="meta", dtype=_dtype_of(shadow)))
    # The counter names modules from the root's class on: "RFDN.blocks.0.fuse".
    root = type(shadow).__name__
    flops = counter.get_flop_counts()
    for path in counts.activations:
        counts.macs[path] = sum(flops.get(f"{root}.{path}" if path else root, {}).values()) // 2
    return counts


def _dtype_of(model: nn.Module) -> torch.dtype:
    return next((parameter.dtype for parameter in model.parameters()), torch.float32)


def _row(path: str, conv: nn.Conv2d, counts: _Counts) -> LayerRow:
    return LayerRow(
        path=path,
        in_channels=conv.in_channels,
        out_channels=conv.out_channels,
        kernel=cast(tuple[int, int], conv.kernel_size),
        groups=conv.groups,
        params=sum(parameter.numel() for parameter in conv.parameters()),
        macs=counts.macs.get(path, 0),
        activations=counts.activations.get(path, 0),
        structural=isinstance(conv, StructuralConv2d),
    )
