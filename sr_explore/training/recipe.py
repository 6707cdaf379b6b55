"""Recipes: small TOML files that say how a network, or a ladder of ever smaller ones, is trained."""

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sr_explore.errors import UserError, did_you_mean
from sr_explore.training.settings import TrainSettings

RECIPES = Path(__file__).parent / "recipes"
FAMILY = "family"
METHODS = ("rfdn", "rlfn")


@dataclass(frozen=True)
class Phase:
    """One part of a recipe: its numbers, and which parameters move."""

    settings: TrainSettings
    trainable: tuple[str, ...] = ("*",)


@dataclass(frozen=True)
class Recipe:
    """How one network is trained.

    Attributes:
        name: of the result. title: in plain words. recipe: name of the file it comes from.
        network: class and options, for a network from scratch.
        start, stages: the network to start from and what is done to it first, otherwise.
        full_start, full_stages: what the ladder that this is a rung of began with: ratios count from its widths.
        teacher: name or file of the network whose pictures are matched; "" for none.
        feature_teacher: name or file of the network whose features are matched; "teacher" or "start" for those two.
        photos: pattern of file names in the data folder.
    """

    name: str
    phases: tuple[Phase, ...]
    title: str = ""
    recipe: str = ""
    network: dict[str, Any] | None = None
    start: str = ""
    stages: str = ""
    full_start: str = ""
    full_stages: str = ""
    teacher: str = ""
    feature_teacher: str = ""
    photos: str = "*"

    @property
    def method(self) -> str:
        """Which of `METHODS` a shipped recipe belongs to: the first part of its name."""
        return self.name.partition("-")[0]


def read_recipes(name_or_file: str) -> tuple[Recipe, ...]:
    """The networks of a recipe that ships with the package, of a TOML file, or of many, in order of training.

    Many are the whole "family", or one method's share of it, as "rfdn" or "rlfn": each has a teacher of its own.

    Raises:
        UserError: if there is none, or it sets something that is not known.
    """
    if name_or_file == FAMILY:
        return _in_order([recipe for path in sorted(RECIPES.glob("*.toml")) for recipe in _read(path)])
    if name_or_file in METHODS:
        return tuple(recipe for recipe in read_recipes(FAMILY) if recipe.method == name_or_file)
    path = Path(name_or_file)
    if path.suffix == ".toml":
        if not path.exists():
            raise UserError(f"there is no recipe {name_or_file}; check the path")
        return _read(path)
    path = RECIPES / f"{name_or_file}.toml"
    if path.exists():
        return _read(path)
    members = {recipe.name: recipe for recipe in read_recipes(FAMILY)}
    if name_or_file in members:  # one rung of a ladder
        return (members[name_or_file],)
    known = [FAMILY, *METHODS, *sorted({*members, *(recipe.stem for recipe in RECIPES.glob("*.toml"))})]
    files = ", ".join([FAMILY, *METHODS, *sorted(recipe.stem for recipe in RECIPES.glob("*.toml"))])
    raise UserError(f"there is no recipe {name_or_file!r}; {did_you_mean(name_or_file, known)}Shipped are {files}")


def read_recipe(name_or_file: str) -> Recipe:
    """The recipe of one network; see `read_recipes`.

    Raises:
        UserError: also if it is a ladder of several networks.
    """
    recipes = read_recipes(name_or_file)
    if len(recipes) != 1:
        raise UserError(f"{name_or_file} makes {len(recipes)} networks; name one, as {recipes[-1].name}")
    return recipes[0]


def with_batches(recipe: Recipe, times: int) -> Recipe:
    """The recipe with batches `times` as large, for a device that has room for them.

    The learning rate rises with the square root, which is the rule for Adam (Malladi et al., 2022, arXiv:2205.10287);
    the steps stay, so the network sees `times` as many patches.

    Raises:
        UserError: if `times` is less than 1.
    """
    if times < 1:
        raise UserError(f"batches cannot be {times} times as large; give 1 or more")

    def larger(phase: Phase) -> Phase:
        told = phase.settings
        rate = told.learning_rate * times**0.5
        return replace(phase, settings=replace(told, batch_size=told.batch_size * times, learning_rate=rate))

    return replace(recipe, phases=tuple(larger(phase) for phase in recipe.phases))


def _read(path: Path) -> tuple[Recipe, ...]:
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path.name} is not a recipe: {error}") from error
    return _ladder(values, path.stem) if "ladder" in values else (_recipe(values, path.stem),)


def _recipe(values: dict[str, Any], name: str) -> Recipe:
    _refuse_unknown(values, set(Recipe.__dataclass_fields__) - {"name", "recipe", "phases"} | {"phase"}, name)
    phases = tuple(_phase(phase) for phase in values.get("phase", []))
    if not phases:
        raise UserError(f"the recipe {name} has no [[phase]]; it needs at least one with steps")
    if ("network" in values) == ("start" in values):
        raise UserError(f"the recipe {name} needs either a [network] from scratch or a network to start from")
    told = {key: value for key, value in values.items() if key != "phase"}
    return Recipe(name=name, recipe=name, phases=phases, **told)


def _ladder(values: dict[str, Any], name: str) -> tuple[Recipe, ...]:
    """One recipe a rung: each is pruned further from the rung before, then trained with the phases' numbers.

    `stages` is done once, before the first rung; `ladder.stages`, with {pruning_ratio}, at each. A rung's other entries
    take the place of the phases' own.
    """
    values = dict(values)
    ladder, rungs = dict(values.pop("ladder")), values.pop("rung", [])
    _refuse_unknown(ladder, {"stages"}, f"{name} under [ladder]")
    if not rungs or "start" not in values or "{pruning_ratio}" not in ladder.get("stages", ""):
        raise UserError(f"the ladder {name} needs a start, [ladder] stages with {{pruning_ratio}}, and [[rung]] tables")
    first, recipes = values.get("stages", ""), []
    for rung in rungs:
        ratio, changes = rung.get("pruning_ratio", 0.0), {k: v for k, v in rung.items() if k != "pruning_ratio"}
        stages = ladder["stages"].format(pruning_ratio=ratio)
        own = {
            "title": values.get("title", "").format(percent=f"{ratio:.0%}"),
            "phase": [phase | changes for phase in values.get("phase", [])],
            "start": recipes[-1].name if recipes else values["start"],
            "stages": stages if recipes else ",".join(filter(None, [first, stages])),
            "full_start": values["start"],
            "full_stages": first,
        }
        recipe = _recipe(values | own, f"{name}-{round(ratio * 100):02d}")
        recipes.append(Recipe(**{**vars(recipe), "recipe": name}))
    return tuple(recipes)


def _phase(values: dict[str, Any]) -> Phase:
    settings = {key: value for key, value in values.items() if key != "trainable"}
    return Phase(TrainSettings.from_dict(settings), tuple(values.get("trainable", ["*"])))


def _refuse_unknown(values: dict[str, Any], known: set[str], name: str) -> None:
    if unknown := sorted(set(values) - known):
        raise UserError(
            f"the recipe {name} sets {unknown[0]!r}, which is not known; known are {', '.join(sorted(known))}"
        )


def _in_order(recipes: list[Recipe]) -> tuple[Recipe, ...]:
    """Every network after the one it starts from."""
    waiting, done = list(recipes), []
    while waiting:
        names = {recipe.name for recipe in waiting}
        ready = [recipe for recipe in waiting if recipe.start not in names]
        assert ready, f"recipes start from each other: {names}"
        done.append(ready[0])
        waiting.remove(ready[0])
    return tuple(done)
