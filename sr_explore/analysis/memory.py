"""How much memory a network takes for one picture, counted without computing any."""

import copy
from typing import Any

import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sr_explore.analysis.layer_table import check_size


def peak_memory_mb(model: nn.Module, size: tuple[int, int], dtype: torch.dtype = torch.float32) -> float:
    """Weights and feature maps that are alive at the same time, at the most, in units of 10^6 bytes.

    Counted on the meta device from what every operation makes and when it is let go. What a library sets aside for
    itself while it convolves is not in it.

    Args:
        size: (height, width) of the low-resolution input, px.

    Raises:
        UserError: if the network does not take pictures of this size.
    """
    check_size(model, size)
    shadow = copy.deepcopy(model).to("meta", dtype).eval()
    weights = sum(parameter.numel() * parameter.element_size() for parameter in shadow.parameters())
    picture = torch.empty(1, 3, *size, device="meta", dtype=dtype)
    with torch.no_grad(), _Alive() as alive:
        shadow(picture)
    return (weights + picture.numel() * picture.element_size() + alive.peak) / 1e6


class _Alive(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._known: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        inputs = {_storage(value) for value in tree_leaves(args) if isinstance(value, torch.Tensor)}
        self._known = {key: kept for key, kept in self._known.items() if not kept[0].expired()}
        for value in tree_leaves(result):
            if isinstance(value, torch.Tensor) and _storage(value) not in inputs:
                storage = value.untyped_storage()
                self._known[_storage(value)] = StorageWeakRef(storage), storage.nbytes()
        self.peak = max(self.peak, sum(size for _, size in self._known.values()))
        return result


def _storage(value: torch.Tensor) -> int:
    return value.untyped_storage()._cdata
