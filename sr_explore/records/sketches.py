"""A network as boxes and wires, to be drawn."""

from dataclasses import dataclass

from sr_explore.records.base import Record


@dataclass(frozen=True)
class SketchBox(Record):
    """One part of a network in a drawing. Lengths run along the flow, from left to right; heights are in channels.

    Attributes:
        path: of the module; "lr" and "sr" for the pictures, "+" for the sum before the picture is made,
            "blocks.0.+" for a block's own.
        kind: "picture", "convolution", "block", "small block", "index" (channels sorted or picked by index),
            "1×1" (the same as a convolution), "pointwise" (a 1×1 convolution that computes), "attention", "frame"
            (around a block whose parts are boxes of their own) or "sum".
        labels: what to write on it, one for each of its parts.
        parts: channels of the parts that do not touch each other; one, if all are connected.
        left, length: where it begins along the flow and how long it is; a picture's or block's length is about 1.
        middle, height: across the flow, downwards; height is its output channels, except for pictures and for what
            stands inside of a block.
        channels: that it puts out.
        layers, params: convolutions and parameters in it. detail: a convolution's kernel and bias, in words.
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
    detail: str = ""


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
