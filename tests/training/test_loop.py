import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from sr_explore.errors import UserError
from sr_explore.networks.rfdn import RFDN
from sr_explore.state_files import read_state
from sr_explore.training import FeatureMatching, Patches, Trainer, TrainingPhoto, TrainSettings
from tests.tiny import tiny_rfdn

SETTINGS = TrainSettings(
    steps=30, batch_size=2, patch_size=16, checkpoint_every=7, validate_every=10, precision="float32"
)


def photos() -> list[TrainingPhoto]:
    generator = torch.Generator().manual_seed(0)
    lr = torch.randint(0, 255, (3, 24, 24), generator=generator, dtype=torch.uint8)
    return [TrainingPhoto(lr, lr.repeat_interleave(2, 1).repeat_interleave(2, 2))]


def trainer(folder: Path, settings: TrainSettings = SETTINGS, start: RFDN | None = None, **options) -> Trainer:
    torch.set_num_threads(1)
    patches = Patches(photos(), 2, settings.patch_size, settings.batch_size, settings.seed)
    return Trainer(start or tiny_rfdn(num_feat=4), patches, settings, folder, **options)


def weights(trained: Trainer) -> dict[str, torch.Tensor]:
    return trained.result().state_dict()


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    whole = trainer(tmp_path_factory.mktemp("unbroken"))
    whole.run()
    return weights(whole)


def test_training_brings_the_loss_down(tmp_path: Path):
    trained = trainer(tmp_path, TrainSettings(steps=150, batch_size=4, patch_size=16, precision="float32"))
    progress = trained.run()
    assert progress.losses[-1][1] < 0.6 * progress.losses[0][1]


@pytest.mark.parametrize("stop", [1, 7, 16, 29])
def test_a_resumed_run_ends_in_the_same_bits(stop: int, tmp_path: Path, unbroken: dict[str, torch.Tensor]):
    trainer(tmp_path).run(until=stop)
    second = trainer(tmp_path)
    assert second.run(resume=True).step == 30
    assert equal(weights(second), unbroken)


def test_a_run_killed_anywhere_ends_in_the_same_bits(tmp_path: Path, unbroken: dict[str, torch.Tensor]):
    """SIGKILL at whatever step it is at: what is left of the newest whole checkpoint leads to the same weights."""
    script = (
        "import sys, pathlib; from tests.training.test_loop import trainer\n"
        "t = trainer(pathlib.Path(sys.argv[1])); print('ready', flush=True); t.run(resume=True)"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], env=environment, stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    while not (tmp_path / "checkpoint.safetensors").exists() and process.poll() is None:
        time.sleep(0.01)
    time.sleep(int.from_bytes(os.urandom(1), "little") / 1000)
    process.kill()
    process.wait()
    second = trainer(tmp_path)
    second.run(resume=True)
    assert equal(weights(second), unbroken)


def test_a_torn_checkpoint_falls_back_to_the_one_before(tmp_path: Path, unbroken: dict[str, torch.Tensor]):
    trainer(tmp_path).run(until=14)
    newest = tmp_path / "checkpoint.safetensors"
    newest.write_bytes(newest.read_bytes()[:-10])
    second = trainer(tmp_path)
    second.run(resume=True)
    assert equal(weights(second), unbroken)


def test_two_torn_checkpoints_are_an_error_and_not_a_fresh_start(tmp_path: Path):
    trainer(tmp_path).run(until=14)
    for path in tmp_path.glob("*.safetensors"):
        path.write_bytes(b"torn")
    with pytest.raises(UserError, match=r"checkpoint\.safetensors"):
        trainer(tmp_path).run(resume=True)


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path):
    trainer(tmp_path).run(until=3)
    with pytest.raises(UserError, match="from another network"):
        trainer(tmp_path, TrainSettings(**{**SETTINGS.to_dict(), "seed": 5})).run(resume=True)


def test_a_checkpoint_from_another_start_is_refused(tmp_path: Path):
    trainer(tmp_path).run(until=3)
    other = trainer(tmp_path, start=tiny_rfdn(seed=4, num_feat=4))
    with pytest.raises(UserError, match="from another network"):
        other.run(resume=True)


def test_sigterm_saves_and_stops(tmp_path: Path):
    def stop_here(_model: torch.nn.Module) -> float:
        signal.raise_signal(signal.SIGTERM)
        return 1.0

    first = trainer(tmp_path, validate=stop_here)
    assert first.run().step == 10
    assert "progress" in read_state(tmp_path / "checkpoint.safetensors").metadata
    assert trainer(tmp_path).run(resume=True, until=11).step == 11


def test_only_named_parameters_move(tmp_path: Path):
    before = tiny_rfdn(num_feat=4).state_dict()
    trained = trainer(tmp_path, trainable=["head.*", "tail.fuse.*"])
    trained.run(until=5)
    moved = {key for key, value in trained._bare().state_dict().items() if not torch.equal(value, before[key])}
    assert moved == {"head.weight", "head.bias", "tail.fuse.weight", "tail.fuse.bias"}


def test_features_are_matched_to_the_teacher(tmp_path: Path):
    settings = TrainSettings(
        steps=120, batch_size=4, patch_size=16, reference_weight=0, feature_weight=1, precision="float32"
    )
    features = FeatureMatching(tiny_rfdn(seed=9, num_feat=4), [("blocks.0", "blocks.1")])
    progress = trainer(tmp_path, settings, features=features).run()
    assert progress.losses[-1][1] < 0.7 * progress.losses[0][1]


def test_a_resumed_run_matches_features_at_the_same_scale(tmp_path: Path):
    settings = TrainSettings(steps=6, batch_size=2, patch_size=16, feature_weight=1, feature_level=0.5, forced=True)

    def run(folder: Path, until: int | None = None, resume: bool = False) -> dict[str, torch.Tensor]:
        teacher = tiny_rfdn(seed=9, num_feat=4)
        matching = FeatureMatching(teacher, [("blocks.0", "blocks.0")], settings.feature_level, ["blocks.0"])
        going = trainer(folder, settings, features=matching)
        going.run(resume=resume, until=until)
        return going._bare().state_dict()

    whole = run(tmp_path / "whole")
    run(tmp_path / "parts", until=3)
    parts = run(tmp_path / "parts", resume=True)
    assert all(torch.equal(whole[key], parts[key]) for key in whole)
