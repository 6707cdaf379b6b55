"""Archives that torch.save wrote, held to what named tensors need before torch is shown them.

Even what `weights_only` lets pass can be made to fill the memory (converting a stretched tensor), to compute for ever
or to crash (the hash of tuples in tuples in tuples). So a zip's directory and every pickle in it are read first,
without being run.
"""

import io
import pickletools
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from sr_explore.errors import UserError

MAX_BYTES = 256 * 2**20
MAX_INDEX_BYTES = 16 * 2**20  # the part that names the tensors: a pickle or a safetensors header
MAX_OPCODES = 1_000_000
MAX_TUPLE = 1_000
ACCEPTED = "accepted are .safetensors and .pth files that hold nothing but named floating-point tensors"
AGAIN = "download it again"


_STORAGES = ("BFloat16", "Bool", "Byte", "Double", "Float", "Half", "Int", "Long")
_GLOBALS = {"collections.OrderedDict", "torch._utils._rebuild_parameter", "torch._utils._rebuild_tensor_v2"} | {
    f"torch.{storage}Storage" for storage in _STORAGES
}
_PUTS, _GETS, _TUPLES = {"BINPUT", "LONG_BINPUT"}, {"BINGET", "LONG_BINGET"}, {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
_MARK = 0  # its place on the stack; every object counts 1 or more
_OPCODES = (
    _PUTS | _GETS | _TUPLES | {"PROTO", "STOP", "GLOBAL", "REDUCE", "BUILD", "BINPERSID", "NONE", "NEWTRUE", "NEWFALSE"}
)
_OPCODES |= {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING", "MARK"}
_OPCODES |= {"EMPTY_TUPLE", "EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS"}


def load_pytorch(data: bytes) -> Any:
    """Whatever the file holds, with tensors as the only thing that is no plain Python.

    Args:
        data: the whole file, a zip archive or torch's older format.

    Raises:
        UserError: if it is damaged, or has more in it than named tensors need.
    """
    if data.startswith(b"PK"):
        _check_pickle(io.BytesIO(_pickle_in_zip(data)))
    else:
        stream = io.BytesIO(data)
        for _ in ("magic number", "version", "machine", "state dict", "storage keys"):
            _check_pickle(stream)
    with or_else(f"torch cannot read this as plain tensors: it is damaged or holds more; {ACCEPTED}"):
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


def _pickle_in_zip(data: bytes) -> bytes:
    """The one pickle of what torch.save wrote, once every entry is found stored, named well and intact."""
    with or_else(f"the zip archive is damaged or cut short; {AGAIN}"), zipfile.ZipFile(io.BytesIO(data)) as archive:
        root = _check_directory(archive)
        if archive.testzip() is not None:
            raise UserError(f"its contents do not agree with their checksums: the file is damaged; {AGAIN}")
        return archive.read(f"{root}/data.pkl")


def _check_directory(archive: zipfile.ZipFile) -> str:
    entries = archive.infolist()
    names = [entry.orig_filename for entry in entries]
    root = names[0].split("/")[0] if names else ""
    if f"{root}/constants.pkl" in names or any(name.startswith(f"{root}/code/") for name in names):
        raise UserError(f"this is a TorchScript archive, which holds code; {ACCEPTED}")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise UserError(f"this zip archive is compressed, as torch.save never does; {ACCEPTED}")
    if sum(entry.file_size for entry in entries) > MAX_BYTES:
        raise UserError(f"its entries claim more than {MAX_BYTES // 2**20} MB; {ACCEPTED}")
    steps = [name.split("/") for name in names]
    if len({name.casefold() for name in names}) < len(names) or any(
        parts[0] != root or not parts[0] or ".." in parts or set("\\\0:") & set("".join(parts)) for parts in steps
    ):
        raise UserError(f"this zip archive has repeated or misleading names; {ACCEPTED}")
    if f"{root}/data.pkl" not in names or archive.comment:
        raise UserError(f"this zip archive was not written by torch.save; {ACCEPTED}")
    if archive.getinfo(f"{root}/data.pkl").file_size > MAX_INDEX_BYTES:
        raise UserError(f"its list of tensors is too long; {ACCEPTED}")
    return root


def _check_pickle(stream: io.BytesIO) -> None:
    """Hold a pickle to what torch.save writes for named tensors; stack and memo hold sizes in place of objects."""
    stack: list[int] = []
    memo: dict[Any, int] = {}
    with or_else(f"its list of tensors is damaged or cut short; {AGAIN}"):
        for index, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            name = opcode.name
            asked = str(argument).replace(" ", ".") if name == "GLOBAL" else ""
            if asked and asked not in _GLOBALS:
                raise UserError(f"it asks for {short(asked)}, which no named floating-point tensors need; {ACCEPTED}")
            if name in _PUTS:
                memo[argument] = stack[-1]
            size = memo[argument] if name in _GETS else _taken(opcode, stack)
            odd = name not in _OPCODES or (name == "PROTO" and argument != 2)  # torch warns at length of others
            if odd or index > MAX_OPCODES or size > MAX_TUPLE:
                raise UserError(f"its list of tensors is not as torch.save writes it; {ACCEPTED}")
            stack.extend([size] * len(opcode.stack_after))


def _taken(opcode: pickletools.OpcodeInfo, stack: list[int]) -> int:
    """Do to the stack what an opcode does; the size of what it makes: of tuples, all that they hold, else 1."""
    size = 0
    for need in reversed(opcode.stack_before):
        if need is pickletools.stackslice:
            while stack[-1] != _MARK:
                size += stack.pop()
        else:
            size += stack.pop()
    if opcode.name == "MARK":
        return _MARK
    return 1 + size if opcode.name in _TUPLES else 1


@contextmanager
def or_else(sentence: str) -> Iterator[None]:
    """Any failure inside becomes one sentence; libraries' own texts are long, and torch's advise to turn safety off."""
    try:
        yield
    except UserError:
        raise
    except Exception:
        raise UserError(sentence) from None


def short(text: str) -> str:
    """One line of at most 60 printable characters."""
    line = "".join(character if character.isprintable() else "?" for character in text)
    return line if len(line) <= 60 else f"{line[:40]}…{line[-19:]}"
