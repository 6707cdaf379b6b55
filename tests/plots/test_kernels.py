import numpy as np
import pytest

from sr_explore.plots import field_maps, kernel_maps, tap_maps
from tests.plots.records import layout, traces


def test_a_cell_is_the_norm_of_a_kernel_and_zeros_are_left_empty():
    kernel = np.zeros((3, 2, 3, 3))
    kernel[1, 0] = 2
    kernel[2, 1, 0, 0] = -5
    figure = kernel_maps({"k": kernel})
    (cells,) = [np.asarray(trace.z) for trace in traces(figure)]
    assert cells.shape == (3, 2)
    assert cells[1, 0] == pytest.approx(6)
    assert cells[2, 1] == pytest.approx(5)
    assert int(np.isnan(cells).sum()) == 4
    assert "3 × 2, 67% zero" in layout(figure).annotations[0].text
    assert layout(figure).yaxis.range[0] > layout(figure).yaxis.range[1], "outputs run downwards"


def test_a_channel_is_as_long_in_all_maps():
    figure = kernel_maps({"small": np.ones((5, 4, 1, 1)), "wide": np.ones((10, 8, 1, 1))})
    plain = layout(figure)
    across = [axis.domain[1] - axis.domain[0] for axis in (plain.xaxis, plain.xaxis2)]
    down = [axis.domain[1] - axis.domain[0] for axis in (plain.yaxis, plain.yaxis2)]
    assert across[1] == pytest.approx(2 * across[0])
    assert down[1] == pytest.approx(2 * down[0])
    assert plain.xaxis.domain[1] < plain.xaxis2.domain[0]
    assert traces(figure)[0].coloraxis == traces(figure)[1].coloraxis, "one scale for all"


def test_nearly_empty_is_not_called_empty():
    assert "99.50% zero" in layout(kernel_maps({"p": np.eye(200)[:, :, None, None]})).annotations[0].text


def test_fields_are_drawn_in_powers_of_ten_and_what_is_too_weak_is_left_empty():
    field = np.array([[1.0, 0.01], [1e-9, 0.0]])
    figure = field_maps({"f": field}, {"f": "words"})
    cells = np.asarray(traces(figure)[0].z)
    assert cells[0].tolist() == pytest.approx([0, -2])
    assert np.isnan(cells[1]).all()
    assert "words" in layout(figure).annotations[0].text


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="no matrix"):
        kernel_maps({})
    with pytest.raises(ValueError, match="four axes"):
        kernel_maps({"k": np.ones((3, 2))})


def test_a_tap_is_its_share_of_the_squared_weights():
    kernel = np.ones((4, 2, 3, 3))
    kernel[:, :, 1, 1] = 4
    figure = tap_maps({"k": kernel, "only": np.ones((1, 1, 1, 1))})
    taps = np.asarray(traces(figure)[0].z)
    assert taps[1, 1] == pytest.approx(16 / 24)
    assert taps[0, 2] == pytest.approx(1 / 24)
    assert [note.text for note in layout(figure).annotations] == [
        "<b>k</b><br>centre 67%",
        "<b>only</b><br>centre 100%",
    ]
    assert layout(figure).coloraxis.colorbar.title.text == "share"
    with pytest.raises(ValueError, match="four axes"):
        tap_maps({"k": np.ones((3, 2))})
