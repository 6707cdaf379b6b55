from dataclasses import replace

import pytest
import torch

from sr_explore.errors import UserError
from sr_explore.stages import ConcatToConv, PruneChannels, loss_gradients
from tests.tiny import NETWORKS, relative_difference, tiny_example, tiny_rfdn


def test_given_gradients_prune_as_computed_ones_do():
    model, example = tiny_rfdn(), tiny_example()
    assert example.calibration is not None
    ready = replace(example, gradients=loss_gradients(model, example.calibration))
    for ratio in (0.3, 0.6):
        plain, given = PruneChannels(ratio)(model, example), PruneChannels(ratio)(model, ready)
        assert plain.report == given.report
        assert relative_difference(plain.model, given.model) == 0


def test_they_are_what_the_ranking_looks_at():
    """A planted bug: gradients of nought everywhere but in one channel's weights keep that channel."""
    model, example = tiny_rfdn(), tiny_example()
    assert example.calibration is not None
    gradients = {name: torch.zeros_like(value) for name, value in model.named_parameters()}
    gradients["blocks.0.distil.0.weight"][3] = 1
    report = PruneChannels(0.75)(model, replace(example, gradients=gradients)).report
    assert next(edit.kept_out for edit in report.edits if edit.target == "blocks.0.distil.0") == (3,)


def test_the_network_stays_untouched_even_when_frozen():
    model, example = tiny_rfdn().requires_grad_(False), tiny_example()
    assert example.calibration is not None
    assert any(value.any() for value in loss_gradients(model, example.calibration).values())
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in model.parameters())


def test_a_changed_network_loses_its_gradients():
    model = NETWORKS["merged-4s"]()
    example = replace(tiny_example(), gradients={})
    assert example.after(model, ConcatToConv()(model, example).report).gradients is None
    pruned = PruneChannels(0.5, "magnitude")(tiny_rfdn(), example)
    assert example.after(tiny_rfdn(), pruned.report).gradients is None


def test_another_networks_gradients_are_refused():
    example = tiny_example()
    assert example.calibration is not None
    gradients = loss_gradients(tiny_rfdn(num_feat=12), example.calibration)
    with pytest.raises(UserError, match="another network's"):
        PruneChannels(0.5)(tiny_rfdn(), replace(example, gradients=gradients))
