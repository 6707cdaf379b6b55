"""A convolution's weights by ridge least squares: what it is given, and what it should give."""

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def fit(layer: nn.Conv2d, x: Tensor, target: Tensor, ridge: float, positions: int) -> None:
    """Put into the layer, in place, the weights W = argmin |x W − target|² + λ |W − W_0|², W_0 being its own.

    A singular system leaves it as it is.

    Args:
        x: what the layer is given (N, in, h, w). target: what it should give (N, out, h', w').
        ridge: λ, relative to the mean of x's squares; biases are free.
        positions: about how many places to look at.
    """
    groups = layer.groups
    weights = layer.weight.chunk(groups)
    biases = [None] * groups if layer.bias is None else layer.bias.chunk(groups)
    with torch.no_grad():
        for weight, bias, seen, wanted in zip(
            weights, biases, x.chunk(groups, dim=1), target.chunk(groups, dim=1), strict=True
        ):
            _fit_group(weight, bias, *_normal_equations(layer, seen, wanted, positions), ridge)


def _fit_group(weight: Tensor, bias: Tensor | None, gram: Tensor, cross: Tensor, ridge: float) -> None:
    """Put the solution into views of a layer's weights and bias."""
    out, inner, height, width = weight.shape
    start = weight.permute(0, 2, 3, 1).flatten(1)
    if bias is not None:
        start = torch.cat([start, bias[:, None]], dim=1)
    start = start.double()
    penalty = ridge * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    if bias is not None:
        penalty[-1, -1] = 0
    solution = torch.linalg.solve(gram + penalty, cross + penalty @ start.T).T
    if not torch.isfinite(solution).all():
        return  # a singular system: what the layer had is the better choice
    weights = solution[:, : inner * height * width].reshape(out, height, width, inner)
    weight.copy_(weights.permute(0, 3, 1, 2))
    if bias is not None:
        bias.copy_(solution[:, -1])


def _normal_equations(layer: nn.Conv2d, x: Tensor, target: Tensor, positions: int) -> tuple[Tensor, Tensor]:
    """X'X and X'Y in float64, summed picture by picture: float32 products of one picture, exact sums over many.

    Neighbouring positions say nearly the same, so of a large map only every n-th row and column is looked at, from
    another start in every picture.
    """
    padding, stride = cast(tuple[int, int], layer.padding), cast(tuple[int, int], layer.stride)
    rows, columns = _every(target[:, 0].numel() / positions)
    x = F.pad(x, (padding[1], padding[1], padding[0], padding[0]))
    gram = cross = torch.zeros((), dtype=torch.float64, device=x.device)
    for index, (picture, wanted) in enumerate(zip(x, target, strict=True)):
        top, left = index % rows, index // rows % columns
        shifted = picture[:, top * stride[0] :, left * stride[1] :]
        seen = _windows(shifted, layer, (stride[0] * rows, stride[1] * columns))
        gram = gram + (seen.T @ seen).double()
        cross = cross + (seen.T @ wanted[:, top::rows, left::columns].flatten(1).T).double()
    return gram, cross


def _every(share: float) -> tuple[int, int]:
    """Every how many rows and columns to look, for about one in `share` places."""
    rows = max(math.ceil(share**0.5 - 0.01), 1)
    return rows, max(round(share / rows), 1)


def _windows(x: Tensor, layer: nn.Conv2d, step: tuple[int, int]) -> Tensor:
    """What the layer sees of a picture (C, H, W) at every `step`-th place: a row a place, and 1 for a bias.

    A row goes (kh, kw, C), because channels stand next to each other in memory and are copied together.
    """
    height, width = cast(tuple[int, int], layer.kernel_size)
    windows = x.unfold(1, height, step[0]).unfold(2, width, step[1]).permute(1, 2, 3, 4, 0)
    seen = windows.reshape(windows.shape[:2].numel(), -1)
    return seen if layer.bias is None else torch.cat([seen, torch.ones_like(seen[:, :1])], dim=1)
