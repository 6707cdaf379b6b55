"""Networks by name or file: the shipped ones, files saved here, and published checkpoints."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import nn

from sr_explore.errors import UserError, did_you_mean
from sr_explore.networks.registry import build, describe
from sr_explore.stages import Example, apply_stages, parse_stages
from sr_explore.state_files import StateFile, read_state, state_bytes, write_whole
from sr_explore.zoo.cards import ModelCard
from sr_explore.zoo.foreign import from_foreign

WEIGHTS = Path(__file__).parent / "weights"
FORMAT = "sr-explore-network-1"


@dataclass(frozen=True)
class Provenance:
    """Where a saved network comes from.

    Attributes:
        stages: that made it. parent, parent_sha256: the network it was made from, and its file's hash.
        recipe_sha256: of what the training recipe said. training: JSON of its name, steps, seconds and hardware.
    """

    stages: str = ""
    parent: str = ""
    parent_sha256: str = ""
    recipe_sha256: str = ""
    training: str = ""


@lru_cache(maxsize=1)
def cards() -> dict[str, ModelCard]:
    """The cards of all shipped networks, by name, in order of their names."""
    found = [ModelCard.from_json(path.read_text("utf-8")) for path in WEIGHTS.glob("*.json")]
    return {card.name: card for card in sorted(found, key=lambda card: card.name)}


def names() -> list[str]:
    """The names of all shipped networks."""
    return list(cards())


def load(name_or_file: str | Path) -> nn.Module:
    """A network in eval mode on the CPU, RGB in [0, 1] to RGB in [0, 1].

    Args:
        name_or_file: a shipped name (see `names`), a file saved by `save`, or a published .pth or .safetensors.

    Raises:
        UserError: if there is no such name or file, or the file cannot be used; one sentence that says why.
    """
    card = cards().get(str(name_or_file))
    if card is None:
        return _from_state(_read(name_or_file), str(name_or_file))
    if card.derived_from:
        return apply_stages(load(card.derived_from), parse_stages(card.stages), Example(torch.zeros(1, 3, 24, 24)))
    return _from_state(read_state(weights_file(card.name)), card.name)


def weights_file(name: str) -> Path:
    """The weights file of a shipped network that has one of its own."""
    return WEIGHTS / f"{name}.safetensors"


def file_of(name_or_file: str | Path) -> Path:
    """The file that a network's weights come from: for a shipped one that is made on loading, its source's."""
    card = cards().get(str(name_or_file))
    if card is None:
        return Path(name_or_file)
    return file_of(card.derived_from) if card.derived_from else weights_file(card.name)


def provenance_of(name_or_file: str | Path) -> Provenance:
    """What a network's file says of where it comes from."""
    path = weights_file(str(name_or_file)) if str(name_or_file) in cards() else Path(name_or_file)
    if not path.exists():
        return Provenance()
    metadata = read_state(path).metadata
    return Provenance(**{name: metadata.get(name, "") for name in Provenance.__dataclass_fields__})


def save(path: Path, model: nn.Module, provenance: Provenance | None = None, dtype: torch.dtype = torch.float32) -> str:
    """Write a network to one safetensors file: weights, and in its metadata structure, widths and provenance.

    Args:
        dtype: float16 halves the file, and `load` gives float32 again; None keeps the network's own.

    Returns:
        The file's sha256.
    """
    return write_whole(path, network_bytes(model, provenance, dtype))


def network_bytes(model: nn.Module, provenance: Provenance | None = None, dtype: torch.dtype = torch.float32) -> bytes:
    """What `save` writes."""
    metadata = {"format": FORMAT, "network": json.dumps(describe(model)), **vars(provenance or Provenance())}
    tensors = {name: value.to(dtype or value.dtype) for name, value in model.state_dict().items()}
    return state_bytes(tensors, metadata)


def _read(name_or_file: str | Path) -> StateFile:
    path = Path(name_or_file)
    if not path.exists() and path.suffix == "" and path.parent == Path("."):
        hint = did_you_mean(str(name_or_file), names())
        raise UserError(f"there is no network called {str(name_or_file)!r}; {hint}Shipped are {', '.join(names())}")
    return read_state(path)


def _from_state(state: StateFile, name: str) -> nn.Module:
    try:
        if "network" in state.metadata:
            return build(_described(state), state.tensors)
        return from_foreign(state.tensors)
    except UserError as error:
        raise UserError(f"{Path(name).name}: {error}") from error


def _described(state: StateFile) -> dict:
    try:
        description = json.loads(state.metadata["network"])
        return {key: description[key] for key in ("network", "options", "layers")}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            "the file's description of its network cannot be read; save it again with sr-explore"
        ) from error
