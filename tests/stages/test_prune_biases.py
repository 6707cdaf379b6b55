import pytest
import torch
from torch import Tensor, nn

from sr_explore import pipeline
from sr_explore.analysis import equivalence
from sr_explore.errors import UserError
from sr_explore.stages import PruneBiases, Reconstruct
from sr_explore.surgery import modules_of
from tests.tiny import NETWORKS, tiny_example, tiny_rlfn


def with_zero_biases(*but: str) -> nn.Module:
    model = tiny_rlfn()
    with torch.no_grad():
        for path, layer in modules_of(model, nn.Conv2d):
            if path not in but:
                layer.bias.zero_()  # pyright: ignore[reportOptionalMemberAccess]
    return model


def biased(model: nn.Module) -> list[str]:
    return [path for path, layer in modules_of(model, nn.Conv2d) if layer.bias is not None]


@pytest.mark.parametrize("name", ["rlfn", "row", "branched-2s", "merged-4s", "converted-2"])
def test_the_first_convolution_and_the_attention_keep_theirs(name: str):
    model = NETWORKS[name]()
    left = biased(PruneBiases()(model, tiny_example()).model)
    assert left == [path for path in biased(model) if path.startswith("head") or ".esa." in path]
    assert len(left) < len(biased(model))


def test_what_is_to_be_kept_can_be_named():
    assert biased(PruneBiases(keep="")(tiny_rlfn(), tiny_example()).model) == []
    left = biased(PruneBiases(keep="tail.smooth+*fuse")(tiny_rlfn(), tiny_example()).model)
    assert left == ["blocks.0.fuse", "blocks.1.fuse", "tail.smooth"]
    with pytest.raises(UserError, match="no convolution of this network"):
        PruneBiases(keep="nowhere")(tiny_rlfn(), tiny_example())


def test_zero_biases_are_dropped_exactly_and_the_check_says_so():
    run = pipeline.run(with_zero_biases(), [PruneBiases("")], tiny_example(), size=(20, 20))
    step = run.record.steps[0]
    assert step.exact
    assert step.equivalence is not None
    assert step.equivalence.equal
    assert len(step.equivalence.layers) == len(biased(tiny_rlfn()))


def test_a_bias_that_is_not_zero_is_no_exact_edit_and_a_small_one_is_caught():
    model = with_zero_biases()
    exact = PruneBiases("")(model, tiny_example())
    with torch.no_grad():
        model.get_parameter("blocks.1.fuse.bias")[0] = 1e-5
    report = PruneBiases("")(model, tiny_example()).report
    assert not report.exact
    assert [edit.target for edit in report.edits if not edit.same_output] == ["blocks.1.fuse"]
    assert not equivalence(model, exact.model, tiny_example().lr, exact.report.edits).equal


def test_weights_stay_as_they_are():
    model = tiny_rlfn()
    cut = PruneBiases("")(model, tiny_example()).model
    assert all(torch.equal(value, cut.get_parameter(name)) for name, value in _weights(model).items())


def _weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value for name, value in model.named_parameters() if name.endswith("weight")}


def test_reconstruct_makes_up_for_some_of_it():
    model, example = tiny_rlfn(), tiny_example()
    cut = PruneBiases()(model, example)
    refitted = Reconstruct()(cut.model, example.after(model, cut.report)).model
    lr = torch.rand(2, 3, 22, 22, generator=torch.Generator().manual_seed(99))
    with torch.no_grad():
        raw, again = (float((net(lr) - model(lr)).square().mean()) for net in (cut.model, refitted))
    assert again < 0.5 * raw
    assert biased(refitted) == biased(cut.model)


def test_nothing_left_to_drop_is_one_sentence():
    model = PruneBiases()(tiny_rlfn(), tiny_example()).model
    with pytest.raises(UserError, match="finds no bias"):
        PruneBiases()(model, tiny_example())
