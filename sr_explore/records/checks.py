"""Whether two networks, or a network and an ONNX file, are the same function, and how near one layer is to another.

Differences are absolute, in units of the output (RGB in [0, 1]); `relative` ones are divided by the output's range.
"""

import math
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
class OnnxFile(Record):
    """An ONNX file as it was written.

    Attributes:
        path, sha256: where, and the hash of what is there. size_mb: in units of 10^6 bytes.
        opset: the version of ONNX's operators.
        input, output: what goes in and comes out, a number or a name for every dimension.
        traced: (height, width) of the picture that the network ran on to be written down, px.
    """

    path: str
    sha256: str
    size_mb: float
    opset: int
    input: tuple[str, ...]
    output: tuple[str, ...]
    traced: tuple[int, int]


@dataclass(frozen=True)
class OnnxCheck(Record):
    """How far an ONNX file's function is from a network's, both in float32, for pictures of several sizes.

    Attributes:
        sizes: (height, width) of the pictures, px.
        differences: the largest one for each picture, relative to the range of the output.
        roundoffs: how far PyTorch in float32 is from PyTorch in float64 on the same picture; what to measure against.
        times: so many times the round-off may a difference be for the two to count as the same function.
    """

    sizes: tuple[tuple[int, int], ...]
    differences: tuple[float, ...]
    roundoffs: tuple[float, ...]
    times: float

    @property
    def relative(self) -> float:
        """The largest relative difference; NaN if one of them is."""
        return math.nan if any(map(math.isnan, self.differences)) else max(self.differences)

    @property
    def equal(self) -> bool:
        """Whether the two are the same function, as far as float32 can tell."""
        pairs = zip(self.differences, self.roundoffs, strict=True)
        return all(difference <= self.times * roundoff for difference, roundoff in pairs)


@dataclass(frozen=True)
class FeatureMatch(Record):
    """How well one module gives what another one gave: channel by channel (-1 to 1), and all together (1 is equal)."""

    path: str
    other: str
    correlations: tuple[float, ...]
    explained: float
