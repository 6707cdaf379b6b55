"""Tiny networks of every form, with weights far from the special values that initialisation gives."""

import copy
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from sr_explore.networks.rfdn import RFDN
from sr_explore.networks.rlfn import RLFN
from sr_explore.stages import Branch, Calibration, ConcatToConv, Example, Fold, MergeBranches, apply_stages

M = TypeVar("M", bound=nn.Module)

CUTS = [(2, False), (2, True), (4, False), (4, True)]


def tiny_rfdn(scale: int = 2, seed: int = 0, num_feat: int = 8) -> RFDN:
    """An RFDN small enough for hundreds of forward passes a second; biases and all drawn at random."""
    torch.manual_seed(seed)
    return _shaken(RFDN(scale=scale, num_feat=num_feat, num_block=4))


def tiny_rlfn(scale: int = 2, seed: int = 0) -> RLFN:
    """An RLFN of two blocks, biases and all drawn at random."""
    torch.manual_seed(seed)
    return _shaken(RLFN(scale=scale, num_feat=6, mid_feat=8, num_block=2, esa_channels=3))


def _shaken(model: M) -> M:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model.eval()


def tiny_example(seed: int = 0, scale: int = 2) -> Example:
    """A 17×23 picture to trace with, and four calibration patches."""
    generator = torch.Generator().manual_seed(seed)
    lr = torch.rand(4, 3, 20, 20, generator=generator)
    hr = torch.rand(4, 3, 20 * scale, 20 * scale, generator=generator)
    return Example(torch.rand(1, 3, 17, 23, generator=generator), Calibration(lr, hr))


def tiny_branched(num_branches: int, small_blocks: bool, seed: int = 0) -> nn.Module:
    """Branches whose heads and blocks all differ, so that a swapped branch shows."""
    model = Branch(num_branches, small_blocks)(tiny_rfdn(seed=seed), tiny_example()).model
    return _shaken(model)


def _made(num_branches: int, small_blocks: bool, *stages) -> Callable[[], nn.Module]:
    return lambda: apply_stages(tiny_branched(num_branches, small_blocks), stages, tiny_example())


NETWORKS: dict[str, Callable[[], nn.Module]] = {"row": tiny_rfdn, "rlfn": tiny_rlfn}
for _n, _small in CUTS:
    _name = f"{_n}{'s' if _small else ''}"
    NETWORKS[f"branched-{_name}"] = _made(_n, _small)
    NETWORKS[f"merged-{_name}"] = _made(_n, _small, MergeBranches())
    NETWORKS[f"grouped-{_name}"] = _made(_n, _small, MergeBranches("grouped"))
    NETWORKS[f"converted-{_name}"] = _made(_n, _small, MergeBranches(), ConcatToConv())
    NETWORKS[f"folded-{_name}"] = _made(_n, _small, MergeBranches(), ConcatToConv(), Fold())


def relative_difference(before: nn.Module, after: nn.Module, size: tuple[int, int] = (19, 27), seed: int = 3) -> float:
    """The largest difference over the output's range, float64; leaves the networks as they were."""
    x = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    with torch.no_grad():
        one, other = copy.deepcopy(before).double()(x), copy.deepcopy(after).double()(x)
    return float((one - other).abs().amax() / (one.amax() - one.amin()))
