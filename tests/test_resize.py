"""Bicubic resizing against hand-derived numbers, committed ones, and MATLAB's own pictures where they are at hand."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sr_explore.errors import UserError
from sr_explore.resize import Edge, bicubic_resize, crop_centre, crop_to_multiple, degrade, enlarge, to_uint8

# Keys' kernel with a = -1/2 at -1.75, -1.25, …, 1.75: what one bright pixel becomes when it is enlarged ×2.
KERNEL = np.array([-3, -9, 29, 111, 111, 29, -9, -3]) / 128

# What the implementation made that reproduces all 19 low-resolution pictures of Set5 and Set14 bit for bit.
QUARTER = [[134, 165, 97, 100], [142, 143, 135, 117], [120, 126, 126, 133], [117, 110, 142, 140]]
QUARTER_REPLICATE = [[138, 164, 98, 98], [142, 143, 135, 117], [119, 125, 126, 133], [117, 110, 142, 141]]
THIRD = [
    [120, 183, 143, 81, 102, 106],
    [132, 149, 126, 130, 103, 98],
    [140, 155, 134, 140, 131, 120],
    [113, 125, 103, 133, 125, 139],
    [124, 111, 111, 162, 145, 135],
    [113, 105, 120, 138, 123, 132],
]
DOUBLE = [
    [0, 21, 85, 157, 240, 230, 128, 77],
    [0, 31, 96, 152, 201, 200, 149, 124],
    [34, 63, 121, 142, 124, 141, 191, 216],
    [97, 108, 130, 129, 106, 130, 201, 237],
    [189, 167, 123, 116, 146, 168, 181, 187],
    [219, 178, 94, 88, 161, 190, 176, 170],
    [190, 142, 45, 48, 152, 199, 189, 184],
    [175, 123, 20, 28, 147, 203, 195, 191],
]


def pattern(side: int = 16) -> np.ndarray:
    """A picture of sharp, unsystematic contrasts; a formula, since random generators change between versions."""
    i, j = np.mgrid[:side, :side]
    return ((i * i * 37 + j * 91 + i * j * j * 13 + (i ^ j) * 29) % 256).astype(np.uint8)


def bright_pixel(value: float, dtype: type) -> np.ndarray:
    image = np.zeros((9, 9), dtype)
    image[4, 4] = value
    return image


def luma(rgb: np.ndarray) -> np.ndarray:
    """BT.601 Y of RGB in [0, 1], in 0…255, as MATLAB's rgb2ycbcr has it but not rounded."""
    return 16 + rgb.astype(np.float64) @ [65.481, 128.553, 24.966]


@pytest.mark.parametrize(
    ("scale", "expected"), [(1 / 4, QUARTER), (1 / 3, THIRD)], ids=["a quarter", "a third of no multiple"]
)
def test_reduction_gives_the_committed_levels(scale: float, expected: list[list[int]]) -> None:
    assert bicubic_resize(pattern(), scale).tolist() == expected


def test_replicated_edges_differ_only_near_the_border() -> None:
    assert bicubic_resize(pattern(), 1 / 4, edge="replicate").tolist() == QUARTER_REPLICATE
    symmetric, replicate = (bicubic_resize(pattern(32), 1 / 4, edge=edge) for edge in ("symmetric", "replicate"))
    assert np.array_equal(symmetric[2:-2, 2:-2], replicate[2:-2, 2:-2])


def test_enlargement_gives_the_committed_levels() -> None:
    assert bicubic_resize(pattern()[:4, :4], 2).tolist() == DOUBLE


def test_one_bright_pixel_becomes_the_kernel() -> None:
    enlarged = bicubic_resize(bright_pixel(1, np.float64), 2)
    assert np.allclose(enlarged[5:13, 5:13], np.outer(KERNEL, KERNEL), rtol=0, atol=1e-15)
    assert np.count_nonzero(enlarged) == 64


def test_the_kernel_is_stretched_when_a_picture_shrinks() -> None:
    shrunk = bicubic_resize(
        np.eye(16)[7:8], scale=(1.0, 0.5)
    )  # pixel 7 lies a quarter of a new pixel right of new pixel 3
    assert np.allclose(shrunk[0, 2:6], KERNEL[[1, 3, 5, 7]] / 2, rtol=0, atol=1e-15)


