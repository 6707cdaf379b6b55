from pathlib import Path

import numpy as np
import pytest
import torch

from sr_explore.errors import UserError
from sr_explore.images import to_tensor, write_png
from sr_explore.resize import degrade
from sr_explore.training import Patches, TrainingPhoto, add_teacher, load_training_photos


def numbered_photo(height: int = 20, width: int = 30, scale: int = 2) -> TrainingPhoto:
    """A photo whose every low-resolution pixel says where it is; `hr` and `taught` repeat it."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    lr = torch.stack([rows, columns, rows * 0]).to(torch.uint8)
    hr = lr.repeat_interleave(scale, 1).repeat_interleave(scale, 2)
    return TrainingPhoto(lr, hr, 255 - hr)


def test_patches_of_all_three_pictures_lie_on_each_other():
    batch = Patches([numbered_photo()], scale=2, patch_size=8, batch_size=32, seed=1).batch(5)
    assert batch.lr.shape == (32, 3, 8, 8)
    assert torch.equal(batch.lr.repeat_interleave(2, 2).repeat_interleave(2, 3), batch.hr)
    assert batch.taught is not None
    assert torch.allclose(1 - batch.hr, batch.taught, atol=1e-6)


def test_patches_come_from_everywhere_and_are_turned():
    batch = Patches([numbered_photo()], 2, 8, 256, 1).batch(0)
    steps_down = batch.lr[:, 0, 1, 0] - batch.lr[:, 0, 0, 0]
    assert {round(float(step) * 255) for step in steps_down} == {-1, 0, 1}, "no flips or no transposed patches"
    assert batch.lr[:, 0].max() * 255 == pytest.approx(19)
    assert batch.lr[:, 1].max() * 255 == pytest.approx(29)


def test_a_batch_depends_on_seed_and_step_alone():
    photos = [numbered_photo(), numbered_photo(25, 22)]
    one, other = Patches(photos, 2, 8, 4, 7), Patches(photos, 2, 8, 4, 7)
    one.batch(0)
    assert torch.equal(one.batch(3).lr, other.batch(3).lr)
    assert not torch.equal(one.batch(3).lr, one.batch(4).lr)
    assert not torch.equal(one.batch(3).lr, Patches(photos, 2, 8, 4, 8).batch(3).lr)


def test_processes_share_a_batch():
    patches = Patches([numbered_photo()], 2, 8, 6, 0)
    whole = patches.batch(2)
    shares = [patches.batch(2, rank, 2) for rank in range(2)]
    assert torch.equal(whole.lr[0::2], shares[0].lr)
    assert torch.equal(whole.hr[1::2], shares[1].hr)


def test_photos_are_degraded_as_the_test_sets_are(tmp_path: Path):
    rgb = np.random.default_rng(0).random((41, 50, 3))
    write_png(tmp_path / "a.png", rgb)
    write_png(tmp_path / "tiny.png", rgb[:10, :10])
    (tmp_path / "notes.txt").write_text("no photo")
    (photo,) = load_training_photos(tmp_path, scale=4, patch_size=10)
    assert photo.hr.shape == (3, 40, 48)
    stored = to_tensor(degrade(photo.hr.permute(1, 2, 0).numpy() / np.float32(255), 4))
    assert torch.equal((stored[0] * 255).round().to(torch.uint8), photo.lr)


def test_a_folder_without_photos_says_so(tmp_path: Path):
    with pytest.raises(UserError, match="holds no photograph"):
        load_training_photos(tmp_path, 4, 40)


def test_the_teacher_sees_whole_pictures_in_unit_range():
    seen = []

    def upscale(lr: torch.Tensor) -> torch.Tensor:
        seen.append(lr)
        return lr.repeat_interleave(2, 2).repeat_interleave(2, 3)

    (photo,) = add_teacher([TrainingPhoto(numbered_photo().lr, numbered_photo().hr)], upscale, torch.device("cpu"))
    assert seen[0].shape == (1, 3, 20, 30)
    assert seen[0].max() <= 1
    assert photo.taught is not None
    assert torch.equal(photo.taught, photo.hr)
