"""Which device and which precision to use, and how to name them to people."""

import os
import platform
from pathlib import Path

import torch

from sr_explore.errors import UserError

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def pick_device(name: str = "auto") -> torch.device:
    """A torch device by name; "auto" takes the GPU if there is one.

    Raises:
        UserError: if the name is unknown or the device is not on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"there is no device called {name!r}; use auto, cpu or cuda") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"{name} was asked for, but torch sees no GPU here; use cpu, or install a CUDA build of torch")
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"{name} is not supported; use auto, cpu or cuda")
    return device


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """The number format to run in; "auto" is float32, the one in which published scores are measured.

    "fast" is float16 on a GPU and bfloat16 on a processor with instructions for it, float32 elsewhere.

    Raises:
        UserError: if the name is unknown.
    """
    if name == "fast":
        if device.type == "cuda":
            return torch.float16
        return torch.bfloat16 if has_fast_bfloat16(device) else torch.float32
    if name == "auto":
        return torch.float32
    if name not in DTYPES:
        raise UserError(f"there is no number format called {name!r}; use auto, fast, {', '.join(DTYPES)}")
    return DTYPES[name]


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32 on this device, going by its instruction set."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return bool(torch.cpu._is_avx512_bf16_supported())


def hardware_name(device: torch.device) -> str:
    """What a training ran on, for a card: the GPU's name, or the processor's and how many threads were used."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    fast = ", bfloat16" if has_fast_bfloat16(device) else ""
    return f"{_processor()}, {torch.get_num_threads()} of {os.cpu_count()} cores{fast}, no GPU"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def device_name(device: torch.device) -> str:
    """The device in words: the GPU's name, or "CPU, n threads"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads != 1 else ''}"
