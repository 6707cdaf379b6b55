"""Bicubic resizing exactly as MATLAB's `imresize` does it, because all published ×4 figures rest on it.

Two facts make it differ from every other bicubic: the kernel is stretched when the picture shrinks, and pictures of
8 bits are rounded to 8 bits between the pass over rows and the pass over columns.
"""

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sr_explore.errors import UserError

Array = NDArray[Any]
Edge = Literal["symmetric", "replicate"]
_BLOCK_VALUES = 1 << 17  # how many values one block of a pass works on: 1 MB of float64 stays in the cache


def bicubic_resize(
    image: Array,
    scale: float | tuple[float, float] | None = None,
    size: tuple[int, int] | None = None,
    edge: Edge = "symmetric",
) -> Array:
    """Resize a picture as MATLAB's `imresize(image, scale)` or `imresize(image, size)` does by default.

    out[i] = Σ_j w_ij · in[j],  w_ij ∝ h(s · (u_i − j)),  u_i = (i + ½) / scale − ½,  s = min(scale, 1)

    Args:
        image: (H, W) or (H, W, C), uint8 or float of any range.
        scale: factor for both sides or one each for (rows, columns); the new sides are ceil(side · scale).
        size: the new (rows, columns), in pixels, instead of `scale`.
        edge: how the picture goes on beyond its edges: as its mirror image ("symmetric", which the published Set5 ×4
            pictures were made with) or as its last pixel ("replicate", with which the published Set14 ×4 were made).

    Returns:
        A new array with the same number of axes. uint8 stays uint8, rounded half up and clipped after each of the two
        passes; floats are computed in float64 and returned as float64, neither rounded nor clipped.

    Raises:
        ValueError: if the image has other axes, another dtype or no pixels, if not exactly one of scale and size is
            given, if they are not positive, or if `edge` is neither word.

    Source: R. Keys, Cubic convolution interpolation, 1981, with a = −1/2; MATLAB documentation of `imresize`.
    """
    image = np.asarray(image)
    _check_image(image)
    scales, sizes = _scales_and_sizes((image.shape[0], image.shape[1]), scale, size)
    first = 0 if scales[0] <= scales[1] else 1  # the smaller factor first, rows if equal
    for axis in (first, 1 - first):
        indices, weights = _taps(image.shape[axis], sizes[axis], scales[axis], edge)
        image = _resize_axis(image, axis, indices, weights)
    return image


def degrade(hr: Array, scale: int) -> NDArray[np.float32]:
    """Make the low-resolution picture that SR networks are tested with: 8 bits, then MATLAB bicubic by 1 / scale.

    Args:
        hr: (H, W, C) float in [0, 1]; cropped to a multiple of `scale` first.
        scale: whole factor, at least 1.

    Returns:
        A new (H // scale, W // scale, C) array in [0, 1]; every value is a multiple of 1/255.

    Raises:
        UserError: if the picture is smaller than one LR pixel or has values that are not finite.
    """
    return _from_uint8(bicubic_resize(to_uint8(crop_to_multiple(hr, scale)), scale=1 / _whole(scale)))


def enlarge(lr: Array, scale: int) -> NDArray[np.float32]:
    """Enlarge a picture with MATLAB bicubic: the baseline that every network has to beat.

    Args:
        lr: (H, W, C) float in [0, 1]; rounded to 8 bits first.
        scale: whole factor, at least 1.

    Returns:
        A new (H · scale, W · scale, C) array in [0, 1]; every value is a multiple of 1/255.

    Raises:
        UserError: if the picture has values that are not finite.
    """
    return _from_uint8(bicubic_resize(to_uint8(lr), scale=_whole(scale)))


def crop_to_multiple(hr: Array, scale: int) -> Array:
    """Cut rows off the bottom and columns off the right until both sides are multiples of `scale`.

    Args:
        hr: (H, W) or (H, W, C), any dtype.
        scale: whole factor, at least 1.

    Returns:
        A view of `hr`.

    Raises:
        UserError: if a side is shorter than `scale`, so that nothing would be left.
    """
    height, width = (side - side % _whole(scale) for side in hr.shape[:2])
    if not height or not width:
        raise UserError(
            f"A picture of {hr.shape[1]} × {hr.shape[0]} pixels is too small to be made {scale} times smaller; "
            f"use one with at least {scale} pixels a side."
        )
    return hr[:height, :width]


def crop_centre(picture: Array, height: int, width: int) -> Array:
    """A view of the middle of a picture, at most height × width px; what is smaller stays whole."""
    _check_image(picture)
    top, left = max(picture.shape[0] - height, 0) // 2, max(picture.shape[1] - width, 0) // 2
    return picture[top : top + height, left : left + width]


