"""A network as boxes and wires, so that its structure can be drawn without torch."""

from collections.abc import Iterator
from typing import cast

from torch import nn

from sr_explore.networks.layers import Select
from sr_explore.networks.rfdn import RFDN, Branch, BranchedRFDN, DistillBlock, MergedRFDN, Tail
from sr_explore.records import Sketch, SketchBox, SketchWire
from sr_explore.surgery import modules_of


def sketch(model: nn.Module) -> Sketch:
    """The network's parts from left to right, with the widths that they have now.

    Args:
        model: RFDN, BranchedRFDN or MergedRFDN of any widths; any other network becomes a plain row of its
            top-level modules. It is neither run nor changed.

    Returns:
        Boxes by column and lane, and wires; the picture that goes in is not drawn.
    """
    drawing = _Drawing()
    if isinstance(model, RFDN):
        _row(drawing, model)
    elif isinstance(model, BranchedRFDN):
        _branched(drawing, model)
    elif isinstance(model, MergedRFDN):
        _merged(drawing, model)
    else:
        _plain(drawing, model)
    return Sketch(tuple(drawing.boxes.values()), tuple(drawing.wires), _params(model))


class _Drawing:
    def __init__(self) -> None:
        self.boxes: dict[str, SketchBox] = {}
        self.wires: list[SketchWire] = []

    @property
    def columns(self) -> int:
        return max((box.column + 1 for box in self.boxes.values()), default=0)

    def box(
        self, path: str, module: nn.Module, label: str, kind: str, column: int | None = None, lane: int | None = None
    ) -> str:
        column = self.columns if column is None else column
        widths = {name or path: layer.out_channels for name, layer in _main_way(module)}
        channels = list(widths.values())[-1] if widths else 0
        self.boxes[path] = SketchBox(path, label, kind, column, lane, channels, _params(module), widths)
        return path

    def wire(
        self, source: str, target: str, way: str = "direct", lane: int | None = None, channels: int | None = None
    ) -> None:
        self.wires.append(SketchWire(source, target, channels or self.boxes[source].channels, way, lane))


def _row(drawing: _Drawing, model: RFDN) -> None:
    head = drawing.box("head", model.head, "head", "head")
    _tail(drawing, model.tail, head, _blocks(drawing, model.blocks, "blocks", head))


def _branched(drawing: _Drawing, model: BranchedRFDN) -> None:
    heads, outputs = [], []
    has_entries = any(_params(cast(Branch, branch).entry) for branch in model.branches)
    for lane, (head, branch) in enumerate(zip(model.heads, model.branches, strict=True)):
        assert isinstance(branch, Branch)
        last = drawing.box(f"heads.{lane}", head, f"head {lane + 1}", "head", 0, lane)
        heads.append(last)
        if _params(branch.entry):
            entry = drawing.box(f"branches.{lane}.entry", branch.entry, f"S{lane + 1}", "entry", 1, lane)
            drawing.wire(last, entry)
            last = entry
        outputs += _blocks(
            drawing, branch.blocks, f"branches.{lane}.blocks", last, 1 + has_entries, lane, number=len(outputs) + 1
        )
    _tail(drawing, model.tail, heads[0], outputs)


def _merged(drawing: _Drawing, model: MergedRFDN) -> None:
    heads, first, rest = model.heads, "", ""
    if _params(heads.stack):
        first = rest = drawing.box("heads.stack", heads.stack, "heads", "head")
    column = drawing.columns
    if _params(heads.first):
        first = _selected(drawing, "heads.first", heads.first, "head 1", first, column, 0)
    if _params(heads.rest):
        rest = _selected(drawing, "heads.rest", heads.rest, "heads 2…", rest, column, 1)
    last = rest
    if model.entry is not None:
        last = drawing.box("entry", model.entry, "S", "entry", lane=1)
        drawing.wire(rest, last, channels=_taken(heads.rest))
    outputs = _blocks(drawing, model.blocks, "blocks", last)
    if model.entry is not None:
        drawing.wire(first, outputs[0], "lane", 0, channels=_taken(heads.first))
    _tail(drawing, model.tail, first, outputs)


def _taken(module: nn.Module) -> int | None:
    """How many channels a selection takes; None for a module that takes all."""
    return len(module.indices) if isinstance(module, Select) else None


def _selected(drawing: _Drawing, path: str, module: nn.Module, label: str, source: str, column: int, lane: int) -> str:
    box = drawing.box(path, module, label, "order" if source else "head", column, lane)
    if source:
        drawing.wire(source, box, channels=drawing.boxes[box].channels)
    return box


def _blocks(
    drawing: _Drawing,
    blocks: nn.ModuleList,
    path: str,
    last: str,
    column: int | None = None,
    lane: int | None = None,
    number: int = 1,
) -> list[str]:
    """Boxes of blocks in a row, wired to what came before; their paths."""
    start = drawing.columns if column is None else column
    paths = []
    for index, block in enumerate(blocks):
        label = f"B{number + index}"
        paths.append(drawing.box(f"{path}.{index}", block, label, "block", start + index, lane))
        drawing.wire(last, paths[-1])
        last = paths[-1]
    return paths


def _tail(drawing: _Drawing, tail: Tail, skip: str, outputs: list[str]) -> None:
    """From all blocks' outputs, and the features that are added before the picture is made, to the end."""
    ends = max(drawing.boxes[path].column for path in outputs)
    if _params(tail.concat):
        join = drawing.box("tail.concat", tail.concat, "order", "order")
        fuse = drawing.box("tail.fuse", tail.fuse, "fuse", "tail")
        drawing.wire(join, fuse)
    else:
        join = fuse = drawing.box("tail.fuse", tail.fuse, "fuse", "tail")
    for path in outputs:
        drawing.wire(path, join, "direct" if drawing.boxes[path].column == ends else "over")
    smooth = drawing.box("tail.smooth", tail.smooth, "smooth", "tail")
    upsample = drawing.box("tail.upsample", tail.upsample, "upsample", "upsample")
    drawing.wire(fuse, smooth)
    drawing.wire(smooth, upsample)
    drawing.wire(skip, upsample, "under")


def _plain(drawing: _Drawing, model: nn.Module) -> None:
    last = ""
    for name, module in model.named_children():
        if _params(module):
            kind = "block" if next(module.children(), None) is not None else "tail"
            box = drawing.box(name, module, name, kind)
            if last:
                drawing.wire(last, box)
            last = box


def _main_way(module: nn.Module) -> Iterator[tuple[str, nn.Conv2d]]:
    """The convolutions that features pass one after the other; in a distillation block, those that refine them."""
    for path, layer in modules_of(module, nn.Conv2d):
        if not isinstance(module, DistillBlock) or path.startswith(("refine.", "last", "fuse")):
            yield path, layer


def _params(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
