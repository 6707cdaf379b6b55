from sr_explore.analysis import layer_table
from sr_explore.plots.pruning import pruning_bars
from sr_explore.stages import PruneBiases, PruneChannels, PruneKernels, apply_stages
from tests.plots.records import traces
from tests.tiny import tiny_example, tiny_rlfn

SIZE = (20, 24)
CUT = PruneKernels("tail.smooth")


def drawn(*stages):
    """Name to hover text of every bar that shows what is left of the parameters."""
    before, after = tiny_rlfn(), apply_stages(tiny_rlfn(), stages, tiny_example())
    figure = pruning_bars(layer_table(before, SIZE), layer_table(after, SIZE))
    kept, removed = traces(figure)[2:4]
    assert (kept.name, removed.name) == ("kept", "removed")
    return dict(zip(kept.x, kept.customdata, strict=True)), dict(zip(removed.x, removed.text, strict=True))


def test_a_kernel_that_became_1x1_is_named_and_marked():
    told, marks = drawn(CUT)
    assert "kernel 3×3 → 1×1" in told["tail.smooth, 1×1"]
    assert [name for name, mark in marks.items() if mark] == ["tail.smooth, 1×1"]
    assert [name for name, text in told.items() if "kernel" in text] == ["tail.smooth, 1×1"]


def test_a_bias_that_went_is_in_the_hover_text():
    told, _ = drawn(PruneBiases())
    gone = {name for name, text in told.items() if "bias gone" in text}
    assert gone == {name for name in told if name != "head" and ".esa." not in name}


def test_channels_that_went_are_neither():
    told, marks = drawn(PruneChannels(0.5, "magnitude"))
    assert not any("<br>" in text for text in told.values())
    assert not any(marks.values())


def test_every_figure_has_the_same_traces():
    before = layer_table(tiny_rlfn(), SIZE)
    after = layer_table(CUT(tiny_rlfn(), tiny_example()).model, SIZE)
    one, other = (traces(pruning_bars(before, table)) for table in (before, after))
    assert [(trace.type, trace.name) for trace in one] == [(trace.type, trace.name) for trace in other]
