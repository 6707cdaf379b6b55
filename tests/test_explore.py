from pathlib import Path

import numpy as np
import pytest

from sr_explore import explore, guests, zoo
from sr_explore.errors import UserError
from sr_explore.images import Photo, read_sample, write_png
from sr_explore.latest_only import GaveUp
from sr_explore.resize import degrade, enlarge


@pytest.fixture(scope="module")
def crop() -> Photo:
    whole = read_sample("fig")
    return Photo(whole.rgb[100:196, 200:328], None, None, "crop", ())


def test_upscaling_keeps_profile_and_alpha(crop: Photo):
    alpha = np.zeros((96, 128), np.float32)
    alpha[:, 64:] = 1
    result = explore.upscale(Photo(crop.rgb, alpha, b"profile", "crop", ("a note",)), explore.upscaler("rfdn-x4"))
    assert result.rgb.shape == (384, 512, 3)
    assert result.alpha is not None
    assert result.alpha.shape == (384, 512)
    assert result.alpha[:, :250].max() == 0
    assert result.alpha[:, 262:].min() == 1
    assert result.icc == b"profile"
    assert result.notes == ("a note",)


def test_all_networks_answer_and_are_measured_against_the_reference(crop: Photo):
    results = list(explore.compare_networks(crop, is_reference=True))
    assert [result.name for result in results] == [explore.BICUBIC, *explore.JOURNEY]
    for result in results:
        assert result.photo.rgb.shape == (96, 128, 3)
        assert result.quality is not None
    baseline, original, branched, merged, _ = (result.quality.psnr_y for result in results if result.quality)
    assert original > baseline + 0.3, "the trained network is hardly better than bicubic"
    assert merged == pytest.approx(branched, abs=1e-3)


def test_without_a_reference_the_photo_itself_is_enlarged(crop: Photo):
    small = Photo(crop.rgb[:20, :24], None, None, "small", ())
    results = list(explore.compare_networks(small, ["rfdn-x4"]))
    assert [result.photo.rgb.shape for result in results] == [(80, 96, 3)] * 2
    assert all(result.quality is None for result in results)
    assert np.array_equal(results[0].photo.rgb, enlarge(small.rgb, 4))


@pytest.fixture
def folders(tmp_path: Path, crop: Photo) -> tuple[Path, Path]:
    for name, rgb in {"a": crop.rgb[:60, :70], "b": crop.rgb[30:, 40:]}.items():
        write_png(tmp_path / "hr" / f"{name}.png", rgb)
        write_png(tmp_path / "lr" / f"{name}.png", degrade(rgb, 4))
    return tmp_path / "hr", tmp_path / "lr"


def test_evaluation_degrades_as_the_given_pictures_were(folders: tuple[Path, Path]):
    with_lr = explore.evaluate("rfdn-x4", *folders)
    assert with_lr == explore.evaluate("rfdn-x4", folders[0])
    assert [image.name for image in with_lr.images] == ["a.png", "b.png"]
    assert with_lr.psnr_y == pytest.approx(np.mean([image.psnr_y for image in with_lr.images]))
    assert explore.evaluate("bicubic", *folders).psnr_y < with_lr.psnr_y


def test_folders_that_do_not_fit_are_named(folders: tuple[Path, Path], tmp_path: Path):
    (folders[1] / "b.png").unlink()
    with pytest.raises(UserError, match=r"has no b\.png"):
        explore.evaluate("rfdn-x4", *folders)
    with pytest.raises(UserError, match="is no folder"):
        explore.evaluate("rfdn-x4", tmp_path / "nowhere")
    with pytest.raises(UserError, match="holds no pictures"):
        explore.evaluate("rfdn-x4", tmp_path)


def test_stages_run_from_a_shipped_network_to_a_file(tmp_path: Path):
    done = explore.run_stages(
        "rfdn-x4-branched", "merge-branches,concat-to-conv", tmp_path / "out.safetensors", size=(16, 16)
    )
    assert all(step.equivalence and step.equivalence.equal for step in done.record.steps)
    assert [step.params for step in done.record.steps] == [1_963_052, 2_185_552]
    provenance = zoo.provenance_of(tmp_path / "out.safetensors")
    assert provenance.stages == "merge-branches,concat-to-conv"
    assert provenance.parent == "rfdn-x4-branched"
    assert provenance.parent_sha256 == zoo.cards()["rfdn-x4-branched"].sha256


@pytest.mark.slow
def test_the_whole_way_to_a_pruned_folded_network(tmp_path: Path):
    stages = "merge-branches,concat-to-conv,prune-channels:pruning_ratio=0.5,reconstruct,fold"
    done = explore.run_stages("rfdn-x4-branched", stages, tmp_path / "out.safetensors", size=(16, 16))
    before, after = done.record.steps[-2:]
    assert len(after.table.rows) < len(before.table.rows)
    assert after.macs < before.macs
    assert after.equivalence is not None
    assert after.equivalence.equal
    assert sum(p.numel() for p in zoo.load(tmp_path / "out.safetensors").parameters()) == after.params


def test_stopping_ends_a_comparison(crop: Photo):
    stop: list[int] = []
    results = explore.compare_networks(crop, should_stop=lambda: bool(stop))
    assert next(results).name == explore.BICUBIC
    assert next(results).name == explore.JOURNEY[0]
    stop.append(1)
    with pytest.raises(GaveUp):
        next(results)


def test_a_guest_is_compared_like_any_other(crop: Photo):
    name = guests.admit(zoo.load("rfdn-x4-direct-90"))
    _, guest, known = explore.compare_networks(crop, (name, "rfdn-x4-direct-90"))
    assert np.array_equal(guest.photo.rgb, known.photo.rgb)
    assert guest.memory_mb == known.memory_mb
    assert 0 < (guest.memory_mb or 0) < 100
