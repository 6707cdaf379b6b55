"""What the pruning sliders ask for, and what came of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sr_explore.records import LayerTable, StageReport


@dataclass(frozen=True)
class PruningRequest:
    """What the sliders say.

    Attributes:
        ratio: share of channels to remove, 0 to 0.9; steps of 0.01.
        importance, scope, largest_first: as in `PruneChannels`.
        reconstruct: refit what is left by least squares.
        trained: the shipped trained network nearest to the ratio instead; the other fields do not matter then.
    """

    ratio: float = 0.5
    importance: str = "taylor"
    scope: str = "local"
    largest_first: bool = False
    reconstruct: bool = False
    trained: bool = False


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

    @property
    def achieved_ratio(self) -> float:
        """Share of the output channels of all convolutions that is gone, 0 to 1; structural ones not counted."""
        return 1 - _channels(self.after) / _channels(self.before)

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
