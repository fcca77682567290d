"""Whole files or none."""

import os
from pathlib import Path

import pytest

from faultfield.files import replacing, write_bytes, write_text


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
