"""Timing's record is plausible, and the network and torch's settings stay as they were."""

import time

import pytest
import torch
from torch import Tensor, nn

from sr_explore.analysis import timing
from sr_explore.errors import UserError
from sr_explore.networks.rfdn import RFDN
from sr_explore.records import TimingRecord


class Sleep(nn.Module):
    """Takes 20 ms, and remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def __deepcopy__(self, _memo: dict) -> "Sleep":
        return self  # so that the test sees what the copy saw

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        time.sleep(0.02)
        return x


def test_a_known_duration():
    record = timing(Sleep(), (15, 17), "cpu", min_run_time_s=0.1)
    assert 20 <= record.median_ms < 60
    assert record.iqr_ms >= 0
    assert record.runs >= 3
    assert record.size == (15, 17)
    assert record.dtype == "float32"
    assert record.threads == torch.get_num_threads()
    assert record.device.startswith(f"CPU, {record.threads} thread")
    assert TimingRecord.from_json(record.to_json()) == record


def test_at_least_three_runs():
    assert timing(Sleep(), (15, 15), "cpu", min_run_time_s=0.001).runs >= 3


@pytest.mark.parametrize("channels_last", [True, False])
def test_picture_is_noise_in_the_layout_asked_for(channels_last):
    sleep = Sleep()
    timing(sleep, (16, 16), "cpu", torch.bfloat16, channels_last=channels_last, min_run_time_s=0.001)
    picture = sleep.seen[-1]
    assert picture.dtype == torch.bfloat16
    assert 0 <= picture.min() < 0.1
    assert 0.9 < picture.max() <= 1
    assert picture.is_contiguous(memory_format=torch.channels_last) is channels_last


def test_network_and_settings_stay_untouched():
    net, threads, seed = RFDN(num_feat=8, num_block=1).train(), torch.get_num_threads(), torch.random.get_rng_state()
    record = timing(net, (15, 15), "cpu", torch.bfloat16, threads=1, min_run_time_s=0.01)
    assert record.threads == 1
    assert record.device == "CPU, 1 thread"
    assert record.dtype == "bfloat16"
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), seed)
    assert net.training
    assert net.head.weight.dtype == torch.float32
    assert net.head.weight.is_contiguous()


def test_output_that_is_not_finite_is_refused():
    net = RFDN(num_feat=8, num_block=1)
    net.head.weight.data[0, 0, 0, 0] = torch.nan
    with pytest.raises(UserError, match="float32 holds values that are not finite; its weights"):
        timing(net, (15, 15), "cpu")
    with pytest.raises(UserError, match="use float32"):
        timing(net, (15, 15), "cpu", torch.bfloat16)


def test_small_picture_is_refused():
    with pytest.raises(UserError, match="too small"):
        timing(RFDN(num_feat=8), (14, 20), "cpu")


def test_unknown_device_is_refused():
    with pytest.raises(UserError, match="no device called"):
        timing(RFDN(num_feat=8), (15, 15), "toaster")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu():
    record = timing(RFDN(num_feat=8), (32, 32), "cuda", torch.float16, min_run_time_s=0.05)
    assert record.runs >= 20
    assert 0 < record.median_ms < 1_000
    assert record.device == torch.cuda.get_device_name()
