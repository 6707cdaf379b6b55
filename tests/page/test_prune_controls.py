"""What the pruning tab asks."""

import gradio as gr
import pytest

from sr_explore import guests, zoo
from sr_explore.kernel_orders import prepared, spare_candidates
from sr_explore.page import Page, prune_controls
from sr_explore.page.prune_controls import PruneControls, most_kernels, shipped
from sr_explore.stages import PruneKernels, wide_kernels
from tests.tiny import tiny_example, tiny_rlfn


@pytest.fixture(scope="module")
def controls(page: Page) -> PruneControls:
    return page.prune.controls


def test_only_what_is_shipped_is_offered(monkeypatch: pytest.MonkeyPatch):
    assert shipped()[:3] == ["rfdn-x4", "rfdn-x4-branched", "rfdn-x4-merged"]
    assert ("rlfn-x4" in shipped()) == ("rlfn-x4" in zoo.cards())
    card = zoo.cards()["rfdn-x4"]
    monkeypatch.setattr(prune_controls.zoo, "cards", lambda: {"rfdn-x4": card, "rlfn-x4": card})
    assert shipped() == ["rfdn-x4", "rlfn-x4"]


def test_the_slider_is_as_long_as_the_network_has_kernels(controls: PruneControls):
    assert controls.kernels.maximum == len(spare_candidates(prepared("rfdn-x4"))) == 18
    name = guests.admit(tiny_rlfn(scale=4))
    fitted = controls.fit(name, 18)
    assert (fitted.maximum, fitted.value, fitted.interactive) == (most_kernels(name), most_kernels(name), True)
    assert controls.fit(name, 2).value == 2


def test_where_no_kernel_is_left_the_slider_is_off(controls: PruneControls):
    model = tiny_rlfn(scale=4)
    bare = PruneKernels("+".join(wide_kernels(model)))(model, tiny_example()).model
    fitted = controls.fit(guests.admit(bare), 3)
    assert (fitted.value, fitted.interactive) == (0, False)


def test_a_forgotten_network_leaves_the_slider_alone(controls: PruneControls):
    assert controls.fit("guest-nobody", 3) == gr.skip()


def test_kernels_and_biases_are_folded_away_at_first(page: Page):
    folded = {block.label: block.open for block in page.demo.blocks.values() if isinstance(block, gr.Accordion)}
    assert folded["Kernels and biases"] is False
