"""The table's counts against counts by hand."""

import copy

import pytest
import torch
from torch import Tensor, nn

from sr_explore.analysis import layer_table
from sr_explore.errors import UserError
from sr_explore.networks.layers import ConcatConv, StructuralConv2d
from sr_explore.networks.rfdn import RFDN
from sr_explore.records import LayerTable
from sr_explore.stages.base import Example
from sr_explore.stages.branch import Branch
from sr_explore.stages.merge_branches import MergeBranches


def test_rfdn_as_published():
    table = layer_table(RFDN(), (48, 48))
    assert table.params == 433_448
    assert round(2 * table.macs / 1e9, 4) == 1.8997
    assert len(table.rows) == 64
    assert sum(row.params for row in table.rows) == table.params


def test_rows_by_hand():
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.Conv2d(8, 8, 3, stride=2, groups=4, bias=False),
        nn.PReLU(8),
        StructuralConv2d(8, 5),
        nn.Conv2d(5, 6, (1, 3)),
    )
    table = layer_table(net, (11, 15))
    first, second, third, fourth = table.rows
    assert (first.path, first.in_channels, first.out_channels, first.kernel, first.groups) == ("0", 3, 8, (3, 3), 1)
    assert (first.params, first.macs, first.activations) == (3 * 8 * 9 + 8, 3 * 8 * 9 * 11 * 15, 8 * 11 * 15)
    assert (second.params, second.macs, second.activations) == (2 * 8 * 9, 2 * 8 * 9 * 5 * 7, 8 * 5 * 7)
    assert second.groups == 4
    assert (third.macs, third.structural) == (8 * 5 * 5 * 7, True)
    assert (fourth.kernel, fourth.macs, fourth.structural) == ((1, 3), 5 * 6 * 3 * 5 * 5, False)
    assert table.macs == sum(row.macs for row in table.rows)
    assert table.activations == sum(row.activations for row in table.rows)
    assert table.structural_params == 40
    # The activation's slopes belong to no convolution and still count.
    assert table.params == sum(row.params for row in table.rows) + 8
    assert table.size == (11, 15)
    assert LayerTable.from_json(table.to_json()) == table


class Odd(nn.Module):
    """Runs its layers in another order than it registers them, one twice and one never."""

    def __init__(self) -> None:
        super().__init__()
        self.never = nn.Conv2d(9, 9, 1)
        self.last = nn.Conv2d(4, 3, 1)
        self.twice = nn.Conv2d(4, 4, 3, padding=1)
        self.alias = self.twice
        self.first = nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.alias(self.twice(self.first(x))))


def test_order_of_execution_and_repeats():
    table = layer_table(Odd(), (6, 5))
    assert [row.path for row in table.rows] == ["first", "twice", "last", "never"]
    twice, never = table.rows[1], table.rows[3]
    assert (twice.params, twice.macs, twice.activations) == (4 * 4 * 9 + 4, 2 * 4 * 4 * 9 * 30, 2 * 4 * 30)
    assert (never.params, never.macs, never.activations) == (90, 0, 0)
    assert table.params == sum(row.params for row in table.rows)


def test_a_lone_convolution():
    table = layer_table(nn.Conv2d(3, 2, 1), (4, 4))
    assert [(row.path, row.macs) for row in table.rows] == [("", 96)]


@pytest.mark.parametrize(("layout", "share"), [("dense", 2), ("grouped", 1)])
def test_merged_branches(layout, share):
    example = Example(torch.rand(1, 3, 16, 16))
    branched = Branch(num_branches=2, small_blocks=False)(RFDN(num_feat=8, num_block=2), example).model
    merged = MergeBranches(layout)(branched, example).model
    before, after = layer_table(branched, (16, 20)), layer_table(merged, (16, 20))
    both = {row.path: row for row in after.rows}["blocks.0.refine.0"]
    one = {row.path: row for row in before.rows}["branches.0.blocks.0.refine.0"]
    # Dense: twice the inputs and twice the outputs, where the branches had one of each twice.
    assert both.macs == 2 * share * one.macs
    assert both.activations == 2 * one.activations
    assert after.activations == before.activations


def test_structural_layers_inside_a_network():
    net = RFDN(num_feat=8, num_block=1)
    mix = StructuralConv2d(8, 8)
    net.tail.concat = ConcatConv(mix)  # pyright: ignore[reportAttributeAccessIssue]
    table = layer_table(net, (15, 15))
    assert table.structural_params == 64
    assert [row.path for row in table.rows if row.structural] == ["tail.concat.mix"]


def test_network_stays_untouched():
    net = RFDN(num_feat=8, num_block=1).train()
    state = copy.deepcopy(net.state_dict())
    layer_table(net, (15, 15))
    assert net.training
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    assert all(not module._forward_hooks for module in net.modules())


def test_other_number_formats():
    assert layer_table(RFDN(num_feat=8).bfloat16(), (15, 15)).macs == layer_table(RFDN(num_feat=8), (15, 15)).macs


def test_a_large_picture_costs_no_memory():
    table = layer_table(RFDN(num_feat=8, num_block=1), (100_000, 100_000))
    assert table.rows[0].macs == 3 * 8 * 9 * 10**10


def test_small_picture_is_refused():
    with pytest.raises(UserError, match="20×14 px is too small"):
        layer_table(RFDN(num_feat=8), (14, 20))
