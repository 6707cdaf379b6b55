from sr_explore import pipeline
from sr_explore.plots import run_bars, run_lineages
from sr_explore.stages import Branch, ConcatToConv, Fold, MergeBranches, PruneChannels
from tests.plots.records import layout, traces
from tests.tiny import tiny_example, tiny_rfdn

STAGES = [Branch(), MergeBranches(), ConcatToConv(), PruneChannels(importance="magnitude"), Fold()]
RUN = pipeline.run(tiny_rfdn(), STAGES, tiny_example(), "row", (16, 16)).record


def test_layers_keep_their_column_through_all_changes_of_name():
    columns = {
        column.label: [[row.path for row in rows] for rows in column.generations] for column in run_lineages(RUN)
    }
    row, branched, *merged = columns["blocks.0.refine.0"]
    assert row == [f"blocks.{index}.refine.0" for index in range(4)]
    assert branched == [f"branches.{index}.blocks.0.refine.0" for index in range(4)]
    assert merged == [["blocks.0.refine.0"]] * 4
    assert columns["entry.last"][0] == []
    assert columns["entry.last"][1] == [f"branches.{index}.entry.last" for index in (1, 2, 3)]
    assert columns["blocks.0.concat.mix (gone)"] == [[], [], [], *[["blocks.0.concat.mix"]] * 2, []]


def test_every_layer_of_every_network_stands_in_exactly_one_column():
    tables = [RUN.start, *(step.table for step in RUN.steps)]
    columns = run_lineages(RUN)
    for index, table in enumerate(tables):
        paths = [row.path for column in columns for row in column.generations[index]]
        assert sorted(paths) == sorted(row.path for row in table.rows)
    assert len({column.label for column in columns}) == len(columns)


def test_rows_of_bars_tell_what_each_step_did():
    figure = run_bars(RUN)
    bars = {(bar.yaxis, bar.name): dict(zip(bar.x, bar.y, strict=True)) for bar in traces(figure)}
    assert bars["y", "kept"]["blocks.0.refine.0"] == bars["y3", "kept"]["blocks.0.refine.0"] == 32
    assert ("y", "removed") not in bars
    assert bars["y5", "removed"]["blocks.0.refine.0"] == bars["y5", "kept"]["blocks.0.refine.0"] == 16
    assert bars["y6", "removed"]["blocks.0.concat.mix (gone)"] == 32
    assert [note.text for note in layout(figure).annotations][:2] == ["row", "branch"]
    assert len([bar for bar in traces(figure) if bar.showlegend]) == 3, "the legend names each part once"
