"""Two policies on the same variations and seeds: which episodes were lost, which gained, and whether that is luck."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from faultfield.diagnosis.mcnemar import Alternative, Pairs, tarone_holm
from faultfield.errors import FaultfieldError
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.outcomes import Outcome, outcomes
from faultfield.variations import Variation


@dataclass(frozen=True)
class Change:
    """What became of one variation, or of all.

    Attributes:
        variation: Which; None for all together.
        pairs: The counts.
        p: Of the exact McNemar test, 0–1.
        adjusted: The same after the correction for all tests of the comparison, 0–1; 1 of a test that cannot be
            significant.
        low, high: Interval of the difference in success.
        significant: Whether `adjusted` is at most the comparison's `alpha`.
    """

    variation: Variation | None
    pairs: Pairs
    p: float
    adjusted: float
    low: float
    high: float
    significant: bool

    @property
    def verdict(self) -> Literal["worse", "better", "no change shown"]:
        """What can be said of it."""
        if not self.significant or self.pairs.difference == 0:
            return "no change shown"
        return "worse" if self.pairs.difference < 0 else "better"

    def to_json(self) -> dict[str, Any]:
        """Plain values; `variation` and `text` only where it is of one."""
        pairs = self.pairs
        named = {} if self.variation is None else {"variation": self.variation.to_json(), "text": self.variation.text}
        return named | {
            "pairs": pairs.count, "successes_before": pairs.both + pairs.lost,
            "successes_after": pairs.both + pairs.gained, "lost": pairs.lost, "gained": pairs.gained,
            "difference": pairs.difference, "low": self.low, "high": self.high, "p": self.p,
            "p_adjusted": self.adjusted, "verdict": self.verdict,
        }  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """Before and after, paired by variation and seed.

    Attributes:
        overall: All pairs together.
        variations: Each variation that has pairs, in the order in which they first appear before.
        only_before: What was tried before alone: whole variations, no pair of which is there.
        only_after: What was tried after alone.
        unpaired: Episodes of the compared variations whose seed the other side lacks, before and after.
        alpha: Level of significance of the whole comparison.
        level: Of the intervals.
        alternative: Of the tests.
    """

    overall: Change
    variations: tuple[Change, ...]
    only_before: tuple[Outcome, ...]
    only_after: tuple[Outcome, ...]
    unpaired: tuple[int, int]
    alpha: float
    level: float
    alternative: Alternative

    @property
    def regressions(self) -> tuple[Change, ...]:
        """Every significant drop, that of all together first."""
        return tuple(change for change in (self.overall, *self.variations) if change.verdict == "worse")

    @property
    def method(self) -> str:
        """Tests, correction and intervals, in words."""
        sides = "two-sided" if self.alternative == "two-sided" else "one-sided, for a drop"
        count = len(self.variations)
        many = (
            f", Holm's correction over those of {count} variations and of all of them together that can be "
            "significant (Tarone 1990)"
            if count > 1
            else ""
        )
        return (
            f"exact McNemar test, {sides}{many}, significant at {self.alpha:g}; "
            f"intervals {100 * self.level:g} % each, Newcombe 1998 for paired proportions"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, as `faultfield compare --json` prints them."""
        return {
            "method": self.method, "alpha": self.alpha, "level": self.level, "alternative": self.alternative,
            "regressed": bool(self.regressions), "overall": self.overall.to_json(),
            "variations": [change.to_json() for change in self.variations],
            "only_before": [_counted(outcome) for outcome in self.only_before],
            "only_after": [_counted(outcome) for outcome in self.only_after],
            "unpaired_episodes": {"before": self.unpaired[0], "after": self.unpaired[1]},
        }  # fmt: skip


