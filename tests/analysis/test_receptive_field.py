import numpy as np
import torch
from torch import nn

from sr_explore.analysis import ReceptiveField, receptive_field
from tests.tiny import tiny_rfdn


def picture(side: int = 21) -> torch.Tensor:
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))


def row(layers: int) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=1) for _ in range(layers)))


def test_every_3x3_convolution_adds_a_ring():
    assert [receptive_field(row(count), picture()).side_px() for count in (1, 2, 3)] == [3, 5, 7]
    assert receptive_field(row(3), picture(), "1").side_px() == 5


def test_the_field_lies_where_the_output_looks():
    field = receptive_field(nn.Conv2d(3, 4, (1, 3), padding=(0, 1)), picture(9)).field
    assert np.argwhere(field > 0).tolist() == [[4, 3], [4, 4], [4, 5]]
    assert field.sum() == np.float64(1) or abs(field.sum() - 1) < 1e-12


def test_channels_of_opposite_signs_do_not_cancel():
    conv = nn.Conv2d(3, 2, 1, bias=False)
    conv.weight.data = torch.stack([torch.ones(3, 1, 1), -torch.ones(3, 1, 1)])
    assert receptive_field(conv, picture(9)).field.max() == 1


def test_a_share_of_the_dependence_needs_a_smaller_square():
    field = np.zeros((9, 9))
    field[4, 4], field[0, 4] = 0.9, 0.1
    measured = ReceptiveField(field)
    assert (measured.side_px(0.8), measured.side_px(0.95), measured.side_px()) == (1, 9, 9)


def test_the_network_stays_as_it_was_and_later_blocks_see_more():
    model = tiny_rfdn()
    with torch.no_grad():
        first, last = [receptive_field(model, picture(41), f"blocks.{index}").side_px(0.9) for index in (0, 3)]
    assert first < last
    assert all(parameter.requires_grad and parameter.dtype == torch.float32 for parameter in model.parameters())
