from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from sr_explore import explore, zoo
from sr_explore.errors import UserError
from sr_explore.networks.rfdn import RFDN, BranchedRFDN
from sr_explore.zoo.foreign import from_foreign

BLOCK = {"c1_d": (4, 8, 1, 1), "c1_r": (8, 8, 3, 3), "c4": (4, 8, 3, 3)}
ESA = {
    "conv1": (2, 8, 1, 1),
    "conv2": (2, 2, 3, 3),
    "conv3": (2, 2, 3, 3),
    "conv3_": (2, 2, 3, 3),
    "conv_max": (2, 2, 3, 3),
    "conv_f": (2, 2, 1, 1),
    "conv4": (8, 2, 1, 1),
}
FORMS = {
    "row": ([], []),
    "2": (["fea_conv2"], []),
    "2s": (["fea_conv2"], ["B2S2"]),
    "4": (["fea_conv1", "fea_conv2", "fea_conv3"], []),
    "4s": (["fea_conv1", "fea_conv2", "fea_conv3"], ["B2S1", "B2S2", "B2S3"]),
}


def published(form: str, scale: int = 4) -> dict[str, Tensor]:
    """A state dict with the keys of a published network, num_feat 8, random weights."""
    heads, entries = FORMS[form]
    shapes = {name: (8, 3, 3, 3) for name in ["fea_conv", *heads]}
    for block in ["B1", "B2", "B3", "B4", *entries]:
        levels = 1 if block in entries else 3
        for level in range(1, levels + 1):
            shapes |= {f"{block}.c{level}_d": BLOCK["c1_d"], f"{block}.c{level}_r": BLOCK["c1_r"]}
        shapes |= {f"{block}.c4": BLOCK["c4"], f"{block}.c5": (8, 4 * (levels + 1), 1, 1)}
        shapes |= {f"{block}.esa.{name}": shape for name, shape in ESA.items()}
    shapes |= {"c.0": (8, 32, 1, 1), "LR_conv": (8, 8, 3, 3), "upsampler.0": (3 * scale**2, 8, 3, 3)}
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in shapes.items():
        state[f"{name}.weight"] = torch.randn(shape, generator=generator) * 0.1
        state[f"{name}.bias"] = torch.randn(shape[:1], generator=generator) * 0.1
    return state


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_published_form_is_recognised(form: str, scale: int):
    model = from_foreign(published(form, scale))
    assert isinstance(model, RFDN if form == "row" else BranchedRFDN)
    assert model(torch.rand(1, 3, 16, 18)).shape == (1, 3, 16 * scale, 18 * scale)


@pytest.mark.parametrize("form", FORMS)
def test_the_range_is_folded_in_exactly(form: str, monkeypatch: pytest.MonkeyPatch):
    state = published(form)
    folded = from_foreign(state).double()
    monkeypatch.setattr("sr_explore.zoo.foreign.TRAINED_RANGE", 1.0)
    raw = from_foreign(state).double()
    x = torch.rand(1, 3, 16, 17, dtype=torch.float64)
    with torch.no_grad():
        assert torch.allclose(folded(x), raw(x * 255) / 255, atol=1e-7)


def test_the_callers_tensors_are_left_alone():
    state = published("row")
    before = {key: value.clone() for key, value in state.items()}
    from_foreign(state)
    assert all(torch.equal(value, before[key]) for key, value in state.items())


def change(state: dict[str, Tensor], **changes: Tensor | None) -> dict[str, Tensor]:
    renamed = {key.replace("__", "."): value for key, value in changes.items()}
    return {key: value for key, value in (state | renamed).items() if value is not None}


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"conv.weight": torch.zeros(1)}, "no network known here"),
        (change(published("row"), B1__c1_r__weight=None), "is missing"),
        (change(published("row"), upsampler__0__weight=None), "is missing"),
        (change(published("row"), B1__extra__weight=torch.zeros(1)), "is too much"),
        (change(published("row"), B2__c4__weight=torch.zeros(4, 9, 3, 3)), r"\(4, 9, 3, 3\) where \(4, 8, 3, 3\)"),
        (change(published("row"), upsampler__0__weight=torch.zeros(75, 8, 3, 3)), "scale 5"),
        (change(published("row"), B5__c4__weight=torch.zeros(1)), "is missing"),
        (change(published("2"), B2S2__c4__weight=torch.zeros(1)), "is missing"),
        (change(published("4"), fea_conv1__weight=None, fea_conv1__bias=None), "no network known here"),
    ],
)
def test_what_does_not_fit_is_one_sentence(state: dict[str, Tensor], words: str):
    with pytest.raises(UserError, match=words) as caught:
        from_foreign(state)
    assert "accepted are" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_load_by_their_path(tmp_path: Path):
    state = published("2s")
    save_file(state, tmp_path / "published.safetensors")
    torch.save({"params_ema": {f"module.{key}": value for key, value in state.items()}}, tmp_path / "published.pth")
    x = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        one, other = (zoo.load(tmp_path / f"published.{kind}")(x) for kind in ("safetensors", "pth"))
    assert torch.equal(one, other)


PUBLISHED = {
    "RFDN_AIM.pth": (433_448, (32.159, 30.254), (28.650, 26.836)),
    "seu_cnii_rfdn_b2_x4.safetensors": (434_848, (31.968, 30.055), (28.518, 26.713)),
    "seu_cnii_rfdn_b2s_x4.safetensors": (479_148, (31.970, 30.067), (28.552, 26.749)),
    "seu_cnii_rfdn_b4_x4.safetensors": (437_648, (31.693, 29.809), (28.417, 26.623)),
    "seu_cnii_rfdn_b4s_x4.safetensors": (570_548, (31.886, 29.984), (28.492, 26.694)),
}


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_scores_are_reproduced(name: str, shared_data: Path):
    params, *scores = PUBLISHED[name]
    path = shared_data / "weights" / name
    assert sum(parameter.numel() for parameter in zoo.load(path).parameters()) == params
    for test_set, (psnr_y, psnr_rgb) in zip(("Set5", "Set14"), scores, strict=True):
        folder = shared_data / "test" / test_set
        record = explore.evaluate(str(path), folder / "HR", folder / "LRx4")
        assert record.psnr_y == pytest.approx(psnr_y, abs=0.001)
        assert record.psnr_rgb == pytest.approx(psnr_rgb, abs=0.001)
