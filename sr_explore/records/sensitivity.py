"""What each 3×3 convolution's outer taps are worth."""

from dataclasses import dataclass

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
