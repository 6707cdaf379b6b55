import pytest
import torch

from sr_explore.errors import UserError
from sr_explore.networks.rfdn import SRFDB
from sr_explore.stages import Branch, PruneChannels, blocks_of_row, feature_pairs
from tests.tiny import CUTS, tiny_example, tiny_rfdn


@pytest.mark.parametrize(("num_branches", "small_blocks"), CUTS)
def test_pretrained_weights_carry_over(num_branches: int, small_blocks: bool):
    row = tiny_rfdn()
    branched = Branch(num_branches, small_blocks)(row, tiny_example()).model
    assert len(branched.branches) == num_branches  # pyright: ignore
    blocks = [block for branch in branched.branches for block in branch.blocks]  # pyright: ignore
    for own, original in zip(blocks, row.blocks, strict=True):
        for mine, his in zip(own.parameters(), original.parameters(), strict=True):
            assert torch.equal(mine, his)
            assert mine is not his
    for head in branched.heads:  # pyright: ignore
        assert torch.equal(head.weight, row.head.weight)
    entries = [isinstance(branch.entry, SRFDB) for branch in branched.branches]  # pyright: ignore
    assert entries == [False] + [small_blocks] * (num_branches - 1)


def test_without_small_blocks_every_branch_starts_at_the_head():
    row = tiny_rfdn()
    branched = Branch(4, small_blocks=False)(row, tiny_example()).model
    x = torch.rand(1, 3, 16, 18)
    with torch.no_grad():
        features = row.head(x)
        expected = row.tail(features, [block(features) for block in row.blocks])
        assert torch.allclose(branched(x), expected, atol=1e-6)


def test_pairs_say_what_should_equal_what():
    branched = Branch(2)(tiny_rfdn(), tiny_example()).model
    assert feature_pairs(branched) == [  # pyright: ignore[reportArgumentType]
        ("branches.0.blocks.0", "blocks.0"),
        ("branches.0.blocks.1", "blocks.1"),
        ("branches.1.entry", "blocks.1"),
        ("branches.1.blocks.0", "blocks.2"),
        ("branches.1.blocks.1", "blocks.3"),
    ]


def test_a_row_answers_to_itself():
    pairs = feature_pairs(tiny_rfdn())
    assert pairs == [(path, path) for path in ("head", "blocks.0", "blocks.1", "blocks.2", "blocks.3")]
    assert blocks_of_row(pairs) == ["blocks.0", "blocks.1", "blocks.2", "blocks.3"]


def test_an_entry_does_not_do_the_work_of_a_block():
    pairs = feature_pairs(Branch(2)(tiny_rfdn(), tiny_example()).model)  # pyright: ignore[reportArgumentType]
    assert blocks_of_row(pairs) == [f"branches.{branch}.blocks.{block}" for branch in (0, 1) for block in (0, 1)]


def test_what_cannot_be_branched_says_why():
    with pytest.raises(UserError, match="3 equal branches"):
        Branch(3)(tiny_rfdn(), tiny_example())
    with pytest.raises(UserError, match="equal branches"):
        Branch(1)(tiny_rfdn(), tiny_example())
    branched = Branch(2)(tiny_rfdn(), tiny_example()).model
    with pytest.raises(UserError, match="is a BranchedRFDN"):
        Branch(2)(branched, tiny_example())


def test_a_pruned_row_can_still_be_branched_without_small_blocks():
    pruned = PruneChannels(0.4, importance="magnitude", scope="global")(tiny_rfdn(), tiny_example()).model
    branched = Branch(2, small_blocks=False)(pruned, tiny_example()).model
    assert branched(torch.rand(1, 3, 16, 16)).shape == (1, 3, 32, 32)
