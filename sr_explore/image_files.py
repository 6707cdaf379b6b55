"""Writing pictures: as PNG of 8 bits, under a safe name, whole or not at all, and never over another file.

Import these names from `sr_explore.images`; they have a file of their own only to keep both short.
"""

import io
import os
import re
import secrets
import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sr_explore.errors import UserError
from sr_explore.resize import to_uint8

_LONGEST_STEM = 120  # bytes; leaves room for "_x4_<network>-2.png" below the usual limit of 255
_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789¹²³")}


def write_png(path: str | Path, rgb: NDArray[Any], alpha: NDArray[Any] | None = None, icc: bytes | None = None) -> Path:
    """Write a picture as a lossless PNG of 8 bits under a name that is still free.

    The file appears under its name only when it is complete and on the disk, so that neither a crash nor another
    process that writes the same name can spoil it.

    Args:
        path: the wished name; ".png" is added unless it ends so. If it is taken, -2, -3, … is put behind the stem.
            Missing folders are made.
        rgb: (H, W, 3) float in [0, 1]; values outside are clipped.
        alpha: (H, W) float in [0, 1], or None for a picture without transparency.
        icc: an ICC profile for RGB, written as it is.

    Returns:
        The path really written.

    Raises:
        UserError: if a value is not finite, or the folder cannot be made or written to; nothing is left behind then.
    """
    data = png_bytes(rgb, alpha, icc)
    path = Path(path)
    if path.suffix.lower() != ".png":
        path = Path(f"{path}.png")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _write_new(path, data)
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"{shown_name(path)} cannot be written to the folder {str(path.parent)!r} ({reason}); "
            "choose a folder that you may write to and that has room."
        ) from error


def png_bytes(
    rgb: NDArray[Any], alpha: NDArray[Any] | None = None, icc: bytes | None = None, compress_level: int = 1
) -> bytes:
    """The very bytes that `write_png` writes, for a download that equals the file.

    Args:
        rgb: (H, W, 3) float in [0, 1], clipped, times 255, rounded half up; or uint8, as it is.
        alpha: (H, W) float in [0, 1], treated likewise, or None.
        icc: an ICC profile for RGB, or None.
        compress_level: 0 to 9; the pixels are the same. 6 is three times as slow as 1 and saves 4 % of a photo.

    Raises:
        UserError: if a value is not finite.
        ValueError: if the shapes are others.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"rgb is (H, W, 3), not {rgb.shape}")
    pixels = rgb if rgb.dtype == np.uint8 else to_uint8(rgb)
    if alpha is not None:
        if alpha.shape != rgb.shape[:2]:
            raise ValueError(f"alpha {alpha.shape} has another size than rgb {rgb.shape}")
        pixels = np.dstack([pixels, to_uint8(alpha)])
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", icc_profile=icc, compress_level=compress_level)
    return buffer.getvalue()


def safe_stem(name: str) -> str:
    """A file name without suffix that is harmless on every system, made from whatever a user or a file gave.

    Args:
        name: any text; it may hold folders, which are dropped. A suffix is kept, so take it off first.

    Returns:
        The last part of it in Unicode form NFC, without invisible characters (control, text direction), without dots,
        spaces and hyphens in front or dots and spaces behind, the characters that Windows forbids as "_", at most
        120 bytes in UTF-8; "_" in front of the names that Windows reserves; "photo" if nothing is left.
    """
    last = re.split(r"[/\\]", name)[-1]
    visible = (char for char in last if unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"})
    stem = unicodedata.normalize("NFC", "".join(visible))
    stem = re.sub(r'[<>:"|?*]', "_", re.sub(r"\s", " ", stem)).lstrip(". -")
    if stem.split(".")[0].rstrip().upper() in _RESERVED:
        stem = f"_{stem}"
    return stem.encode()[:_LONGEST_STEM].decode(errors="ignore").rstrip(". ") or "photo"


def shown_name(path: Path) -> str:
    """The file's name as messages quote it: one line, nothing invisible, not too long."""
    name = "".join(char if char.isprintable() else "?" for char in path.name or str(path))
    return f"'{name}'" if len(name) <= 100 else f"'{name[:80]}…{name[-19:]}'"


def _write_new(path: Path, data: bytes) -> Path:
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return _take_free_name(part, path)
    finally:
        part.unlink(missing_ok=True)
        _sync_folder(path.parent)


def _take_free_name(part: Path, wished: Path) -> Path:
    final, number = wished, 1
    while True:
        try:
            _take_name(part, final)
            return final
        except FileExistsError:
            number += 1
            final = wished.with_stem(f"{wished.stem}-{number}")


def _take_name(part: Path, final: Path) -> None:
    """Give the complete file its name; FileExistsError if another file has it."""
    with suppress(OSError, NotImplementedError):
        os.link(part, final)
        return
    # The name is taken, or the file system knows no hard links: an empty file reserves it, which fails if it is taken.
    os.close(os.open(final, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    try:
        os.replace(part, final)
    except OSError:
        final.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    """Make the new name outlast a power cut, where the system lets one open a folder."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
