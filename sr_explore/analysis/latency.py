"""How long networks take as the picture grows, measured here and now, within a time limit."""

import time
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from sr_explore.analysis.timing import MIN_RUNS, timing
from sr_explore.devices import pick_device
from sr_explore.errors import UserError
from sr_explore.records import TimingRecord

SIDES = (16, 24, 32, 48, 64, 96, 128, 192, 256)
WARM_UPS = 2


def latency_over_size(
    models: Mapping[str, nn.Module],
    sides: Sequence[int] = SIDES,
    device: str = "auto",
    dtype: torch.dtype = torch.float32,
    *,
    limit_s: float = 20.0,
    min_run_time_s: float = 0.1,
    threads: int | None = None,
) -> dict[str, tuple[TimingRecord, ...]]:
    """Time networks on square pictures, the smallest first; larger ones are left out when time runs short.

    At every size all networks take their turn, so that a machine that slows down slows all of them. A size at which not
    all of them could be measured is not in the result.

    Args:
        models: by name; none is changed.
        sides: of the low-resolution inputs, px.
        device, dtype, min_run_time_s, threads: as for `timing`.
        limit_s: seconds after which no further size is begun, going by how long the size before took.

    Returns:
        By name, one record a size; as many for every network.

    Raises:
        UserError: if there is no network or no size, or a size is too small for a network.
    """
    if not models or not sides:
        raise UserError("latency_over_size needs at least one network and one size")
    where = pick_device(device)
    curves: dict[str, list[TimingRecord]] = {name: [] for name in models}
    begun, former = time.perf_counter(), 0
    for side in sorted(sides):
        spent = time.perf_counter() - begun
        if former and spent + _expected_s(curves, (side / former) ** 2, min_run_time_s) > limit_s:
            break
        for name, model in models.items():
            options = {"min_run_time_s": min_run_time_s, "threads": threads}
            curves[name].append(timing(model, (side, side), where, dtype, **options))
        former = side
    return {name: tuple(records) for name, records in curves.items()}


def _expected_s(curves: Mapping[str, Sequence[TimingRecord]], growth: float, min_run_time_s: float) -> float:
    """How long the next size will take for all networks, if time grows with the number of pixels."""
    passes = [growth * records[-1].median_ms / 1_000 for records in curves.values()]
    return sum(WARM_UPS * seconds + max(min_run_time_s, MIN_RUNS * seconds) for seconds in passes)
