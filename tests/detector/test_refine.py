import math
from dataclasses import replace

import numpy as np
import pytest

from faultfield.detector.model import ArmorModel
from faultfield.detector.refine import DetectionAlone, Refiner
from faultfield.detector.trajectories import Refinement, Trajectories
from faultfield.detector.tree import Tree
from faultfield.detector.views import Viewer
from faultfield.rollouts.clip import Clip
from faultfield.rollouts.verdict import Verdict
from tests.detector import armor

TASKS = ["Lift the red cube.", "Stack."]
# Cold, so that samples agree often and guesses are right now and then.
HOW = Refinement(samples=2, rounds=3, tolerance=-math.inf, temperature=0.15, longest=7, seed=5)


def verdicts(how: Refinement = HOW, ids: tuple[str, ...] = ("a", "b"), known: tuple[str, ...] = ()) -> list[Verdict]:
    model = armor.detector()
    views = {"a": armor.picture(), "b": armor.video()}
    openings = model.open([views[id] for id in ids], [TASKS["ab".index(id)] for id in ids])
    return Refiner(model, how, known).refine(openings, ids)


def alike(first: Verdict, second: Verdict) -> bool:
    numbers = [
        [(r.failure_probability, r.detection_entropy, r.reason_entropy) for r in verdict.rounds]
        for verdict in (first, second)
    ]
    same = [r.reason for r in first.rounds] == [r.reason for r in second.rounds]
    return same and first.reason == second.reason and np.allclose(*numbers, atol=1e-4)


@pytest.mark.parametrize("row", [0, 1], ids=["picture", "video"])
def test_refinement_equals_the_naive_one(row: int) -> None:
    found = verdicts()[row]
    view = (armor.picture(), armor.video())[row]
    own = Trajectories("ab"[row], HOW)
    naive = armor.naive_rounds(armor.detector(), view, TASKS[row], HOW, own.coins, own.draws)
    best = [min(steps, key=lambda step: step.combined) for steps in naive]
    assert [r.reason for r in found.rounds] == [step.reason for step in best]
    for ours, step in zip(found.rounds, best, strict=True):
        assert ours.failure_probability == pytest.approx(step.chance, abs=1e-4)
        assert ours.detection_entropy == pytest.approx(step.detection_entropy, abs=1e-4)
        assert ours.reason_entropy == pytest.approx(step.reason_entropy, abs=1e-3)
    surest = min(best, key=lambda step: step.combined)
    assert found.reason == surest.reason
    assert found.failure_probability == pytest.approx(surest.chance, abs=1e-4)
    # The samples have to differ somewhere, or the test would not see them mixed up.
    assert any(len({step.reason for step in steps}) > 1 for steps in naive)


def test_neighbours_and_guesses_change_nothing() -> None:
    together = verdicts()
    alone = [verdicts(ids=("a",))[0], verdicts(ids=("b",))[0]]
    swapped = verdicts(ids=("b", "a"))[::-1]
    guessed = verdicts(known=tuple(r.reason for verdict in together for r in verdict.rounds))
    wrong = verdicts(known=("The robot succeeded.", "Given the cube."))
    for others in (alone, swapped, guessed, wrong, verdicts()):
        assert all(alike(a, b) for a, b in zip(together, others, strict=True))
    assert not alike(together[0], verdicts(replace(HOW, seed=4))[0])


def test_right_guesses_save_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    count = []
    read = Tree.read
    monkeypatch.setattr(Tree, "read", lambda tree: count.append(1) or read(tree))
    how = replace(HOW, rounds=1, longest=24, temperature=0.0)
    model = armor.detector()
    refiner = Refiner(model, how)
    openings = model.open([armor.picture()], TASKS[:1])
    found, unguessed = refiner.refine(openings, "a")[0], len(count)
    # It remembers what it said.
    again = refiner.refine(openings, "a")[0]
    assert alike(found, again)
    assert unguessed > 10
    assert len(count) - unguessed <= 2


