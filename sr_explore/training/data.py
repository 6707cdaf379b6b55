"""Photographs as patches. Every batch is a pure function of (seed, step), so that a resumed run sees the same."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from sr_explore.errors import UserError
from sr_explore.images import read_photo, to_tensor
from sr_explore.resize import crop_to_multiple, degrade

PHOTO_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}


@dataclass(frozen=True)
class TrainingPhoto:
    """One photograph as 8-bit pictures (3, H, W); `taught` is the teacher's output, of the size of `hr`."""

    lr: Tensor
    hr: Tensor
    taught: Tensor | None = None


@dataclass(frozen=True)
class Batch:
    """Patches as float RGB in [0, 1]: `lr` (N, 3, p, p), `hr` and `taught` (N, 3, scale·p, scale·p)."""

    lr: Tensor
    hr: Tensor
    taught: Tensor | None


def load_training_photos(folder: Path, scale: int, patch_size: int, pattern: str = "*") -> list[TrainingPhoto]:
    """Every photograph of a folder whose low-resolution version holds a patch, degraded by MATLAB's bicubic.

    Raises:
        UserError: if the folder holds no such photograph.
    """
    paths = sorted(path for path in folder.glob(pattern) if path.suffix.lower() in PHOTO_SUFFIXES)
    photos = []
    for path in tqdm(paths, desc="photos", unit="", leave=False):
        hr = crop_to_multiple(read_photo(path).rgb, scale)
        if min(hr.shape[:2]) >= patch_size * scale:
            photos.append(TrainingPhoto(_as_bytes(to_tensor(degrade(hr, scale))), _as_bytes(to_tensor(hr))))
    if not photos:
        raise UserError(
            f"{folder} holds no photograph ({pattern}) of at least {patch_size * scale} px a side;"
            " name another with --data"
        )
    return photos


def add_teacher(
    photos: Iterable[TrainingPhoto], upscale: Callable[[Tensor], Tensor], device: torch.device
) -> list[TrainingPhoto]:
    """The photos with the teacher's output for each, computed once for the whole picture and kept in 8 bits.

    Args:
        upscale: float RGB (1, 3, H, W) in [0, 1] to (1, 3, scale·H, scale·W).
    """
    taught = []
    with torch.no_grad():
        for photo in tqdm(list(photos), desc="teacher", unit="photo", leave=False):
            answer = upscale(photo.lr[None].to(device).float() / 255)
            taught.append(TrainingPhoto(photo.lr, photo.hr, _as_bytes(answer.cpu())))
    return taught


class Patches:
    """Random patches of training photographs, flipped and turned at random.

    Args:
        photos: what to cut from; kept on `device` as bytes, so that a GPU is never starved.
        scale: of the pairs.
        patch_size: low-resolution side, px.
        batch_size: patches a step over all processes.
        seed: of everything random.
    """

    def __init__(
        self,
        photos: Sequence[TrainingPhoto],
        scale: int,
        patch_size: int,
        batch_size: int,
        seed: int = 0,
        device: torch.device | None = None,
    ) -> None:
        target = device or torch.device("cpu")
        self.scale, self.patch_size, self.batch_size, self.seed = scale, patch_size, batch_size, seed
        self._photos = [
            TrainingPhoto(p.lr.to(target), p.hr.to(target), None if p.taught is None else p.taught.to(target))
            for p in photos
        ]

    def batch(self, step: int, rank: int = 0, world: int = 1) -> Batch:
        """The patches of a step; of several processes each takes every `world`-th."""
        random = np.random.default_rng((self.seed, step))
        chosen = random.integers(len(self._photos), size=self.batch_size)
        cuts = [self._cut(self._photos[index], random) for index in chosen][rank::world]
        lr, hr, taught = zip(*cuts, strict=True)
        return Batch(_stack(lr), _stack(hr), None if taught[0] is None else _stack(taught))

    def _cut(self, photo: TrainingPhoto, random: np.random.Generator) -> tuple[Tensor, Tensor, Tensor | None]:
        side, scale = self.patch_size, self.scale
        top = int(random.integers(photo.lr.shape[1] - side + 1))
        left = int(random.integers(photo.lr.shape[2] - side + 1))
        turn = tuple(bool(bit) for bit in random.integers(2, size=3))

        def window(picture: Tensor, factor: int) -> Tensor:
            rows = slice(top * factor, (top + side) * factor)
            return _turned(picture[:, rows, left * factor : (left + side) * factor], turn)

        taught = None if photo.taught is None else window(photo.taught, scale)
        return window(photo.lr, 1), window(photo.hr, scale), taught


def _turned(picture: Tensor, turn: tuple[bool, ...]) -> Tensor:
    flips = [axis for axis, flip in zip((1, 2), turn[:2], strict=True) if flip]
    picture = picture.flip(flips) if flips else picture
    return picture.transpose(1, 2) if turn[2] else picture


def _stack(pictures: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(pictures)).float() / 255


def _as_bytes(picture: Tensor) -> Tensor:
    return (picture[0].float().clamp(0, 1) * 255 + 0.5).to(torch.uint8)
