from dataclasses import replace

from sr_explore.analysis import layer_table
from sr_explore.plots import cost_map
from sr_explore.plots.costs import KINDS
from tests.plots.records import traces
from tests.tiny import tiny_rfdn


def test_areas_add_up_to_the_whole():
    table = layer_table(tiny_rfdn(), (16, 16))
    params, macs = traces(cost_map(table))
    for tree, total in ((params, table.params), (macs, table.macs)):
        areas = dict(zip(tree.ids, tree.values, strict=True))
        assert areas["network"] == total
        below = [value for path, value in areas.items() if tree.parents[list(tree.ids).index(path)] == "network"]
        assert sum(below) == total
        assert areas["blocks"] == sum(areas[f"blocks.{index}"] for index in range(4))


def test_colours_say_what_a_layer_does():
    table = layer_table(tiny_rfdn(), (16, 16))
    rows = tuple(replace(row, structural=row.path == "tail.fuse") for row in table.rows)
    tree = traces(cost_map(replace(table, rows=rows)))[0]
    colours = dict(zip(tree.ids, tree.marker.colors, strict=True))
    assert colours["tail.fuse"] == KINDS["moves channels"]
    assert colours["blocks.0.fuse"] == KINDS["1×1"]
    assert colours["head"] == KINDS["3×3"]
