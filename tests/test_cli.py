import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from sr_explore import explore
from sr_explore.cli import app
from sr_explore.images import read_photo, read_sample, write_png


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return write_png(tmp_path / "crop.png", read_sample("dogs").rgb[100:160, 200:264])


def test_models_lists_the_family():
    result = call("models")
    assert result.exit_code == 0
    assert "rfdn-x4-pruned-50" in result.output
    names = [card["name"] for card in json.loads(call("models", "--json").output)]
    assert "rfdn-x4-merged" in names


def test_table_adds_up():
    record = json.loads(call("table", "rfdn-x4", "--size", "48x48", "--json").output)
    assert record["macs"] == sum(row["macs"] for row in record["rows"]) == 949_845_312
    assert record["params"] == 433_448
    assert "433,448 parameters" in call("table", "rfdn-x4", "--size", "48x48").output


@pytest.mark.parametrize("size", ["48", "axb", "0x5", "48x48x48", "1x1000000"])
def test_a_wrong_size_is_one_sentence(size: str):
    result = call("table", "rfdn-x4", "--size", size)
    assert result.exit_code == 1
    assert "give height x width" in result.stderr


def test_upscaling_many_photos_goes_on_past_a_bad_one(tmp_path: Path, photo: Path):
    bad = tmp_path / "text.png"
    bad.write_text("no picture")
    result = call("upscale", photo, bad, photo, tmp_path / "missing.jpg", "-o", tmp_path / "out")
    assert result.exit_code == 1
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["crop_x4_rfdn-x4-2.png", "crop_x4_rfdn-x4.png"]
    assert len(result.stderr.strip().splitlines()) == 2
    assert "text.png" in result.stderr
    expected = explore.upscale(read_photo(photo), explore.upscaler("rfdn-x4")).rgb
    picture = read_photo(tmp_path / "out" / "crop_x4_rfdn-x4.png").rgb
    assert np.abs(picture - expected).max() <= 0.5 / 255 + 1e-6


def test_evaluation_prints_the_promised_json(tmp_path: Path, photo: Path):
    document = json.loads(call("eval", "rfdn-x4", "--hr", photo.parent, "--json").output)
    assert {"psnr_y", "psnr_rgb", "ssim_y", "images"} <= document.keys()
    assert document["images"][0]["name"] == "crop.png"
    assert "average" in call("eval", "bicubic", "--hr", photo.parent).output


def test_run_prints_one_record_a_stage(tmp_path: Path):
    stages = "merge-branches,concat-to-conv,prune-channels:importance=magnitude"
    out = tmp_path / "net.safetensors"
    result = call("run", "rfdn-x4-branched", "--stages", stages, "-o", out, "--size", "16x16", "--json")
    assert result.exit_code == 0
    merge, _, prune = json.loads(result.output)["steps"]
    assert merge["stage"] == "merge-branches"
    assert merge["exact"] is True
    assert 0 <= merge["equivalence"]["float64"] <= 1e-12
    assert 0 < merge["equivalence"]["float32"] <= 1e-5
    assert merge["params"] == 1_963_052
    assert prune["equivalence"] is None
    assert {"macs", "seconds"} <= prune.keys()
    assert call("table", out, "--size", "16x16").exit_code == 0


def test_run_refuses_what_does_not_fit_with_one_sentence():
    result = call("run", "rfdn-x4", "--stages", "merge-branches")
    assert result.exit_code == 1
    assert "apply branch first" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_export_writes_a_checked_onnx_file(tmp_path: Path):
    out = tmp_path / "net.onnx"
    result = call("export", "rfdn-x4-pruned-90", "-o", out)
    assert result.exit_code == 0, result.output
    assert "batch × 3 × height × width → batch × 3 × 4*height × 4*width" in result.output
    assert "same as PyTorch, both in float32: " in result.output
    assert "at 15×15, 47×33, 90×60 px" in result.output
    again = call("export", "rfdn-x4-pruned-90", "-o", out)
    assert again.exit_code == 1
    assert again.stderr.strip() == "net.onnx: there is such a file already, left alone; name another one or remove it"
    document = json.loads(call("export", "rfdn-x4-pruned-90", "-o", tmp_path / "b.onnx", "--json").output)
    assert document["file"]["opset"] == 17
    assert 0 < document["check"]["relative"] <= 1e-5


def test_export_fails_where_the_file_is_another_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(explore, "onnx_check", partial(explore.onnx_check, times=0.0))
    result = call("export", "rfdn-x4-pruned-90", "-o", tmp_path / "net.onnx")
    assert result.exit_code == 1
    assert "NOT THE SAME" in result.stdout
    assert "do not use it" in result.stderr


def test_bench_measures():
    document = json.loads(call("bench", "rfdn-x4", "--size", "16x16", "--json").output)
    assert document["rfdn-x4"]["median_ms"] > 0
    assert document["rfdn-x4"]["threads"] >= 1


def test_a_mistyped_name_gets_the_nearest():
    result = call("table", "rfdn-x4-brnched")
    assert result.exit_code == 1
    assert "did you mean rfdn-x4-branched" in result.stderr


def test_training_from_the_command_line(tmp_path: Path):
    (tmp_path / "r.toml").write_text(
        'network = { class = "RFDN", scale = 4, num_feat = 4 }\n[[phase]]\nsteps = 2\nbatch_size = 1\npatch_size = 16\n'
    )
    write_png(tmp_path / "photos" / "a.png", read_sample("dogs").rgb[:80, :80])
    result = call("train", tmp_path / "r.toml", "--data", tmp_path / "photos", "-o", tmp_path / "runs")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "runs" / "r" / "r.safetensors").exists()
    missing = call("train", tmp_path / "r.toml", "--data", tmp_path / "nowhere")
    assert missing.exit_code == 1
    assert "holds no photograph" in missing.stderr


def test_it_is_also_a_module():
    done = subprocess.run([sys.executable, "-m", "sr_explore", "--help"], capture_output=True, text=True, check=True)
    assert "upscale" in done.stdout
