"""Hostile and damaged weight files end in one plain sentence, honest ones load, and writing is all or nothing."""

import gzip
import io
import json
import os
import struct
import tarfile
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch._utils import _rebuild_device_tensor_from_cpu_tensor

from sr_explore import torch_files
from sr_explore.errors import UserError
from sr_explore.state_files import StateFile, read_state, sha256_of, write_state

Contents = dict[str, bytes]


class Calls:
    """Pickles to a call, as hostile files do."""

    def __init__(self, function: Callable, *arguments: Any):
        self.call = (function, arguments)

    def __reduce__(self) -> tuple:
        return self.call


def weights() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    kernel, bias = torch.randn(2, 1, 3, 3, generator=generator), torch.randn(2, generator=generator)
    return {"conv.weight": kernel, "conv.bias": bias}


def pth(state: Any, legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(state, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def unzipped(data: bytes) -> Contents:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(contents: Contents, *more: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", compression) as archive:
        warnings.simplefilter("ignore")
        for name, data in [*contents.items(), *more]:
            archive.writestr(name, data)
    return buffer.getvalue()


def with_pickle(pickled: bytes) -> bytes:
    return zipped(unzipped(pth(weights())) | {"archive/data.pkl": pickled})


def tensors_file(header: dict, data: bytes = b"\0" * 16) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(start: int, end: int, shape: tuple[int, ...] = (2,), dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def with_first(value: Any, of: int = 4) -> Tensor:
    return torch.tensor([value] + [0.0] * (of - 1))


def claiming_a_gigabyte() -> bytes:
    """A stored zip whose directory gives its last entry the size 2^30."""
    data = bytearray(pth(weights()))
    place = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, place + 24, 2**30)
    return bytes(data)


def tuple_bomb(alias: int = 0) -> bytes:
    """A dictionary key whose hash takes 9^n steps: tuples that hold the same tuple nine times, n levels deep.

    With an alias, every tuple is called back under a second number in the pickle's memo.
    """
    pickled = b"\x80\x02})q\x00" + (b"q" + bytes([alias]) if alias else b"")
    for n in range(6):
        pickled += b"(" + b"h" + bytes([n]) + (b"h" + bytes([n + alias])) * 8 + b"tq" + bytes([n + 1])
        pickled += b"q" + bytes([n + 1 + alias]) if alias else b""
    return with_pickle(pickled + b"K\x01s.")


def tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("weights"))
    return buffer.getvalue()


def torchscript() -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        buffer = io.BytesIO()
        torch.jit.save(torch.jit.script(nn.Conv2d(1, 1, 1)), buffer)
    return buffer.getvalue()


def sparse(layout: torch.layout) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.eye(3).to_sparse(layout=layout)


def quantized() -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(torch.ones(2), 1.0, 0, torch.qint8)


def stretched(dtype: torch.dtype) -> Calls:
    """Would make torch.load convert 20 G numbers that are not in the file."""
    return Calls(_rebuild_device_tensor_from_cpu_tensor, torch.ones(1).expand(20 * 10**9), dtype, "cpu", False)


class Planted:
    """Pickles to a dictionary on which attributes of the file's choice hide the methods."""

    def __reduce__(self) -> tuple:
        return OrderedDict, (), dict.fromkeys(("items", "keys", "get", "values"), 0), None, iter(weights().items())


STRETCHED = torch.ones(1).expand(20 * 10**9)
SHARED = torch.ones(2**16)
OVERLAPPING = torch.ones(11).as_strided((6, 6), (1, 1))

# What the file is, the bytes, and words of the sentence.
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "empty"),
    "text": (lambda: "Ünknown file\n".encode() * 400, "this is text"),
    "web page": (lambda: b"\n<!DOCTYPE html><html>Not found</html>", "web page"),
    "text like safetensors": (lambda: b'01234567{"a": 1}', "this is text"),
    "gzip": (lambda: gzip.compress(pth(weights())), "gzip or tar"),
    "tar": (tar, "gzip or tar"),
    "onnx or anything": (lambda: b"\x08\x07\x12\x07pytorch\x1a", "no kind of weight file"),
    "pickle protocol 4": (lambda: b"\x80\x04}\x94.", "a pickle that torch.save did not write"),
    "bare pickle": (lambda: b"\x80\x02}q\x00.", "damaged or cut short"),
    "half a zip": (lambda: pth(weights())[:700], "damaged or cut short"),
    "zip less a byte": (lambda: pth(weights())[:-1], "damaged or cut short"),
    "legacy less a byte": (lambda: pth(weights(), legacy=True)[:-1], "damaged"),
    "half a legacy": (lambda: pth(weights(), legacy=True)[:300], "damaged or cut short"),
    "zip of something else": (lambda: zipped({"a/readme": b"hello"}), "not written by torch.save"),
    "flipped weights": (lambda: pth(weights()).replace(b"conv.weight", b"conv.wEight"), "checksums"),
    "deflated": (lambda: zipped(unzipped(pth(weights())), compression=zipfile.ZIP_DEFLATED), "compressed"),
    "deflate bomb": (
        lambda: zipped(unzipped(pth({"w": torch.zeros(2**20)})), compression=zipfile.ZIP_DEFLATED), "compressed"),
    "stored bomb": (claiming_a_gigabyte, "claim more than 256 MB"),
    "same name twice": (lambda: zipped(c := unzipped(pth(weights())), ("archive/data.pkl", c["archive/data.pkl"])),
                        "repeated or misleading"),
    "name with ..": (lambda: zipped(unzipped(pth(weights())), ("archive/../x", b"")), "repeated or misleading"),
    "absolute name": (lambda: zipped(unzipped(pth(weights())), ("/etc/x", b"")), "repeated or misleading"),
    "second root": (lambda: zipped(unzipped(pth(weights())), ("other/data.pkl", b"")), "repeated or misleading"),
    "module": (lambda: pth(nn.Conv2d(1, 1, 1)), "asks for torch.nn.modules.conv.Conv2d"),
    "torchscript": (torchscript, "TorchScript"),
    "list": (lambda: pth([torch.ones(2)]), "holds a list"),
    "tensor": (lambda: pth(torch.ones(2)), "holds a Tensor"),
    "no tensors": (lambda: pth({}), "holds 0 tensors"),
    "number beside": (lambda: pth({**weights(), "epoch": 3}), "'epoch' is a int, not a tensor"),
    "nested": (lambda: pth({"net": weights()}), "'net' is a dict, not a tensor"),
    "number as name": (lambda: pth({1: torch.ones(2)}), "one of its names is a int"),
    "long name": (lambda: pth({"k" * 2**20: torch.ones(2)}), "has 1048576 characters"),
    "name of two lines": (lambda: pth({"a\nb\u202e\x1b[31m": torch.ones(2, dtype=torch.int64)}), "'a?b??[31m' has"),
    "many tensors": (lambda: pth(dict.fromkeys(map(str, range(10_001)), torch.ones(1))), "holds 10001 tensors"),
    "stretched": (lambda: pth({"w": STRETCHED}), "claims 20000000000 numbers"),
    "stretched legacy": (lambda: pth({"w": STRETCHED}, legacy=True), "claims 20000000000 numbers"),
    "overlapping": (lambda: pth({"w": OVERLAPPING}), "claims 36 numbers"),
    "one memory often": (lambda: pth({str(i): SHARED.view(-1) for i in range(1025)}), "too many"),
    "stretched, converted": (lambda: pth({"w": stretched(torch.float64)}), "asks for torch._utils._rebuild_device"),
    "tuple bomb": (tuple_bomb, "not as torch.save writes it"),
    "tuple bomb, renamed": (lambda: tuple_bomb(alias=100), "not as torch.save writes it"),
    "deep tuple": (lambda: with_pickle(b"\x80\x02})" + b"\x85" * 2000 + b"K\x01s."), "not as torch.save writes it"),
    "deep tuple, padded": (lambda: with_pickle(b"\x80\x02})" + b"N\x86" * 2000 + b"K\x01s."), "not as torch.save"),
    "mark missing": (lambda: with_pickle(b"\x80\x02}u."), "damaged or cut short"),
    "other protocol": (lambda: with_pickle(b"\x80\x03}."), "not as torch.save writes it"),
    "endless list": (lambda: with_pickle(b"\x80\x02](" + b"N" * 1_000_001 + b"e."), "not as torch.save writes it"),
    "longer list": (lambda: with_pickle(b"\x80\x02X" + struct.pack("<I", 2**24) + b"a" * 2**24 + b"."), "too long"),
    "NaN": (lambda: pth({"w": with_first(float("nan"))}), "'w' has numbers that are infinite or not a number"),
    "infinite": (lambda: pth({"w": with_first(float("inf")).half()}), "infinite or not"),
    "minus infinite": (lambda: pth({"w": with_first(-float("inf")).bfloat16()}), "infinite or not"),
    "int64": (lambda: pth({"w": torch.ones(2, dtype=torch.int64)}), "'w' has the dtype int64"),
    "bool": (lambda: pth({"w": torch.ones(2, dtype=torch.bool)}), "'w' has the dtype bool"),
    "header of 2^60": (lambda: struct.pack("<Q", 2**60) + b'{"a": 1}', "header claims"),
    "half a safetensors": (lambda: safetensors.torch.save(weights())[:90], "cut short"),
    "safetensors less a byte": (lambda: safetensors.torch.save(weights())[:-1], "cut short"),
    "safetensors overlap": (lambda: tensors_file({"a": entry(0, 8), "b": entry(4, 12)}, b"\0" * 12), "damaged"),
    "safetensors hole": (lambda: tensors_file({"a": entry(0, 4, (1,)), "b": entry(8, 16)}), "damaged"),
    "safetensors too short": (lambda: tensors_file({"a": entry(0, 8, (2**40,))}, b"\0" * 8), "damaged"),
    "safetensors no tensors": (lambda: tensors_file({}, b""), "holds 0 tensors"),
    "safetensors int64": (lambda: tensors_file({"a": entry(0, 16, dtype="I64")}), "dtype int64"),
    "safetensors bool": (lambda: tensors_file({"a": entry(0, 16, (16,), "BOOL")}), "dtype bool"),
    "safetensors fp8": (lambda: tensors_file({"a": entry(0, 16, (16,), "F8_E4M3")}), "dtype float8_e4m3fn"),
    "safetensors NaN": (lambda: safetensors.torch.save({"w": with_first(float("nan"))}), "infinite or not"),
    "safetensors long name": (lambda: tensors_file({"k" * 2**20: entry(0, 16, (4,))}), "has 1048576 characters"),
}  # fmt: skip

