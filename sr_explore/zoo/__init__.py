"""Networks by name or file, their cards, and published checkpoints."""

from sr_explore.zoo.cards import ModelCard, Score
from sr_explore.zoo.foreign import from_foreign
from sr_explore.zoo.models import (
    WEIGHTS,
    Provenance,
    cards,
    file_of,
    load,
    names,
    network_bytes,
    provenance_of,
    save,
    weights_file,
)

__all__ = [
    "WEIGHTS",
    "ModelCard",
    "Provenance",
    "Score",
    "cards",
    "file_of",
    "from_foreign",
    "load",
    "names",
    "network_bytes",
    "provenance_of",
    "save",
    "weights_file",
]