def compare(
    before: Iterable[Episode],
    after: Iterable[Episode],
    *,
    alpha: float = 0.05,
    level: float = 0.95,
    alternative: Alternative = "two-sided",
) -> Comparison:
    """Compare the outcomes of two policies episode by episode.

    Episodes are paired by variation and seed: the same scene under the same change. Each variation is tested, and all
    pairs together; Holm's correction runs over those of these tests that can be significant (Tarone 1990), so that the
    chance of any false alarm in the whole comparison is at most `alpha`. The test of all pairs together takes them as
    independent, though a seed's scene comes back in every variation: it speaks of these variations and scenes.

    Args:
        before: Of one policy, at most one episode a variation and seed.
        after: Of the other.
        alpha: Level of significance, 0–1.
        level: Of the intervals of the differences, 0–1.
        alternative: Of the tests.

    Raises:
        FaultfieldError: Nothing is paired, one side has a variation and seed twice, or `alpha` or `level` is not
            between 0 and 1.
    """
    if not 0 < alpha < 1 or not 0 < level < 1:
        raise FaultfieldError(f"The level of significance and of intervals lies between 0 and 1, not {alpha}, {level}.")
    first, second = _by_variation(before, "before"), _by_variation(after, "after")
    counted = {v: _paired(seeds, second[v]) for v, seeds in first.items() if v in second}
    shared = {variation: pairs for variation, pairs in counted.items() if pairs is not None}
    if not shared:
        raise FaultfieldError("No episode of the one has the variation and the seed of an episode of the other.")
    total = Pairs(*(sum(column) for column in zip(*map(_counts, shared.values()), strict=True)))
    changes = [_change(None, total, level, alternative)]
    changes += [_change(variation, pairs, level, alternative) for variation, pairs in shared.items()]
    # All of one variation are that variation: one test, not two.
    adjusted = [change.p for change in changes]
    if len(shared) > 1:
        adjusted = tarone_holm(adjusted, [change.pairs.least_p(alternative) for change in changes], alpha)
    changes = [replace(change, adjusted=p, significant=p <= alpha) for change, p in zip(changes, adjusted, strict=True)]
    return Comparison(
        overall=changes[0],
        variations=tuple(changes[1:]),
        only_before=_rest(first, shared),
        only_after=_rest(second, shared),
        unpaired=(_unpaired(first, second, shared), _unpaired(second, first, shared)),
        alpha=alpha,
        level=level,
        alternative=alternative,
    )


Seeds = dict[int, Episode]


def _by_variation(episodes: Iterable[Episode], side: str) -> dict[Variation, Seeds]:
    found: dict[Variation, Seeds] = {}
    for episode in episodes:
        seeds = found.setdefault(episode.variation, {})
        if episode.seed in seeds:
            raise FaultfieldError(
                f"Two episodes {side} have seed {episode.seed} under {episode.variation.to_json()}; "
                "give those of one policy in one environment."
            )
        seeds[episode.seed] = episode
    return found


def _paired(before: Seeds, after: Seeds) -> Pairs | None:
    outcome = [(before[seed].success, after[seed].success) for seed in before if seed in after]
    if not outcome:
        return None
    return Pairs(*(outcome.count(kind) for kind in ((True, True), (True, False), (False, True), (False, False))))


def _counts(pairs: Pairs) -> tuple[int, int, int, int]:
    return pairs.both, pairs.lost, pairs.gained, pairs.neither


def _change(variation: Variation | None, pairs: Pairs, level: float, alternative: Alternative) -> Change:
    p = pairs.p(alternative)
    return Change(variation, pairs, p, p, *pairs.interval(level), significant=False)


def _rest(side: dict[Variation, Seeds], shared: dict[Variation, Pairs]) -> tuple[Outcome, ...]:
    alone = [seeds.values() for variation, seeds in side.items() if variation not in shared]
    return tuple(outcome for episodes in alone for outcome in outcomes(episodes))


def _unpaired(side: dict[Variation, Seeds], other: dict[Variation, Seeds], shared: dict[Variation, Pairs]) -> int:
    return sum(len(side[variation].keys() - other[variation].keys()) for variation in shared)


def _counted(outcome: Outcome) -> dict[str, Any]:
    return {
        "variation": outcome.variation.to_json(), "text": outcome.variation.text, "episodes": outcome.episodes,
        "successes": outcome.episodes - outcome.failures,
    }  # fmt: skip
