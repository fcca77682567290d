"""What is no weakness of the policy: variations that nobody can solve; and the floor that a blind policy sets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faultfield.rollouts.episode import Episode
from faultfield.rollouts.outcomes import Outcome, outcomes
from faultfield.variations import Variation

FEASIBLE_RATE = 0.5
"""An expert that fails more often than this shows a variation to be infeasible."""


@dataclass(frozen=True)
class Feasibility:
    """What the expert's episodes say of one variation.

    Attributes:
        variation: Which.
        expert: The expert's episodes under the same variation and seeds; None where it was not tried.
        infeasible: Whether the expert's failure rate is above the limit; None where it was not tried.
        certain: Whether its Wilson interval (95 %) lies wholly on one side of the limit.
    """

    variation: Variation
    expert: Outcome | None
    infeasible: bool | None
    certain: bool


def feasibility(
    variations: Sequence[Variation], expert: Sequence[Outcome], limit: float = FEASIBLE_RATE
) -> list[Feasibility]:
    """Judge each variation by the expert's episodes under it.

    A variation is infeasible where the expert fails more often than `limit`; the Wilson interval says whether its few
    episodes make that certain. Doubtful ones are judged by the rate, and marked, rather than left in silence in the
    ranking of weaknesses.

    Args:
        variations: In the order wanted.
        expert: The expert's outcomes, of any variations.
        limit: Failure rate, 0–1.

    Returns:
        One entry a variation, in order.
    """
    known = {outcome.variation: outcome for outcome in expert}
    result = []
    for variation in variations:
        outcome = known.get(variation)
        if outcome is None:
            result.append(Feasibility(variation, None, None, False))
            continue
        low, high = outcome.interval()
        result.append(Feasibility(variation, outcome, outcome.rate > limit, low > limit or high < limit))
    return result


def teachable(episodes: Sequence[Episode], expert: Sequence[Episode], limit: float = FEASIBLE_RATE) -> list[Episode]:
    """Episodes without those of infeasible variations: what the policy's weaknesses can be learned from.

    A variation that nobody can solve fails for reasons that no look at the policy explains. Fitted along, one such
    outlier among twenty widens every interval by a third, because the calibration takes it for the estimator's error.

    Args:
        episodes: The policy's.
        expert: The expert's, of any variations; where it was not tried, a variation counts as feasible.
        limit: Failure rate of the expert above which a variation is infeasible, 0–1.

    Returns:
        In the same order; the nominal variation always stays.
    """
    hopeless = {o.variation for o in outcomes(expert) if o.rate > limit and not o.variation.is_nominal}
    return [episode for episode in episodes if episode.variation not in hopeless]


@dataclass(frozen=True)
class Floor:
    """How a policy that sees nothing fares, over all variations where both were tried.

    Attributes:
        blind: Its failure rate, 0–1.
        policy: The policy's failure rate on the same variations, 0–1.
        low, high: Interval (95 %) of blind − policy, by bootstrap over variations; above 0, seeing helps.
        variations: How many were compared.
    """

    blind: float
    policy: float
    low: float
    high: float
    variations: int


def floor(policy: Sequence[Outcome], blind: Sequence[Outcome], draws: int = 2000, seed: int = 0) -> Floor | None:
    """Compare the policy with the blind one, paired by variation; None where they share none.

    Args:
        policy: The policy's outcomes.
        blind: The blind policy's outcomes.
        draws: Bootstrap samples.
        seed: Of the bootstrap.
    """
    blinded = {outcome.variation: outcome.rate for outcome in blind}
    pairs = np.array([(blinded[o.variation], o.rate) for o in policy if o.variation in blinded])
    if not len(pairs):
        return None
    gaps = pairs[:, 0] - pairs[:, 1]
    samples = np.random.default_rng(seed).integers(len(gaps), size=(draws, len(gaps)))
    low, high = np.quantile(gaps[samples].mean(axis=1), [0.025, 0.975])
    return Floor(float(pairs[:, 0].mean()), float(pairs[:, 1].mean()), float(low), float(high), len(pairs))
