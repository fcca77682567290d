"""Whole files or none."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from faultfield.files import DAMAGED, replacing, write_bytes, write_text
from tests.ruins import ruined


def test_a_block_that_raises_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "a.txt"
    write_text(target, "old")
    with pytest.raises(RuntimeError), replacing(target) as draft:
        draft.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert os.listdir(target.parent) == ["a.txt"]


def test_the_draft_keeps_the_suffix_and_the_result_is_readable_like_any_file(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("")
    with replacing(tmp_path / "b.npz") as draft:
        assert draft.suffix == ".npz"
        draft.write_bytes(b"1")
    assert (tmp_path / "b.npz").stat().st_mode == other.stat().st_mode


def test_bytes_round_trip(tmp_path: Path) -> None:
    write_bytes(tmp_path / "c", bytes(range(256)))
    assert (tmp_path / "c").read_bytes() == bytes(range(256))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_byte_changed_anywhere_is_damage_or_nothing(tmp_path: Path, save: Callable[..., None]) -> None:
    path, rng = tmp_path / "a.npz", np.random.default_rng(0)
    save(path, a=np.arange(300).reshape(10, 30), text=np.array("words"))
    whole = path.read_bytes()
    changed = [bytearray(whole) for _ in whole]
    for place, each in enumerate(changed):
        each[place] = int(rng.integers(256))
    found = []
    for content in [*ruined(whole).values(), *map(bytes, changed)]:
        path.write_bytes(content)
        try:
            with np.load(path, allow_pickle=False) as stored:
                _ = [stored[name] for name in ("a", "text")]
        except DAMAGED as error:
            found.append(type(error).__name__)
    assert len(found) > len(ruined(whole))
