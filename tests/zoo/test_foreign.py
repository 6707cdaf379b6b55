from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sr_explore import explore, zoo
from sr_explore.errors import UserError
from sr_explore.networks.rfdn import RFDN, BranchedRFDN
from sr_explore.networks.rlfn import RLFN
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


def published_rlfn(scale: int = 4, pruned: bool = False) -> dict[str, Tensor]:
    """A state dict with the keys of a published RLFN of two blocks; pruned as AdvancedSR's, its last block's middle."""
    esa = {name: (2, 2, 3, 3) for name in ("conv2", "conv3")}
    esa |= {"conv1": (2, 6, 1, 1), "conv_f": (2, 2, 1, 1), "conv4": (6, 2, 1, 1)}
    block = {"c1_r": (8, 6, 3, 3), "c2_r": (8, 8, 3, 3), "c3_r": (6, 8, 3, 3), "c5": (6, 6, 1, 1)}
    shapes = {"conv_1": (6, 3, 3, 3), "conv_2": (6, 6, 3, 3), "upsampler.0": (3 * scale**2, 6, 3, 3)}
    for number in (1, 2):
        shapes |= {f"block_{number}.{name}": shape for name, shape in block.items()}
        shapes |= {f"block_{number}.esa.{name}": shape for name, shape in esa.items()}
    if pruned:
        shapes |= {name: (*shapes[name][:2], 1, 1) for name in ("block_2.c2_r", "conv_2", "upsampler.0")}
    generator, state = torch.Generator().manual_seed(0), {}
    for name, shape in shapes.items():
        state[f"{name}.weight"] = torch.randn(shape, generator=generator) * 0.1
        if not pruned or name == "conv_1" or ".esa." in name:
            state[f"{name}.bias"] = torch.randn(shape[:1], generator=generator) * 0.1
    return state


@pytest.mark.parametrize("pruned", [False, True])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_rlfn_is_recognised_with_any_kernels_and_biases(pruned: bool, scale: int):
    state = published_rlfn(scale, pruned)
    model = from_foreign(state)
    assert isinstance(model, RLFN)
    assert model(torch.rand(1, 3, 16, 18)).shape == (1, 3, 16 * scale, 18 * scale)
    assert sum(value.numel() for value in model.parameters()) == sum(value.numel() for value in state.values())
    last = model.get_submodule("blocks.1.refine.1")
    assert isinstance(last, nn.Conv2d)
    assert (last.kernel_size, last.bias is None) == (((1, 1), True) if pruned else ((3, 3), False))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_published_form_is_recognised(form: str, scale: int):
    model = from_foreign(published(form, scale))
    assert isinstance(model, RFDN if form == "row" else BranchedRFDN)
    assert model(torch.rand(1, 3, 16, 18)).shape == (1, 3, 16 * scale, 18 * scale)


@pytest.mark.parametrize("form", [*FORMS, "rlfn", "rlfn pruned"])
def test_the_range_is_folded_in_exactly(form: str, monkeypatch: pytest.MonkeyPatch):
    state = published_rlfn(pruned="pruned" in form) if "rlfn" in form else published(form)
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
        (change(published_rlfn(), block_2__c5__weight=None), "an RLFN, but blocks.1.fuse.weight is missing"),
        (change(published_rlfn(), block_1__c1_r__weight=None), "no network known here"),
        (change(published_rlfn(), block_1__esa__conv1__weight=None), "is missing"),
        (change(published_rlfn(), block_2__c4__weight=torch.zeros(1)), "c4.weight is too much"),
        (change(published_rlfn(), block_2__c5__weight=torch.zeros(6, 7, 1, 1)), r"\(6, 7, 1, 1\) where \(6, 6, 1, 1\)"),
        (change(published_rlfn(), block_2__c2_r__weight=torch.zeros(8, 8, 2, 2)), "cannot become 2"),
        (change(published_rlfn(), block_2__c2_r__weight=torch.zeros(8, 8, 3, 1)), r"\(8, 8, 3, 1\) where"),
        (change(published_rlfn(), block_2__c2_r__weight=torch.zeros(8)), "cannot become 0"),
        (change(published_rlfn(), block_1__esa__conv2__weight=torch.zeros(2, 2, 1, 1)), "cannot become 1"),
        (change(published_rlfn(), upsampler__0__weight=torch.zeros(75, 6, 3, 3)), "scale 5"),
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
    "rlfn_ntire_x4.pth": (317_218, (32.097, 30.206), (28.603, 26.796)),
    "team17_AdvancedSR.pth": (263_348, (31.952, 30.026), (28.577, 26.756)),
    "seu_cnii_rfdn_b2_x4.safetensors": (434_848, (31.968, 30.055), (28.518, 26.713)),
    "seu_cnii_rfdn_b2s_x4.safetensors": (479_148, (31.970, 30.067), (28.552, 26.749)),
    "seu_cnii_rfdn_b4_x4.safetensors": (437_648, (31.693, 29.809), (28.417, 26.623)),
    "seu_cnii_rfdn_b4s_x4.safetensors": (570_548, (31.886, 29.984), (28.492, 26.694)),
}


@pytest.mark.shared
@pytest.mark.slow
def test_rlfn_of_the_full_size_is_reproduced(shared_data: Path):
    path, folder = shared_data / "weights" / "rlfn_x4.pth", shared_data / "test" / "Set5"
    assert sum(parameter.numel() for parameter in zoo.load(path).parameters()) == 543_740
    record = explore.evaluate(str(path), folder / "HR", folder / "LRx4")
    assert (record.psnr_y, record.psnr_rgb) == pytest.approx((32.238, 30.320), abs=0.001)


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
