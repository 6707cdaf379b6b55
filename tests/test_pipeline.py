import pytest
import torch

from sr_explore import pipeline
from sr_explore.analysis import quality
from sr_explore.errors import UserError
from sr_explore.records import PipelineRun, QualityRecord
from sr_explore.stages import Fold, MergeBranches, parse_stages
from tests.tiny import tiny_branched, tiny_example, tiny_rfdn

JOURNEY = "branch,merge-branches,concat-to-conv,prune-channels:importance=magnitude,reconstruct,fold"


@pytest.fixture(scope="module")
def finished() -> pipeline.Finished:
    return pipeline.run(tiny_rfdn(), parse_stages(JOURNEY), tiny_example(), "tiny", (16, 24))


def test_one_step_a_stage_and_exact_ones_are_checked(finished: pipeline.Finished):
    assert [step.stage for step in finished.record.steps] == [part.split(":")[0] for part in JOURNEY.split(",")]
    for step in finished.record.steps:
        assert (step.equivalence is not None) == step.exact
        assert step.equivalence is None or step.equivalence.equal
    assert len(finished.models) == 7


def test_what_a_step_gains(finished: pipeline.Finished):
    steps = {step.stage: step for step in finished.record.steps}
    assert steps["merge-branches"].macs > steps["branch"].macs
    assert steps["prune-channels"].params < 0.5 * steps["concat-to-conv"].params
    assert steps["fold"].macs < steps["reconstruct"].macs
    assert len(steps["fold"].table.rows) < len(steps["reconstruct"].table.rows)
    assert steps["fold"].table.structural_params == 0
    assert finished.record.start.size == (16, 24)


def test_the_record_goes_to_json_and_back(finished: pipeline.Finished):
    assert PipelineRun.from_json(finished.record.to_json()).steps[1].equivalence == finished.record.steps[1].equivalence


def test_quality_is_measured_on_the_way():
    lr = torch.rand(1, 3, 20, 20)

    def measure(model: torch.nn.Module) -> QualityRecord:
        hr = torch.nn.functional.interpolate(lr, scale_factor=2)
        with torch.no_grad():
            return quality(model, [("x", lr, hr)], 2)

    done = pipeline.run(tiny_branched(2, True), (MergeBranches(), Fold()), tiny_example(), quality=measure)
    assert done.record.start_quality is not None
    for step in done.record.steps:
        assert step.quality is not None
        assert step.quality.psnr_y == pytest.approx(done.record.start_quality.psnr_y, abs=1e-3)


def test_a_stage_that_is_not_ready_stops_the_run_with_its_sentence():
    with pytest.raises(UserError, match="apply branch first"):
        pipeline.run(tiny_rfdn(), (MergeBranches(),), tiny_example())


def test_steps_are_told_as_soon_as_they_are_done():
    told = []
    pipeline.run(tiny_branched(2, True), (MergeBranches(), Fold()), tiny_example(), on_step=told.append)
    assert [step.stage for step in told] == ["merge-branches", "fold"]
