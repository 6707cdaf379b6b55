import pytest

from sr_explore.errors import UserError
from sr_explore.zoo import ladders
from sr_explore.zoo.cards import ModelCard
from sr_explore.zoo.ladders import Rung, ladder, nearest_rung

CUT = "prune-channels:pruning_ratio={}:cumulative=True,reconstruct"
MERGED = "merge-branches,concat-to-conv,fold,"


def card(name: str, parent: str | None = None, stages: str = "", derived_from: str | None = None) -> ModelCard:
    return ModelCard(name, name, 4, 1, 1, "", "MIT", parent=parent, stages=stages, derived_from=derived_from)


@pytest.fixture(autouse=True)
def shipped(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModelCard]:
    made = [
        card("x4"),
        card("x4-branched", "x4", "branch"),
        card("x4-branched-2", "x4", "branch:num_branches=2"),
        card("x4-direct-25", "x4", CUT.format(0.25)),
        card("x4-direct-50", "x4-direct-25", CUT.format(0.5)),
        card("x4-direct-90", "x4-direct-80", CUT.format(0.9)),
        card("x4-merged", "x4-branched", "merge-branches", "x4-branched"),
        card("x4-pruned-50", "x4-branched", MERGED + CUT.format(0.5)),
        card("x4-pruned-70", "x4-pruned-50", CUT.format(0.7)),
        card("x4-twice", "x4-direct-50", "prune-channels:pruning_ratio=0.5"),
    ]
    found = {one.name: one for one in made}
    monkeypatch.setattr(ladders, "cards", lambda: found)
    return found


def test_every_ladder_belongs_to_the_network_it_began_with():
    direct = [Rung("x4-direct-25", 0.25), Rung("x4-direct-50", 0.5), Rung("x4-twice", 0.75), Rung("x4-direct-90", 0.9)]
    assert list(ladder("x4")) == direct
    assert ladder("x4-merged") == (Rung("x4-pruned-50", 0.5), Rung("x4-pruned-70", 0.7))
    for other in ("x4-branched", "x4-branched-2", "some/file.pth"):
        assert ladder(other) == ()


@pytest.mark.parametrize(("ratio", "name"), [(0.0, "x4"), (0.12, "x4"), (0.2, "x4-direct-25"), (0.9, "x4-direct-90")])
def test_the_nearest_counts_the_network_itself(ratio: float, name: str):
    assert nearest_rung("x4", ratio).name == name


def test_without_a_ladder_it_says_so():
    with pytest.raises(UserError, match="no trained pruned networks are shipped for x4-branched"):
        nearest_rung("x4-branched", 0.5)
