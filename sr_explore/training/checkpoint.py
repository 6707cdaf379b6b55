"""Training checkpoints: atomic, two generations, plain tensors, and refused for any other run than their own."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sr_explore.errors import UserError
from sr_explore.state_files import StateFile, read_state, write_state

CURRENT = "checkpoint.safetensors"
PREVIOUS = "checkpoint.previous.safetensors"


@dataclass(frozen=True)
class Progress:
    """Where a run stands: steps done, seconds trained, and the curves so far."""

    step: int = 0
    seconds: float = 0.0
    losses: tuple[tuple[int, float], ...] = ()
    psnrs: tuple[tuple[int, float], ...] = ()


def fingerprint(model: nn.Module, settings: dict[str, Any]) -> str:
    """A hash of what must not change between the parts of one run: the settings and the weights it started from."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name, value in model.state_dict().items():
        digest.update(f"{name}{tuple(value.shape)}".encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def save_checkpoint(
    folder: Path, model: nn.Module, ema: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress, identity: str
) -> None:
    """Write everything a resumed run needs; the generation before is kept until the new one is whole on disk."""
    tensors = _prefixed("model", model.state_dict()) | _prefixed("ema", ema.state_dict())
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= _prefixed(f"optimizer.{index}", moments)
    metadata = {"progress": json.dumps(vars(progress)), "identity": identity}
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / CURRENT).exists():
        os.replace(folder / CURRENT, folder / PREVIOUS)
    write_state(folder / CURRENT, tensors, metadata)


def load_checkpoint(
    folder: Path, model: nn.Module, ema: nn.Module, optimizer: torch.optim.Optimizer, identity: str
) -> Progress:
    """Put the newest whole checkpoint of a folder into model, average and optimizer; a fresh `Progress` where none is.

    Raises:
        UserError: if the checkpoint belongs to another run.
    """
    state = _newest(folder)
    if state is None:
        return Progress()
    if state.metadata.get("identity") != identity:
        raise UserError(
            f"the checkpoint in {folder} belongs to a run with other settings or from another network;"
            " train into another folder, or without --resume"
        )
    model.load_state_dict(_under("model", state.tensors))
    ema.load_state_dict(_under("ema", state.tensors))
    saved = optimizer.state_dict()
    indices = [index for group in saved["param_groups"] for index in group["params"]]
    saved["state"] = {index: _under(f"optimizer.{index}", state.tensors) for index in indices}
    optimizer.load_state_dict(saved)
    values = json.loads(state.metadata["progress"])
    curves = {name: tuple((int(step), float(value)) for step, value in values[name]) for name in ("losses", "psnrs")}
    return Progress(step=values["step"], seconds=values["seconds"], **curves)


def _newest(folder: Path) -> StateFile | None:
    failure: UserError | None = None
    for name in (CURRENT, PREVIOUS):
        if (folder / name).exists():
            try:
                return read_state(folder / name)
            except UserError as error:  # a torn file is what the generation before is for
                failure = failure or error
    if failure:
        raise failure
    return None


def _prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    # Counters go as numbers with a point, which is all that `read_state` accepts; loading turns them back.
    floats = {name: value if value.is_floating_point() else value.double() for name, value in tensors.items()}
    return {f"{prefix}.{name}": value for name, value in floats.items()}


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(f"{prefix}."): value for name, value in tensors.items() if name.startswith(f"{prefix}.")}
