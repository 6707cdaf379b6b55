"""Matching features: what modules of a student put out, against what other modules of its teacher do."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

FeaturePairs = Sequence[tuple[str, str]]
"""(path in the student, path in the teacher) of modules whose outputs should agree."""


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


def feature_distance(student: dict[str, Tensor], teacher: dict[str, Tensor], pairs: FeaturePairs) -> Tensor:
    """The mean over the pairs of L1(student, teacher) / mean(|teacher|)."""
    distances = [
        (student[own].float() - teacher[other].float()).abs().mean() / teacher[other].float().abs().mean()
        for own, other in pairs
    ]
    return torch.stack(distances).mean()
