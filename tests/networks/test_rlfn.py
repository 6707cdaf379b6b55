import pytest
import torch
from torch import nn

from sr_explore.networks.layers import conv_like
from sr_explore.networks.registry import build, describe
from sr_explore.networks.rlfn import RLFN
from sr_explore.surgery import modules_of, replace_module
from tests.tiny import tiny_rlfn


def test_published_sizes():
    assert sum(parameter.numel() for parameter in RLFN().parameters()) == 317_218
    full = RLFN(num_feat=52, mid_feat=52, num_block=6)
    assert sum(parameter.numel() for parameter in full.parameters()) == 543_740
    widths = [(conv.in_channels, conv.out_channels) for conv in RLFN().blocks[0].refine]  # pyright: ignore
    assert widths == [(46, 48), (48, 48), (48, 46)]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_scale(scale: int):
    assert tiny_rlfn(scale)(torch.rand(2, 3, 15, 21)).shape == (2, 3, 15 * scale, 21 * scale)


def test_the_smallest_size_is_what_it_says():
    side = RLFN.requires_size
    assert tiny_rlfn()(torch.rand(1, 3, side, side)).isfinite().all()
    with pytest.raises(RuntimeError):
        tiny_rlfn()(torch.rand(1, 3, side - 1, side))


def test_every_layers_kernel_and_bias_come_back():
    """Each layer of the file has its own kernel size and bias, or none."""
    model = tiny_rlfn()
    for index, (path, layer) in enumerate(list(modules_of(model, nn.Conv2d))):
        size = layer.kernel_size[0] if path.endswith("stride") else (1, 3, 5)[index % 3]
        new = conv_like(layer, size, bias=index % 2 == 0)
        replace_module(model, path, new)
    again = build(describe(model), model.state_dict())
    found = {path: (layer.kernel_size, layer.bias is None) for path, layer in modules_of(again, nn.Conv2d)}
    assert found == {path: (layer.kernel_size, layer.bias is None) for path, layer in modules_of(model, nn.Conv2d)}
    assert len(set(found.values())) == 6
    x = torch.rand(1, 3, 17, 22)
    with torch.no_grad():
        assert torch.equal(again(x), model(x))


def test_a_block_adds_its_input_before_it_is_fused():
    block = tiny_rlfn().blocks[0]
    with torch.no_grad():
        for parameter in block.refine.parameters():  # pyright: ignore
            parameter.zero_()
        x = torch.rand(1, 6, 17, 19)
        assert torch.equal(block(x), block.esa(block.fuse(x)))  # pyright: ignore
