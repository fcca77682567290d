"""What the report and the terminal say: numbers in words, the verdict, the caveats."""

from collections.abc import Mapping, Sequence

from faultfield.diagnosis.measures import FAILING
from faultfield.diagnosis.result import BlindFloor, DetectorInfo, Diagnosis, Known, Ranked, Rate, Verdicts

LOW_SUPPORT = 0.2
"""Below this support an estimate is far from everything known."""


_RUNS = 8
"""Runs of whole numbers that are said one by one."""


_MANY = 500
"""From so many episodes on a share has a decimal: 94.6% of 890 are not said to be 95%."""


def percent(share: float, episodes: int = 0) -> str:
    """A share in percent, whole ones where it is of fewer than `_MANY` episodes; never rounded to certainty.

    Example:
        >>> percent(0.873), percent(0.9991), percent(1.0), percent(0.946, 890)
        ('87%', '>99%', '100%', '94.6%')
    """
    if episodes >= _MANY and 0.0005 <= share < 0.9995:
        return f"{100 * share:.1f}%"
    if 0 < share < 0.005:
        return "<1%"
    if 0.995 <= share < 1:
        return ">99%"
    return f"{100 * share:.0f}%"


def span(low: float, high: float) -> str:
    """An interval of shares; its ends are never rounded to certainty.

    Example:
        >>> span(0.7, 0.95), span(0.7, 0.9991), span(0.001, 1.0)
        ('70–95%', '70 to >99%', '<1–100%')
    """
    end = percent(high)
    return f"{percent(low).removesuffix('%')}{' to ' if end.startswith('>') else '–'}{end}"