def to_uint8(rgb: ArrayLike) -> NDArray[np.uint8]:
    """Round floats in [0, 1] to the 256 levels of a file, half up; values outside are clipped.

    Args:
        rgb: floats of any shape.

    Returns:
        A new array of the same shape.

    Raises:
        UserError: if a value is not finite, since it would silently become black.
        ValueError: if the values are not floats.
    """
    rgb = np.asarray(rgb)
    if rgb.dtype.kind != "f":
        raise ValueError(f"to_uint8 takes floats in [0, 1], not {rgb.dtype}")
    if not np.isfinite(rgb).all():
        raise UserError(
            "The picture has values that are not finite numbers and cannot be turned into pixels; "
            "if a network made it, run that network in float32."
        )
    levels = np.clip(rgb, 0, 1).astype(np.promote_types(rgb.dtype, np.float32), copy=False)
    levels *= 255
    levels += 0.5
    return levels.astype(np.uint8)


def _from_uint8(image: Array) -> NDArray[np.float32]:
    return image.astype(np.float32) / np.float32(255)


def _whole(scale: int) -> int:
    if scale < 1 or int(scale) != scale:
        raise ValueError(f"scale must be a whole number from 1 on, not {scale}")
    return int(scale)


def _check_image(image: Array) -> None:
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(f"an image is (H, W) or (H, W, C) with at least one pixel, not {image.shape}")
    if image.dtype != np.uint8 and image.dtype.kind != "f":
        raise ValueError(f"an image is uint8 or float, not {image.dtype}")


def _scales_and_sizes(
    shape: tuple[int, int], scale: float | tuple[float, float] | None, size: tuple[int, int] | None
) -> tuple[tuple[float, float], tuple[int, int]]:
    if (scale is None) == (size is None):
        raise ValueError("give either scale or size")
    if size is not None:
        scales, sizes = (size[0] / shape[0], size[1] / shape[1]), (int(size[0]), int(size[1]))
    else:
        assert scale is not None
        scales = (scale[0], scale[1]) if isinstance(scale, tuple) else (scale, scale)
        if not all(0 < factor < math.inf for factor in scales):
            raise ValueError(f"scale must be positive and finite, not {scale}")
        sizes = (math.ceil(shape[0] * scales[0]), math.ceil(shape[1] * scales[1]))
    if min(sizes) < 1:
        raise ValueError(f"a size of {sizes} has no pixels")
    return scales, sizes


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' kernel with a = −1/2: 1 at 0, 0 at the other whole numbers and from 2 on."""
    x = np.abs(x)
    near = 1 + x * x * (1.5 * x - 2.5)
    far = 2 + x * (-4 + x * (2.5 - 0.5 * x))
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def _taps(length: int, new_length: int, scale: float, edge: Edge) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Which input rows make up each output row: indices and weights, both (new_length, taps)."""
    stretch = min(scale, 1.0)
    width = 4 / stretch
    centre = (np.arange(new_length, dtype=np.float64) + 0.5) / scale - 0.5
    first = np.floor(centre - width / 2).astype(np.intp)
    indices = first[:, None] + np.arange(math.ceil(width) + 2)
    weights = _cubic(stretch * (centre[:, None] - indices))
    weights /= weights.sum(axis=1, keepdims=True)
    used = weights.any(axis=0)
    return _inside(indices[:, used], length, edge), weights[:, used]


def _inside(indices: NDArray[np.intp], length: int, edge: Edge) -> NDArray[np.intp]:
    """The rows that stand for rows beyond the edges; the mirror image starts with the edge row once more."""
    if edge == "replicate":
        return np.clip(indices, 0, length - 1)
    if edge != "symmetric":
        raise ValueError(f"edge is 'symmetric' or 'replicate', not {edge!r}")
    indices = np.mod(indices, 2 * length)
    return np.where(indices < length, indices, 2 * length - 1 - indices)


def _resize_axis(image: Array, axis: int, indices: NDArray[np.intp], weights: NDArray[np.float64]) -> Array:
    """One pass. The axis is put first, so that each tap gathers whole contiguous rows."""
    turned = np.ascontiguousarray(np.swapaxes(image, 0, axis))
    rows = turned.reshape(len(turned), -1)
    eight_bits = image.dtype == np.uint8
    out = np.empty((len(indices), rows.shape[1]), np.uint8 if eight_bits else np.float64)
    step = max(1, _BLOCK_VALUES // rows.shape[1])
    for start in range(0, len(out), step):
        block = slice(start, start + step)
        total = _weighted_rows(rows, indices[block], weights[block])
        out[block] = np.floor(np.clip(total, 0, 255) + 0.5) if eight_bits else total
    return np.ascontiguousarray(np.swapaxes(out.reshape(len(out), *turned.shape[1:]), 0, axis))


def _weighted_rows(rows: Array, indices: NDArray[np.intp], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    total = np.zeros((len(indices), rows.shape[1]))
    for tap in range(indices.shape[1]):
        total += weights[:, tap, None] * rows[indices[:, tap]]
    return total
