"""The structural changes a network can go through; `base` has the contract."""

from torch import nn

from sr_explore.stages.base import Calibration, Example, Stage, StageResult, widths_of
from sr_explore.stages.branch import Branch, blocks_of_row, feature_pairs
from sr_explore.stages.choose import pruning_stages
from sr_explore.stages.concat_to_conv import ConcatToConv
from sr_explore.stages.fold import Fold
from sr_explore.stages.gradients import loss_gradients
from sr_explore.stages.merge_branches import MergeBranches
from sr_explore.stages.parse import STAGES, parse_stages, stage_text
from sr_explore.stages.polish import Polish, PolishProgress, polishing
from sr_explore.stages.prune_biases import PruneBiases
from sr_explore.stages.prune_channels import PruneChannels
from sr_explore.stages.prune_kernels import PruneKernels, off_centre, wide_kernels
from sr_explore.stages.reconstruct import Reconstruct
from sr_explore.stages.rescale import Rescale

__all__ = [
    "STAGES",
    "Branch",
    "Calibration",
    "ConcatToConv",
    "Example",
    "Fold",
    "MergeBranches",
    "Polish",
    "PolishProgress",
    "PruneBiases",
    "PruneChannels",
    "PruneKernels",
    "Reconstruct",
    "Rescale",
    "Stage",
    "StageResult",
    "apply_stages",
    "blocks_of_row",
    "feature_pairs",
    "loss_gradients",
    "off_centre",
    "parse_stages",
    "polishing",
    "pruning_stages",
    "stage_text",
    "wide_kernels",
    "widths_of",
]


def apply_stages(model: nn.Module, stages: tuple[Stage, ...], example: Example) -> nn.Module:
    """The network after all stages, in order, without checks or measurements (`pipeline.run` makes those)."""
    for stage in stages:
        result = stage(model, example)
        example = example.after(model, result.report)
        model = result.model
    return model