# Files that torch.load lets pass under weights_only, and what is said should they ever pass the look at the pickle.
ODD_TENSORS: dict[str, tuple[Callable[[], Any], str]] = {
    "sparse COO": (lambda: sparse(torch.sparse_coo), "sparse, quantized or empty-shell"),
    "sparse CSR": (lambda: sparse(torch.sparse_csr), "sparse, quantized or empty-shell"),
    "meta": (lambda: torch.empty(10**6, 10**6, device="meta"), "sparse, quantized or empty-shell"),
    "quantized": (quantized, "sparse, quantized or empty-shell"),
    "complex": (lambda: torch.ones(2, dtype=torch.complex64), "dtype complex64"),
    "fp8": (lambda: torch.ones(2).to(torch.float8_e4m3fn), "dtype float8_e4m3fn"),
    "uint16": (lambda: torch.ones(2, dtype=torch.uint16), "dtype uint16"),
}


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_state(path)
    text = str(caught.value)
    assert type(caught.value) is UserError
    assert len(text.splitlines()) == 1
    assert len(text) <= 300
    assert text.isprintable()
    assert "weights_only" not in text
    assert path.name in text
    assert caught.value.__cause__ is None  # torch's own advice is not carried along either
    return text


def test_a_good_file_comes_back_with_its_hash(tmp_path: Path):
    path = tmp_path / "good.pth"
    path.write_bytes(pth(weights()))
    state = read_state(str(path))
    assert (state.kind, state.metadata, state.sha256) == ("pytorch", {}, sha256_of(path))
    assert_same(state, weights())


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_end_in_one_sentence(name: str, tmp_path: Path, recwarn: pytest.WarningsRecorder):
    make, words = HOSTILE[name]
    path = tmp_path / "net.pth"
    path.write_bytes(make())
    assert words in refusal(path)
    # torch's warnings are no better reading than its errors; a ResourceWarning is about what other tests left behind.
    assert not [warning for warning in recwarn.list if not issubclass(warning.category, ResourceWarning)]


