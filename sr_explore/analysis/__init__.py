"""Checks and measurements of networks; each returns a record and leaves the networks it was given untouched."""

from sr_explore.analysis.equivalence import equivalence
from sr_explore.analysis.features import feature_matches, features
from sr_explore.analysis.latency import latency_over_size
from sr_explore.analysis.layer_table import check_size, layer_table
from sr_explore.analysis.memory import peak_memory_mb
from sr_explore.analysis.quality import compare, psnr_rgb, psnr_y, quality, ssim_y
from sr_explore.analysis.receptive_field import ReceptiveField, receptive_field
from sr_explore.analysis.rounds import conv_times, latency_ratios, layer_times
from sr_explore.analysis.sketch import connected_parts, sketch
from sr_explore.analysis.timing import timing

__all__ = [
    "ReceptiveField",
    "check_size",
    "compare",
    "connected_parts",
    "conv_times",
    "equivalence",
    "feature_matches",
    "features",
    "latency_over_size",
    "latency_ratios",
    "layer_table",
    "layer_times",
    "peak_memory_mb",
    "psnr_rgb",
    "psnr_y",
    "quality",
    "receptive_field",
    "sketch",
    "ssim_y",
    "timing",
]