def number(value: object) -> str:
    """A value of a factor, or an argument, in few characters; lists joined by commas."""
    if isinstance(value, bool) or value is None:
        return str(value).lower() if value is not None else "none"
    if isinstance(value, int | float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {number(item) or 'none'}" for name, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(number(item) for item in value)
    return str(value).replace("_", " ") if isinstance(value, str) else str(value)


def label(variation: Mapping[str, object]) -> str:
    """A variation in few words, for the axes of a plot.

    Example:
        >>> label({"cube_color": "red", "light_intensity": 0.4})
        'cube color red + light intensity 0.4'
    """
    parts = [f"{name.replace('_', ' ')} {number(value)}" for name, value in variation.items()]
    return " + ".join(parts) or "nominal"


def points(share: float) -> str:
    """A difference of shares in whole percentage points with its sign; nothing is neither gained nor lost.

    Example:
        >>> points(-0.25), points(0.1), points(-0.002)
        ('-25', '+10', '0')
    """
    whole = round(100 * share)
    return f"{whole:+d}" if whole else "0"


def spans(numbers: Sequence[int]) -> str:
    """Whole numbers with runs said by their ends; of many runs the first ones, and how many numbers there are.

    Example:
        >>> spans([0, 1, 2, 3, 100, 101, 7])
        '0–3, 7, 100, 101'
        >>> spans(range(0, 100, 5))
        '0, 5, 10, 15 … 95 (20)'
    """
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    said = [f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    if len(said) > _RUNS:
        return f"{', '.join(said[: _RUNS // 2])} … {max(numbers)} ({len(numbers)})"
    return ", ".join(said)


def shorten(text: str, length: int) -> str:
    """`text`, cut with an ellipsis where it is longer than `length` characters."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def threshold(diagnosis: Diagnosis) -> float:
    """Which share of failed episodes a variation that counts as failing exceeds."""
    measures = diagnosis.measures
    return FAILING if measures is None or measures.threshold is None else measures.threshold


def feasible(diagnosis: Diagnosis) -> list[Known]:
    """The known variations that the study names and the expert can do, so that a failure is the policy's own."""
    return [entry for entry in diagnosis.known if not entry.infeasible and not entry.sought]


def failing(diagnosis: Diagnosis) -> list[Known]:
    """The known, feasible variations that count as failing."""
    return [entry for entry in feasible(diagnosis) if entry.episodes and entry.rate > threshold(diagnosis)]


def weaknesses(diagnosis: Diagnosis) -> list[Ranked]:
    """The ranked variations that are not known to be infeasible, worst first."""
    return [entry for entry in diagnosis.ranking if not entry.infeasible]


def infeasible(diagnosis: Diagnosis) -> list[Known | Ranked]:
    """The variations, known and ranked, under which the expert fails too."""
    entries: list[Known | Ranked] = [*diagnosis.known, *diagnosis.ranking]
    return [entry for entry in entries if entry.infeasible]


def verdict(diagnosis: Diagnosis) -> str:
    """What was found, in one sentence, for the head of the report and for the terminal."""
    known = feasible(diagnosis)
    if known:
        found = f"Fails in {len(failing(diagnosis))} of {len(known)} known variations"
    else:
        found = f"Fails in {counted(diagnosis.nominal)} nominal episodes"
    worst = weaknesses(diagnosis)
    if not worst:
        return f"{found}."
    said = f"{percent(worst[0].failure_probability)} expected"
    if worst[0].verified is not None:
        said += f", {counted(worst[0].verified)} failed when rolled out"
    return f"{found}; worst prediction: “{worst[0].text.rstrip('.')}” ({said})."


def counted(rate: Rate) -> str:
    """Failures over episodes, in words."""
    return f"{rate.failures} of {rate.episodes}"


def why_infeasible(entry: Known | Ranked) -> str:
    """Why an entry is kept out of the weaknesses."""
    counts = entry if isinstance(entry, Known) else entry.verified
    if counts is not None and counts.expert_episodes and counts.expert_failures is not None:
        return f"The expert failed {counts.expert_failures} of {counts.expert_episodes} episodes as well."
    return entry.note if isinstance(entry, Ranked) and entry.note else "The expert fails as well."


def floor(found: BlindFloor) -> str:
    """How much seeing helps, in one sentence.

    Example:
        >>> floor(BlindFloor(variations=21, policy=0.5, blind=0.95, low=0.3, high=0.6))
        'A policy that sees nothing fails in 95% of the episodes, this one in 50%: +45 points (95%: +30 to +60).'
    """
    return (
        f"A policy that sees nothing fails in {percent(found.blind)} of the episodes, this one in "
        f"{percent(found.policy)}: {points(found.blind - found.policy)} points "
        f"(95%: {points(found.low)} to {points(found.high)})."
    )


def detector_counts(verdicts: Verdicts) -> str:
    """How far what a detector said of a variation is borne out by the simulator's own check.

    Example:
        >>> detector_counts(Verdicts(judged=10, failures=8, found=6, alarms=1, alike=4))
        'It found 6 of 8 failures, with 1 false alarm in 2 successes; 4 of the 6 reasons claim the same.'
    """
    said = f"It found {verdicts.found} of {_many(verdicts.failures, 'failure')}"
    successes = verdicts.judged - verdicts.failures
    if successes:
        said += f", with {_many(verdicts.alarms, 'false alarm')} in {_many(successes, 'success')}"
    if verdicts.found > 1:
        said += f"; {verdicts.alike} of the {verdicts.found} reasons claim the same"
    return f"{said}."


def heard(detector: DetectorInfo) -> str:
    """How far a detector agrees with the simulator, in one sentence."""
    return (
        f"The detector agrees with the simulator on {detector.agreed} of {detector.episodes} episodes "
        f"({percent(detector.rate)}; 95%: {span(detector.low, detector.high)}): it found {detector.found} of "
        f"{_many(detector.failures, 'failure')}, and called {detector.alarms} of "
        f"{_many(detector.episodes - detector.failures, 'success')} failed."
    )


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}{'es' if word.endswith('s') else 's'}"


def caveats(diagnosis: Diagnosis) -> list[str]:
    """What a reader must bear in mind: the study's own caveats after those that follow from the numbers."""
    ranking = weaknesses(diagnosis)
    found = []
    far = sum(entry.support < LOW_SUPPORT for entry in ranking)
    if far:
        found.append(
            f"Of {len(ranking)} ranked variations, {far} lie far from everything known (support below "
            f"{LOW_SUPPORT:g}). Their estimates are extrapolated."
        )
    verified = sum(entry.verified is not None for entry in ranking)
    if verified < len(ranking):
        found.append(f"Of {len(ranking)} ranked variations, {verified} were rolled out; the others are predictions.")
    if named := [entry for entry in diagnosis.known if not entry.sought]:
        fewest = min(entry.episodes for entry in named)
        half = max((entry.high - entry.low) / 2 for entry in named)
        found.append(
            f"With {_many(fewest, 'episode')} for a known variation, a measured rate is uncertain by up to "
            f"±{100 * half:.0f} points (95%)."
        )
    if diagnosis.detector is not None:
        found.append(
            "Reasons are the detector's own words. Whether an episode failed was checked against the simulator; "
            "whether the reason is right was not."
        )
    return found + diagnosis.caveats
