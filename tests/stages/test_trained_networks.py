"""The exact stages on trained weights, shipped and published: same bounds as on tiny networks, odd sizes too."""

from pathlib import Path

import pytest
import torch

from sr_explore import pipeline, zoo
from sr_explore.records import PipelineRun
from sr_explore.stages import Example, parse_stages

SIZES = [(23, 31), (15, 48)]
JOURNEYS = ["merge-branches,concat-to-conv,fold", "merge-branches:layout=grouped,concat-to-conv"]
SHIPPED = ["rfdn-x4-branched", "rfdn-x4-branched-2"]
PUBLISHED = ["b2", "b2s", "b4", "b4s"]


def checked(model: str | Path, stages: str, size: tuple[int, int]) -> PipelineRun:
    picture = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    return pipeline.run(zoo.load(model), parse_stages(stages), Example(picture), size=(16, 16)).record


def assert_same(record: PipelineRun) -> None:
    for step in record.steps:
        assert step.equivalence is not None
        assert step.equivalence.float64.relative <= 1e-12
        assert step.equivalence.float32.relative <= 1e-5
        assert all(layer.float64 <= 1e-12 for layer in step.equivalence.layers)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stages", JOURNEYS)
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_networks_stay_the_same(name: str, stages: str, size: tuple[int, int]):
    assert_same(checked(name, stages, size))


@pytest.mark.shared
@pytest.mark.parametrize("stages", JOURNEYS)
@pytest.mark.parametrize("form", PUBLISHED)
def test_published_networks_stay_the_same(form: str, stages: str, shared_data: Path):
    assert_same(checked(shared_data / "weights" / f"seu_cnii_rfdn_{form}_x4.safetensors", stages, SIZES[0]))
