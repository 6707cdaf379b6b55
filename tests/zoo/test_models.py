import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sr_explore import zoo
from sr_explore.analysis import layer_table
from sr_explore.errors import UserError
from sr_explore.networks.registry import describe
from sr_explore.stages import PruneChannels, apply_stages
from sr_explore.state_files import sha256_of, write_state
from sr_explore.training import read_recipes
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


def test_every_network_has_a_file_that_its_weights_come_from():
    assert zoo.file_of("rfdn-x4") == zoo.weights_file("rfdn-x4")
    assert zoo.file_of("rfdn-x4-merged") == zoo.weights_file("rfdn-x4-branched")
    assert zoo.file_of("own/net.pth") == Path("own/net.pth")
    assert all(zoo.file_of(name).is_file() for name in zoo.names())


def test_a_missing_file_is_no_mistyped_name():
    with pytest.raises(UserError, match=r"there\.pth: there is no such file"):
        zoo.load("not/there.pth")


def test_shipped_networks_are_what_their_cards_say():
    assert {"rfdn-x4", *(f"rfdn-x4-{form}" for form in ("branched", "branched-2", "merged"))} <= set(zoo.names())
    for card in zoo.cards().values():
        model = zoo.load(card.name)
        assert sum(parameter.numel() for parameter in model.parameters()) == card.params
        assert int(model.scale) == card.scale  # pyright: ignore
        assert layer_table(model, (180, 320)).macs == card.macs
        assert card.data
        assert card.licence
        assert set(card.scores or {}) == {"Set5", "Set14"}
        if card.sha256:
            assert sha256_of(zoo.weights_file(card.name)) == card.sha256
        if card.parent_sha256 and card.parent:
            assert sha256_of(zoo.weights_file(card.parent)) == card.parent_sha256


@pytest.mark.parametrize("ladder", ["rfdn-x4-pruned", "rfdn-x4-direct"])
def test_each_ladder_ships_whole_and_every_rung_is_better_for_its_training(ladder: str):
    rungs = [card for card in zoo.cards().values() if card.recipe == ladder]
    assert [card.name for card in rungs] == [recipe.name for recipe in read_recipes(ladder)]
    assert [card.params for card in rungs] == sorted((card.params for card in rungs), reverse=True)
    for card in rungs:
        assert card.scores
        assert card.untrained_psnr_y
        assert card.scores["Set5"].psnr_y > card.untrained_psnr_y


def test_trained_cards_say_how_long_and_on_what():
    for card in zoo.cards().values():
        if not card.derived_from:
            assert card.recipe
            assert card.steps > 0
            assert card.seconds > 0
            assert card.hardware
            assert card.teacher


def test_half_precision_files_load_as_float32():
    formats = {card.name: card.number_format for card in zoo.cards().values() if card.sha256}
    assert "float16" in formats.values()
    for name, number_format in formats.items():
        kept = {value.dtype for value in load_file(zoo.weights_file(name)).values()}
        assert kept == {getattr(torch, number_format)}
        assert {parameter.dtype for parameter in zoo.load(name).parameters()} == {torch.float32}


def test_the_package_with_all_weights_stays_below_40_mb():
    package = zoo.WEIGHTS.parents[1]
    files = [path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) < 40e6


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
