"""The shipped family as one: its cards, made from what was trained, and the records that compare its members."""

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sr_explore import explore, zoo
from sr_explore.analysis import layer_table, psnr_y, timing
from sr_explore.calibration import shipped_example
from sr_explore.devices import pick_device, pick_dtype
from sr_explore.errors import UserError
from sr_explore.networks.registry import describe, scale_of
from sr_explore.pipeline import DEFAULT_SIZE
from sr_explore.recipes import UNTRAINED, result_file
from sr_explore.records import FamilyMember, TimingRecord
from sr_explore.runtime import Upscaler
from sr_explore.stages import apply_stages, parse_stages
from sr_explore.state_files import sha256_of
from sr_explore.training import RECIPES, Recipe, read_recipes
from sr_explore.zoo.cards import ModelCard, Score

LARGEST_LOSS_DB = 0.005
"""What storing the weights in float16 may cost; where it costs more, they stay in float32."""

TestSets = Mapping[str, tuple[Path, Path]]
"""By name: the folder of references and the folder of low-resolution pictures."""


def test_sets(folder: Path) -> TestSets:
    """The test sets of a folder: every folder in it with HR/ and LRx4/.

    Raises:
        UserError: if there is none.
    """
    found = {path.name: (path / "HR", path / "LRx4") for path in sorted(folder.glob("*")) if (path / "LRx4").is_dir()}
    if not found:
        raise UserError(f"{folder} holds no test set; it should hold folders as Set5/HR and Set5/LRx4")
    return dict(sorted(found.items(), key=lambda item: (len(item[0]), item[0])))


def ship(
    runs: Path, sets: TestSets, weights: Path = zoo.WEIGHTS, on_card: Callable[[ModelCard], None] | None = None
) -> list[ModelCard]:
    """Make weight files and cards of all members of the family that were trained under `runs`.

    Args:
        sets: what to score them on; the first decides on the number format. Members that have not changed since they
            were shipped are not scored again.
        weights: folder for files and cards.

    Returns:
        The cards, in the order of training.
    """
    told = tomllib.loads((RECIPES.parent / "family.toml").read_text("utf-8"))
    made = []
    for recipe in read_recipes("family"):
        folder = runs / recipe.name
        if not result_file(recipe, folder).exists():
            continue
        shared = {"data": told["data"], "licence": told["licence"], "teacher": told["teacher"].get(recipe.method, "")}
        cards = [_ship_trained(recipe, folder, sets, weights, shared)]
        for name, derived in told["derived"].items():
            if derived["parent"] == recipe.name:
                cards.append(_ship_derived(name, derived, cards[0], sets, weights))
        for card in cards:
            if on_card:
                on_card(card)
        made += cards
    zoo.cards.cache_clear()
    return made


def _ship_trained(recipe: Recipe, folder: Path, sets: TestSets, weights: Path, shared: dict[str, str]) -> ModelCard:
    source, target = result_file(recipe, folder), weights / f"{recipe.name}.safetensors"
    model, made = zoo.load(source), zoo.provenance_of(source)
    parent = weights / f"{made.parent}.safetensors"
    parent_sha256 = sha256_of(parent) if made.parent else ""
    made = zoo.Provenance(**{**vars(made), "parent_sha256": parent_sha256})
    earlier = _card_of(recipe.name, weights)
    if earlier and _holds(target, earlier, model, made):
        return earlier
    number_format, sha256, scores = _stored(model, made, target, source, sets)
    first = next(iter(sets))
    untrained = folder / UNTRAINED
    card = ModelCard(
        name=recipe.name,
        title=recipe.title,
        scale=scale_of(model),
        **_counts(model),
        **shared,
        **_training(made),
        parent=made.parent or None,
        parent_sha256=parent_sha256 or None,
        stages=recipe.stages,
        sha256=sha256,
        number_format=number_format,
        scores=scores,
        untrained_psnr_y=round(_psnr_y(untrained, sets[first]), 3) if untrained.exists() else None,
    )
    return _written(card, weights)


def _card_of(name: str, weights: Path) -> ModelCard | None:
    path = weights / f"{name}.json"
    return ModelCard.from_json(path.read_text("utf-8")) if path.exists() else None


def _holds(target: Path, card: ModelCard, model: nn.Module, made: zoo.Provenance) -> bool:
    """Whether a shipped file has just these weights and this past, in the format that its card names."""
    if not target.exists() or zoo.provenance_of(target) != made or sha256_of(target) != card.sha256:
        return False
    dtype, kept = getattr(torch, card.number_format), zoo.load(target).state_dict()
    told = model.state_dict()
    return kept.keys() == told.keys() and all(torch.equal(kept[key].to(dtype), told[key].to(dtype)) for key in kept)


def _stored(
    model: nn.Module, made: zoo.Provenance, target: Path, source: Path, sets: TestSets
) -> tuple[str, str, dict[str, Score]]:
    """Write the weights in half the bytes if that costs next to nothing; the format, the file's hash and its scores."""
    if all(bool(torch.isfinite(value.half()).all()) for value in model.state_dict().values()):
        sha256 = zoo.save(target, model, made, torch.float16)
        first = next(iter(sets))
        halved = _scores(target, sets)
        if abs(halved[first].psnr_y - _psnr_y(source, sets[first])) <= LARGEST_LOSS_DB:
            return "float16", sha256, halved
    return "float32", zoo.save(target, model, made), _scores(source, sets)


