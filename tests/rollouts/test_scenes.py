"""Scenes of a variation's own."""

import pytest

from faultfield.errors import StudyError
from faultfield.rollouts.scenes import BEYOND, MOST, own_scenes
from faultfield.variations import NOMINAL
from tests.toy import PointReach


def test_each_variation_has_its_own_and_more_go_on_where_fewer_ended() -> None:
    space = PointReach().variation_space
    variations = [space.variation({"brightness": 0.2 + 0.0008 * i}) for i in range(500)]
    found = [own_scenes(each, 300_000, 5) for each in variations]
    shared = 500 - len({each.start for each in found})
    assert shared <= 2, "of 500 hardly any two meet the same"
    assert all(each.start > 10_000_000 and each.stop < 2**30 for each in found)
    assert [own_scenes(each, 300_000, 3) for each in variations] == [each[:3] for each in found]
    assert own_scenes(variations[0], 300_000, MOST).stop == found[0].start + MOST
    assert own_scenes(NOMINAL, 300_000, 5) == range(300_000, 300_005)
    for first, count in ((300_000, MOST + 1), (BEYOND, 1)):
        with pytest.raises(StudyError, match="at most 1000"):
            own_scenes(variations[0], first, count)
