import numpy as np
import pytest

from sr_explore import zoo
from sr_explore.analysis import psnr_y
from sr_explore.comparing import BICUBIC, ComparingSession, side_by_side
from sr_explore.images import to_rgb, to_tensor
from sr_explore.resize import degrade, enlarge, to_uint8
from sr_explore.runtime import Upscaler
from tests.tiny import tiny_rfdn

RGB = np.random.default_rng(0).random((66, 72, 3), np.float32)
MODEL = tiny_rfdn(4)


@pytest.fixture(scope="module")
def session() -> ComparingSession:
    return ComparingSession(RGB, {"mine": MODEL})


def test_answers_are_the_networks_own_and_computed_once(session: ComparingSession):
    answer = session.answer("mine")
    sr = to_rgb(Upscaler(MODEL)(to_tensor(degrade(RGB[:64], 4))))
    assert np.array_equal(answer.picture, to_uint8(sr))
    assert answer.psnr_y == pytest.approx(psnr_y(to_tensor(sr), to_tensor(RGB[:64]), 4))
    assert answer.table is not None
    assert session.answer("mine") is answer
    assert np.array_equal(session.answer(BICUBIC).picture, to_uint8(enlarge(degrade(RGB[:64], 4), 4)))


def test_names_are_bicubic_mine_and_the_zoo(session: ComparingSession):
    assert session.names[:2] == [BICUBIC, "mine"]
    assert set(zoo.cards()) <= set(session.names)


def test_a_difference_map_is_black_where_equal_and_white_from_so_many_levels_on(session: ComparingSession):
    assert session.difference("mine", "mine").max() == 0
    apart = np.abs(session.answer("mine").picture.astype(float) - session.answer(BICUBIC).picture).mean(axis=2)
    shown = session.difference("mine", BICUBIC, white=32)[..., 0]
    assert (shown[apart >= 32] == 255).all()
    grey = session.difference("mine", BICUBIC, white=255)[..., 0]
    assert np.abs(grey - apart).max() <= 0.5


def test_side_by_side_holds_the_exact_pixels_under_the_names():
    rng = np.random.default_rng(0)
    pictures = {name: rng.integers(0, 256, (40, 60, 3), np.uint8) for name in ("one", "a much longer name than fits")}
    whole = side_by_side(pictures)
    assert whole.shape[1] == 2 * 60 + 6
    for left, picture in zip((0, 66), pictures.values(), strict=True):
        assert np.array_equal(whole[-40:, left : left + 60], picture)
    assert (whole[:-40] < 128).any(), "there is no name"


def test_of_large_pictures_the_middle_is_shown():
    large = np.arange(100 * 90 * 3, dtype=np.uint32).reshape(100, 90, 3).astype(np.uint8)
    assert np.array_equal(side_by_side({"large": large}, 50)[-50:], large[25:75, 20:70])
