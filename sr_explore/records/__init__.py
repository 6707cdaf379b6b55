"""What stages, checks and measurements leave behind: frozen records, to and from JSON. No torch here."""

from sr_explore.records.base import Record
from sr_explore.records.checks import Difference, EquivalenceRecord, FeatureMatch, LayerDifference, OnnxCheck, OnnxFile
from sr_explore.records.measurements import ImageQuality, LayerRow, LayerTable, QualityRecord, TimingRecord
from sr_explore.records.reports import LayerEdit, StageReport
from sr_explore.records.rounds import ConvTime, LayerTime, ProfileRecord, PrunedCost, RatioRecord
from sr_explore.records.runs import FamilyMember, PipelineRun, Step
from sr_explore.records.sensitivity import KernelOrder, KernelSensitivity, KernelStep, SensitivityRecord
from sr_explore.records.sketches import Sketch, SketchBox, SketchWire

__all__ = [
    "ConvTime",
    "Difference",
    "EquivalenceRecord",
    "FamilyMember",
    "FeatureMatch",
    "ImageQuality",
    "KernelOrder",
    "KernelSensitivity",
    "KernelStep",
    "LayerDifference",
    "LayerEdit",
    "LayerRow",
    "LayerTable",
    "LayerTime",
    "OnnxCheck",
    "OnnxFile",
    "PipelineRun",
    "ProfileRecord",
    "PrunedCost",
    "QualityRecord",
    "RatioRecord",
    "Record",
    "SensitivityRecord",
    "Sketch",
    "SketchBox",
    "SketchWire",
    "StageReport",
    "Step",
    "TimingRecord",
]
