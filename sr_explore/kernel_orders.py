"""In which order a network's kernels can become 1×1: found as far as somebody asks, or shipped with the network."""

import heapq
import json
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import nn

from sr_explore import guests, zoo
from sr_explore.analysis import layer_table
from sr_explore.calibration import shipped_example
from sr_explore.latest_only import GaveUp
from sr_explore.pipeline import DEFAULT_SIZE
from sr_explore.recent import Recent
from sr_explore.stages import (
    Calibration,
    ConcatToConv,
    Example,
    Fold,
    PruneKernels,
    Reconstruct,
    apply_stages,
    wide_kernels,
)
from sr_explore.stages.concat_to_conv import index_layers
from sr_explore.state_files import sha256_of

ORDERS = Path(zoo.__file__).parent / "kernel_orders.json"
LEAST_SAVED = 0.01
"""Share of the multiply-adds that a 1×1 kernel must save to be offered: the attention's small maps save nothing."""
PATCHES = 12
"""To rank channels and refit layers by while somebody waits: half of the shipped ones, for 0.03 dB at most."""
FITTED = 4
POSITIONS = 8000
"""While somebody waits: patches to refit a network on, and places a layer is fitted to. The other patches judge it."""


def prepared(network: str) -> nn.Module:
    """A network as it is pruned: as in the ladders, permutations first go into their neighbours.

    Raises:
        UserError: as `guests.load`.
    """
    loaded = guests.load(network)
    trace = Example(torch.zeros(1, 3, 24, 24))
    return apply_stages(loaded, (ConcatToConv(), Fold()), trace) if index_layers(loaded) else loaded


def spare_candidates(model: nn.Module) -> tuple[str, ...]:
    """The convolutions that are worth making 1×1, by path, in the order of the network."""
    table = layer_table(model, DEFAULT_SIZE)
    wide = wide_kernels(model)
    saved = {row.path: row.macs * (1 - 1 / (row.kernel[0] * row.kernel[1])) for row in table.rows}
    return tuple(path for path in wide if saved[path] >= LEAST_SAVED * table.macs)


class SpareKernels:
    """The kernels of one network, in the order in which they can be spared. Any thread may ask.

    Each step takes the layer that moves the refitted network's pictures least, the earlier ones gone. Figures of layers
    measured alone mislead, as two layers of a block stand in for each other (docs/rlfn.md); but what a layer matters
    hardly falls when others go, so only the foremost are measured again (Minoux's lazy greedy search, 1978).

    Args:
        model: only looked at.
        example: with calibration patches, the first `fitted` of which the layers are refitted on.
        known: the order, where it is known; then nothing is measured.

    Attributes:
        candidates: all that can be asked for, by path, in the order of the network.
    """

    def __init__(
        self,
        model: nn.Module,
        example: Example,
        known: tuple[str, ...] = (),
        fitted: int = FITTED,
        positions: int = POSITIONS,
    ) -> None:
        self.candidates = spare_candidates(model)
        self._model, self._example, self._reconstruct = model, example, Reconstruct(positions=positions)
        self._fitted, self._lock = fitted, threading.Lock()
        self._chosen = list(known) if set(known) == set(self.candidates) else []
        self._waiting: list[tuple[float, int, str]] = []
        """A heap of squared error, how many were gone when it was measured, path."""

    def first(
        self,
        count: int,
        on_progress: Callable[[str], None] = lambda text: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> tuple[str, ...]:
        """The first so many of the order, in that order.

        Args:
            count: 0 to the number of candidates.
            on_progress: told in a few words how far the search is; not at all where the order is known.
            should_stop: asked before every measurement, which takes about a second. What was measured is kept.

        Raises:
            GaveUp: if `should_stop` said so.
        """
        with self._lock:
            while len(self._chosen) < count:
                self._choose(on_progress, should_stop)
            return tuple(self._chosen[:count])

    def _choose(self, tell: Callable[[str], None], should_stop: Callable[[], bool]) -> None:
        seen = {path for _, _, path in self._waiting}
        fresh = [path for path in self.candidates if path not in seen and path not in self._chosen]
        for path in fresh:
            self._measure(path, tell, should_stop)
        while self._waiting[0][1] < len(self._chosen):
            self._measure(self._waiting[0][2], tell, should_stop)
        self._chosen.append(heapq.heappop(self._waiting)[2])

    def _measure(self, path: str, tell: Callable[[str], None], should_stop: Callable[[], bool]) -> None:
        if should_stop():
            raise GaveUp
        tell(f"trying which kernels can be spared, once for this network: {path}, {len(self._chosen)} gone before")
        item = (self._error([*self._chosen, path]), len(self._chosen), path)
        self._waiting = [old for old in self._waiting if old[2] != path]
        heapq.heapify(self._waiting)
        heapq.heappush(self._waiting, item)

    @torch.no_grad()
    def _error(self, paths: list[str]) -> float:
        assert self._example.calibration is not None
        lr = self._example.calibration.lr.to(next(self._model.parameters()))
        fitting = replace(self._example, calibration=Calibration(lr[: self._fitted]))
        cut = PruneKernels("+".join(paths))(self._model, fitting)
        refitted = self._reconstruct(cut.model, fitting.after(self._model, cut.report)).model
        judging = lr[self._fitted :] if len(lr) > self._fitted else lr
        return sum(float((refitted(one) - self._model(one)).square().sum()) for one in judging.split(2))


MOST_ORDERS = 8
_orders: Recent[str, SpareKernels] = Recent(MOST_ORDERS)
_orders_lock = threading.Lock()


def shared_order(network: str, model: nn.Module, example: Example) -> SpareKernels:
    """One search for all who ask about the same network, begun with what is shipped of it.

    Args:
        network: a shipped name, a file, or a guest's name; `model` is that network, ready to be pruned.
    """
    with _orders_lock:
        found = _orders.get(network)
        if found is None:
            found = SpareKernels(model, example, shipped_order(network))
            _orders.put(network, found)
    return found


def shipped_order(network: str) -> tuple[str, ...]:
    """The order that is shipped for a network; () where there is none, or where its weights have changed since."""
    found = _shipped().get(network)
    return tuple(found["order"]) if found and found["sha256"] == _weights_hash(network) else ()


@lru_cache(maxsize=1)
def _shipped() -> dict[str, dict]:
    return json.loads(ORDERS.read_text("utf-8")) if ORDERS.exists() else {}


@lru_cache(maxsize=16)
def _weights_hash(network: str) -> str:
    return sha256_of(zoo.file_of(network))


def write_orders(networks: Sequence[str]) -> None:
    """Search the orders of shipped networks, which takes a minute or more each, and put them beside the weights."""
    found = dict(_shipped())
    for network in networks:
        spare = SpareKernels(prepared(network), shipped_example(4, PATCHES))
        order = spare.first(len(spare.candidates), print)
        found[network] = {"sha256": _weights_hash(network), "order": list(order)}
        ORDERS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    write_orders(sys.argv[1:])
