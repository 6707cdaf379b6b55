"""A network as boxes and wires: what there is, how wide it is and what feeds what. Drawn by `plots.network_plot`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn

from sr_explore.networks.layers import Concat, ConcatConv, Select, SlimESA, StructuralConv2d
from sr_explore.networks.rfdn import RFDN, BranchedRFDN, DistillBlock, MergedRFDN, Tail
from sr_explore.networks.rlfn import RLFN
from sr_explore.records import Sketch, SketchBox, SketchWire
from sr_explore.surgery import modules_of

LENGTHS = {"picture": 0.3, "convolution": 0.3, "block": 1.1, "small block": 0.75, "index": 0.1, "1×1": 0.1, "sum": 0.14}
LENGTHS |= {"pointwise": 0.3, "attention": 0.3}
GAP = 0.42
INNER_GAP, FRAME_MARGIN = 0.22, 0.14
LANE_GAP = 16.0
SLIT = 8.0
PICTURE_HEIGHT = 40.0
INSIDE = 0.66
"""Where in a block its concatenation stands, as a share of the block's length."""


def sketch(model: nn.Module, title: str = "") -> Sketch:
    """Draw up a network: RFDN in its three forms and RLFN as blocks and branches, at any widths; others by layers.

    Nothing is run. Whether a wide block falls into parts is read off its weights: channels belong together if a
    non-zero weight of its first 3×3 convolution connects them. An RLFN's blocks are open: each shows its convolutions,
    the 1×1 ones as such.

    Args:
        model: any network; a row of its convolutions, in the order in which they were registered, if it is neither.
        title: to stand above the drawing.
    """
    drawing = _Drawing(model)
    match model:
        case RFDN():
            _draw_lanes(drawing, [_Lane("head", None, [f"blocks.{i}" for i in range(len(model.blocks))])])
        case BranchedRFDN():
            _draw_lanes(drawing, [_lane(model, index) for index in range(len(model.branches))])
        case MergedRFDN():
            _draw_merged(drawing, model)
        case RLFN():
            _draw_open_row(drawing, model)
        case _:
            _draw_layers(drawing)
    return Sketch(title, tuple(drawing.boxes), tuple(drawing.wires), _params(model), _layers(model))


