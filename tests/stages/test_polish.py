import pytest
import torch
from torch import nn

from sr_explore.errors import UserError
from sr_explore.stages import Example, Polish, PolishPoint, PruneChannels, apply_stages, watching_polish
from tests.tiny import relative_difference, tiny_example, tiny_rfdn

PRUNE = PruneChannels(0.4, importance="magnitude")


def pruned_and_example() -> tuple[nn.Module, Example]:
    result = PRUNE(tiny_rfdn(), tiny_example())
    return result.model, tiny_example().after(tiny_rfdn(), result.report)


def test_polishing_comes_nearer_to_the_unpruned_network():
    model, example = pruned_and_example()
    report = Polish(steps=60)(model, example).report
    assert report.figures["held_out_db_after"] > report.figures["held_out_db_before"] + 1
    assert report.figures["steps"] == 60


def test_the_result_is_what_the_report_says_of_it():
    model, example = pruned_and_example()
    result = Polish(steps=30)(model, example)
    assert example.calibration
    assert example.unpruned
    held = example.calibration.lr[:1]
    with torch.no_grad():
        error = (result.model(held) - example.unpruned(held)).square().mean()
    assert -10 * torch.log10(error).item() == pytest.approx(result.report.figures["held_out_db_after"], abs=1e-4)


def test_what_cannot_be_bettered_comes_back_as_it_was():
    model, example = pruned_and_example()
    result = Polish(steps=5, learning_rate=100.0, look_every=1)(model, example)
    assert relative_difference(result.model, model) == 0
    assert result.report.notes == ("polishing found nothing better than what it was given",)


def test_a_watcher_sees_the_curve_and_may_stop_it():
    model, example = pruned_and_example()
    points: list[PolishPoint] = []

    def watch(point: PolishPoint) -> bool:
        points.append(point)
        return len(points) == 3

    with watching_polish(watch):
        result = Polish(steps=1000, look_every=2)(model, example)
    assert [point.step for point in points] == [2, 4, 6]
    assert result.report.figures["steps"] == 6
    assert max(point.held_out_db for point in points) <= result.report.figures["held_out_db_after"]
    Polish(steps=2)(model, example)
    assert len(points) == 3, "a watcher must not outlive its block"


def test_seconds_end_it():
    model, example = pruned_and_example()
    points: list[PolishPoint] = []
    with watching_polish(points.append):  # pyright: ignore[reportArgumentType]
        Polish(seconds=0.5, look_every=1)(model, example)
    assert 0.5 <= points[-1].seconds < 5


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (Polish(seconds=0), "seconds is 0"),
        (Polish(seconds=1e9), "at most 3600"),
        (Polish(steps=-1), "steps of 0 or more"),
        (Polish(batch_size=0), "batch_size"),
    ],
)
def test_values_out_of_range_are_named(stage: Polish, words: str):
    model, example = pruned_and_example()
    with pytest.raises(UserError, match=words):
        stage(model, example)


def test_what_it_lacks_is_named():
    with pytest.raises(UserError, match="prune-channels has cut"):
        Polish()(tiny_rfdn(), tiny_example())
    model, example = pruned_and_example()
    with pytest.raises(UserError, match="at least 2 calibration patches"):
        Polish()(model, Example(example.lr, None, example.unpruned, example.kept))


def test_it_goes_after_reconstruct_in_a_row_of_stages():
    tiny = apply_stages(tiny_rfdn(), (PRUNE, Polish(steps=2)), tiny_example())
    assert tiny(torch.rand(1, 3, 16, 16)).shape == (1, 3, 32, 32)
