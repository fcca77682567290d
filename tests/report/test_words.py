import re

import pytest

from faultfield.diagnosis.result import Known, Ranked, Rate, Verified
from faultfield.report import words
from faultfield.report.agreement import agreement
from faultfield.report.plots import by_factor
from faultfield.variations import Variation
from tests.report.example import example


@pytest.mark.parametrize(("share", "said"), [(0.0, "0%"), (0.001, "<1%"), (0.5, "50%"), (0.996, ">99%"), (1.0, "100%")])
def test_percent_never_rounds_to_certainty(share: float, said: str) -> None:
    assert words.percent(share) == said


def test_a_value_in_few_characters() -> None:
    assert words.number({"steps": 3000, "weights": {}, "rate": 1e-3, "none": None}) == (
        "steps 3000, weights none, rate 0.001, none none"
    )
    assert words.number({}) == ""


def test_verdict_counts_what_the_numbers_say() -> None:
    diagnosis = example()
    feasible = [entry for entry in diagnosis.known if not entry.infeasible]
    failing = [entry for entry in feasible if 2 * entry.failures > entry.episodes]
    worst = max((e for e in diagnosis.ranking if not e.infeasible), key=lambda e: e.failure_probability)
    said = words.verdict(diagnosis)
    assert said.startswith(f"Fails in {len(failing)} of {len(feasible)} known variations; worst prediction:")
    assert worst.text.rstrip(".") in said


def test_what_a_hunt_sought_is_no_share_of_the_known() -> None:
    diagnosis = example()
    found = Known.counted(Variation({"a": 1.0}, "A."), 2, 2, sought=True)
    hunted = diagnosis.model_copy(update={"known": [*diagnosis.known, found]})
    assert words.verdict(hunted) == words.verdict(diagnosis)
    assert by_factor(hunted) == by_factor(diagnosis)
    assert (
        hunted.fingerprint
        == diagnosis.model_copy(
            update={"known": [*diagnosis.known, found.model_copy(update={"sought": False})]}
        ).fingerprint
    ), "by the settings it is known which were sought"


def test_verdict_tells_of_the_rollouts_of_the_worst() -> None:
    entry = Ranked.estimated(Variation({"a": 1.0}, "Change a."), 0.9, 0.8, 1, 1, verified=Verified.counted(28, 30))
    said = words.verdict(example().model_copy(update={"ranking": [entry]}))
    assert said.endswith("worst prediction: “Change a” (90% expected, 28 of 30 failed when rolled out).")


def test_verdict_without_variations_speaks_of_the_nominal_condition() -> None:
    bare = example().model_copy(update={"known": [], "ranking": [], "nominal": Rate.of(2, 40)})
    assert words.verdict(bare) == "Fails in 2 of 40 nominal episodes."


def test_threshold_follows_the_measures() -> None:
    diagnosis = example()
    strict = diagnosis.model_copy(update={"measures": diagnosis.measures.model_copy(update={"threshold": 0.9})})
    assert len(words.failing(strict)) == sum(k.rate > 0.9 and not k.infeasible for k in diagnosis.known)


def test_caveats_follow_from_the_numbers() -> None:
    diagnosis = example()
    said = " ".join(words.caveats(diagnosis))
    listed = [entry for entry in diagnosis.ranking if not entry.infeasible]
    rolled = sum(entry.verified is not None for entry in listed)
    assert f"{rolled} were rolled out" in said
    assert words.caveats(diagnosis)[-1] == diagnosis.caveats[-1]
    known = [Known.counted(Variation({"a": 1.0}, "A."), 1, 1), Known.counted(Variation({}, "B."), 1, 2, sought=True)]
    told = words.caveats(diagnosis.model_copy(update={"known": known}))
    assert any(line.startswith("With 1 episode for a known variation") for line in told)
    assert not any(
        "known variation" in line for line in words.caveats(diagnosis.model_copy(update={"known": known[1:]}))
    )


def test_infeasible_entries_say_why() -> None:
    said = [words.why_infeasible(entry) for entry in words.infeasible(example())]
    assert said == ["The expert failed 10 of 10 episodes as well.", "The expert failed 30 of 30 episodes as well."]


def test_labels_are_short_and_plain() -> None:
    assert words.label({"camera_shift": [0.0, 0.03, 0.0]}) == "camera shift 0, 0.03, 0"
    assert words.label({}) == "nominal"
    assert re.fullmatch(r".{9}…", words.shorten("a" * 30, 10))


def test_agreement_equals_a_count_over_episodes() -> None:
    ranking = example().ranking
    found = agreement(ranking)
    assert found is not None
    squares, inside, errors, rolled = [], 0, [], 0
    for entry in ranking:
        if entry.verified is None:
            continue
        outcomes = [1] * entry.verified.failures + [0] * (entry.verified.episodes - entry.verified.failures)
        squares += [(entry.failure_probability - outcome) ** 2 for outcome in outcomes]
        errors.append(abs(entry.failure_probability - sum(outcomes) / len(outcomes)))
        inside += entry.low <= sum(outcomes) / len(outcomes) <= entry.high
        rolled += 1
    assert (found.count, found.covered) == (rolled, inside)
    assert found.brier == pytest.approx(sum(squares) / len(squares))
    assert found.error == pytest.approx(sum(errors) / len(errors))


def test_rank_correlation_needs_differences() -> None:
    def entry(name: str, mean: float, failures: int) -> Ranked:
        return Ranked.estimated(Variation({name: 1.0}, name), mean, 0, 1, 1, verified=Verified.counted(failures, 10))

    assert agreement([entry("a", 0.2, 1), entry("b", 0.5, 4), entry("c", 0.9, 9)]).spearman == pytest.approx(1.0)
    assert agreement([entry("a", 0.9, 1), entry("b", 0.5, 4), entry("c", 0.2, 9)]).spearman == pytest.approx(-1.0)
    assert agreement([entry("a", 0.5, 1), entry("b", 0.5, 4)]).spearman is None


def test_runs_of_seeds_are_said_by_their_ends() -> None:
    assert words.spans([0, 1, 2, 3, 100_000, 100_001, 100_002]) == "0–3, 100000–100002"
    assert words.spans([5, 7, 8]) == "5, 7, 8"
    assert words.spans([]) == ""
