import pytest
import torch

from sr_explore.networks.rfdn import RFDN
from sr_explore.training import FeatureMatching
from tests.tiny import tiny_rfdn

LR = torch.rand(2, 3, 20, 20, generator=torch.Generator().manual_seed(0))
PAIRS = [("head", "head"), ("blocks.0", "blocks.0"), ("blocks.1", "blocks.1")]


def student_and_teacher() -> tuple[RFDN, RFDN]:
    return tiny_rfdn(seed=1, num_feat=4), tiny_rfdn(seed=2, num_feat=4)


def test_a_network_has_no_distance_to_itself():
    teacher = student_and_teacher()[1]
    matching = FeatureMatching(teacher, PAIRS)
    targets = matching.targets(LR)
    with matching.watching(teacher, targets) as outputs:
        teacher(LR)
    assert matching.distance(outputs, targets).item() == 0


def test_features_come_at_the_level_that_was_asked_for():
    matching = FeatureMatching(student_and_teacher()[1], PAIRS, level=0.5)
    matching.calibrate(LR)
    for features in matching.targets(LR).values():
        assert float(features.given.abs().mean()) == pytest.approx(0.5, rel=1e-5)
        assert float(features.taken.abs().mean()) == pytest.approx(0.5, rel=1e-5)


def test_factors_stay_those_of_the_first_batch():
    matching = FeatureMatching(student_and_teacher()[1], PAIRS, level=0.5)
    matching.calibrate(LR)
    dark = matching.targets(LR / 8)["head"].given
    assert float(dark.abs().mean()) < 0.45


def test_a_forced_block_is_fed_what_the_teachers_block_got():
    student, teacher = student_and_teacher()
    matching = FeatureMatching(teacher, PAIRS, forced=["blocks.1"])
    targets = matching.targets(LR)
    with matching.watching(student, targets) as outputs:
        student(LR)
    torch.testing.assert_close(outputs["blocks.1"], student.blocks[1](targets["blocks.1"].taken))


def test_a_forced_block_sends_no_gradient_to_the_blocks_before_it():
    student, teacher = student_and_teacher()
    matching = FeatureMatching(teacher, [("blocks.1", "blocks.1")], forced=["blocks.1"])
    targets = matching.targets(LR)
    with matching.watching(student, targets) as outputs:
        student(LR)
    matching.distance(outputs, targets).backward()
    assert student.blocks[1].get_parameter("last.weight").grad is not None
    assert student.blocks[0].get_parameter("last.weight").grad is None


def test_the_student_is_left_as_it_was():
    student, teacher = student_and_teacher()
    before = student(LR)
    matching = FeatureMatching(teacher, PAIRS, forced=["blocks.0", "blocks.1"])
    targets = matching.targets(LR)
    with matching.watching(student, targets):
        pass
    torch.testing.assert_close(student(LR), before, rtol=0, atol=0)
