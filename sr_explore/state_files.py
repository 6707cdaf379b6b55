"""Weight files that nobody vouches for: read without running anything in them, and written whole or not at all.

A file is read once into memory, so that what is checked is what is loaded. What kind it is follows from its first
bytes. What torch.save wrote has a module of its own, `torch_files`.
"""

import codecs
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
from torch import Tensor

from sr_explore.errors import UserError
from sr_explore.torch_files import ACCEPTED, AGAIN, MAX_BYTES, MAX_INDEX_BYTES, load_pytorch, or_else, short

MAX_TENSORS = 10_000
MAX_ELEMENTS = MAX_BYTES // 4
MAX_KEY_LENGTH = 200

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_WRAPPERS = ("params_ema", "params", "state_dict")


@dataclass(frozen=True)
class StateFile:
    """What a weight file holds.

    Attributes:
        tensors: by name; dense, finite, on the CPU, float32 (float64 stays float64).
        metadata: the notes of a safetensors file; empty for PyTorch files.
        kind: what the file is, whatever its name says.
        sha256: of the whole file.
    """

    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    kind: Literal["safetensors", "pytorch"]
    sha256: str


def read_state(path: str | Path) -> StateFile:
    """Read a weight file that may be damaged or hostile; no code in it is run.

    Wrappers (`params_ema`, `params`, `state_dict`) and a `module.` before every name are taken off.

    Args:
        path: a safetensors file or what torch.save wrote, at most 256 MB.

    Returns:
        Its tensors, under the names that they have in the file.

    Raises:
        UserError: if the file cannot be used; one sentence that names the file and says why.
    """
    try:
        data = _bytes_of(Path(path))
        kind = _kind_of(data)
        if kind == "safetensors":
            state, metadata = _load_safetensors(data)
        else:
            state, metadata = load_pytorch(data), {}
        return StateFile(_plain_tensors(_unwrap(state)), metadata, kind, hashlib.sha256(data).hexdigest())
    except UserError as error:
        raise UserError(f"{_named(path)}: {error}") from None


