"""A repair of the toy: it mends what it was shown, forgets nothing, goes on when killed, and says what is wrong."""

import hashlib
import importlib.util
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch

from faultfield.diagnosis.result import Diagnosis
from faultfield.errors import FaultfieldError, PolicyError, StudyError
from faultfield.policies.bc import CONFIG, WEIGHTS, VisualBC
from faultfield.policies.demonstrations import Demonstrations
from faultfield.policies.training_notes import PROGRESS
from faultfield.repair.mending import first_of, made_up, mender_of
from faultfield.repair.plan import Plan, Recipe
from faultfield.repair.result import Repair
from faultfield.repair.targets import Suspect, Target
from faultfield.report.repair import ended, statement
from faultfield.rollouts.ledger import Ledger
from faultfield.rollouts.scenes import own_scenes
from faultfield.rollouts.specs import PolicySpec
from faultfield.rollouts.worker import Job
from faultfield.study import Silent, Study
from faultfield.study.before_after import PAGE, REPAIRS, RESULT, Comparing
from faultfield.study.config import PluginConfig
from faultfield.study.diagnose import _mended
from faultfield.study.repair import Exported, compare_with, place, repair
from faultfield.study.rounds import CHECKPOINT, DEMONSTRATIONS, ENOUGH, PICTURED, expert_of, learnable, pictures
from faultfield.study.seeds import CHECK_SEED, CHECKED, REPAIR_SEED
from faultfield.variations import NOMINAL, Variation
from tests.repair import toy

FEW = Comparing(episodes=2, nominal=3, elsewhere=5)
SHORT = Recipe(budget=6, steps=20)


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.demonstrations(tmp_path_factory.mktemp("repair") / "demos.npz", 30)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return toy.study(tmp_path / "study", toy.untaught(tmp_path / "checkpoint"))


def mended(study: Study, recipe: Recipe = SHORT, **settings: object) -> Repair:
    made = repair(study, recipe, Silent(), comparing=FEW, **settings)  # type: ignore[arg-type]
    assert isinstance(made, Repair)
    return made


def test_the_newest_repair_of_this_policy_comes_first_in_the_study_s_report(study: Study, demos: Path) -> None:
    mended(study, SHORT, original=demos)
    mended(study, replace(SHORT, mode="random"), original=demos)
    other = study.directory / REPAIRS / "other"
    other.mkdir()
    newest = Repair.read(place(study, replace(SHORT, mode="random")) / RESULT)
    foreign = newest.model_copy(update={"before": newest.before.model_copy(update={"fingerprint": "f" * 16})})
    foreign.write(other / RESULT)
    later = newest.model_copy(update={"created": "9999-01-01T00:00:00+00:00"})
    later.write(place(study, replace(SHORT, mode="random")) / RESULT)
    damaged = study.directory / REPAIRS / "damaged" / RESULT
    damaged.parent.mkdir()
    damaged.write_text("{")
    told = _mended(study)
    assert [each.page for each in told] == ["repairs/random-6/repair.html", "repairs/targeted-6/repair.html"]
    assert [each.failures is not None for each in told] == [True, False]
    assert told[0].statement == statement(later)


@pytest.mark.parametrize("mode", ["targeted", "anywhere"])
def test_further_looks_cost_no_demonstrations(mode: str, demos: Path, study: Study) -> None:
    made = mended(study, replace(SHORT, mode=mode, looks=3), original=demos)
    assert made.targeted is not None
    shown = Demonstrations.load(place(study, SHORT).with_name(f"{mode}-6") / DEMONSTRATIONS)
    (told,) = shown.recipe
    assert made.targeted.demonstrations == told["episodes"] == 6
    assert int(shown.episodes.max()) + 1 == 6 * 4
    assert (made.targeted.steps, made.settings["looks"]) == (len(shown), 3)
    if mode == "targeted":
        # What is shown under one of the failing colours may look like the others, by how much each of them fails.
        assert {json.dumps(look["variation"]): look["weight"] for look in told["looks"]} == pytest.approx(wanted(made))
    else:
        assert len(told["looks"]) > 1
        assert all("wind" not in look["variation"] for look in told["looks"])
    card = (place(study, SHORT).with_name(f"{mode}-6") / CHECKPOINT / "README.md").read_text()
    assert "at most 3 further looks each" in card
    assert "--looks 3" in card


def wanted(made: Repair) -> dict[str, float]:
    """How often each target's look should be shown, by the name of its variation: the budget in parts of its mass."""
    masses = {json.dumps(t.variation): t.failure * t.weight for t in made.targets}
    return {name: made.settings["budget"] * mass / sum(masses.values()) for name, mass in masses.items()}


