"""Training by recipe: from a small TOML file to a trained network, phase by phase, resumable."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from sr_explore import zoo
from sr_explore.analysis import quality
from sr_explore.calibration import shipped_example
from sr_explore.devices import has_fast_bfloat16, pick_device
from sr_explore.errors import UserError, did_you_mean
from sr_explore.images import read_photo, sample_photos, to_tensor
from sr_explore.networks.registry import NETWORKS, scale_of
from sr_explore.networks.rfdn import BranchedRFDN
from sr_explore.resize import degrade
from sr_explore.stages import apply_stages, feature_pairs, parse_stages
from sr_explore.training import (
    Patches,
    Progress,
    Trainer,
    TrainingPhoto,
    TrainSettings,
    add_teacher,
    load_training_photos,
)

RECIPES = Path(__file__).parent / "training" / "recipes"


@dataclass(frozen=True)
class Phase:
    """One part of a recipe: its numbers, which parameters move, and whether features are matched."""

    settings: TrainSettings
    trainable: tuple[str, ...]


@dataclass(frozen=True)
class Recipe:
    """How one network is trained.

    Attributes:
        name: of the result. network: class and options, for a network from scratch.
        start, stages: the network to start from and what is done to it first, otherwise.
        teacher: name or file of the network whose pictures are matched; "" for none.
        feature_teacher: name or file of the network whose features are matched.
        photos: pattern of file names in the data folder.
    """

    name: str
    phases: tuple[Phase, ...]
    network: dict[str, Any] | None = None
    start: str = ""
    stages: str = ""
    teacher: str = ""
    feature_teacher: str = ""
    photos: str = "*"


def read_recipe(name_or_file: str) -> Recipe:
    """A recipe that ships with the package, by name, or one from a TOML file.

    Raises:
        UserError: if there is none, or it sets something that is not known.
    """
    path = Path(name_or_file)
    if path.suffix != ".toml":
        path = RECIPES / f"{name_or_file}.toml"
    if not path.exists():
        known = sorted(recipe.stem for recipe in RECIPES.glob("*.toml"))
        hint = did_you_mean(name_or_file, known)
        raise UserError(f"there is no recipe {name_or_file!r}; {hint}Shipped are {', '.join(known)}")
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path.name} is not a recipe: {error}") from error
    return _recipe(values, path.stem)


def _recipe(values: dict[str, Any], name: str) -> Recipe:
    known = set(Recipe.__dataclass_fields__) - {"phases"} | {"phase"}
    if unknown := set(values) - known:
        raise UserError(
            f"the recipe {name} sets {sorted(unknown)[0]!r}, which is not known; known are {', '.join(sorted(known))}"
        )
    phases = tuple(
        Phase(
            TrainSettings.from_dict({k: v for k, v in phase.items() if k != "trainable"}),
            tuple(phase.get("trainable", ["*"])),
        )
        for phase in values.get("phase", [])
    )
    if not phases:
        raise UserError(f"the recipe {name} has no [[phase]]; it needs at least one with steps")
    if ("network" in values) == ("start" in values):
        raise UserError(f"the recipe {name} needs either a [network] from scratch or a network to start from")
    told: dict[str, Any] = {"name": name} | {key: value for key, value in values.items() if key != "phase"}
    return Recipe(phases=phases, **told)


def train_recipe(
    recipe: Recipe,
    data: Path,
    folder: Path,
    teacher: str | None = None,
    resume: bool = False,
    photos: list[TrainingPhoto] | None = None,
) -> tuple[nn.Module, Progress]:
    """Train a recipe's network; checkpoints of each phase and the finished network go under `folder`.

    Args:
        data: folder of photographs.
        teacher: a name or file instead of the recipe's teacher.
        resume: go on from the newest checkpoint.
        photos: already loaded ones.

    Returns:
        The averaged network and the last phase's progress.
    """
    model = initial_network(recipe)
    scale = scale_of(model)
    largest_patch = max(phase.settings.patch_size for phase in recipe.phases)
    photos = photos or load_training_photos(data, scale, largest_patch, recipe.photos)
    wanted = recipe.teacher if teacher is None else teacher
    if wanted and any(phase.settings.teacher_weight for phase in recipe.phases) and photos[0].taught is None:
        photos = add_teacher(photos, _fast_forward(zoo.load(wanted)), pick_device())
    progress = Progress()
    for number, phase in enumerate(recipe.phases, start=1):
        trainer = _trainer(recipe, phase, model, photos, folder / f"phase-{number}")
        progress = trainer.run(resume=resume)
        model = trainer.result()
        if progress.step < phase.settings.steps:
            return model, progress  # asked to stop: the checkpoint is written, the rest waits for --resume
    zoo.save(folder / f"{recipe.name}.safetensors", model, zoo.Provenance(recipe.stages, recipe.start))
    return model, progress


def initial_network(recipe: Recipe) -> nn.Module:
    """The network a recipe starts from."""
    if recipe.network is not None:
        options = dict(recipe.network)
        torch.manual_seed(options.pop("seed", 0))
        kind = NETWORKS.get(str(options.pop("class", "RFDN")))
        if kind is None:
            raise UserError(f"the recipe's class is unknown; use one of {', '.join(NETWORKS)}")
        return kind(**options)
    start = zoo.load(recipe.start)
    return apply_stages(start, parse_stages(recipe.stages), shipped_example(scale_of(start)))


def _trainer(recipe: Recipe, phase: Phase, model: nn.Module, photos: list[TrainingPhoto], folder: Path) -> Trainer:
    settings, scale = phase.settings, scale_of(model)
    patches = Patches(photos, scale, settings.patch_size, settings.batch_size, settings.seed, pick_device())
    matches = bool(settings.feature_weight and recipe.feature_teacher and isinstance(model, BranchedRFDN))
    return Trainer(
        model,
        patches,
        settings,
        folder,
        teacher=zoo.load(recipe.feature_teacher) if matches else None,
        pairs=feature_pairs(cast(BranchedRFDN, model)) if matches else (),
        trainable=phase.trainable,
        validate=sample_psnr(scale),
    )


def sample_psnr(scale: int, names: tuple[str, ...] = ("fig", "dogs")) -> Callable[[nn.Module], float]:
    """A function that gives a network's PSNR-Y on shipped photographs, dB; no test set is looked at in training."""
    pairs = []
    for name in names:
        hr = read_photo(sample_photos()[name]).rgb
        pairs.append((name, to_tensor(degrade(hr, scale)), to_tensor(hr)))

    def measure(model: nn.Module) -> float:
        was_training = model.training
        device = next(model.parameters()).device
        model.eval()
        with torch.no_grad():
            score = quality(lambda lr: model(lr.to(device)).float().cpu(), pairs, scale).psnr_y
        model.train(was_training)
        return score

    return measure


def _fast_forward(model: nn.Module) -> Callable[[Tensor], Tensor]:
    device = pick_device()
    ready = model.to(device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def upscale(lr: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bfloat16(device)):
            return ready(lr.to(memory_format=torch.channels_last)).float()

    return upscale
