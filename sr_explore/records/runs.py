"""What a pipeline or a comparison of many networks leaves behind."""

from dataclasses import dataclass

from sr_explore.records.base import Record
from sr_explore.records.checks import EquivalenceRecord
from sr_explore.records.measurements import LayerTable, QualityRecord, TimingRecord
from sr_explore.records.reports import StageReport


@dataclass(frozen=True)
class Step(Record):
    """One stage of a run: what it did, whether the function stayed, what it cost. `seconds` is the stage's own time."""

    stage: str
    exact: bool
    report: StageReport
    equivalence: EquivalenceRecord | None
    table: LayerTable
    seconds: float
    quality: QualityRecord | None = None

    @property
    def params(self) -> int:
        """Parameters of the network after this step."""
        return self.table.params

    @property
    def macs(self) -> int:
        """Multiply-adds of the network after this step."""
        return self.table.macs


@dataclass(frozen=True)
class PipelineRun(Record):
    """A network's way through stages: where it started and one step a stage."""

    model: str
    start: LayerTable
    steps: tuple[Step, ...]
    start_quality: QualityRecord | None = None


@dataclass(frozen=True)
class FamilyMember(Record):
    """One network in the comparison of all: what it costs, how long it takes, what it is worth.

    Attributes:
        line: what it belongs to: "original", "branched", "merged", a ladder's recipe, or "published".
        macs: for a low-resolution picture of `size`, (height, width) in px.
        psnr_y: by test set, dB.
        timing: where it was measured.
        note: where its figures come from, for a published network.
    """

    name: str
    title: str
    line: str
    params: int
    macs: int
    size: tuple[int, int]
    psnr_y: dict[str, float]
    timing: TimingRecord | None = None
    note: str = ""
