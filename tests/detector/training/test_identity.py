from dataclasses import replace
from pathlib import Path

import pytest

from faultfield.detector.data import read_conversations
from faultfield.detector.training import identity
from faultfield.detector.training.sight import SightConfig
from faultfield.errors import DetectorError
from tests.detector import pockets


def test_pictures_are_what_is_in_them_wherever_they_lie(tmp_path: Path) -> None:
    a, b = (
        read_conversations(pockets.conversations(tmp_path / name / "a.json", pockets.samples(3))).items for name in "ab"
    )
    assert identity.pictures(a) == identity.pictures(b)
    assert identity.pictures(a) != identity.pictures([a[1], a[0], a[2]])
    assert identity.pictures(a) != identity.pictures([replace(a[0], columns=1), *a[1:]])
    one, two = (each.image for each in b[:2])
    assert one is not None
    assert two is not None
    one.write_bytes(two.read_bytes())
    assert identity.words(a, pockets.VIEW) == identity.words(b, pockets.VIEW)
    assert identity.pictures(a) != identity.pictures(b)
    one.unlink()
    with pytest.raises(DetectorError, match="There is no picture or video"):
        identity.pictures(b)


def test_clips_in_memory_are_their_pictures() -> None:
    first, other = pockets.samples(2), [replace(pockets.sample(7, True, True), id="s0"), pockets.samples(2)[1]]
    assert identity.pictures(first) == identity.pictures(pockets.samples(2))
    assert identity.pictures(first) != identity.pictures(other)


def test_what_was_not_told_is_the_same_and_how_often_it_was_saved_is_nobodys_matter() -> None:
    def note(eyes: str, save_every: int = 100) -> dict[str, object]:
        return {"config": {"seed": 0, "save_every": save_every}, "store": None, "origin": {"model": "a", "eyes": eyes}}

    wanted = note(repr(SightConfig()))
    assert identity.same(note(repr(SightConfig())[:-1] + ", save_every=50)", save_every=3), wanted)
    assert not identity.same(note(repr(SightConfig(epochs=1.0))), wanted)
    assert not identity.same({**wanted, "config": {"seed": 1, "save_every": 100}}, wanted)
