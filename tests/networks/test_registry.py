import json

import pytest
import torch

from sr_explore.errors import UserError
from sr_explore.networks.registry import build, describe
from sr_explore.stages import PruneChannels, apply_stages
from tests.tiny import NETWORKS, tiny_example, tiny_rfdn


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_comes_back_from_its_description(name: str):
    model = NETWORKS[name]()
    again = build(json.loads(json.dumps(describe(model))), model.state_dict())
    x = torch.rand(1, 3, 18, 25)
    with torch.no_grad():
        assert torch.equal(again(x), model(x))
    assert type(again) is type(model)


def test_a_pruned_network_comes_back_with_its_odd_widths():
    model = apply_stages(tiny_rfdn(), (PruneChannels(0.4, importance="random"),), tiny_example())
    again = build(describe(model), model.state_dict())
    assert again.get_submodule("blocks.0.last").weight.shape == model.get_submodule("blocks.0.last").weight.shape


def broken(change) -> dict:
    description = describe(tiny_rfdn())
    change(description)
    return description


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(network="Other"), "called 'Other'"),
        (lambda d: d["options"].update(num_block=10**9), "num_block"),
        (lambda d: d["options"].update(scale="4"), "scale"),
        (lambda d: d["layers"]["head"].update(type="Exec"), "unknown type 'Exec'"),
        (lambda d: d["layers"]["head"].update(widths=[3, 10**9]), "does not fit its weights"),
        (lambda d: d["layers"]["head"].update(groups=7), "does not fit its weights"),
        (lambda d: d["layers"].update({"nowhere.at.all": {"type": "Identity"}}), "does not fit its weights"),
        (lambda d: d["layers"].update({f"x{i}": {"type": "Identity"} for i in range(3000)}), "at most 2000"),
        (lambda d: d.pop("layers"), "does not fit its weights"),
    ],
)
def test_a_false_description_is_one_sentence(change, words: str):
    with pytest.raises(UserError, match=words) as caught:
        build(broken(change), tiny_rfdn().state_dict())
    assert "\n" not in str(caught.value)
