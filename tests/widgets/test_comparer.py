from typing import Any

import numpy as np
import pytest

from sr_explore.comparing import BICUBIC, PHOTO
from sr_explore.errors import UserError
from sr_explore.plots import data_uri
from sr_explore.widgets import Comparer
from tests.tiny import tiny_rfdn

RGB = np.random.default_rng(0).random((64, 72, 3), np.float32)
MODELS = {"one": tiny_rfdn(4, seed=1), "other": tiny_rfdn(4, seed=2)}


def sources(comparer: Comparer) -> list[str]:
    data: Any = comparer.pictures.data
    return [trace.source for trace in data]


def test_every_network_has_its_picture_and_where_it_differs():
    comparer = Comparer([BICUBIC, "one"], RGB, MODELS)
    assert comparer.wait()
    assert [name for name, _ in comparer.record] == [BICUBIC, "one"]
    answers = [comparer.session.answer(name) for name in (BICUBIC, "one")]
    wanted = [answer.picture for answer in answers] + [comparer.session.difference(name) for name in (BICUBIC, "one")]
    assert sources(comparer) == [data_uri(picture) for picture in wanted]
    comparer.choices[0].value = "other"
    comparer.against.value = "one"
    assert comparer.wait()
    assert comparer.record[0] == ("other", comparer.session.answer("other").psnr_y)
    assert sources(comparer)[3] == data_uri(np.zeros_like(answers[0].picture)), "the same network differs nowhere"
    comparer.close()


@pytest.mark.parametrize("count", [0, 5])
def test_one_to_four_pictures(count: int):
    with pytest.raises(UserError, match="shows one to 4"):
        Comparer(["one"] * count, RGB, MODELS)


def test_a_network_that_does_not_exist_is_one_sentence():
    comparer = Comparer(["one", "nothing"], RGB, MODELS)
    assert comparer.wait()
    assert "nothing" in comparer.status.value
    comparer.choices[1].value = "other"
    assert comparer.wait()
    assert comparer.status.value == ""
    assert PHOTO in comparer.against.options
    comparer.close()
