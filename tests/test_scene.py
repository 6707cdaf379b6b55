import numpy as np
import pytest
import torch

from sr_explore import pipeline
from sr_explore.errors import UserError
from sr_explore.pipeline import continued
from sr_explore.resize import degrade, enlarge
from sr_explore.scene import Scene
from sr_explore.stages import Branch, MergeBranches
from tests.tiny import tiny_branched, tiny_example, tiny_rfdn

SIZE = (16, 20)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(np.random.default_rng(0).random((33, 41, 3), dtype=np.float32), scale=2)


def test_a_scene_is_a_reference_and_its_small_version(scene: Scene):
    assert scene.hr.shape == (32, 40, 3)
    assert np.array_equal(scene.lr, degrade(scene.hr, 2))
    assert np.array_equal(scene.bicubic(), enlarge(scene.lr, 2))
    assert scene.measure(scene.hr).psnr_y == np.inf
    assert scene.measure(scene.bicubic()).crop_border == 2


def test_a_network_answers_once_and_is_measured_by_its_answer(scene: Scene):
    model = tiny_rfdn()
    assert scene.picture(model).shape == scene.hr.shape
    assert scene.quality(model) == scene.measure(scene.picture(model))
    assert scene.picture(model) is scene.picture(model)
    assert not np.array_equal(scene.picture(model), scene.picture(tiny_rfdn(seed=1)))


def test_a_run_gives_one_picture_a_step(scene: Scene):
    done = pipeline.run(tiny_rfdn(), [Branch()], tiny_example(), "row", SIZE, quality=scene.quality)
    pictures = scene.pictures(done)
    assert list(pictures) == ["row", "branch"]
    assert np.array_equal(pictures["branch"], scene.picture(done.model))
    assert done.record.steps[0].quality == scene.quality(done.model)


def test_a_run_goes_on_from_the_trained_network(scene: Scene):
    first = pipeline.run(tiny_rfdn(), [Branch()], tiny_example(), "row", SIZE, quality=scene.quality)
    trained = tiny_branched(4, small_blocks=True, seed=1)
    rest = pipeline.run(trained, [MergeBranches()], tiny_example(), "trained", SIZE, quality=scene.quality)
    journey = continued(first, rest)
    assert journey.record.model == "row"
    assert [step.stage for step in journey.record.steps] == ["branch", "merge-branches"]
    assert journey.record.steps[0].quality == scene.quality(trained) != first.record.steps[0].quality
    assert journey.models == (first.models[0], trained, rest.model)


def test_a_run_does_not_go_on_from_another_network():
    first = pipeline.run(tiny_rfdn(), [Branch()], tiny_example(), "row", SIZE)
    other = pipeline.run(tiny_branched(2, small_blocks=True), [MergeBranches()], tiny_example(), "other", SIZE)
    with pytest.raises(UserError, match="does not start from"):
        continued(first, other)


def test_pictures_of_networks_that_are_gone_are_forgotten(scene: Scene):
    model = tiny_rfdn()
    scene.picture(model)
    kept = len(scene._answers)
    del model
    assert len(scene._answers) < kept


def test_the_photo_given_is_left_alone():
    photo = np.random.default_rng(1).random((32, 32, 3), dtype=np.float32)
    before = photo.copy()
    with torch.no_grad():
        Scene(photo, 2).picture(tiny_rfdn())
    assert np.array_equal(photo, before)


def test_psnr_is_a_figure_of_the_whole_measurement(scene: Scene):
    model = tiny_rfdn()
    assert scene.psnr_y(model) == scene.quality(model).psnr_y != scene.psnr_y(tiny_rfdn(seed=1))
