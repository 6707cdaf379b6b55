"""A session for dragging: one network, one photo, many pruning requests; what they share is computed once."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

import numpy as np
import torch
from torch import nn

from sr_explore import zoo
from sr_explore.analysis import layer_table, psnr_y
from sr_explore.calibration import shipped_example
from sr_explore.devices import pick_device
from sr_explore.errors import UserError
from sr_explore.images import Photo, to_rgb, to_tensor
from sr_explore.kernel_orders import PATCHES, SpareKernels, prepared, shared_order, spare_candidates
from sr_explore.latest_only import GaveUp
from sr_explore.networks.registry import scale_of
from sr_explore.networks.rlfn import RLFN
from sr_explore.pruning_requests import PruningAnswer, PruningRequest
from sr_explore.recent import Recent
from sr_explore.records import LayerTable, StageReport
from sr_explore.resize import crop_to_multiple, degrade, to_uint8
from sr_explore.runtime import Upscaler, padded_size
from sr_explore.stages import (
    Example,
    Polish,
    PolishProgress,
    PruneBiases,
    PruneChannels,
    PruneKernels,
    Reconstruct,
    Stage,
    StageResult,
    loss_gradients,
    polishing,
)
from sr_explore.stages.prune_kernels import STARTS
from sr_explore.zoo.ladders import nearest_rung

_Named = tuple[str, nn.Module, StageReport | None]

MOST_ANSWERS = 48
MOST_NETWORKS = 8
QUICK_MS = 500.0
PICTURE_EVERY_S = 1.5
TOLD = {PruneKernels: "making kernels 1×1", PruneBiases: "dropping biases", Reconstruct: "refitting layers"}


@dataclass(frozen=True)
class Polished:
    """A polished network, and its answer."""

    answer: PruningAnswer
    model: nn.Module


class PruningSession:
    """One network and one photo, for many requests in a row. Any thread may ask; one is served at a time.

    Args:
        network: a shipped name, a file, or a guest's name.
        photo: to upscale.
        is_reference: the photo is the reference: it is made small first, and every answer is measured against it.
        device, dtype: as in `Upscaler`.

    Attributes:
        network: its name.
        scale: output pixels an input pixel and side.
        size: (height, width) of the low-resolution picture, px.
        kernels: the layers whose kernel can become 1×1, by path.
        is_rlfn: the network is an RLFN.

    Raises:
        UserError: if there is no such network.
    """

    def __init__(
        self, network: str, photo: Photo, is_reference: bool = False, device: str = "auto", dtype: str = "auto"
    ) -> None:
        self.network, self._device, self._dtype = network, device, dtype
        ready = prepared(network)
        self.scale = scale_of(ready)
        hr = crop_to_multiple(photo.rgb, self.scale) if is_reference else None
        self._hr = None if hr is None else to_tensor(hr)
        self._lr = to_tensor(photo.rgb if hr is None else degrade(hr, self.scale))
        self.size = cast(tuple[int, int], tuple(self._lr.shape[-2:]))
        self._model = ready.to(pick_device(device))
        self.kernels, self.is_rlfn = spare_candidates(self._model), isinstance(self._model, RLFN)
        self._answers: Recent[PruningRequest, PruningAnswer] = Recent(MOST_ANSWERS)
        self._pruned: Recent[PruneChannels, StageResult] = Recent(MOST_NETWORKS)
        self._networks: Recent[PruningRequest, _Named] = Recent(MOST_NETWORKS)
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
        return found if request == key else replace(found, request=request)

    def polish(
        self,
        request: PruningRequest,
        seconds: float,
        on_progress: Callable[[PolishProgress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> PruningAnswer:
        """Train the network of a request for seconds towards what the unpruned one gives. Not kept.

        Args:
            on_progress, should_stop: as in `polishing`.

        Raises:
            UserError: as `answer`, or if nothing is pruned.
        """
        return self.polish_network(request, seconds, on_progress, should_stop).answer

    def polish_network(
        self,
        request: PruningRequest,
        seconds: float,
        on_progress: Callable[[PolishProgress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
        on_picture: Callable[[PruningAnswer], None] | None = None,
    ) -> Polished:
        """Like `polish`, and the network itself is handed over, too. Other requests are served meanwhile.

        Args:
            on_picture: gets the answer of the network as it is on the way, at most every `PICTURE_EVERY_S` seconds, as
                long as it gets better.
        """
        key = _plain(request)
        with self._lock:
            name, model, report = self._network(key, lambda text: None, lambda: False)
        if model is self._model or not (key.cuts or key.trained):
            raise UserError(
                "nothing is pruned yet, so there is nothing to polish; cut channels, kernels or biases first"
            )

        def answer(network: nn.Module) -> PruningAnswer:
            return replace(self._answer(key, name, network, report), request=request, polished=True)

        pictures = _Pictures()

        def told(progress: PolishProgress) -> None:
            if on_progress:
                on_progress(progress)
            if on_picture and pictures.is_due(progress):
                on_picture(answer(progress.network()))

        with polishing(told, should_stop):
            example = replace(shipped_example(self.scale), unpruned=self._model)
            trained = Polish(seconds=seconds)(model, example).model
        return Polished(answer(trained), trained)

    def network_of(self, request: PruningRequest) -> nn.Module:
        """The network of a request, as it was for its answer; not to be changed."""
        with self._lock:
            return self._network(_plain(request), lambda text: None, lambda: False)[1]

    def prepare(self, on_progress: Callable[[str], None] | None = None) -> None:
        """Do beforehand what all requests share, so that the first drag does not wait for it."""
        self.answer(PruningRequest(), on_progress)

    def _compute(self, request: PruningRequest, tell: Callable[[str], None], stop: Callable[[], bool]) -> PruningAnswer:
        name, model, report = self._network(request, tell, stop)
        tell("upscaling")
        return self._answer(request, name, model, report)

    def _answer(
        self, request: PruningRequest, name: str, model: nn.Module, report: StageReport | None
    ) -> PruningAnswer:
        picture, milliseconds = self._upscale(model)
        psnr = None if self._hr is None else psnr_y(picture, self._hr, self.scale)
        pixels = to_uint8(to_rgb(picture))
        return PruningAnswer(request, name, pixels, self._before, self._table(model), report, milliseconds, psnr)

    def _network(self, request: PruningRequest, tell: Callable[[str], None], stop: Callable[[], bool]) -> _Named:
        found = self._networks.get(request)
        if found is None:
            found = self._make_network(request, tell, stop)
            self._networks.put(request, found)
        return found

    def _make_network(self, request: PruningRequest, tell: Callable[[str], None], stop: Callable[[], bool]) -> _Named:
        if request.trained:
            name = nearest_rung(self.network, request.ratio).name
            return name, self._model if name == self.network else zoo.load(name), None
        pruned = self._prune(self._first_stage(request), tell)
        model, example = pruned.model, self._example.after(self._model, pruned.report)
        for stage in self._later_stages(request, tell, stop):
            if stop():
                raise GaveUp
            tell(TOLD[type(stage)])
            result = stage(model, example)
            model, example = result.model, example.after(model, result.report)
        return self.network, model, pruned.report

    def _first_stage(self, request: PruningRequest) -> PruneChannels:
        """Channels go first: they are ranked by gradients of the whole network, which all requests share.

        Whatever cannot be done is said here, before any work.
        """
        stage = PruneChannels(
            request.ratio, request.importance, scope=request.scope, largest_first=request.largest_first
        )
        stage.requires(self._model, self._example)
        self._check_kernels(request)
        return stage

    def _later_stages(
        self, request: PruningRequest, tell: Callable[[str], None], stop: Callable[[], bool]
    ) -> Iterator[Stage]:
        if request.kernels:
            yield PruneKernels("+".join(self._order.first(request.kernels, tell, stop)), start=request.start)
        if request.drop_biases:
            yield PruneBiases()
        if request.reconstruct and request.cuts:
            yield Reconstruct()

    def _check_kernels(self, request: PruningRequest) -> None:
        most = len(self.kernels)
        if not most and request.kernels:
            raise UserError("this network has no kernels left that could become 1×1; set them to 0")
        if not 0 <= request.kernels <= most:
            raise UserError(f"kernels is {request.kernels}; give 0 to {most}, as many as can become 1×1 here")
        if request.start not in STARTS:
            raise UserError(f"start is {request.start!r}; use one of {', '.join(STARTS)}")
        if request.drop_biases and not PruneBiases().dropped(self._model):
            raise UserError("this network has no biases left to drop; leave them as they are")

    def _prune(self, stage: PruneChannels, tell: Callable[[str], None]) -> StageResult:
        found = self._pruned.get(stage)
        if found is None:
            example = self._example
            if stage.importance == "taylor":
                tell("asking every weight what it is worth")
                example = replace(example, gradients=self._gradients)
            tell("choosing channels")
            found = stage(self._model, example)
            self._pruned.put(stage, found)
        return found

    def _upscale(self, model: nn.Module) -> tuple[torch.Tensor, float]:
        run = Upscaler(model, self._device, self._dtype)
        picture, milliseconds = _timed(run, self._lr)
        # The first run of new widths sets up its kernels, which says nothing of the network.
        if milliseconds < QUICK_MS:
            milliseconds = min(milliseconds, _timed(run, self._lr)[1])
        return picture, milliseconds

    def _table(self, model: nn.Module) -> LayerTable:
        return layer_table(model, padded_size(model, self.size))

    @cached_property
    def _before(self) -> LayerTable:
        return self._table(self._model)

    @cached_property
    def _example(self) -> Example:
        return shipped_example(self.scale, PATCHES)

    @cached_property
    def _order(self) -> SpareKernels:
        return shared_order(self.network, self._model, self._example)

    @cached_property
    def _gradients(self) -> dict[str, torch.Tensor]:
        assert self._example.calibration is not None
        return loss_gradients(self._model, self._example.calibration)


class _Pictures:
    """When a polish is to show a picture on the way: only of a network that got better, and not too often."""

    def __init__(self) -> None:
        self._best, self._shown = -float("inf"), 0.0

    def is_due(self, progress: PolishProgress) -> bool:
        better = progress.psnr_db > self._best
        self._best = max(self._best, progress.psnr_db)
        due = better and progress.step > 0 and progress.seconds - self._shown >= PICTURE_EVERY_S
        if due:
            self._shown = progress.seconds
        return due


def _plain(request: PruningRequest) -> PruningRequest:
    """Requests that have the same answer as one."""
    ratio = round(request.ratio, 2)
    if request.trained:
        return PruningRequest(ratio, trained=True)
    return replace(request, ratio=ratio, start=request.start if request.kernels else PruningRequest.start)


def _timed(run: Upscaler, lr: torch.Tensor) -> tuple[torch.Tensor, float]:
    started = time.perf_counter()
    picture = run(lr)
    return picture, (time.perf_counter() - started) * 1000


MIDDLE_PX = {"cpu": 256, "cuda": 1024}
"""Side of the low-resolution part of a photo that is pruned on, by device: an answer should come while one watches."""
MOST_SESSIONS = 6
_sessions: Recent[tuple, PruningSession] = Recent(MOST_SESSIONS)
_sessions_lock = threading.Lock()


def shared_session(
    network: str, photo: Photo, is_reference: bool = False, device: str = "auto", dtype: str = "auto"
) -> PruningSession:
    """A session for whoever asks with the same network and photo; the ones asked last are kept.

    Raises:
        UserError: as `PruningSession`.
    """
    pixels = hashlib.sha256(photo.rgb.tobytes()).hexdigest()
    key = (network, pixels, photo.rgb.shape, is_reference, device, dtype)
    with _sessions_lock:
        found = _sessions.get(key)
        if found is None:
            found = PruningSession(network, photo, is_reference, device, dtype)
            _sessions.put(key, found)
    return found


def middle(photo: Photo, is_reference: bool, device: str = "auto", scale: int = 4) -> Photo:
    """The middle of a photo that is too large to be pruned on while one watches; the whole of any other."""
    side = MIDDLE_PX[pick_device(device).type] * (scale if is_reference else 1)
    top, left = (max(length - side, 0) // 2 // scale * scale for length in photo.rgb.shape[:2])
    part = np.ascontiguousarray(photo.rgb[top : top + side, left : left + side])
    return replace(photo, rgb=part, alpha=None)
