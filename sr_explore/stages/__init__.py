"""The structural changes a network can go through; `base` has the contract."""

from torch import nn

from sr_explore.stages.base import Calibration, Example, Stage, StageResult
from sr_explore.stages.branch import Branch, feature_pairs
from sr_explore.stages.concat_to_conv import ConcatToConv
from sr_explore.stages.fold import Fold
from sr_explore.stages.merge_branches import MergeBranches
from sr_explore.stages.parse import STAGES, parse_stages, stage_text
from sr_explore.stages.prune_channels import PruneChannels
from sr_explore.stages.reconstruct import Reconstruct

__all__ = [
    "STAGES",
    "Branch",
    "Calibration",
    "ConcatToConv",
    "Example",
    "Fold",
    "MergeBranches",
    "PruneChannels",
    "Reconstruct",
    "Stage",
    "StageResult",
    "apply_stages",
    "feature_pairs",
    "parse_stages",
    "stage_text",
]


def apply_stages(model: nn.Module, stages: tuple[Stage, ...], example: Example) -> nn.Module:
    """The network after all stages, in order, without checks or measurements (`pipeline.run` makes those)."""
    for stage in stages:
        result = stage(model, example)
        example = example.after(model, result.report)
        model = result.model
    return model
