"""Walk, watch and replace submodules by dotted path. Works on the model given: stages hand in a private copy."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def private_copy(model: M) -> M:
    """A deep copy in eval mode, without hooks or gradients, whose parameters all require gradients again."""
    clone = copy.deepcopy(model)
    for module in clone.modules():
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
    for parameter in clone.parameters():
        parameter.grad = None
        parameter.requires_grad_(True)
    return clone.eval()


def module_at(model: nn.Module, path: str) -> nn.Module:
    """The submodule at a dotted path; the model itself for an empty path.

    Raises:
        AttributeError: if there is none.
    """
    return model.get_submodule(path)


def replace_module(model: nn.Module, path: str, new: nn.Module) -> None:
    """Put `new` where the dotted `path` points, in the same place of its parent."""
    parent_path, _, name = path.rpartition(".")
    module_at(model, path)  # raises where there is nothing to replace
    setattr(model.get_submodule(parent_path), name, new)


def modules_of(model: nn.Module, kind: type[M] | tuple[type[M], ...]) -> Iterator[tuple[str, M]]:
    """(path, module) of every submodule of a class, in the order in which they were registered."""
    for path, module in model.named_modules():
        if isinstance(module, kind):
            yield path, module


@contextmanager
def captured(model: nn.Module, paths: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """While the block runs, every forward pass leaves the outputs of the modules at `paths` in the dictionary given."""
    outputs: dict[str, Tensor] = {}

    def keep(path: str):
        def hook(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            outputs[path] = output

        return hook

    handles = [model.get_submodule(path).register_forward_hook(keep(path)) for path in paths]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()
