from typing import Any

import pytest
import torch

from sr_explore.analysis import conv_times, latency_ratios, layer_table, layer_times, rounds
from sr_explore.errors import UserError
from sr_explore.stages import PruneKernels
from tests.tiny import tiny_example, tiny_rlfn

CPU = torch.device("cpu")


class Pretend:
    """A clock that moves only when something runs; every second round takes three times as long."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.order, self.slow = 0.0, [], False
        monkeypatch.setattr(rounds, "_clock", lambda *_: lambda: self.now)
        monkeypatch.setattr(rounds.time, "perf_counter", lambda: self.now)

    def run(self, name: str, seconds: float) -> Any:
        def passes() -> None:
            self.order.append(name)
            self.slow = len(self.order) // 2 % 2 == 0
            self.now += seconds * (3 if self.slow else 1)

        return passes


def test_every_round_runs_all_of_them_and_a_slow_round_is_slow_for_all(monkeypatch: pytest.MonkeyPatch):
    clock = Pretend(monkeypatch)
    times = rounds.in_turns({"a": clock.run("a", 1), "b": clock.run("b", 2)}, CPU, 8, 1e9, 1)
    counted = clock.order[4:]
    assert all(set(pair) == {"a", "b"} for pair in zip(counted[::2], counted[1::2], strict=True))
    assert len({tuple(pair) for pair in zip(counted[::2], counted[1::2], strict=True)}) == 2, "in changing order"
    assert len(times["a"]) == len(times["b"]) == 8


def test_no_round_is_begun_after_the_limit_but_three_are_made(monkeypatch: pytest.MonkeyPatch):
    clock = Pretend(monkeypatch)
    assert len(rounds.in_turns({"a": clock.run("a", 1)}, CPU, 50, 0, 1)["a"]) == 3
    some = rounds.in_turns({"a": clock.run("a", 1)}, CPU, 50, 12, 1)["a"]
    assert 3 < len(some) < 12


def test_ratios_are_taken_round_by_round(monkeypatch: pytest.MonkeyPatch):
    times = {"first": [1.0, 3.0, 10.0], "other": [2.0, 6.0, 5.0]}
    monkeypatch.setattr(rounds, "in_turns", lambda *_: times)
    (record,) = latency_ratios({"first": tiny_rlfn(), "other": tiny_rlfn()}, [16], "cpu")["other"]
    assert (record.ms, record.ratio, record.rounds) == (5.0, 2.0, 3)
    assert (record.low, record.high) == (1.25, 2.0)
    assert (record.size, record.clock, record.threads) == ((16, 16), "CPU time", 1)


def test_networks_are_really_timed_and_left_alone():
    model = tiny_rlfn().train()
    before = torch.get_num_threads()
    records = latency_ratios({"a": model, "b": tiny_rlfn()}, [24, 16], "cpu", rounds=3)
    assert [record.size for record in records["b"]] == [(16, 16), (24, 24)]
    assert all(record.ratio == 1 and record.ms > 0 for record in records["a"])
    assert all(record.low <= record.ratio <= record.high for record in records["b"])
    assert model.training
    assert torch.get_num_threads() == before


def test_nothing_and_too_small_are_refused():
    with pytest.raises(UserError, match="at least one network"):
        latency_ratios({}, [16])
    with pytest.raises(UserError, match="too small"):
        latency_ratios({"a": tiny_rlfn()}, [8], "cpu")


def test_clocks_have_names():
    names = [rounds.clock_name(torch.device(kind), threads) for kind, threads in (("cpu", 1), ("cpu", 2), ("cuda", 1))]
    assert names == ["CPU time", "wall clock", "wall clock, GPU waited for"]


def test_single_convolutions_are_timed_in_order():
    times = conv_times((64, 4), (3, 1), side=32, device="cpu", rounds=5)
    assert [(time.kernel, time.channels) for time in times] == [(3, 64), (3, 4), (1, 64), (1, 4)]
    assert [time.macs for time in times[:2]] == [9 * 64 * 64 * 32 * 32, 9 * 4 * 4 * 32 * 32]
    assert times[0].ms > times[1].ms > 0


def test_a_profile_knows_every_layer_and_what_is_left():
    model, size = tiny_rlfn(), (24, 20)
    profile = layer_times(model, size, "cpu", rounds=3)
    table = layer_table(model, size)
    assert [(layer.path, layer.macs) for layer in profile.layers] == [(row.path, row.macs) for row in table.rows]
    assert all(layer.ms > 0 for layer in profile.layers)
    assert profile.rest_ms > 0
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    cut = PruneKernels("tail.smooth")(model, tiny_example()).model
    kernels = {layer.path: layer.kernel for layer in layer_times(cut, size, "cpu").layers}
    assert (kernels["tail.smooth"], kernels["head"]) == ((1, 1), (3, 3))


def test_layers_times_are_medians_without_the_first_pass(monkeypatch: pytest.MonkeyPatch):
    ticks = iter(range(1_000_000))
    monkeypatch.setattr(rounds, "_clock", lambda *_: lambda: float(next(ticks)))
    profile = layer_times(tiny_rlfn(), (16, 16), "cpu", rounds=1)
    assert {layer.ms for layer in profile.layers} == {1_000.0}
    count = len(profile.layers)
    assert profile.rest_ms == pytest.approx(1_000 * (count + 1)), "the ticks between the layers"