def _ship_derived(name: str, told: dict[str, str], parent: ModelCard, sets: TestSets, weights: Path) -> ModelCard:
    earlier = _card_of(name, weights)
    if earlier and earlier.parent_sha256 == parent.sha256 and earlier.stages == told["stages"]:
        return earlier
    source = zoo.load(weights / f"{parent.name}.safetensors")
    model = apply_stages(source, parse_stages(told["stages"]), shipped_example(parent.scale))
    zoo.save(weights / "derived.part", model)
    try:
        scores = _scores(weights / "derived.part", sets)
    finally:
        (weights / "derived.part").unlink()
    card = ModelCard(
        name=name,
        title=told["title"],
        scale=parent.scale,
        **_counts(model),
        data=parent.data,
        licence=parent.licence,
        teacher=parent.teacher,
        parent=parent.name,
        parent_sha256=parent.sha256,
        derived_from=parent.name,
        stages=told["stages"],
        number_format=parent.number_format,
        scores=scores,
    )
    return _written(card, weights)


def _scores(path: Path, sets: TestSets) -> dict[str, Score]:
    explore.forget_networks()
    found = {name: explore.evaluate(str(path), *folders) for name, folders in sets.items()}
    return {name: Score(round(q.psnr_y, 3), round(q.psnr_rgb, 3), round(q.ssim_y, 4)) for name, q in found.items()}


def _psnr_y(path: Path, folders: tuple[Path, Path]) -> float:
    """Like `explore.evaluate`, without SSIM, which takes most of the time."""
    run = Upscaler(zoo.load(path))
    scores = [psnr_y(run(lr), hr, run.scale) for _, lr, hr in explore.picture_pairs(*folders, run.scale)]
    return sum(scores) / len(scores)


def _counts(model: nn.Module) -> dict[str, Any]:
    table = layer_table(model, DEFAULT_SIZE)
    return {"params": table.params, "macs": table.macs}


def _training(made: zoo.Provenance) -> dict[str, Any]:
    told = json.loads(made.training or "{}")
    return {name: told[name] for name in ("recipe", "steps", "seconds", "hardware") if name in told}


def _written(card: ModelCard, weights: Path) -> ModelCard:
    (weights / f"{card.name}.json").write_text(json.dumps(card.to_dict(), indent=2, ensure_ascii=False) + "\n", "utf-8")
    return card


def members(
    size: tuple[int, int] = DEFAULT_SIZE,
    device: str = "auto",
    dtype: str = "auto",
    min_run_time_s: float = 1.0,
    published: bool = True,
) -> Iterator[FamilyMember]:
    """Every shipped network and the published ones beside them, timed on this machine, one after the other.

    Args:
        size: (height, width) of the low-resolution picture, px.
        min_run_time_s: how long each is timed; 0 leaves the timing out.
    """
    clock = _Clock(size, device, dtype, min_run_time_s)
    for card in sorted(zoo.cards().values(), key=lambda card: -card.macs):
        table = explore.costs(card.name, size)
        scores = {name: score.psnr_y for name, score in (card.scores or {}).items()}
        taken = clock.time(zoo.load(card.name))
        yield FamilyMember(card.name, card.title, line_of(card), table.params, table.macs, size, scores, taken)
    for told in published_networks() if published else ():
        yield _published(told, size, clock)


def line_of(card: ModelCard) -> str:
    """What a card's network belongs to in the comparison: its ladder's recipe, or its own name."""
    return card.recipe if card.recipe and card.recipe != card.name else card.name


@lru_cache(maxsize=1)
def published_networks() -> tuple[dict[str, Any], ...]:
    """Published checkpoints of the same task: scores and source, and how to build a network of their structure."""
    return tuple(json.loads((zoo.WEIGHTS.parent / "published.json").read_text("utf-8")))


def _published(told: dict[str, Any], size: tuple[int, int], clock: "_Clock") -> FamilyMember:
    scores, title = {"Set5": told["set5"], "Set14": told["set14"]}, f"published: {told['source']}"
    start = zoo.load(told["start"])
    # Time and cost depend on the structure alone, so weights of ours serve as well.
    model = apply_stages(start, parse_stages(told["stages"]), shipped_example(scale_of(start)))
    table = layer_table(model, size)
    taken = clock.time(model)
    return FamilyMember(told["name"], title, "published", table.params, table.macs, size, scores, taken)


class _Clock:
    """Times networks; those of the same structure only once."""

    def __init__(self, size: tuple[int, int], device: str, dtype: str, min_run_time_s: float) -> None:
        self.size, self.device, self.seconds = size, pick_device(device), min_run_time_s
        self.dtype = pick_dtype(dtype, self.device)
        self._known: dict[str, TimingRecord] = {}

    def time(self, model: nn.Module) -> TimingRecord | None:
        if not self.seconds:
            return None
        structure = json.dumps(describe(model), sort_keys=True)
        if structure not in self._known:
            self._known[structure] = timing(model, self.size, self.device, self.dtype, min_run_time_s=self.seconds)
        return self._known[structure]
