from itertools import pairwise

from sr_explore import journey


def test_drawings_follow_on_each_other():
    pairs = journey.drawings()
    order = list(pairs)
    assert order == ["branch", *(name for name in journey.STAGES if name != "reconstruct")]
    for one, following in pairwise(order[1:]):
        after, before = pairs[one][1], pairs[following][0]
        assert (after.params, after.layers) == (before.params, before.layers)


def test_every_promise_is_kept_and_reconstruction_pays():
    steps = {step.stage: step for step in journey.check().record.steps}
    exact = [step.equivalence for step in steps.values() if step.exact]
    assert len(exact) == 3
    assert all(check and check.equal for check in exact)
    psnrs = {name: step.quality.psnr_y for name, step in steps.items() if step.quality}
    assert psnrs["reconstruct"] > psnrs["prune-channels"] + 0.5
