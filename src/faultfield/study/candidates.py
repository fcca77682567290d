"""Which variations a study ranks, and which of the ranked ones it rolls out to check."""

import numpy as np

from faultfield.search.sobol import SobolSearch
from faultfield.study import stages
from faultfield.study.config import variations_of
from faultfield.study.directory import Study
from faultfield.study.seeds import SAMPLE_SEED
from faultfield.variations import Variation


def candidates(study: Study) -> list[Variation]:
    """The unseen variations of the study file, and the pairs and samples that it asks for, without what is known.

    What a hunt or a check with `--keep` rolled out is known, too; nothing is drawn in its place.

    Raises:
        LedgerError: Nothing was collected yet.
    """
    known = set(study.known) | {episode.variation for episode in stages.rolled_out(study)}
    listed = [v for v in variations_of(study.config.unseen, study.space) if v not in study.known]
    singles = [v for v in (*study.known, *listed) if len(v) == 1]
    pairs = _pairs(study, singles, taken={*study.known, *listed})
    # A small space may hold fewer than it asks for.
    return [v for v in dict.fromkeys((*listed, *pairs, *_sampled(study))) if v not in known]


def _sampled(study: Study) -> list[Variation]:
    """Variations from all over the space; not those that a hunt with the same seed looks among."""
    return SobolSearch(study.space, study.config.rollouts.seed + SAMPLE_SEED, order=2).ask(
        study.config.diagnosis.sampled
    )


def to_verify(order: list[int], feasible: list[bool], worst: int, spread: int) -> list[int]:
    """Rows to roll out: the worst feasible ones, and some evenly over the feasible rest.

    Args:
        order: Rows from the likeliest failure to the least likely.
        feasible: For each row.
        worst: How many from the top.
        spread: How many of the rest.
    """
    rows = [row for row in order if feasible[row]]
    top, rest = rows[:worst], rows[worst:]
    places = np.unique(np.linspace(0, len(rest) - 1, min(spread, len(rest))).round().astype(int))
    return top + [rest[place] for place in places]


def _pairs(study: Study, singles: list[Variation], taken: set[Variation]) -> list[Variation]:
    """Random combinations of two single-factor variations of different factors."""
    rng = np.random.default_rng(study.config.rollouts.seed)
    possible = sum(next(iter(a)) != next(iter(b)) for i, a in enumerate(singles) for b in singles[i + 1 :])
    wanted = min(study.config.diagnosis.pairs, possible)
    pairs: dict[Variation, None] = {}
    for _ in range(100 * wanted):
        if len(pairs) == wanted:
            break
        a, b = (singles[i] for i in rng.choice(len(singles), size=2, replace=False))
        if next(iter(a)) != next(iter(b)):
            pair = study.space.variation({**a, **b})
            if pair not in taken:
                pairs[pair] = None
    return list(pairs)
