"""Files of every kind, sound and hostile: each gives the right pixels or one sentence for the user."""

import os
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from sr_explore.errors import UserError
from sr_explore.images import Photo, open_photo, read_photo, read_sample, sample_photos, to_rgb, to_tensor, to_uint8
from tests.pictures import LEVELS, SRGB, alpha_of, assert_levels, assert_sentence, encoded, png_file, raising


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Photo]:
    """Writes bytes, or a Pillow image in the format of the name, to a file and reads that as a photo."""

    def write_and_read(content: bytes | Image.Image, name: str = "x.png", **options: Any) -> Photo:
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            content.save(path, **options)
        return read_photo(path)

    return write_and_read


@pytest.mark.parametrize("name", ["x.png", "x.bmp", "x.tiff", "x.webp", "x.misnamed.jpg"])
def test_rgb_is_read_to_the_bit(read: Callable[..., Photo], name: str) -> None:
    options = {"format": "PNG"} if name.endswith("jpg") else {"lossless": True}
    photo = read(Image.fromarray(LEVELS), name, **options)
    assert_levels(photo, LEVELS)
    assert (photo.alpha, photo.icc, photo.notes) == (None, None, ())
    assert photo.name == name.rsplit(".", 1)[0]


@pytest.mark.parametrize("size", [(1, 1), (14, 300)])
def test_small_and_narrow(read: Callable[..., Photo], size: tuple[int, int]) -> None:
    photo = read(Image.new("RGB", size, (1, 2, 3)))
    assert photo.rgb.shape == (size[1], size[0], 3)
    assert_levels(photo, np.full((size[1], size[0], 3), (1, 2, 3)))


def test_grey_and_one_bit(read: Callable[..., Photo]) -> None:
    assert_levels(read(Image.fromarray(LEVELS[..., 0])), LEVELS[..., 0])
    assert_levels(read(Image.fromarray(LEVELS[..., 0] > 90)), (LEVELS[..., 0] > 90) * 255)


def test_jpeg_and_its_grey(read: Callable[..., Photo]) -> None:
    flat = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    assert np.abs(read(Image.fromarray(flat), "x.jpg", quality=95).rgb * 255 - flat).max() <= 2
    assert_levels(read(Image.new("L", (8, 8), 77), "x.jpeg"), np.full((8, 8), 77))


def test_palette_with_and_without_transparency(read: Callable[..., Photo]) -> None:
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    colours = [[[10, 20, 30], [40, 50, 60], [70, 80, 90]]]
    opaque = read(image)
    assert_levels(opaque, colours)
    assert opaque.alpha is None
    see_through = read(image, transparency=b"\x00\x80\xff")
    assert_levels(see_through, colours)  # the colour under transparent pixels is not black
    assert np.array_equal(to_uint8(alpha_of(see_through)), [[0, 128, 255]])
    assert np.array_equal(alpha_of(read(image, "x.gif", transparency=1)), [[1, 0, 1]])


def test_alpha_is_split_off_and_hidden_colours_stay(read: Callable[..., Photo]) -> None:
    alpha = np.array([[0, 128], [255, 3]], np.uint8)
    photo = read(Image.fromarray(np.dstack([LEVELS[:2, :2], alpha])))
    assert_levels(photo, LEVELS[:2, :2])
    assert np.array_equal(to_uint8(alpha_of(photo)), alpha)
    grey = read(Image.fromarray(np.dstack([LEVELS[:2, :2, 0], alpha]), "LA"))
    assert_levels(grey, LEVELS[:2, :2, 0])
    assert np.array_equal(to_uint8(alpha_of(grey)), alpha)
    assert read(Image.new("RGBA", (2, 2), (9, 9, 9, 255))).alpha is None


def test_one_transparent_colour(read: Callable[..., Photo]) -> None:
    assert np.array_equal(alpha_of(read(Image.fromarray(LEVELS[:1, :2]), transparency=(6, 8, 10))), [[1, 0]])
    assert np.array_equal(alpha_of(read(Image.fromarray(LEVELS[:1, :2, 0]), transparency=6)), [[1, 0]])
    assert np.array_equal(alpha_of(read(Image.fromarray(np.array([[True, False]])), transparency=0)), [[1, 0]])
    key = struct.pack(">I", 2) + b"tRNS" + b"\x00\x03" + struct.pack(">I", zlib.crc32(b"tRNS\x00\x03"))
    photo = read(png_file(2, 1, 4, 0, zlib.compress(b"\x00\x3f"), key))  # grey of 4 bits: 3 and 15
    assert_levels(photo, [[51, 255]])
    assert np.array_equal(alpha_of(photo), [[0, 1]])