def test_eight_bits_are_rounded_and_clipped_between_the_passes() -> None:
    """255 · 9/128 squared would be 1.26, but −17.9 between the passes has become 0."""
    enlarged = bicubic_resize(bright_pixel(255, np.uint8), 2)
    assert enlarged[6, 6] == 0
    assert bicubic_resize(bright_pixel(3, np.uint8), 2)[8, 8] == 3  # 3 · 111/128 squared would be 2.26


def test_halves_are_rounded_up() -> None:
    row = bright_pixel(192, np.uint8)[4:5]
    assert bicubic_resize(row, scale=(1.0, 2.0))[0, 8:12].tolist() == [167, 167, 44, 0]  # of 166.5, 166.5, 43.5, −13.5


def test_the_smaller_factor_goes_first_and_rows_if_equal() -> None:
    image = pattern()
    rows_then_columns = bicubic_resize(bicubic_resize(image, scale=(0.5, 1.0)), scale=(1.0, 0.5))
    columns_then_rows = bicubic_resize(bicubic_resize(image, scale=(1.0, 0.5)), scale=(0.5, 1.0))
    assert not np.array_equal(rows_then_columns, columns_then_rows)
    assert np.array_equal(bicubic_resize(image, 0.5), rows_then_columns)
    mixed = bicubic_resize(bicubic_resize(image, scale=(1.0, 0.5)), scale=(2.0, 1.0))
    assert np.array_equal(bicubic_resize(image, scale=(2.0, 0.5)), mixed)
    assert np.array_equal(bicubic_resize(image, size=(32, 8)), mixed)


@pytest.mark.parametrize("scale", [0.25, 1 / 3, 0.7, 1, 1.5, 4])
def test_a_constant_stays_constant(scale: float) -> None:
    assert (bicubic_resize(np.full((13, 7, 3), 201, np.uint8), scale) == 201).all()
    assert np.allclose(bicubic_resize(np.full((13, 7), -3.7), scale), -3.7, rtol=0, atol=1e-14)


@pytest.mark.parametrize("scale", [0.25, 0.5, 2, 4])
def test_a_ramp_stays_a_ramp_away_from_the_border(scale: float) -> None:
    ramp = np.tile(np.arange(64.0), (3, 1))
    inside = slice(int(3 * max(scale, 1)), -int(3 * max(scale, 1)))
    expected = (np.arange(64 * scale) + 0.5) / scale - 0.5
    assert np.allclose(bicubic_resize(ramp, scale=(1.0, scale))[0, inside], expected[inside], rtol=0, atol=1e-12)


def test_scale_one_is_the_identity_and_a_copy() -> None:
    image = pattern()
    same = bicubic_resize(image, 1)
    assert np.array_equal(same, image)
    assert not np.shares_memory(same, image)


def test_floats_are_neither_clipped_nor_rounded() -> None:
    enlarged = bicubic_resize(np.array([[0, 1, 0, 0], [0, 1, 0, 0]], np.float32), 2)
    assert enlarged.dtype == np.float64
    assert enlarged.min() < 0


def test_channels_do_not_mix() -> None:
    image = np.dstack([pattern(), pattern().T, 255 - pattern()])
    resized = bicubic_resize(image, 1 / 4)
    for channel in range(3):
        assert np.array_equal(resized[..., channel], bicubic_resize(image[..., channel], 1 / 4))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (3, 2)])
def test_pictures_smaller_than_the_kernel(shape: tuple[int, int]) -> None:
    assert bicubic_resize(np.full(shape, 7, np.uint8), 4).shape == (shape[0] * 4, shape[1] * 4)
    assert (bicubic_resize(np.full(shape, 7, np.uint8), size=(1, 1)) == 7).all()


