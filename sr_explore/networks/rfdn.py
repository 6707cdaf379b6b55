"""RFDN (AIM 2020) as a row of blocks, cut into branches, and merged into one wide network (PRFDN, NTIRE 2023).

    row:       head ─ B1 ─ B2 ─ B3 ─ B4            every block's output goes to the tail
    branched:  heads[0] ─ B1
               heads[1] ─ entry ─ B2               an entry (SRFDB) stands for the blocks that came before
               …
    merged:    head of all branches ─┬─ first ─────────┬─ wide block
                                     └─ rest ─ entry ──┘
All three share the tail; the first branch's features are added before the picture is made. Input and output are RGB in
[0, 1], (N, 3, H, W) to (N, 3, scale·H, scale·W), H and W at least `requires_size`.
"""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self, cast

from torch import Tensor, nn

from sr_explore.networks.layers import ESA, Concat, PixelShuffleTail, conv, leaky

REFINES_OF_RFDB = 3
REFINES_OF_SRFDB = 1


class DistillBlock(nn.Module):
    """Residual feature distillation: each level puts half of its features aside and refines the whole further.

    With three levels this is RFDN's RFDB, with one the method's small SRFDB.
    """

    def __init__(self, num_feat: int, distilled_channels: int, esa_channels: int, levels: int) -> None:
        super().__init__()
        c, d = num_feat, distilled_channels
        self.distil = nn.ModuleList(conv(c, d, 1) for _ in range(levels))
        self.refine = nn.ModuleList(conv(c, c, 3) for _ in range(levels))
        self.last = conv(c, d, 3)
        self.act = leaky()
        self.concat = Concat()
        self.fuse = conv(d * (levels + 1), c, 1)
        self.esa = ESA(c, esa_channels)

    def forward(self, x: Tensor) -> Tensor:
        distilled = []
        for distil, refine in zip(self.distil, self.refine, strict=True):
            distilled.append(self.act(distil(x)))
            x = self.act(refine(x) + x)
        distilled.append(self.act(self.last(x)))
        return self.esa(self.fuse(self.concat(*distilled)))


class RFDB(DistillBlock):
    """The block of RFDN: three levels."""

    def __init__(self, num_feat: int, distilled_channels: int, esa_channels: int) -> None:
        super().__init__(num_feat, distilled_channels, esa_channels, REFINES_OF_RFDB)


class SRFDB(DistillBlock):
    """The small block in front of a branch: one level. It learns to give what the blocks before it gave."""

    def __init__(self, num_feat: int, distilled_channels: int, esa_channels: int) -> None:
        super().__init__(num_feat, distilled_channels, esa_channels, REFINES_OF_SRFDB)


class Tail(nn.Module):
    """From all blocks' outputs and the first features to the picture."""

    def __init__(self, num_feat: int, num_block: int, scale: int) -> None:
        super().__init__()
        self.concat = Concat()
        self.fuse = conv(num_feat * num_block, num_feat, 1)
        self.act = leaky()
        self.smooth = conv(num_feat, num_feat, 3)
        self.upsample = PixelShuffleTail(num_feat, scale)

    def forward(self, features: Tensor, outputs: Sequence[Tensor]) -> Tensor:
        fused = self.act(self.fuse(self.concat(*outputs)))
        return self.upsample(self.smooth(fused) + features)


