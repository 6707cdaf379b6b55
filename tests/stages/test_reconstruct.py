from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from torch import nn

from sr_explore import zoo
from sr_explore.calibration import shipped_example
from sr_explore.errors import UserError
from sr_explore.stages import Calibration, Example, Fold, PruneChannels, PruneKernels, Reconstruct
from sr_explore.stages.least_squares import fit
from sr_explore.stages.reconstruct import traced
from sr_explore.surgery import modules_of
from tests.tiny import NETWORKS, relative_difference, tiny_example, tiny_rfdn


def distance(one: nn.Module, other: nn.Module, lr: torch.Tensor) -> float:
    with torch.no_grad():
        return float((one(lr) - other(lr)).square().mean())


def pruned(model: nn.Module, ratio: float = 0.4) -> tuple[nn.Module, Example]:
    example = tiny_example()
    result = PruneChannels(ratio, "magnitude")(model, example)
    return result.model, example.after(model, result.report)


@pytest.mark.parametrize("name", ["row", "branched-4s", "converted-4s", "converted-2", "folded-4s"])
def test_it_comes_nearer_to_the_unpruned_network_also_on_pictures_it_has_not_seen(name: str):
    model = NETWORKS[name]()
    cut, example = pruned(model)
    refitted = Reconstruct()(cut, example).model
    unseen = torch.rand(2, 3, 22, 22, generator=torch.Generator().manual_seed(99))
    assert distance(model, refitted, unseen) < 0.5 * distance(model, cut, unseen)


def test_nothing_pruned_is_nothing_changed():
    model = tiny_rfdn()
    cut, example = pruned(model, 0.0)
    assert relative_difference(model, Reconstruct()(cut, example).model) < 1e-5


def test_a_channel_that_repeats_another_is_made_up_for():
    """Two channels say the same; with one removed, least squares finds the weights of the sum by itself."""
    model = tiny_rfdn()
    with torch.no_grad():
        for block in model.blocks:
            block.distil[0].weight[1] = block.distil[0].weight[0] * 0.5  # pyright: ignore
            block.distil[0].bias[1] = block.distil[0].bias[0] * 0.5  # pyright: ignore
            block.fuse.weight[:, :2] *= 20  # pyright: ignore
    layer = "blocks.0.distil.0"
    keep = [index for index in range(4) if index != 1]
    cut = tiny_rfdn()
    cut.load_state_dict(model.state_dict())
    distil, fuse = cut.get_submodule(layer), cut.get_submodule("blocks.0.fuse")
    assert isinstance(distil, nn.Conv2d)
    assert isinstance(fuse, nn.Conv2d)
    distil.weight, distil.bias = nn.Parameter(distil.weight[keep]), nn.Parameter(distil.bias[keep])  # pyright: ignore
    columns = [*keep, *range(4, 16)]
    fuse.weight = nn.Parameter(fuse.weight[:, columns])
    whole = {
        path: (tuple(range(c.weight.shape[0])), tuple(range(c.weight.shape[1])))
        for path, c in modules_of(model, nn.Conv2d)
    }
    kept = {**whole, layer: (tuple(keep), tuple(range(8))), "blocks.0.fuse": (tuple(range(8)), tuple(columns))}
    example = replace(tiny_example(), unpruned=model, kept=kept)
    lr = tiny_example().lr
    assert distance(model, cut, lr) > 1e-8
    assert distance(model, Reconstruct(ridge=1e-6)(cut, example).model, lr) < 1e-3 * distance(model, cut, lr)


def test_low_resolution_patches_are_enough():
    cut, example = pruned(tiny_rfdn())
    assert example.calibration is not None
    bare = replace(example, calibration=Calibration(example.calibration.lr))
    assert relative_difference(Reconstruct()(cut, example).model, Reconstruct()(cut, bare).model) == 0


def test_structural_weights_stay_as_they_are():
    cut, example = pruned(NETWORKS["converted-4s"]())
    before = cut.get_submodule("blocks.0.concat.mix").weight
    assert torch.equal(Reconstruct()(cut, example).model.get_submodule("blocks.0.concat.mix").weight, before)  # pyright: ignore


def test_a_grouped_layer_is_fitted_group_by_group():
    torch.manual_seed(0)
    wanted, found = (nn.Conv2d(6, 4, 3, padding=1, groups=2) for _ in range(2))
    x = torch.rand(3, 6, 12, 12)
    with torch.no_grad():
        fit(found, x, wanted(x), 1e-9, 10_000)
        assert torch.allclose(found(x), wanted(x), atol=1e-4)


def test_grouped_layers_are_refitted():
    model, example = NETWORKS["grouped-4s"](), tiny_example()
    result = PruneKernels("blocks.*.refine.*")(model, example)
    refitted = Reconstruct()(result.model, example.after(model, result.report)).model
    unseen = torch.rand(2, 3, 22, 22, generator=torch.Generator().manual_seed(99))
    assert distance(model, refitted, unseen) < 0.5 * distance(model, result.model, unseen)


def test_what_is_missing_is_named():
    cut, example = pruned(NETWORKS["converted-4s"]())
    with pytest.raises(UserError, match="that was just pruned"):
        Reconstruct()(cut, tiny_example())
    with pytest.raises(UserError, match="needs calibration patches"):
        Reconstruct()(cut, replace(example, calibration=None))
    with pytest.raises(UserError, match="before fold"):
        Reconstruct()(Fold()(cut, example).model, example)
    with pytest.raises(UserError, match="more than 0"):
        Reconstruct(ridge=0)(cut, example)


def test_the_error_that_a_skip_carries_is_taken_over(monkeypatch: pytest.MonkeyPatch):
    """On a trained network, because only there do the errors of skips add up to something."""
    model, example = zoo.load("rfdn-x4"), shipped_example(4)
    assert example.calibration is not None
    example = replace(example, calibration=Calibration(example.calibration.lr[:6]))
    result = PruneChannels(0.5, "magnitude", norm=1)(model, example)
    example = example.after(model, result.report)
    lr = example.calibration.lr if example.calibration else example.lr
    corrected = distance(model, Reconstruct()(result.model, example).model, lr)
    monkeypatch.setattr("sr_explore.stages.reconstruct._skip_of", lambda node, ready: None)
    assert corrected < 0.99 * distance(model, Reconstruct()(result.model, example).model, lr)


class Nosy(nn.Module):
    """While somebody traces it, another thread runs another network, and the very network that is traced."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.other = nn.Conv2d(3, 3, 1), tiny_rfdn()
        self.answers: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with ThreadPoolExecutor(1) as visitor:
            self.answers += [visitor.submit(run, torch.ones(1, 3, 20, 20)).result() for run in (self.other, self.layer)]
        return self.layer(x)


def test_others_run_networks_while_one_is_traced():
    model = Nosy().eval()
    graph = traced(model)
    assert [node.op for node in graph.nodes] == ["placeholder", "call_module", "output"]
    lr = torch.ones(1, 3, 20, 20)
    assert torch.equal(model.answers[0], model.other(lr))
    assert torch.equal(model.answers[1], model.layer(lr))
