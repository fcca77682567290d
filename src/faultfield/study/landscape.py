"""What the study's field looks like: how well it separates variations, and its map in two dimensions."""

from collections.abc import Sequence

import numpy as np

from faultfield.diagnosis.landscape import FieldInfo, FieldMap, FieldQuality, MapGrid, MapPoint, Similarity
from faultfield.field.model import Field
from faultfield.field.quality import field_map as project
from faultfield.field.quality import quality, similarity_matrix
from faultfield.report.words import label
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.outcomes import outcomes
from faultfield.study import stages
from faultfield.study.directory import Study
from faultfield.study.ranking import Ranking
from faultfield.variations import NOMINAL, Variation

_HELD_OUT = 3
"""Every third episode of a variation is held out of the fit whose quality is measured."""


def field_info(study: Study, episodes: Sequence[Episode]) -> FieldInfo:
    """Settings of the field, how well it keeps held-out episodes of known variations apart, and their similarity."""
    bank = stages.make_bank(study, stages.make_views(study))
    found = outcomes(episodes)
    measured = None
    # A hunt leaves most of its variations after an episode or two.
    enough = {outcome.variation for outcome in found if outcome.episodes >= _HELD_OUT}
    if len(enough) > 1:
        shown, hidden = _split([episode for episode in episodes if episode.variation in enough])
        # Both parts name every variation in the same order, so that their groups mean the same; a hunt comes back.
        place = {variation: i for i, variation in enumerate(dict.fromkeys(e.variation for e in shown))}
        held_out = bank.data(sorted(hidden, key=lambda e: place[e.variation]))
        row = quality(bank.field(shown), bank.data(shown), held_out)
        measured = FieldQuality(mse=row.mse, frobenius=row.frobenius, knn=dict(row.knn_variation))
    variations = [outcome.variation for outcome in found]
    embeddings = bank.embed(stages.load_field(study), variations)
    similarity = similarity_matrix(embeddings, np.arange(len(variations)))
    return FieldInfo(
        settings=study.config.field.model_dump(mode="json"),
        quality=measured,
        similarity=Similarity(labels=[label(v) for v in variations], values=np.clip(similarity, -1, 1).tolist()),
    )


def field_map(study: Study, known: Sequence[Variation], rates: Sequence[float], ranking: Ranking) -> FieldMap:
    """Nominal, known and ranked variations in the plane along which the field varies most, with its potential."""
    field: Field = stages.load_field(study)
    variations = [NOMINAL, *known, *ranking.candidates]
    kinds = ["nominal"] + ["known"] * len(known) + ["ranked"] * len(ranking.candidates)
    failures = [None, *rates, *ranking.estimates.mean.tolist()]
    plane = project(field, stages.embed(study, field, variations))
    points = [
        MapPoint.model_validate({
            "key": "" if kind == "nominal" else v.key, "text": v.text, "kind": kind, "x": x, "y": y, "failure": failure,
        })
        for v, kind, (x, y), failure in zip(variations, kinds, plane.coordinates.tolist(), failures, strict=True)
    ]  # fmt: skip
    share = 100 * float(plane.explained.sum())
    return FieldMap(
        method=f"First two principal components of the embeddings ({share:.0f} % of their variance).",
        points=points,
        grid=MapGrid(x=plane.grid_x.tolist(), y=plane.grid_y.tolist(), potential=plane.potential.tolist()),
    )


def _split(episodes: Sequence[Episode]) -> tuple[list[Episode], list[Episode]]:
    seen: dict[Variation, int] = {}
    parts: tuple[list[Episode], list[Episode]] = ([], [])
    for episode in episodes:
        count = seen[episode.variation] = seen.get(episode.variation, 0) + 1
        parts[count % _HELD_OUT == 0].append(episode)
    return parts
