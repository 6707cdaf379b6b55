from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from sr_explore import pipeline, zoo
from sr_explore.analysis import equivalence, layer_table
from sr_explore.errors import UserError
from sr_explore.stages import (
    Calibration,
    Example,
    PruneBiases,
    PruneChannels,
    PruneKernels,
    Reconstruct,
    off_centre,
    wide_kernels,
)
from sr_explore.stages.prune_kernels import macs_of
from tests.tiny import NETWORKS, relative_difference, tiny_example, tiny_rlfn

ADVANCED_SR = PruneKernels("blocks.3.refine.1+tail.smooth+tail.upsample.conv")
MIDDLE = "blocks.1.refine.1"


def conv(model: nn.Module, path: str) -> nn.Conv2d:
    layer = model.get_submodule(path)
    assert isinstance(layer, nn.Conv2d)
    return layer


def with_zero_outer_taps(*paths: str) -> nn.Module:
    model = tiny_rlfn()
    with torch.no_grad():
        for path in paths:
            centre = conv(model, path).weight[:, :, 1, 1].clone()
            conv(model, path).weight.zero_()[:, :, 1, 1] = centre
    return model


def distance(one: nn.Module, other: nn.Module) -> float:
    lr = torch.rand(2, 3, 22, 22, generator=torch.Generator().manual_seed(99))
    with torch.no_grad():
        return float((one(lr) - other(lr)).square().mean())


@pytest.mark.parametrize("start", ["centre", "mean"])
def test_zeros_around_the_centre_are_pruned_exactly_and_the_check_says_so(start: str):
    model = with_zero_outer_taps(MIDDLE, "tail.smooth")
    run = pipeline.run(model, [PruneKernels(f"{MIDDLE}+tail.smooth", start=start)], tiny_example(), size=(20, 20))
    step = run.record.steps[0]
    assert step.exact
    assert step.equivalence is not None
    assert step.equivalence.equal
    assert [layer.target for layer in step.equivalence.layers] == [MIDDLE, "tail.smooth"]


def test_the_check_catches_a_tap_that_was_not_quite_zero():
    model = with_zero_outer_taps(MIDDLE)
    result = PruneKernels(MIDDLE)(model, tiny_example())
    with torch.no_grad():
        conv(model, MIDDLE).weight[0, 0, 0, 0] = 1e-5
    assert not equivalence(model, result.model, tiny_example().lr, result.report.edits).equal
    again = PruneKernels(MIDDLE)(model, tiny_example())
    assert not again.report.exact
    assert not again.report.edits[0].same_output


def test_one_layer_that_lost_something_makes_the_stage_lossy():
    report = PruneKernels(f"{MIDDLE}+tail.smooth")(with_zero_outer_taps(MIDDLE), tiny_example()).report
    assert [edit.same_output for edit in report.edits] == [True, False]
    assert not report.exact


def test_the_centre_tap_and_the_bias_are_taken():
    model = tiny_rlfn()
    old, new = (conv(net, MIDDLE) for net in (model, PruneKernels(MIDDLE)(model, tiny_example()).model))
    assert torch.equal(new.weight, old.weight[:, :, 1:2, 1:2])
    assert new.bias is not None
    assert torch.equal(new.bias, old.bias)  # pyright: ignore[reportArgumentType]


def test_the_mean_gives_the_same_where_the_picture_is_flat():
    model = tiny_rlfn()
    new = conv(PruneKernels(MIDDLE, start="mean")(model, tiny_example()).model, MIDDLE)
    flat = torch.rand(1, 8, 1, 1).expand(1, 8, 7, 7)
    assert torch.allclose(new(flat)[..., 3, 3], conv(model, MIDDLE)(flat)[..., 3, 3], atol=1e-6)


def test_least_squares_comes_nearest_to_the_layers_own_output():
    model, example = tiny_rlfn(), tiny_example()
    x = tiny_example(7).calibration.lr  # pyright: ignore[reportOptionalMemberAccess]
    wanted = conv(model, "head")(x)
    errors = {}
    for start in ("centre", "mean", "least-squares"):
        new = conv(PruneKernels("head", start=start)(model, example).model, "head")
        errors[start] = float((new(x) - wanted).detach().square().mean())
    assert errors["least-squares"] < 0.9 * min(errors["centre"], errors["mean"])


def test_the_share_of_the_centre_tap():
    model = with_zero_outer_taps(MIDDLE)
    with torch.no_grad():
        conv(model, "tail.smooth").weight[:, :, 1, 1] = 0
    shares = off_centre(model, tiny_example().calibration.lr)  # pyright: ignore[reportOptionalMemberAccess]
    assert list(shares) == list(wide_kernels(model))
    assert shares[MIDDLE] == 0
    assert shares["tail.smooth"] == pytest.approx(1)
    assert "blocks.0.esa.stride" not in shares, "without padding, 1×1 would give another size"


@pytest.mark.parametrize("ranking", ["response", "output"])
def test_the_layers_that_matter_least_go_first(ranking: str):
    model = with_zero_outer_taps(MIDDLE, "blocks.0.refine.2")
    patches = Calibration(torch.rand(2, 3, 40, 40))  # the attention's small map has to be more than one place
    example = replace(tiny_example(), calibration=patches)
    assert PruneKernels(count=2, ranking=ranking).chosen(model, example) == ["blocks.0.refine.2", MIDDLE]