@pytest.mark.parametrize(
    ("image", "arguments"),
    [
        (np.zeros((4, 4)), {}),
        (np.zeros((4, 4)), {"scale": 2, "size": (8, 8)}),
        (np.zeros((4, 4)), {"scale": 0}),
        (np.zeros((4, 4)), {"scale": float("nan")}),
        (np.zeros((4, 4)), {"size": (0, 3)}),
        (np.zeros((4, 4)), {"scale": 2, "edge": "wrap"}),
        (np.zeros((4, 4), np.int32), {"scale": 2}),
        (np.zeros((4, 0)), {"scale": 2}),
        (np.zeros(4), {"scale": 2}),
    ],
)
def test_what_makes_no_sense_is_refused(image: np.ndarray, arguments: dict) -> None:
    with pytest.raises(ValueError, match=r"scale|size|edge|image"):
        bicubic_resize(image, **arguments)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_degrade_and_enlarge_stay_on_the_grid_of_eight_bits(scale: int) -> None:
    hr = np.dstack([pattern(29)] * 3).astype(np.float32) / 255
    lr = degrade(hr, scale)
    sr = enlarge(lr, scale)
    assert lr.shape == (29 // scale, 29 // scale, 3)
    assert sr.shape == (lr.shape[0] * scale, lr.shape[1] * scale, 3)
    for picture in (lr, sr):
        assert picture.dtype == np.float32
        assert picture.min() >= 0
        assert picture.max() <= 1
        assert np.array_equal(picture, np.rint(picture * 255).astype(np.float32) / np.float32(255))


def test_degrade_equals_resizing_the_file() -> None:
    hr = np.dstack([pattern()] * 3)
    assert np.array_equal(to_uint8(degrade(hr.astype(np.float32) / 255, 4))[..., 0], QUARTER)


def test_crop_centre_takes_the_middle_or_all() -> None:
    picture = np.arange(7 * 9, dtype=np.float32).reshape(7, 9)
    assert (crop_centre(picture, 3, 5) == picture[2:5, 2:7]).all()
    assert (crop_centre(picture, 100, 4) == picture[:, 2:6]).all()
    assert (crop_centre(picture, 7, 9) == picture).all()


def test_crop_to_multiple_cuts_right_and_bottom() -> None:
    image = pattern(10)
    assert np.array_equal(crop_to_multiple(image, 4), image[:8, :8])
    with pytest.raises(UserError, match=r"10 × 3 pixels.*4"):
        crop_to_multiple(image[:3], 4)
    with pytest.raises(ValueError, match=r"2\.5"):
        crop_to_multiple(image, 2.5)  # pyright: ignore[reportArgumentType]


def test_to_uint8_rounds_half_up_and_clips() -> None:
    assert to_uint8(np.array([-1, 0, 0.499 / 255, 0.5 / 255, 2.5 / 255, 1, 7])).tolist() == [0, 0, 0, 1, 3, 255, 255]
    assert np.array_equal(to_uint8(np.arange(256, dtype=np.float32) / 255), np.arange(256))
    with pytest.raises(UserError, match="finite"):
        to_uint8(np.array([0.5, np.nan]))
    with pytest.raises(ValueError, match="uint8"):
        to_uint8(np.zeros(3, np.uint8))


@pytest.mark.shared
@pytest.mark.parametrize(("test_set", "edge"), [("Set5", "symmetric"), ("Set14", "replicate")])
def test_the_published_low_resolution_pictures_bit_for_bit(shared_data: Path, test_set: str, edge: Edge) -> None:
    files = sorted((shared_data / "test" / test_set / "HR").glob("*.png"))
    assert len(files) == {"Set5": 5, "Set14": 14}[test_set]
    for file in files:
        hr = crop_to_multiple(np.asarray(Image.open(file)), 4)
        lr = np.asarray(Image.open(file.parents[1] / "LRx4" / file.name))
        assert np.array_equal(bicubic_resize(hr, 1 / 4, edge=edge), lr), file.name


@pytest.mark.shared
def test_the_published_psnr_of_bicubic(shared_data: Path) -> None:
    psnr_y = []
    for file in sorted((shared_data / "test" / "Set5" / "HR").glob("*.png")):
        hr = np.asarray(Image.open(file), np.float32) / 255
        error = (luma(enlarge(degrade(hr, 4), 4)) - luma(crop_to_multiple(hr, 4)))[4:-4, 4:-4]
        psnr_y.append(10 * np.log10(255**2 / np.mean(error**2)))
    assert np.mean(psnr_y) == pytest.approx(28.43, abs=0.01)
