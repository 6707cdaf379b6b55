"""Times taken in turns, round after round, so that a machine that slows down slows all that are compared.

The clock: on one thread of a processor, the CPU time of that thread, which other programs hardly lengthen; on several
threads, the time that passes; on a GPU, the same, waiting each time until it has finished.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial

import numpy as np
import torch
from torch import nn

from sr_explore.analysis.layer_table import check_size, layer_table
from sr_explore.analysis.timing import dtype_name, noise, ready, with_threads
from sr_explore.devices import device_name, pick_device
from sr_explore.errors import UserError
from sr_explore.records import ConvTime, LayerTime, ProfileRecord, RatioRecord
from sr_explore.surgery import modules_of

MIN_ROUNDS = 3
Times = dict[str, list[float]]


def latency_ratios(
    models: Mapping[str, nn.Module],
    sides: Sequence[int],
    device: str = "auto",
    dtype: torch.dtype = torch.float32,
    *,
    rounds: int = 20,
    limit_s: float = 20.0,
    threads: int | None = 1,
) -> dict[str, tuple[RatioRecord, ...]]:
    """Time networks in turns on square pictures, in a new random order each round; each as a share of the first one.

    Args:
        models: by name; copies run, in eval mode.
        sides: of the low-resolution inputs, px.
        device, dtype: as for `timing`. threads: of the processor; None keeps what torch uses now.
        rounds: a size; fewer where `limit_s` seconds, shared out over the sizes by their pixels, run short, but three.

    Returns:
        By name, one record a size, in order of size.

    Raises:
        UserError: if there is no network or no size, or a size is too small for a network.
    """
    if not models or not sides:
        raise UserError("latency_ratios needs at least one network and one size")
    where, sides = pick_device(device), sorted(sides)
    records: dict[str, list[RatioRecord]] = {name: [] for name in models}
    with torch.inference_mode(), with_threads(threads) as used:
        copies = {name: ready(model, where, dtype) for name, model in models.items()}
        for side in sides:
            for model in models.values():
                check_size(model, (side, side))
            picture = noise(3, (side, side), where, dtype)
            budget = limit_s * side**2 / sum(other**2 for other in sides)
            runs = {name: partial(network, picture) for name, network in copies.items()}
            times = in_turns(runs, where, rounds, budget, used)
            here = (side, side), device_name(where), dtype_name(dtype), used, clock_name(where, used)
            for name, own in times.items():
                records[name].append(_ratio(own, times[next(iter(models))], *here))
    return {name: tuple(own) for name, own in records.items()}


def conv_times(
    channels: Sequence[int],
    kernels: Sequence[int] = (3, 1),
    side: int = 128,
    device: str = "auto",
    *,
    rounds: int = 10,
    limit_s: float = 10.0,
    threads: int | None = 1,
) -> tuple[ConvTime, ...]:
    """Time single padded convolutions, each from n to n channels, in turns; float32, channels last, with bias.

    Args:
        channels: the n's. kernels: sides of their kernels, px. side: of the square feature map, px.
        device, rounds, limit_s, threads: as for `latency_ratios`.

    Returns:
        Kernel by kernel, in the order of `channels`.
    """
    where = pick_device(device)
    keys = [(kernel, count) for kernel in kernels for count in channels]
    with torch.inference_mode(), with_threads(threads) as used:
        runs = {f"{kernel} {count}": _conv_run(kernel, count, side, where) for kernel, count in keys}
        times = in_turns(runs, where, rounds, limit_s, used)
    return tuple(
        ConvTime(
            count, kernel, float(np.median(times[f"{kernel} {count}"])), (kernel * count * side) ** 2, (side, side)
        )
        for kernel, count in keys
    )


def layer_times(
    model: nn.Module, size: tuple[int, int], device: str = "auto", *, rounds: int = 5, threads: int | None = 1
) -> ProfileRecord:
    """Where a network's time goes, convolution by convolution; float32, channels last.

    Args:
        model: a copy runs. size: height and width of the low-resolution input, px.
        rounds: passes, after one to warm up; figures are medians. threads: as for `latency_ratios`.
    """
    table = layer_table(model, size)
    where = pick_device(device)
    network, picture = ready(model, where), noise(3, size, where)
    with torch.inference_mode(), with_threads(threads) as used, ExitStack() as stack:
        clock = _clock(where, used)
        spent = _watched(network, clock, stack)
        wholes = []
        for _ in range(1 + max(rounds, 1)):
            begun = clock()
            network(picture)
            wholes.append(1_000 * (clock() - begun))
    rows = {row.path: row for row in table.rows if row.path in spent}
    layers = tuple(
        LayerTime(path, row.kernel, float(np.median(spent[path][1:])), row.macs) for path, row in rows.items()
    )
    rest = float(np.median(wholes[1:])) - sum(layer.ms for layer in layers)
    return ProfileRecord(layers, max(rest, 0.0), size, device_name(where), used)


def in_turns(
    runs: Mapping[str, Callable[[], object]], where: torch.device, rounds: int, limit_s: float, threads: int
) -> Times:
    """Milliseconds of every run, a list entry a round; two rounds before that are not counted.

    Args:
        rounds: at most; no further one is begun once `limit_s` have passed, but at least three are made.
    """
    order, clock = list(runs), _clock(where, threads)
    for run in [*runs.values()] * 2:
        run()
    shuffle = random.Random(0)
    times: Times = {name: [] for name in runs}
    begun = time.perf_counter()
    for count in range(max(rounds, MIN_ROUNDS)):
        if count >= MIN_ROUNDS and time.perf_counter() - begun > limit_s:
            break
        shuffle.shuffle(order)
        for name in order:
            start = clock()
            runs[name]()
            times[name].append(1_000 * (clock() - start))
    return times


def clock_name(where: torch.device, threads: int) -> str:
    """In words, what `in_turns` reads."""
    if where.type == "cuda":
        return "wall clock, GPU waited for"
    return "CPU time" if threads == 1 else "wall clock"


def _clock(where: torch.device, threads: int) -> Callable[[], float]:
    if where.type == "cuda":
        return _finished
    return time.thread_time if threads == 1 else time.perf_counter


def _finished() -> float:
    torch.cuda.synchronize()
    return time.perf_counter()


def _ratio(own: Sequence[float], first: Sequence[float], *here) -> RatioRecord:
    low, median, high = np.percentile(np.asarray(own) / np.asarray(first), [25, 50, 75])
    size, *rest = here
    return RatioRecord(float(np.median(own)), float(median), float(low), float(high), len(own), size, *rest)


def _conv_run(kernel: int, count: int, side: int, where: torch.device) -> Callable[[], object]:
    layer = ready(nn.Conv2d(count, count, kernel, padding=kernel // 2), where)
    return partial(layer, noise(count, (side, side), where))


def _watched(network: nn.Module, clock: Callable[[], float], stack: ExitStack) -> dict[str, list[float]]:
    """Where the convolutions' times go, a list entry a pass, until the stack closes."""
    spent: dict[str, list[float]] = {}
    begun: dict[str, float] = {}

    def watch(path: str, conv: nn.Module) -> None:
        def before(*_: object) -> None:
            begun[path] = clock()

        def after(*_: object) -> None:
            spent.setdefault(path, []).append(1_000 * (clock() - begun[path]))

        stack.callback(conv.register_forward_pre_hook(before).remove)
        stack.callback(conv.register_forward_hook(after).remove)

    for path, conv in modules_of(network, nn.Conv2d):
        watch(path, conv)
    return spent
