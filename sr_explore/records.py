"""What stages, checks and measurements leave behind: frozen records, to and from JSON. No torch here.

Differences are absolute, in units of the output (RGB in [0, 1]); `relative` ones are divided by the output's range.
"""

import json
import types
import typing
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self


class Record:
    """A frozen dataclass that goes to JSON and comes back equal."""

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and strings."""
        return asdict(self)  # pyright: ignore[reportArgumentType]

    def to_json(self) -> str:
        """The record as JSON text."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The record that `to_dict` gave these values."""
        hints = typing.get_type_hints(cls)
        known = {item.name for item in fields(cls)}  # pyright: ignore[reportArgumentType]
        return cls(**{name: _restore(hints[name], value) for name, value in values.items() if name in known})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The record that `to_json` wrote."""
        return cls.from_dict(json.loads(text))


def _restore(hint: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if value is None or hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _restore(next(option for option in arguments if option is not type(None)), value)
    if origin is tuple:
        inner = arguments[:1] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(_restore(option, item) for option, item in zip(inner, value, strict=True))
    if origin is dict:
        return {key: _restore(arguments[1], item) for key, item in value.items()}
    if isinstance(hint, type) and issubclass(hint, Record):
        return hint.from_dict(value)
    return value


@dataclass(frozen=True)
class LayerEdit(Record):
    """What became of one layer: it lines layers up across stages in which their names differ.

    Attributes:
        kind: how the target came from the sources, as "block-diagonal", "stacked", "grouped", "copied", "new",
            "permutation", "selection", "pruned", "refitted", "polished", "composed".
        sources: paths in the network before; none for a new layer.
        target: path in the network after.
        shapes_before, shape_after: of the weights, (out, in, kh, kw).
        kept_out, kept_in: for a pruned layer, the channels that stayed, as indices of the network before.
        same_output: whether the target promises to put out exactly what the sources did, joined along channels.
    """

    kind: str
    sources: tuple[str, ...]
    target: str
    shapes_before: tuple[tuple[int, ...], ...] = ()
    shape_after: tuple[int, ...] | None = None
    kept_out: tuple[int, ...] | None = None
    kept_in: tuple[int, ...] | None = None
    same_output: bool = False


@dataclass(frozen=True)
class StageReport(Record):
    """What a stage did: its name, its parameters, whether it promises the same function, and every layer's edit."""

    stage: str
    parameters: dict[str, Any]
    exact: bool
    edits: tuple[LayerEdit, ...]
    notes: tuple[str, ...] = ()
    figures: dict[str, float] = field(default_factory=dict)


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


@dataclass(frozen=True)
class FeatureMatch(Record):
    """How well one module gives what another one gave: channel by channel (-1 to 1), and all together (1 is equal)."""

    path: str
    other: str
    correlations: tuple[float, ...]
    explained: float


@dataclass(frozen=True)
class Step(Record):
    """One stage of a run: what it did, whether the function stayed, what it cost. `seconds` is the stage's own time."""

    stage: str
    exact: bool
    report: StageReport
    equivalence: EquivalenceRecord | None
    table: LayerTable
    seconds: float
    quality: QualityRecord | None = None

    @property
    def params(self) -> int:
        """Parameters of the network after this step."""
        return self.table.params

    @property
    def macs(self) -> int:
        """Multiply-adds of the network after this step."""
        return self.table.macs


@dataclass(frozen=True)
class PipelineRun(Record):
    """A network's way through stages: where it started and one step a stage."""

    model: str
    start: LayerTable
    steps: tuple[Step, ...]
    start_quality: QualityRecord | None = None


@dataclass(frozen=True)
class FamilyMember(Record):
    """One network in the comparison of all: what it costs, how long it takes, what it is worth.

    Attributes:
        line: what it belongs to: "original", "branched", "merged", a ladder's recipe, or "published".
        macs: for a low-resolution picture of `size`, (height, width) in px.
        psnr_y: by test set, dB.
        timing: where it was measured.
        note: where its figures come from, for a published network.
    """

    name: str
    title: str
    line: str
    params: int
    macs: int
    size: tuple[int, int]
    psnr_y: dict[str, float]
    timing: TimingRecord | None = None
    note: str = ""


@dataclass(frozen=True)
class SketchBox(Record):
    """One part of a network in a drawing. Lengths run along the flow, from left to right; heights are in channels.

    Attributes:
        path: of the module; "lr" and "sr" for the pictures, "+" for the sum before the picture is made.
        kind: "picture", "convolution", "block", "small block", "index" (channels sorted or picked by index),
            "1×1" (the same as a convolution) or "sum".
        labels: what to write on it, one for each of its parts.
        parts: channels of the parts that do not touch each other; one, if all are connected.
        left, length: where it begins along the flow and how long it is; a picture's or block's length is about 1.
        middle, height: across the flow, downwards; height is its output channels, except for pictures and for what
            stands inside of a block.
        channels: that it puts out.
        layers, params: convolutions and parameters in it.
    """

    path: str
    kind: str
    labels: tuple[str, ...]
    parts: tuple[int, ...]
    left: float
    length: float
    middle: float
    height: float
    channels: int
    layers: int
    params: int


@dataclass(frozen=True)
class SketchWire(Record):
    """A connection from one box to another, by their paths; `via`: the height at which it passes what is between."""

    source: str
    target: str
    via: float | None = None


@dataclass(frozen=True)
class Sketch(Record):
    """A network as boxes and wires, to be drawn; `params` and `layers` (convolutions) of the whole."""

    title: str
    boxes: tuple[SketchBox, ...]
    wires: tuple[SketchWire, ...]
    params: int
    layers: int
