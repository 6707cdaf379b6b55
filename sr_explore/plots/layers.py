"""What a stage did to every layer: kept, removed and added, lined up although layers may have changed their names."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import plotly.graph_objects as go

from sr_explore.plots.theme import MEANING, styled
from sr_explore.records import LayerRow, LayerTable, StageReport

QUANTITIES = {
    "params": ("parameters", lambda row: row.params),
    "channels": ("output channels", lambda row: row.out_channels),
    "macs": ("multiply-adds", lambda row: row.macs),
}


@dataclass
class Lineage:
    """Layers that belong together: those of the network before, and what became of them."""

    before: list[LayerRow] = field(default_factory=list)
    after: list[LayerRow] = field(default_factory=list)

    @property
    def label(self) -> str:
        """The new layer's path; that of the old one where nothing is left."""
        rows = self.after or self.before
        more = f" + {len(rows) - 1}" if len(rows) > 1 else ""
        return rows[0].path + more + ("" if self.after else " (gone)")


def lineages(before: LayerTable, after: LayerTable, report: StageReport | None) -> list[Lineage]:
    """Line layers up by the report's edits, sources to target; layers that no edit names, by their own path.

    Returns:
        Every layer of both tables exactly once, in the order of the network after. A layer that has gone stands behind
        the one that it followed.
    """
    groups = _Groups()
    for edit in report.edits if report else ():
        sources = [("before", row.path) for path in edit.sources for row in _at(before, path)]
        targets = [("after", row.path) for row in _at(after, edit.target)]
        groups.join([*sources, *targets])
    edited = set(groups.names)
    for row in before.rows:
        same = [("before", row.path), ("after", row.path)]
        groups.join(same if not edited.intersection(same) and _has(after, row.path) else same[:1])
    for row in after.rows:
        groups.join([("after", row.path)])
    return _in_order(before, after, groups)


def layer_bars(
    before: LayerTable, after: LayerTable, report: StageReport | None = None, what: str = "params"
) -> go.Figure:
    """One bar a layer: how much of it a stage kept, removed and added.

    Args:
        before, after: of the networks around the stage.
        report: the stage's; without it layers are lined up by their paths alone.
        what: "params", "channels" (outputs) or "macs".
    """
    name, count = QUANTITIES[what]
    rows = lineages(before, after, report)
    old = [sum(map(count, row.before)) for row in rows]
    new = [sum(map(count, row.after)) for row in rows]
    parts = {
        "kept": [min(pair) for pair in zip(old, new, strict=True)],
        "removed": [max(a - b, 0) for a, b in zip(old, new, strict=True)],
        "added": [max(b - a, 0) for a, b in zip(old, new, strict=True)],
    }
    hover = [f"{a:,} → {b:,} {name}<br>{_story(row)}" for row, a, b in zip(rows, old, new, strict=True)]
    figure = go.Figure()
    for part, values in parts.items():
        if any(values):
            figure.add_bar(
                x=[row.label for row in rows],
                y=values,
                name=part,
                marker={"color": MEANING[part], "opacity": 1 if part == "kept" else 0.8},
                customdata=hover,
                hovertemplate=f"<b>%{{x}}</b><br>{part} %{{y:,}}<br>%{{customdata}}<extra></extra>",
            )
    title = f"{report.stage if report else 'layers'}: {sum(old):,} → {sum(new):,} {name}"
    figure.update_layout(barmode="stack")
    figure.update_xaxes(tickangle=-60, tickfont_size=10, showgrid=False)
    return styled(figure, title, height=420)


class _Groups:
    """Names that have been joined, directly or through others, share one group."""

    def __init__(self) -> None:
        self.names: dict[tuple[str, str], int] = {}
        self._count = 0

    def join(self, names: Iterable[tuple[str, str]]) -> None:
        names = list(names)
        known = {self.names[name] for name in names if name in self.names}
        for name in [*names, *(name for name, group in self.names.items() if group in known)]:
            self.names[name] = self._count
        self._count += 1


def _in_order(before: LayerTable, after: LayerTable, groups: _Groups) -> list[Lineage]:
    found: dict[int, Lineage] = {}
    for row in after.rows:
        found.setdefault(groups.names["after", row.path], Lineage()).after.append(row)
    order, place = list(found), 0
    for row in before.rows:
        group = groups.names["before", row.path]
        if group not in found:
            order.insert(place, group)
        place = order.index(group) + 1
        found.setdefault(group, Lineage()).before.append(row)
    return [found[group] for group in order]


def _at(table: LayerTable, path: str) -> Sequence[LayerRow]:
    """The convolutions at a path or inside the module there."""
    return [row for row in table.rows if row.path == path or row.path.startswith(f"{path}.")]


def _has(table: LayerTable, path: str) -> bool:
    return any(row.path == path for row in table.rows)


def _story(row: Lineage) -> str:
    old = ", ".join(layer.path for layer in row.before) or "new"
    return old if row.after else f"{old}: gone"
