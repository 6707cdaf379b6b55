"""Pure functions on convolution weights. Kernels are (out, in, kh, kw); every function returns new tensors.

The stages rest on these identities; each holds for every input, borders with zero padding included, unless said
otherwise.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def block_diagonal(kernels: Sequence[Tensor]) -> Tensor:
    """Put convolution kernels on the diagonal of one wide kernel (PRFDN, NTIRE 2023).

    Conv([x_1 … x_n], diag(K_1 … K_n)) = [Conv(x_1, K_1) … Conv(x_n, K_n)]

    Args:
        kernels: n kernels, each (out_i, in_i, kh, kw), of one spatial size, dtype and device.

    Returns:
        A new kernel (sum of out_i, sum of in_i, kh, kw), zero off the diagonal.

    Raises:
        ValueError: if the spatial sizes differ; the message gives them.
    """
    _same_spatial_size(kernels)
    outs, ins = [k.shape[0] for k in kernels], [k.shape[1] for k in kernels]
    wide = kernels[0].new_zeros(sum(outs), sum(ins), *kernels[0].shape[2:])
    row = column = 0
    for kernel, out_channels, in_channels in zip(kernels, outs, ins, strict=True):
        wide[row : row + out_channels, column : column + in_channels] = kernel
        row, column = row + out_channels, column + in_channels
    return wide


def stack_outputs(kernels: Sequence[Tensor]) -> Tensor:
    """Put kernels that share their input, or that are the groups of one grouped convolution, above each other.

    Conv(x, [K_1; …; K_n]) = [Conv(x, K_1) … Conv(x, K_n)]

    Args:
        kernels: n kernels (out_i, in, kh, kw), of one spatial size and number of inputs.

    Returns:
        A new kernel (sum of out_i, in, kh, kw).

    Raises:
        ValueError: if the spatial sizes or the numbers of inputs differ.
    """
    _same_spatial_size(kernels)
    if len({kernel.shape[1] for kernel in kernels}) > 1:
        raise ValueError(f"kernels to stack take {[kernel.shape[1] for kernel in kernels]} inputs; they must be equal")
    return torch.cat(list(kernels), dim=0)


def interleaved_order(widths: Sequence[Sequence[int]]) -> list[int]:
    """The order that sorts a concatenation of merged feature maps by branch.

    Merged maps hold all branches side by side, so their concatenation runs map by map: [f1_b1 f1_b2 … f2_b1 f2_b2 …].
    Each branch by itself would have concatenated its own maps: [f1_b1 f2_b1 … f1_b2 f2_b2 …].

    Args:
        widths: for every map, the channels of each branch in it.

    Returns:
        For every channel of the order by branch, its index in the order by map.
    """
    starts, offset = [], 0
    for row in widths:
        starts.append([offset + sum(row[:branch]) for branch in range(len(row))])
        offset += sum(row)
    branches = range(len(widths[0]))
    return [
        starts[feature][branch] + channel
        for branch in branches
        for feature, row in enumerate(widths)
        for channel in range(row[branch])
    ]


def selection(indices: Sequence[int], in_channels: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """The bias-free 1×1 kernel that takes channels: Conv(x, S)_i = x_indices[i]. A permutation selects every channel
    once.

    Returns:
        A kernel (len(indices), in_channels, 1, 1) of zeros with a single one a row.

    Raises:
        ValueError: if an index lies outside of the channels.
    """
    chosen = torch.as_tensor(indices)
    if chosen.numel() and not 0 <= int(chosen.min()) <= int(chosen.max()) < in_channels:
        raise ValueError(
            f"indices run from {int(chosen.min())} to {int(chosen.max())}, but there are {in_channels} channels"
        )
    kernel = torch.zeros(len(chosen), in_channels, dtype=dtype)
    kernel[torch.arange(len(chosen)), chosen] = 1
    return kernel[:, :, None, None]


def compose_before(kernel: Tensor, pointwise: Tensor) -> Tensor:
    """One kernel for a bias-free 1×1 convolution and the convolution that follows it.

    Conv(Conv(x, P), K) = Conv(x, K'), K'_oi = sum_m K_om P_mi. Exact up to the border because P has no bias: zero
    padding before or after it is the same.

    Args:
        kernel: (out, mid, kh, kw), the convolution that follows.
        pointwise: (mid, in, 1, 1).

    Returns:
        A kernel (out, in, kh, kw).
    """
    return torch.einsum("omhw,mi->oihw", kernel, pointwise[:, :, 0, 0])


def compose_after(pointwise: Tensor, kernel: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """One kernel and bias for a convolution and the bias-free 1×1 convolution that follows it.

    Conv(Conv(x, K) + b, P) = Conv(x, K') + P b, K'_oi = sum_m P_om K_mi. Exact up to the border, whatever the padding.

    Args:
        pointwise: (out, mid, 1, 1), the convolution that follows.
        kernel: (mid, in, kh, kw).
        bias: (mid,) or None.

    Returns:
        A kernel (out, in, kh, kw) and a bias (out,), or None where there was none.
    """
    matrix = pointwise[:, :, 0, 0]
    return torch.einsum("om,mihw->oihw", matrix, kernel), None if bias is None else matrix @ bias


def _same_spatial_size(kernels: Sequence[Tensor]) -> None:
    sizes = [tuple(kernel.shape[2:]) for kernel in kernels]
    if len(set(sizes)) != 1:
        raise ValueError(f"kernels to merge have the spatial sizes {sizes}; they must be equal")