def write_state(path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """Write tensors to a safetensors file; whatever goes wrong, the file that was there before stays whole.

    Args:
        path: the file, in a folder that exists; only a regular file is ever replaced.
        tensors: by name, on any device, not changed; those that share memory are written once each.
        metadata: notes that `read_state` gives back.

    Returns:
        The file's sha256.

    Raises:
        UserError: if something other than a regular file is in the way, or the file cannot be written.
    """
    return write_whole(path, state_bytes(tensors, metadata))


def state_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """What `write_state` writes."""
    return safetensors.torch.save(_unshared(tensors), dict(metadata))


def write_whole(path: str | Path, data: bytes, replace: bool = True) -> str:
    """Write a file whole or not at all; whatever goes wrong, the file that was there before stays whole.

    Args:
        path: the file, in a folder that exists; only a regular file is ever replaced.
        replace: False refuses to replace even that.

    Returns:
        The file's sha256.

    Raises:
        UserError: if something is in the way, or the file cannot be written.
    """
    path = Path(path)
    try:
        special = path.is_symlink() or (path.exists() and not path.is_file())
        taken = not replace and path.exists()
        if not special and not taken:
            _replace(path, data)
    except (OSError, ValueError) as error:
        raise UserError(f"{_named(path)}: cannot be written ({_reason(error)}); name another place") from error
    if special:
        raise UserError(f"{_named(path)}: this is a link, a folder or a device, left alone; name another file")
    if taken:
        raise UserError(f"{_named(path)}: there is such a file already, left alone; name another one or remove it")
    return hashlib.sha256(data).hexdigest()


def sha256_of(path: str | Path) -> str:
    """The sha256 of a file, in hexadecimal.

    Raises:
        UserError: if the file cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise UserError(f"{_named(path)}: cannot be read ({_reason(error)})") from error


def _bytes_of(path: Path) -> bytes:
    data = b""
    try:
        size = path.stat().st_size
        regular = path.is_file()
        if regular and size <= MAX_BYTES:  # opening a pipe would wait for a writer
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)  # it may have grown since
    except FileNotFoundError:
        raise UserError("there is no such file") from None
    except (OSError, ValueError) as error:
        raise UserError(f"cannot be read ({_reason(error)})") from None
    if not regular:
        raise UserError(f"this is not a file but a folder or a device; {ACCEPTED}")
    size = max(size, len(data))
    if size > MAX_BYTES:
        raise UserError(f"the file has {size / 2**20:.0f} MB; at most {MAX_BYTES // 2**20} MB are read")
    return data


def _kind_of(data: bytes) -> Literal["safetensors", "pytorch"]:
    if not data:
        raise UserError(f"the file is empty; {AGAIN}")
    if data.startswith((b"PK\x03\x04", b"\x80\x02")):
        return "pytorch"
    if _is_text(data[:4096]):
        found = "a web page" if data.lstrip().startswith(b"<") else "text"
        raise UserError(f"this is {found}, not a weight file; {AGAIN}")
    if data[8:9] == b"{":
        return "safetensors"
    if data.startswith(b"\x1f\x8b") or data[257:262] == b"ustar":
        raise UserError(f"this is a gzip or tar archive; unpack it first: {ACCEPTED}")
    if data.startswith(b"\x80"):
        raise UserError(f"this is a pickle that torch.save did not write; {ACCEPTED}")
    raise UserError(f"this is no kind of weight file known here; {ACCEPTED}")


def _is_text(head: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head)  # a character cut at the end is no fault
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character.isspace() for character in text)


def _load_safetensors(data: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    length = int.from_bytes(data[:8], "little")
    if length > min(MAX_INDEX_BYTES, len(data) - 8):
        raise UserError(f"its header claims {length} bytes, so the file is damaged or cut short; {AGAIN}")
    with or_else(f"this safetensors file is damaged, cut short or of a dtype not known here; {AGAIN}"):
        tensors = safetensors.torch.load(data)
        return tensors, dict(json.loads(data[8 : 8 + length]).get("__metadata__") or {})


def _unwrap(state: Any) -> dict[Any, Any]:
    """The innermost dictionary; `dict`'s own methods, because a file can plant others on the object."""
    if not isinstance(state, dict):
        raise UserError(f"it holds a {type(state).__name__}, not named tensors; {ACCEPTED}")
    for wrapper in _WRAPPERS:
        inner = dict.get(state, wrapper)
        if isinstance(inner, dict):
            state = inner
            break
    # A detached tensor is a new object, without what the file may have planted on it.
    items = [(key, Tensor.detach(value) if isinstance(value, Tensor) else value) for key, value in dict.items(state)]
    if all(isinstance(key, str) and key.startswith("module.") for key, _ in items):
        return {key.removeprefix("module."): value for key, value in items}
    return dict(items)


def _plain_tensors(state: dict[Any, Any]) -> dict[str, Tensor]:
    if not 0 < len(state) <= MAX_TENSORS:
        raise UserError(f"it holds {len(state)} tensors; from 1 to {MAX_TENSORS} are accepted")
    for key, value in state.items():
        fault = _fault_of_name(key) or _fault_of_value(value)
        if fault:
            raise UserError(f"{_quoted(key)} {fault}; {ACCEPTED}")
    if sum(value.numel() for value in state.values()) > MAX_ELEMENTS:
        raise UserError(f"its tensors have more than {MAX_ELEMENTS} numbers, which is too many")
    # Only now is data touched: what lies about its size would fill the memory.
    for key, value in state.items():
        if not torch.isfinite(value).all():
            raise UserError(f"{_quoted(key)} has numbers that are infinite or not a number; the weights are spoilt")
    return {
        key: value.to(torch.float64 if value.dtype == torch.float64 else torch.float32).contiguous()
        for key, value in state.items()
    }


def _fault_of_name(key: Any) -> str | None:
    if not isinstance(key, str):
        return f"is a {type(key).__name__}, not text"
    return f"has {len(key)} characters, more than {MAX_KEY_LENGTH}" if len(key) > MAX_KEY_LENGTH else None


def _fault_of_value(value: Any) -> str | None:
    """What is wrong with a value, found without touching its data; None if nothing is."""
    if not isinstance(value, Tensor):
        return f"is a {type(value).__name__}, not a tensor"
    if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
        return "is a sparse, quantized or empty-shell tensor"
    if value.dtype not in _DTYPES:
        return f"has the dtype {str(value.dtype).removeprefix('torch.')}"
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        return f"claims {value.numel()} numbers, more than the file has for it"
    return None


def _unshared(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    seen: set[int] = set()
    own: dict[str, Tensor] = {}
    for key, value in tensors.items():
        dense = value.detach().cpu().contiguous()
        memory = dense.untyped_storage().data_ptr()
        own[key] = dense.clone() if memory in seen else dense
        seen.add(memory)
    return own


def _replace(path: Path, data: bytes) -> None:
    part = path.parent / f".{secrets.token_hex(8)}.part"
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    if hasattr(os, "O_DIRECTORY"):  # the new name, too, has to survive a power cut; Windows has no way to ask
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _named(path: str | Path) -> str:
    return short(Path(path).name or str(path))


def _quoted(key: Any) -> str:
    return repr(short(key)) if isinstance(key, str) else "one of its names"


def _reason(error: OSError | ValueError) -> str:
    return (getattr(error, "strerror", None) or type(error).__name__).lower()
