import pytest

from sr_explore.analysis import sketch
from sr_explore.plots import (
    equivalence_plot,
    journey_plot,
    latency_plot,
    layer_bars,
    live_curve,
    network_plot,
    picture_grid,
    ratio_curves,
)
from sr_explore.plots.theme import CLEAR, GREY, MEANING, PALETTE
from tests.plots.records import checked, layout, run, table
from tests.plots.test_latency import curve
from tests.plots.test_pictures import picture
from tests.tiny import tiny_rfdn

FIGURES = {
    "layers": lambda: layer_bars(table(a=50), table(a=30)),
    "equivalence": lambda: equivalence_plot(checked()),
    "journey": lambda: journey_plot(run()),
    "pictures": lambda: picture_grid({"a": picture()}),
    "network": lambda: network_plot([sketch(tiny_rfdn())]),
    "ratios": lambda: ratio_curves({"a": [(0.5, 30.0)]}),
    "live": lambda: live_curve([(0.0, 30.0)]),
    "latency": lambda: latency_plot({"a": curve((10, 1.0), (20, 4.0))}),
}


def luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("paper", ["#ffffff", "#111111"])
def test_text_and_colours_can_be_read_on_light_and_dark_paper(paper: str):
    assert contrast(GREY, paper) >= 4.2
    assert min(contrast(colour, paper) for colour in PALETTE) >= 2


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_clear_and_grey_and_plain_data(name: str):
    figure = FIGURES[name]()
    base = layout(figure).template.layout
    assert (base.paper_bgcolor, base.plot_bgcolor, base.font.color) == (CLEAR, CLEAR, GREY)
    assert layout(figure).height > 0
    assert "http" not in str(figure.to_json())


def test_what_is_told_apart_has_colours_of_its_own():
    assert len(set(PALETTE)) == len(PALETTE)
    for group in (("exact", "lossy", "start"), ("kept", "removed", "added")):
        assert len({MEANING[name] for name in group}) == 3
