"""MergeBranches: n parallel branches become one wide network with the same function (PRFDN, NTIRE 2023)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import nn

from sr_explore.conv_algebra import block_diagonal, interleaved_order, stack_outputs
from sr_explore.errors import UserError
from sr_explore.networks.layers import Concat, Select
from sr_explore.networks.rfdn import SRFDB, BranchedRFDN, DistillBlock, MergedHeads, MergedRFDN
from sr_explore.records import LayerEdit
from sr_explore.stages.base import Edited, Example, Stage, weight_shape
from sr_explore.surgery import modules_of, private_copy, replace_module

LAYOUTS = ("dense", "grouped")


@dataclass(frozen=True)
class MergeBranches(Stage):
    """Heads are stacked along their outputs, blocks side by side by block-diagonal kernels; activations need no change.

    Attributes:
        layout: "dense" writes the zeros between the branches out, so that the network is one of plain convolutions
            that a pruner can cut; "grouped" is the same function by grouped convolutions, with a share of 1/n of the
            weights.
    """

    exact: ClassVar[bool] = True

    layout: str = "dense"

    def requires(self, model: nn.Module, example: Example) -> None:
        if self.layout not in LAYOUTS:
            raise UserError(f"there is no layout {self.layout!r}; use {' or '.join(LAYOUTS)}")
        if not isinstance(model, BranchedRFDN):
            raise UserError(
                f"merge-branches needs a network with branches (apply branch first); this is a {type(model).__name__}"
            )
        if any(module.groups != 1 for _, module in modules_of(model, nn.Conv2d)):
            raise UserError("merge-branches needs branches of plain convolutions; this network has grouped ones")

    def edit(self, model: nn.Module, example: Example) -> Edited:
        branched = cast(BranchedRFDN, model)
        edits: list[LayerEdit] = []
        heads = self._merge_heads(branched, edits)
        entry = self._merge_entries(branched, edits)
        blocks = self._merge_rows(branched, edits)
        merged = MergedRFDN(heads, entry, blocks, branched.tail, branched.scale)
        if len(blocks) > 1:
            widths = [
                [conv.out_channels for conv in _fuse_convs(branched, position)] for position in range(len(blocks))
            ]
            merged.tail.concat = Concat(interleaved_order(widths))
        edits += [_kept(f"tail.{path}", conv) for path, conv in modules_of(branched.tail, nn.Conv2d)]
        return Edited(merged, tuple(edits))

    def _merge_heads(self, branched: BranchedRFDN, edits: list[LayerEdit]) -> MergedHeads:
        heads = [cast(nn.Conv2d, head) for head in branched.heads]
        paths = [f"heads.{index}" for index in range(len(heads))]
        stack = _merge_convs(heads, "stacked")
        edits.append(_merged("stacked", paths, "heads.stack", heads, stack))
        widths = [head.out_channels for head in heads]
        with_entry = any(isinstance(branch.entry, SRFDB) for branch in branched.branches)
        rest = Select(range(widths[0], sum(widths))) if with_entry else nn.Identity()
        return MergedHeads(stack, Select(range(widths[0])), rest)

    def _merge_entries(self, branched: BranchedRFDN, edits: list[LayerEdit]) -> nn.Module | None:
        sources = {
            f"branches.{index}.entry": cast(SRFDB, branch.entry)
            for index, branch in enumerate(branched.branches)
            if isinstance(branch.entry, SRFDB)
        }
        return self._merge_blocks(sources, "entry", edits) if sources else None

    def _merge_rows(self, branched: BranchedRFDN, edits: list[LayerEdit]) -> list[nn.Module]:
        rows = []
        for position in range(len(cast(nn.ModuleList, branched.branches[0].blocks))):
            sources = {
                f"branches.{index}.blocks.{position}": cast(DistillBlock, cast(nn.ModuleList, branch.blocks)[position])
                for index, branch in enumerate(branched.branches)
            }
            rows.append(self._merge_blocks(sources, f"blocks.{position}", edits))
        return rows

    def _merge_blocks(self, sources: Mapping[str, DistillBlock], target: str, edits: list[LayerEdit]) -> nn.Module:
        """One wide block of the first one's class: convolutions merged, concatenations put back in branch order."""
        blocks = list(sources.values())
        kind = "block-diagonal" if self.layout == "dense" else "grouped"
        wide = private_copy(blocks[0])
        for path, _ in list(modules_of(blocks[0], nn.Conv2d)):
            convs = [cast(nn.Conv2d, block.get_submodule(path)) for block in blocks]
            merged = _merge_convs(convs, kind)
            replace_module(wide, path, merged)
            edits.append(_merged(kind, [f"{source}.{path}" for source in sources], f"{target}.{path}", convs, merged))
        wide.concat = Concat(_concat_order(blocks))
        return wide


def _concat_order(blocks: Sequence[DistillBlock]) -> list[int]:
    layers = [[cast(nn.Conv2d, distil) for distil in block.distil] + [block.last] for block in blocks]
    widths = [[own[position].out_channels for own in layers] for position in range(len(layers[0]))]
    return interleaved_order(widths)


def _fuse_convs(branched: BranchedRFDN, position: int) -> list[nn.Conv2d]:
    return [cast(DistillBlock, cast(nn.ModuleList, b.blocks)[position]).esa.expand for b in branched.branches]


def _merge_convs(convs: Sequence[nn.Conv2d], kind: str) -> nn.Conv2d:
    first = convs[0]
    weights = [conv.weight.detach() for conv in convs]
    weight = block_diagonal(weights) if kind == "block-diagonal" else stack_outputs(weights)
    shared_input = kind == "stacked"
    merged = nn.Conv2d(
        first.in_channels if shared_input else sum(conv.in_channels for conv in convs),
        weight.shape[0],
        cast(tuple[int, int], first.kernel_size),
        stride=cast(tuple[int, int], first.stride),
        padding=cast(tuple[int, int], first.padding),
        groups=len(convs) if kind == "grouped" else 1,
        bias=first.bias is not None,
    ).to(weight)
    merged.weight.data = weight
    if merged.bias is not None:
        merged.bias.data = torch.cat([cast(torch.Tensor, conv.bias).detach() for conv in convs])
    return merged


def _merged(kind: str, sources: list[str], target: str, convs: Sequence[nn.Conv2d], merged: nn.Conv2d) -> LayerEdit:
    shapes = tuple(weight_shape(conv) for conv in convs)
    return LayerEdit(kind, tuple(sources), target, shapes, weight_shape(merged), same_output=True)


def _kept(path: str, conv: nn.Conv2d) -> LayerEdit:
    return LayerEdit("copied", (path,), path, (weight_shape(conv),), weight_shape(conv), same_output=True)
