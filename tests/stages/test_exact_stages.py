"""What is special to the exact stages: published sizes, and that their check catches the smallest bug."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import nn

from sr_explore.analysis import equivalence, layer_table
from sr_explore.networks.rfdn import RFDN
from sr_explore.records import EquivalenceRecord
from sr_explore.stages import Branch, ConcatToConv, Fold, MergeBranches, Rescale, Stage, apply_stages
from sr_explore.surgery import modules_of
from tests.tiny import CUTS, NETWORKS, tiny_branched, tiny_example


def params(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_published_sizes_on_the_way():
    merged = apply_stages(RFDN().eval(), (Branch(), MergeBranches()), tiny_example())
    converted = ConcatToConv()(merged, tiny_example()).model
    assert params(merged) == 1_963_052
    assert params(converted) == 2_185_552
    table = layer_table(converted, (48, 48))
    assert table.structural_params == 182_500 + 40_000
    by_kind = {"permutation": 0, "selection": 0}
    for row in table.rows:
        if row.structural:
            by_kind["selection" if "heads" in row.path else "permutation"] += row.params
    assert by_kind == {"permutation": 182_500, "selection": 40_000}


@pytest.mark.parametrize(("num_branches", "small_blocks"), CUTS)
def test_the_grouped_layout_has_the_branches_weights(num_branches: int, small_blocks: bool):
    branched = tiny_branched(num_branches, small_blocks)
    assert params(MergeBranches("grouped")(branched, tiny_example()).model) == params(branched)


def test_folding_what_was_never_pruned_gives_back_the_merged_sizes():
    merged, folded = NETWORKS["merged-4s"](), NETWORKS["folded-4s"]()
    assert params(folded) == params(merged)
    assert len(list(modules_of(folded, nn.Conv2d))) == len(list(modules_of(merged, nn.Conv2d))) + 1


@dataclass(frozen=True)
class Case:
    stage: Stage
    start: str
    path: str
    ok: ClassVar[float] = 1e-12


CASES = [
    Case(MergeBranches(), "branched-4s", "blocks.0.refine.1"),
    Case(MergeBranches(), "branched-2", "heads.stack"),
    Case(MergeBranches("grouped"), "branched-4s", "entry.fuse"),
    Case(ConcatToConv(), "merged-4s", "blocks.0.concat.mix"),
    Case(ConcatToConv(), "merged-4s", "heads.rest"),
    Case(Fold(), "converted-4s", "blocks.0.fuse"),
    Case(Fold(), "converted-2", "heads.first"),
    Case(Rescale(-3), "row", "tail.upsample.conv"),
    Case(Rescale(4), "branched-4s", "branches.1.blocks.0.esa.expand"),
    Case(Rescale(3), "rlfn", "blocks.1.esa.expand"),
]


def checked(case: Case, planted: float) -> EquivalenceRecord:
    before = NETWORKS[case.start]()
    result = case.stage(before, tiny_example())
    layer = result.model.get_submodule(case.path)
    assert isinstance(layer, nn.Conv2d)
    with torch.no_grad():
        layer.weight[0, 0, 0, 0] += planted
    picture = torch.rand(1, 3, 33, 47, generator=torch.Generator().manual_seed(5))
    return equivalence(before, result.model, picture, result.report.edits)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.stage.name()}-{case.path}")
def test_the_check_of_an_exact_stage(case: Case):
    record = checked(case, planted=0)
    assert record.equal
    assert record.float64.relative <= 1e-12
    assert record.float32.relative <= 1e-5
    assert record.layers
    assert max(layer.float64 for layer in record.layers) <= 1e-12


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.stage.name()}-{case.path}")
def test_one_weight_off_by_a_hundred_thousandth_is_caught(case: Case):
    record = checked(case, planted=1e-5)
    assert not record.equal
    assert record.float64.relative > 1e-12
    targets = {layer.target for layer in record.layers if layer.float64 > 1e-12}
    owner = case.path.removesuffix(".mix")
    assert owner in targets, "the layer with the bug is not among those the check points to"


def test_swapped_branches_are_caught():
    before = tiny_branched(4, True)
    merged = MergeBranches()(before, tiny_example()).model
    last = merged.get_submodule("blocks.0.last")
    assert isinstance(last, nn.Conv2d)
    with torch.no_grad():
        last.weight[:8] = last.weight[[4, 5, 6, 7, 0, 1, 2, 3]]
    assert not equivalence(before, merged, torch.rand(1, 3, 20, 20)).equal
