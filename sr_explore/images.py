"""Files and arrays ↔ float RGB in [0, 1]: reading photos that nobody vouches for, writing PNG, tensors, sample photos.

Whatever a file holds, `read_photo` gives a right picture or one sentence that says what to do.
"""

import difflib
import os
import stat
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from sr_explore.errors import UserError
from sr_explore.image_files import png_bytes, safe_stem, shown_name, write_png
from sr_explore.image_modes import Pixels, decode
from sr_explore.resize import to_uint8

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "Photo",
    "open_photo",
    "png_bytes",
    "read_photo",
    "read_sample",
    "safe_stem",
    "sample_photos",
    "to_rgb",
    "to_tensor",
    "to_uint8",
    "write_png",
]

DEFAULT_MAX_PIXELS = 16_000_000  # ×4 makes 256 megapixels of it, 3 GB as float32
# Never every format Pillow knows: the rare ones cost six times the memory and have had most of the security holes.
# JPEG covers what phones write as MPO; naming MPO itself makes Pillow fail.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
_FORMATS_TEXT = "PNG, JPEG, WebP, BMP, TIFF or GIF"


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture in memory.

    Attributes:
        rgb: (H, W, 3) float32 in [0, 1].
        alpha: (H, W) float32 in [0, 1], 0 = transparent; None if everything is opaque.
        icc: the file's ICC profile if it is one for RGB.
        name: the file's name without folder and suffix, safe to build output names from.
        notes: one sentence for each thing that was lost in reading.
    """

    rgb: NDArray[np.float32]
    alpha: NDArray[np.float32] | None
    icc: bytes | None
    name: str
    notes: tuple[str, ...] = ()


def read_photo(path: str | Path, max_pixels: int = DEFAULT_MAX_PIXELS) -> Photo:
    """Read a picture file upright as float RGB.

    Args:
        path: a PNG, JPEG, WebP, BMP, TIFF or GIF file, recognised by its contents.
        max_pixels: the largest width × height to accept; checked before any pixel is decoded.

    Returns:
        The first frame: 16-bit grey in full depth, palettes and grey as RGB, CMYK and LAB converted, alpha apart.

    Raises:
        UserError: for everything that cannot be read: one sentence with the file's name, the reason and the remedy.
    """
    path = Path(path)
    try:
        _check_file(path)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\b")  # sizes are checked here, damage comes as an error
            pixels = _read_pixels(path, max_pixels)
    except UserError:
        raise
    except Exception as error:  # Pillow's decoders raise nearly every kind for damaged files, also outside OSError
        _explain(path, error, max_pixels)
    return Photo(pixels.rgb, pixels.alpha, pixels.icc, safe_stem(path.stem), pixels.notes)


def sample_photos() -> dict[str, Path]:
    """The six shipped photographs of 768 × 512 pixels, by name; `samples/README.md` names their authors."""
    return {path.stem: path for path in sorted(Path(__file__).with_name("samples").glob("*.png"))}


def read_sample(name: str) -> Photo:
    """Read one of the sample photos.

    Args:
        name: a key of `sample_photos`.

    Raises:
        UserError: if there is none of that name; it names the nearest.
    """
    samples = sample_photos()
    if name not in samples:
        nearest = difflib.get_close_matches(name, samples, n=1, cutoff=0)
        hint = f"did you mean {nearest[0]!r}? There are " if nearest else "there are "
        raise UserError(f"There is no sample photo {name!r}: {hint}{', '.join(samples)}.")
    return read_photo(samples[name])


def open_photo(name_or_file: str | Path) -> Photo:
    """A sample photo by name, or a picture file of the reader's own.

    Raises:
        UserError: if it is neither, or the file cannot be read; see `read_photo`.
    """
    path = Path(name_or_file)
    is_name = str(name_or_file) in sample_photos() or (not path.exists() and path.name == path.stem == str(path))
    return read_sample(str(name_or_file)) if is_name else read_photo(path)


def to_tensor(rgb: NDArray[Any]) -> Tensor:
    """(H, W, 3) array in [0, 1] → a new (1, 3, H, W) float32 tensor on the CPU."""
    if rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"rgb is (H, W, 3), not {rgb.shape}")
    return torch.from_numpy(np.array(rgb.transpose(2, 0, 1)[None], dtype=np.float32, order="C"))


def to_rgb(tensor: Tensor) -> NDArray[np.float32]:
    """(1, 3, H, W) tensor of any float dtype and device → a new (H, W, 3) float32 array clipped to [0, 1].

    Values that are not finite stay so, for `write_png` to refuse them instead of making them black.
    """
    if tensor.ndim != 4 or tensor.shape[:2] != (1, 3):
        raise ValueError(f"the tensor is (1, 3, H, W), not {tuple(tensor.shape)}")
    pixels = tensor.detach()[0].permute(1, 2, 0).to("cpu", torch.float32)
    return np.clip(np.ascontiguousarray(pixels.numpy()), 0, 1)


def _check_file(path: Path) -> None:
    """Refuse what is not a plain file with something in it; opening a pipe would wait for ever."""
    try:
        status = os.stat(path)
    except PermissionError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        raise UserError(f"{shown_name(path)} does not exist; check its name and folder.") from error
    if stat.S_ISDIR(status.st_mode):
        raise UserError(f"{shown_name(path)} is a folder; give a picture file in it.")
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"{shown_name(path)} is not an ordinary file; give a picture file.")
    if status.st_size == 0:
        raise UserError(f"{shown_name(path)} is empty; copy or download it again.")


def _read_pixels(path: Path, max_pixels: int) -> Pixels:
    # Given a path, Pillow maps uncompressed files into memory and scrambles TIFFs that lie on their side (12.3.0).
    with path.open("rb") as file, Image.open(file, formats=_FORMATS) as image:
        width, height = image.size
        if width * height > max_pixels:
            raise _too_big(path, max_pixels, f"{width} × {height} = {width * height / 1e6:.1f}")
        try:
            return decode(image)
        except UserError as error:
            raise UserError(f"{shown_name(path)} {error}.") from error


def _too_big(path: Path, max_pixels: int, megapixels: str) -> UserError:
    return UserError(
        f"{shown_name(path)} is too big: it has {megapixels} megapixels, at most {max_pixels / 1e6:g} can be read; "
        "crop it or make it smaller first."
    )


def _explain(path: Path, error: Exception, max_pixels: int) -> NoReturn:
    """Turn what Pillow or the system raised into the one sentence."""
    name = shown_name(path)
    if isinstance(error, Image.DecompressionBombError):
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise _too_big(path, min(max_pixels, most), f"more than {most / 1e6:.0f}") from error
    if isinstance(error, MemoryError):
        raise UserError(f"{name} does not fit into memory; crop it or make it smaller first.") from error
    if isinstance(error, UnidentifiedImageError):
        text = f"is not a {_FORMATS_TEXT} picture, or its beginning is damaged; save it in one of these formats"
    elif isinstance(error, PermissionError):
        text = "may not be read; change its permissions or copy it to a folder of yours"
    elif isinstance(error, OSError) and error.errno is not None:
        text = f"cannot be read ({error.strerror}); copy it to another disk and try again"
    else:
        text = "is damaged or incomplete; copy or download it again, or open it elsewhere and save it anew"
    raise UserError(f"{name} {text}.") from error
