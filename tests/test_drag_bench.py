from pathlib import Path

import pytest

from sr_explore import drag_bench, exploring, zoo
from sr_explore.calibration import shipped_calibration
from sr_explore.stages import Example
from tests.tiny import tiny_rfdn


def test_every_kind_of_answer_is_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The figures are the machine's and no test holds them to anything; only that they are all there."""
    calibration = shipped_calibration(2, patches=6, patch_size=32)
    monkeypatch.setattr(exploring, "shipped_example", lambda scale, patches=0: Example(calibration.lr[:1], calibration))
    zoo.save(tmp_path / "tiny.safetensors", tiny_rfdn())
    times = list(drag_bench.drag_times(str(tmp_path / "tiny.safetensors"), device="cpu"))
    assert len(times) == 12
    assert all(measured.seconds > 0 for measured in times)
    assert {measured.limit_s for measured in times} == {None, 1.0, 3.0, 0.3}
    assert "pruned, ratio 0.3" in str(times[3])
    assert "(at most 1 s)" in str(times[3])
