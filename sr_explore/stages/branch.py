"""Branch: cut RFDN's row of blocks into parallel branches (PRFDN, NTIRE 2023)."""

from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import nn

from sr_explore.errors import UserError
from sr_explore.networks.layers import conv
from sr_explore.networks.rfdn import RFDN, SRFDB, BranchedRFDN
from sr_explore.networks.rfdn import Branch as BranchModule
from sr_explore.networks.rlfn import RLFN
from sr_explore.records import LayerEdit
from sr_explore.stages.base import Edited, Example, Stage, weight_shape


@dataclass(frozen=True)
class Branch(Stage):
    """Every branch gets a share of the blocks, weights and all, and its own copy of the head.

    With `small_blocks` every branch but the first starts with a new SRFDB, meant to give what the blocks before it
    gave; until it is trained the picture is poor. Without, the later blocks see the head's features.

    Attributes:
        num_branches: divides the number of blocks: 4 gives branches of one block each, 2 gives (B1, B2) and (B3, B4).
        small_blocks: see above.
        seed: of the new blocks' weights.
    """

    exact: ClassVar[bool] = False

    num_branches: int = 4
    small_blocks: bool = True
    seed: int = 0

    def requires(self, model: nn.Module, example: Example) -> None:
        if not isinstance(model, RFDN):
            raise UserError(f"branch needs an RFDN, a single row of blocks; this network is a {type(model).__name__}")
        blocks = len(model.blocks)
        if self.num_branches < 2 or blocks % self.num_branches:
            raise UserError(
                f"{blocks} blocks cannot be cut into {self.num_branches} equal branches; use a divisor of {blocks}"
            )
        if self.small_blocks and not _is_uniform(model):
            raise UserError("branch cannot put small blocks into a pruned network; branch first and prune afterwards")

    def edit(self, model: nn.Module, example: Example) -> Edited:
        row = cast(RFDN, model)
        branched = BranchedRFDN.skeleton(**row.options(), num_branches=self.num_branches, small_blocks=False)
        each = len(row.blocks) // self.num_branches
        edits = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            for index in range(self.num_branches):
                entry = self._small_block(row) if self.small_blocks and index else nn.Identity()
                blocks = [row.blocks[index * each + position] for position in range(each)]
                branched.heads[index] = _copy_conv(row.head)
                branched.branches[index] = BranchModule(entry.to(row.head.weight), blocks)
                edits += _edits_of_branch(row, branched, index, each)
        branched.tail = row.tail
        edits += [_copied(path, path, row) for path in _conv_paths(row.tail, "tail")]
        return Edited(branched, tuple(edits))

    def _small_block(self, row: RFDN) -> SRFDB:
        block = row.blocks[0]
        return SRFDB(
            row.head.out_channels,
            block.distil[0].out_channels,  # pyright: ignore
            block.esa.reduce.out_channels,  # pyright: ignore
        )


def feature_pairs(model: RFDN | BranchedRFDN | RLFN) -> list[tuple[str, str]]:
    """Which outputs of a network should be what which outputs of a row of as many blocks are: (own path, the row's).

    A row answers to itself: its head and each block. In a branched network an entry stands for the blocks before its
    branch, so it should give what the last of them gave; every block should give what it gave in the row. Training can
    match the two (see `training.features`).
    """
    if isinstance(model, RFDN | RLFN):
        return [(path, path) for path in ("head", *(f"blocks.{i}" for i in range(len(model.blocks))))]
    pairs, done = [], 0
    for index, branch in enumerate(model.branches):
        if isinstance(branch.entry, SRFDB):
            pairs.append((f"branches.{index}.entry", f"blocks.{done - 1}"))
        count = len(cast(nn.ModuleList, branch.blocks))
        pairs += [(f"branches.{index}.blocks.{i}", f"blocks.{done + i}") for i in range(count)]
        done += count
    return pairs


def blocks_of_row(pairs: list[tuple[str, str]]) -> list[str]:
    """The student's modules among `feature_pairs` that do the same work as the row's, on the same features."""
    return [own for own, _ in pairs if own.split(".")[-2:-1] == ["blocks"]]


def _is_uniform(row: RFDN) -> bool:
    widths = {block.distil[0].in_channels for block in row.blocks}  # pyright: ignore
    return widths == {row.head.out_channels}


def _copy_conv(source: nn.Conv2d) -> nn.Conv2d:
    copy = conv(source.in_channels, source.out_channels, source.kernel_size[0]).to(source.weight)
    copy.load_state_dict(source.state_dict())
    return copy


def _conv_paths(module: nn.Module, prefix: str) -> list[str]:
    return [f"{prefix}.{path}" for path, layer in module.named_modules() if isinstance(layer, nn.Conv2d)]


def _copied(source: str, target: str, row: RFDN) -> LayerEdit:
    shape = weight_shape(row.get_submodule(source))
    return LayerEdit("copied", (source,), target, (shape,), shape)


def _edits_of_branch(row: RFDN, branched: BranchedRFDN, index: int, each: int) -> list[LayerEdit]:
    edits = [_copied("head", f"heads.{index}", row)]
    for path in _conv_paths(cast(nn.Module, branched.branches[index].entry), f"branches.{index}.entry"):
        edits.append(LayerEdit("new", (), path, (), weight_shape(branched.get_submodule(path))))
    for position in range(each):
        source = f"blocks.{index * each + position}"
        target = f"branches.{index}.blocks.{position}"
        for path in _conv_paths(row.get_submodule(source), source):
            edits.append(_copied(path, target + path.removeprefix(source), row))
    return edits
