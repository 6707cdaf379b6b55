from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ipywidgets import HBox

from sr_explore import exploring, zoo
from sr_explore.calibration import shipped_calibration
from sr_explore.exploring import PruningRequest, PruningSession
from sr_explore.images import Photo
from sr_explore.stages import Example
from sr_explore.widgets import PruningExplorer
from tests.tiny import tiny_rfdn, tiny_rlfn

PHOTO = Photo(np.random.default_rng(0).random((48, 64, 3), np.float32), None, None, "noise")


@pytest.fixture
def explorer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PruningExplorer]:
    calibration = shipped_calibration(2, patches=6, patch_size=32)
    monkeypatch.setattr(exploring, "shipped_example", lambda scale, patches=0: Example(calibration.lr[:1], calibration))
    zoo.save(tmp_path / "tiny.safetensors", tiny_rfdn())
    session = PruningSession(str(tmp_path / "tiny.safetensors"), PHOTO, is_reference=True, device="cpu")
    explorer = PruningExplorer(session, PruningRequest(0.5))
    assert explorer.wait()
    yield explorer
    explorer.close()


def shown(explorer: PruningExplorer) -> dict[str, Any]:
    bars: Any = explorer.bars.data[0]
    pictures: Any = explorer.pictures
    return {
        "kept": sum(bars.y),
        "picture": pictures.data[1].source,
        "title": pictures.layout.annotations[1].text,
        "table": explorer.figures.value,
    }


def test_everything_on_the_screen_follows_the_slider(explorer: PruningExplorer):
    half = shown(explorer)
    explorer.ratio.value = 0.25
    assert explorer.wait()
    quarter = shown(explorer)
    assert explorer.record is not None
    assert explorer.record.request == PruningRequest(0.25)
    assert quarter["kept"] > half["kept"]
    assert all(quarter[name] != half[name] for name in half)
    assert "25% pruned" in quarter["title"]
    assert f"{explorer.record.params:,}" in quarter["table"]
    assert explorer.status.value == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("importance", "magnitude"),
        ("scope", "global"),
        ("largest_first", True),
        ("reconstruct", True),
        ("kernels", 2),
        ("drop_biases", True),
    ],
)
def test_every_control_is_part_of_the_request(explorer: PruningExplorer, name: str, value: object):
    before = shown(explorer)["picture"]
    getattr(explorer, name).value = value
    assert explorer.wait()
    assert explorer.record is not None
    assert getattr(explorer.record.request, name) == value
    assert shown(explorer)["picture"] != before


def test_the_start_of_a_kernel_is_part_of_the_request(explorer: PruningExplorer):
    explorer.kernels.value = 2
    assert explorer.wait()
    before = shown(explorer)["picture"]
    explorer.start.value = "mean"
    assert explorer.wait()
    assert explorer.record is not None
    assert explorer.record.request == PruningRequest(0.5, kernels=2, start="mean")
    assert shown(explorer)["picture"] != before
    assert "2 kernels 1×1" in shown(explorer)["title"]
    assert sum(name.endswith(", 1×1") for name in explorer.bars.data[0].x) == 2  # pyright: ignore


def has_kernel_controls(explorer: PruningExplorer) -> bool:
    rows = [child for child in explorer.children if isinstance(child, HBox)]
    return any(explorer.kernels in row.children for row in rows)


def test_kernels_are_offered_where_asked_for_and_for_rlfn(explorer: PruningExplorer, tmp_path: Path):
    assert not has_kernel_controls(explorer)
    zoo.save(tmp_path / "rlfn.safetensors", tiny_rlfn())
    rlfn = PruningSession(str(tmp_path / "rlfn.safetensors"), PHOTO, device="cpu")
    for session, options, wanted in [
        (explorer.session, {"kernels": True}, True),
        (explorer.session, {"request": PruningRequest(drop_biases=True)}, True),
        (rlfn, {}, True),
        (rlfn, {"kernels": False}, False),
    ]:
        with_kernels = PruningExplorer(session, **options)
        assert with_kernels.wait(60)
        assert has_kernel_controls(with_kernels) == wanted
        assert with_kernels.kernels.max == len(session.kernels)
        with_kernels.close()


def test_the_last_value_wins_and_zoom_is_left_alone(explorer: PruningExplorer):
    pictures: Any = explorer.pictures
    pictures.update_layout(xaxis_range=(10, 20))
    for ratio in (0.1, 0.2, 0.3, 0.4, 0.7):
        explorer.ratio.value = ratio
    assert explorer.wait()
    assert explorer.record is not None
    assert explorer.record.request.ratio == pytest.approx(0.7)
    assert tuple(pictures.layout.xaxis.range) == (10, 20)


def test_what_goes_wrong_is_one_sentence_and_the_next_drag_works(explorer: PruningExplorer):
    explorer.trained.value = True  # nothing was trained for this network, which is why the control is off
    assert explorer.wait()
    assert explorer.trained.disabled
    assert explorer.importance.disabled
    assert explorer.kernels.disabled
    assert "no trained pruned networks" in explorer.status.value
    explorer.trained.value = False
    assert explorer.wait()
    assert explorer.status.value == ""


def test_polish_draws_its_curve_and_shows_what_it_gained(explorer: PruningExplorer):
    assert explorer.curve_box.layout.display == "none"
    explorer.seconds.value = 2
    explorer.polish.click()
    assert explorer.wait()
    assert explorer.record is not None
    assert explorer.record.polished
    curve: Any = explorer.curve.data[0]
    assert len(curve.x) > 2
    assert curve.x[-1] >= 1.9
    assert explorer.curve_box.layout.display == "block"
    assert "polished" in shown(explorer)["title"]
    assert (explorer.polish.disabled, explorer.stop.disabled) == (False, True)


def test_stop_ends_a_polish_and_so_does_the_slider(explorer: PruningExplorer):
    for end in (explorer.stop.click, lambda: setattr(explorer.ratio, "value", 0.3)):
        explorer.seconds.value = 120
        explorer.polish.click()
        while explorer.stop.disabled:
            assert not explorer.wait(0.02)
        end()
        assert explorer.wait(20)
    assert explorer.record is not None
    assert explorer.record.request == PruningRequest(0.3)
    assert not explorer.record.polished


def test_nothing_to_polish_is_said(explorer: PruningExplorer):
    explorer.ratio.value = 0
    explorer.polish.click()
    assert explorer.wait()
    assert "nothing to polish" in explorer.status.value
