"""Figures by hand on small pictures, and the published network's scores on the published test set."""

from math import inf, isnan, log10
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from sr_explore.analysis import compare, psnr_rgb, psnr_y, quality, ssim_y
from sr_explore.errors import UserError
from sr_explore.records import QualityRecord


def grey(level: float, size: tuple[int, int] = (20, 24)) -> Tensor:
    return torch.full((1, 3, *size), level / 255)


def noise(height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def test_one_grey_level():
    assert psnr_rgb(grey(101), grey(100), 0) == pytest.approx(10 * log10(255**2), abs=1e-9)
    assert psnr_rgb(grey(101), grey(100), 0) == pytest.approx(48.1308, abs=1e-4)
    # One level of grey is 219/255 of a level of luma.
    assert psnr_y(grey(101), grey(100), 0) == pytest.approx(20 * log10(255 / (219 / 255)), abs=1e-9)


@pytest.mark.parametrize(("channel", "weight"), [(0, 65.481), (1, 128.553), (2, 24.966)])
def test_luma_weights(channel, weight):
    sr = grey(100)
    sr[:, channel] = 110 / 255
    assert psnr_y(sr, grey(100), 0) == pytest.approx(20 * log10(255 / (10 * weight / 255)), abs=1e-4)
    assert psnr_rgb(sr, grey(100), 0) == pytest.approx(10 * log10(255**2 / (100 / 3)), abs=1e-9)


def test_rounding_to_8_bits():
    assert psnr_rgb(grey(100.4), grey(100), 0) == inf
    assert psnr_y(grey(100.4), grey(100), 0) == inf
    assert ssim_y(grey(100.4), grey(100), 0) == 1
    assert psnr_rgb(grey(100.6), grey(100), 0) == psnr_rgb(grey(101), grey(100), 0)


def test_values_outside_are_clipped():
    assert psnr_rgb(grey(300), grey(255), 0) == inf
    assert psnr_rgb(grey(-20), grey(0), 0) == inf


def test_border_is_cut_off():
    sr = grey(100)
    sr[..., 1, 5] = 0  # one px from the edge
    assert [metric(sr, grey(100), 2) for metric in (psnr_y, psnr_rgb, ssim_y)] == [inf, inf, pytest.approx(1)]
    assert psnr_rgb(sr, grey(100), 1) == pytest.approx(10 * log10(255**2 / (100**2 / (18 * 22))), abs=1e-9)
    assert psnr_y(sr, grey(100), 1) < 60
    assert ssim_y(sr, grey(100), 1) < 1 - 1e-4


def test_ssim_is_the_mean_over_whole_windows():
    sr, hr = noise(14, 17), noise(14, 17, seed=1)
    weights = np.array([65.481, 128.553, 24.966]) / 255
    x, y = (np.tensordot(weights, np.rint(p[0].double().numpy() * 255), axes=1) + 16 for p in (sr, hr))
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(taps, taps) / taps.sum() ** 2

    def blur(values: np.ndarray) -> np.ndarray:
        patches = np.lib.stride_tricks.sliding_window_view(values, (11, 11))
        return (patches * window).sum(axis=(2, 3))

    mx, my = blur(x), blur(y)
    vx, vy, vxy = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    expected = ((2 * mx * my + c1) * (2 * vxy + c2)) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    assert expected.shape == (4, 7)
    assert ssim_y(sr, hr, 0) == pytest.approx(expected.mean(), abs=1e-10)


def test_nan_is_not_black():
    sr = grey(100)
    sr[0, 0, 3, 3] = torch.nan
    figures = compare("spoiled", sr, grey(100), 0)
    assert isnan(figures.psnr_y)
    assert isnan(figures.psnr_rgb)
    assert isnan(figures.ssim_y)


def test_picture_smaller_than_the_window_has_psnr_only():
    figures = compare("tiny", grey(101, (10, 30)), grey(100, (10, 30)), 0)
    assert isnan(figures.ssim_y)
    assert figures.psnr_rgb == pytest.approx(48.1308, abs=1e-4)


@pytest.mark.parametrize(
    ("sr", "hr", "crop_border", "message"),
    [
        (grey(1, (20, 24)), grey(1, (20, 25)), 0, "24×20 px and its reference 25×20 px"),
        (grey(1, (8, 24)), grey(1, (8, 24)), 4, "4 px off each side leaves nothing of 24×8 px"),
        (grey(1)[:, :1], grey(1)[:, :1], 0, r"\(1, 1, 20, 24\)"),
    ],
)
def test_errors(sr, hr, crop_border, message):
    for metric in (psnr_y, psnr_rgb, ssim_y):
        with pytest.raises(UserError, match=message):
            metric(sr, hr, crop_border)


def test_quality_averages():
    pairs = [("a", grey(101), grey(100)), ("b", grey(102), grey(100))]
    record = quality(lambda lr: lr, iter(pairs), crop_border=2)
    assert [image.name for image in record.images] == ["a", "b"]
    assert record.images[1] == compare("b", *pairs[1][1:], 2)
    assert record.psnr_rgb == pytest.approx(20 * log10(255) - 10 * log10(2), abs=1e-9)
    assert record.psnr_y == pytest.approx(sum(image.psnr_y for image in record.images) / 2)
    assert record.ssim_y == pytest.approx(sum(image.ssim_y for image in record.images) / 2)
    assert record.crop_border == 2
    assert QualityRecord.from_json(record.to_json()) == record


def test_quality_needs_pictures():
    with pytest.raises(UserError, match="no pictures"):
        quality(lambda lr: lr, [], crop_border=0)


def read(path: Path) -> Tensor:
    picture = np.asarray(Image.open(path).convert("RGB"))
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255


@pytest.mark.shared
def test_published_rfdn_on_set5(shared_data: Path):
    from sr_explore.zoo.foreign import from_foreign  # noqa: PLC0415

    state = torch.load(shared_data / "weights/RFDN_AIM.pth", map_location="cpu", weights_only=True)
    files = sorted((shared_data / "test/Set5/HR").glob("*.png"))
    pairs = ((file.stem, read(file.parents[1] / "LRx4" / file.name), read(file)) for file in files)
    network = from_foreign(state).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    record = quality(network, pairs, crop_border=4)
    assert len(record.images) == 5
    assert record.psnr_y == pytest.approx(32.159, abs=1e-3)
    assert record.psnr_rgb == pytest.approx(30.254, abs=1e-3)
    assert record.ssim_y == pytest.approx(0.8946, abs=1e-4)


def test_ssim_in_float32_is_near():
    hr = torch.nn.functional.interpolate(noise(12, 16), scale_factor=6, mode="bicubic").clamp(0, 1)
    sr = (hr + 0.02 * noise(72, 96, seed=1)).clamp(0, 1)
    exact, quick = ssim_y(sr, hr, 4), ssim_y(sr, hr, 4, torch.float32)
    assert quick != exact  # or it would not be quick
    assert quick == pytest.approx(exact, abs=4e-5)