@pytest.mark.filterwarnings("ignore:TypedStorage")
@pytest.mark.parametrize("name", ODD_TENSORS)
@pytest.mark.parametrize("looked_at", [True, False], ids=["looked at", "let through"])
def test_odd_tensors_meet_two_doors(name: str, looked_at: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    make, words = ODD_TENSORS[name]
    path = tmp_path / "net.pth"
    path.write_bytes(pth({"w": make()}))
    if not looked_at:
        monkeypatch.setattr(torch_files, "_check_pickle", lambda stream: None)
    assert ("asks for torch" if looked_at else words) in refusal(path)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("looked_at", [True, False], ids=["looked at", "let through"])
@pytest.mark.parametrize(
    "wrap",
    [lambda call: call, lambda call: {"w": ((call,),)}, lambda call: {"params": {"w": call}}],
    ids=["alone", "in tuples", "wrapped"],
)
def test_no_code_in_a_file_ever_runs(
    wrap: Callable, looked_at: bool, legacy: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    marker, path = tmp_path / "marker", tmp_path / "net.pth"
    path.write_bytes(pth(wrap(Calls(os.mkdir, str(marker))), legacy))
    torch.load(path, weights_only=False)  # our own file: the payload is a live one
    assert marker.is_dir()
    marker.rmdir()
    if not looked_at:
        monkeypatch.setattr(torch_files, "_check_pickle", lambda stream: None)
    text = refusal(path)
    assert not marker.exists()
    assert ("mkdir" in text) == looked_at


def test_planted_attributes_do_no_harm(tmp_path: Path):
    path = tmp_path / "net.pth"
    path.write_bytes(pth(Planted()))
    assert_same(read_state(path), weights())


def test_what_is_no_file_is_refused(tmp_path: Path):
    loop, pipe, folder = tmp_path / "loop.pth", tmp_path / "pipe.pth", tmp_path / "folder.pth"
    loop.symlink_to(loop)
    os.mkfifo(pipe)
    folder.mkdir()
    assert "not a file" in refusal(folder)
    assert "not a file" in refusal(pipe)
    assert "cannot be read" in refusal(loop)
    assert "no such file" in refusal(tmp_path / "missing.pth")
    with pytest.raises(UserError, match="cannot be read"):
        read_state("a\0b")
    with pytest.raises(UserError, match="cannot be read"):
        read_state(tmp_path / ("n" * 300))


def test_a_big_file_is_not_even_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "big.safetensors"
    path.touch()
    os.truncate(path, 300 * 2**20)
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("opened"))
    assert "300 MB; at most 256 MB" in refusal(path)


def test_odd_file_names_stay_one_line(tmp_path: Path):
    path = tmp_path / ("two\nlines\x1b[31m" + "n" * 200 + ".pth")
    path.touch()
    with pytest.raises(UserError) as caught:
        read_state(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (pth(weights()), "net.safetensors", "pytorch"),
        (pth(weights(), legacy=True), "net.bin", "pytorch"),
        (safetensors.torch.save(weights(), {"note": "ü"}), "net.pth", "safetensors"),
    ],
    ids=["zip", "legacy", "safetensors"],
)
def test_the_kind_follows_from_the_bytes_not_the_name(data: bytes, name: str, kind: str, tmp_path: Path):
    path = tmp_path / name
    path.write_bytes(data)
    state = read_state(path)
    assert state.kind == kind
    assert state.metadata == ({"note": "ü"} if kind == "safetensors" else {})
    assert_same(state, weights())


