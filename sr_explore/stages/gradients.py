"""What pruning by importance "taylor" looks at: the loss's gradient for every weight."""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sr_explore.devices import has_fast_bfloat16
from sr_explore.stages.base import Calibration
from sr_explore.surgery import private_copy


def loss_gradients(model: nn.Module, calibration: Calibration) -> dict[str, Tensor]:
    """The gradient of the L1 loss for every parameter, by its path.

    One backward pass; in bfloat16 where that is fast, because a ranking needs no more digits.

    Args:
        model: stays untouched.
        calibration: patches with their high-resolution pictures.
    """
    model = private_copy(model)
    like = next(model.parameters())
    lr = calibration.lr.to(like).contiguous(memory_format=torch.channels_last)
    names, parameters = zip(*model.named_parameters(), strict=True)
    with torch.enable_grad():
        with torch.autocast(like.device.type, torch.bfloat16, enabled=has_fast_bfloat16(like.device)):
            sr = model(lr)
        loss = F.l1_loss(sr.to(like), cast(Tensor, calibration.hr).to(like))
        return dict(zip(names, torch.autograd.grad(loss, parameters), strict=True))


def belong(gradients: dict[str, Tensor], model: nn.Module) -> bool:
    """Whether gradients have the names and shapes of this network's parameters."""
    shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
    return {name: gradient.shape for name, gradient in gradients.items()} == shapes
