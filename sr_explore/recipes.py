"""Training by recipe: from a small TOML file to trained networks, one after the other, phase by phase, resumable."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from sr_explore import zoo
from sr_explore.analysis import psnr_y
from sr_explore.calibration import shipped_example
from sr_explore.devices import hardware_name, has_fast_bfloat16, pick_device
from sr_explore.errors import UserError
from sr_explore.images import read_photo, sample_photos, to_tensor
from sr_explore.networks.registry import NETWORKS, scale_of
from sr_explore.networks.rfdn import RFDN, BranchedRFDN
from sr_explore.networks.rlfn import RLFN
from sr_explore.resize import degrade
from sr_explore.stages import apply_stages, blocks_of_row, feature_pairs, parse_stages, widths_of
from sr_explore.state_files import sha256_of
from sr_explore.training import (
    FeatureMatching,
    Patches,
    Phase,
    Progress,
    Recipe,
    Trainer,
    TrainingPhoto,
    TrainSettings,
    add_teacher,
    load_training_photos,
)

UNTRAINED = "untrained.safetensors"


class TrainingData:
    """The photographs of a folder and a teacher's pictures of them; loaded when first asked for, then kept.

    Args:
        folder: of photographs.
        teacher: name or file of the network whose pictures are matched; "" for none.
    """

    def __init__(self, folder: Path, teacher: str = "") -> None:
        self.folder, self.teacher = folder, teacher
        self._loaded: dict[tuple, list[TrainingPhoto]] = {}

    def photos(self, recipe: Recipe, scale: int) -> list[TrainingPhoto]:
        """The photographs that a recipe wants, degraded by `scale`, with the teacher's pictures if it looks at them.

        Raises:
            UserError: if the folder holds no photograph that is large enough.
        """
        taught = bool(self.teacher) and any(phase.settings.teacher_weight for phase in recipe.phases)
        largest = max(phase.settings.patch_size for phase in recipe.phases)
        key = (recipe.photos, scale, largest, taught)
        if key not in self._loaded:
            photos = load_training_photos(self.folder, scale, largest, recipe.photos)
            if taught:
                photos = add_teacher(photos, _fast_forward(zoo.load(self.teacher)), pick_device())
            self._loaded = {key: photos}  # one set at a time: they fill a gigabyte
        return self._loaded[key]


def train_recipes(
    recipes: Sequence[Recipe],
    data: Path,
    out: Path,
    teacher: str | None = None,
    resume: bool = False,
    on_done: Callable[[Recipe, Progress], None] | None = None,
) -> bool:
    """Train networks in order, each in a folder of its own name under `out`; one may start from another.

    Args:
        data: folder of photographs.
        teacher: a name or file instead of the recipes' teacher.
        resume: go on from the newest checkpoints; networks that are finished are left as they are.
        on_done: told of every network as soon as it is trained.

    Returns:
        Whether all are finished; False if a signal asked to stop, and everything is kept for `resume`.
    """
    sources: dict[str, TrainingData] = {}
    for told in recipes:
        recipe = _located(told if teacher is None else replace(told, teacher=teacher), out)
        folder = out / recipe.name
        if resume and is_finished(recipe, folder):
            continue
        source = sources.setdefault(recipe.teacher, TrainingData(data, recipe.teacher))
        _, progress = train_recipe(recipe, source, folder, resume)
        if on_done:
            on_done(recipe, progress)
        if progress.step < recipe.phases[-1].settings.steps or not result_file(recipe, folder).exists():
            return False
    return True


def train_recipe(recipe: Recipe, data: TrainingData, folder: Path, resume: bool = False) -> tuple[nn.Module, Progress]:
    """Train one network; checkpoints of each phase, the finished network and its curve go under `folder`.

    Returns:
        The averaged network and the last phase's progress.
    """
    model = initial_network(recipe)
    if recipe.start and _writes():  # what the stages alone give, for the card
        folder.mkdir(parents=True, exist_ok=True)
        zoo.save(folder / UNTRAINED, model)
    photos = data.photos(recipe, scale_of(model))
    done: list[Progress] = []
    for number, phase in enumerate(recipe.phases, start=1):
        trainer = _trainer(recipe, phase, model, photos, folder / f"phase-{number}")
        done.append(trainer.run(resume=resume))
        model = trainer.result()
        if done[-1].step < phase.settings.steps:
            return model, done[-1]  # asked to stop: the checkpoint is written, the rest waits for --resume
    if _writes():
        _save(recipe, model, done, folder)
    return model, done[-1]


def _writes() -> bool:
    """Of several processes, the first one writes for all."""
    return not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0


def result_file(recipe: Recipe, folder: Path) -> Path:
    """Where a recipe's finished network is saved."""
    return folder / f"{recipe.name}.safetensors"


