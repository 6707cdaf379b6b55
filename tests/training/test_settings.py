import pytest

from sr_explore.errors import UserError
from sr_explore.training import TrainSettings


def test_one_cycle_rises_and_falls_to_nothing():
    settings = TrainSettings(steps=100, learning_rate=1.0, warmup=0.2)
    rates = [settings.learning_rate_at(step) for step in range(100)]
    assert rates.index(max(rates)) in (19, 20)
    assert max(rates) == pytest.approx(1.0)
    assert rates[0] < 0.1
    assert rates[-1] < 0.001
    assert rates == sorted(rates[:20]) + sorted(rates[20:], reverse=True)


def test_cosine_keeps_a_hundredth():
    settings = TrainSettings(steps=50, learning_rate=2.0, schedule="cosine", warmup=0.0)
    assert 0.02 <= settings.learning_rate_at(49) < 0.03


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"steps": 5, "learnin_rate": 1}, "'learnin_rate'"),
        ({}, "how many steps"),
        ({"steps": 0}, "steps is 0"),
        ({"steps": 5, "schedule": "flat"}, "one-cycle or cosine"),
        ({"steps": 5, "precision": "int8"}, "float32"),
    ],
)
def test_bad_settings_are_named(values: dict, words: str):
    with pytest.raises(UserError, match=words):
        TrainSettings.from_dict(values)


def test_settings_survive_a_recipe():
    settings = TrainSettings(steps=7, squared=True, seed=3)
    assert TrainSettings.from_dict(settings.to_dict()) == settings
