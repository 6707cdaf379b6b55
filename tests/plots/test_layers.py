import pytest

from sr_explore.analysis import layer_table
from sr_explore.plots import layer_bars, lineages
from sr_explore.records import LayerEdit
from sr_explore.stages import Branch, ConcatToConv, Fold, MergeBranches, PruneChannels, Stage
from tests.plots.records import report, table
from tests.tiny import NETWORKS, tiny_example

STAGES: dict[str, Stage] = {
    "row": Branch(),
    "branched-4s": MergeBranches(),
    "merged-2s": ConcatToConv(),
    "converted-4s": PruneChannels(importance="magnitude"),
    "converted-2": Fold(),
}


def drawn(figure) -> dict[str, dict[str, float]]:
    return {bar.name: dict(zip(bar.x, bar.y, strict=True)) for bar in figure.data}


def test_merged_layers_stand_in_one_bar_with_what_they_were_made_from():
    before = table(left=30, right=30, tail=10)
    after = table(wide=120, tail=10)
    edits = report(LayerEdit("block-diagonal", ("left", "right"), "wide"), LayerEdit("copied", ("tail",), "tail"))
    bars = drawn(layer_bars(before, after, edits))
    assert bars == {"kept": {"wide": 60, "tail": 10}, "added": {"wide": 60, "tail": 0}}


def test_a_layer_that_was_copied_many_times_counts_once_as_kept():
    edits = report(LayerEdit("copied", ("head",), "heads.0"), LayerEdit("copied", ("head",), "heads.1"))
    bars = drawn(layer_bars(table(head=20), table(heads__0=20, heads__1=20), edits))
    assert bars == {"kept": {"heads.0 + 1": 20}, "added": {"heads.0 + 1": 20}}


def test_what_has_gone_stands_behind_the_layer_that_it_followed():
    edits = report(LayerEdit("composed", ("c",), "c"))
    rows = lineages(table(a=5, b=6, c=7), table(a=5, c=7), edits)
    assert [row.label for row in rows] == ["a", "b (gone)", "c"]
    assert drawn(layer_bars(table(a=5, b=6, c=7), table(a=5, c=7), edits))["removed"] == {"a": 0, "b (gone)": 6, "c": 0}


def test_an_edit_of_a_module_reaches_the_convolution_inside():
    edits = report(LayerEdit("permutation", ("concat",), "concat"))
    bars = drawn(layer_bars(table(a=5), table(a=5, concat__mix=9), edits))
    assert bars == {"kept": {"a": 5, "concat.mix": 0}, "added": {"a": 0, "concat.mix": 9}}


def test_a_name_that_another_layer_took_over_does_not_join_the_two():
    edits = report(LayerEdit("copied", ("x",), "y"))
    rows = lineages(table(x=5, y=6), table(y=5), edits)
    assert {row.label: [old.path for old in row.before] for row in rows} == {"y": ["x"], "y (gone)": ["y"]}


def test_without_a_report_layers_line_up_by_path_and_channels_can_be_counted():
    bars = drawn(layer_bars(table(a=50, b=20), table(a=30, b=20), what="channels"))
    assert bars == {"kept": {"a": 3, "b": 2}, "removed": {"a": 2, "b": 0}}


@pytest.mark.parametrize("name", STAGES)
def test_real_stages_lose_no_layer_and_no_parameter(name: str):
    model, stage = NETWORKS[name](), STAGES[name]
    result = stage(model, tiny_example())
    before, after = layer_table(model, (16, 16)), layer_table(result.model, (16, 16))
    rows = lineages(before, after, result.report)
    assert sorted(row.path for group in rows for row in group.before) == sorted(row.path for row in before.rows)
    assert sorted(row.path for group in rows for row in group.after) == sorted(row.path for row in after.rows)
    bars = {name: sum(values.values()) for name, values in drawn(layer_bars(before, after, result.report)).items()}
    assert bars.get("kept", 0) + bars.get("removed", 0) == before.params
    assert bars.get("kept", 0) + bars.get("added", 0) == after.params
    assert len({row.label for row in rows}) == len(rows)
    firsts = [group.after[0].path for group in rows if group.after]
    assert firsts == [row.path for row in after.rows if row.path in firsts], "not in the order of the network after"
