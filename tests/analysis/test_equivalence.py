"""Equivalence must see every planted mistake, say where it sits, and touch nothing that it was given."""

import copy
from collections.abc import Callable
from math import inf, isnan
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from sr_explore.analysis import equivalence
from sr_explore.analysis.equivalence import exact_arithmetic
from sr_explore.errors import UserError
from sr_explore.networks.rfdn import RFDN
from sr_explore.records import EquivalenceRecord, LayerEdit
from sr_explore.stages.base import Example
from sr_explore.stages.branch import Branch
from sr_explore.stages.merge_branches import MergeBranches


class Merged(NamedTuple):
    """Two branches, and the same as one wide network."""

    before: nn.Module
    after: nn.Module
    edits: tuple[LayerEdit, ...]

    def compare(self, lr: Tensor) -> EquivalenceRecord:
        return equivalence(self.before, self.after, lr, self.edits)


class Apply(nn.Module):
    """A function as a network."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.forward = function


@pytest.fixture
def lr() -> Tensor:
    return torch.rand(1, 3, 24, 20, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def merged(lr: Tensor) -> Merged:
    torch.manual_seed(0)
    branched = Branch(num_branches=2)(RFDN(scale=2, num_feat=8, num_block=2), Example(lr)).model
    result = MergeBranches()(branched, Example(lr))
    return Merged(branched, result.model, result.report.edits)


def same(source: str, target: str) -> LayerEdit:
    return LayerEdit("copied", (source,), target, same_output=True)


def test_merged_branches_are_equal(merged, lr):
    record = merged.compare(lr)
    assert record.equal
    assert record.float64.relative < 1e-13
    assert record.float32.relative < 1e-5
    assert [layer.target for layer in record.layers] == [edit.target for edit in merged.edits]
    assert all(layer.float64 < 1e-12 and layer.float32 < 1e-4 for layer in record.layers)
    assert EquivalenceRecord.from_json(record.to_json()) == record


def test_error_that_float32_hides_is_seen(merged, lr):
    merged.after.get_parameter("blocks.0.distil.1.weight").data[0, 0, 0, 0] += 1e-5
    record = merged.compare(lr)
    assert not record.equal
    assert record.float64.relative > 1e-11
    assert record.float32.relative < 1e-5


def test_layers_point_at_the_mistake(merged, lr):
    merged.after.get_parameter("blocks.0.distil.1.weight").data[0, 0, 0, 0] += 1e-5
    wrong = [layer.target for layer in merged.compare(lr).layers if not layer.float64 <= 1e-12]
    assert wrong[:2] == ["blocks.0.distil.1", "blocks.0.fuse"]
    assert {"heads.stack", "entry.fuse", "blocks.0.refine.2", "blocks.0.last"}.isdisjoint(wrong)


@pytest.mark.parametrize("side", ["before", "after"])
def test_nan_is_never_equal(merged, lr, side):
    getattr(merged, side).get_parameter("tail.smooth.weight").data[0, 0, 0, 0] = torch.nan
    record = merged.compare(lr)
    assert not record.equal
    assert isnan(record.float64.relative)
    figures = {layer.target: layer.float64 for layer in record.layers}
    assert isnan(figures["tail.smooth"])
    assert figures["tail.fuse"] < 1e-12


def test_nan_in_one_pixel_is_found():
    spoil = torch.zeros(3, 40, 40)
    spoil[1, 5, 7] = torch.nan  # not the first value: Python's max() forgets a NaN that comes later
    record = equivalence(nn.Identity(), Apply(lambda x: x + spoil), torch.rand(1, 3, 40, 40))
    assert not record.equal
    assert isnan(record.float64.border)
    assert record.float64.interior == 0


def test_wrong_padding_shows_on_the_border_only(lr):
    torch.manual_seed(0)
    point, wide = nn.Conv2d(3, 5, 1).double(), nn.Conv2d(5, 3, 3, padding=1).double()
    assert point.bias is not None
    assert wide.bias is not None
    composed = nn.Conv2d(3, 3, 3, padding=1)
    composed.weight.data = torch.einsum("omhw,mi->oihw", wide.weight.data, point.weight.data[:, :, 0, 0])
    composed.bias = nn.Parameter(torch.einsum("omhw,m->o", wide.weight.data, point.bias.data) + wide.bias.data)
    record = equivalence(nn.Sequential(point, wide), composed, lr)
    assert record.float64.interior < 1e-14
    assert record.float64.border > 0.01
    assert not record.equal


def test_border_and_interior_by_hand():
    added = torch.zeros(40, 40)
    added[7, 20], added[8, 20] = 0.25, 0.5  # the border's last row and the interior's first
    lr = torch.rand(1, 3, 40, 40)
    lr[0, 0, 0, 0], lr[0, 0, 0, 1] = 0.0, 2.0
    record = equivalence(nn.Identity(), Apply(lambda x: x + added), lr)
    assert record.border_px == 8
    assert record.float64.border == pytest.approx(0.25)
    assert record.float64.interior == pytest.approx(0.5)
    assert record.float64.relative == pytest.approx(0.25)


@pytest.mark.parametrize(("side", "scale", "border_px"), [(64, 4, 32), (16, 4, 16), (64, 1, 8), (2, 1, 1), (1, 1, 1)])
def test_border_width(side, scale, border_px):
    record = equivalence(nn.Upsample(scale_factor=scale), nn.Upsample(scale_factor=scale), torch.rand(1, 3, side, side))
    assert record.border_px == border_px
    assert record.equal
    assert record.float64.interior == 0


def test_what_cannot_be_compared_is_infinite(merged, lr):
    edits = [
        same("nowhere", "tail.fuse"),
        same("tail.fuse", "nowhere"),
        same("branches.0.blocks.0.fuse", "blocks.0.fuse"),
        LayerEdit("stacked", ("heads.0", "tail.upsample"), "heads.stack", same_output=True),
        LayerEdit("copied", ("tail.fuse",), "tail.fuse"),  # promises nothing
        LayerEdit("new", (), "tail.fuse", same_output=True),  # has nothing to be compared with
    ]
    layers = equivalence(merged.before, merged.after, lr, edits).layers
    assert [(layer.float64, layer.float32) for layer in layers] == [(inf, inf)] * 4
    assert equivalence(nn.Upsample(scale_factor=2), nn.Upsample(scale_factor=3), lr).float64.relative == inf


@pytest.mark.parametrize(("times", "figure"), [((2, 2), 0), ((2, 1), inf), ((1, 2), inf), ((0, 1), inf), ((1, 0), inf)])
def test_layer_that_runs_several_times(lr, times, figure):
    layer = nn.Identity()
    before, after = (nn.Sequential(*[layer] * count) for count in times)
    assert equivalence(before, after, lr, [same("0", "0")]).layers[0].float64 == figure


def test_constant_outputs_have_a_scale(lr):
    zero, half, more = (Apply(lambda x, value=value: x * 0 + value) for value in (0, 0.5, 0.75))
    assert equivalence(zero, zero, lr).equal
    assert equivalence(half, half, lr).equal
    assert equivalence(half, more, lr).float64.relative == pytest.approx(0.5)


def test_in_place_activation_does_not_spoil_the_comparison(lr):
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True))
    assert equivalence(net, copy.deepcopy(net), lr, [same("0", "0")]).layers[0].float64 == 0


def test_networks_stay_untouched(merged, lr):
    models = merged.before.train(), merged.after.train()
    states = [copy.deepcopy(model.state_dict()) for model in models]
    merged.compare(lr)
    for model, state in zip(models, states, strict=True):
        torch.testing.assert_close(dict(model.state_dict()), dict(state), rtol=0, atol=0)  # checks the dtypes too
        assert model.training
        assert all(not module._forward_hooks for module in model.modules())
        assert all(parameter.requires_grad for parameter in model.parameters())


def test_arithmetic_settings_come_back(monkeypatch):
    cudnn: Any = torch.backends.cudnn
    monkeypatch.setattr(cudnn, "allow_tf32", True)
    monkeypatch.setattr(cudnn, "benchmark", True)
    with exact_arithmetic(torch.device("cpu")):
        assert (cudnn.allow_tf32, cudnn.benchmark) == (False, False)
    assert (cudnn.allow_tf32, cudnn.benchmark) == (True, True)


def test_small_picture_is_refused(merged):
    with pytest.raises(UserError, match="14×20 px is too small"):
        merged.compare(torch.rand(1, 3, 20, 14))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu(merged, lr):
    assert merged.compare(lr.cuda()).equal