@pytest.mark.parametrize(("mode", "name"), [("I;16", "x.png"), ("I;16", "x.tif"), ("I;16B", "x.tif"), ("I", "x.tif")])
def test_sixteen_bit_grey_keeps_its_depth(read: Callable[..., Photo], mode: str, name: str) -> None:
    values = np.array([[0, 1, 257, 32768, 65535]])
    kinds = {"I;16": "<u2", "I;16B": ">u2", "I": "<i4"}
    photo = read(Image.frombytes(mode, (5, 1), values.astype(kinds[mode]).tobytes()), name)
    assert np.allclose(photo.rgb[..., 1], values / 65535, rtol=1e-6, atol=0)
    assert photo.notes == ()


def test_sixteen_bit_colour_is_read_as_eight_with_a_note(read: Callable[..., Photo]) -> None:
    photo = read(png_file(1, 1, 16, 2, zlib.compress(b"\x00" + b"\x80\x40\x12\x34\xff\xff")))
    assert_levels(photo, [[[0x80, 0x12, 0xFF]]])
    assert photo.notes == ("Its 16 bits per channel were read as 8.",)
    with_alpha = read(png_file(1, 1, 16, 4, zlib.compress(b"\x00" + b"\x80\x40\x12\x34")))
    assert with_alpha.notes == photo.notes


def test_float_grey(read: Callable[..., Photo]) -> None:
    inside = read(Image.fromarray(np.array([[0, 0.5, 1]], np.float32)), "x.tiff")
    assert inside.rgb[0, :, 2].tolist() == [0, 0.5, 1]
    assert inside.notes == ()
    beyond = read(Image.fromarray(np.array([[-1, 0.5, 9]], np.float32)), "x.tiff")
    assert beyond.rgb[0, :, 2].tolist() == [0, 0.5, 1]
    assert "clipped" in beyond.notes[0]
    with pytest.raises(UserError) as error:
        read(Image.fromarray(np.array([[0, np.nan]], np.float32)), "x.tiff")
    assert_sentence(error, "'x.tiff'", "finite")


def test_cmyk_and_lab_become_rgb_with_a_note(read: Callable[..., Photo]) -> None:
    cyan = read(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "x.jpg", quality=100)
    assert np.abs(cyan.rgb * 255 - (0, 255, 255)).max() <= 2
    assert "CMYK" in cyan.notes[0]
    grey = read(Image.new("LAB", (2, 2), (128, 128, 128)), "x.tiff")
    assert_levels(grey, np.full((2, 2), 119))  # L* = 50.2
    assert "LAB" in grey.notes[0]


def test_cmyk_goes_through_its_own_profile(read: Callable[..., Photo], monkeypatch: pytest.MonkeyPatch) -> None:
    """No free CMYK profile is small enough to ship, so only the way there is tested."""
    monkeypatch.setattr(ImageCms, "profileToProfile", lambda image, *_, **__: Image.new("RGB", image.size, (1, 2, 3)))
    photo = read(Image.new("CMYK", (2, 2)), "x.jpg", icc_profile=SRGB)
    assert_levels(photo, np.full((2, 2, 3), (1, 2, 3)))
    assert photo.icc is None


def test_only_profiles_for_rgb_are_kept(read: Callable[..., Photo]) -> None:
    image = Image.fromarray(LEVELS)
    assert read(image, icc_profile=SRGB).icc == SRGB
    assert read(Image.new("CMYK", (8, 8)), "x.jpg", icc_profile=SRGB).icc is None
    for wrong in (SRGB[:16] + b"GRAY" + SRGB[20:], b"nonsense" * 30):
        photo = read(image, icc_profile=wrong)
        assert photo.icc is None
        assert photo.notes == ("Its colour profile is not for RGB and was dropped.",)


# What EXIF says about the stored picture: on which side of the upright one its row 0 and its column 0 lie.
EXIF_SIDES = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