def connected_parts(kernel: Tensor, groups: int = 1) -> tuple[int, ...]:
    """Sizes of the sets of channels that a convolution keeps apart, in order of their first channel.

    Args:
        kernel: (channels, channels / groups, kh, kw), of a convolution that is added to its own input.
        groups: the convolution's; more than one says it all.
    """
    channels = kernel.shape[0]
    if groups > 1:
        return (channels // groups,) * groups
    reach = (kernel.detach() != 0).flatten(2).any(2).float().cpu() + torch.eye(channels)
    reach = reach + reach.T
    while True:  # each round doubles how far a channel reaches
        further = (reach @ reach > 0).float()
        if further.equal((reach > 0).float()):
            break
        reach = further
    firsts = further.argmax(dim=1)
    return tuple(int((firsts == first).sum()) for first in firsts.unique())


@dataclass
class _Lane:
    head: str
    entry: str | None
    blocks: list[str]


@dataclass
class _Drawing:
    model: nn.Module
    boxes: list[SketchBox] = field(default_factory=list)
    wires: list[SketchWire] = field(default_factory=list)
    right: float = -GAP

    def module(self, path: str) -> nn.Module:
        return self.model.get_submodule(path)

    def add(self, path: str, kind: str, label: str, middle: float = 0.0, left: float | None = None) -> str:
        """A box for a module of its own; without `left` it stands to the right of all others."""
        channels = _out_channels(self.module(path))
        return self.place(path, kind, (label,), (channels,), middle, channels, left)

    def place(
        self,
        path: str,
        kind: str,
        labels: Sequence[str],
        parts: Sequence[int],
        middle: float,
        height: float,
        left: float | None = None,
        length: float | None = None,
    ) -> str:
        known = path in dict(self.model.named_modules())
        layers, params = (_layers(self.module(path)), _params(self.module(path))) if known else (0, 0)
        left = self.right + GAP if left is None else left
        length = LENGTHS[kind] if length is None else length
        detail = _detail(self.module(path)) if known else ""
        box = SketchBox(
            path, kind, tuple(labels), tuple(parts), left, length, middle, height, sum(parts), layers, params, detail
        )
        self.boxes.append(box)
        self.right = max(self.right, left + box.length)
        return path

    def block(self, path: str, kind: str, labels: Sequence[str], middle: float, left: float | None = None) -> str:
        """A block, in its parts, and inside of it what sorts its channels before they are fused."""
        block = cast(DistillBlock, self.module(path))
        channels = block.esa.expand.out_channels
        parts = _parts_of(block)
        if len(parts) != len(labels):
            labels, parts = labels[:1], (channels,)
        self.place(path, kind, labels, parts, middle, channels, left)
        if inner := _sorting_kind(block.concat):
            inside = self.boxes[-1].left + INSIDE * LENGTHS[kind]
            width = _out_channels(block.concat)
            self.place(f"{path}.concat", inner, ("",), (width,), middle, channels, inside)
        return path

    def wire(self, source: str, target: str, via: float | None = None) -> None:
        self.wires.append(SketchWire(source, target, via))

    def span(self) -> tuple[float, float]:
        """From the uppermost to the lowest edge of what is drawn so far."""
        tops = [box.middle - box.height / 2 for box in self.boxes]
        return min(tops), max(box.middle + box.height / 2 for box in self.boxes)


def _lane(model: BranchedRFDN, index: int) -> _Lane:
    branch = model.branches[index]
    entry = f"branches.{index}.entry" if isinstance(branch.entry, DistillBlock) else None
    count = len(cast(nn.ModuleList, branch.blocks))
    return _Lane(f"heads.{index}", entry, [f"branches.{index}.blocks.{i}" for i in range(count)])


def _draw_lanes(drawing: _Drawing, lanes: Sequence[_Lane]) -> None:
    """Branches above each other; a single row is one branch."""
    heights = [float(_out_channels(drawing.module(lane.head))) for lane in lanes]
    top = -(sum(heights) + LANE_GAP * (len(lanes) - 1)) / 2
    drawing.place("lr", "picture", ("lr",), (3,), 0.0, PICTURE_HEIGHT)
    head_left = drawing.right + GAP
    entry_left = head_left + LENGTHS["convolution"] + GAP
    with_entry = any(lane.entry for lane in lanes)
    block_left = entry_left + (LENGTHS["small block"] + GAP if with_entry else 0)
    ends: list[tuple[str, float | None]] = []
    count = 0
    for lane, height in zip(lanes, heights, strict=True):
        middle = top + height / 2
        last = drawing.add(lane.head, "convolution", "head", middle, head_left)
        drawing.wire("lr", last)
        if lane.entry:
            drawing.wire(last, drawing.block(lane.entry, "small block", [f"S{count + 1}"], middle, entry_left))
            last = lane.entry
        for place, path in enumerate(lane.blocks):
            count += 1
            drawing.block(path, "block", [f"B{count}"], middle, block_left + place * (LENGTHS["block"] + GAP))
            drawing.wire(last, path)
            last = path
            ends.append((path, None if path == lane.blocks[-1] else top + height + LANE_GAP / 2))
        top += height + LANE_GAP
    _draw_tail(drawing, lanes[0].head, ends)


def _draw_merged(drawing: _Drawing, model: MergedRFDN) -> None:
    blocks = [f"blocks.{index}" for index in range(len(model.blocks))]
    tall = _out_channels(drawing.module(blocks[0]))
    drawing.place("lr", "picture", ("lr",), (3,), 0.0, PICTURE_HEIGHT)
    first, rest = _draw_heads(drawing, model, tall)
    count = len(_parts_of(model.blocks[0]))
    inputs = [rest]
    if isinstance(model.entry, DistillBlock):
        small = len(_parts_of(model.entry))
        labels = (
            [f"S{(index + 1) * len(blocks) + 1}" for index in range(small)] if small > 1 or count == 2 else ["small"]
        )
        middle = tall / 2 - _out_channels(model.entry) / 2
        drawing.wire(rest, drawing.block("entry", "small block", labels, middle))
        inputs = [first, "entry"]
    ends: list[tuple[str, float | None]] = []
    for place, path in enumerate(blocks):
        labels = [f"B{part * len(blocks) + place + 1}" for part in range(count)] if count > 1 else ["wide block"]
        drawing.block(path, "block", labels, 0.0)
        for source in inputs:
            drawing.wire(source, path)
        inputs = [path]
        ends.append((path, None if path == blocks[-1] else tall / 2 + LANE_GAP / 2))
    _draw_tail(drawing, first, ends)


def _draw_heads(drawing: _Drawing, model: MergedRFDN, tall: int) -> tuple[str, str]:
    """The head and its two views; the paths of what the first branch and what the others go on with."""
    heads, source = model.heads, "lr"
    if isinstance(heads.stack, nn.Conv2d):
        source = drawing.add("heads.stack", "convolution", "heads")
        drawing.wire("lr", source)
    left = drawing.right + GAP
    ends = []
    for name in ("first", "rest"):
        view = cast(nn.Module, getattr(heads, name))
        if isinstance(view, nn.Identity):
            ends.append(source)
            continue
        path, channels = f"heads.{name}", _out_channels(view)
        away = (tall - channels + SLIT) / 2 if model.entry is not None else (tall + channels) / 2 + LANE_GAP
        middle = -away if name == "first" else (away if model.entry is not None else 0.0)
        moves = _sorting_kind(view)
        label = "" if moves or (name == "first" and model.entry is not None) else "heads"
        drawing.add(path, moves or "convolution", label, middle, left)
        drawing.wire(source, path)
        ends.append(path)
    return ends[0], ends[1]


def _draw_tail(drawing: _Drawing, features: str, ends: Sequence[tuple[str, float | None]]) -> None:
    """All blocks' outputs, fused and smoothed; the first features added; the picture made."""
    top, _ = drawing.span()
    tail = cast(Tail, drawing.module("tail"))
    target = "tail.fuse"
    if kind := _sorting_kind(tail.concat):
        width = _out_channels(tail.concat) or tail.fuse.in_channels
        target = drawing.place("tail.concat", kind, ("",), (width,), 0.0, tail.fuse.out_channels)
    for path, via in ends:
        drawing.wire(path, target, via)
    drawing.add("tail.fuse", "convolution", "fuse")
    if kind:
        drawing.wire("tail.concat", "tail.fuse")
    drawing.wire("tail.fuse", drawing.add("tail.smooth", "convolution", "smooth"))
    width = tail.smooth.out_channels
    drawing.wire("tail.smooth", drawing.place("+", "sum", ("+",), (width,), 0.0, width))
    drawing.wire(features, "+", top - LANE_GAP)
    drawing.wire("+", drawing.add("tail.upsample.conv", "convolution", "to pixels"))
    drawing.wire("tail.upsample.conv", drawing.place("sr", "picture", ("sr",), (3,), 0.0, PICTURE_HEIGHT * 1.6))


def _draw_open_row(drawing: _Drawing, model: RLFN) -> None:
    drawing.place("lr", "picture", ("lr",), (3,), 0.0, PICTURE_HEIGHT)
    drawing.wire("lr", drawing.add("head", _conv_kind(model.head), "head"))
    tallest = max(conv.out_channels for _, conv in modules_of(model.blocks, nn.Conv2d))
    last = "head"
    for index in range(len(model.blocks)):
        last = _draw_open_block(drawing, f"blocks.{index}", last, f"B{index + 1}", tallest)
    top, _ = drawing.span()
    smooth = model.tail.smooth
    drawing.wire(last, drawing.add("tail.smooth", _conv_kind(smooth), "smooth"))
    drawing.wire("tail.smooth", drawing.place("+", "sum", ("+",), (smooth.out_channels,), 0.0, smooth.out_channels))
    drawing.wire("head", "+", top - LANE_GAP / 2)
    drawing.wire("+", drawing.add("tail.upsample.conv", _conv_kind(model.tail.upsample.conv), "to pixels"))
    drawing.wire("tail.upsample.conv", drawing.place("sr", "picture", ("sr",), (3,), 0.0, PICTURE_HEIGHT * 1.6))


def _draw_open_block(drawing: _Drawing, path: str, source: str, label: str, tallest: int) -> str:
    """A block's convolutions in a frame, its input led around them to their sum; the path of its last box."""
    block = drawing.module(path)
    refines = [f"{path}.refine.{index}" for index in range(len(cast(nn.ModuleList, block.refine)))]
    begins, last = drawing.right + GAP, source
    left, channels = begins, _out_channels(drawing.module(f"{path}.fuse"))
    for inner in [*refines, f"{path}.+", f"{path}.fuse", f"{path}.esa"]:
        if inner.endswith("+"):
            drawing.place(inner, "sum", ("+",), (channels,), 0.0, channels, left)
        else:
            drawing.add(inner, _conv_kind(drawing.module(inner)), "", 0.0, left)
        drawing.wire(last, inner)
        left, last = drawing.right + INNER_GAP, inner
    drawing.wire(source, f"{path}.+", -(tallest + LANE_GAP) / 2)
    length = drawing.right - begins + 2 * FRAME_MARGIN
    height = tallest + 2 * LANE_GAP
    drawing.place(path, "frame", (label,), (channels,), 0.0, height, begins - FRAME_MARGIN, length)
    drawing.right -= FRAME_MARGIN
    return last


def _draw_layers(drawing: _Drawing) -> None:
    last = None
    for path, _ in modules_of(drawing.model, nn.Conv2d):
        drawing.add(path, _sorting_kind(drawing.module(path)) or "convolution", path.rpartition(".")[2])
        if last is not None:
            drawing.wire(last, path)
        last = path


def _sorting_kind(layer: nn.Module) -> str | None:
    """How a layer moves channels, if that is all that it does."""
    if isinstance(layer, Select) or (isinstance(layer, Concat) and layer.order is not None):
        return "index"
    return "1×1" if isinstance(layer, ConcatConv | StructuralConv2d) else None


def _conv_kind(layer: nn.Module) -> str:
    if isinstance(layer, SlimESA):
        return "attention"
    return "pointwise" if isinstance(layer, nn.Conv2d) and max(layer.kernel_size) == 1 else "convolution"


def _detail(layer: nn.Module) -> str:
    """A convolution's kernel and whether it has a bias, in words."""
    if not isinstance(layer, nn.Conv2d):
        return ""
    size = "×".join(map(str, layer.kernel_size))
    return f"{size} kernels, {'no bias' if layer.bias is None else 'with bias'}"


def _parts_of(block: nn.Module) -> tuple[int, ...]:
    refine = cast(nn.Conv2d, cast(DistillBlock, block).refine[0])
    return connected_parts(refine.weight, refine.groups)


def _out_channels(layer: nn.Module) -> int:
    match layer:
        case nn.Conv2d():
            return layer.out_channels
        case ConcatConv():
            return layer.mix.out_channels
        case Select():
            return len(layer.indices)
        case Concat():
            return 0 if layer.order is None else len(layer.order)
        case DistillBlock():
            return layer.esa.expand.out_channels
        case SlimESA():
            return layer.expand.out_channels
    raise TypeError(f"a {type(layer).__name__} has no output channels to draw")


def _params(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _layers(module: nn.Module) -> int:
    return sum(isinstance(layer, nn.Conv2d) for layer in module.modules())