def is_finished(recipe: Recipe, folder: Path) -> bool:
    """Whether the folder holds the network that this recipe makes from the start as it is now."""
    path = result_file(recipe, folder)
    if not path.exists():
        return False
    made = zoo.provenance_of(path)
    return made.recipe_sha256 == _fingerprint(recipe) and made.parent_sha256 == _hash_of_start(recipe)


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
    example = shipped_example(scale_of(start))
    if recipe.full_start:
        full = apply_stages(zoo.load(recipe.full_start), parse_stages(recipe.full_stages), example)
        example = replace(example, full_widths=widths_of(full))
    return apply_stages(start, parse_stages(recipe.stages), example)


def _located(recipe: Recipe, out: Path) -> Recipe:
    """The recipe with the networks that were trained under `out` in place of shipped ones of the same name."""

    def file_of(name: str) -> str:
        own = out / name / f"{name}.safetensors"
        return str(own) if name and own.exists() else name

    return replace(recipe, start=file_of(recipe.start), full_start=file_of(recipe.full_start))


def _save(recipe: Recipe, model: nn.Module, done: list[Progress], folder: Path) -> None:
    steps, seconds = sum(p.step for p in done), round(sum(p.seconds for p in done))
    training = {"recipe": recipe.recipe, "steps": steps, "seconds": seconds, "hardware": hardware_name(pick_device())}
    start = Path(recipe.start).stem
    made = zoo.Provenance(recipe.stages, start, _hash_of_start(recipe), _fingerprint(recipe), json.dumps(training))
    zoo.save(result_file(recipe, folder), model, made)
    curves = [{"seconds": p.seconds, "losses": p.losses, "psnrs": p.psnrs} for p in done]
    (folder / "curve.json").write_text(json.dumps(curves))


def _fingerprint(recipe: Recipe) -> str:
    """A hash of what the recipe says; the files it names are told apart by their own hashes."""
    told = replace(recipe, start=Path(recipe.start).stem, full_start=Path(recipe.full_start).stem, title="", teacher="")
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _hash_of_start(recipe: Recipe) -> str:
    path = zoo.weights_file(recipe.start) if recipe.start in zoo.names() else Path(recipe.start)
    return sha256_of(path) if recipe.start and path.exists() else ""


def _trainer(recipe: Recipe, phase: Phase, model: nn.Module, photos: list[TrainingPhoto], folder: Path) -> Trainer:
    settings, scale = phase.settings, scale_of(model)
    patches = Patches(photos, scale, settings.patch_size, settings.batch_size, settings.seed, pick_device())
    features = _feature_matching(recipe, settings, model)
    return Trainer(model, patches, settings, folder, features, phase.trainable, sample_psnr(scale))


def _feature_matching(recipe: Recipe, settings: TrainSettings, model: nn.Module) -> FeatureMatching | None:
    name = {"teacher": recipe.teacher, "start": recipe.start}.get(recipe.feature_teacher, recipe.feature_teacher)
    if not settings.feature_weight or not name:  # without a teacher at hand, only the photographs count
        return None
    teacher = zoo.load(name)
    row = RLFN if isinstance(model, RLFN) else RFDN
    if not isinstance(model, RFDN | BranchedRFDN | RLFN) or not isinstance(teacher, row):
        raise UserError(
            f"the recipe {recipe.name} matches features, which an RFDN or its branches can with an RFDN as the teacher,"
            f" and an RLFN with an RLFN; here {type(model).__name__} meets {type(teacher).__name__}: leave"
            " feature_weight out, or take another teacher"
        )
    pairs = feature_pairs(model)
    forced = blocks_of_row(pairs) if settings.forced else ()
    return FeatureMatching(teacher, pairs, settings.feature_level, forced)


def sample_psnr(scale: int, names: tuple[str, ...] = ("fig", "dogs")) -> Callable[[nn.Module], float]:
    """A function that gives a network's PSNR-Y on shipped photographs, dB; no test set is looked at in training."""
    references = [read_photo(sample_photos()[name]).rgb for name in names]
    pairs = [(to_tensor(degrade(hr, scale)), to_tensor(hr)) for hr in references]

    def measure(model: nn.Module) -> float:
        was_training = model.training
        device = next(model.parameters()).device
        model.eval()
        with torch.no_grad():
            scores = [psnr_y(model(lr.to(device)).float().cpu(), hr, scale) for lr, hr in pairs]
        model.train(was_training)
        return sum(scores) / len(scores)

    return measure


def _fast_forward(model: nn.Module) -> Callable[[Tensor], Tensor]:
    device = pick_device()
    ready = model.to(device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def upscale(lr: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bfloat16(device)):
            return ready(lr.to(memory_format=torch.channels_last)).float()

    return upscale
