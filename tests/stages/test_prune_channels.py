import copy
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from sr_explore.errors import UserError
from sr_explore.records import StageReport
from sr_explore.stages import ConcatToConv, Example, MergeBranches, PruneChannels, apply_stages, widths_of
from sr_explore.surgery import modules_of
from tests.tiny import NETWORKS, relative_difference, tiny_branched, tiny_example, tiny_rfdn

PRUNABLE = [name for name in NETWORKS if name.startswith(("row", "branched", "converted", "folded"))]


def zeroed(model: nn.Module, report: StageReport) -> nn.Module:
    """The network with every removed channel kept but silenced: its filters, its bias and its readers are zero."""
    silent = copy.deepcopy(model)
    for edit in report.edits:
        layer = silent.get_submodule(edit.target)
        assert isinstance(layer, nn.Conv2d)
        assert edit.kept_out is not None
        assert edit.kept_in is not None
        outs = sorted(set(range(layer.weight.shape[0])) - set(edit.kept_out))
        ins = sorted(set(range(layer.weight.shape[1])) - set(edit.kept_in))
        with torch.no_grad():
            layer.weight[outs] = 0
            layer.weight[:, ins] = 0
            if layer.bias is not None:
                layer.bias[outs] = 0
    return silent


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(PRUNABLE),
    ratio=st.floats(0, 0.9),
    importance=st.sampled_from(["magnitude", "taylor", "random"]),
    scope=st.sampled_from(["local", "global"]),
    largest_first=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_removed_equals_zeroed_and_kept(
    name: str, ratio: float, importance: str, scope: str, largest_first: bool, seed: int
):
    model = NETWORKS[name]()
    stage = PruneChannels(ratio, importance, scope=scope, largest_first=largest_first, seed=seed)
    result = stage(model, tiny_example(seed))
    assert relative_difference(zeroed(model, result.report), result.model, (16, 21)) <= 1e-12


def test_the_comparison_itself_can_fail():
    model = NETWORKS["converted-4s"]()
    result = PruneChannels(0.5, "magnitude")(model, tiny_example())
    assert relative_difference(model, result.model) > 1e-3
    edits = list(result.report.edits)
    index = next(i for i, edit in enumerate(edits) if edit.target == "blocks.0.last")
    wrong = tuple(channel + 1 for channel in edits[index].kept_out or ())
    edits[index] = replace(edits[index], kept_out=wrong)
    silent = zeroed(model, replace(result.report, edits=tuple(edits)))
    assert relative_difference(silent, result.model) > 1e-6


@pytest.mark.parametrize("name", PRUNABLE)
def test_half_of_the_channels_go_and_the_picture_keeps_its_size(name: str):
    model = NETWORKS[name]()
    result = PruneChannels(0.5, "magnitude")(model, tiny_example())
    assert result.report.figures["pruning_ratio_asked"] == 0.5
    assert 0.35 <= result.report.figures["pruning_ratio_achieved"] <= 0.6
    assert result.model(torch.rand(1, 3, 16, 17)).shape == (1, 3, 32, 34)
    last = result.model.get_submodule("tail.upsample.conv")
    assert isinstance(last, nn.Conv2d)
    assert last.out_channels == 12


def test_ratio_zero_changes_nothing():
    model = NETWORKS["converted-2s"]()
    result = PruneChannels(0.0)(model, tiny_example())
    assert relative_difference(model, result.model) == 0
    assert result.report.figures["pruning_ratio_achieved"] == 0


def test_more_is_removed_with_a_higher_ratio():
    left = [
        sum(p.numel() for p in PruneChannels(ratio, "magnitude")(tiny_rfdn(), tiny_example()).model.parameters())
        for ratio in (0.0, 0.3, 0.6, 0.9)
    ]
    assert left == sorted(left, reverse=True)
    assert len(set(left)) == 4


def test_structural_channels_follow_and_fold_to_nothing_lost():
    """After pruning, a permutation carries exactly the channels that are left, each to its own place."""
    model = apply_stages(tiny_branched(4, True), (MergeBranches(), ConcatToConv()), tiny_example())
    pruned = PruneChannels(0.5, "magnitude")(model, tiny_example()).model
    structural = pruned.get_submodule("blocks.0.concat.mix")
    assert isinstance(structural, nn.Conv2d)
    mix = structural.weight[:, :, 0, 0]
    assert mix.shape[0] == mix.shape[1]
    assert torch.equal(mix.sum(0), torch.ones(len(mix)))
    assert torch.equal(mix.sum(1), torch.ones(len(mix)))


