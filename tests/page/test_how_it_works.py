"""The tab that explains: drawings, and promises checked live."""

import pytest

from sr_explore import journey
from sr_explore.page import Page
from sr_explore.page.how_it_works import STAGES, HowTab, _verdict


@pytest.fixture(scope="module")
def telling(page: Page) -> HowTab:
    return page.how


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_has_a_drawing_before_and_after(telling: HowTab, stage: str):
    shown = telling.draw(stage)
    titles = [note.text for note in shown[telling.drawing].layout.annotations if "convolutions" in note.text]
    assert [title.split("</b>")[0] for title in titles] == ["<b>before", "<b>after"]
    assert len(shown[telling.told]) > 60


def test_the_check_adds_a_row_for_every_stage(telling: HowTab):
    tables = [shown[telling.table].count("<tr>") for shown in telling.check()]
    assert tables == [0, *range(2, len(journey.STAGES) + 2)]


def test_a_broken_promise_is_named():
    assert "Broken promises: Fold" in _verdict([["Merge branches", "", "yes"], ["Fold", "", "NO"]])