def test_what_it_was_taught_is_guessed_from_the_first_video_on(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    read = Tree.read
    monkeypatch.setattr(Tree, "read", lambda tree: (read(tree), lengths.append(tree.length))[0])
    model = armor.detector()
    taught = ArmorModel(model.backbone, model.head, model.processor, model.viewer, ("The robot succeeded.",))
    openings = model.open([armor.picture()], TASKS[:1])
    found, first = [], []
    for refiner in (Refiner(taught, HOW, known=()), Refiner(taught, HOW), Refiner(model, HOW)):
        lengths.clear()
        found.append(refiner.refine(openings, "a")[0])
        first.append(lengths[0])
    guessed = len(model.scribe.reason_ids("The robot succeeded.")) - 1
    # As far as guessing pays at first.
    assert 0 < first[1] - first[0] <= guessed
    assert first[2] == first[0]
    assert alike(found[0], found[1])


def test_a_settled_answer_costs_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = []
    read = Tree.read
    monkeypatch.setattr(Tree, "read", lambda tree: (read(tree), lengths.append(tree.length))[0])
    # At temperature 0, the third round is told the same as the second if both say the same.
    found = verdicts(replace(HOW, temperature=0.0, rounds=12, samples=3, longest=1), ids=("a",))[0]
    last, before = found.rounds[-1], found.rounds[-2]
    assert (last.reason, last.failure_probability) == (before.reason, before.failure_probability)
    assert lengths[-1] == lengths[-2]


class Scripted(Trajectories):
    """Answers as told, whatever the model says."""

    def play(self, rounds: list[list[tuple[float, float]]]) -> int:
        """Rounds of (failure probability, reason entropy) by sample; how many were played before it settled."""
        for number, samples in enumerate(rounds):
            self.chances = dict(zip(self.said, (chance for chance, _ in samples), strict=False))
            if len(set(self.said)) < len(samples):
                self.chances = dict.fromkeys(self.said, samples[0][0])
            reasons = [f"round {number} sample {k}" for k in range(len(samples))]
            self.answer([(k,) for k in range(len(samples))], reasons, [each for _, each in samples])
            if self.settled:
                break
        return self.number


def test_it_stops_where_doubt_falls_no_more_and_keeps_the_best_round() -> None:
    how = Refinement(samples=1, rounds=4)
    game = Scripted("x", how)
    assert game.play([[(0.6, 1.0)], [(0.8, 1.0)], [(0.7, 1.0)], [(0.99, 0.0)]]) == 3
    verdict = game.verdict()
    assert verdict.failure_probability == 0.8
    assert verdict.reason == "round 1 sample 0"
    assert [r.failure_probability for r in verdict.rounds] == [0.6, 0.8, 0.7]


def test_tolerance() -> None:
    shy = [[(0.9, 1.0)], [(0.9, 1.0 - 5e-4)], [(0.9, 0.0)]]
    # λ = 0.1 makes it a gain of 5e-5.
    assert Scripted("x", Refinement(samples=1)).play(shy) == 2
    assert Scripted("x", Refinement(samples=1, tolerance=1e-6)).play(shy) == 3
    rising = [[(0.9, 1.0)], [(0.9, 2.0)], [(0.9, 3.0)]]
    assert Scripted("x", Refinement(samples=1)).play(rising) == 2
    assert Scripted("x", Refinement(samples=1, tolerance=-math.inf)).play(rising) == 3


def test_the_surest_sample_by_both_entropies() -> None:
    game = Scripted("x", Refinement(samples=3, weight=0.1))
    game.play([[(0.7, 0.5)] * 3])
    # Told different things now.
    game.chances = dict(zip(game.said, (0.7, 0.9, 0.9), strict=True))
    game.answer([(1,), (2,), (3,)], ["unsure", "sure of both", "sure of one"], [0.1, 0.2, 3.0])
    verdict = game.verdict()
    assert (verdict.reason, verdict.failure_probability) == ("sure of both", 0.9)
    assert verdict.detection_entropy == pytest.approx(-(0.9 * math.log(0.9) + 0.1 * math.log(0.1)))


def test_an_answer_that_contradicts_itself_counts_as_unsure() -> None:
    first = [[(0.9, 0.5)] * 3]
    rest = (["The robot succeeded.", "The gripper never closed on the red cube."] * 2)[:3]

    def second(agreeing: bool, chance: float) -> str:
        game = Scripted("x", Refinement(samples=3, agreeing=agreeing))
        game.play(first)
        game.chances = dict.fromkeys(game.said, chance)
        game.answer([(1,), (2,), (3,)], rest, [0.1, 0.4, 0.2])
        return game.verdict().reason

    # The surest words say that it succeeded, which the head denies, or holds likely.
    assert second(True, 0.95) == rest[1]
    assert second(False, 0.95) == rest[0]
    assert second(True, 0.05) == rest[0]


def test_what_is_told_is_drawn_with_its_probability() -> None:
    how = Refinement(samples=4000, rounds=1, longest=1)
    game = Scripted("x", how)
    game.play([[(0.3, 1.0)] * how.samples])
    share = np.mean([said.failed for said in game.said])
    assert abs(share - 0.3) < 4 * math.sqrt(0.3 * 0.7 / how.samples)
    cold = Scripted("x", replace(how, temperature=0.0))
    cold.play([[(0.3, 1.0)] * how.samples])
    assert not any(said.failed for said in cold.said)


def test_clips_are_judged_through_the_models_own_view() -> None:
    model = armor.detector()
    rng = np.random.default_rng(0)
    frames = {camera: rng.integers(0, 255, (5, 30, 30, 3), dtype=np.uint8) for camera in ("front", "wrist")}
    clips = [Clip(frames, np.arange(5) / 5, task, id) for task, id in zip(TASKS, "ab", strict=True)]
    old = model.viewer
    model.viewer = Viewer("video", frames=4, cell=28)
    try:
        refiner = Refiner(model, replace(HOW, batch=1))
        found = refiner.judge(clips)
        openings = model.open([model.viewer(clip) for clip in clips], TASKS)
        assert all(alike(a, b) for a, b in zip(found, Refiner(model, HOW).refine(openings, "ab"), strict=True))
        # In the first round nothing is told: the head's answer is that of detection alone.
        first = [verdict.rounds[0].failure_probability for verdict in found]
        assert refiner.detect(clips) == pytest.approx(first, abs=1e-5)
        alone = DetectionAlone(refiner).judge(clips)
        assert [verdict.failure_probability for verdict in alone] == pytest.approx(first, abs=1e-5)
        assert all((verdict.reason, verdict.rounds) == ("", ()) for verdict in alone)
    finally:
        model.viewer = old
