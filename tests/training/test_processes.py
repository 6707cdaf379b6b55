"""Several machines: two processes through `accelerate launch` train as one process with the whole batch does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sr_explore.state_files import read_state
from sr_explore.training import Trainer, TrainSettings
from tests.training.test_loop import trainer

SETTINGS = TrainSettings(steps=12, batch_size=4, patch_size=16, loss_every=1, validate_every=99, precision="float32")


def launched(folder: Path, processes: int) -> subprocess.CompletedProcess[str]:
    # accelerate calls a launch of several processes multi_gpu; without a GPU they meet over gloo all the same.
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(processes)]
    command += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    command += ["--main_process_port", "0", "--num_cpu_threads_per_process", "1", __file__, str(folder)]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=300, check=False)


def curve_and_weights(folder: Path) -> tuple[list[list[float]], dict[str, torch.Tensor]]:
    state = read_state(folder / "checkpoint.safetensors")
    weights = {name: value for name, value in state.tensors.items() if name.startswith(("model.", "ema."))}
    return json.loads(state.metadata["progress"])["losses"], weights


@pytest.mark.slow
def test_two_processes_train_as_one_with_twice_the_batch(tmp_path: Path):
    result = launched(tmp_path / "two", processes=2)
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.count("of 2 done") == 2
    trainer(tmp_path / "one", SETTINGS).run()

    losses, weights = curve_and_weights(tmp_path / "two")
    expected_losses, expected = curve_and_weights(tmp_path / "one")
    assert [step for step, _ in losses] == list(range(1, 13))
    assert [loss for _, loss in losses] == pytest.approx([loss for _, loss in expected_losses], rel=1e-5)
    for name, value in expected.items():
        torch.testing.assert_close(weights[name], value, rtol=1e-4, atol=1e-6)


def _child() -> None:
    going: Trainer = trainer(Path(sys.argv[1]), SETTINGS)
    going.run()
    print(f"process {going.accelerator.process_index} of {going.accelerator.num_processes} done")


if __name__ == "__main__":
    _child()
