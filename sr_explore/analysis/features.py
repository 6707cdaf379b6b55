"""What modules put out inside of a network, and how much of one module's output another one gives."""

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from sr_explore.records import FeatureMatch
from sr_explore.surgery import captured


def features(model: nn.Module, lr: Tensor, paths: Sequence[str]) -> dict[str, Tensor]:
    """The outputs (N, C, h, w) of modules, by path, for a picture (N, 3, H, W) in [0, 1]; a copy of the model runs."""
    network = copy.deepcopy(model).eval()
    with captured(network, paths) as outputs, torch.no_grad():
        network(lr)
    return outputs


def feature_matches(
    model: nn.Module,
    original: nn.Module,
    lr: Tensor,
    pairs: Sequence[tuple[str, str]],
    kept: Mapping[str, Sequence[int]] | None = None,
) -> tuple[FeatureMatch, ...]:
    """How well modules of one network give what modules of another one gave.

    Correlation of two channels over all places of the picture, 1 for the same up to brightness and contrast;
    `explained` = 1 - |a - b|² / |b - mean b|² over all channels, 1 for equal, 0 for no better than each channel's mean.

    Args:
        model, original: (N, 3, H, W) to pictures.
        lr: a picture (N, 3, H, W) in [0, 1].
        pairs: (path in the network, path in the original), outputs of the same shape.
        kept: for a pruned network, the original's channels that each of its modules still has, by the network's path.

    Raises:
        ValueError: if two outputs have not the same shape.
    """
    own = features(model, lr, [path for path, _ in pairs])
    theirs = features(original, lr, [path for _, path in pairs])
    wanted = {path: theirs[other][:, list(kept[path])] if kept else theirs[other] for path, other in pairs}
    return tuple(_match(path, own[path], other, wanted[path]) for path, other in pairs)


def _match(path: str, own: Tensor, other_path: str, other: Tensor) -> FeatureMatch:
    if own.shape != other.shape:
        raise ValueError(f"{path} gives {tuple(own.shape)}, but {other_path} gave {tuple(other.shape)}")
    a, b = (value.double().transpose(0, 1).flatten(1) for value in (own, other))
    a_mean, b_mean = (value - value.mean(dim=1, keepdim=True) for value in (a, b))
    scale = a_mean.norm(dim=1) * b_mean.norm(dim=1)
    correlation = (a_mean * b_mean).sum(dim=1) / scale.clamp_min(torch.finfo(torch.float64).tiny)
    explained = 1 - float((a - b).square().sum() / b_mean.square().sum().clamp_min(torch.finfo(torch.float64).tiny))
    return FeatureMatch(path, other_path, tuple(correlation.tolist()), explained)
