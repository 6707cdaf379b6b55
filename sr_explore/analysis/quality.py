"""How close upscaled pictures come to their references, measured the way super-resolution papers do."""

from collections.abc import Callable, Iterable
from math import inf, nan
from statistics import fmean
from typing import cast

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from sr_explore.errors import UserError
from sr_explore.records import ImageQuality, QualityRecord

PEAK = 255.0
SSIM_WINDOW = 11
LUMA = (65.481, 128.553, 24.966)
LUMA_OFFSET = 16.0


def psnr_y(sr: Tensor, hr: Tensor, crop_border: int) -> float:
    """Peak signal-to-noise ratio of the luma, in dB, after rounding both pictures to 8 bits.

    10·log10(255² / mean((Y_sr - Y_hr)²)); Y is MATLAB's rgb2ycbcr (BT.601, 16 to 235) and is not rounded itself.

    Args:
        sr, hr: RGB pictures (1, 3, H, W) in [0, 1] of one size; values outside are clipped.
        crop_border: px cut off each side first; SR papers cut `scale`.

    Returns:
        dB; inf for identical pictures, NaN if one of them holds NaN.

    Raises:
        UserError: if the sizes differ or the cut leaves nothing.
    """
    sr, hr = _prepare(sr, hr, crop_border)
    return _psnr(_luma(sr), _luma(hr))


def psnr_rgb(sr: Tensor, hr: Tensor, crop_border: int) -> float:
    """Like `psnr_y`, with the mean taken over all three colours."""
    return _psnr(*_prepare(sr, hr, crop_border))


def ssim_y(sr: Tensor, hr: Tensor, crop_border: int, dtype: torch.dtype = torch.float64) -> float:
    """Structural similarity of the luma, at most 1, after rounding both pictures to 8 bits.

    Gaussian window 11×11, σ = 1.5, K1 = 0.01, K2 = 0.03, range 255. torchmetrics mirrors the picture at its
    border and averages there too; we average only where the whole window lies inside, as MATLAB's ssim_index does.

    Args:
        sr, hr, crop_border: as in `psnr_y`.
        dtype: float32 takes a tenth of float64's time, and was at most 4e-5 off on six photographs of 768×512 px.

    Returns:
        The mean over the picture; NaN if what is left after the cut is smaller than the window.

    Raises:
        UserError: as `psnr_y`.

    Source: Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004.
    """
    sr, hr = _prepare(sr, hr, crop_border)
    return _ssim(_luma(sr), _luma(hr), dtype)


def _ssim(sr: Tensor, hr: Tensor, dtype: torch.dtype) -> float:
    if min(sr.shape[-2:]) < SSIM_WINDOW:
        return nan
    options = {"sigma": 1.5, "kernel_size": SSIM_WINDOW, "data_range": PEAK, "k1": 0.01, "k2": 0.03}
    _, similarity = structural_similarity_index_measure(sr.to(dtype), hr.to(dtype), return_full_image=True, **options)
    half = SSIM_WINDOW // 2
    return float(cast(Tensor, similarity)[..., half:-half, half:-half].double().mean())


def compare(
    name: str, sr: Tensor, hr: Tensor, crop_border: int, ssim_dtype: torch.dtype = torch.float64
) -> ImageQuality:
    """All three figures of one picture; see `psnr_y` and `ssim_y` for the arguments and errors."""
    sr, hr = _prepare(sr, hr, crop_border)
    ours, wanted = _luma(sr), _luma(hr)
    return ImageQuality(name, _psnr(ours, wanted), _psnr(sr, hr), _ssim(ours, wanted, ssim_dtype))


def quality(
    upscale: Callable[[Tensor], Tensor], pairs: Iterable[tuple[str, Tensor, Tensor]], crop_border: int
) -> QualityRecord:
    """Upscale every low-resolution picture, compare it with its reference, and average.

    Args:
        upscale: lr (1, 3, H, W) in [0, 1] to sr (1, 3, scale·H, scale·W): a network or anything else that does it.
        pairs: (name, lr, hr) of every picture; taken one at a time.
        crop_border: px of the reference cut off each side, usually the scale.

    Returns:
        Every picture's figures and their plain averages. An average is inf or NaN where a picture's figure is: nothing
        is left out silently.

    Raises:
        UserError: if there is no pair, or a picture comes out in another size than its reference.
    """
    with torch.no_grad():
        images = tuple(compare(name, upscale(lr), hr, crop_border) for name, lr, hr in pairs)
    if not images:
        raise UserError("there are no pictures to measure the quality on; give at least one pair")
    return QualityRecord(
        psnr_y=fmean(image.psnr_y for image in images),
        psnr_rgb=fmean(image.psnr_rgb for image in images),
        ssim_y=fmean(image.ssim_y for image in images),
        crop_border=crop_border,
        images=images,
    )


def _prepare(sr: Tensor, hr: Tensor, crop_border: int) -> tuple[Tensor, Tensor]:
    """Both pictures cut and in whole grey levels, float64."""
    for picture in (sr, hr):
        if picture.ndim != 4 or picture.shape[:2] != (1, 3):
            raise UserError(f"one RGB picture (1, 3, H, W) is expected; this one has the shape {tuple(picture.shape)}")
    if sr.shape != hr.shape:
        raise UserError(f"the picture is {_size(sr)} px and its reference {_size(hr)} px; they must have one size")
    if crop_border < 0 or min(sr.shape[-2:]) <= 2 * crop_border:
        raise UserError(f"cutting {crop_border} px off each side leaves nothing of {_size(sr)} px; cut less")
    return _levels(sr, crop_border), _levels(hr, crop_border).to(sr.device)


def _size(picture: Tensor) -> str:
    return f"{picture.shape[-1]}×{picture.shape[-2]}"


def _levels(picture: Tensor, crop_border: int) -> Tensor:
    height, width = picture.shape[-2:]
    inside = picture[..., crop_border : height - crop_border, crop_border : width - crop_border]
    # Stays floating-point: as 8-bit integers a NaN would turn into black without a word.
    return (inside.detach().double().clamp(0, 1) * PEAK).round()


def _luma(levels: Tensor) -> Tensor:
    weights = levels.new_tensor(LUMA).view(1, 3, 1, 1) / PEAK
    return (levels * weights).sum(dim=1, keepdim=True) + LUMA_OFFSET


def _psnr(sr: Tensor, hr: Tensor) -> float:
    error = (sr - hr).square().mean()
    return inf if error == 0 else float(10 * torch.log10(PEAK**2 / error))
