"""How far a network looks, measured: the gradient of one output place with respect to every input pixel."""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sr_explore.analysis.layer_table import check_size
from sr_explore.surgery import captured

MIXTURES = 4


@dataclass(frozen=True)
class ReceptiveField:
    """What the place in the middle of an output depends on.

    Attributes:
        field: (H, W), how strongly it depends on each input pixel; sums to 1, all zeros if it depends on none.
    """

    field: NDArray[np.float64]

    def side_px(self, share: float = 1.0) -> int:
        """The side, px, of the smallest square around the middle that holds this share of the dependence.

        A share of 1 stands for every pixel that has any influence at all. Never more than the picture's longer side.
        """
        height, width = self.field.shape
        rows, columns = np.indices(self.field.shape)
        distance = np.maximum(abs(rows - height // 2), abs(columns - width // 2))
        if share >= 1:
            return min(2 * int(distance[self.field > 0].max(initial=0)) + 1, max(height, width))
        within = np.cumsum(np.bincount(distance.ravel(), weights=self.field.ravel()))
        return min(2 * int(np.searchsorted(within, share * within[-1])) + 1, max(height, width))


def receptive_field(model: nn.Module, lr: Tensor, path: str = "") -> ReceptiveField:
    """Differentiate the middle of an output, summed over its channels' magnitudes, by the input picture.

    The dependence of channel c is |∂ y_c / ∂ x|, added up over a handful of random mixtures of the channels, so that
    channels with opposite signs do not cancel out.

    Args:
        model: (1, 3, H, W) to a picture. A copy runs in float64, in eval mode.
        lr: the picture (1, 3, H, W) in [0, 1]: activations depend on it, so the field does, too.
        path: of the module whose output is meant; the network's own for "".

    Returns:
        The field over the input picture.

    Raises:
        UserError: if the picture is too small for the network.
        AttributeError: if there is no module at `path`.
    """
    check_size(model, (lr.shape[-2], lr.shape[-1]))
    network = copy.deepcopy(model).double().eval().requires_grad_(False)
    picture = lr.detach().double().requires_grad_(True)
    generator = torch.Generator().manual_seed(0)
    field = torch.zeros(picture.shape[2:], dtype=torch.float64)
    with captured(network, [path]) as outputs, torch.enable_grad():
        network(picture)
        output = outputs[path]
        place = output[0, :, output.shape[2] // 2, output.shape[3] // 2]
        for _ in range(MIXTURES):
            mixture = torch.randn(len(place), generator=generator, dtype=torch.float64).to(place)
            (gradient,) = torch.autograd.grad(place @ mixture, picture, retain_graph=True)
            field += gradient[0].abs().sum(dim=0).cpu()
    total = float(field.sum())
    return ReceptiveField((field / total if total else field).numpy())