@pytest.mark.parametrize(
    "wrapped",
    [
        {"params": weights(), "epoch": 3, "best": 31.5, "betas": (0.9, 0.99)},
        {"params": {"old": torch.ones(1)}, "params_ema": weights()},
        {"state_dict": OrderedDict(weights())},
        {f"module.{key}": value for key, value in weights().items()},
        {"params": {f"module.{key}": value for key, value in weights().items()}},
        {key: nn.Parameter(value) for key, value in weights().items()},
    ],
    ids=["params", "params_ema", "state_dict", "module.", "both", "parameters"],
)
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_wrappers_are_taken_off(wrapped: dict, legacy: bool, tmp_path: Path):
    path = tmp_path / "net.pth"
    path.write_bytes(pth(wrapped, legacy))
    state = read_state(path)
    assert_same(state, weights())
    assert not any(value.requires_grad or isinstance(value, nn.Parameter) for value in state.tensors.values())


def test_module_stays_where_only_some_names_have_it(tmp_path: Path):
    path = tmp_path / "net.pth"
    path.write_bytes(pth({"module.a": torch.ones(1), "b": torch.ones(1), "params": torch.ones(1)}))
    assert list(read_state(path).tensors) == ["module.a", "b", "params"]


@pytest.mark.parametrize("save", [pth, safetensors.torch.save])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtypes_become_float32_or_stay_float64(dtype: torch.dtype, save: Callable[[Any], bytes], tmp_path: Path):
    path = tmp_path / "net"
    state = {key: value.to(dtype) for key, value in weights().items()}
    path.write_bytes(save(state))
    target = torch.float64 if dtype == torch.float64 else torch.float32
    assert_same(read_state(path), {key: value.to(target) for key, value in state.items()})


