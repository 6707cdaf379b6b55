"""Every stage, on every tiny network that is ready for it, keeps the contract of `stages.base`."""

import copy
import json

import pytest
import torch
from torch import nn

from sr_explore.errors import UserError
from sr_explore.networks.registry import build, describe
from sr_explore.records import StageReport
from sr_explore.stages import (
    STAGES,
    Branch,
    Example,
    MergeBranches,
    Polish,
    PruneBiases,
    PruneChannels,
    PruneKernels,
    Rescale,
    Stage,
    parse_stages,
    stage_text,
)
from sr_explore.stages.base import weight_shape
from tests.tiny import NETWORKS, relative_difference, tiny_example

VARIANTS: list[Stage] = [
    *(stage() for stage in STAGES.values() if stage is not Polish),
    Polish(steps=3),  # by steps, because what it reaches in seconds differs from run to run
    Branch(2, small_blocks=False),
    MergeBranches("grouped"),
    PruneChannels(0.3, importance="magnitude", scope="global"),
    PruneChannels(0.6, importance="random", round_to=2),
    *(PruneKernels(count=2, start=start, ranking="response") for start in ("mean", "least-squares")),
    PruneKernels(macs=0.7),
    PruneKernels("*"),
    PruneBiases(keep=""),
    Rescale(6),
]


def ready_for(stage: Stage, name: str) -> tuple[nn.Module, Example] | None:
    """The network, pruned first where the stage asks for that; None where the stage does not apply to it."""
    model, example = NETWORKS[name](), tiny_example()
    if stage.name() in ("reconstruct", "polish"):
        pruning = PruneChannels(0.4, importance="magnitude")
        try:
            pruned = pruning(model, example)
        except UserError:
            return None
        model, example = pruned.model, example.after(model, pruned.report)
    try:
        stage.requires(model, example)
    except UserError:
        return None
    return model, example


CASES = [
    pytest.param(stage, name, id=f"{stage_text((stage,))}-{name}")
    for stage in VARIANTS
    for name in NETWORKS
    if ready_for(stage, name)
]


def test_every_stage_has_a_network_to_be_tried_on():
    tried = {stage.name() for stage in VARIANTS for name in NETWORKS if ready_for(stage, name)}
    assert tried == set(STAGES)


@pytest.mark.parametrize(("stage", "name"), CASES)
def test_contract(stage: Stage, name: str):
    ready = ready_for(stage, name)
    assert ready
    model, example = ready
    before = copy.deepcopy(model.state_dict())
    result = stage(model, example)

    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items()), "the input was changed"
    again = stage(model, example)
    assert relative_difference(result.model, again.model) == 0, "not deterministic"
    assert all(parameter.grad is None for parameter in result.model.parameters())

    assert StageReport.from_json(result.report.to_json()) == again.report
    for edit in result.report.edits:
        for source, shape in zip(edit.sources, edit.shapes_before, strict=True):
            assert weight_shape(model.get_submodule(source)) == shape
        target = result.model.get_submodule(edit.target)
        assert weight_shape(target) == (edit.shape_after or ())

    if result.report.exact:
        for size in [(19, 27), (15, 40)]:
            assert relative_difference(model, result.model, size) <= 1e-12
    rebuilt = build(json.loads(json.dumps(describe(result.model))), result.model.state_dict())
    assert relative_difference(result.model, rebuilt) == 0


@pytest.mark.parametrize("stage", VARIANTS, ids=lambda stage: stage_text((stage,)))
def test_stages_are_text_and_back(stage: Stage):
    assert parse_stages(stage_text((stage,))) == (stage,)
    assert json.loads(json.dumps(stage.parameters())) == stage.parameters()


def test_frozen_parameters_and_half_precision_do_not_matter():
    model = NETWORKS["row"]().requires_grad_(False)
    pruned = PruneChannels(0.5, importance="magnitude")(model, tiny_example()).model
    assert weight_shape(pruned.get_submodule("blocks.0.last")) < weight_shape(model.get_submodule("blocks.0.last"))


def test_a_stage_that_is_not_ready_says_what_is_missing():
    for stage, name, words in [
        (MergeBranches(), "row", "apply branch first"),
        (PruneChannels(importance="magnitude"), "merged-4s", "needs concat-to-conv first"),
    ]:
        with pytest.raises(UserError, match=words):
            stage(NETWORKS[name](), tiny_example())
