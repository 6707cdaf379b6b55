"""From an opened Pillow image of any mode to float arrays, by hand wherever Pillow's own conversion loses something.

Pillow turns 16-bit grey into white, floats into black and forgets what alpha was hiding; here nothing gets lost
silently: what cannot be kept is said in a note.
"""

import io
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

from sr_explore.errors import UserError

Floats = NDArray[np.float32]

_GREY_MODES = {"1", "L", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"}
_TURN_UPRIGHT: dict[int, Callable[[Floats], Floats]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels[::-1].swapaxes(0, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels[:, ::-1].swapaxes(0, 1),
}


class Pixels(NamedTuple):
    """rgb (H, W, 3) and alpha (H, W) or None, both float32 in [0, 1]; an RGB profile or None; what was lost."""

    rgb: Floats
    alpha: Floats | None
    icc: bytes | None
    notes: tuple[str, ...]


def decode(image: Image.Image) -> Pixels:
    """Load the first frame of an opened image, upright, as floats.

    Args:
        image: as `PIL.Image.open` gives it, not loaded yet: how deep its samples are is known only until then.

    Returns:
        New arrays. RGB is kept as it is under transparent pixels; alpha is None where everything is opaque.

    Raises:
        UserError: if float samples are not finite.
        Exception: whatever Pillow raises for a damaged file.
    """
    notes: list[str] = []
    raw_mode = _raw_mode(image)
    image.load()
    if re.match(r"(RGB|RGBA|RGBX|RGBa|LA|CMYK)\w*;16", raw_mode):
        notes.append("Its 16 bits per channel were read as 8.")
    rgb, alpha = _split(image, raw_mode, notes)
    icc = _kept_profile(image, notes)
    if _has_more_frames(image):
        notes.append("Only the first of its pictures was used.")
    turn = _TURN_UPRIGHT.get(_orientation(image), lambda pixels: pixels)
    if alpha is not None:
        alpha = None if (alpha == 1).all() else np.ascontiguousarray(turn(alpha))
    return Pixels(np.ascontiguousarray(turn(rgb)), alpha, icc, tuple(notes))


def _split(image: Image.Image, raw_mode: str, notes: list[str]) -> tuple[Floats, Floats | None]:
    if image.mode in _GREY_MODES:
        alpha = _alpha_of_key(np.asarray(image)[:, :, None], image.info.get("transparency"), raw_mode)
        return np.repeat(_grey(image, notes)[:, :, None], 3, axis=2), alpha
    if image.mode == "RGB":
        return _unit(image), _alpha_of_key(np.asarray(image), image.info.get("transparency"), raw_mode)
    if image.mode in ("CMYK", "LAB"):
        notes.append(f"Its {image.mode} colours were converted to RGB.")
        return _unit(_converted(image)), None
    rgba = _unit(image.convert("RGBA"))
    return rgba[:, :, :3], rgba[:, :, 3]


def _unit(image: Image.Image) -> Floats:
    pixels = np.array(image, dtype=np.float32)
    pixels /= 255
    return pixels


def _grey(image: Image.Image, notes: list[str]) -> Floats:
    white = {"1": 1, "L": 255, "F": 1}.get(image.mode, 65535)
    grey = np.asarray(image).astype(np.float64 if image.mode == "I" else np.float32) / white
    if not np.isfinite(grey).all():
        raise UserError("has values that are not finite numbers; replace them and save it anew")
    if grey.min() < 0 or grey.max() > 1:
        notes.append(f"Its values outside 0…{white} were clipped.")
    return np.clip(grey, 0, 1).astype(np.float32)


def _alpha_of_key(pixels: NDArray[Any], key: object, raw_mode: str) -> Floats | None:
    """PNG may call one colour transparent, in units of the file's own depth."""
    if not isinstance(key, int | tuple):
        return None
    wanted = np.atleast_1d(np.array(key))
    if raw_mode in ("L;2", "L;4"):
        wanted = wanted * (85 if raw_mode == "L;2" else 17)
    elif raw_mode.startswith("RGB;16"):
        wanted = wanted >> 8
    if pixels.dtype == np.bool_:
        wanted = wanted > 0
    return 1 - (pixels == wanted).all(axis=2).astype(np.float32)


def _converted(image: Image.Image) -> Image.Image:
    """CMYK or LAB as sRGB, through the picture's own profile where there is a usable one."""
    srgb = ImageCms.createProfile("sRGB")
    if image.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        return _not_none(ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB"))
    with suppress(ImageCms.PyCMSError, KeyError, OSError, TypeError, ValueError):
        own = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        return _not_none(ImageCms.profileToProfile(image, own, srgb, outputMode="RGB"))
    return image.convert("RGB")


def _not_none(image: Image.Image | None) -> Image.Image:
    assert image is not None  # None is what comes back only from a conversion in place
    return image


def _kept_profile(image: Image.Image, notes: list[str]) -> bytes | None:
    """The file's ICC profile if it describes RGB; a profile for what the pixels were before would falsify colours."""
    icc = image.info.get("icc_profile")
    if not icc or image.mode in ("CMYK", "LAB"):
        return None
    with suppress(ImageCms.PyCMSError, OSError, TypeError, ValueError):
        profile: Any = ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile
        if profile.xcolor_space.strip() == "RGB" and profile.device_class in ("scnr", "mntr", "prtr", "spac"):
            return bytes(icc)
    notes.append("Its colour profile is not for RGB and was dropped.")
    return None


def _raw_mode(image: Image.Image) -> str:
    """How the samples lie in the file, such as "RGB;16B"; "" where the format does not say."""
    tiles = getattr(image, "tile", None)
    args = tiles[0][3] if tiles else ""
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def _has_more_frames(image: Image.Image) -> bool:
    with suppress(Exception):  # damage behind the first frame does not concern us
        return bool(getattr(image, "is_animated", False))
    return False


def _orientation(image: Image.Image) -> int:
    with suppress(Exception):  # broken EXIF data is no reason to refuse the pixels
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    return 1
