"""How long a network takes for one picture, with the spread, and what that was measured on."""

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.benchmark import Timer

from sr_explore.analysis.layer_table import check_size
from sr_explore.devices import device_name, pick_device
from sr_explore.errors import UserError
from sr_explore.records import TimingRecord

MIN_RUNS = 3
MIN_GPU_RUNS = 20


def timing(
    model: nn.Module,
    size: tuple[int, int],
    device: torch.device | str = "auto",
    dtype: torch.dtype = torch.float32,
    *,
    channels_last: bool = True,
    min_run_time_s: float = 1.0,
    threads: int | None = None,
) -> TimingRecord:
    """Time a network on one random picture: median and interquartile range over many runs, after a warm-up.

    A copy runs, in eval mode and without gradients. The picture is noise in [0, 1]: a black one can be faster than any
    real one.

    Args:
        model: (1, 3, H, W) to a picture; it is not changed.
        size: height and width of the low-resolution input in px, at least the network's `requires_size`.
        device: "auto" takes the GPU if there is one.
        dtype: number format of weights and picture.
        channels_last: lay pixels out channel by channel, which most processors like better.
        min_run_time_s: how long to repeat, seconds; longer where that makes fewer than 3 runs (20 on a GPU).
        threads: of the processor; None keeps what torch uses now. The former number is back afterwards.

    Returns:
        Milliseconds a picture. `runs` is the number of timed repetitions; on a processor a very fast network's
        repetition is the mean of several passes.

    Raises:
        UserError: if the size is too small, the device is not there, or the output is not finite.

    Source: `torch.utils.benchmark` on a processor, CUDA events on a GPU.
    """
    check_size(model, size)
    where = pick_device(str(device))
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network, picture = ready(model, where, dtype, layout), noise(3, size, where, dtype, layout)
    with torch.inference_mode(), with_threads(threads) as used:
        expected_s = _warm_up(network, picture)
        measure = _cuda_times if where.type == "cuda" else _cpu_times
        times_ms = measure(lambda: network(picture), max(min_run_time_s, MIN_RUNS * expected_s))
        name = device_name(where)
    low, median, high = np.percentile(times_ms, [25, 50, 75])
    return TimingRecord(float(median), float(high - low), len(times_ms), size, name, dtype_name(dtype), used)


def ready(
    model: nn.Module,
    where: torch.device,
    dtype: torch.dtype = torch.float32,
    layout: torch.memory_format = torch.channels_last,
) -> nn.Module:
    """A copy to time, in eval mode, laid out as told."""
    return copy.deepcopy(model).to(device=where, dtype=dtype, memory_format=layout).eval()  # pyright: ignore


def noise(
    channels: int,
    size: tuple[int, int],
    where: torch.device,
    dtype: torch.dtype = torch.float32,
    layout: torch.memory_format = torch.channels_last,
) -> Tensor:
    """A picture (1, channels, H, W) of noise in [0, 1], the same every time."""
    picture = torch.rand(1, channels, *size, generator=torch.Generator().manual_seed(0))
    return picture.to(device=where, dtype=dtype, memory_format=layout)


@contextmanager
def with_threads(count: int | None) -> Iterator[int]:
    """While the block runs, torch uses so many threads of the processor; None keeps what it uses now."""
    former = torch.get_num_threads()
    torch.set_num_threads(count or former)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(former)


def _warm_up(network: nn.Module, picture: Tensor) -> float:
    """Two passes: the first one sets things up, the second says how long a pass takes, in seconds."""
    network(picture)
    start = time.perf_counter()
    # Looking at the output also waits for a GPU to finish.
    if not bool(network(picture).isfinite().all()):
        name = dtype_name(picture.dtype)
        advice = "its weights are damaged" if picture.dtype == torch.float32 else "use float32"
        raise UserError(f"the network's output in {name} holds values that are not finite; {advice}")
    return time.perf_counter() - start


def _cpu_times(run: Callable[[], Tensor], min_run_time_s: float) -> list[float]:
    timer = Timer("run()", globals={"run": run}, num_threads=torch.get_num_threads())
    return [1_000 * seconds for seconds in timer.blocked_autorange(min_run_time=min_run_time_s).times]


def _cuda_times(run: Callable[[], Tensor], min_run_time_s: float) -> list[float]:
    times_ms: list[float] = []
    while len(times_ms) < MIN_GPU_RUNS or sum(times_ms) < 1_000 * min_run_time_s:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        end.synchronize()
        times_ms.append(start.elapsed_time(end))
    return times_ms


def dtype_name(dtype: torch.dtype) -> str:
    """As in records and on the command line, without torch before it."""
    return str(dtype).removeprefix("torch.")