def test_views_load_dense(tmp_path: Path):
    whole = torch.arange(24.0).reshape(4, 6)
    path = tmp_path / "net.pth"
    path.write_bytes(pth({"t": whole.T, "part": whole[1:3]}))
    state = read_state(path)
    assert_same(state, {"t": whole.T, "part": whole[1:3]})
    assert all(value.is_contiguous() for value in state.tensors.values())


def test_what_is_written_comes_back(tmp_path: Path):
    path = tmp_path / "net.safetensors"
    whole = torch.arange(24.0).reshape(4, 6)
    tensors = {"t": whole.T, "part": whole[1:3], "same": whole, "none": torch.ones(0, 3), "one": torch.tensor(2.0)}
    tensors["grad"] = nn.Parameter(torch.ones(2, dtype=torch.float64))
    before = {key: value.clone() for key, value in tensors.items()}
    digest = write_state(str(path), tensors, {"note": "two\nlines"})
    state = read_state(path)
    assert digest == state.sha256 == sha256_of(path)
    assert state.metadata == {"note": "two\nlines"}
    assert_same(state, before)
    assert_same(StateFile(tensors, {}, "safetensors", ""), before)
    assert os.listdir(tmp_path) == ["net.safetensors"]


@pytest.mark.parametrize("broken", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "killed"])
def test_a_failed_write_leaves_the_old_file_whole(
    broken: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "net.safetensors"
    write_state(path, weights(), {})
    old = path.read_bytes()

    def fail(*_: Any):
        raise error

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises((UserError, KeyboardInterrupt)) as caught:
        write_state(path, {"w": torch.zeros(3)}, {})
    assert isinstance(caught.value, KeyboardInterrupt) or "no space left" in str(caught.value)
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["net.safetensors"]


def test_only_regular_files_are_written_over(tmp_path: Path):
    link, pipe, folder, target = (tmp_path / name for name in ("link", "pipe", "folder", "target"))
    target.write_text("precious")
    link.symlink_to(target)
    os.mkfifo(pipe)
    folder.mkdir()
    for path in (link, pipe, folder):
        mode = path.lstat().st_mode
        with pytest.raises(UserError, match="left alone"):
            write_state(path, weights(), {})
        assert path.lstat().st_mode == mode
    assert target.read_text() == "precious"
    for bad in (tmp_path / "no" / "folder", tmp_path / ("n" * 300), "a\0b"):
        with pytest.raises(UserError, match="cannot be written"):
            write_state(bad, weights(), {})


def test_a_hash_of_nothing_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="missing: cannot be read"):
        sha256_of(tmp_path / "missing")


SMALL = [pth(weights()), pth(weights(), legacy=True), safetensors.torch.save(weights(), {"note": "n"})]


@settings(max_examples=150, deadline=None, database=None)
@given(
    whole=st.sampled_from(SMALL),
    flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), max_size=4),
    cut=st.one_of(st.just(0), st.integers(1, 10**6)),
)
def test_damage_gives_a_state_or_a_sentence(
    whole: bytes, flips: list[tuple[int, int]], cut: int, tmp_path_factory: pytest.TempPathFactory
):
    data = bytearray(whole)
    for place, bits in flips:
        data[place % len(data)] ^= bits
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(data[: len(data) - cut % len(data)])
    state, sentence = None, ""
    with warnings.catch_warnings(record=True) as warned:
        try:
            state = read_state(path)
        except UserError as error:
            sentence = str(error)
    assert not warned
    assert (state is None) == bool(sentence)
    assert sentence.isprintable()
    assert len(sentence) <= 300
    assert state is None or all(torch.isfinite(value).all() for value in state.tensors.values())


def assert_same(state: StateFile, expected: dict[str, Tensor]):
    assert state.tensors.keys() == expected.keys()
    for key, value in expected.items():
        assert state.tensors[key].dtype == value.dtype
        assert torch.equal(state.tensors[key], value)
