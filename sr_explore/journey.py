"""The journey of the original network through all stages: drawings of every step, and every promise checked here."""

from collections.abc import Callable
from functools import lru_cache

from sr_explore import pipeline, zoo
from sr_explore.analysis import sketch
from sr_explore.calibration import shipped_example
from sr_explore.images import read_sample
from sr_explore.records import Sketch, Step
from sr_explore.scene import Scene
from sr_explore.stages import parse_stages

ORIGINAL, BRANCHED = "rfdn-x4", "rfdn-x4-branched"
STAGES = {
    "merge-branches": "merge-branches",
    "concat-to-conv": "concat-to-conv",
    "prune-channels": "prune-channels:pruning_ratio=0.5:importance=taylor",
    "reconstruct": "reconstruct",
    "fold": "fold",
}
SIZE = (128, 192)


@lru_cache(maxsize=1)
def drawings() -> dict[str, tuple[Sketch, Sketch]]:
    """By stage, the network before it and after it; a second or two, once."""
    pairs = {"branch": (sketch(zoo.load(ORIGINAL), "before"), sketch(zoo.load(BRANCHED), "after"))}
    model, example = zoo.load(BRANCHED), shipped_example(4, patches=6)
    for name, told in STAGES.items():
        if name == "reconstruct":  # other weights, the same drawing
            continue
        (stage,) = parse_stages(told)
        result = stage(model, example)
        example = example.after(model, result.report)
        pairs[name] = (sketch(model, "before"), sketch(result.model, "after"))
        model = result.model
    return pairs


def check(on_step: Callable[[Step], None] | None = None) -> pipeline.Finished:
    """Take the branched network through the other stages on this machine; exact ones are compared in float64.

    Quality is measured on a part of a shipped photo, 48×32 px made 192×128.
    """
    scene = Scene(read_sample("fig").rgb[192:320, 288:480])
    start, stages = zoo.load(BRANCHED), parse_stages(",".join(STAGES.values()))
    return pipeline.run(start, stages, shipped_example(4, 12), BRANCHED, SIZE, quality=scene.quality, on_step=on_step)
