"""Written pictures: exact, under names that are safe and free, whole or not at all."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sr_explore.errors import UserError
from sr_explore.images import png_bytes, read_photo, safe_stem, to_uint8, write_png
from tests.pictures import LEVELS, SRGB, alpha_of, assert_levels, assert_sentence, raising


def test_a_written_png_comes_back_to_the_bit(tmp_path: Path) -> None:
    rgb = LEVELS.astype(np.float32) / 255
    alpha = np.linspace(0, 1, 35, dtype=np.float32).reshape(5, 7)
    path = write_png(tmp_path / "new" / "folder" / "x.png", rgb, alpha, SRGB)
    assert path.read_bytes() == png_bytes(rgb, alpha, SRGB) == png_bytes(LEVELS, alpha, SRGB)
    photo = read_photo(path)
    assert_levels(photo, LEVELS)
    assert np.array_equal(to_uint8(alpha_of(photo)), to_uint8(alpha))
    assert photo.icc == SRGB
    plain = Image.open(write_png(tmp_path / "photo.v2", rgb))
    assert (plain.mode, plain.filename) == ("RGB", str(tmp_path / "photo.v2.png"))


def test_writing_rounds_half_up_and_clips(tmp_path: Path) -> None:
    values = np.array([-0.5, 0.5 / 255, 254.5 / 255, 1.5])
    rgb = np.repeat(values[None, :, None], 3, axis=2)
    assert np.asarray(Image.open(write_png(tmp_path / "x.png", rgb)))[0, :, 0].tolist() == [0, 1, 255, 255]


@pytest.mark.parametrize("hard_links", [True, False])
def test_writing_never_overwrites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hard_links: bool) -> None:
    if not hard_links:
        monkeypatch.setattr(os, "link", raising(PermissionError(1, "no links on FAT")))
    (tmp_path / "x.png").write_text("precious")
    (tmp_path / "x-3.png").symlink_to(tmp_path / "nowhere")
    levels = [np.full((3, 3, 3), level / 255) for level in range(24)]
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda rgb: write_png(tmp_path / "x.png", rgb), levels))
    assert {path.name for path in paths} == {f"x-{number}.png" for number in (2, *range(4, 27))}
    for level, path in enumerate(paths):
        assert_levels(read_photo(path), np.full((3, 3), level))
    assert (tmp_path / "x.png").read_text() == "precious"
    assert not list(tmp_path.glob(".*"))


def test_what_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rgb = np.zeros((2, 2, 3), np.float32)
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "x.png", tmp_path / ("n" * 300), tmp_path / "a\0b"):
        with pytest.raises(UserError) as error:
            write_png(path, rgb)
        assert_sentence(error, "cannot be written")
    for bad in (np.nan, np.inf):
        with pytest.raises(UserError) as error:
            write_png(tmp_path / "bad.png", np.full((2, 2, 3), bad))
        assert_sentence(error, "finite")
    monkeypatch.setattr(os, "fsync", raising(OSError(28, "disk full")))
    with pytest.raises(UserError) as error:
        write_png(tmp_path / "x.png", rgb)
    assert_sentence(error, "disk full")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write and read everything")
def test_permissions(tmp_path: Path) -> None:
    path = write_png(tmp_path / "x.png", np.zeros((2, 2, 3)))
    path.chmod(0)
    with pytest.raises(UserError, match="permissions"):
        read_photo(path)
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot be written"):
        write_png(tmp_path / "y.png", np.zeros((2, 2, 3)))


@pytest.mark.parametrize("shapes", [((2, 2), None), ((2, 2, 4), None), ((2, 2, 3), (2, 3))])
def test_other_shapes_are_a_programming_error(shapes: tuple[tuple[int, ...], tuple[int, ...] | None]) -> None:
    with pytest.raises(ValueError, match="rgb"):
        png_bytes(np.zeros(shapes[0]), None if shapes[1] is None else np.zeros(shapes[1]))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("holiday", "holiday"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\photo", "photo"),
        (".hidden", "hidden"),
        ("-rf", "rf"),
        ("a\nb\tc\0d", "abcd"),
        ("evil\u202egnp", "evilgnp"),
        ("cafe\u0301", "café"),
        ("CON", "_CON"),
        ("com1.tar", "_com1.tar"),
        ("what? <now>", "what_ _now_"),
        ("trailing. . ", "trailing"),
        ("lone \udce9 surrogate", "lone  surrogate"),
        ("", "photo"),
        ("...", "photo"),
        ("folder/", "photo"),
        ("é" * 100, "é" * 60),
        ("a" + "é" * 100, "a" + "é" * 59),
    ],
)
def test_safe_stem(name: str, expected: str) -> None:
    assert safe_stem(name) == expected


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_safe_stem_is_safe_for_any_text(name: str) -> None:
    stem = safe_stem(name)
    assert safe_stem(stem) == stem
    assert 0 < len(stem.encode()) <= 120
    assert not set(stem) & set('/\\\0\n:*?"<>|')
    assert stem[0] not in ".- "
