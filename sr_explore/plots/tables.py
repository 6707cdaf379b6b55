"""Records as small tables: HTML where a notebook shows them, plain text where one prints them."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from sr_explore.plots.journey import step_names
from sr_explore.records import PipelineRun

_CELL = "text-align: {side}; padding: 0.2em 0.9em"


@dataclass(frozen=True, repr=False)
class Table:
    """A head and rows of text; the first column is set to the left, figures to the right."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def _repr_html_(self) -> str:
        """What a notebook shows; colours are left to its theme."""
        body = "".join(_html_row(row, "td") for row in self.rows)
        return f"<table><thead>{_html_row(self.head, 'th')}</thead><tbody>{body}</tbody></table>"

    def __repr__(self) -> str:
        widths = [max(len(row[column]) for row in (self.head, *self.rows)) for column in range(len(self.head))]
        lines = [_text_row(row, widths) for row in (self.head, tuple("-" * width for width in widths), *self.rows)]
        return "\n".join(lines)


def step_table(run: PipelineRun) -> Table:
    """One row a step: what its stage promises, parameters, multiply-adds, layers, PSNR-Y, and the check's figure."""
    promises = ["", *("exact" if step.exact else "lossy" for step in run.steps)]
    tables = [run.start, *(step.table for step in run.steps)]
    qualities = [run.start_quality, *(step.quality for step in run.steps)]
    checks = [None, *(step.equivalence for step in run.steps)]
    rows = [
        (
            name,
            promise,
            f"{table.params:,}",
            f"{table.macs / 1e9:.2f}",
            str(len(table.rows)),
            f"{quality.psnr_y:.2f}" if quality else "–",
            _error(check.float64.relative) if check else "–",
        )
        for name, promise, table, quality, check in zip(
            step_names(run), promises, tables, qualities, checks, strict=True
        )
    ]
    head = ("step", "promise", "params", "MACs (G)", "layers", "PSNR-Y (dB)", "float64 difference")
    return Table(head, tuple(rows))


def _error(relative: float) -> str:
    return f"{relative:.0e}" if relative else "0"


def _html_row(cells: Sequence[str], tag: str) -> str:
    sides = ["left", *["right"] * (len(cells) - 1)]
    inner = "".join(
        f'<{tag} style="{_CELL.format(side=side)}">{escape(cell)}</{tag}>'
        for cell, side in zip(cells, sides, strict=True)
    )
    return f"<tr>{inner}</tr>"


def _text_row(cells: Sequence[str], widths: Sequence[int]) -> str:
    figures = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return "  ".join([cells[0].ljust(widths[0]), *figures]).rstrip()
