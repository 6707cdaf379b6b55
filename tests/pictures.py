"""Pictures for tests, files that Pillow would not write, and what to assert about photos and sentences."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import pytest
from PIL import Image, ImageCms

from sr_explore.errors import UserError
from sr_explore.images import Photo

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LEVELS = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3) * 2


def png_file(width: int, height: int, depth: int, colour: int, packed: bytes, extra: bytes = b"") -> bytes:
    """A PNG by hand: Pillow cannot write 16-bit colour, nor a header that promises more than there is."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def assert_levels(photo: Photo, levels: Any) -> None:
    """The photo holds exactly these levels of 8 bits; (H, W) stands for grey."""
    levels = np.asarray(levels)
    expected = np.repeat(levels[:, :, None], 3, axis=2) if levels.ndim == 2 else levels
    assert photo.rgb.dtype == np.float32
    assert photo.rgb.flags.c_contiguous
    assert np.array_equal(photo.rgb, expected.astype(np.float32) / np.float32(255))


def alpha_of(photo: Photo) -> np.ndarray:
    assert photo.alpha is not None
    return photo.alpha


def assert_sentence(error: pytest.ExceptionInfo[UserError], *parts: str) -> None:
    text = str(error.value)
    assert all(part in text for part in parts), text
    assert text.endswith(".")
    assert ". " not in text
    assert "\n" not in text


def raising(error: BaseException) -> Callable[..., NoReturn]:
    """A function to put in the place of one that is to fail."""

    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    return fail


def odd_pictures() -> dict[str, bytes]:
    """What cameras, scanners and the last century hand in, by file name: usable, all of them."""
    noise = np.random.default_rng(0).integers(0, 256, (30, 44, 3), np.uint8)
    image = Image.fromarray(noise)
    turned = Image.Exif()
    turned[0x0112] = 6  # to be shown turned by 90°
    deep = np.random.default_rng(1).integers(0, 65536, (30, 44, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    transparent = Image.fromarray(np.dstack([noise, noise[:, :, 0]]))
    return {
        "turned.jpg": encoded(image, "JPEG", exif=turned),
        "transparent.png": encoded(transparent, "PNG"),
        "sixteen bits.png": png_file(44, 30, 16, 2, zlib.compress(rows)),
        "palette.gif": encoded(image.quantize(16), "GIF"),
        "print.jpg": encoded(image.convert("CMYK"), "JPEG"),
        "dot.png": encoded(image.crop((0, 0, 1, 1)), "PNG"),
        "strip.png": encoded(image.resize((9, 400)), "PNG"),
    }


def broken_pictures() -> dict[str, tuple[bytes, str]]:
    """What nobody can use, by file name, with words of the sentence that says so."""
    whole = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)), "JPEG")
    return {
        "cut off.jpg": (whole[: len(whole) // 2], "cut off.jpg"),
        "bomb.png": (png_file(60_000, 60_000, 8, 2, zlib.compress(b"")), "megapixels"),
        "empty.png": (b"", "empty.png"),
    }
