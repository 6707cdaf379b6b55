"""The tab that prunes: its handlers called directly."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import nn

from sr_explore import guests, zoo
from sr_explore.page import Page
from sr_explore.page.prune import PruneTab
from sr_explore.page.prune_controls import most_kernels
from sr_explore.page.upscale import ENLARGE, TEST
from sr_explore.surgery import modules_of
from tests.tiny import tiny_rlfn

QUICK = ("rfdn-x4", 50, "magnitude", "local", False, False, False)

ONE_BY_ONE = sum(layer.kernel_size == (1, 1) for _, layer in modules_of(tiny_rlfn(), nn.Conv2d))


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


@pytest.fixture(scope="module")
def own() -> dict[str, str]:
    """A visitor's RLFN, whose kernels are searched in no time."""
    return {guests.admit(tiny_rlfn(scale=4)): "Yours: tiny"}


def test_kernels_and_biases_show_in_picture_table_and_bars(pruning: PruneTab, crop: Path, own: dict[str, str]):
    asked = {"network": next(iter(own)), "own": own, "percent": 0, "reconstruct": True}
    nothing = _asked(pruning, crop, **asked)
    cut = _asked(pruning, crop, **asked, kernels=2, start="mean", drop_biases=True)
    assert (_pixels(nothing[pruning.pair]["value"][1]) != _pixels(cut[pruning.pair]["value"][1])).any()
    assert "2 kernels 1×1, no biases, reconstructed" in cut[pruning.figures]
    assert sum(name.endswith(", 1×1") for name in cut[pruning.bars].data[0].x) == 2
    assert cut[pruning.made]["title"] == "Yours: tiny, 2 kernels 1×1, no biases"
    assert cut[pruning.made]["stem"] == "own_kernels_2_no_biases"


def test_a_search_is_told_of(pruning: PruneTab, crop: Path):
    name = guests.admit(tiny_rlfn(scale=4, seed=1))
    told = [shown[pruning.status] for shown in pruning.prune(str(crop), TEST, name, *QUICK[1:], kernels=1)]
    assert sum("which kernels can be spared" in text for text in told) > 5
    assert "of the work is left" in told[-1]


def test_a_search_stops_when_the_slider_moves_on(pruning: PruneTab, crop: Path):
    name = guests.admit(tiny_rlfn(scale=4, seed=2))
    searching = pruning.prune(str(crop), TEST, name, *QUICK[1:], kernels=3)
    told = []
    for shown in searching:
        told.append(shown[pruning.status])
        if "which kernels can be spared" in told[-1]:
            pruning.move_on(name, 0)
    assert "Something else is wanted" in told[-1]
    assert sum("which kernels can be spared" in text for text in told) < most_kernels(name)
    assert "of the work is left" in _asked(pruning, crop, network=name, kernels=0)[pruning.status]


def test_kernels_alone_are_saved_compared_and_polished(pruning: PruneTab, crop: Path, own: dict[str, str]):
    asked = (next(iter(own)), 0, *QUICK[2:])
    cut: dict[str, Any] = {"own": own, "kernels": 1, "drop_biases": True}
    *_, shown = pruning.prune(str(crop), TEST, *asked, **cut)
    saved = pruning.write(str(crop), TEST, shown[pruning.made], "auto", "auto")[pruning.file]
    model = zoo.load(saved)
    assert sum(layer.kernel_size == (1, 1) for _, layer in modules_of(model, nn.Conv2d)) == 1 + ONE_BY_ONE
    given = pruning.hand_over(str(crop), TEST, shown[pruning.made], "auto", "auto", own, [])
    assert "Yours: tiny, 1 kernel 1×1, no biases" in given[pruning.shared.own].values()
    polished = list(pruning.train(str(crop), TEST, *asked, 1.0, **cut))
    assert any("1 kernel 1×1, no biases, polished" in one.get(pruning.figures, "") for one in polished)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kernels": 99}, "is 99; give 0 to 18"),
        ({"kernels": 1.5}, "give a whole number"),
        ({"kernels": 1, "start": "middle"}, "use one of centre, mean"),
        ({"network": "none-x4"}, "no network called"),
    ],
)
def test_bad_requests_are_one_sentence(pruning: PruneTab, crop: Path, changes: dict[str, Any], words: str):
    assert words in _asked(pruning, crop, **changes)[pruning.status]


def test_fine_tuned_networks_are_of_the_rfdn_family_only(pruning: PruneTab, crop: Path, own: dict[str, str]):
    said = _asked(pruning, crop, network=next(iter(own)), own=own, trained=True)[pruning.status]
    assert "No fine-tuned networks are shipped for Yours: tiny; untick" in said
    assert "untick" not in _asked(pruning, crop, trained=True)[pruning.status]


@pytest.mark.parametrize("endpoint", ["/prune", "/polish"])
def test_new_parameters_stand_at_the_end_of_an_endpoint(page: Page, endpoint: str):
    described: Any = page.demo.get_api_info()
    given = described["named_endpoints"][endpoint]["parameters"]
    assert [one["parameter_name"] for one in given][-3:] == ["kernels", "start", "drop_biases"]
    assert [one["parameter_default"] for one in given][-3:] == [0, "centre", False]
    assert all(one["parameter_has_default"] for one in given[-3:])


def test_what_is_not_pruned_cannot_be_polished(pruning: PruneTab, crop: Path):
    asked = (QUICK[0], 0, *QUICK[2:])
    shown = list(pruning.train(str(crop), TEST, *asked, 60.0))
    assert any("nothing to polish" in one.get(pruning.status, "") for one in shown)
