"""Ladders: networks that were pruned and trained, step by step, from one shipped network."""

import re
from dataclasses import dataclass

from sr_explore.errors import UserError
from sr_explore.stages import MergeBranches, PruneChannels, Stage, parse_stages
from sr_explore.zoo.cards import ModelCard
from sr_explore.zoo.models import cards


@dataclass(frozen=True)
class Rung:
    """A trained pruned network: its name, and the share of channels it lost, counted from the ladder's start."""

    name: str
    ratio: float


def ladder(network: str) -> tuple[Rung, ...]:
    """The trained pruned networks that were made from a shipped one, by rising ratio; () where there are none.

    The cards' stages say what a rung lost, their parents where its ladder began. A ladder that merges branches first
    belongs to the merged network, whose function it starts from.
    """
    shipped = cards()
    if network not in shipped:
        return ()
    origin = _origin(shipped[network], shipped)
    rungs = [
        Rung(card.name, ratio)
        for card in shipped.values()
        if (ratio := _ratio(card, shipped)) and card.name != network and _origin(card, shipped) == origin
    ]
    return tuple(sorted(rungs, key=lambda rung: rung.ratio))


def nearest_rung(network: str, ratio: float) -> Rung:
    """The trained network nearest to a ratio; the network itself counts as one that lost nothing.

    Raises:
        UserError: if no trained pruned network is shipped for this one.
    """
    rungs = ladder(network)
    if not rungs:
        raise UserError(f"no trained pruned networks are shipped for {network}; prune it without trained steps")
    return min((Rung(network, 0.0), *rungs), key=lambda rung: abs(rung.ratio - ratio))


def _pruning(stages: tuple[Stage, ...]) -> PruneChannels | None:
    return next((stage for stage in stages if isinstance(stage, PruneChannels)), None)


def _ratio(card: ModelCard, shipped: dict[str, ModelCard]) -> float:
    pruning = _pruning(parse_stages(card.stages))
    if pruning is None:
        return 0.0
    parent = shipped.get(card.parent or "")
    if pruning.cumulative or parent is None:
        return pruning.pruning_ratio
    return 1 - (1 - pruning.pruning_ratio) * (1 - _ratio(parent, shipped))


def _origin(card: ModelCard, shipped: dict[str, ModelCard]) -> tuple[str, bool]:
    """The network with weights of its own at the ladder's foot, and whether its branches were merged on the way."""
    stages = parse_stages(card.stages)
    merged = any(isinstance(stage, MergeBranches) for stage in stages)
    parent = _shipped_below(card, shipped) if merged or _pruning(stages) else None
    if parent is None:
        return card.name, merged
    name, below = _origin(parent, shipped)
    return name, merged or below


def _shipped_below(card: ModelCard, shipped: dict[str, ModelCard]) -> ModelCard | None:
    """The card's parent; where that one did not ship, the nearest lower rung of the same ladder that did."""
    if card.parent in shipped:
        return shipped[card.parent]
    stem = re.sub(r"-\d+$", "", card.name)
    lower = [name for name in shipped if re.fullmatch(rf"{re.escape(stem)}-\d+", name) and name < card.name]
    return shipped[lower[-1]] if lower else None
