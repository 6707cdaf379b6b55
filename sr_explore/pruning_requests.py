"""What the pruning sliders ask for, and what came of it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sr_explore.image_files import png_bytes
from sr_explore.records import LayerTable, StageReport


@dataclass(frozen=True)
class PruningRequest:
    """What the sliders say.

    Attributes:
        ratio: share of channels to remove, 0 to 0.9; steps of 0.01.
        importance, scope, largest_first: as in `PruneChannels`.
        reconstruct: refit what is left by least squares.
        trained: the shipped trained network nearest to the ratio instead; the other fields do not matter then.
        kernels: so many 3×3 convolutions become 1×1, 0 to all that are worth it, in the order of
            `kernel_orders.SpareKernels`.
        start: what a 1×1 kernel begins with, as in `PruneKernels`.
        drop_biases: only the first convolution and the attention keep theirs.
    """

    ratio: float = 0.5
    importance: str = "taylor"
    scope: str = "local"
    largest_first: bool = False
    reconstruct: bool = False
    trained: bool = False
    kernels: int = 0
    start: str = "centre"
    drop_biases: bool = False

    @property
    def cuts(self) -> bool:
        """Whether anything is to be cut at all."""
        return bool(self.ratio or self.kernels or self.drop_biases)

    @property
    def words(self) -> str:
        """What is cut, for a title: "50% pruned, 3 kernels 1×1, no biases, reconstructed"."""
        if not self.cuts:
            return "nothing pruned"
        parts = {
            f"{self.ratio:.0%} pruned": self.ratio,
            counted_kernels(self.kernels): self.kernels,
            "no biases": self.drop_biases,
            "reconstructed": self.reconstruct,
        }
        return ", ".join(part for part, is_so in parts.items() if is_so)


def counted_kernels(count: int) -> str:
    """So many kernels that became 1×1, in words."""
    return f"{count} kernel{'' if count == 1 else 's'} 1×1"


@dataclass(frozen=True)
class PruningAnswer:
    """What came of a request.

    Attributes:
        name: of the network: the session's, or a trained one's.
        picture: (scale·H, scale·W, 3), 8 bits.
        before, after: every layer of the unpruned network and of this one, for the photo's size.
        report: of the pruning, to line layers up; None for a trained network.
        milliseconds: to upscale the photo; the faster of two runs, where a run is quick.
        psnr_y: against the reference, dB; None without one. No SSIM here: it takes longer than all the rest.
        polished: it was trained on for seconds.
    """

    request: PruningRequest
    name: str
    picture: NDArray[np.uint8]
    before: LayerTable
    after: LayerTable
    report: StageReport | None
    milliseconds: float
    psnr_y: float | None
    polished: bool = False

    @cached_property
    def png(self) -> bytes:
        """The picture as a PNG file, made once: the unpruned one is shown beside every other."""
        return png_bytes(self.picture)

    @property
    def achieved_ratio(self) -> float:
        """Share of the output channels of all convolutions that is gone, 0 to 1; structural ones not counted."""
        return 1 - _channels(self.after) / _channels(self.before)

    @property
    def narrowed(self) -> tuple[str, ...]:
        """The layers whose kernel became 1×1, by path."""
        wide = {row.path for row in self.before.rows if max(row.kernel) > 1}
        return tuple(row.path for row in self.after.rows if row.path in wide and max(row.kernel) == 1)

    @property
    def params(self) -> int:
        """Parameters of this network."""
        return self.after.params

    @property
    def macs(self) -> int:
        """Multiply-adds of this network for the photo."""
        return self.after.macs


def _channels(table: LayerTable) -> int:
    return sum(row.out_channels for row in table.rows if not row.structural)
