"""The calibration patches: cut from the shipped photographs, the same ones every time."""

from functools import lru_cache

import numpy as np
import torch

from sr_explore.images import read_photo, sample_photos
from sr_explore.resize import bicubic_resize, degrade
from sr_explore.stages.base import Calibration, Example

NUM_PATCHES = 24
PATCH_SIZE = 64
TRACE_SIZE = 24


@lru_cache(maxsize=4)
def shipped_calibration(scale: int = 4, patches: int = NUM_PATCHES, patch_size: int = PATCH_SIZE) -> Calibration:
    """The most detailed patches of the shipped photographs, some of them at half size, where detail is denser.

    Args:
        scale: of the network to be calibrated.
        patches: how many, at most; shared out evenly over the photographs.
        patch_size: low-resolution side, px. Not much smaller: the attention looks at a sixth of the size, and its small
            convolutions need places to be fitted to.
    """
    photos = sample_photos()
    each = -(-patches // len(photos))
    hr = []
    for path in photos.values():
        rgb = read_photo(path).rgb
        half = _most_detailed(np.clip(bicubic_resize(rgb, 0.5), 0, 1), patch_size * scale, each // 2)
        hr += half + _most_detailed(rgb, patch_size * scale, each - len(half))
    return Calibration(_batch([degrade(patch, scale) for patch in hr]), _batch(hr))


def shipped_example(scale: int = 4, patches: int = NUM_PATCHES) -> Example:
    """An example for the stages: a small picture to trace with, and the calibration patches."""
    calibration = shipped_calibration(scale, patches)
    return Example(calibration.lr[:1, :, :TRACE_SIZE, :TRACE_SIZE].contiguous(), calibration)


def _most_detailed(picture: np.ndarray, side: int, count: int) -> list[np.ndarray]:
    """The `count` windows of a half-overlapping grid with the largest mean gradient that do not overlap by much."""
    height, width = picture.shape[:2]
    grid = [
        (top, left) for top in range(0, height - side + 1, side // 2) for left in range(0, width - side + 1, side // 2)
    ]
    windows = {(top, left): picture[top : top + side, left : left + side] for top, left in grid}
    ranked = sorted(windows, key=lambda place: -_detail(windows[place]))
    chosen: list[tuple[int, int]] = []
    for place in ranked:
        if all(max(abs(place[0] - top), abs(place[1] - left)) >= side for top, left in chosen):
            chosen.append(place)
    return [windows[place] for place in chosen[:count]]


def _detail(window: np.ndarray) -> float:
    return float(np.abs(np.diff(window, axis=0)).mean() + np.abs(np.diff(window, axis=1)).mean())


def _batch(pictures: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float().contiguous()
