import torch

from sr_explore.calibration import shipped_calibration, shipped_example
from sr_explore.images import to_rgb, to_tensor
from sr_explore.resize import degrade


def test_patches_are_many_detailed_and_in_pairs():
    calibration = shipped_calibration(4)
    assert calibration.hr is not None
    assert calibration.lr.shape[0] >= 16
    assert calibration.hr.shape[-1] == 4 * calibration.lr.shape[-1]
    assert calibration.hr.amin() >= 0
    assert calibration.hr.amax() <= 1
    pairs = zip(calibration.hr, calibration.lr, strict=True)
    assert all(torch.equal(to_tensor(degrade(to_rgb(hr[None]), 4))[0], lr) for hr, lr in pairs)
    flat = calibration.hr.flatten(1)
    assert (flat.std(1) > 0.02).all()
    assert len(torch.unique(flat[:, ::97], dim=0)) == len(flat), "a patch is there twice"


def test_other_scales_and_the_same_every_time():
    one = shipped_calibration(2)
    shipped_calibration.cache_clear()
    assert torch.equal(one.lr, shipped_calibration(2).lr)
    assert shipped_example(3).lr.shape == (1, 3, 24, 24)
