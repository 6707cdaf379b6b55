"""What a stage did to each layer."""

from dataclasses import dataclass, field
from typing import Any

from sr_explore.records.base import Record


@dataclass(frozen=True)
class LayerEdit(Record):
    """What became of one layer: it lines layers up across stages in which their names differ.

    Attributes:
        kind: how the target came from the sources, as "block-diagonal", "stacked", "grouped", "copied", "new",
            "permutation", "selection", "pruned", "1×1", "bias-free", "refitted", "polished", "composed".
        sources: paths in the network before; none for a new layer.
        target: path in the network after.
        shapes_before, shape_after: of the weights, (out, in, kh, kw).
        kept_out, kept_in: for a pruned layer, the channels that stayed, as indices of the network before.
        same_output: whether the target promises to put out exactly what the sources did, joined along channels.
    """

    kind: str
    sources: tuple[str, ...]
    target: str
    shapes_before: tuple[tuple[int, ...], ...] = ()
    shape_after: tuple[int, ...] | None = None
    kept_out: tuple[int, ...] | None = None
    kept_in: tuple[int, ...] | None = None
    same_output: bool = False


@dataclass(frozen=True)
class StageReport(Record):
    """What a stage did: its name, its parameters, whether it promises the same function, and every layer's edit."""

    stage: str
    parameters: dict[str, Any]
    exact: bool
    edits: tuple[LayerEdit, ...]
    notes: tuple[str, ...] = ()
    figures: dict[str, float] = field(default_factory=dict)