def _default_widths(num_feat: int, distilled_channels: int | None, esa_channels: int | None) -> tuple[int, int]:
    return distilled_channels or max(num_feat // 2, 1), esa_channels or max(num_feat // 4, 1)


class _RFDNFamily(nn.Module):
    """What the three forms have in common: the smallest picture they take, their scale and the tail."""

    requires_size: ClassVar[int] = 15
    scale: int
    tail: Tail

    def options(self) -> dict[str, Any]:
        """The options `skeleton` needs to make the same structure again, widths aside."""
        raise NotImplementedError

    @classmethod
    def skeleton(cls, **options: Any) -> Self:
        """A network of the right structure and the smallest widths; its layers are meant to be replaced."""
        return cls(num_feat=1, **options)


class RFDN(_RFDNFamily):
    """The original: one row of RFDBs.

    Args:
        scale: 2, 3 or 4.
        num_feat: channels of the trunk.
        num_block: RFDBs in the row.
        distilled_channels: put aside at each level; default num_feat // 2.
        esa_channels: width of the attention's small map; default num_feat // 4.
    """

    def __init__(
        self,
        scale: int = 4,
        num_feat: int = 50,
        num_block: int = 4,
        distilled_channels: int | None = None,
        esa_channels: int | None = None,
    ) -> None:
        super().__init__()
        widths = _default_widths(num_feat, distilled_channels, esa_channels)
        self.scale = scale
        self.head = conv(3, num_feat, 3)
        self.blocks = nn.ModuleList(RFDB(num_feat, *widths) for _ in range(num_block))
        self.tail = Tail(num_feat, num_block, scale)

    def options(self) -> dict[str, Any]:
        return {"scale": self.scale, "num_block": len(self.blocks)}

    def forward(self, x: Tensor) -> Tensor:
        features = self.head(x)
        return self.tail(features, outputs_of(self.blocks, features))


class Branch(nn.Module):
    """One branch: an entry (SRFDB, or Identity where it has none) and a short row of RFDBs."""

    def __init__(self, entry: nn.Module, blocks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.entry = entry
        self.blocks = nn.ModuleList(blocks)

    def forward(self, features: Tensor) -> list[Tensor]:
        return outputs_of(self.blocks, self.entry(features))


class BranchedRFDN(_RFDNFamily):
    """The row cut into parallel branches, each with a head of its own.

    Args:
        num_branches: divides num_block.
        small_blocks: put an SRFDB in front of every branch but the first.
        scale, num_feat, num_block, distilled_channels, esa_channels: as in `RFDN`.
    """

    def __init__(
        self,
        num_branches: int = 4,
        small_blocks: bool = True,
        scale: int = 4,
        num_feat: int = 50,
        num_block: int = 4,
        distilled_channels: int | None = None,
        esa_channels: int | None = None,
    ) -> None:
        super().__init__()
        widths = _default_widths(num_feat, distilled_channels, esa_channels)
        self.scale = scale
        self.heads = nn.ModuleList(conv(3, num_feat, 3) for _ in range(num_branches))
        self.branches = nn.ModuleList(
            Branch(
                SRFDB(num_feat, *widths) if small_blocks and index else nn.Identity(),
                [RFDB(num_feat, *widths) for _ in range(num_block // num_branches)],
            )
            for index in range(num_branches)
        )
        self.tail = Tail(num_feat, num_block, scale)

    def options(self) -> dict[str, Any]:
        return {
            "scale": self.scale,
            "num_branches": len(self.branches),
            "small_blocks": any(isinstance(branch.entry, SRFDB) for branch in self.branches),
            "num_block": sum(len(cast(nn.ModuleList, branch.blocks)) for branch in self.branches),
        }

    def forward(self, x: Tensor) -> Tensor:
        features = [head(x) for head in self.heads]
        outputs = [out for branch, own in zip(self.branches, features, strict=True) for out in branch(own)]
        return self.tail(features[0], outputs)


class MergedHeads(nn.Module):
    """All heads as one convolution, and the two views of its channels that the network goes on with."""

    def __init__(self, stack: nn.Module, first: nn.Module, rest: nn.Module) -> None:
        super().__init__()
        self.stack = stack
        self.first = first
        self.rest = rest

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        stacked = self.stack(x)
        return self.first(stacked), self.rest(stacked)


class MergedRFDN(_RFDNFamily):
    """The branches as one wide network. Made by `MergeBranches`, or rebuilt from a saved file's widths.

    Args:
        heads: gives (the first branch's features, what the rest goes on with).
        entry: the merged small blocks; None where the branches had none, then `heads` gives all features as the rest.
        blocks: the merged RFDBs, in order.
        tail: as in `RFDN`; its concatenation puts the outputs back in the order of the row.
        scale: 2, 3 or 4.
    """

    def __init__(
        self, heads: MergedHeads, entry: nn.Module | None, blocks: Iterable[nn.Module], tail: Tail, scale: int
    ) -> None:
        super().__init__()
        self.scale = scale
        self.heads = heads
        self.entry = entry
        self.join = Concat()
        self.blocks = nn.ModuleList(blocks)
        self.tail = tail

    def options(self) -> dict[str, Any]:
        return {"scale": self.scale, "num_block": len(self.blocks), "small_blocks": self.entry is not None}

    @classmethod
    def skeleton(cls, **options: Any) -> Self:
        """See `RFDN.skeleton`; options are scale, num_block and small_blocks."""
        scale, num_block, small_blocks = options["scale"], options["num_block"], options["small_blocks"]
        heads = MergedHeads(conv(3, 1, 3), nn.Identity(), nn.Identity())
        blocks = [RFDB(1, 1, 1) for _ in range(num_block)]
        return cls(heads, SRFDB(1, 1, 1) if small_blocks else None, blocks, Tail(1, num_block, scale), scale)

    def forward(self, x: Tensor) -> Tensor:
        first, rest = self.heads(x)
        features = rest if self.entry is None else self.join(first, self.entry(rest))
        return self.tail(first, outputs_of(self.blocks, features))


def outputs_of(blocks: Iterable[nn.Module], features: Tensor) -> list[Tensor]:
    """Run blocks in a row; what each one puts out, in order."""
    outputs = []
    for block in blocks:
        features = block(features)
        outputs.append(features)
    return outputs
