import pytest

from sr_explore.errors import UserError
from sr_explore.stages import Branch, Fold, MergeBranches, PruneChannels, parse_stages, stage_text


def test_a_whole_journey():
    text = (
        "branch:num_branches=2:small_blocks=false, merge-branches,"
        "prune-channels:pruning_ratio=0.25:importance=random,fold"
    )
    assert parse_stages(text) == (
        Branch(2, small_blocks=False),
        MergeBranches(),
        PruneChannels(0.25, "random"),
        Fold(),
    )
    assert parse_stages(stage_text(parse_stages(text))) == parse_stages(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("brunch", "did you mean branch"),
        ("xyz", "Known: branch, merge-branches"),
        ("prune-channels:ratio=0.5", "did you mean pruning_ratio"),
        ("prune-channels:pruning_ratio=half", "give a number"),
        ("branch:num_branches=2.5", "give a whole number"),
        ("branch:small_blocks=maybe", "give true or false"),
        ("fold:x=1", "there are none"),
    ],
)
def test_mistakes_are_named(text: str, words: str):
    with pytest.raises(UserError, match=words):
        parse_stages(text)


def test_no_text_is_no_stage():
    assert parse_stages(" ") == ()
