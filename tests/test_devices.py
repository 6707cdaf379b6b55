import pytest
import torch

from sr_explore.devices import device_name, has_fast_bfloat16, pick_device, pick_dtype
from sr_explore.errors import UserError

CPU = torch.device("cpu")


def test_auto_takes_what_is_there():
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert pick_device("cpu") == CPU


@pytest.mark.parametrize("name", ["gpu", "tpu:0", "mps", "meta"])
def test_unknown_devices_are_one_sentence(name: str):
    with pytest.raises(UserError, match="use auto, cpu or cuda"):
        pick_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_said_so():
    with pytest.raises(UserError, match="torch sees no GPU"):
        pick_device("cuda")


def test_precisions():
    assert pick_dtype("auto", CPU) == torch.float32
    assert pick_dtype("bfloat16", CPU) == torch.bfloat16
    assert pick_dtype("fast", CPU) == (torch.bfloat16 if has_fast_bfloat16(CPU) else torch.float32)
    with pytest.raises(UserError, match="float16"):
        pick_dtype("int8", CPU)


def test_the_device_in_words():
    assert device_name(CPU).startswith("CPU, ")
