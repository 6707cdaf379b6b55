import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sr_explore import recipes, zoo
from sr_explore.errors import UserError
from sr_explore.images import write_png
from sr_explore.recipes import TrainingData, initial_network, is_finished, train_recipe, train_recipes
from sr_explore.state_files import read_state
from sr_explore.training import Recipe, read_recipe, read_recipes
from tests.tiny import relative_difference

TINY = """
network = { class = "RFDN", scale = 2, num_feat = 8 }
feature_teacher = "teacher"
[[phase]]
steps = 3
batch_size = 2
patch_size = 16
teacher_weight = 0.5
feature_weight = 0.1
feature_level = 0.5
forced = true
validate_every = 100
[[phase]]
steps = 2
batch_size = 2
patch_size = 20
squared = true
trainable = ["tail.*"]
validate_every = 100
"""

LADDER = """
start = "START"
stages = "branch:num_branches=2,merge-branches,concat-to-conv,fold"
[ladder]
stages = "prune-channels:cumulative=true:importance=magnitude:pruning_ratio={pruning_ratio}"
[[phase]]
batch_size = 2
patch_size = 16
validate_every = 100
[[rung]]
pruning_ratio = 0.25
steps = 2
[[rung]]
pruning_ratio = 0.5
steps = 3
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for index in range(2):
        write_png(tmp_path / "photos" / f"{index}.png", rng.random((64, 72, 3)))
    return tmp_path / "photos"


@pytest.fixture
def teacher(tmp_path: Path) -> str:
    torch.manual_seed(1)
    zoo.save(tmp_path / "teacher.safetensors", recipes.NETWORKS["RFDN"](scale=2, num_feat=8))
    return str(tmp_path / "teacher.safetensors")


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    (tmp_path / "tiny.toml").write_text(TINY)
    return read_recipe(str(tmp_path / "tiny.toml"))


@pytest.fixture
def ladder(tmp_path: Path) -> tuple[Recipe, ...]:
    (tmp_path / "rungs.toml").write_text(LADDER.replace("START", "tiny"))
    return read_recipes(str(tmp_path / "rungs.toml"))


def test_a_recipe_trains_phase_by_phase_and_saves(recipe: Recipe, photos: Path, teacher: str, tmp_path: Path):
    assert train_recipes([recipe], photos, tmp_path / "out", teacher)
    saved = tmp_path / "out" / "tiny" / "tiny.safetensors"
    assert relative_difference(zoo.load(saved), initial_network(recipe)) > 0
    assert (tmp_path / "out" / "tiny" / "phase-1" / "checkpoint.safetensors").exists()
    assert json.loads(read_state(saved).metadata["training"])["steps"] == 5
    assert len(json.loads((tmp_path / "out" / "tiny" / "curve.json").read_text())) == 2


def test_resuming_a_finished_recipe_gives_the_same_network(recipe: Recipe, photos: Path, tmp_path: Path):
    model, _ = train_recipe(recipe, TrainingData(photos), tmp_path / "out")
    again, _ = train_recipe(recipe, TrainingData(photos), tmp_path / "out", resume=True)
    assert relative_difference(model, again) == 0


def test_a_teacher_changes_what_is_learned(recipe: Recipe, photos: Path, teacher: str, tmp_path: Path):
    train_recipes([recipe], photos, tmp_path / "with", teacher)
    train_recipes([recipe], photos, tmp_path / "without")
    taught, alone = (zoo.load(tmp_path / name / "tiny" / "tiny.safetensors") for name in ("with", "without"))
    assert relative_difference(taught, alone) > 0


def test_a_ladder_goes_down_rung_by_rung_from_what_was_trained_before(
    recipe: Recipe, ladder: tuple[Recipe, ...], photos: Path, tmp_path: Path
):
    out = tmp_path / "out"
    assert [rung.name for rung in ladder] == ["rungs-25", "rungs-50"]
    assert train_recipes([recipe, *ladder], photos, out)
    networks = [zoo.load(out / name / f"{name}.safetensors") for name in ("rungs-25", "rungs-50")]
    # Two branches of 8 features make 16 in the merged blocks, and both ratios count from those.
    assert [net.get_submodule("blocks.0.refine.0").out_channels for net in networks] == [12, 8]
    below = zoo.provenance_of(out / "rungs-50" / "rungs-50.safetensors")
    assert below.parent == "rungs-25"
    assert below.parent_sha256


def test_going_on_leaves_finished_networks_and_repeats_what_came_from_another_start(
    recipe: Recipe, ladder: tuple[Recipe, ...], photos: Path, tmp_path: Path
):
    out, done = tmp_path / "out", []
    train_recipes([recipe, *ladder], photos, out)
    train_recipes([recipe, *ladder], photos, out, resume=True, on_done=lambda told, _: done.append(told.name))
    assert done == []
    zoo.save(out / "tiny" / "tiny.safetensors", recipes.NETWORKS["RFDN"](scale=2, num_feat=8))
    located = recipes._located(ladder[0], out)
    assert not is_finished(located, out / "rungs-25")


def test_a_network_of_another_recipe_is_not_taken_for_finished(recipe: Recipe, photos: Path, tmp_path: Path):
    train_recipes([recipe], photos, tmp_path / "out")
    other = Recipe(**{**vars(recipe), "phases": recipe.phases[:1]})
    assert is_finished(recipe, tmp_path / "out" / "tiny")
    assert not is_finished(other, tmp_path / "out" / "tiny")


def test_features_of_another_kind_of_network_are_refused_in_one_sentence(
    recipe: Recipe, ladder: tuple[Recipe, ...], teacher: str, photos: Path, tmp_path: Path
):
    phases = recipe.phases[:1]
    rung = Recipe(**{**vars(ladder[0]), "start": teacher, "full_start": teacher, "phases": phases, "teacher": teacher})
    rung = Recipe(**{**vars(rung), "feature_teacher": "teacher"})
    with pytest.raises(UserError, match="MergedRFDN meets RFDN"):
        train_recipe(rung, TrainingData(photos), tmp_path / "out")


def test_the_first_network_is_the_same_every_time(recipe: Recipe):
    assert relative_difference(initial_network(recipe), initial_network(recipe)) == 0
