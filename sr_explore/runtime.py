"""The fast way to run a finished network on pictures of any size: device, precision, memory format, padding."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import cast

import psutil
import torch
from torch import Tensor, nn

from sr_explore.devices import pick_device, pick_dtype
from sr_explore.errors import UserError
from sr_explore.latest_only import GaveUp
from sr_explore.networks.registry import Network, scale_of
from sr_explore.surgery import modules_of

FLOATS_PER_WIDEST_CHANNEL = 6
"""Peak memory is about this many copies of the widest layer's output."""


_should_stop: ContextVar[Callable[[], bool] | None] = ContextVar("stopping", default=None)


@contextmanager
def stopping(should_stop: Callable[[], bool]) -> Iterator[None]:
    """Every `Upscaler` that runs inside this block, in this thread, asks before each convolution whether to stop.

    Raises:
        GaveUp: inside the block, as soon as the answer was yes.
    """
    token = _should_stop.set(should_stop)
    try:
        yield
    finally:
        _should_stop.reset(token)


def _give_up(_layer: nn.Module, _inputs: object) -> None:
    should_stop = _should_stop.get()
    if should_stop and should_stop():
        raise GaveUp


class Upscaler:
    """A network ready to run: on a device, in a number format, in channels-last order, gradients off.

    Args:
        model: copied, not changed.
        device: "auto", "cpu", "cuda".
        dtype: "auto" (float32), "fast", "float32", "float16", "bfloat16".

    Attributes:
        scale: output pixels an input pixel and side.
        fell_back: whether the last picture had to be computed again in float32, because it came out not finite.
    """

    def __init__(self, model: nn.Module, device: str = "auto", dtype: str = "auto") -> None:
        self.device = pick_device(device)
        self.dtype = pick_dtype(dtype, self.device)
        self.scale = scale_of(model)
        self.fell_back = False
        self._smallest = cast(Network, model).requires_size
        self._original = model
        self._widest = max(layer.out_channels for _, layer in modules_of(model, nn.Conv2d))
        self._model = self._ready(self.dtype)

    def __call__(self, lr: Tensor) -> Tensor:
        """Upscale float RGB (N, 3, H, W) in [0, 1] to (N, 3, scale·H, scale·W), float32 on the CPU, not clipped.

        Raises:
            UserError: if the picture needs more memory than there is, or the network gives no finite numbers.
        """
        self._check_memory(lr)
        sr = self._forward(self._model, lr)
        self.fell_back = not bool(torch.isfinite(sr).all())
        if self.fell_back:
            sr = self._forward(self._ready(torch.float32), lr)
            if not torch.isfinite(sr).all():
                raise UserError(
                    "the network gives numbers that are not finite for this picture; its weights are damaged"
                )
        return sr

    def _ready(self, dtype: torch.dtype) -> nn.Module:
        model = copy.deepcopy(self._original).eval().requires_grad_(False)
        for _, layer in modules_of(model, nn.Conv2d):
            layer.register_forward_pre_hook(_give_up)
        return model.to(self.device, dtype).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def _forward(self, model: nn.Module, lr: Tensor) -> Tensor:
        height, width = lr.shape[-2:]
        like = next(model.parameters())
        padded = pad_to(lr, self._smallest).to(like).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            sr = model(padded)
        return sr[..., : height * self.scale, : width * self.scale].float().cpu().contiguous()

    def _check_memory(self, lr: Tensor) -> None:
        pixels = lr.shape[0] * lr.shape[-1] * lr.shape[-2]
        width = self._widest * FLOATS_PER_WIDEST_CHANNEL + 6 * self.scale**2
        needed = pixels * width * torch.empty((), dtype=self.dtype).element_size()
        free = free_memory(self.device)
        if needed > free:
            largest = int(free / needed * pixels / 1e4) / 100
            raise UserError(
                f"this picture of {lr.shape[-1]}×{lr.shape[-2]} px needs about {needed / 1e9:.1f} GB,"
                f" but {free / 1e9:.1f} GB are free; give one of at most {largest:.2f} megapixels"
            )


def pad_to(lr: Tensor, side: int) -> Tensor:
    """Extend a picture (N, C, H, W) to at least `side` px a side, mirrored at the right and bottom, edge pixel
    repeated.

    Mirroring with the edge repeated works from one pixel on, which reflection does not.
    """
    height, width = lr.shape[-2:]
    if height >= side and width >= side:
        return lr
    rows = _mirrored(height, max(height, side), lr.device)
    return lr[..., rows, :][..., _mirrored(width, max(width, side), lr.device)]


def padded_size(model: nn.Module, size: tuple[int, int]) -> tuple[int, int]:
    """The (height, width) at which an `Upscaler` really runs a picture of some size: small ones are extended."""
    smallest = cast(Network, model).requires_size
    return max(size[0], smallest), max(size[1], smallest)


def free_memory(device: torch.device) -> int:
    """Bytes that can still be used on a device."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


def _mirrored(length: int, wanted: int, device: torch.device) -> Tensor:
    places = torch.arange(wanted, device=device) % (2 * length)
    return torch.where(places < length, places, 2 * length - 1 - places)
