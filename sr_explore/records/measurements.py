"""What a network holds and costs, how long it takes, and how good its pictures are."""

from dataclasses import dataclass

from sr_explore.records.base import Record


@dataclass(frozen=True)
class LayerRow(Record):
    """One convolution: its path, widths and costs; structural ones only move channels."""

    path: str
    in_channels: int
    out_channels: int
    kernel: tuple[int, int]
    groups: int
    params: int
    macs: int
    activations: int
    structural: bool


@dataclass(frozen=True)
class LayerTable(Record):
    """Every convolution of a network, and totals, for one input size (height, width) in px.

    Attributes:
        macs: multiply-adds of the convolutions. activations: elements that convolutions put out.
        structural_params: weights in permutations and selections, part of `params`.
    """

    size: tuple[int, int]
    rows: tuple[LayerRow, ...]
    params: int
    structural_params: int
    macs: int
    activations: int


@dataclass(frozen=True)
class ImageQuality(Record):
    """One picture against its reference, in dB and SSIM."""

    name: str
    psnr_y: float
    psnr_rgb: float
    ssim_y: float


@dataclass(frozen=True)
class QualityRecord(Record):
    """Averages over pictures, and every picture's own figures; `crop_border` in px of the reference."""

    psnr_y: float
    psnr_rgb: float
    ssim_y: float
    crop_border: int
    images: tuple[ImageQuality, ...]


@dataclass(frozen=True)
class TimingRecord(Record):
    """Milliseconds a picture: median and interquartile range, and what they were measured on."""

    median_ms: float
    iqr_ms: float
    runs: int
    size: tuple[int, int]
    device: str
    dtype: str
    threads: int
