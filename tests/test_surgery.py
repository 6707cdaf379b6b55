import pytest
import torch
from torch import nn

from sr_explore.surgery import module_at, modules_of, private_copy, replace_module
from tests.tiny import tiny_rfdn


def test_a_private_copy_shares_nothing_and_can_be_pruned():
    model = tiny_rfdn().requires_grad_(False).train()
    copy = private_copy(model)
    next(iter(copy.parameters())).data.zero_()
    assert next(iter(model.parameters())).abs().sum() > 0
    assert not copy.training
    assert all(parameter.requires_grad for parameter in copy.parameters())
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_replacing_keeps_the_place_in_a_row():
    model = tiny_rfdn()
    new = nn.Conv2d(8, 4, 1)
    replace_module(model, "blocks.1.distil.2", new)
    assert module_at(model, "blocks.1.distil.2") is new
    assert model(torch.rand(1, 3, 16, 16)).shape == (1, 3, 32, 32)


def test_a_path_to_nowhere_is_an_error():
    with pytest.raises(AttributeError):
        replace_module(tiny_rfdn(), "blocks.9.last", nn.Identity())


def test_modules_come_in_order_with_their_paths():
    paths = [path for path, _ in modules_of(tiny_rfdn(), nn.Conv2d)]
    assert paths[0] == "head"
    assert paths[-1] == "tail.upsample.conv"
