from itertools import pairwise

import pytest
import torch
from torch import nn

from sr_explore.analysis import connected_parts, sketch
from sr_explore.conv_algebra import block_diagonal
from sr_explore.records import Sketch
from sr_explore.stages import PruneBiases, PruneChannels, PruneKernels, apply_stages
from tests.tiny import NETWORKS, tiny_example, tiny_rlfn


def kinds(drawing: Sketch) -> dict[str, int]:
    found = [box.kind for box in drawing.boxes]
    return {kind: found.count(kind) for kind in dict.fromkeys(found)}


def parts(drawing: Sketch, path: str) -> tuple[int, ...]:
    (box,) = [box for box in drawing.boxes if box.path == path]
    return box.parts


def feeds(drawing: Sketch) -> set[tuple[str, str]]:
    return {(wire.source, wire.target) for wire in drawing.wires}


def test_channels_belong_together_if_weights_connect_them():
    torch.manual_seed(0)
    wide = block_diagonal([torch.rand(2, 2, 3, 3), torch.rand(3, 3, 3, 3)])
    assert connected_parts(wide) == (2, 3)
    wide[0, 4, 1, 1] = 1e-9
    assert connected_parts(wide) == (5,)
    assert connected_parts(torch.rand(6, 2, 3, 3), groups=3) == (2, 2, 2)
    chain = torch.eye(9).roll(1, 0)[:, :, None, None]
    assert connected_parts(chain) == (9,), "a channel reaches another through many"


def test_a_row_becomes_branches_and_the_branches_one_wide_block():
    row, branched, merged = (sketch(NETWORKS[name]()) for name in ("row", "branched-4s", "merged-4s"))
    assert kinds(row)["block"] == kinds(branched)["block"] == 4
    assert kinds(branched)["small block"] == 3
    assert kinds(merged)["block"] == kinds(merged)["small block"] == 1
    assert parts(merged, "blocks.0") == (8, 8, 8, 8)
    assert parts(merged, "entry") == (8, 8, 8)
    assert next(box.labels for box in merged.boxes if box.path == "blocks.0") == ("B1", "B2", "B3", "B4")


def test_wires_say_what_feeds_what():
    row = feeds(sketch(NETWORKS["row"]()))
    assert {("head", "blocks.0"), ("blocks.0", "blocks.1"), ("blocks.1", "tail.fuse"), ("head", "+")} <= row
    branched = feeds(sketch(NETWORKS["branched-2s"]()))
    assert {("lr", "heads.1"), ("heads.1", "branches.1.entry"), ("branches.0.blocks.0", "tail.fuse")} <= branched
    assert ("heads.0", "branches.0.blocks.0") in branched
    merged = feeds(sketch(NETWORKS["merged-4s"]()))
    assert {("heads.first", "blocks.0"), ("heads.rest", "entry"), ("entry", "blocks.0")} <= merged


def test_folding_takes_the_layers_away_that_only_move_channels():
    converted, folded = (kinds(sketch(NETWORKS[name]())) for name in ("converted-2s", "folded-2s"))
    assert converted["1×1"] == 6
    assert "1×1" not in folded
    assert "index" not in folded


def test_pruning_makes_boxes_lower():
    before = NETWORKS["converted-4s"]()
    after = PruneChannels(importance="magnitude")(before, tiny_example()).model
    tall, low = ({box.path: box.height for box in sketch(model).boxes} for model in (before, after))
    assert low["blocks.0"] == tall["blocks.0"] / 2
    assert low["sr"] == tall["sr"]


@pytest.mark.parametrize("name", NETWORKS)
def test_drawings_are_whole_and_nothing_overlaps(name: str):
    model = NETWORKS[name]()
    drawing = sketch(model, "t")
    paths = [box.path for box in drawing.boxes]
    assert len(set(paths)) == len(paths)
    assert {path for wire in drawing.wires for path in (wire.source, wire.target)} <= set(paths)
    assert Sketch.from_json(drawing.to_json()) == drawing
    assert drawing.params == sum(parameter.numel() for parameter in model.parameters())
    boxes = [box for box in drawing.boxes if box.kind != "frame"]
    top = [box for box in boxes if not (box.path.endswith(".concat") and box.path != "tail.concat")]
    for a in top:
        for b in top:
            apart = a.left + a.length <= b.left or b.left + b.length <= a.left
            above = abs(a.middle - b.middle) >= (a.height + b.height) / 2
            assert a is b or apart or above, (a.path, b.path)
    for wire in drawing.wires:
        ends = {box.path: box for box in drawing.boxes}
        assert ends[wire.source].left + ends[wire.source].length < ends[wire.target].left


def test_other_networks_are_a_row_of_their_convolutions():
    other = nn.Sequential(nn.Conv2d(3, 20, 3), nn.ReLU(), nn.Conv2d(20, 12, 3))
    drawing = sketch(other)
    assert [(box.path, box.channels) for box in drawing.boxes] == [("0", 20), ("2", 12)]
    assert feeds(drawing) == {("0", "2")}


def test_rlfn_blocks_are_open_and_every_part_feeds_the_next():
    drawing = sketch(tiny_rlfn())
    assert kinds(drawing) == {"picture": 2, "convolution": 9, "sum": 3, "pointwise": 2, "attention": 2, "frame": 2}
    first = ["lr", "head", *(f"blocks.0.{part}" for part in ("refine.0", "refine.1", "refine.2", "+", "fuse", "esa"))]
    row = [*first, "blocks.1.refine.0"]
    assert set(pairwise(row)) <= feeds(drawing)
    assert {("head", "blocks.0.+"), ("blocks.0.esa", "blocks.1.+"), ("blocks.1.esa", "tail.smooth")} <= feeds(drawing)
    assert {("head", "+"), ("tail.smooth", "+"), ("+", "tail.upsample.conv"), ("tail.upsample.conv", "sr")} <= feeds(
        drawing
    )
    assert parts(drawing, "blocks.0.refine.0") == (8,)
    assert parts(drawing, "blocks.0.refine.2") == (6,)


def test_frames_hold_their_own_block_and_nothing_else():
    drawing = sketch(tiny_rlfn())
    for frame in (box for box in drawing.boxes if box.kind == "frame"):
        for box in drawing.boxes:
            inside = frame.left < box.left and box.left + box.length < frame.left + frame.length
            assert inside == box.path.startswith(f"{frame.path}."), (frame.path, box.path)
            assert not inside or box.height < frame.height


def test_pruned_kernels_and_biases_show():
    cut = apply_stages(tiny_rlfn(), (PruneKernels("blocks.1.refine.1+tail.smooth"), PruneBiases()), tiny_example())
    boxes = {box.path: box for box in sketch(cut).boxes}
    pruned = {path for path, box in boxes.items() if box.kind == "pointwise"}
    assert pruned == {"blocks.0.fuse", "blocks.1.fuse", "blocks.1.refine.1", "tail.smooth"}
    assert boxes["tail.smooth"].detail == "1×1 kernels, no bias"
    assert boxes["head"].detail == "3×3 kernels, with bias"
    assert boxes["blocks.0.esa"].detail == ""
