"""Sketches against the networks that they draw."""

import pytest
from torch import nn

from sr_explore.analysis import sketch
from sr_explore.networks.rfdn import RFDN
from sr_explore.records import Sketch
from sr_explore.stages import Branch, ConcatToConv, MergeBranches, PruneChannels, apply_stages
from tests.tiny import NETWORKS, tiny_branched, tiny_example, tiny_rfdn


def boxes(drawing: Sketch):
    return {box.path: box for box in drawing.boxes}


def ways(drawing: Sketch):
    return {(wire.source, wire.target): wire.way for wire in drawing.wires}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_is_in_one_box_and_everything_is_connected(name: str):
    model = NETWORKS[name]()
    drawing = sketch(model)
    by_path = boxes(drawing)
    assert sum(box.params for box in drawing.boxes) == drawing.params == sum(p.numel() for p in model.parameters())
    assert all(model.get_submodule(path) for path in by_path)
    assert len({(box.column, box.lane) for box in drawing.boxes}) == len(drawing.boxes)
    targets = {wire.target for wire in drawing.wires}
    assert all(box.column == 0 for box in drawing.boxes if box.path not in targets)
    assert all(by_path[wire.source].column < by_path[wire.target].column for wire in drawing.wires)
    assert Sketch.from_json(drawing.to_json()) == drawing


def test_a_row_stands_in_a_row_and_every_block_reaches_the_tail():
    drawing = sketch(RFDN())
    assert [box.label for box in drawing.boxes] == ["head", "B1", "B2", "B3", "B4", "fuse", "smooth", "upsample"]
    assert [box.column for box in drawing.boxes] == list(range(8))
    assert [box.channels for box in drawing.boxes] == [50] * 7 + [48]
    assert boxes(drawing)["blocks.0"].widths == {"refine.0": 50, "refine.1": 50, "refine.2": 50, "last": 25, "fuse": 50}
    assert ways(drawing)["blocks.0", "tail.fuse"] == "over"
    assert ways(drawing)["blocks.3", "tail.fuse"] == "direct"
    assert ways(drawing)["head", "tail.upsample"] == "under"


def test_branches_have_lanes_and_blocks_of_one_column():
    drawing = sketch(tiny_branched(4, True))
    blocks = [box for box in drawing.boxes if box.kind == "block"]
    assert [(box.label, box.column, box.lane) for box in blocks] == [(f"B{i + 1}", 2, i) for i in range(4)]
    assert [box.lane for box in drawing.boxes if box.kind == "entry"] == [1, 2, 3]
    two = [box for box in sketch(tiny_branched(2, False)).boxes if box.kind == "block"]
    assert [(box.label, box.column, box.lane) for box in two] == [
        ("B1", 1, 0),
        ("B2", 2, 0),
        ("B3", 1, 1),
        ("B4", 2, 1),
    ]


def test_merged_boxes_are_as_wide_as_all_branches():
    drawing = sketch(MergeBranches()(tiny_branched(4, True), tiny_example()).model)
    by_path = boxes(drawing)
    assert {path: by_path[path].channels for path in ("heads.stack", "entry", "blocks.0", "tail.fuse")} == {
        "heads.stack": 32,
        "entry": 24,
        "blocks.0": 32,
        "tail.fuse": 8,
    }
    channels = {(wire.source, wire.target): (wire.channels, wire.way) for wire in drawing.wires}
    assert channels["heads.stack", "blocks.0"] == (8, "lane")
    assert channels["heads.stack", "entry"] == (24, "direct")


def test_pruning_narrows_boxes():
    before = tiny_rfdn()
    after = apply_stages(before, (Branch(4), MergeBranches(), ConcatToConv(), PruneChannels(0.5)), tiny_example())
    wide = boxes(sketch(apply_stages(before, (Branch(4), MergeBranches()), tiny_example())))
    narrow = boxes(sketch(after))
    assert narrow["blocks.0"].channels < wide["blocks.0"].channels
    assert narrow["tail.upsample"].channels == wide["tail.upsample"].channels


def test_any_other_network_is_a_plain_row():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Sequential(nn.Conv2d(8, 4, 1), nn.Conv2d(4, 6, 1)))
    drawing = sketch(net)
    assert [(box.path, box.channels, box.column) for box in drawing.boxes] == [("0", 8, 0), ("2", 6, 1)]
    assert ways(drawing) == {("0", "2"): "direct"}
