"""The tab that prunes: its handlers called directly."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sr_explore import guests, zoo
from sr_explore.page import Page
from sr_explore.page.prune import PruneTab
from sr_explore.page.upscale import ENLARGE, TEST

QUICK = ("rfdn-x4", 50, "magnitude", "local", False, False, False)


@pytest.fixture(scope="module")
def pruning(page: Page) -> PruneTab:
    return page.prune


def _asked(tab: PruneTab, path: Path | None, mode: str = TEST, **changes: Any) -> dict:
    names = ("network", "percent", "importance", "scope", "largest_first", "reconstruct", "trained")
    asked: dict[str, Any] = dict(zip(names, QUICK, strict=True)) | changes
    *_, last = tab.prune(None if path is None else str(path), mode, **asked)
    return last


def _pixels(path: str) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_picture_figures_and_bars_follow_the_slider(pruning: PruneTab, crop: Path):
    little, much = (_asked(pruning, crop, percent=percent) for percent in (10, 60))
    unpruned, pruned = (_pixels(path) for path in much[pruning.pair]["value"])
    assert (unpruned != pruned).any()
    assert (_pixels(little[pruning.pair]["value"][1]) != pruned).any()
    assert "60% pruned" in much[pruning.figures]
    assert little[pruning.figures] != much[pruning.figures]
    kept = [sum(shown[pruning.bars].data[0].y) for shown in (little, much)]
    assert kept[1] < 0.6 * kept[0]


def test_asking_again_computes_nothing(pruning: PruneTab, crop: Path, monkeypatch: pytest.MonkeyPatch):
    first = _asked(pruning, crop, percent=30)
    monkeypatch.setattr("sr_explore.exploring.Upscaler", lambda *_: pytest.fail("it was computed again"))
    assert _asked(pruning, crop, percent=30)[pruning.figures] == first[pruning.figures]


def test_without_a_reference_there_is_no_score(pruning: PruneTab, crop: Path):
    assert _asked(pruning, crop, ENLARGE)[pruning.figures].count("—") == 2
    assert "—" not in _asked(pruning, crop, TEST)[pruning.figures]


def test_mistakes_are_one_sentence(pruning: PruneTab, tmp_path: Path):
    Image.new("RGB", (40, 9)).save(tmp_path / "tiny.png")
    assert "choose one under Upscale" in _asked(pruning, None)[pruning.status]
    assert "too small" in _asked(pruning, tmp_path / "tiny.png")[pruning.status]
    assert "nothing is pruned yet" in pruning.write(None, TEST, {}, "auto", "auto")[pruning.status].lower()


def test_the_saved_file_is_the_network_that_is_shown(pruning: PruneTab, crop: Path):
    shown = _asked(pruning, crop)
    saved = pruning.write(str(crop), TEST, shown[pruning.made], "auto", "auto")[pruning.file]
    assert saved.endswith("rfdn-x4_pruned_50.safetensors")
    params = sum(value.numel() for value in zoo.load(saved).parameters())
    assert f"{params:,}" in shown[pruning.figures]


def test_the_pruned_network_can_be_compared(pruning: PruneTab, crop: Path):
    shown = _asked(pruning, crop)
    given = pruning.hand_over(str(crop), TEST, shown[pruning.made], "auto", "auto", {}, ["rfdn-x4-direct-50"])
    (name,) = given[pruning.shared.own]
    assert given[pruning.upscaling.extra]["value"] == ["rfdn-x4-direct-50", name]
    assert given[pruning.tabs].selected == "upscale"
    assert guests.load(name) is pruning_model(crop, shown[pruning.made])


def pruning_model(crop: Path, made: dict) -> Any:
    from sr_explore.page.prune import _model  # noqa: PLC0415

    return _model(str(crop), TEST, made, "auto", "auto")


def test_a_polish_shows_its_curve_and_ends_with_a_network(pruning: PruneTab, crop: Path):
    shown = list(pruning.train(str(crop), TEST, *QUICK, 2.0))
    assert sum(pruning.curve in one for one in shown) >= 3
    assert len([one for one in shown if pruning.pair in one]) >= 1
    last = next(one for one in reversed(shown) if pruning.made in one)
    assert "polished" in last[pruning.figures]
    assert guests.load(last[pruning.made]["guest"])._forward_hooks == {}


def test_what_is_not_pruned_cannot_be_polished(pruning: PruneTab, crop: Path):
    asked = (QUICK[0], 0, *QUICK[2:])
    shown = list(pruning.train(str(crop), TEST, *asked, 60.0))
    assert any("nothing to polish" in one.get(pruning.status, "") for one in shown)
