import pytest
import torch
import torch.nn.functional as F

from sr_explore.conv_algebra import (
    block_diagonal,
    compose_after,
    compose_before,
    interleaved_order,
    selection,
    stack_outputs,
)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_block_diagonal_convolves_each_part_by_itself():
    kernels = [random(2, 3, 3, 3), random(4, 1, 3, 3, seed=1), random(1, 2, 3, 3, seed=2)]
    parts = [random(1, 3, 7, 6, seed=3), random(1, 1, 7, 6, seed=4), random(1, 2, 7, 6, seed=5)]
    together = F.conv2d(torch.cat(parts, 1), block_diagonal(kernels), padding=1)
    apart = torch.cat([F.conv2d(x, k, padding=1) for x, k in zip(parts, kernels, strict=True)], 1)
    assert torch.allclose(together, apart, atol=1e-14)


def test_block_diagonal_names_the_sizes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"\(3, 3\), \(1, 1\)"):
        block_diagonal([random(2, 2, 3, 3), random(2, 2, 1, 1)])


def test_stacked_kernels_share_their_input():
    x, kernels = random(1, 3, 5, 5), [random(2, 3, 3, 3, seed=1), random(3, 3, 3, 3, seed=2)]
    together = F.conv2d(x, stack_outputs(kernels), padding=1)
    assert torch.allclose(together, torch.cat([F.conv2d(x, k, padding=1) for k in kernels], 1), atol=1e-14)
    with pytest.raises(ValueError, match=r"\[3, 2\]"):
        stack_outputs([random(2, 3, 3, 3), random(2, 2, 3, 3)])


def test_interleaved_order_by_hand():
    # Two maps of two branches: [a1 a1 | b1] and [a2 | b2 b2]; each branch alone has [a1 a1 a2] and [b1 b2 b2].
    assert interleaved_order([[2, 1], [1, 2]]) == [0, 1, 3, 2, 4, 5]


def test_interleaved_order_sorts_by_branch():
    widths = [[2, 3, 1], [1, 1, 4], [2, 2, 2]]
    maps = [[random(1, w, 1, 1, seed=10 * f + b) for b, w in enumerate(row)] for f, row in enumerate(widths)]
    by_map = torch.cat([part for row in maps for part in row], 1)
    by_branch = torch.cat([maps[f][b] for b in range(3) for f in range(3)], 1)
    assert torch.equal(by_map[:, interleaved_order(widths)], by_branch)


def test_selection_takes_channels_in_order():
    x = random(1, 4, 3, 3)
    assert torch.equal(F.conv2d(x, selection([2, 0], 4, torch.float64)), x[:, [2, 0]])
    with pytest.raises(ValueError, match="there are 4 channels"):
        selection([4], 4)
    with pytest.raises(ValueError, match="from -1"):
        selection([-1], 4)


@pytest.mark.parametrize(("kernel_size", "stride", "padding"), [(3, 1, 1), (3, 2, 0), (1, 1, 0)])
def test_compose_before_is_exact_on_the_border(kernel_size: int, stride: int, padding: int):
    x, pointwise, kernel = (
        random(1, 3, 9, 8),
        random(5, 3, 1, 1, seed=1),
        random(2, 5, kernel_size, kernel_size, seed=2),
    )
    in_two = F.conv2d(F.conv2d(x, pointwise), kernel, stride=stride, padding=padding)
    assert torch.allclose(
        F.conv2d(x, compose_before(kernel, pointwise), stride=stride, padding=padding), in_two, atol=1e-13
    )


def test_compose_after_takes_the_bias_along():
    x, kernel, bias, pointwise = (
        random(1, 3, 9, 8),
        random(5, 3, 3, 3, seed=1),
        random(5, seed=2),
        random(2, 5, 1, 1, seed=3),
    )
    in_two = F.conv2d(F.conv2d(x, kernel, bias, padding=1), pointwise)
    weight, new_bias = compose_after(pointwise, kernel, bias)
    assert torch.allclose(F.conv2d(x, weight, new_bias, padding=1), in_two, atol=1e-13)
    assert compose_after(pointwise, kernel, None)[1] is None