def test_looks_need_no_demonstrations_of_their_own_where_old_ones_are_pictured_too(
    study: Study, demos: Path, tmp_path: Path
) -> None:
    assert pictures(study, SHORT, None)
    assert pictures(study, SHORT, demos)
    assert not pictures(study, replace(SHORT, looks=0), demos)
    assert not pictures(study, replace(SHORT, share=0.0), None)
    replace(Demonstrations.load(demos), recipe=({"by": "hand"},)).save(tmp_path / "by-hand.npz")
    assert not pictures(study, SHORT, tmp_path / "by-hand.npz")
    theirs = toy.study(tmp_path / "theirs", policy="tests.study.test_repair:Teachable")
    assert not pictures(theirs, SHORT, demos), "its class has a trainer of its own"


def test_the_eye_is_made_wider_once(study: Study, demos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faultfield.study.rounds.learnable", lambda left, shown: left)
    made = mended(study, replace(SHORT, budget=8, rounds=2, widen=2), original=demos)
    first, last = (
        VisualBC(place(study, replace(SHORT, budget=8)) / where).architecture.channels
        for where in (f"round-1/{CHECKPOINT}", CHECKPOINT)
    )
    before = VisualBC(study.policy_spec.arguments["checkpoint"]).architecture.channels
    assert first == last == tuple(2 * count for count in before)
    card = (Path(str(made.after.arguments["checkpoint"])) / "README.md").read_text()
    assert "its eye 2 times as wide" in card
    assert "--widen 2 " in card


def test_looks_may_be_drawn_from_the_whole_space_too(demos: Path, study: Study) -> None:
    made = mended(study, replace(SHORT, looks=3, broad=0.25), original=demos)
    (told,) = Demonstrations.load(place(study, SHORT) / DEMONSTRATIONS).recipe
    numbers = {name: 0.75 * often for name, often in wanted(made).items()}
    drawn = {json.dumps(look["variation"]): look["weight"] for look in told["looks"]}
    assert {text: drawn[text] for text in numbers if text in drawn} == pytest.approx(numbers, abs=1.0)
    assert len(drawn) > len(numbers)
    assert "25% of them of the whole space" in (place(study, SHORT) / CHECKPOINT / "README.md").read_text()
    assert "--looks 3 --broad 0.25" in (place(study, SHORT) / CHECKPOINT / "README.md").read_text()
    with pytest.raises(StudyError, match="lies in 0–1, not 2"):
        replace(SHORT, broad=2)


def test_the_policy_itself_may_begin_and_is_corrected(
    demos: Path, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    # After so short a training nothing that was shown would be shown again.
    monkeypatch.setattr("faultfield.study.rounds.learnable", lambda left, shown: left)
    checkpoint = study.policy_spec.arguments["checkpoint"]
    mended(study, replace(SHORT, budget=8, rounds=2, corrections=True), original=demos)
    there = place(study, SHORT).with_name("targeted-8")
    first, second = (Demonstrations.load(there / f"round-{number}" / DEMONSTRATIONS).recipe[0] for number in (1, 2))
    # Of two rounds, the second corrects what the first made of it.
    assert first["learner"] == str(checkpoint)
    assert second["learner"] == str(there / "round-1" / CHECKPOINT)
    with Ledger(study.directory / REPAIRS / "ledger") as ledger:
        took = [e.steps for e in ledger.episodes(policy=expert_of(study).fingerprint, load="none")]
    assert len(took) == CHECKED
    assert first["handover"] == second["handover"] == sorted(took)[1], "as long as the expert takes"
    card = (there / CHECKPOINT / "README.md").read_text()
    assert "begun by the policy itself" in card
    assert "--corrections" in card


def test_only_a_network_of_ours_is_corrected(tmp_path: Path) -> None:
    study = toy.study(tmp_path / "study")
    with pytest.raises(StudyError, match="no --corrections"):
        repair(study, replace(SHORT, corrections=True), Silent())
    assert not place(study, SHORT).exists()


@pytest.mark.parametrize(
    ("expert", "told"),
    [("faultfield.policies.scripted:ScriptedStack", "goes through phases"), ("tests.repair.toy:Idle", "it corrects")],
)
def test_only_who_looks_and_succeeds_corrects(study: Study, demos: Path, expert: str, told: str) -> None:
    controls = study.config.controls.model_copy(update={"expert": PluginConfig(type=expert)})
    study.config = study.config.model_copy(update={"controls": controls})
    with pytest.raises(FaultfieldError, match=told):
        repair(study, replace(SHORT, corrections=True), Silent(), original=demos)


@pytest.mark.slow
def test_what_was_shown_is_mended_and_the_rest_is_not_forgotten(demos: Path, tmp_path: Path) -> None:
    checkpoint = toy.taught(tmp_path / "before", demos, steps=300)
    weights = (checkpoint / WEIGHTS).read_bytes()
    study = toy.study(tmp_path / "study", checkpoint)
    recipe = Recipe(budget=24, steps=300, learning_rate=2e-3)
    made = repair(study, recipe, Silent(), original=demos, comparing=Comparing(6, 20, elsewhere=0))
    assert isinstance(made, Repair)
    shown, nominal = made.group("demonstrated"), made.group("nominal")
    assert shown is not None
    assert nominal is not None
    assert shown.before.rate < 0.3
    assert shown.after.rate > 0.35
    assert shown.p < 0.01
    assert nominal.high > 0, "no significant drop"
    assert made.measures_after.accuracy > made.measures_before.accuracy + 0.1
    assert {next(iter(t.variation.values())) for t in made.targets if t.group == "known"} == {"green", "blue"}
    assert (checkpoint / WEIGHTS).read_bytes() == weights, "the policy before stays as it is"
    place_of = place(study, recipe)
    assert VisualBC(str(place_of / CHECKPOINT))
    card = (place_of / CHECKPOINT / "README.md").read_text()
    assert f"{shown.variations} variations, mode targeted" in card
    assert "With nothing changed it succeeds in" in card
    assert (place_of / PAGE).read_text().count("<h1>") == 1


def test_it_gathers_as_planned_and_compares_on_fresh_seeds(study: Study, demos: Path) -> None:
    made = mended(study, original=demos)
    directory = place(study, SHORT)
    plan = Plan.read(directory, study.space)
    gathered = Demonstrations.load(directory / DEMONSTRATIONS)
    assert gathered.count == 6 == sum(t.episodes for t in plan.targets)
    told = [(t["variation"], t["episodes"]) for t in gathered.recipe[0]["under"]]
    assert told == [(t.variation.to_json(), t.episodes) for t in plan.targets]
    # Green and blue discs stand in the pictures, and no red one.
    reddish = gathered.pictures[..., 0].astype(int) - gathered.pictures[..., 1:].max(-1) > 60
    assert not reddish.any()
    training = json.loads((directory / CHECKPOINT / CONFIG).read_text())["training"]
    assert training["shares"] == pytest.approx([0.35, 0.35, 0.3]), "targeted, old ones as the targets look, old ones"
    pictured = Demonstrations.load(directory / PICTURED)
    original = Demonstrations.load(demos)
    assert (pictured.count, int(pictured.episodes.max()) + 1) == (original.count, 5 * original.count)
    assert pictured.recipe[0]["looks"] == gathered.recipe[0]["looks"]
    old = np.concatenate([original.actions[original.episodes == episode] for episode in range(3)])
    assert np.array_equal(pictured.actions[pictured.episodes % 5 == 1][: len(old)], old), "what was done is the same"
    card = (directory / CHECKPOINT / "README.md").read_text()
    assert f"these as the targets look, too ({PICTURED})" in card
    assert made.seeds == (REPAIR_SEED, 2)
    assert [row.group for row in made.rows].count("elsewhere") == 5
    assert [row.group for row in made.rows if row.group not in ("known", "unseen")] == ["nominal"] + 5 * ["elsewhere"]
    diagnosed = [row for row in made.rows if row.group in ("known", "unseen")]
    assert len(diagnosed) == 7 == made.group("all").variations  # type: ignore[union-attr]
    assert [row.before.episodes for row in made.rows] == [3] + 7 * [2] + 5 * [1]
    assert not {row.key for row in diagnosed} & {row.key for row in made.rows if row.group == "elsewhere"}
    assert Repair.read(directory / RESULT) == made
    assert study.ledger.episodes(load="none") == [], "the study's own ledger stays as it is"
    elsewhere = repair(
        study, SHORT, Silent(), original=demos, comparing=Comparing(2, 3, REPAIR_SEED + 500, elsewhere=5)
    )
    assert isinstance(elsewhere, Repair)
    assert (elsewhere.seeds, elsewhere.after) == ((REPAIR_SEED + 500, 2), made.after), "the same, on other scenes"
    assert [row.key for row in elsewhere.rows[:8]] == [row.key for row in made.rows[:8]]
    assert {row.key for row in elsewhere.rows[8:]} != {row.key for row in made.rows[8:]}, "of other variations there"
    never = study.space.variation({"brightness": 0.33})
    shown = next(iter(plan.targets)).variation
    on = repair(
        study,
        SHORT,
        Silent(),
        original=demos,
        comparing=Comparing(2, 3, variations=(never, NOMINAL, shown), elsewhere=0),
    )
    assert isinstance(on, Repair)
    assert [row.group for row in on.rows] == ["nominal", "unseen", next(iter(plan.targets)).suspect.group]
    storm = study.space.variation({"wind": 2.0})
    named = repair(study, SHORT, Silent(), original=demos, comparing=Comparing(1, 1, variations=(storm,), elsewhere=0))
    assert isinstance(named, Repair)
    assert named.rows[1].group == "known", "known, though the expert cannot solve it"
    assert [row.demonstrations > 0 for row in on.rows] == [False, False, True]
    assert on.after == made.after


def test_each_variation_has_scenes_of_its_own(study: Study) -> None:
    comparing, first = Comparing(episodes=3, nominal=7), 1_000 + REPAIR_SEED
    variations = [study.space.variation({"brightness": 0.3 + 0.01 * i}) for i in range(40)]
    ranges = [comparing.seeds(variation, "known", first) for variation in variations]
    assert all(len(each) == 3 for each in ranges)
    assert len({seed for each in ranges for seed in each}) == 3 * 40, "one hard scene does not come back"
    assert comparing.seeds(NOMINAL, "nominal", first) == range(first, first + 7)
    assert [comparing.seeds(each, "unseen", first) for each in reversed(variations)] == ranges[::-1]
    assert [comparing.seeds(each, "elsewhere", first) for each in variations] == [each[:1] for each in ranges]
    more = Comparing(episodes=5, nominal=7).seeds(variations[0], "known", first)
    assert more[:3] == ranges[0], "more episodes go on where fewer ended"
    with pytest.raises(StudyError, match="between the rounds of a repair"):
        Comparing(scenes=CHECK_SEED + 2)
    assert Comparing(scenes=340_000).scenes == 340_000


class Killed(Exception):
    pass


class Dying(Silent):
    """Ends the process, so to say, once a task has come so far."""

    def __init__(self, task: str, after: int) -> None:
        self._task, self._after = task, after

    @contextmanager
    def task(self, name: str, total: int) -> Iterator:
        def update(done: int) -> None:
            if name == self._task and done >= self._after:
                raise Killed

        yield update


def test_killed_anywhere_and_run_again_it_ends_the_same(study: Study, tmp_path: Path) -> None:
    gathered = toy.demonstrations(tmp_path / "c.npz", 25)
    config = json.loads((tmp_path / "checkpoint" / CONFIG).read_text())
    config["training"] = {"demonstrations": Demonstrations.load(gathered).recipe, "jitter": True}
    (tmp_path / "checkpoint" / CONFIG).write_text(json.dumps(config))
    whole = mended(toy.study(tmp_path / "whole", tmp_path / "checkpoint"))
    again = toy.study(tmp_path / "again", tmp_path / "checkpoint")
    for task, after in (
        ("Original demonstrations", 7), ("Demonstrations", 3), ("Original demonstrations as the targets look", 4),
        ("Fine-tuning", 20), ("Before", 5), ("After", 9),
    ):  # fmt: skip
        with pytest.raises(Killed):
            repair(again, SHORT, Dying(task, after), comparing=FEW)
    found = mended(again)
    first, second = place(toy.study(tmp_path / "whole", tmp_path / "checkpoint"), SHORT), place(again, SHORT)
    assert (first / CHECKPOINT / WEIGHTS).read_bytes() == (second / CHECKPOINT / WEIGHTS).read_bytes()
    assert found.rows == whole.rows
    assert sorted(p.name for p in first.iterdir()) == sorted(p.name for p in second.iterdir())
    # What a kill right after a file was written leaves is swept away.
    (second / CHECKPOINT / PROGRESS).write_text("notes")
    (second / f"{DEMONSTRATIONS}.attempts").mkdir()
    assert mended(again).after == whole.after.model_copy(update={"arguments": found.after.arguments})
    assert not [p for p in second.rglob("*") if p.name in (PROGRESS, f"{DEMONSTRATIONS}.attempts")]


def test_a_second_round_shows_what_still_fails(study: Study, demos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a round has passed, blue fails now and then, and cyan always: it was shown in vain and is given up."""
    seen: list[tuple[str, list[Job]]] = []

    def own(variation: Variation) -> range:
        return own_scenes(variation, CHECK_SEED, CHECKED)

    def told(study: Study, ledger: object, jobs: list[Job], spec: PolicySpec, name: str, progress: object) -> list:
        seen.append((spec.arguments["checkpoint"], jobs))
        assert {job.variation["goal_color"] for job in jobs} == {"green", "blue", "cyan", (0.0, 0.8, 0.1)}
        blue, cyan = (study.space.variation({"goal_color": color}) for color in ("blue", "cyan"))
        fails = {("blue", own(blue)[0]), *(("cyan", seed) for seed in own(cyan))}
        return [
            SimpleNamespace(variation=j.variation, success=(j.variation["goal_color"], j.seed) not in fails)
            for j in jobs
        ]

    monkeypatch.setattr("faultfield.study.rounds.rolled", told)
    monkeypatch.setattr("faultfield.study.rounds.ENOUGH", 1)
    recipe = Recipe(budget=9, steps=20, rounds=2)
    made = mended(study, recipe, original=demos)
    directory = place(study, recipe)
    ((checkpoint, jobs),) = seen
    assert checkpoint == str(directory / "round-1" / CHECKPOINT)
    assert [job.seed for job in jobs] == [seed for job in jobs[::CHECKED] for seed in own(job.variation)]
    first, second = (Demonstrations.load(directory / f"round-{n}" / DEMONSTRATIONS) for n in (1, 2))
    assert first.count == 5
    assert second.recipe[0]["under"] == [{"variation": {"goal_color": "blue"}, "episodes": 4}]
    assert len(Demonstrations.load(directory / DEMONSTRATIONS)) == len(first) + len(second)
    # Old demonstrations look each time as what is shown next.
    again = [Demonstrations.load(directory / f"round-{n}" / PICTURED).recipe[0]["looks"] for n in (1, 2)]
    assert len(again[0]) == 4
    assert [look["variation"] for look in again[1]] == [{"goal_color": "blue"}]
    assert "these as the targets look, too" in (directory / CHECKPOINT / "README.md").read_text()
    assert sum(target.episodes for target in made.targets) == 9
    assert made.targeted is not None
    assert made.targeted.demonstrations == 9
    trainings = [
        json.loads((directory / where / CHECKPOINT / CONFIG).read_text())["training"]
        for where in ("round-1", "round-2", ".")
    ]
    assert [t["steps"] for t in trainings] == [10, 10, 10]
    assert trainings[1]["shares"] == pytest.approx([0.7 / 3, 0.7 / 3, 0.7 / 3, 0.3])
    assert trainings[1]["begun_from"] != trainings[0]["begun_from"]
    assert trainings[2] == trainings[1]
    assert made.after.arguments["checkpoint"] == str(directory / CHECKPOINT)
    assert mended(study, recipe, original=demos).rows == made.rows


def test_anywhere_varies_every_demonstration_and_has_no_targets(study: Study, demos: Path) -> None:
    recipe = Recipe(budget=6, steps=20, mode="anywhere")
    made = mended(study, recipe, original=demos)
    gathered = Demonstrations.load(place(study, recipe) / DEMONSTRATIONS)
    assert gathered.count == 6
    assert gathered.recipe[0]["environment_arguments"]["type"] == "tests.repair.toy:GripReach"
    assert "under" not in gathered.recipe[0]
    first = [gathered.pictures[np.argmax(gathered.episodes == e)] for e in range(6)]
    assert len({picture.tobytes() for picture in first}) == 6
    assert made.targets == []
    assert made.group("demonstrated") is None
    card = (place(study, recipe) / CHECKPOINT / "README.md").read_text()
    assert "6 under random variations of the whole space" in card
    assert "under 0 variations" not in (place(study, recipe) / PAGE).read_text()
    elsewhere = toy.study(study.directory / "other", policy="tests.study.test_repair:Right")
    with pytest.raises(StudyError, match="has no targets"):
        repair(elsewhere, recipe, Silent())


def test_between_rounds_the_mended_policy_is_rolled_out_on_scenes_of_their_own(study: Study, demos: Path) -> None:
    recipe = Recipe(budget=6, steps=20, rounds=2)
    mended(study, recipe, original=demos)
    first = str(place(study, recipe) / "round-1" / CHECKPOINT)
    policy = PolicySpec(study.policy_spec.type, {**study.policy_spec.arguments, "checkpoint": first}).fingerprint
    with Ledger(study.directory / REPAIRS / "ledger") as ledger:
        between = ledger.episodes(policy=policy, load="none")
        compared = ledger.episodes(policy=study.identity["policy"], load="none")
    assert all(e.seed in own_scenes(e.variation, CHECK_SEED, CHECKED) for e in between)
    assert len(between) == 4 * CHECKED, "the four that failed before"
    assert not {episode.seed for episode in between} & {episode.seed for episode in compared}


def test_only_what_was_shown_in_vain_is_given_up(study: Study) -> None:
    red, blue = (study.space.variation({"goal_color": color}) for color in ("red", "blue"))
    never, once = (CHECKED + 0.5) / (CHECKED + 1), (CHECKED - 0.5) / (CHECKED + 1)
    shown = {blue.key: Target(Suspect(blue, 0.9, "known"), ENOUGH)}
    left = [Suspect(red, never, "known"), Suspect(blue, never, "known")]
    assert learnable(left, shown) == left[:1], "red may be learned: nobody showed it"
    fewer = {blue.key: Target(Suspect(blue, 0.9, "known"), ENOUGH - 1)}
    assert learnable(left, fewer) == left, "blue was not shown often"
    assert learnable([replace(one, failure=once) for one in left], shown) == [replace(o, failure=once) for o in left]


@pytest.mark.parametrize("success", [True, False], ids=["nothing fails", "all was shown in vain"])
def test_rounds_end_once_nothing_is_left_to_mend(
    success: bool, study: Study, demos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(study: Study, ledger: object, jobs: list[Job], spec: PolicySpec, name: str, progress: object) -> list:
        return [SimpleNamespace(variation=job.variation, success=success) for job in jobs]

    monkeypatch.setattr("faultfield.study.rounds.rolled", told)
    monkeypatch.setattr("faultfield.study.rounds.ENOUGH", 1)
    recipe = Recipe(budget=8, steps=20, rounds=2)
    made = mended(study, recipe, original=demos)
    assert sum(target.episodes for target in made.targets) == 4
    assert not (place(study, recipe) / "round-2").exists()
    assert made.rounds_made == 1
    assert ended(made) in (place(study, recipe) / "repair.html").read_text()
    card = (place(study, recipe) / CHECKPOINT / "README.md").read_text()
    assert "rounds 1 of 2, as nothing failed then" in card
    assert "| training | 10 steps," in card


def test_rounds_end_where_nothing_is_left_that_may_be_shown(
    study: Study, demos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All known failures are mended in the first round; what is unseen still fails, and is not this mode's to show."""
    from faultfield.study.repair import plan_of

    known = {one.variation for one in plan_of(study, Recipe(8, "all", steps=20))[1] if one.group == "known"}

    def told(study: Study, ledger: object, jobs: list[Job], spec: PolicySpec, name: str, progress: object) -> list:
        return [SimpleNamespace(variation=job.variation, success=job.variation in known) for job in jobs]

    monkeypatch.setattr("faultfield.study.rounds.rolled", told)
    recipe = Recipe(8, "all", steps=20, rounds=2)
    mended(study, recipe, original=demos)
    assert not (place(study, recipe) / "round-2").exists()


def test_a_plan_of_another_repair_is_not_compared_with(study: Study, demos: Path, tmp_path: Path) -> None:
    out = tmp_path / "here"
    made = mended(study, original=demos, out=out)
    after = str(made.after.arguments["checkpoint"])
    with pytest.raises(StudyError, match="holds the repair of mode targeted, budget 6, seed 0, not of targeted, 6, 1"):
        compare_with(study, after, Silent(), recipe=Recipe(6, steps=20, seed=1), out=out, comparing=FEW)
    elsewhere = tmp_path / "elsewhere"
    replace(Plan.read(out, study.space), policy="f" * 16).settle(elsewhere)
    with pytest.raises(StudyError, match="holds a repair of another policy or environment"):
        compare_with(study, after, Silent(), out=elsewhere, comparing=FEW)
    taught = tmp_path / "of-another-task"
    shutil.copytree(after, taught)
    config = json.loads((taught / CONFIG).read_text())
    config["training"] = {"demonstrations": [{"expert": "e", "environment": "my:Other", "episodes": 3}]}
    (taught / CONFIG).write_text(json.dumps(config))
    with pytest.raises(PolicyError, match="is of another task"):
        compare_with(study, str(taught), Silent(), comparing=FEW)


@pytest.mark.skipif(importlib.util.find_spec("robomimic") is None, reason="robomimic is not installed")
@pytest.mark.parametrize("given", ["", "model.pth"], ids=["directory", "file"])
def test_a_policy_of_robomimics_is_trained_further_by_its_own_code(
    demos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    from faultfield.exports.robomimic import training_file
    from faultfield.policies import robomimic_training

    monkeypatch.setattr(robomimic_training, "EPOCH", 2)
    before = tmp_path / "before"
    robomimic_training.train(training_file([demos], tmp_path), before, "bc-rnn", steps=2)
    study = toy.study(tmp_path / "study", before / given, policy="faultfield.policies.robomimic:Robomimic")
    made = mended(study, Recipe(budget=6, steps=4, share=0.5), original=demos)
    again = Demonstrations.load(place(study, Recipe(budget=6)) / PICTURED)
    assert again.count == Demonstrations.load(demos).count < again.episodes.max(), "old ones as the targets look, too"
    after = Path(str(made.after.arguments["checkpoint"]))
    told = json.loads((after / CONFIG).read_text())
    assert (told["algorithm"], told["steps"]) == ("bc-rnn", 4)
    assert told["begun_from"] == hashlib.sha256((before / "model.pth").read_bytes()).hexdigest()
    old, new = (torch.load(each / "model.pth", weights_only=True)["model"] for each in (before, after))
    assert old.keys() == new.keys()
    assert any(not torch.equal(old[name], new[name]) for name in old)
    shown = made.group("demonstrated")
    assert shown is not None
    assert shown.after.episodes > 0
    assert not (after / "demonstrations.hdf5").exists()
    with pytest.raises(PolicyError, match="give them with --original FILE"):
        repair(study, Recipe(budget=7, steps=2), Silent())


def test_whole_demonstrations_make_up_the_share(demos: Path) -> None:
    whole = Demonstrations.load(demos)
    some = first_of(whole, 40, seed=0)
    lengths = np.bincount(some.episodes)
    assert len(some) >= 40 > len(some) - lengths.max()
    assert (lengths > 0).all()
    assert set(first_of(whole, 0, seed=0).episodes.tolist()) == {0}, "one at least"
    assert len(first_of(whole, 1e9, seed=0)) == len(whole)


def test_what_was_demonstrated_is_compared_though_nobody_ranks_it_any_more(
    study: Study, demos: Path, tmp_path: Path
) -> None:
    made = mended(study, original=demos, out=tmp_path / "here")
    assert f"--out {tmp_path / 'here'}" in (tmp_path / "here" / CHECKPOINT / "README.md").read_text()
    plan = Plan.read(tmp_path / "here", study.space)
    gone = study.space.variation({"goal_color": "pink", "brightness": 0.37})
    assert gone.key not in {row.key for row in made.rows}
    elsewhere = tmp_path / "elsewhere"
    replace(plan, targets=(*plan.targets, Target(Suspect(gone, 0.9, "unseen"), 2))).settle(elsewhere)
    found = compare_with(
        study, str(made.after.arguments["checkpoint"]), Silent(), recipe=plan.recipe, out=elsewhere, comparing=FEW
    )
    assert {row.key: row.demonstrations for row in found.rows}[gone.key] == 2


def test_where_there_are_too_few_they_come_again(demos: Path) -> None:
    whole = Demonstrations.load(demos)
    longest = int(np.bincount(whole.episodes).max())
    for share in (0.4, 1.0, 2.5):
        rows = sum(len(part) for part in made_up(whole, share * len(whole), seed=0))
        assert share * len(whole) <= rows < share * len(whole) + longest


def test_another_repair_in_the_same_place_is_refused(study: Study, demos: Path, tmp_path: Path) -> None:
    out = tmp_path / "here"
    mended(study, original=demos, out=out)
    with pytest.raises(StudyError, match=r"another repair \(budget 6, now 7\)"):
        mended(study, Recipe(7, steps=20), original=demos, out=out)
    with pytest.raises(StudyError, match="diagnosis or --original"):
        mended(study, original=toy.demonstrations(tmp_path / "others.npz", 3, seed=8), out=out)
    with pytest.raises(StudyError, match="mended here; give --after another --out"):
        compare_with(study, str(study.directory.parent / "checkpoint"), Silent(), out=out, comparing=FEW)


@pytest.mark.parametrize("form", ["robomimic", "lerobot"])
def test_a_policy_of_another_trainer_gets_a_file(tmp_path: Path, form: str) -> None:
    study = toy.study(tmp_path / "study", policy="tests.study.test_repair:Right")
    made = repair(study, Recipe(5), Silent(), form=form)  # type: ignore[arg-type]
    assert isinstance(made, Exported)
    assert made.counts["successes"] == 5
    assert not (made.directory / "recordings").exists()
    if form == "robomimic":
        with h5py.File(made.path) as file:
            told = [json.loads(demo.attrs["variation"]) for demo in file["data"].values()]
            assert all(np.isfinite(demo["actions"][:]).all() for demo in file["data"].values())
        planned = [t.variation.to_json() for t in Plan.read(made.directory, study.space).targets]
        assert {json.dumps(v) for v in told} == {json.dumps(v) for v in planned}
        with h5py.File(made.path) as file:
            assert len(file["mask/train"]) == 5, "none is kept back"
    assert repair(study, Recipe(5), Silent(), form=form) == made, "asked again it says the same"  # type: ignore[arg-type]
    back = compare_with(
        study, "tests.repair.toy:GripExpert", Silent(), recipe=Recipe(5), comparing=Comparing(2, 2, elsewhere=0),
    )  # fmt: skip
    together, shown = back.group("all"), back.group("demonstrated")
    assert together is not None
    assert shown is not None
    assert together.after.rate == 1.0
    assert shown.variations == len(back.targets)
    assert back.settings is not None
    assert {"budget", "mode"} < set(back.settings) < set(asdict(Recipe(5))) - {"steps", "learning_rate", "looks"}


class Right:
    """Always goes right."""

    def reset(self) -> None:
        pass

    def infer(self, observation: object) -> dict[str, np.ndarray]:
        return {"actions": np.array([[1.0, 0.0, 0.0, -1.0]], np.float32)}


class Teachable(Right):
    """Has a trainer of its own."""

    @staticmethod
    def mend(
        spec: PolicySpec, targeted: Sequence[Path], original: Path | None, out: Path, recipe: Recipe, told: object
    ) -> PolicySpec:
        out.mkdir(parents=True, exist_ok=True)
        (out / "taught").write_text(str(sum(Demonstrations.load(each).count for each in targeted)))
        return PolicySpec("tests.repair.toy:GripExpert")


def test_a_policy_whose_class_can_mend_it_is_mended_here(tmp_path: Path) -> None:
    study = toy.study(tmp_path / "study", policy="tests.study.test_repair:Teachable")
    with pytest.raises(StudyError, match="give --original FILE, or --share 0"):
        mended(study, Recipe(4))
    assert not place(study, Recipe(4)).exists(), "it can be given, and the same be called again"
    twice = mended(study, Recipe(6, share=0.0, rounds=2), out=tmp_path / "twice")
    assert twice.after.type == "tests.repair.toy:GripExpert"
    found = mended(study, Recipe(5, share=0.0))
    assert (place(study, Recipe(5)) / CHECKPOINT / "taught").read_text() == "5"
    together = found.group("all")
    assert together is not None
    assert (together.before.rate < 0.5, together.after.rate) == (True, 1.0)


class Filed(Right):
    """Has a trainer that makes a checkpoint of one file."""

    @staticmethod
    def mend(
        spec: PolicySpec, targeted: Sequence[Path], original: Path | None, out: Path, recipe: Recipe, told: object
    ) -> PolicySpec:
        out.mkdir(parents=True, exist_ok=True)
        (out / "model.pt").write_text(str(len(targeted)))
        return PolicySpec("tests.study.test_repair:FromFile", {"checkpoint": str(out / "model.pt")})


class FromFile(Right):
    """Reads it."""

    def __init__(self, checkpoint: str) -> None:
        assert Path(checkpoint).is_file()


def test_a_checkpoint_of_one_file_is_kept_of_several_rounds(tmp_path: Path) -> None:
    study = toy.study(tmp_path / "study", policy="tests.study.test_repair:Filed")
    made = mended(study, Recipe(6, share=0.0, rounds=2), out=tmp_path / "twice")
    assert made.rounds_made == 2
    assert made.after.arguments == {"checkpoint": str(tmp_path / "twice" / CHECKPOINT / "model.pt")}
    assert (tmp_path / "twice" / CHECKPOINT / "model.pt").read_text() == "2"


class Mendable(Right):
    """Has a method that is called as a trainer is, and is none."""

    def mend(self) -> None:
        pass


def test_only_a_static_method_is_a_trainer() -> None:
    assert mender_of(PolicySpec("tests.study.test_repair:Teachable")) is Teachable.mend
    assert mender_of(PolicySpec("tests.study.test_repair:Mendable")) is None


def test_a_checkpoint_mended_elsewhere_takes_the_place_of_the_old_one(study: Study, tmp_path: Path) -> None:
    toy.untaught(tmp_path / "other")
    found = compare_with(study, str(tmp_path / "other"), Silent(), comparing=FEW)
    assert found.after.arguments == {"checkpoint": str(tmp_path / "other")}
    assert (found.settings, found.targets, found.targeted) == (None, [], None)
    assert found.groups[0].difference == 0
    assert (study.directory / "repairs" / "after" / RESULT).exists()


def test_what_is_wrong_is_said_before_anything_is_rolled_out(study: Study, demos: Path, tmp_path: Path) -> None:
    healthy = toy.study(tmp_path / "healthy", tmp_path / "checkpoint", fails=False)
    foreign = Demonstrations.load(demos)
    recipe = ({**foreign.recipe[0], "environment": "faultfield.envs.robosuite:Robosuite"},)
    Demonstrations(foreign.pictures, foreign.states, foreign.actions, foreign.episodes, recipe).save(
        tmp_path / "foreign.npz"
    )
    for run, error, says in (
        (lambda: mended(healthy), StudyError, "nothing to repair"),
        (lambda: mended(study, Recipe(0)), StudyError, "smaller than one variation"),
        (lambda: mended(study, form="rlds"), StudyError, "no format 'rlds'; known are robomimic, lerobot"),
        (lambda: mended(study, Recipe(5, mode="best")), StudyError, "no mode 'best'"),
        (lambda: mended(study, original=tmp_path / "foreign.npz"), PolicyError, "of another task"),
        (lambda: mended(study, original=tmp_path / "none.npz"), PolicyError, "There is no file"),
        (lambda: mended(study, Recipe(5, share=0.0), original=demos), StudyError, "nothing of --original is learned"),
        (lambda: compare_with(study, "nowhere", Silent()), StudyError, "no checkpoint at 'nowhere'"),
        (lambda: compare_with(study, str(tmp_path), Silent()), FaultfieldError, "not a VisualBC checkpoint"),
        (lambda: Comparing(0), StudyError, "at least one episode"),
        (lambda: Comparing(elsewhere=-1), StudyError, "0 or more variations from elsewhere"),
        (lambda: Comparing(variations=(NOMINAL,)), StudyError, "no variation to compare under"),
        (lambda: Comparing(scenes=200_000), StudyError, "counted from 300000 up"),
        (lambda: Comparing(10, 50, 349_990), StudyError, "between the rounds of a repair"),
        (lambda: Comparing(1001), StudyError, "at most 1000 scenes of a variation, not 1001"),
    ):
        with pytest.raises(error, match=says):
            run()
    assert not (study.directory / "repairs").exists()
    found = Diagnosis.read(study.directory / "diagnosis.json")
    hopeless = found.model_copy(update={"known": [e for e in found.known if e.infeasible], "ranking": []})
    hopeless.write(study.directory / "diagnosis.json")
    with pytest.raises(StudyError, match=r"no variation that the expert can solve; .* --variations FILE"):
        compare_with(study, "tests.repair.toy:GripExpert", Silent())
    assert not (study.directory / "repairs").exists()
    (study.directory / "diagnosis.json").unlink()
    with pytest.raises(StudyError, match="was not diagnosed yet"):
        mended(study)
