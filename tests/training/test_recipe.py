import fnmatch
from pathlib import Path

import pytest

from sr_explore.errors import UserError
from sr_explore.networks.rfdn import RFDN, BranchedRFDN
from sr_explore.stages import parse_stages
from sr_explore.training import read_recipe, read_recipes, with_batches
from sr_explore.training.recipe import RECIPES

FAMILY = read_recipes("family")
NETWORKS = {"": RFDN(), "branch:num_branches=4": BranchedRFDN(4), "branch:num_branches=2": BranchedRFDN(2)}


def test_the_family_trains_every_network_after_the_one_it_starts_from():
    seen: set[str] = set()
    for recipe in FAMILY:
        assert recipe.network or recipe.start in seen
        seen.add(recipe.name)


@pytest.mark.parametrize("ladder", ["pruned", "direct"])
def test_each_ladder_has_sixteen_rungs_down_to_a_tenth_of_the_channels(ladder: str):
    rungs = read_recipes(f"rfdn-x4-{ladder}")
    assert len(rungs) == 16
    ratios = [next(s for s in parse_stages(rung.stages) if s.name() == "prune-channels") for rung in rungs]
    ratios = [stage.pruning_ratio for stage in ratios]  # pyright: ignore[reportAttributeAccessIssue]
    assert ratios == sorted(ratios)
    assert {0.5, 0.75, 0.9} <= set(ratios)
    assert all(rung.stages.endswith("reconstruct") for rung in rungs)
    assert [rung.start for rung in rungs[1:]] == [rung.name for rung in rungs[:-1]]


@pytest.mark.parametrize("recipe", FAMILY, ids=lambda recipe: recipe.name)
def test_every_shipped_recipe_names_stages_and_parameters_that_exist(recipe):
    parse_stages(recipe.stages)
    for phase in recipe.phases:
        if phase.trainable != ("*",):
            names = [name for name, _ in NETWORKS[recipe.stages].named_parameters()]
            assert all(fnmatch.filter(names, pattern) for pattern in phase.trainable)


def test_a_rung_is_a_recipe_of_its_own():
    assert read_recipe("rfdn-x4-pruned-50").recipe == "rfdn-x4-pruned"


def test_a_ladder_is_not_one_recipe():
    with pytest.raises(UserError, match="makes 16 networks; name one, as rfdn-x4-pruned-90"):
        read_recipe("rfdn-x4-pruned")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("steps = 3", "'steps', which is not known"),
        ("start = 'rfdn-x4'", "no \\[\\[phase\\]\\]"),
        ("[[phase]]\nsteps = 3", "either a \\[network\\]"),
        ("start = 'rfdn-x4'\n[[phase]]\nlr = 3", "'lr'"),
        ("start = ", "is not a recipe"),
        ("[ladder]\nstages = 'fold'", "needs a start"),
        ("start = 'a'\n[ladder]\nstages = 'x:{pruning_ratio}'\nratio = 3\n[[rung]]\nsteps = 1", "'ratio'"),
        ("start = 'a'\n[ladder]\nstages = 'x:{pruning_ratio}'\n[[rung]]\nsteps = 1", "no \\[\\[phase\\]\\]"),
    ],
)
def test_mistakes_in_a_recipe_are_named(text: str, words: str, tmp_path: Path):
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(UserError, match=words):
        read_recipes(str(tmp_path / "r.toml"))


def test_a_mistyped_recipe_gets_the_nearest():
    with pytest.raises(UserError, match="did you mean rfdn-x4-branched"):
        read_recipe("rfdn-x4-branchd")


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path):
    with pytest.raises(UserError, match="check the path"):
        read_recipe(str(tmp_path / "nothing.toml"))


def test_all_recipe_files_are_in_the_family():
    assert {path.stem for path in RECIPES.glob("*.toml")} == {recipe.recipe for recipe in FAMILY}


def test_larger_batches_come_with_a_higher_learning_rate():
    small = read_recipe("rfdn-x4")
    large = with_batches(small, 4)
    for before, after in zip(small.phases, large.phases, strict=True):
        assert after.settings.batch_size == 4 * before.settings.batch_size
        assert after.settings.learning_rate == pytest.approx(2 * before.settings.learning_rate)
        assert after.settings.steps == before.settings.steps
    assert with_batches(small, 1) == small
    with pytest.raises(UserError, match="give 1 or more"):
        with_batches(small, 0)


def test_each_method_is_a_share_of_the_family_in_the_same_order():
    shares = {method: read_recipes(method) for method in ("rfdn", "rlfn")}
    assert shares["rlfn"][0].name == "rlfn-x4"
    assert shares["rfdn"][0].name == "rfdn-x4"
    assert sorted(r.name for share in shares.values() for r in share) == sorted(r.name for r in FAMILY)
    for method, share in shares.items():
        assert list(share) == [recipe for recipe in FAMILY if recipe.method == method]
