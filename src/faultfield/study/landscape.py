"""What the study's field looks like: how well it separates variations, and its map in two dimensions."""

from collections.abc import Sequence

from faultfield.diagnosis.landscape import FieldInfo, FieldMap
from faultfield.rollouts.episode import Episode
from faultfield.study.directory import Study
from faultfield.study.ranking import Ranking
from faultfield.variations import Variation


def field_info(study: Study, episodes: Sequence[Episode]) -> FieldInfo | None:
    return None


def field_map(study: Study, known: Sequence[Variation], rates: Sequence[float], ranking: Ranking) -> FieldMap | None:
    return None
