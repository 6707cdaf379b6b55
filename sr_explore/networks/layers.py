"""Building blocks that networks share. Each reads the widths it needs from its own layers, never from stored sizes."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NEGATIVE_SLOPE = 0.05


def conv(in_channels: int, out_channels: int, kernel_size: int, **options) -> nn.Conv2d:
    """A convolution that keeps the picture's size (zero padding), unless `padding` or `stride` says otherwise."""
    options.setdefault("padding", kernel_size // 2)
    return nn.Conv2d(in_channels, out_channels, kernel_size, **options)


def is_padded(layer: nn.Conv2d) -> bool:
    """Whether a convolution's kernel is odd and its zero padding keeps the picture's size (at stride 1)."""
    sizes = zip(layer.kernel_size, layer.padding, layer.dilation, strict=True)
    return not isinstance(layer.padding, str) and all(k % 2 and p == k // 2 and d == 1 for k, p, d in sizes)


def conv_like(layer: nn.Conv2d, kernel_size: int, bias: bool) -> nn.Conv2d:
    """A new convolution with the channels, stride, groups, number format and device of `layer`, weights undefined.

    Raises:
        ValueError: if the kernel size changes but could not keep the picture's size; see `is_padded`.
    """
    padding = layer.padding
    if layer.kernel_size != (kernel_size, kernel_size):
        if not is_padded(layer) or kernel_size % 2 == 0:
            raise ValueError(f"a kernel of {layer.kernel_size} with padding {padding} cannot become {kernel_size}")
        padding = kernel_size // 2
    like = {"device": layer.weight.device, "dtype": layer.weight.dtype}
    widths = (layer.in_channels, layer.out_channels, kernel_size)
    return nn.Conv2d(*widths, stride=layer.stride, padding=padding, groups=layer.groups, bias=bias, **like)  # pyright: ignore


def leaky() -> nn.LeakyReLU:
    """The activation of RFDN and RLFN."""
    return nn.LeakyReLU(NEGATIVE_SLOPE)


class StructuralConv2d(nn.Conv2d):
    """A bias-free 1×1 convolution that only moves channels: a permutation or a selection written as weights.

    It is a type of its own so that its weights are counted apart from the learned ones.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=1, bias=False)


class Concat(nn.Module):
    """Concatenates feature maps along their channels, then puts the channels in `order`.

    Args:
        order: for every output channel, its index in the plain concatenation; None keeps them as they come.
    """

    order: Tensor | None

    def __init__(self, order: Sequence[int] | None = None) -> None:
        super().__init__()
        self.register_buffer("order", None if order is None else torch.as_tensor(order), persistent=False)

    def forward(self, *features: Tensor) -> Tensor:
        joined = features[0] if len(features) == 1 else torch.cat(features, dim=1)
        return joined if self.order is None else joined[:, self.order]

    def extra_repr(self) -> str:
        return "" if self.order is None else f"order of {len(self.order)} channels"


class Select(nn.Module):
    """Takes the channels `indices` of a feature map, in that order."""

    indices: Tensor

    def __init__(self, indices: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("indices", torch.as_tensor(indices), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        return features[:, self.indices]

    def extra_repr(self) -> str:
        return f"{len(self.indices)} channels"


class ConcatConv(nn.Module):
    """A plain concatenation, then a 1×1 convolution that puts the channels in order: a `Concat` a pruner can cut."""

    def __init__(self, mix: nn.Conv2d) -> None:
        super().__init__()
        self.mix = mix

    def forward(self, *features: Tensor) -> Tensor:
        return self.mix(features[0] if len(features) == 1 else torch.cat(features, dim=1))


class ESA(nn.Module):
    """Enhanced spatial attention: a small map, computed at a sixth of the size, scales every feature (RFDN, AIM 2020).

    Takes and gives (N, channels, H, W); H and W at least 15.
    """

    def __init__(self, channels: int, esa_channels: int) -> None:
        super().__init__()
        f = esa_channels
        self.reduce = conv(channels, f, 1)
        self.skip = conv(f, f, 1)
        self.stride = conv(f, f, 3, stride=2, padding=0)
        self.pool = nn.MaxPool2d(kernel_size=7, stride=3)
        self.small1 = conv(f, f, 3)
        self.small2 = conv(f, f, 3)
        self.small3 = conv(f, f, 3)
        self.expand = conv(f, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.reduce(x)
        small = self.pool(self.stride(reduced))
        small = F.relu(self.small1(small))
        small = F.relu(self.small2(small))
        small = F.interpolate(self.small3(small), x.shape[-2:], mode="bilinear", align_corners=False)
        return x * torch.sigmoid(self.expand(small + self.skip(reduced)))


class SlimESA(nn.Module):
    """The attention of RLFN (NTIRE 2022): `ESA` with one convolution on the small map instead of three.

    Takes and gives (N, channels, H, W); H and W at least 15.
    """

    def __init__(self, channels: int, esa_channels: int) -> None:
        super().__init__()
        f = esa_channels
        self.reduce = conv(channels, f, 1)
        self.skip = conv(f, f, 1)
        self.stride = conv(f, f, 3, stride=2, padding=0)
        self.pool = nn.MaxPool2d(kernel_size=7, stride=3)
        self.small = conv(f, f, 3)
        self.expand = conv(f, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.reduce(x)
        small = self.small(self.pool(self.stride(reduced)))
        small = F.interpolate(small, x.shape[-2:], mode="bilinear", align_corners=False)
        return x * torch.sigmoid(self.expand(small + self.skip(reduced)))


class PixelShuffleTail(nn.Module):
    """conv3×3 to 3·scale² channels, then pixel shuffle: features (N, C, H, W) to RGB (N, 3, scale·H, scale·W)."""

    def __init__(self, channels: int, scale: int) -> None:
        super().__init__()
        self.conv = conv(channels, 3 * scale**2, 3)
        self.shuffle = nn.PixelShuffle(scale)

    def forward(self, features: Tensor) -> Tensor:
        return self.shuffle(self.conv(features))
