import time
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn

from sr_explore.errors import UserError
from sr_explore.stages import (
    Calibration,
    Example,
    Polish,
    PolishProgress,
    PruneChannels,
    parse_stages,
    polishing,
)
from sr_explore.stages.polish import CHECKS, one_cycle
from tests.tiny import NETWORKS, relative_difference, tiny_example, tiny_rfdn


def pruned(name: str = "row", ratio: float = 0.4) -> tuple[nn.Module, Example]:
    model, example = NETWORKS[name](), tiny_example()
    example = replace(example, calibration=Calibration(torch.rand(12, 3, 20, 20, generator=seeded(1))))
    result = PruneChannels(ratio, "magnitude")(model, example)
    return result.model, example.after(model, result.report)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def distance(one: nn.Module, other: nn.Module) -> float:
    unseen = torch.rand(4, 3, 22, 22, generator=seeded(99))
    with torch.no_grad():
        return float((one(unseen) - other(unseen)).square().mean())


@pytest.mark.parametrize("name", ["row", "converted-4s"])
def test_it_comes_nearer_to_the_unpruned_network_also_on_pictures_it_has_not_seen(name: str):
    cut, example = pruned(name)
    assert example.unpruned is not None
    result = Polish(steps=60)(cut, example)
    assert distance(result.model, example.unpruned) < 0.5 * distance(cut, example.unpruned)
    figures = result.report.figures
    assert figures["psnr_after_db"] > figures["psnr_before_db"] + 3
    assert figures["steps"] == 60


def test_it_never_gives_something_worse_than_it_got():
    """The planted bug is a learning rate that destroys every network."""
    cut, example = pruned()
    result = Polish(steps=8, learning_rate=1e6)(cut, example)
    assert relative_difference(result.model, cut) == 0
    assert result.report.figures["psnr_after_db"] == result.report.figures["psnr_before_db"]


def test_a_loss_that_is_not_finite_ends_it(monkeypatch: pytest.MonkeyPatch):
    cut, example = pruned()
    monkeypatch.setattr("sr_explore.stages.polish.F.l1_loss", lambda sr, wanted: (sr - wanted).sum() * torch.nan)
    result = Polish(steps=8)(cut, example)
    assert relative_difference(result.model, cut) == 0
    assert result.report.figures["steps"] == 0


def test_held_out_patches_are_not_trained_on():
    cut, example = pruned()
    assert example.calibration is not None
    watched = example.unpruned
    assert watched is not None
    batches: list[torch.Tensor] = []
    watched.register_forward_pre_hook(lambda _, inputs: batches.append(inputs[0].clone()))
    Polish(steps=40)(cut, example)
    held_out, *trained = batches
    assert len(held_out) == 2
    seen = {round(float(patch.double().sum()), 3) for batch in trained for patch in batch}
    assert seen.isdisjoint(round(float(patch.double().sum()), 3) for patch in held_out)
    assert len(seen) == 10


def test_the_curve_is_told_from_the_first_moment_to_the_last():
    cut, example = pruned()
    told: list[PolishProgress] = []
    with polishing(told.append):
        result = Polish(steps=2 * CHECKS)(cut, example)
    assert [point.step for point in told][:3] == [0, 2, 4]
    assert told[-1].step == 2 * CHECKS
    assert all(one.seconds <= other.seconds for one, other in pairwise(told))
    assert told[0].psnr_db == result.report.figures["psnr_before_db"]
    assert max(point.psnr_db for point in told) == result.report.figures["psnr_after_db"]
    Polish(steps=1)(cut, example)
    assert told[-1].step == 2 * CHECKS, "the watcher outlived its block"


def test_it_stops_when_asked_and_keeps_the_best_so_far():
    cut, example = pruned()
    told: list[PolishProgress] = []
    started = time.perf_counter()
    with polishing(told.append, lambda: time.perf_counter() - started > 0.5):
        result = Polish(seconds=60)(cut, example)
    assert time.perf_counter() - started < 3
    assert result.report.figures["psnr_after_db"] >= told[0].psnr_db
    assert result.report.figures["seconds"] < 3


def test_it_takes_the_seconds_it_was_given():
    cut, example = pruned()
    result = Polish(seconds=0.5)(cut, example)
    assert 0.5 <= result.report.figures["seconds"] < 3
    assert result.report.figures["steps"] > 0


def test_structural_weights_stay_as_they_are():
    cut, example = pruned("converted-4s")
    before = cut.get_submodule("blocks.0.concat.mix").weight
    result = Polish(steps=5, learning_rate=1e-3)(cut, example)
    assert relative_difference(result.model, cut) > 0
    assert torch.equal(result.model.get_submodule("blocks.0.concat.mix").weight, before)  # pyright: ignore
    assert "blocks.0.concat.mix" not in {edit.target for edit in result.report.edits}


def test_the_unpruned_network_stays_as_it_is():
    cut, example = pruned()
    assert example.unpruned is not None
    before = {name: value.clone() for name, value in example.unpruned.state_dict().items()}
    Polish(steps=3)(cut, example)
    assert all(torch.equal(value, before[name]) for name, value in example.unpruned.state_dict().items())
    assert all(parameter.grad is None for parameter in example.unpruned.parameters())


def test_the_learning_rate_goes_up_and_then_down_to_nothing():
    rates = [one_cycle(step / 100) for step in range(101)]
    assert max(rates) == pytest.approx(1, abs=0.01)
    assert rates.index(max(rates)) == 20
    assert rates[-1] == pytest.approx(0, abs=1e-9)


def test_what_is_missing_is_named():
    cut, example = pruned()
    with pytest.raises(UserError, match="that prune-channels has cut"):
        Polish()(tiny_rfdn(), tiny_example())
    with pytest.raises(UserError, match="at least two calibration patches"):
        Polish()(cut, replace(example, calibration=Calibration(tiny_example().lr)))
    with pytest.raises(UserError, match="give seconds above 0"):
        Polish(seconds=0)(cut, example)
    with pytest.raises(UserError, match="more than 0"):
        Polish(learning_rate=0)(cut, example)
    assert parse_stages("polish:seconds=5") == (Polish(5.0),)
