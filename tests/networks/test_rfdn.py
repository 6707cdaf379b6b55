import pytest
import torch

from sr_explore.networks.rfdn import RFDN, BranchedRFDN
from tests.tiny import NETWORKS


def params(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_published_sizes():
    assert params(RFDN()) == 433_448
    assert params(BranchedRFDN(4, small_blocks=True)) == 570_548
    assert params(BranchedRFDN(4, small_blocks=False)) == 437_648
    assert params(BranchedRFDN(2, small_blocks=True)) == 479_148
    assert params(BranchedRFDN(2, small_blocks=False)) == 434_848


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_scale(scale: int):
    assert RFDN(scale=scale, num_feat=8)(torch.rand(2, 3, 15, 21)).shape == (2, 3, 15 * scale, 21 * scale)


def test_the_smallest_size_is_what_it_says():
    model = RFDN(num_feat=4)
    side = RFDN.requires_size
    assert model(torch.rand(1, 3, side, side)).isfinite().all()
    with pytest.raises(RuntimeError):
        model(torch.rand(1, 3, side - 1, side))


@pytest.mark.parametrize("name", NETWORKS)
def test_pictures_of_a_batch_do_not_touch_each_other(name: str):
    model = NETWORKS[name]()
    x = torch.rand(2, 3, 17, 19, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(model(x)[1:], model(x[1:]), atol=1e-5)
