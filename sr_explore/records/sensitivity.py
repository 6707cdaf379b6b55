"""What each 3×3 convolution's outer taps are worth."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from sr_explore.records.base import Record


@dataclass(frozen=True)
class KernelSensitivity(Record):
    """One convolution, and what it costs and saves to make it alone 1×1.

    Attributes:
        off_centre: share of its response that the centre tap does not give, on calibration patches; 0 is nothing.
        lost_db: PSNR lost, dB; negative where it rose. reconstructed_lost_db: the same after `Reconstruct`.
        params_saved, macs_saved: the latter for a low-resolution picture of the record's size.
    """

    path: str
    off_centre: float
    lost_db: float
    reconstructed_lost_db: float | None
    params_saved: int
    macs_saved: int

    def lost(self) -> float:
        """dB lost after `Reconstruct` where that was measured, else at once."""
        return self.lost_db if self.reconstructed_lost_db is None else self.reconstructed_lost_db


@dataclass(frozen=True)
class SensitivityRecord(Record):
    """Every convolution whose kernel could become 1×1, in the order of the network.

    Attributes:
        psnr_db: of the network as it is. macs: of the network, for a picture of `size` (height, width) in px.
        start: what the 1×1 kernels began with; see `PruneKernels`.
    """

    psnr_db: float
    macs: int
    size: tuple[int, int]
    start: str
    layers: tuple[KernelSensitivity, ...]

    def least(self, count: int, within: str = "*", but: str = "") -> tuple[str, ...]:
        """Paths of the layers that lose least (after `Reconstruct` where that was measured), the least first.

        Args:
            count: how many, at most.
            within, but: layers to choose from and layers to leave out, patterns with * ("blocks.0.refine.*").
        """
        rows = [row for row in self.layers if fnmatchcase(row.path, within) and not fnmatchcase(row.path, but)]
        return tuple(row.path for row in sorted(rows, key=KernelSensitivity.lost)[:count])


@dataclass(frozen=True)
class KernelStep(Record):
    """One more convolution 1×1: PSNR and multiply-adds of the network after it, before and after `Reconstruct`."""

    path: str
    psnr_db: float
    reconstructed_db: float | None
    macs: int


@dataclass(frozen=True)
class KernelOrder(Record):
    """Convolutions made 1×1 one after the other, and how the order came about.

    Attributes:
        progressive: measured anew after every one; else once, on the whole network.
        psnr_db, macs: of the network as it was.
    """

    progressive: bool
    psnr_db: float
    macs: int
    steps: tuple[KernelStep, ...]
