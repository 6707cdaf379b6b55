"""The stage contract. Read this first.

A stage is a frozen dataclass whose fields are its parameters. Called with a network and an example it gives a new
network and a report; the network it was given stays untouched, because `__call__` hands `edit` a private copy. A stage
says whether it promises the same function (`exact`); it never checks that itself: checks live above the stages.

To write one: set `exact`, say in `requires` what the network must be like, change the copy in `edit`, and list what
became of each layer. The tests in tests/stages/test_contract.py run on every stage that `stages.STAGES` names.
"""

import re
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from torch import Tensor, nn

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
        unpruned: the network as it was before channels were first pruned, and what is left of it.
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
        """The example for the stage that follows: it remembers the unpruned network and what pruning has kept."""
        pruned = {edit.target: edit for edit in report.edits if edit.kept_out is not None}
        if not pruned:
            return replace(self, gradients=None)
        kept: Kept = {}
        for path, edit in pruned.items():
            assert edit.kept_out is not None
            assert edit.kept_in is not None
            outs, ins = (self.kept or {}).get(path, (None, None))
            kept[path] = (_chosen(outs, edit.kept_out), _chosen(ins, edit.kept_in))
        return replace(self, unpruned=self.unpruned if self.kept else before, kept=kept, gradients=None)


def _chosen(earlier: tuple[int, ...] | None, kept: tuple[int, ...]) -> tuple[int, ...]:
    return kept if earlier is None else tuple(earlier[index] for index in kept)


@dataclass(frozen=True)
class StageResult:
    """The new network, in eval mode, and what was done to get it."""

    model: nn.Module
    report: StageReport


@dataclass(frozen=True)
class Edited:
    """What `edit` gives back: the network (the copy it was given, or one made from its parts) and what it did."""

    model: nn.Module
    edits: tuple[LayerEdit, ...]
    notes: tuple[str, ...] = ()
    figures: dict[str, float] | None = None


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
        report = StageReport(self.name(), self.parameters(), self.exact, done.edits, done.notes, done.figures or {})
        return StageResult(done.model.eval(), report)


def widths_of(model: nn.Module) -> dict[str, int]:
    """The output channels of every convolution, by path."""
    return {path: layer.out_channels for path, layer in modules_of(model, nn.Conv2d)}


def weight_shape(layer: nn.Module) -> tuple[int, ...]:
    """The shape of a layer's weights (out, in, kh, kw); () for a layer without."""
    weight = getattr(layer.mix if isinstance(layer, ConcatConv) else layer, "weight", None)
    return () if weight is None else tuple(weight.shape)
