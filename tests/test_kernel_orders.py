import json

import pytest
import torch

from sr_explore import kernel_orders
from sr_explore.kernel_orders import SpareKernels, prepared, shared_order, shipped_order, spare_candidates
from sr_explore.latest_only import GaveUp
from sr_explore.networks.rfdn import RFDN
from sr_explore.networks.rlfn import RLFN
from sr_explore.stages import Calibration, Example, PruneKernels, Reconstruct
from tests.tiny import NETWORKS, tiny_rlfn

LR = torch.rand(3, 3, 40, 40, generator=torch.Generator().manual_seed(4))
EXAMPLE = Example(LR[:1], Calibration(LR))


def search(known: tuple[str, ...] = ()) -> SpareKernels:
    return SpareKernels(tiny_rlfn(), EXAMPLE, known, fitted=2)


@torch.no_grad()
def lost(*paths: str) -> float:
    """What the tiny network's picture of the last patch loses, refitted on the first two, without these kernels."""
    model, fitting = tiny_rlfn(), Example(LR[:1], Calibration(LR[:2]))
    cut = PruneKernels("+".join(paths))(model, fitting)
    refitted = Reconstruct(positions=kernel_orders.POSITIONS)(cut.model, fitting.after(model, cut.report)).model
    return float((refitted(LR[2:]) - model(LR[2:])).square().sum())


def test_each_step_takes_what_loses_least_with_the_former_ones_gone():
    spare = search()
    first, second = spare.first(2)
    alone = {path: lost(path) for path in spare.candidates}
    together = {path: lost(first, path) for path in spare.candidates if path != first}
    assert first == min(alone, key=lambda path: alone[path])
    assert second == min(together, key=lambda path: together[path])


def test_one_that_mattered_little_alone_is_measured_again(monkeypatch: pytest.MonkeyPatch):
    """As two layers of a block that stand in for each other: either could go, both could not."""
    spare = search()
    a, b, c, *rest = spare.candidates
    worth = {a: 1.0, b: 2.0, c: 3.0} | dict.fromkeys(rest, 99.0)
    monkeypatch.setattr(spare, "_error", lambda paths: worth[paths[-1]] + 50 * ({a, b} <= set(paths)))
    assert spare.first(3) == (a, c, b)


def test_more_is_found_by_going_on():
    spare, told = search(), []
    three = spare.first(3, told.append)
    assert len(told) >= len(spare.candidates)
    assert told[0].endswith("0 gone before")
    count = len(told)
    assert spare.first(2, told.append) == three[:2]
    assert len(told) == count
    everything = spare.first(len(spare.candidates), told.append)
    assert everything[:3] == three
    assert sorted(everything) == sorted(spare.candidates)


def test_what_is_known_is_not_measured_and_what_does_not_fit_is_not_believed():
    known = tuple(reversed(search().candidates))
    told: list[str] = []
    assert search(known).first(4, told.append) == known[:4]
    assert told == []
    assert search(known[1:]).first(1, told.append)
    assert told


def test_a_search_given_up_keeps_what_it_measured():
    spare, told = search(), []
    with pytest.raises(GaveUp):
        spare.first(1, told.append, lambda: len(told) == 3)
    again: list[str] = []
    spare.first(1, again.append)
    assert len(told) == 3
    assert len(told) + len(again) == len(spare.candidates)


def test_what_saves_nothing_is_not_offered():
    rlfn, rfdn = spare_candidates(RLFN()), spare_candidates(RFDN())
    assert len(rlfn) == 14
    assert len(rfdn) == 18
    assert not any(path.startswith("head") or ".esa." in path for path in (*rlfn, *rfdn))


@pytest.mark.parametrize("name", NETWORKS)
def test_all_that_is_offered_can_be_pruned(name: str):
    model = NETWORKS[name]()
    paths = spare_candidates(model)
    assert {edit.target for edit in PruneKernels("+".join(paths))(model, EXAMPLE).report.edits} == set(paths)


def test_all_who_ask_share_one_search():
    assert shared_order("somebody's", tiny_rlfn(), EXAMPLE) is shared_order("somebody's", tiny_rlfn(), EXAMPLE)


@pytest.mark.parametrize("name", json.loads(kernel_orders.ORDERS.read_text("utf-8")))
def test_shipped_orders_are_whole_and_of_these_weights(name: str):
    assert sorted(shipped_order(name)) == sorted(spare_candidates(prepared(name)))


def test_an_order_of_other_weights_is_not_used(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kernel_orders, "_weights_hash", lambda network: "0" * 64)
    assert shipped_order("rfdn-x4") == ()
    assert shipped_order("guest-nobody") == ()
