import pytest
import torch
from torch import nn

from sr_explore.analysis import peak_memory_mb
from sr_explore.errors import UserError
from tests.tiny import tiny_rfdn


def test_what_lives_at_the_same_time_is_counted():
    conv, pixels = nn.Conv2d(3, 10, 1, bias=False), 20 * 30
    chain = nn.Sequential(conv, nn.Conv2d(10, 10, 1, bias=False), nn.Conv2d(10, 1, 1, bias=False))
    # The widest moment: the picture, which the caller holds, and two maps of ten channels.
    expected = 4 * (30 + 100 + 10 + pixels * (3 + 10 + 10)) / 1e6
    assert peak_memory_mb(chain, (20, 30)) == pytest.approx(expected)


def test_half_precision_takes_half():
    model = tiny_rfdn()
    assert peak_memory_mb(model, (20, 30), torch.float16) == pytest.approx(peak_memory_mb(model, (20, 30)) / 2)


def test_too_small_pictures_are_refused():
    with pytest.raises(UserError, match="too small"):
        peak_memory_mb(tiny_rfdn(), (4, 4))
