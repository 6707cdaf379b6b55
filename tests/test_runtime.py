import copy

import pytest
import torch

from sr_explore import runtime
from sr_explore.errors import UserError
from sr_explore.latest_only import GaveUp
from sr_explore.runtime import Upscaler, pad_to
from tests.tiny import tiny_rfdn


def test_it_gives_what_the_network_gives_and_leaves_it_alone():
    model = tiny_rfdn()
    before = copy.deepcopy(model.state_dict())
    x = torch.rand(1, 3, 20, 23)
    with torch.no_grad():
        assert torch.allclose(Upscaler(model, "cpu")(x), model(x), atol=1e-5)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (14, 300), (7, 15), (15, 15)])
def test_every_size_comes_out_scaled(size: tuple[int, int]):
    sr = Upscaler(tiny_rfdn(), "cpu")(torch.rand(1, 3, *size))
    assert sr.shape == (1, 3, 2 * size[0], 2 * size[1])
    assert sr.isfinite().all()


def test_padding_mirrors_with_the_edge_repeated():
    row = torch.tensor([1.0, 2.0, 3.0]).view(1, 1, 1, 3)
    assert pad_to(row, 8)[0, 0, 0].tolist() == [1, 2, 3, 3, 2, 1, 1, 2]
    assert pad_to(row, 8).shape == (1, 1, 8, 8)
    one = torch.full((1, 3, 1, 1), 0.25)
    assert torch.equal(pad_to(one, 15), torch.full((1, 3, 15, 15), 0.25))
    assert pad_to(torch.rand(1, 3, 20, 15), 15).shape == (1, 3, 20, 15)


def test_what_overflows_is_computed_again_in_float32():
    model = tiny_rfdn()
    with torch.no_grad():
        model.tail.fuse.weight *= 1e6
        model.tail.smooth.weight *= 1e-6
    run = Upscaler(model, "cpu", "float16")
    sr = run(torch.rand(1, 3, 16, 16))
    assert run.fell_back
    assert sr.isfinite().all()


def test_damaged_weights_are_said_so():
    model = tiny_rfdn()
    with torch.no_grad():
        model.head.weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(UserError, match="weights are damaged"):
        Upscaler(model, "cpu")(torch.rand(1, 3, 16, 16))


def test_a_picture_too_large_for_the_memory_is_refused_before_the_work(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(runtime, "free_memory", lambda device: 10_000_000)
    run = Upscaler(tiny_rfdn(), "cpu")
    with pytest.raises(UserError, match=r"at most 0\.\d+ megapixels"):
        run(torch.zeros(1, 3, 1000, 1000))
    assert run(torch.zeros(1, 3, 100, 100)).shape == (1, 3, 200, 200)


def test_it_stops_before_the_next_convolution():
    asked: list[int] = []

    def on_the_third() -> bool:
        asked.append(1)
        return len(asked) == 3

    run = Upscaler(tiny_rfdn(), "cpu")
    with runtime.stopping(on_the_third), pytest.raises(GaveUp):
        run(torch.rand(1, 3, 20, 20))
    assert len(asked) == 3
    assert run(torch.rand(1, 3, 20, 20)).isfinite().all(), "the network is spoilt for the next one"
