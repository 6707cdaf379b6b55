import fnmatch
from pathlib import Path

import numpy as np
import pytest
import torch

from sr_explore import recipes, zoo
from sr_explore.errors import UserError
from sr_explore.images import write_png
from sr_explore.recipes import RECIPES, initial_network, read_recipe, train_recipe
from tests.tiny import relative_difference

TINY = """
network = { class = "RFDN", scale = 2, num_feat = 4 }
teacher = "TEACHER"
[[phase]]
steps = 3
batch_size = 2
patch_size = 16
teacher_weight = 0.5
validate_every = 100
[[phase]]
steps = 2
batch_size = 2
patch_size = 20
squared = true
trainable = ["tail.*"]
validate_every = 100
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for index in range(2):
        write_png(tmp_path / "photos" / f"{index}.png", rng.random((64, 72, 3)))
    return tmp_path / "photos"


@pytest.fixture
def recipe(tmp_path: Path) -> recipes.Recipe:
    torch.manual_seed(1)
    zoo.save(tmp_path / "teacher.safetensors", recipes.NETWORKS["RFDN"](scale=2, num_feat=4))
    (tmp_path / "tiny.toml").write_text(TINY.replace("TEACHER", str(tmp_path / "teacher.safetensors")))
    return read_recipe(str(tmp_path / "tiny.toml"))


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_has_a_start_and_names_parameters_that_exist(path: Path):
    recipe = read_recipe(path.stem)
    assert recipe.name == path.stem
    names = [name for name, _ in initial_network(recipe).named_parameters()]
    for phase in recipe.phases:
        for pattern in phase.trainable:
            assert fnmatch.filter(names, pattern), pattern


def test_a_recipe_trains_phase_by_phase_and_saves(recipe: recipes.Recipe, data: Path, tmp_path: Path):
    model, progress = train_recipe(recipe, data, tmp_path / "out")
    assert progress.step == 2
    saved = zoo.load(tmp_path / "out" / "tiny.safetensors")
    assert relative_difference(model, saved) == 0
    assert (tmp_path / "out" / "phase-1" / "checkpoint.safetensors").exists()


def test_resuming_a_finished_recipe_gives_the_same_network(recipe: recipes.Recipe, data: Path, tmp_path: Path):
    model, _ = train_recipe(recipe, data, tmp_path / "out")
    again, _ = train_recipe(recipe, data, tmp_path / "out", resume=True)
    assert relative_difference(model, again) == 0


def test_the_first_network_is_the_same_every_time(recipe: recipes.Recipe):
    assert relative_difference(initial_network(recipe), initial_network(recipe)) == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("steps = 3", "'steps', which is not known"),
        ("start = 'rfdn-x4'", "no \\[\\[phase\\]\\]"),
        ("[[phase]]\nsteps = 3", "either a \\[network\\]"),
        ("start = 'rfdn-x4'\n[[phase]]\nlr = 3", "'lr'"),
        ("start = ", "is not a recipe"),
    ],
)
def test_mistakes_in_a_recipe_are_named(text: str, words: str, tmp_path: Path):
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(UserError, match=words):
        read_recipe(str(tmp_path / "r.toml"))


def test_a_mistyped_recipe_gets_the_nearest():
    with pytest.raises(UserError, match="did you mean rfdn-x4-branched"):
        read_recipe("rfdn-x4-branchd")
