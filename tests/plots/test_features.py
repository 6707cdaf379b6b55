import numpy as np
import pytest

from sr_explore.plots import channel_slider, match_plot
from sr_explore.records import FeatureMatch
from tests.plots.records import layout, traces


def test_the_slider_shows_one_channel_of_every_stack():
    maps = np.random.default_rng(0).random((4, 6, 9))
    figure = channel_slider({"a": maps, "b": maps[::-1]}, channels=[3, 0, 1])
    assert [trace.visible for trace in traces(figure)] == [True, True, False, False, False, False]
    steps = layout(figure).sliders[0].steps
    assert [step.label for step in steps] == ["3", "0", "1"]
    assert [index for index, shown in enumerate(steps[2].args[0]["visible"]) if shown] == [4, 5]


def test_brightness_and_contrast_play_no_part():
    maps = np.random.default_rng(0).random((1, 6, 9))
    same, other, different = traces(channel_slider({"a": maps, "b": 3 * maps - 7, "c": -maps}, [0]))
    assert same.source == other.source
    assert same.source != different.source


def test_maps_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        channel_slider({"a": np.ones((2, 3, 3)), "b": np.ones((2, 3, 4))}, [0])


def test_matches_are_drawn_pair_by_pair():
    matches = [FeatureMatch("entry", "blocks.0", (0.5, 0.7), 0.4)]
    (box,) = traces(match_plot({"trained": matches}))
    assert list(box.y) == [0.5, 0.7]
    assert set(box.x) == {"entry<br>against blocks.0"}
