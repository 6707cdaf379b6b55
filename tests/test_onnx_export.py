import subprocess
import sys
from pathlib import Path
from typing import cast

import onnx
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sr_explore.analysis import latency_over_size
from sr_explore.errors import UserError
from sr_explore.networks.layers import ESA
from sr_explore.onnx_export import OnnxNetwork, export_onnx, onnx_check
from sr_explore.state_files import sha256_of
from tests.tiny import NETWORKS, tiny_rfdn

FORMS = ["row", "merged-4s", "grouped-2s", "folded-4s"]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    export_onnx(tiny_rfdn(), tmp_path / "row.onnx")
    return tmp_path / "row.onnx"


@pytest.mark.parametrize("form", FORMS)
def test_every_form_agrees_at_sizes_it_was_not_traced_at(form: str, tmp_path: Path):
    model = NETWORKS[form]()
    file = export_onnx(model, tmp_path / "net.onnx")
    check = onnx_check(file.path, model)
    assert check.equal
    assert 0 < check.relative <= 2e-6
    assert check.sizes[0] == (15, 15)
    assert check.sizes[1] == (33, 47)
    assert file.traced not in check.sizes


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_file_says_what_goes_in_and_out(scale: int, tmp_path: Path):
    file = export_onnx(tiny_rfdn(scale), tmp_path / "net.onnx")
    assert file.input == ("batch", "3", "height", "width")
    assert file.output == ("batch", "3", f"{scale}*height", f"{scale}*width")
    assert file.sha256 == sha256_of(file.path)
    assert file.size_mb == pytest.approx(Path(file.path).stat().st_size / 1e6)
    network = OnnxNetwork(file.path)
    assert (network.scale, network.requires_size) == (scale, 15)
    assert network(torch.rand(2, 3, 16, 21)).shape == (2, 3, 16 * scale, 21 * scale)


SCRIPT = """
import sys
from pathlib import Path
import sr_explore.explore
assert not {"onnx", "onnxruntime"} & sys.modules.keys()
from sr_explore.onnx_export import export_onnx, onnx_check
from tests.tiny import tiny_rfdn
onnx_check(export_onnx(tiny_rfdn(), Path(sys.argv[1])).path, tiny_rfdn())
"""


def test_a_fresh_python_loads_onnx_late_prints_nothing_and_writes_the_same(tmp_path: Path):
    alone, here = tmp_path / "alone.onnx", tmp_path / "here.onnx"
    command = [sys.executable, "-c", SCRIPT, str(alone)]
    done = subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).parents[1])
    assert (done.stdout, done.stderr) == (b"", b"")
    export_onnx(tiny_rfdn(), here)
    assert alone.read_bytes() == here.read_bytes()


def test_the_network_stays_as_it_was(tmp_path: Path):
    model = tiny_rfdn().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    onnx_check(export_onnx(model, tmp_path / "net.onnx").path, model)
    assert model.training
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())


def test_the_file_tells_nothing_of_the_machine(written: Path):
    data = written.read_bytes()
    assert str(Path(__file__).parents[1]).encode() not in data
    assert b".py" not in data


def test_a_size_written_down_as_a_number_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def frozen(self: ESA, x: Tensor) -> Tensor:
        reduced = self.reduce(x)
        small = self.small3(self.pool(self.stride(reduced)))
        small = F.interpolate(small, (int(x.shape[-2]), int(x.shape[-1])), mode="bilinear")
        return x * torch.sigmoid(self.expand(small + self.skip(reduced)))

    with monkeypatch.context() as planted:
        planted.setattr(ESA, "forward", frozen)
        with pytest.warns(torch.jit.TracerWarning):
            file = export_onnx(tiny_rfdn(), tmp_path / "net.onnx")
    with pytest.raises(UserError, match="cannot run it on 15×15 px"):
        onnx_check(file.path, tiny_rfdn())


def test_another_way_to_resize_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    resize = F.interpolate

    def corners(features: Tensor, size: tuple[int, int], **_options: object) -> Tensor:
        return resize(features, size, mode="bilinear", align_corners=True)

    with monkeypatch.context() as planted:
        planted.setattr("sr_explore.networks.layers.F.interpolate", corners)
        file = export_onnx(tiny_rfdn(), tmp_path / "net.onnx")
    check = onnx_check(file.path, tiny_rfdn())
    assert not check.equal
    assert check.relative > 5e-5


