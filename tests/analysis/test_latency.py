import itertools
from typing import Any

import pytest

from sr_explore.analysis import latency, latency_over_size
from sr_explore.errors import UserError
from sr_explore.records import TimingRecord
from tests.tiny import tiny_rfdn


def pretend(monkeypatch: pytest.MonkeyPatch, seconds_per_pixel: float) -> list[int]:
    """A clock and a `timing` that pass `seconds_per_pixel` for every pixel; the sides that were asked for."""
    now, asked = [0.0], []

    def timing(_model: Any, size: tuple[int, int], *_: Any, **__: Any) -> TimingRecord:
        passed = seconds_per_pixel * size[0] * size[1]
        now[0] += 5 * passed
        asked.append(size[0])
        return TimingRecord(1_000 * passed, 0, 3, size, "CPU", "float32", 1)

    monkeypatch.setattr(latency, "timing", timing)
    monkeypatch.setattr(latency.time, "perf_counter", lambda: now[0])
    return asked


def test_sizes_come_in_order_and_all_networks_take_turns(monkeypatch: pytest.MonkeyPatch):
    asked = pretend(monkeypatch, 0.0)
    model: Any = None
    curves = latency_over_size({"a": model, "b": model}, [30, 10, 20])
    assert asked == [10, 10, 20, 20, 30, 30]
    assert [record.size for record in curves["b"]] == [(10, 10), (20, 20), (30, 30)]


def test_no_size_is_begun_that_would_pass_the_limit(monkeypatch: pytest.MonkeyPatch):
    asked = pretend(monkeypatch, 0.01)
    model: Any = None
    curves = latency_over_size({"a": model}, [10, 20, 40, 80], limit_s=110, min_run_time_s=0)
    assert asked == [10, 20, 40], "5 + 20 + 80 s; the next one would take 320 s"
    assert len(curves["a"]) == 3


def test_networks_are_really_timed():
    curves = latency_over_size({"tiny": tiny_rfdn()}, [16, 24], "cpu", min_run_time_s=0.01)
    assert all(record.median_ms > 0 and record.runs >= 1 for record in itertools.chain(*curves.values()))


def test_nothing_to_measure_and_pictures_too_small_are_refused():
    with pytest.raises(UserError, match="at least one network"):
        latency_over_size({})
    with pytest.raises(UserError, match="too small"):
        latency_over_size({"tiny": tiny_rfdn()}, [8])
