import pytest

from sr_explore.plots import conv_steps_plot, profile_bars
from sr_explore.records import ConvTime, LayerTime, ProfileRecord
from tests.plots.records import layout, traces


def test_a_line_for_each_kernel_and_its_speed_beside_it():
    times = [ConvTime(32, 3, 4.0, 8_000_000, (64, 64)), ConvTime(16, 3, 2.0, 2_000_000, (64, 64))]
    figure = conv_steps_plot([*times, ConvTime(16, 1, 0.5, 1_000_000, (64, 64))])
    milliseconds, speed, *_ = traces(figure)
    assert (tuple(milliseconds.x), tuple(milliseconds.y)) == ((16, 32), (2.0, 4.0))
    assert tuple(speed.y) == (1.0, 2.0), "G a second"
    assert [trace.name for trace in traces(figure)] == ["3×3", "3×3", "1×1", "1×1"]
    assert layout(figure).xaxis.dtick == layout(figure).xaxis2.dtick == 16


def test_a_bar_is_split_into_kernels_pointwise_and_the_rest():
    layers = (LayerTime("a", (3, 3), 4.0, 9), LayerTime("b", (1, 1), 1.0, 9), LayerTime("c", (3, 3), 2.0, 9))
    profiles = {"whole": ProfileRecord(layers, 3.0, (96, 96), "CPU", 1)}
    profiles["cut"] = ProfileRecord(layers[:2], 2.5, (96, 96), "CPU", 1)
    large, small, rest = traces(profile_bars(profiles))
    assert (tuple(large.x), tuple(small.x), tuple(rest.x)) == ((6.0, 4.0), (1.0, 1.0), (3.0, 2.5))
    assert tuple(large.y) == ("whole", "cut")


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="no time"):
        conv_steps_plot([])
    with pytest.raises(ValueError, match="no profile"):
        profile_bars({})