def test_another_networks_weights_are_caught(written: Path):
    model = tiny_rfdn()
    cast(nn.Conv2d, model.tail.upsample.conv).weight.data[0, 0, 1, 1] += 1e-3
    assert not onnx_check(written, model).equal


def test_a_file_that_gives_nan_is_caught(tmp_path: Path):
    model = tiny_rfdn()
    model.head.weight.data[0, 0, 0, 0] = torch.nan
    export_onnx(model, tmp_path / "net.onnx")
    assert not onnx_check(tmp_path / "net.onnx", tiny_rfdn()).equal


def test_own_pictures_can_be_compared(written: Path):
    check = onnx_check(written, tiny_rfdn(), [torch.rand(1, 3, 18, 40)])
    assert check.sizes == ((18, 40),)
    with pytest.raises(UserError, match="at least 15 px"):
        onnx_check(written, tiny_rfdn(), [torch.rand(1, 3, 14, 40)])


def test_pictures_that_are_too_small_are_refused(written: Path):
    with pytest.raises(UserError, match="at least 15 px"):
        OnnxNetwork(written)(torch.rand(1, 3, 15, 14))


def test_it_is_timed_beside_pytorch(written: Path):
    models = {"PyTorch": tiny_rfdn(), "ONNX Runtime": OnnxNetwork(written)}
    curves = latency_over_size(models, (16, 24), "cpu", min_run_time_s=0.01)
    assert all(record.median_ms > 0 for records in curves.values() for record in records)
    assert len(curves["ONNX Runtime"]) == 2


def test_an_existing_file_stays_unless_replacing_is_asked_for(written: Path):
    before = written.read_bytes()
    with pytest.raises(UserError, match=r"^row\.onnx: there is such a file already"):
        export_onnx(tiny_rfdn(seed=1), written)
    assert written.read_bytes() == before
    export_onnx(tiny_rfdn(seed=1), written, replace=True)
    assert written.read_bytes() != before
    assert [path.name for path in written.parent.iterdir()] == ["row.onnx"]


@pytest.mark.parametrize(
    ("name", "sentence"), [("net.pth", "does not end in .onnx"), ("nowhere/net.onnx", "cannot be written")]
)
def test_a_place_that_cannot_be_written_is_one_sentence(name: str, sentence: str, tmp_path: Path):
    with pytest.raises(UserError, match=sentence) as raised:
        export_onnx(tiny_rfdn(), tmp_path / name)
    assert len(str(raised.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_file_of_ours_is_one_sentence(tmp_path: Path):
    (tmp_path / "text.onnx").write_text("no network")
    for name, sentence in (("text.onnx", "cannot read it"), ("missing.onnx", "no such file"), (".", "no such file")):
        with pytest.raises(UserError, match=sentence) as raised:
            OnnxNetwork(tmp_path / name)
        assert len(str(raised.value).splitlines()) == 1


def test_another_programs_file_is_one_sentence(written: Path):
    proto = onnx.load(written)
    del proto.metadata_props[:]
    onnx.save(proto, written)
    with pytest.raises(UserError, match="sr-explore did not write this file"):
        OnnxNetwork(written)


def test_missing_packages_are_one_sentence(written: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match="pip install onnx onnxruntime"):
        export_onnx(tiny_rfdn(), written.with_name("b.onnx"))
    with pytest.raises(UserError, match="pip install onnx onnxruntime"):
        OnnxNetwork(written)


def test_a_network_that_rounds_more_is_allowed_more(tmp_path: Path):
    calm, touchy = tiny_rfdn(), tiny_rfdn()
    cast(Tensor, touchy.tail.upsample.conv.bias).data += 100  # the same range, far from zero
    checks = []
    for model in (calm, touchy):
        file = export_onnx(model, tmp_path / "net.onnx", replace=True)
        checks.append(onnx_check(file.path, model))
    assert all(check.equal for check in checks)
    assert max(checks[1].roundoffs) > 10 * max(checks[0].roundoffs)