@pytest.mark.parametrize("name", ["x.png", "x.tiff", "x.webp"])
@pytest.mark.parametrize("orientation", EXIF_SIDES)
def test_every_exif_orientation_is_made_upright(read: Callable[..., Photo], orientation: int, name: str) -> None:
    upright = np.dstack([LEVELS, np.arange(35, dtype=np.uint8).reshape(5, 7)])
    row_0, column_0 = EXIF_SIDES[orientation]
    stored = upright[::-1] if "bottom" in (row_0, column_0) else upright
    stored = stored[:, ::-1] if "right" in (row_0, column_0) else stored
    stored = stored.swapaxes(0, 1) if row_0 in ("left", "right") else stored
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = read(Image.fromarray(np.ascontiguousarray(stored)), name, exif=exif, lossless=True, exact=True)
    assert_levels(photo, LEVELS)
    assert np.array_equal(to_uint8(alpha_of(photo)), upright[..., 3])


def test_a_phone_jpeg_is_turned_too(read: Callable[..., Photo]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.new("RGB", (32, 16), (255, 0, 0))
    stored.paste((0, 0, 255), (16, 0, 32, 16))
    photo = read(stored, "x.jpg", exif=exif, quality=95)
    assert photo.rgb.shape == (32, 16, 3)
    assert photo.rgb[4, 8].argmax() == 0  # the left half is on top after a quarter turn to the right
    assert photo.rgb[28, 8].argmax() == 2


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "MPO"])
def test_only_the_first_of_several_pictures(read: Callable[..., Photo], kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ((250, 0, 0), (0, 0, 250))]
    photo = read(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert np.abs(photo.rgb * 255 - (250, 0, 0)).max() <= 3
    assert photo.notes == ("Only the first of its pictures was used.",)


def noise(kind: str) -> bytes:
    side = np.arange(64)
    levels = (side[:, None, None] * 57 + side[None, :, None] ** 2 * 31 + np.arange(3) * 85) % 251
    return encoded(Image.fromarray(levels.astype(np.uint8)), kind)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
@pytest.mark.parametrize("part", [0.6, 0.98, 12])
def test_truncated_files_are_refused(read: Callable[..., Photo], kind: str, part: float) -> None:
    whole = noise(kind)
    with pytest.raises(UserError) as error:
        read(whole[: int(part * len(whole)) if part < 1 else int(part)], f"cut.{kind.lower()}")
    assert_sentence(error, f"'cut.{kind.lower()}'", "damaged")


def test_what_is_no_picture(read: Callable[..., Photo], tmp_path: Path) -> None:
    for content, word in ((b"Dear reader,\n", "PNG, JPEG"), (b"", "empty"), (b"%PDF-1.7\n" + b"x" * 99, "save it")):
        with pytest.raises(UserError) as error:
            read(content, "letter.png")
        assert_sentence(error, "'letter.png'", word)
    os.mkfifo(tmp_path / "pipe.png")
    for name, word in ((".", "folder"), ("none.png", "does not exist"), ("pipe.png", "ordinary"), ("a\0b", "exist")):
        with pytest.raises(UserError) as error:
            read_photo(tmp_path / name)
        assert_sentence(error, word)
    with pytest.raises(UserError) as error:
        read_photo(tmp_path / "letter.png" / "x.png")
    assert_sentence(error, "'x.png'", "does not exist")


def test_formats_outside_the_list_are_refused(read: Callable[..., Photo]) -> None:
    for kind in ("PPM", "ICO", "JPEG2000", "TGA"):
        with pytest.raises(UserError) as error:
            read(encoded(Image.fromarray(LEVELS), kind))
        assert_sentence(error, "PNG, JPEG")


def test_what_the_system_refuses(read: Callable[..., Photo], monkeypatch: pytest.MonkeyPatch) -> None:
    for raised, word in (
        (PermissionError(13, "no"), "permissions"),
        (OSError(5, "I/O"), "I/O"),
        (MemoryError(), "memory"),
    ):
        monkeypatch.setattr(Image, "open", raising(raised))
        with pytest.raises(UserError) as error:
            read(png_file(1, 1, 8, 0, b""))
        assert_sentence(error, "'x.png'", word)


def grey_bomb(side: int) -> bytes:
    packer = zlib.compressobj()
    packed = b"".join(packer.compress(bytes((side + 1) * min(100, side - row))) for row in range(0, side, 100))
    return png_file(side, side, 8, 0, packed + packer.flush())


@pytest.mark.parametrize("side", [14_143, 13_377], ids=["an error for Pillow", "just a warning"])
def test_decompression_bombs_are_too_big_at_once(read: Callable[..., Photo], tmp_path: Path, side: int) -> None:
    (tmp_path / "bomb.png").write_bytes(grey_bomb(side))
    assert (tmp_path / "bomb.png").stat().st_size < 300_000
    with pytest.raises(UserError) as error:
        read_photo(tmp_path / "bomb.png")
    assert "'bomb.png' is too big" in str(error.value)
    assert "16 can be read" in str(error.value)


def test_the_size_is_judged_by_the_header_alone(read: Callable[..., Photo], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"4001 × 4000 = 16\.0 megapixels"):
        read(png_file(4001, 4000, 8, 2, b"no pixels at all"))
    path = tmp_path / "small.png"
    Image.fromarray(LEVELS).save(path)
    assert read_photo(path, max_pixels=35).rgb.shape == (5, 7, 3)
    with pytest.raises(UserError, match="too big"):
        read_photo(path, max_pixels=34)


@pytest.mark.filterwarnings("error")
@settings(max_examples=150, deadline=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP"]),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=6),
)
def test_flipped_bytes_give_a_photo_or_a_sentence(tmp_path: Path, kind: str, flips: list[tuple[float, int]]) -> None:
    content = bytearray(noise(kind))
    for place, change in flips:
        content[int(place**3 * len(content))] ^= change  # most of them near the beginning, where the structure is
    (tmp_path / "x").write_bytes(content)
    with suppress(UserError):
        photo = read_photo(tmp_path / "x", max_pixels=1_000_000)
        assert photo.rgb.dtype == np.float32
        assert 0 <= photo.rgb.min() <= photo.rgb.max() <= 1


def test_tensors_and_back() -> None:
    rgb = LEVELS.astype(np.float32) / 255
    tensor = to_tensor(rgb)
    assert (tensor.shape, tensor.dtype) == ((1, 3, 5, 7), torch.float32)
    assert tensor[0, 2, 4, 1] == rgb[4, 1, 2]
    assert np.array_equal(to_rgb(tensor), rgb)
    tensor += 1
    assert rgb.max() < 1
    assert (to_rgb(tensor) == 1).all()
    assert to_rgb(tensor.double().requires_grad_()).dtype == np.float32
    assert np.isnan(to_rgb(torch.full((1, 3, 2, 2), torch.nan))).all()
    with pytest.raises(ValueError, match="H, W, 3"):
        to_tensor(rgb[..., 0])
    with pytest.raises(ValueError, match="1, 3, H, W"):
        to_rgb(tensor[0])


def test_the_sample_photos() -> None:
    samples = sample_photos()
    assert list(samples) == ["brushes", "dandelion", "dogs", "fig", "room", "stream"]
    for name in samples:
        photo = read_sample(name)
        assert (photo.name, photo.rgb.shape, photo.notes) == (name, (512, 768, 3), ())
        assert photo.rgb.std() > 0.05
    credits = (samples["dogs"].parent / "README.md").read_text()
    assert all(f"{name}.png" in credits for name in samples)


def test_a_photo_is_a_sample_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = sample_photos()["fig"]
    (tmp_path / "mine.png").write_bytes(sample.read_bytes())
    (tmp_path / "without").write_bytes(sample.read_bytes())
    monkeypatch.chdir(tmp_path)
    expected = read_sample("fig").rgb
    for given_as in ("fig", tmp_path / "mine.png", "mine.png", "without"):
        assert (open_photo(given_as).rgb == expected).all()
    with pytest.raises(UserError, match="did you mean 'fig'"):
        open_photo("figs")
    with pytest.raises(UserError, match=r"'missing\.png' does not exist"):
        open_photo("missing.png")


def test_a_mistyped_sample_gets_the_nearest_name() -> None:
    with pytest.raises(UserError, match="did you mean 'dogs'") as error:
        read_sample("dgos")
    assert "stream" in str(error.value)