def removed_weight(model: nn.Module, largest_first: bool) -> float:
    report = PruneChannels(0.3, "magnitude", largest_first=largest_first)(model, tiny_example()).report
    return sum(
        float(model.get_submodule(edit.target).weight.detach().square().sum())  # pyright: ignore
        - float(model.get_submodule(edit.target).weight.detach()[list(edit.kept_out or ())].square().sum())  # pyright: ignore
        for edit in report.edits
    )


def test_largest_first_removes_more_weight():
    model = tiny_rfdn()
    assert removed_weight(model, largest_first=True) > removed_weight(model, largest_first=False)


def test_norms_seeds_and_scopes_matter():
    model = tiny_rfdn(num_feat=16)

    def kept(stage: PruneChannels) -> list[tuple[int, ...] | None]:
        return [edit.kept_out for edit in stage(model, tiny_example()).report.edits]

    base = PruneChannels(0.5, "magnitude")
    assert kept(base) != kept(replace(base, norm=1))
    assert kept(base) != kept(replace(base, scope="global"))
    assert kept(replace(base, importance="random")) != kept(replace(base, importance="random", seed=1))
    assert kept(replace(base, importance="taylor")) != kept(base)


def test_channels_come_in_multiples():
    report = PruneChannels(0.5, "magnitude", round_to=4)(tiny_rfdn(num_feat=24), tiny_example()).report
    widths = {edit.target: len(edit.kept_out or ()) for edit in report.edits}
    assert widths["blocks.0.refine.0"] % 4 == 0
    assert widths["blocks.0.last"] % 4 == 0


def test_the_example_remembers_the_first_network_over_two_prunings():
    model, example = tiny_rfdn(num_feat=12), tiny_example()
    first = PruneChannels(0.3, "magnitude")(model, example)
    example = example.after(model, first.report)
    second = PruneChannels(0.3, "magnitude")(first.model, example)
    after = example.after(first.model, second.report)
    assert after.unpruned is model
    assert after.kept is not None
    for path, layer in modules_of(second.model, nn.Conv2d):
        outs, ins = after.kept[path]
        original = model.get_submodule(path).weight[list(outs)][:, list(ins)]  # pyright: ignore
        assert torch.equal(original, layer.weight), path


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (PruneChannels(0.95), "grows again"),
        (PruneChannels(-0.1), "0 to 0.9"),
        (PruneChannels(float("nan")), "0 to 0.9"),
        (PruneChannels(importance="best"), "magnitude, taylor, random"),
        (PruneChannels(scope="all"), "local, global"),
        (PruneChannels(norm=3), "norm is 3"),
        (PruneChannels(round_to=0), "round_to"),
    ],
)
def test_wrong_parameters_are_refused_with_the_reason(stage: PruneChannels, words: str):
    with pytest.raises(UserError, match=words):
        stage(tiny_rfdn(), tiny_example())


def test_what_is_missing_is_named():
    with pytest.raises(UserError, match="calibration patches"):
        PruneChannels()(tiny_rfdn(), Example(tiny_example().lr))
    with pytest.raises(UserError, match="layout=dense"):
        PruneChannels()(
            apply_stages(tiny_branched(2, True), (MergeBranches("grouped"), ConcatToConv()), tiny_example()),
            tiny_example(),
        )


def test_a_ladder_of_cumulative_ratios_ends_at_the_widths_of_one_cut():
    start, example = tiny_rfdn(num_feat=13), tiny_example()
    example = replace(example, full_widths=widths_of(start))
    model: nn.Module = start
    for ratio in (0.1, 0.2, 0.3, 0.4, 0.5):
        model = PruneChannels(ratio, importance="magnitude", cumulative=True)(model, example).model
    at_once = PruneChannels(0.5, importance="magnitude")(start, example).model
    assert widths_of(model) == widths_of(at_once)


def test_a_cumulative_ratio_says_what_it_lacks():
    with pytest.raises(UserError, match="widths of the network that the ladder began with"):
        PruneChannels(0.5, importance="magnitude", cumulative=True)(tiny_rfdn(), tiny_example())
    with pytest.raises(UserError, match="scope=local"):
        PruneChannels(0.5, importance="magnitude", scope="global", cumulative=True)(tiny_rfdn(), tiny_example())
