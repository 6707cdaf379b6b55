from pathlib import Path

import pytest
from torch import nn

from sr_explore import guests, zoo
from sr_explore.errors import UserError
from sr_explore.networks.rfdn import RFDN
from tests.tiny import tiny_rfdn


def test_a_guest_is_found_by_its_name_and_shipped_ones_by_theirs():
    model = nn.Identity()
    name = guests.admit(model)
    assert guests.load(name) is model
    assert isinstance(guests.load("rfdn-x4"), RFDN)


def test_names_cannot_be_guessed():
    names = {guests.admit(nn.Identity()) for _ in range(4)}
    assert len(names) == 4
    assert all(len(name) >= 22 for name in names)


def test_only_so_many_are_kept():
    first = guests.admit(nn.Identity())
    for _ in range(guests.MOST_GUESTS):
        guests.admit(nn.Identity())
    with pytest.raises(UserError, match="forgotten"):
        guests.load(first)


def test_a_file_becomes_a_guest(tmp_path: Path):
    zoo.save(tmp_path / "mine.safetensors", tiny_rfdn())
    name = guests.admit_file(tmp_path / "mine.safetensors", tiny_rfdn().scale)
    (tmp_path / "mine.safetensors").unlink()
    assert isinstance(guests.load(name), RFDN)


def test_another_scale_and_rubbish_are_one_sentence(tmp_path: Path):
    zoo.save(tmp_path / "mine.safetensors", tiny_rfdn())
    with pytest.raises(UserError, match="enlarges ×"):
        guests.admit_file(tmp_path / "mine.safetensors", 7)
    (tmp_path / "evil.pth").write_bytes(b"\x80\x02cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(UserError, match=r"evil\.pth"):
        guests.admit_file(tmp_path / "evil.pth")
