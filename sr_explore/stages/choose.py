"""Which stages a network needs, going by what it is."""

from torch import nn

from sr_explore.networks.layers import StructuralConv2d
from sr_explore.networks.rfdn import BranchedRFDN
from sr_explore.stages.base import Stage
from sr_explore.stages.concat_to_conv import ConcatToConv, index_layers
from sr_explore.stages.fold import Fold
from sr_explore.stages.merge_branches import MergeBranches
from sr_explore.stages.prune_channels import PruneChannels
from sr_explore.stages.reconstruct import Reconstruct
from sr_explore.surgery import modules_of


def pruning_stages(model: nn.Module, pruning_ratio: float = 0.5, importance: str = "taylor") -> tuple[Stage, ...]:
    """The stages that prune a network and refit it, with those that have to come before and after.

    A row needs nothing else. Branches are merged first, indices become convolutions, and what only moved channels is
    folded at the end.

    Args:
        model: any network of `sr_explore.networks`; only looked at.
        pruning_ratio, importance: as in `PruneChannels`.
    """
    before: list[Stage] = [MergeBranches()] if isinstance(model, BranchedRFDN) else []
    if before or index_layers(model):
        before.append(ConcatToConv())
    after = [Fold()] if before or list(modules_of(model, StructuralConv2d)) else []
    return (*before, PruneChannels(pruning_ratio, importance), Reconstruct(), *after)
