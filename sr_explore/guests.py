"""Networks that visitors bring or make: in memory only, the ones used last, under names that nobody can guess."""

import secrets
import threading
from pathlib import Path

from torch import nn

from sr_explore import zoo
from sr_explore.errors import UserError
from sr_explore.networks.registry import scale_of
from sr_explore.recent import Recent

MOST_GUESTS = 24
PREFIX = "guest-"

_guests: Recent[str, nn.Module] = Recent(MOST_GUESTS)
_lock = threading.Lock()


def admit(model: nn.Module) -> str:
    """Keep a network for a while; `load` finds it by the name that comes back, and nobody else knows that name."""
    name = PREFIX + secrets.token_urlsafe(16)
    with _lock:
        _guests.put(name, model)
    return name


def admit_file(path: str | Path, scale: int = 4) -> str:
    """Read a checkpoint that nobody vouches for, and keep its network; see `admit`.

    Raises:
        UserError: if it cannot be used; one sentence that names the file and says why.
    """
    model = zoo.load(Path(path))
    if scale_of(model) != scale:
        raise UserError(f"{Path(path).name}: this network enlarges ×{scale_of(model)}, those beside it ×{scale}")
    return admit(model)


def load(name: str) -> nn.Module:
    """A guest by its name, or whatever `zoo.load` knows: not to be changed.

    Raises:
        UserError: if it is unknown, or a guest that was forgotten.
    """
    if not name.startswith(PREFIX):
        return zoo.load(name)
    with _lock:
        found = _guests.get(name)
    if found is None:
        raise UserError("this network of yours was forgotten, because others came after it; bring it once more")
    return found
