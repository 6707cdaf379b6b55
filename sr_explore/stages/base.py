"""The stage contract. Read this first.

A stage is a frozen dataclass whose fields are its parameters. Called with a network and an example it gives a new
network and a report; the network it was given stays untouched, because `__call__` hands `edit` a private copy. A stage
says whether it promises the same function (`exact`); it never checks that itself: checks live above the stages.

To write one: set `exact`, say in `requires` what the network must be like, change the copy in `edit`, and list what
became of each layer. The tests in tests/stages/test_contract.py run on every stage that `stages.STAGES` names.
"""

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from torch import Tensor, nn

from sr_explore.errors import UserError, did_you_mean
from sr_explore.networks.layers import ConcatConv
from sr_explore.records import LayerEdit, StageReport
from sr_explore.surgery import modules_of, private_copy

Kept = dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
"""For every convolution by path: the (output, input) channels of the unpruned network that it still has."""


@dataclass(frozen=True)
class Calibration:
    """Patches to look at the network with: `lr` (N, 3, h, w) and, for importances, `hr` (N, 3, scale·h, scale·w)."""

    lr: Tensor
    hr: Tensor | None = None


@dataclass(frozen=True)
class Example:
    """What a stage may look at besides the network.

    Attributes:
        lr: a small picture (1, 3, H, W) in [0, 1], to trace the network with.
        calibration: patches, for stages that ask for them.
        unpruned: the network as it was before anything was first pruned, and what is left of it.
        kept: see `Kept`; goes with `unpruned`.
        full_widths: output channels of every convolution, by path, before a ladder's first pruning; see `widths_of`.
        gradients: what `loss_gradients` gave for the very network that the next stage gets, so that pruning it again
            with another ratio need not compute them again.
    """

    lr: Tensor
    calibration: Calibration | None = None
    unpruned: nn.Module | None = None
    kept: Kept | None = None
    full_widths: dict[str, int] | None = None
    gradients: dict[str, Tensor] | None = None

    def after(self, before: nn.Module, report: StageReport) -> "Example":
        """The example for the stage that follows: it remembers the unpruned network and what pruning has kept.

        A layer that a pruning stage does not list has kept all that it had.
        """
        pruned = {edit.target: edit for edit in report.edits if edit.kept_out is not None}
        if not pruned:
            return replace(self, gradients=None)
        kept = {path: (self.kept or {}).get(path) or _all_of(layer) for path, layer in modules_of(before, nn.Conv2d)}
        for path, edit in pruned.items():
            assert edit.kept_out is not None
            assert edit.kept_in is not None
            outs, ins = kept[path]
            kept[path] = (_chosen(outs, edit.kept_out), _chosen(ins, edit.kept_in))
        return replace(self, unpruned=self.unpruned if self.kept else before, kept=kept, gradients=None)


def _all_of(layer: nn.Conv2d) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Every output and input channel of a layer, as indices; of one group, where it has groups."""
    out_channels, in_channels = layer.weight.shape[:2]
    return tuple(range(out_channels)), tuple(range(in_channels))


def shrunk(kind: str, path: str, before: nn.Conv2d, after: nn.Conv2d, same_output: bool) -> LayerEdit:
    """The edit of a layer that kept all of its channels, but has a smaller kernel or no bias any more."""
    outs, ins = _all_of(before)
    return LayerEdit(
        kind, (path,), path, (weight_shape(before),), weight_shape(after), outs, ins, same_output=same_output
    )


def _chosen(earlier: tuple[int, ...], kept: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(earlier[index] for index in kept)


@dataclass(frozen=True)
class StageResult:
    """The new network, in eval mode, and what was done to get it."""

    model: nn.Module
    report: StageReport


@dataclass(frozen=True)
class Edited:
    """What `edit` gives back: the network (the copy it was given, or one made from its parts) and what it did.

    `exact`: whether a stage that promises nothing claims the same function this time, because all that it cut was zero.
    """

    model: nn.Module
    edits: tuple[LayerEdit, ...]
    notes: tuple[str, ...] = ()
    figures: dict[str, float] | None = None
    exact: bool = False


@dataclass(frozen=True)
class Stage:
    """One structural change to a network."""

    exact: ClassVar[bool]

    @classmethod
    def name(cls) -> str:
        """The stage's name on the command line: MergeBranches is merge-branches."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()

    def parameters(self) -> dict[str, Any]:
        """The stage's parameters as plain values."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def requires(self, model: nn.Module, example: Example) -> None:
        """Raise one `UserError` that names what the network or the example lacks."""

    def edit(self, model: nn.Module, example: Example) -> Edited:
        """Do it. `model` is a private copy: change it in place, or build a new network from its parts."""
        raise NotImplementedError

    def __call__(self, model: nn.Module, example: Example) -> StageResult:
        """Apply the stage.

        Args:
            model: a network of `sr_explore.networks`; it is not changed.
            example: see `Example`.

        Raises:
            UserError: if the network is not ready for this stage.
        """
        self.requires(model, example)
        done = self.edit(private_copy(model), example)
        exact = self.exact or done.exact
        report = StageReport(self.name(), self.parameters(), exact, done.edits, done.notes, done.figures or {})
        return StageResult(done.model.eval(), report)


def widths_of(model: nn.Module) -> dict[str, int]:
    """The output channels of every convolution, by path."""
    return {path: layer.out_channels for path, layer in modules_of(model, nn.Conv2d)}


def named(text: str, paths: Sequence[str], what: str) -> list[str]:
    """Those of `paths` that a list in a stage's parameter names: paths or patterns with *, joined by +.

    Raises:
        UserError: if a name fits none of them.
    """
    chosen = set()
    for pattern in filter(None, (part.strip() for part in text.split("+"))):
        found = fnmatch.filter(paths, pattern)
        if not found:
            hint = did_you_mean(pattern, list(paths))
            raise UserError(f"{pattern!r} is no {what} of this network; {hint}there are {', '.join(paths) or 'none'}")
        chosen.update(found)
    return [path for path in paths if path in chosen]


def weight_shape(layer: nn.Module) -> tuple[int, ...]:
    """The shape of a layer's weights (out, in, kh, kw); () for a layer without."""
    weight = getattr(layer.mix if isinstance(layer, ConcatConv) else layer, "weight", None)
    return () if weight is None else tuple(weight.shape)
