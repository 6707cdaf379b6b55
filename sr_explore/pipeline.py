"""Run stages one after the other: apply, check, measure, one `Step` record a stage."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from sr_explore.analysis import equivalence, layer_table
from sr_explore.errors import UserError
from sr_explore.records import EquivalenceRecord, PipelineRun, QualityRecord, Step
from sr_explore.stages import Example, Stage, StageResult

DEFAULT_SIZE = (180, 320)


@dataclass(frozen=True)
class Finished:
    """A run's record, and the networks: `models[0]` is the one it started from, `models[i]` the one after step i."""

    record: PipelineRun
    models: tuple[nn.Module, ...]

    @property
    def model(self) -> nn.Module:
        """The network at the end."""
        return self.models[-1]


def run(
    model: nn.Module,
    stages: Sequence[Stage],
    example: Example,
    name: str = "",
    size: tuple[int, int] = DEFAULT_SIZE,
    check_on: Tensor | None = None,
    quality: Callable[[nn.Module], QualityRecord] | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> Finished:
    """Apply stages in order; check the exact ones, measure all.

    Args:
        model: stays untouched.
        example: for the stages; it learns on the way what pruning has kept.
        name: of the network, for the record.
        size: (height, width) of the low-resolution input that costs are counted for, px.
        check_on: picture (1, 3, H, W) on which exact stages are compared; default the example's.
        quality: measured after every stage, where given.
        on_step: told of every step as soon as it is done.

    Raises:
        UserError: from the first stage that the network is not ready for.
    """
    models, steps = [model], []
    picture = example.lr if check_on is None else check_on
    for stage in stages:
        started = time.perf_counter()
        result = stage(models[-1], example)
        seconds = time.perf_counter() - started
        step = Step(
            stage=stage.name(),
            exact=result.report.exact,
            report=result.report,
            equivalence=_check(models[-1], result, picture),
            table=layer_table(result.model, size),
            seconds=seconds,
            quality=quality(result.model) if quality else None,
        )
        example = example.after(models[-1], result.report)
        models.append(result.model)
        steps.append(step)
        if on_step:
            on_step(step)
    start_quality = quality(model) if quality else None
    return Finished(PipelineRun(name, layer_table(model, size), tuple(steps), start_quality), tuple(models))


def continued(first: Finished, trained: Finished) -> Finished:
    """Two runs as one, where training came between: `trained` starts from the network at the end of `first`, trained.

    The last step of `first` takes the network and the quality that `trained` started from.

    Raises:
        UserError: if the two networks have not the same layers.
    """
    if first.record.steps[-1].table != trained.record.start:
        raise UserError("the second run does not start from a network of the first one's layers and input size")
    last = replace(first.record.steps[-1], quality=trained.record.start_quality)
    steps = (*first.record.steps[:-1], last, *trained.record.steps)
    return Finished(replace(first.record, steps=steps), (*first.models[:-1], *trained.models))


def _check(before: nn.Module, result: StageResult, picture: Tensor) -> EquivalenceRecord | None:
    return equivalence(before, result.model, picture, result.report.edits) if result.report.exact else None
