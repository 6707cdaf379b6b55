"""RLFN (NTIRE 2022): a row of residual blocks with a slim attention, and nothing put aside on the way.

    head ─┬─ B1 ─ B2 ─ … ─ Bn ─ smooth ─ + ─ upsample
          └──────────────────────────────┘
    block:  x ─┬─ refine ×3, each activated ─ + ─ fuse 1×1 ─ attention
               └──────────────────────────────┘

Input and output are RGB in [0, 1], (N, 3, H, W) to (N, 3, scale·H, scale·W), H and W at least `requires_size`. Any
layer may have another kernel size, or no bias: `forward` looks at neither.
"""

from itertools import pairwise
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from sr_explore.networks.layers import PixelShuffleTail, SlimESA, conv, leaky

REFINES = 3


class RLFB(nn.Module):
    """Residual local features: three activated convolutions, the block's input added, then 1×1 and attention."""

    def __init__(self, num_feat: int, mid_feat: int, esa_channels: int) -> None:
        super().__init__()
        widths = [num_feat, *[mid_feat] * (REFINES - 1), num_feat]
        self.refine = nn.ModuleList(conv(a, b, 3) for a, b in pairwise(widths))
        self.act = leaky()
        self.fuse = conv(num_feat, num_feat, 1)
        self.esa = SlimESA(num_feat, esa_channels)

    def forward(self, x: Tensor) -> Tensor:
        refined = x
        for refine in self.refine:
            refined = self.act(refine(refined))
        return self.esa(self.fuse(refined + x))


class RowTail(nn.Module):
    """From the last block's output and the first features to the picture."""

    def __init__(self, num_feat: int, scale: int) -> None:
        super().__init__()
        self.smooth = conv(num_feat, num_feat, 3)
        self.upsample = PixelShuffleTail(num_feat, scale)

    def forward(self, features: Tensor, output: Tensor) -> Tensor:
        return self.upsample(self.smooth(output) + features)


class RLFN(nn.Module):
    """The network. Its defaults are the NTIRE 2024 baseline; the full size is num_feat=52, mid_feat=52, num_block=6.

    Args:
        scale: 2, 3 or 4.
        num_feat: channels of the trunk.
        mid_feat: channels between a block's convolutions; default num_feat.
        num_block: blocks in the row.
        esa_channels: width of the attention's small map.
    """

    requires_size: ClassVar[int] = 15

    def __init__(
        self,
        scale: int = 4,
        num_feat: int = 46,
        mid_feat: int | None = 48,
        num_block: int = 4,
        esa_channels: int = 16,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.head = conv(3, num_feat, 3)
        self.blocks = nn.ModuleList(RLFB(num_feat, mid_feat or num_feat, esa_channels) for _ in range(num_block))
        self.tail = RowTail(num_feat, scale)

    def options(self) -> dict[str, Any]:
        """The options `skeleton` needs to make the same structure again, widths aside."""
        return {"scale": self.scale, "num_block": len(self.blocks)}

    @classmethod
    def skeleton(cls, **options: Any) -> Self:
        """A network of the right structure and the smallest widths; its layers are meant to be replaced."""
        return cls(num_feat=1, mid_feat=1, esa_channels=1, **options)

    def forward(self, x: Tensor) -> Tensor:
        features = output = self.head(x)
        for block in self.blocks:
            output = block(output)
        return self.tail(features, output)
