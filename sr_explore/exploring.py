"""A session for dragging: one network, one photo, many pruning requests; what they share is computed once."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Generic, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sr_explore import zoo
from sr_explore.analysis import layer_table, psnr_y
from sr_explore.calibration import shipped_example
from sr_explore.devices import pick_device
from sr_explore.images import Photo, to_rgb, to_tensor
from sr_explore.latest_only import GaveUp
from sr_explore.networks.registry import Network, scale_of
from sr_explore.records import LayerTable, StageReport
from sr_explore.resize import crop_to_multiple, degrade
from sr_explore.runtime import Upscaler
from sr_explore.stages import ConcatToConv, Example, Fold, PruneChannels, Reconstruct, apply_stages, loss_gradients
from sr_explore.stages.concat_to_conv import index_layers
from sr_explore.zoo.ladders import nearest_rung

K = TypeVar("K")
V = TypeVar("V")

MOST_ANSWERS = 48
MOST_NETWORKS = 8
QUICK_MS = 500.0


@dataclass(frozen=True)
class PruningRequest:
    """What the sliders say.

    Attributes:
        ratio: share of channels to remove, 0 to 0.9; steps of 0.01.
        importance, scope: as in `PruneChannels`.
        reconstruct: refit what is left by least squares.
        trained: the shipped trained network nearest to the ratio instead; the other fields do not matter then.
    """

    ratio: float = 0.5
    importance: str = "taylor"
    scope: str = "local"
    reconstruct: bool = False
    trained: bool = False


@dataclass(frozen=True)
class PruningAnswer:
    """What came of a request.

    Attributes:
        name: of the network: the session's, or a trained one's.
        picture: (scale·H, scale·W, 3), 8 bits.
        before, after: every layer of the unpruned network and of this one, for the photo's size.
        report: of the pruning, to line layers up; None for a trained network.
        milliseconds: to upscale the photo; the faster of two runs, where a run is quick.
        psnr_y: against the reference, dB; None without one. No SSIM here: it takes longer than all the rest.
    """

    request: PruningRequest
    name: str
    picture: NDArray[np.uint8]
    before: LayerTable
    after: LayerTable
    report: StageReport | None
    milliseconds: float
    psnr_y: float | None

    @property
    def achieved_ratio(self) -> float:
        """Share of the output channels of all convolutions that is gone, 0 to 1; structural ones not counted."""
        return 1 - _channels(self.after) / _channels(self.before)

    @property
    def params(self) -> int:
        """Parameters of this network."""
        return self.after.params

    @property
    def macs(self) -> int:
        """Multiply-adds of this network for the photo."""
        return self.after.macs


class PruningSession:
    """One network and one photo, for many requests in a row. Any thread may ask; one is served at a time.

    Args:
        network: a shipped name, or a file.
        photo: to upscale.
        is_reference: the photo is the reference: it is made small first, and every answer is measured against it.
        device, dtype: as in `Upscaler`.

    Attributes:
        network: its name.
        scale: output pixels an input pixel and side.
        size: (height, width) of the low-resolution picture, px.

    Raises:
        UserError: if there is no such network.
    """

    def __init__(
        self, network: str, photo: Photo, is_reference: bool = False, device: str = "auto", dtype: str = "auto"
    ) -> None:
        self.network, self._device, self._dtype = network, device, dtype
        loaded = zoo.load(network)
        self.scale = scale_of(loaded)
        hr = crop_to_multiple(photo.rgb, self.scale) if is_reference else None
        self._hr = None if hr is None else to_tensor(hr)
        self._lr = to_tensor(photo.rgb if hr is None else degrade(hr, self.scale))
        self.size = cast(tuple[int, int], tuple(self._lr.shape[-2:]))
        # As the ladders do it: a merged network's permutations go into their neighbours before anything is cut.
        trace = Example(torch.zeros(1, 3, 24, 24))
        ready = apply_stages(loaded, (ConcatToConv(), Fold()), trace) if index_layers(loaded) else loaded
        self._model = ready.to(pick_device(device))
        self._answers: _Recent[PruningRequest, PruningAnswer] = _Recent(MOST_ANSWERS)
        self._pruned: _Recent[PruneChannels, tuple[nn.Module, StageReport]] = _Recent(MOST_NETWORKS)
        self._lock = threading.Lock()

    def answer(
        self,
        request: PruningRequest,
        on_progress: Callable[[str], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> PruningAnswer:
        """Prune, refit where asked, upscale, measure; at once for what was asked lately.

        Args:
            on_progress: told in a few words what is being done.
            should_stop: asked before something long.

        Raises:
            UserError: if a field of the request cannot be used, or no trained networks are shipped for this one.
            GaveUp: if `should_stop` said so.
        """
        tell, stop = on_progress or (lambda text: None), should_stop or (lambda: False)
        with self._lock:
            key = _plain(request)
            found = self._answers.get(key)
            if found is None:
                found = self._compute(key, tell, stop)
                self._answers.put(key, found)
        return replace(found, request=request)

    def prepare(self, on_progress: Callable[[str], None] | None = None) -> None:
        """Do beforehand what all requests share, so that the first drag does not wait for it."""
        self.answer(PruningRequest(), on_progress)

    def _compute(self, request: PruningRequest, tell: Callable[[str], None], stop: Callable[[], bool]) -> PruningAnswer:
        name, model, report = self._network(request, tell, stop)
        tell("upscaling")
        picture, milliseconds = self._upscale(model)
        psnr = None if self._hr is None else psnr_y(picture, self._hr, self.scale)
        pixels = np.round(to_rgb(picture) * 255).astype(np.uint8)
        return PruningAnswer(request, name, pixels, self._before, self._table(model), report, milliseconds, psnr)

    def _network(
        self, request: PruningRequest, tell: Callable[[str], None], stop: Callable[[], bool]
    ) -> tuple[str, nn.Module, StageReport | None]:
        if request.trained:
            name = nearest_rung(self.network, request.ratio).name
            return name, self._model if name == self.network else zoo.load(name), None
        model, report = self._prune(request, tell)
        if request.reconstruct and request.ratio:
            model = self._reconstruct(model, report, tell, stop)
        return self.network, model, report

    def _prune(self, request: PruningRequest, tell: Callable[[str], None]) -> tuple[nn.Module, StageReport]:
        stage = PruneChannels(request.ratio, request.importance, scope=request.scope)
        found = self._pruned.get(stage)
        if found is None:
            example = self._example
            stage.requires(self._model, example)
            if request.importance == "taylor":
                tell("asking every weight what it is worth")
                example = replace(example, gradients=self._gradients)
            tell("choosing channels")
            result = stage(self._model, example)
            found = result.model, result.report
            self._pruned.put(stage, found)
        return found

    def _reconstruct(
        self, model: nn.Module, report: StageReport, tell: Callable[[str], None], stop: Callable[[], bool]
    ) -> nn.Module:
        if stop():
            raise GaveUp
        tell("refitting layers")
        return Reconstruct()(model, self._example.after(self._model, report)).model

    def _upscale(self, model: nn.Module) -> tuple[torch.Tensor, float]:
        run = Upscaler(model, self._device, self._dtype)
        picture, milliseconds = _timed(run, self._lr)
        if (
            milliseconds < QUICK_MS
        ):  # the first run of new widths sets up its kernels, which says nothing of the network
            milliseconds = min(milliseconds, _timed(run, self._lr)[1])
        return picture, milliseconds

    def _table(self, model: nn.Module) -> LayerTable:
        smallest = cast(Network, model).requires_size
        return layer_table(model, (max(self.size[0], smallest), max(self.size[1], smallest)))

    @cached_property
    def _before(self) -> LayerTable:
        return self._table(self._model)

    @cached_property
    def _example(self) -> Example:
        return shipped_example(self.scale)

    @cached_property
    def _gradients(self) -> dict[str, torch.Tensor]:
        assert self._example.calibration is not None
        return loss_gradients(self._model, self._example.calibration)


class _Recent(Generic[K, V]):
    """The values used last, at most `most` of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        if key in self._values:
            self._values.move_to_end(key)
        return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        self._values[key] = value
        self._values.move_to_end(key)
        while len(self._values) > self._most:
            self._values.popitem(last=False)


def _plain(request: PruningRequest) -> PruningRequest:
    """Requests that have the same answer as one."""
    ratio = round(request.ratio, 2)
    return PruningRequest(ratio, trained=True) if request.trained else replace(request, ratio=ratio)


def _channels(table: LayerTable) -> int:
    return sum(row.out_channels for row in table.rows if not row.structural)


def _timed(run: Upscaler, lr: torch.Tensor) -> tuple[torch.Tensor, float]:
    started = time.perf_counter()
    picture = run(lr)
    return picture, (time.perf_counter() - started) * 1000
