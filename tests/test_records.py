import math
from dataclasses import replace

import pytest

from sr_explore.records import (
    Difference,
    EquivalenceRecord,
    ImageQuality,
    LayerDifference,
    LayerEdit,
    LayerRow,
    LayerTable,
    OnnxCheck,
    OnnxFile,
    PipelineRun,
    QualityRecord,
    Record,
    StageReport,
    Step,
    TimingRecord,
)

EDIT = LayerEdit("pruned", ("a.b",), "a.b", ((4, 3, 1, 1),), (2, 3, 1, 1), kept_out=(0, 3), kept_in=(0, 1, 2))
REPORT = StageReport("prune-channels", {"pruning_ratio": 0.5}, False, (EDIT,), ("a note",), {"x": 0.5})
TABLE = LayerTable((4, 6), (LayerRow("a.b", 3, 2, (1, 1), 1, 8, 144, 48, False),), 8, 0, 144, 48)
SAME = EquivalenceRecord(
    Difference(1e-16, 0.0, 1e-15), Difference(1e-7, 2e-7, 3e-7), (LayerDifference("a.b", 0.0, 1e-7),), 1e-12, 32
)
ONNX = OnnxCheck(((15, 15), (33, 47)), (2e-7, 4e-7), (1e-7, 2e-7), 10.0)
QUALITY = QualityRecord(30.0, 28.0, 0.9, 4, (ImageQuality("x.png", 30.0, 28.0, 0.9),))
STEP = Step("fold", True, REPORT, SAME, TABLE, 0.5, QUALITY)


@pytest.mark.parametrize(
    "record",
    [
        EDIT,
        LayerEdit("new", (), "a"),
        REPORT,
        TABLE,
        SAME,
        ONNX,
        OnnxFile("a.onnx", "00ff", 1.7, 17, ("batch", "3"), ("batch", "12"), (24, 31)),
        QUALITY,
        TimingRecord(1.5, 0.1, 20, (4, 6), "CPU", "float32", 2),
        STEP,
        PipelineRun("net", TABLE, (STEP, Step("branch", False, REPORT, None, TABLE, 0.1))),
    ],
    ids=lambda record: type(record).__name__,
)
def test_records_go_to_json_and_come_back_equal(record: Record):
    again = type(record).from_json(record.to_json())
    assert again == record
    assert hash(again.to_json()) == hash(record.to_json())


def test_a_difference_that_is_no_number_is_never_equal():
    def with_relative(relative: float) -> EquivalenceRecord:
        return EquivalenceRecord(Difference(0, 0, relative), SAME.float32, (), 1e-12, 32)

    assert with_relative(1e-12).equal
    assert not with_relative(1.1e-12).equal
    assert not with_relative(math.nan).equal
    assert not with_relative(math.inf).equal


def test_fields_that_a_later_version_adds_do_not_break_an_older_one():
    assert Difference.from_dict({"interior": 0.0, "border": 0.0, "relative": 0.0, "median": 0.0}) == Difference(0, 0, 0)


def test_steps_say_what_the_network_costs_after_them():
    assert (STEP.params, STEP.macs) == (8, 144)


def test_an_onnx_check_goes_by_its_worst_figure():
    assert ONNX.relative == 4e-7
    assert ONNX.equal
    assert math.isnan(replace(ONNX, differences=(2e-7, math.nan)).relative)


@pytest.mark.parametrize("figure", [1.5e-6, math.inf, math.nan])
@pytest.mark.parametrize("place", [0, 1])
def test_an_onnx_file_is_the_same_only_if_it_is_at_every_size(figure: float, place: int):
    differences = list(ONNX.differences)
    differences[place] = figure
    assert not replace(ONNX, differences=tuple(differences), roundoffs=(1e-7, 1e-7)).equal
