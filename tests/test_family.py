import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sr_explore import explore, family, recipes, zoo
from sr_explore.errors import UserError
from sr_explore.images import write_png
from sr_explore.networks.rfdn import RFDN
from sr_explore.resize import degrade
from sr_explore.state_files import sha256_of
from sr_explore.training import Phase, Recipe, TrainSettings
from sr_explore.zoo.cards import ModelCard

PHASE = Phase(TrainSettings(steps=1, batch_size=1, patch_size=15, validate_every=9))
TINY = (
    Recipe("tiny", (PHASE,), title="a row", recipe="tiny", network={"class": "RFDN", "scale": 4, "num_feat": 8}),
    Recipe("rfdn-x4-branched", (PHASE,), recipe="rfdn-x4-branched", start="tiny", stages="branch:num_branches=2"),
)


@pytest.fixture
def sets(tmp_path: Path) -> family.TestSets:
    rng = np.random.default_rng(0)
    for name in ("Set14", "Set5"):
        hr = rng.random((64, 80, 3), np.float32)
        write_png(tmp_path / "sets" / name / "HR" / "a.png", hr)
        write_png(tmp_path / "sets" / name / "LRx4" / "a.png", degrade(hr, 4))
    return family.test_sets(tmp_path / "sets")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    write_png(tmp_path / "photos" / "a.png", rng.random((64, 64, 3)))
    recipes.train_recipes(TINY, tmp_path / "photos", tmp_path / "runs")
    return tmp_path / "runs"


@pytest.fixture
def shipped(runs: Path, sets: family.TestSets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[ModelCard]:
    monkeypatch.setattr(family, "read_recipes", lambda _: TINY)
    (tmp_path / "weights").mkdir()
    return family.ship(runs, sets, tmp_path / "weights")


def test_set5_comes_first_and_folders_that_are_no_test_sets_are_left_out(sets: family.TestSets, tmp_path: Path):
    assert list(sets) == ["Set5", "Set14"]
    with pytest.raises(UserError, match="Set5/LRx4"):
        family.test_sets(tmp_path)


def test_every_member_gets_a_file_and_a_card_and_the_merged_one_a_card(shipped: list[ModelCard], tmp_path: Path):
    assert [card.name for card in shipped] == ["tiny", "rfdn-x4-branched", "rfdn-x4-merged"]
    on_disk = {path.name for path in (tmp_path / "weights").iterdir()}
    assert on_disk == {
        "tiny.json",
        "tiny.safetensors",
        "rfdn-x4-branched.json",
        "rfdn-x4-branched.safetensors",
        "rfdn-x4-merged.json",
    }
    for card in shipped:
        assert ModelCard.from_json((tmp_path / "weights" / f"{card.name}.json").read_text("utf-8")) == card


def test_cards_say_where_networks_come_from_and_what_they_cost(shipped: list[ModelCard], tmp_path: Path):
    row, branched, merged = shipped
    assert (row.steps, row.recipe, row.parent, row.untrained_psnr_y) == (1, "tiny", None, None)
    assert "no GPU" in row.hardware or torch.cuda.is_available()
    assert branched.parent_sha256 == row.sha256 == sha256_of(tmp_path / "weights" / "tiny.safetensors")
    assert branched.untrained_psnr_y is not None
    assert merged.derived_from == "rfdn-x4-branched"
    assert merged.macs > branched.macs > row.macs > 0


def test_scores_are_those_of_the_file_that_ships(shipped: list[ModelCard], sets: family.TestSets, tmp_path: Path):
    for card in shipped[:2]:
        explore.forget_networks()
        again = explore.evaluate(str(tmp_path / "weights" / f"{card.name}.safetensors"), *sets["Set5"])
        assert card.scores
        assert card.scores["Set5"].psnr_y == round(again.psnr_y, 3)


def test_what_has_not_changed_is_not_scored_again(
    shipped: list[ModelCard], runs: Path, sets: family.TestSets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    scored = []
    monkeypatch.setattr(family, "_scores", lambda path, _: scored.append(path.name) or shipped[0].scores)
    monkeypatch.setattr(family, "_psnr_y", lambda path, _: scored.append(path.name) or 30.0)
    assert family.ship(runs, sets, tmp_path / "weights") == shipped
    assert scored == []
    changed = zoo.load(runs / "rfdn-x4-branched" / "rfdn-x4-branched.safetensors")
    with torch.no_grad():
        changed.get_parameter("heads.0.bias").add_(1.0)
    made = zoo.provenance_of(runs / "rfdn-x4-branched" / "rfdn-x4-branched.safetensors")
    zoo.save(runs / "rfdn-x4-branched" / "rfdn-x4-branched.safetensors", changed, made)
    family.ship(runs, sets, tmp_path / "weights")
    assert set(scored) == {"rfdn-x4-branched.safetensors", "untrained.safetensors", "derived.part"}


def test_float16_is_refused_where_it_costs_quality(
    runs: Path, sets: family.TestSets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(family, "read_recipes", lambda _: TINY[:1])
    (tmp_path / "weights").mkdir()
    assert family.ship(runs, sets, tmp_path / "weights")[0].number_format == "float16"
    half = (tmp_path / "weights" / "tiny.safetensors").stat().st_size
    with monkeypatch.context() as patched:
        patched.setattr(family, "LARGEST_LOSS_DB", -1.0)
        (tmp_path / "weights" / "tiny.safetensors").unlink()  # else it is found unchanged and left as it is
        assert family.ship(runs, sets, tmp_path / "weights")[0].number_format == "float32"
    assert (tmp_path / "weights" / "tiny.safetensors").stat().st_size > 1.5 * half

    large = zoo.load(runs / "tiny" / "tiny.safetensors")
    with torch.no_grad():
        large.get_parameter("head.weight").mul_(2.0**20)  # beyond what float16 can hold
        large.get_parameter("tail.upsample.conv.weight").div_(2.0**20)
    zoo.save(runs / "tiny" / "tiny.safetensors", large)
    assert family.ship(runs, sets, tmp_path / "weights")[0].number_format == "float32"


def test_members_are_all_that_ships_and_what_was_published_beside_it():
    found = {member.name: member for member in family.members((24, 24), min_run_time_s=0)}
    assert set(zoo.names()) < set(found)
    aim = found["RFDN (AIM 2020)"]
    assert (aim.params, aim.line, aim.psnr_y["Set5"]) == (433_448, "published", 32.159)
    assert found["AdvancedSR (NTIRE 2024)"].params == 263_348
    assert found["4 branches, PRFDN's authors"].params == 437_648
    assert found["4 branches + small blocks, PRFDN's authors"].params == 570_548
    assert all(member.timing is None for member in found.values())


def test_networks_of_one_structure_are_timed_once(monkeypatch: pytest.MonkeyPatch):
    timed = []
    record = object()
    monkeypatch.setattr(family, "timing", lambda model, *_, **__: timed.append(model) or record)
    clock = family._Clock((24, 24), "cpu", "auto", 0.1)
    first, same, other = RFDN(num_feat=4), RFDN(num_feat=4), RFDN(num_feat=5)
    assert [clock.time(model) for model in (first, same, other)] == [record] * 3
    assert timed == [first, other]


def test_published_figures_name_their_source():
    for told in json.loads((zoo.WEIGHTS.parent / "published.json").read_text("utf-8")):
        assert told["source"]
        assert told["start"] in zoo.names()
