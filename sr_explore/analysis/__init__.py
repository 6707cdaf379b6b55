"""Checks and measurements of networks; each returns a record and leaves the networks it was given untouched."""

from sr_explore.analysis.equivalence import equivalence
from sr_explore.analysis.layer_table import check_size, layer_table
from sr_explore.analysis.quality import compare, psnr_rgb, psnr_y, quality, ssim_y
from sr_explore.analysis.sketch import sketch
from sr_explore.analysis.timing import timing

__all__ = [
    "check_size",
    "compare",
    "equivalence",
    "layer_table",
    "psnr_rgb",
    "psnr_y",
    "quality",
    "sketch",
    "ssim_y",
    "timing",
]
