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