def test_a_budget_of_multiply_adds_is_kept_and_not_overshot():
    model, example = tiny_rlfn(), tiny_example()
    size = (example.lr.shape[-2], example.lr.shape[-1])
    whole = layer_table(model, size).macs
    assert sum(macs_of(model, example.lr).values()) == whole
    result = PruneKernels(macs=0.7)(model, example)
    assert layer_table(result.model, size).macs <= 0.7 * whole
    chosen = [edit.target for edit in result.report.edits]
    for path in chosen:  # without any one of them it would not be kept
        fewer = "+".join(other for other in chosen if other != path)
        assert layer_table(PruneKernels(fewer)(model, example).model, size).macs > 0.6 * whole
    with pytest.raises(UserError, match="of the multiply-adds are left"):
        PruneKernels(macs=0.05)(model, example)
    assert PruneKernels(macs=1.0)(model, example).report.edits == ()


def test_a_budget_takes_what_costs_nothing_first():
    patches = Calibration(torch.rand(2, 3, 40, 40))
    example = replace(tiny_example(), calibration=patches)
    assert PruneKernels(macs=0.99).chosen(with_zero_outer_taps(MIDDLE), example) == [MIDDLE]


def test_what_channels_are_left_is_remembered_when_a_kernel_goes():
    model, example = tiny_rlfn(), tiny_example()
    pruned = PruneChannels(0.4, "magnitude")(model, example)
    before = example.after(model, pruned.report)
    result = PruneKernels("tail.smooth")(pruned.model, before)
    after = before.after(pruned.model, result.report)
    assert after.kept == before.kept
    assert after.unpruned is model
    assert any(outs != tuple(range(len(outs))) for outs, _ in (after.kept or {}).values())


@pytest.mark.parametrize("name", ["rlfn", "row", "branched-4s", "converted-4s"])
def test_reconstruct_works_after_kernels_biases_and_channels_in_any_mixture(name: str):
    model, example = NETWORKS[name](), tiny_example()
    stages = [PruneKernels("*refine.0"), PruneBiases(), PruneChannels(0.3, "magnitude"), PruneKernels("tail.smooth")]
    cut, told = model, example
    for stage in stages:
        result = stage(cut, told)
        told = told.after(cut, result.report)
        cut = result.model
        refitted = Reconstruct()(cut, told)
        assert distance(model, refitted.model) < 0.7 * distance(model, cut)
    assert told.unpruned is model


def test_reconstruct_leaves_what_was_pruned_exactly_as_it_was():
    model, example = with_zero_outer_taps(MIDDLE), tiny_example()
    result = PruneKernels(MIDDLE)(model, example)
    refitted = Reconstruct()(result.model, example.after(model, result.report)).model
    assert relative_difference(model, refitted) < 1e-5


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (PruneKernels("tail.smoth"), "did you mean tail.smooth"),
        (PruneKernels("blocks.0.esa.stride"), "no kernel that can become 1×1"),
        (PruneKernels(count=0), "count is 0"),
        (PruneKernels(count=12), "has 11 kernels"),
        (PruneKernels(macs=1.5), "macs is 1.5"),
        (PruneKernels(start="middle"), "centre, mean"),
        (PruneKernels(ranking="loss"), "response, output"),
    ],
)
def test_what_cannot_be_is_one_sentence(stage: PruneKernels, words: str):
    with pytest.raises(UserError, match=words):
        stage(tiny_rlfn(), tiny_example())


def test_patches_are_asked_for_where_they_are_needed():
    bare = Example(tiny_example().lr)
    for stage in (PruneKernels(), PruneKernels(macs=0.5), PruneKernels("head", start="least-squares")):
        with pytest.raises(UserError, match="needs calibration patches"):
            stage(tiny_rlfn(), bare)
    PruneKernels("head")(tiny_rlfn(), bare)


def test_kernels_that_are_1x1_already_are_left_alone():
    model = PruneKernels("*")(tiny_rlfn(), tiny_example()).model
    with pytest.raises(UserError, match="no kernel that can become 1×1"):
        PruneKernels("head")(model, tiny_example())


def test_gradients_are_another_networks_after_a_kernel_went():
    model, example = tiny_rlfn(), replace(tiny_example(), gradients={})
    assert example.after(model, PruneKernels("head")(model, example).report).gradients is None


@pytest.mark.shared
def test_advanced_srs_choices_give_its_structure(shared_data: Path):
    """Its checkpoint loads strictly into what our two stages make of the baseline."""
    baseline = zoo.load(shared_data / "weights" / "rlfn_ntire_x4.pth")
    theirs = zoo.load(shared_data / "weights" / "team17_AdvancedSR.pth")
    run = pipeline.run(baseline, [ADVANCED_SR, PruneBiases()], tiny_example(scale=4), size=(256, 256))
    run.model.load_state_dict(theirs.state_dict(), strict=True)
    assert relative_difference(run.model, theirs) == 0
    assert run.record.start.params == 317_218
    assert run.record.steps[-1].params == 263_348
