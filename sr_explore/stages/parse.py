"""Stages as text: "branch:num_branches=2,merge-branches,fold", as the command line, recipes and cards write them."""

from dataclasses import fields
from typing import Any

from sr_explore.errors import UserError, did_you_mean
from sr_explore.stages.base import Stage
from sr_explore.stages.branch import Branch
from sr_explore.stages.concat_to_conv import ConcatToConv
from sr_explore.stages.fold import Fold
from sr_explore.stages.merge_branches import MergeBranches
from sr_explore.stages.polish import Polish
from sr_explore.stages.prune_biases import PruneBiases
from sr_explore.stages.prune_channels import PruneChannels
from sr_explore.stages.prune_kernels import PruneKernels
from sr_explore.stages.reconstruct import Reconstruct
from sr_explore.stages.rescale import Rescale

STAGES: dict[str, type[Stage]] = {
    stage.name(): stage
    for stage in (
        Branch,
        MergeBranches,
        ConcatToConv,
        PruneChannels,
        PruneKernels,
        PruneBiases,
        Reconstruct,
        Polish,
        Fold,
        Rescale,
    )
}
_WORDS = {"true": True, "yes": True, "false": False, "no": False}


def parse_stages(text: str) -> tuple[Stage, ...]:
    """The stages of a comma-separated list; each is a name and, after colons, parameters as name=value.

    Raises:
        UserError: for an unknown stage or parameter, or a value of the wrong kind; the message names the nearest match.
    """
    return tuple(_parse_stage(part.strip()) for part in text.split(",") if part.strip())


def stage_text(stages: tuple[Stage, ...]) -> str:
    """The text that `parse_stages` reads; parameters at their defaults are left out."""
    return ",".join(_one_text(stage) for stage in stages)


def _one_text(stage: Stage) -> str:
    defaults = {item.name: item.default for item in fields(stage)}
    changed = [f"{name}={value}" for name, value in stage.parameters().items() if value != defaults[name]]
    return ":".join([stage.name(), *changed])


def _parse_stage(text: str) -> Stage:
    name, *settings = [piece.strip() for piece in text.split(":")]
    stage = STAGES.get(name) or _unknown("stage", name, list(STAGES))
    kinds = {item.name: type(item.default) for item in fields(stage)}
    values = {}
    for setting in settings:
        parameter, _, value = setting.partition("=")
        kind = kinds.get(parameter) or _unknown(f"parameter of {name}", parameter, list(kinds))
        values[parameter] = _value(f"{name}:{parameter}", value, kind)
    return stage(**values)


def _value(name: str, text: str, kind: type) -> Any:
    try:
        return _WORDS[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError) as error:
        words = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}
        raise UserError(f"{name} is {text!r}; give {words[kind]}") from error


def _unknown(what: str, name: str, known: list[str]) -> Any:
    choices = ", ".join(known) if known else "there are none"
    raise UserError(f"there is no {what} called {name!r}; {did_you_mean(name, known)}Known: {choices}")
