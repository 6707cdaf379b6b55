import json
from pathlib import Path

import pytest
import torch

from sr_explore import zoo
from sr_explore.errors import UserError
from sr_explore.networks.registry import describe
from sr_explore.stages import PruneChannels, apply_stages
from sr_explore.state_files import sha256_of, write_state
from tests.tiny import NETWORKS, relative_difference, tiny_example


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_saved_is_the_network_loaded(name: str, tmp_path: Path):
    model = apply_stages(NETWORKS[name](), (), tiny_example())
    provenance = zoo.Provenance("merge-branches", "parent", "abc")
    digest = zoo.save(tmp_path / "net.safetensors", model, provenance)
    assert relative_difference(model, zoo.load(tmp_path / "net.safetensors")) == 0
    assert zoo.provenance_of(tmp_path / "net.safetensors") == provenance
    assert sha256_of(tmp_path / "net.safetensors") == digest


def test_a_pruned_network_needs_no_pruner_to_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model = PruneChannels(0.5, "magnitude")(NETWORKS["converted-4s"](), tiny_example()).model
    zoo.save(tmp_path / "net.safetensors", model)
    monkeypatch.setattr("torch_pruning.DependencyGraph", None)
    assert relative_difference(model, zoo.load(tmp_path / "net.safetensors")) == 0


def test_a_mistyped_name_gets_the_list_and_the_nearest():
    with pytest.raises(UserError, match="did you mean rfdn-x4-merged") as caught:
        zoo.load("rfdn-x4-mergd")
    assert all(name in str(caught.value) for name in zoo.names())


def test_a_missing_file_is_no_mistyped_name():
    with pytest.raises(UserError, match=r"there\.pth: there is no such file"):
        zoo.load("not/there.pth")


def test_shipped_networks_are_what_their_cards_say():
    forms = {"rfdn-x4", *(f"rfdn-x4-{form}" for form in ("branched", "branched-2", "merged", "pruned-50"))}
    assert forms <= set(zoo.names())
    for card in zoo.cards().values():
        model = zoo.load(card.name)
        assert sum(parameter.numel() for parameter in model.parameters()) == card.params
        assert int(model.scale) == card.scale  # pyright: ignore
        assert card.data
        assert card.licence
        assert set(card.scores or {}) == {"Set5", "Set14"}
        if card.sha256:
            assert sha256_of(zoo.weights_file(card.name)) == card.sha256
        if card.parent_sha256 and card.parent:
            assert sha256_of(zoo.weights_file(card.parent)) == card.parent_sha256


def test_the_merged_network_is_made_from_the_branched_one():
    assert relative_difference(zoo.load("rfdn-x4-branched"), zoo.load("rfdn-x4-merged")) <= 1e-12


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot be read"),
        ("[1]", "cannot be read"),
        ("{}", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        (json.dumps({"network": ["RFDN"], "options": {}, "layers": {}}), "does not fit"),
        (json.dumps({"network": "RFDN", "options": {"scale": 4}, "layers": "x"}), "does not fit"),
    ],
)
def test_a_file_with_a_false_description_is_one_sentence(text: str, words: str, tmp_path: Path):
    write_state(tmp_path / "net.safetensors", {"a": torch.zeros(1)}, {"network": text})
    with pytest.raises(UserError, match=words) as caught:
        zoo.load(tmp_path / "net.safetensors")
    assert str(caught.value).startswith("net.safetensors: ")
    assert "\n" not in str(caught.value)


def test_weights_that_lack_a_layer_are_refused(tmp_path: Path):
    model = NETWORKS["row"]()
    state = dict(model.state_dict())
    state.pop("head.weight")
    write_state(tmp_path / "net.safetensors", state, {"network": json.dumps(describe(model))})
    with pytest.raises(UserError, match="does not fit its weights"):
        zoo.load(tmp_path / "net.safetensors")
