"""Times that were taken in turns, so that they can be compared: networks, single convolutions, and layers."""

from dataclasses import dataclass

from sr_explore.records.base import Record


@dataclass(frozen=True)
class RatioRecord(Record):
    """How long a network takes, as a share of another's time in the same round.

    Attributes:
        ms: median over rounds, milliseconds. ratio, low, high: median and quartiles of the share.
        size: (height, width) of the low-resolution picture, px. clock: what was read; see `analysis.rounds`.
    """

    ms: float
    ratio: float
    low: float
    high: float
    rounds: int
    size: tuple[int, int]
    device: str
    dtype: str
    threads: int
    clock: str


@dataclass(frozen=True)
class ConvTime(Record):
    """One convolution alone, from `channels` to as many: median milliseconds, and multiply-adds of a pass."""

    channels: int
    kernel: int
    ms: float
    macs: int
    size: tuple[int, int]


@dataclass(frozen=True)
class LayerTime(Record):
    """One convolution inside a running network: median milliseconds of a pass, and its multiply-adds."""

    path: str
    kernel: tuple[int, int]
    ms: float
    macs: int


@dataclass(frozen=True)
class ProfileRecord(Record):
    """Where a network's time goes: its convolutions, and `rest_ms` for all that is not a convolution."""

    layers: tuple[LayerTime, ...]
    rest_ms: float
    size: tuple[int, int]
    device: str
    threads: int


@dataclass(frozen=True)
class PrunedCost(Record):
    """A network that something was cut out of: what it costs, takes and is worth.

    Attributes:
        way: what was cut, in a word; networks of one way are drawn in one colour.
        macs_share: multiply-adds as a share of the network's that it was made from.
        times: one a size; their ratios are to that same network.
    """

    name: str
    way: str
    params: int
    macs_share: float
    psnr_db: float
    times: tuple[RatioRecord, ...]
