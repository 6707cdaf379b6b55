"""Whether two networks are the same function, and how far a module's output is from another one's.

Differences are absolute, in units of the output (RGB in [0, 1]); `relative` ones are divided by the output's range.
"""

from dataclasses import dataclass

from sr_explore.records.base import Record


@dataclass(frozen=True)
class Difference(Record):
    """The largest absolute difference of two outputs, inside and on the border, and over the output's range."""

    interior: float
    border: float
    relative: float


@dataclass(frozen=True)
class LayerDifference(Record):
    """The largest difference of one layer's output, relative to the range of that output, in float64."""

    target: str
    float64: float
    float32: float


@dataclass(frozen=True)
class EquivalenceRecord(Record):
    """How far two networks' functions are apart: whole in both precisions, and layer by layer.

    Attributes:
        float64, float32: over the whole picture, border included.
        layers: of the layers that promise the same output.
        bound: what float64's relative difference must not exceed for the networks to count as the same function.
        border_px: width of what counts as border, output pixels.
    """

    float64: Difference
    float32: Difference
    layers: tuple[LayerDifference, ...]
    bound: float
    border_px: int

    @property
    def equal(self) -> bool:
        """Whether the two are the same function, by the float64 figure; a NaN is never equal."""
        return self.float64.relative <= self.bound


@dataclass(frozen=True)
class FeatureMatch(Record):
    """How well one module gives what another one gave: channel by channel (-1 to 1), and all together (1 is equal)."""

    path: str
    other: str
    correlations: tuple[float, ...]
    explained: float
