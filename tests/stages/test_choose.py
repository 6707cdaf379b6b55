import pytest

from sr_explore.stages import apply_stages, pruning_stages, stage_text
from tests.tiny import NETWORKS, tiny_example

ROW = "prune-channels,reconstruct"
WAYS = {
    "row": ROW,
    "branched-2": f"merge-branches,concat-to-conv,{ROW},fold",
    "branched-4s": f"merge-branches,concat-to-conv,{ROW},fold",
    "merged-4s": f"concat-to-conv,{ROW},fold",
    "converted-4s": f"{ROW},fold",
    "folded-4s": ROW,
}


@pytest.mark.parametrize("form", WAYS)
def test_a_network_gets_the_stages_it_needs_and_they_run(form: str):
    model = NETWORKS[form]()
    stages = pruning_stages(model)
    assert stage_text(stages) == WAYS[form]
    pruned = apply_stages(model, stages, tiny_example())
    count = sum(value.numel() for value in pruned.parameters())
    assert count < sum(value.numel() for value in model.parameters())


def test_ratio_and_importance_are_passed_on():
    assert "prune-channels:pruning_ratio=0.3:importance=random" in stage_text(
        pruning_stages(NETWORKS["row"](), 0.3, "random")
    )
