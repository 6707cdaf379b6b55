import pytest
import torch
from torch import nn

from sr_explore.networks.layers import conv_like, is_padded


def test_a_padded_kernel_keeps_the_size_and_others_do_not():
    assert is_padded(nn.Conv2d(1, 1, 3, padding=1))
    assert is_padded(nn.Conv2d(1, 1, 1))
    assert not is_padded(nn.Conv2d(1, 1, 3))
    assert not is_padded(nn.Conv2d(1, 1, 2, padding=1))
    assert not is_padded(nn.Conv2d(1, 1, 3, padding=1, dilation=2))
    assert not is_padded(nn.Conv2d(1, 1, 3, padding="same"))


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_another_kernel_leaves_the_output_its_size(kernel_size: int):
    layer = nn.Conv2d(4, 6, 3, padding=1, stride=2, groups=2, dtype=torch.float64)
    new = conv_like(layer, kernel_size, bias=False)
    x = torch.rand(1, 4, 9, 12, dtype=torch.float64)
    assert new(x).shape == layer(x).shape
    assert (new.bias, new.groups, new.weight.dtype) == (None, 2, torch.float64)


def test_a_kernel_without_padding_keeps_its_size_or_is_refused():
    layer = nn.Conv2d(2, 2, 3, stride=2)
    assert conv_like(layer, 3, bias=True).padding == (0, 0)
    with pytest.raises(ValueError, match="cannot become 1"):
        conv_like(layer, 1, bias=True)
