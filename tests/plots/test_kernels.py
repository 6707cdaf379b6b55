import numpy as np
import pytest

from sr_explore.plots import kernel_map
from sr_explore.plots.kernels import MAX_CELLS, strongest
from tests.plots.records import layout, traces


def test_zero_is_empty_and_small_is_not():
    (trace,) = traces(kernel_map({"a": np.array([[0.0, 1e-9], [2.0, 0.0]])}))
    assert np.isnan(trace.z).tolist() == [[True, False], [False, True]]


def test_all_share_one_scale_from_zero_to_the_largest():
    figure = kernel_map({"a": np.eye(3), "b": 4 * np.eye(5)})
    assert {trace.coloraxis for trace in traces(figure)} == {"coloraxis"}
    assert (layout(figure).coloraxis.cmin, layout(figure).coloraxis.cmax) == (0, 4)


def test_a_wide_permutation_keeps_every_connection():
    size = 3 * MAX_CELLS - 1
    matrix = np.eye(size)[np.random.default_rng(0).permutation(size)]
    cells, rows, columns = strongest(matrix)
    assert (max(cells.shape), rows, columns) == (MAX_CELLS, 3, 3)
    assert {(int(r) // 3, int(c) // 3) for r, c in np.argwhere(matrix)} == {tuple(at) for at in np.argwhere(cells)}
    (trace,) = traces(kernel_map({"p": matrix}))
    assert (trace.x0, trace.dx) == (1, 3)


def test_small_matrices_stay_as_they_are():
    matrix = np.arange(6.0).reshape(2, 3)
    assert np.array_equal(strongest(matrix)[0], matrix)
    assert list(layout(kernel_map({"a": matrix})).yaxis.range) == [1.5, -0.5]  # the first output on top


def test_titles_say_how_much_is_connected():
    assert layout(kernel_map({"a": np.eye(4)})).annotations[0].text == "<b>a</b><br>4 × 4, 25 % connected"


@pytest.mark.parametrize("matrix", [np.ones(3), np.ones((0, 2)), -np.ones((2, 2)), np.full((2, 2), np.nan)])
def test_what_is_no_matrix_of_norms_is_refused(matrix):
    with pytest.raises(ValueError, match="bad"):
        kernel_map({"bad": matrix})


def test_nothing_is_refused():
    with pytest.raises(ValueError, match="no kernels"):
        kernel_map({})
