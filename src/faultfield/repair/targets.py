"""Under which variations a budget of demonstrations is best spent."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Literal

import numpy as np

from faultfield.diagnosis.result import Diagnosis
from faultfield.errors import StudyError
from faultfield.variations import NOMINAL, Variation, VariationSpace

WORTH_REPAIRING = 0.2
"""From this failure rate on, estimated where nothing was rolled out, a variation is one to be repaired."""

ANYWHERE = "anywhere"
"""The mode without targets: every demonstration is under a variation of its own, drawn from the whole space."""

MODES = ("targeted", "random", ANYWHERE, "worst-2", "worst-4", "all")
"""How targets are chosen; `worst-K` takes any K."""

Group = Literal["known", "unseen"]


@dataclass(frozen=True)
class Suspect:
    """A feasible variation that was diagnosed.

    Attributes:
        variation: Which.
        failure: Failure probability, 0–1: counted where it was rolled out (`shrunk`), estimated where it was not.
        rate: Failed episodes of those that were rolled out, 0–1, by which it is seen whether it fails at all; None
            where `failure` says it.
        weight: How much it matters to the user; 1 where nothing was said.
        group: `known` was rolled out before anything was learned; `unseen` was ranked.
    """

    variation: Variation
    failure: float
    group: Group
    weight: float = 1.0
    rate: float | None = None

    @property
    def fails(self) -> bool:
        """Whether it is one to be repaired."""
        return (self.failure if self.rate is None else self.rate) >= WORTH_REPAIRING

    @property
    def mass(self) -> float:
        """Failure mass: failure probability times weight."""
        return self.failure * self.weight


@dataclass(frozen=True)
class Target:
    """A variation to be demonstrated, and how often."""

    suspect: Suspect
    episodes: int

    @property
    def variation(self) -> Variation:
        """Which."""
        return self.suspect.variation


def suspects(diagnosis: Diagnosis, space: VariationSpace, weights: Mapping[str, float] | None = None) -> list[Suspect]:
    """Every variation of a diagnosis that the expert can solve, as far as that was tried, in the diagnosis' order.

    Args:
        diagnosis: Of the policy to be mended.
        space: Of its environment.
        weights: How much a factor matters, by name; a variation's weight is the product of its factors'.

    Raises:
        VariationError: The space has no such factor.
        StudyError: A weight is negative or not finite.
    """
    matters = dict(weights or {})
    for name, weight in matters.items():
        space.factor(name)
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < float("inf"):
            raise StudyError(f"The weight of '{name}' must be a number from 0 up, not {weight}.")
    known = [entry for entry in diagnosis.known if not entry.infeasible]
    usual = sum(e.failures for e in known) / max(sum(e.episodes for e in known), 1)
    found = [
        Suspect(space.variation(e.variation), shrunk(e.failures, e.episodes, usual), "known", rate=e.rate)
        for e in known
    ]
    for entry in diagnosis.ranking:
        if not entry.infeasible:
            seen = entry.verified
            failure = entry.failure_probability if seen is None else shrunk(seen.failures, seen.episodes, usual)
            rate = None if seen is None else seen.rate
            found.append(Suspect(space.variation(entry.variation), failure, "unseen", rate=rate))
    return [replace(one, weight=prod(matters.get(name, 1.0) for name in one.variation)) for one in found]


def shrunk(failures: int, episodes: int, usual: float) -> float:
    """Failure probability after a few episodes, drawn down towards the usual one as if that had been seen in one more.

    A hunt rolls a variation out until it has failed often enough: two failures of two episodes are no proof of 1. Up it
    is not drawn: what never failed is nothing to be repaired.

    Args:
        failures: How many failed.
        episodes: Out of how many.
        usual: Failure rate over all known variations, 0–1.

    Example:
        >>> shrunk(2, 2, 0.25), shrunk(9, 9, 0.5), shrunk(0, 1, 0.25)
        (0.75, 0.95, 0.0)
    """
    return min(failures / episodes, (failures + usual) / (episodes + 1))


def choose(
    pool: Sequence[Suspect],
    mode: str,
    budget: int,
    space: VariationSpace,
    seed: int,
    least: int = 1,
    *,
    pictured: bool = False,
) -> list[Target]:
    """Spread a budget of demonstrations over variations.

    `targeted` takes failures by failure mass, each worth less the nearer it lies to those taken already and the more of
    these change the same factors. `worst-K` takes the K of highest mass; `all` every known failure; `random` as many
    variations as `targeted` may, whether they fail or not; `anywhere` none, which is domain randomisation. Each gets
    `least` demonstrations, the rest in proportion to its mass (`random` and `all`: evenly).

    Where each demonstration is also pictured as other targets look, targets that differ in looks alone share what is
    shown of any of them. So `targeted` then gives all of them together the rest that one alone would get, and more is
    left for what no picture of another demonstration can show.

    Args:
        pool: What `suspects` found.
        mode: One of `MODES`.
        budget: Demonstrations in all.
        space: Of the variations.
        seed: For `random`.
        least: Demonstrations that a variation gets at least.
        pictured: Whether demonstrations are pictured as other targets look, too.

    Returns:
        Targets in the order in which they were taken; their episodes sum to `budget` (`anywhere`: none).

    Raises:
        StudyError: There is no such mode, nothing fails, or the budget is smaller than one variation.
    """
    rule = _rule(mode)
    if least < 1:
        raise StudyError(f"A variation takes at least one demonstration, not {least}.")
    if budget < least:
        raise StudyError(f"A budget of {budget} episodes is smaller than one variation, which takes {least}.")
    failing = choosable(pool)
    if not failing and any(one.fails for one in pool):
        raise StudyError(
            "There is nothing to repair: the weights leave out every variation under which the policy fails "
            f"{WORTH_REPAIRING:.0%} or more of the episodes."
        )
    if not failing:
        raise StudyError(
            f"There is nothing to repair: the policy fails {WORTH_REPAIRING:.0%} or more of the episodes under no "
            "variation of the diagnosis that the expert can solve."
        )
    taken = rule(pool, failing, budget // least, space, seed)
    if mode == ANYWHERE:
        return []
    if not taken:
        fails = any(one.fails and one.group == "known" for one in pool)
        none = "the weights leave out every known variation that fails" if fails else "no known variation fails"
        raise StudyError(f"There is nothing to repair: {none}; the mode 'targeted' takes unseen ones.")
    # Of all known failures each gets less, where the budget is too small for `least` of each.
    least = min(least, max(budget // len(taken), 1)) if mode == "all" else least
    if len(taken) * least > budget:
        each = f", of {least} demonstrations each" if least > 1 else ""
        raise StudyError(
            f"A budget of {budget} episodes is smaller than the {len(taken)} variations of mode '{mode}'{each}."
        )
    shares = [importance(one, mode) for one in taken]
    if pictured and mode == "targeted":
        shares = _shared(taken, pool, space)
    numbers = _apportion(budget, shares, least)
    return [Target(one, number) for one, number in zip(taken, numbers, strict=True)]


def importance(suspect: Suspect, mode: str) -> float:
    """How much of the budget, and of the further looks, a target gets beside others: its mass, or as much as any."""
    return 1.0 if mode in ("random", "all") else suspect.mass


def _shared(taken: Sequence[Suspect], pool: Sequence[Suspect], space: VariationSpace) -> list[float]:
    """The mass of each target where all that differ in looks alone count as one, the worst of them.

    What a target changes beyond its look sets it apart, unless that alone does not fail: then the look is what fails.
    Where nobody rolled that out, the look alone must fail, too: of what no picture shows, an estimate is a guess.
    """
    diagnosed = {one.variation: one for one in pool}

    def beyond(variation: Variation) -> Variation:
        body, look = space.beyond_look(variation), diagnosed.get(space.look(variation))
        alone = diagnosed.get(body)
        if alone is None or alone.fails:
            return body
        return NOMINAL if alone.rate is not None or (look is not None and look.fails) else body

    bodies = [beyond(one.variation) for one in taken]
    alike: dict[Variation, list[float]] = {}
    for body, one in zip(bodies, taken, strict=True):
        alike.setdefault(body, []).append(one.mass)
    return [one.mass * max(alike[body]) / sum(alike[body]) for body, one in zip(bodies, taken, strict=True)]


def choosable(pool: Sequence[Suspect], mode: str = "targeted") -> list[Suspect]:
    """What fails and matters, and may be shown in a mode: in `all` the known ones alone."""
    failing = [one for one in pool if one.fails and one.mass > 0]
    return [one for one in failing if one.group == "known"] if mode == "all" else failing


Rule = Callable[[Sequence[Suspect], Sequence[Suspect], int, VariationSpace, int], list[Suspect]]
"""Takes all suspects, those that fail, how many at most, the space and a seed."""


def _rule(mode: str) -> Rule:
    if mode == "targeted":
        return lambda pool, failing, most, space, seed: spread(failing, most, space)
    if mode == ANYWHERE:
        return lambda pool, failing, most, space, seed: []
    if mode == "random":
        return lambda pool, failing, most, space, seed: _random(pool, most, seed)
    if mode == "all":
        return lambda pool, failing, most, space, seed: choosable(failing, mode)
    if match := re.fullmatch(r"worst-([1-9]\d*)", mode):
        count = int(match[1])
        return lambda pool, failing, most, space, seed: sorted(failing, key=_worst)[:count]
    raise StudyError(f"There is no mode '{mode}'; known are {', '.join(MODES)} (worst-K with any K).")


def spread(failing: Sequence[Suspect], most: int, space: VariationSpace) -> list[Suspect]:
    """Failures one after another: different factors first, then different values.

    The next is the one of highest mass × distance to the nearest taken (at most 1) ÷ (1 + how often those taken change
    its factors, on average).
    """
    left = sorted(failing, key=_worst)
    taken: list[Suspect] = []
    changed: dict[str, int] = {}
    gap = {one.variation: 1.0 for one in left}
    while left and len(taken) < most:

        def worth(one: Suspect) -> float:
            before = sum(changed.get(name, 0) for name in one.variation) / len(one.variation)
            return one.mass * gap[one.variation] / (1.0 + before)

        best = max(left, key=worth)
        left.remove(best)
        taken.append(best)
        for name in best.variation:
            changed[name] = changed.get(name, 0) + 1
        for one in left:
            gap[one.variation] = min(gap[one.variation], space.distance(one.variation, best.variation))
    return taken


def _random(pool: Sequence[Suspect], most: int, seed: int) -> list[Suspect]:
    rng = np.random.default_rng(seed)
    return [pool[i] for i in rng.permutation(len(pool))[:most]]


def _worst(one: Suspect) -> tuple[float, str]:
    return -one.mass, one.variation.key


def _apportion(total: int, shares: Sequence[float], least: int) -> list[int]:
    """Whole numbers that sum to `total`, each at least `least`, the rest by largest remainders."""
    rest = total - least * len(shares)
    exact = [rest * share / sum(shares) for share in shares]
    parts = [int(amount) for amount in exact]
    by_remainder = sorted(range(len(parts)), key=lambda i: (parts[i] - exact[i], i))
    for i in by_remainder[: rest - sum(parts)]:
        parts[i] += 1
    return [least + part for part in parts]
