import pytest
import torch
from torch import nn

from sr_explore.analysis import feature_matches, features
from sr_explore.stages import Branch
from sr_explore.stages.branch import feature_pairs
from tests.tiny import tiny_example, tiny_rfdn

LR = torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(0))


def test_features_are_the_modules_outputs():
    model = tiny_rfdn()
    found = features(model, LR, ["head", "blocks.1"])
    assert torch.equal(found["head"], model.head(LR))
    assert found["blocks.1"].shape == (1, 8, 20, 20)
    assert not any(module._forward_hooks for module in model.modules())


def test_what_branching_left_alone_matches_and_what_is_new_does_not():
    row = tiny_rfdn()
    cut = Branch()(row, tiny_example()).model
    matches = {match.path: match for match in feature_matches(cut, row, LR, feature_pairs(cut))}  # pyright: ignore
    assert min(matches["branches.0.blocks.0"].correlations) == pytest.approx(1)
    assert matches["branches.0.blocks.0"].explained == pytest.approx(1)
    assert matches["branches.1.entry"].explained < 0.5
    assert len(matches["branches.1.entry"].correlations) == 8


def test_correlation_forgives_brightness_and_contrast_but_explained_does_not():
    one, other = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)
    other.weight.data, other.bias.data = -2 * one.weight.data, one.bias.data + 1  # pyright: ignore
    (match,) = feature_matches(one, other, LR, [("", "")])
    assert match.correlations == pytest.approx((-1, -1))
    assert match.explained < 0


def test_outputs_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match="head gives"):
        feature_matches(tiny_rfdn(), tiny_rfdn(num_feat=10), LR, [("head", "head")])


def test_a_pruned_network_is_held_against_the_channels_that_it_kept():
    row, kept = tiny_rfdn(), (1, 2, 5)
    narrow = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1))
    narrow[0].weight.data, narrow[0].bias.data = row.head.weight.data[list(kept)], row.head.bias.data[list(kept)]  # pyright: ignore
    (match,) = feature_matches(narrow, row, LR, [("0", "head")], {"0": kept})
    assert match.explained == pytest.approx(1)
    with pytest.raises(ValueError, match="gave"):
        feature_matches(narrow, row, LR, [("0", "head")])
