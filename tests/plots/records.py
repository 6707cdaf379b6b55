"""Small records to draw, made by hand."""

from typing import Any

from sr_explore.records import (
    Difference,
    EquivalenceRecord,
    LayerDifference,
    LayerEdit,
    LayerRow,
    LayerTable,
    PipelineRun,
    QualityRecord,
    StageReport,
    Step,
)


def traces(figure: Any) -> list[Any]:
    """What a figure draws; plotly's own types do not say what is in `data`."""
    return list(figure.data)


def layout(figure: Any) -> Any:
    """How a figure is laid out, likewise."""
    return figure.layout


def table(**params: int) -> LayerTable:
    """A table of layers by path ("__" for a dot), each with that many parameters, a tenth as many channels."""
    rows = tuple(
        LayerRow(path.replace("__", "."), 3, count // 10, (3, 3), 1, count, 7 * count, count, False)
        for path, count in params.items()
    )
    return LayerTable((8, 12), rows, sum(params.values()), 0, 7 * sum(params.values()), 0)


def report(*edits: LayerEdit, stage: str = "merge-branches") -> StageReport:
    """A report of these edits."""
    return StageReport(stage, {}, True, edits)


def checked(relative: float = 1e-16, layers: tuple[LayerDifference, ...] = ()) -> EquivalenceRecord:
    """A check's record."""
    return EquivalenceRecord(Difference(0, 0, relative), Difference(0, 0, 1e-7), layers, 1e-12, 32)


def quality(psnr_y: float) -> QualityRecord:
    """A quality record with one figure that matters."""
    return QualityRecord(psnr_y, 0.0, 0.0, 4, ())


def run(with_quality: bool = True) -> PipelineRun:
    """Three steps, exact, lossy, and the first one again."""
    costs = [("fold", 200, True, 30.0), ("prune-channels", 50, False, 28.0), ("fold", 40, True, 28.0)]
    steps = tuple(
        Step(
            stage,
            exact,
            report(stage=stage),
            checked() if exact else None,
            table(a=params),
            0.1,
            quality(psnr) if with_quality else None,
        )
        for stage, params, exact, psnr in costs
    )
    return PipelineRun("net", table(a=100), steps, quality(30.0) if with_quality else None)
