"""Layers that belong together across stages, although stages give them other names."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sr_explore.records import LayerRow, LayerTable, PipelineRun, StageReport

Name = tuple[int, str]
"""Which network of the row, and a path in it."""


@dataclass
class Lineage:
    """Layers that belong together: for every network of a row of stages, those that it has of them."""

    generations: list[list[LayerRow]]

    @property
    def before(self) -> list[LayerRow]:
        """The first network's."""
        return self.generations[0]

    @property
    def after(self) -> list[LayerRow]:
        """What became of them in the last network."""
        return self.generations[-1]

    @property
    def label(self) -> str:
        """The newest layer's path, and whether it has gone."""
        rows = next(rows for rows in reversed(self.generations) if rows)
        more = f" + {len(rows) - 1}" if len(rows) > 1 else ""
        return rows[0].path + more + ("" if self.after else " (gone)")


def lineages(before: LayerTable, after: LayerTable, report: StageReport | None) -> list[Lineage]:
    """Line layers up by the report's edits, sources to target; layers that no edit names, by their own path.

    Returns:
        Every layer of both tables exactly once, in the order of the network after. A layer that has gone stands behind
        the one that it followed.
    """
    return _traced([before, after], [report])


def run_lineages(run: PipelineRun) -> list[Lineage]:
    """Line layers up through all steps of a run, by every step's edits.

    Returns:
        Every layer of every network exactly once, in the order of the last network; see `lineages`.
    """
    return _traced([run.start, *(step.table for step in run.steps)], [step.report for step in run.steps])


def _traced(tables: Sequence[LayerTable], reports: Sequence[StageReport | None]) -> list[Lineage]:
    groups = _Groups()
    for index, report in enumerate(reports):
        _join(groups, index, tables[index], tables[index + 1], report)
    return _in_order(tables, groups)


def _join(groups: "_Groups", index: int, before: LayerTable, after: LayerTable, report: StageReport | None) -> None:
    edited: set[Name] = set()
    for edit in report.edits if report else ():
        sources = [(index, row.path) for path in edit.sources for row in _at(before, path)]
        targets = [(index + 1, row.path) for row in _at(after, edit.target)]
        groups.join([*sources, *targets])
        edited.update(sources, targets)
    paths = {row.path for row in after.rows}
    for row in before.rows:
        same = [(index, row.path), (index + 1, row.path)]
        groups.join(same if not edited.intersection(same) and row.path in paths else same[:1])
    for row in after.rows:
        groups.join([(index + 1, row.path)])


class _Groups:
    """Names that have been joined, directly or through others, share one group."""

    def __init__(self) -> None:
        self._parent: dict[Name, Name] = {}

    def of(self, name: Name) -> Name:
        """The name that stands for the group of this one."""
        while self._parent.setdefault(name, name) != name:
            name = self._parent[name]
        return name

    def join(self, names: Iterable[Name]) -> None:
        first, *others = [self.of(name) for name in names] or [None]
        for other in others:
            if first is not None and other is not None:
                self._parent[other] = first


def _in_order(tables: Sequence[LayerTable], groups: _Groups) -> list[Lineage]:
    found: dict[Name, Lineage] = {}
    order: list[Name] = []
    for index in reversed(range(len(tables))):
        place = 0
        for row in tables[index].rows:
            group = groups.of((index, row.path))
            if group not in found:
                found[group] = Lineage([[] for _ in tables])
                order.insert(place, group)
            place = order.index(group) + 1
            found[group].generations[index].append(row)
    return [found[group] for group in order]


def _at(table: LayerTable, path: str) -> Sequence[LayerRow]:
    """The convolutions at a path or inside the module there."""
    return [row for row in table.rows if row.path == path or row.path.startswith(f"{path}.")]
