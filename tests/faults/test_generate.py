"""Data sets made of the toy world: what lies on disk, and that it is the same however it was made."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faultfield.errors import FaultError
from faultfield.faults import llava, sample
from faultfield.faults.claims import Claim, parse
from faultfield.faults.collage import split
from faultfield.faults.fault import Fault
from faultfield.faults.generate import ANNOTATION, conversation, generate, read_lines
from faultfield.faults.injection import Faulty, inject
from faultfield.faults.metaworld_tasks import METAWORLD
from faultfield.faults.pictures import read_picture
from faultfield.faults.recipe import SPLITS, Recipe, file_name, plans
from faultfield.faults.record import Take, take
from faultfield.faults.sample import Line
from faultfield.faults.tasks import task_named
from faultfield.rollouts import Ledger
from faultfield.rollouts.clip import Clip
from faultfield.rollouts.specs import PolicySpec
from faultfield.rollouts.video import read
from faultfield.variations import color_rgb
from tests.faults.toy import PickAndPlace, losing, pick

PICK, UNSEEN, LOSING, NAMESAKE = (f"tests.faults.toy:{name}" for name in ("pick", "unseen", "losing", "namesake"))
RECIPE = Recipe((PICK,), 46, 24, (UNSEEN,), test=6, cell=32)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    generate(RECIPE, folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and "ledger" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_splits_and_their_balance(made: Path) -> None:
    lines = read_lines(made)
    for name, count in (("train-sparse", 22), ("train-dense", 24), ("test-seen", 6), ("test-unseen", 6)):
        chosen = [line for line in lines if line["split"] == name]
        assert len(chosen) == count
        assert abs(sum(line["failed"] for line in chosen) - count / 2) <= 1
        assert {line["task"] for line in chosen} == {UNSEEN if name == "test-unseen" else PICK}
        assert len(llava.read(made / f"{name}.json").items) == count
    assert not (made / "test-transfer.json").exists()
    assert len({line["id"] for line in lines}) == len(lines)
    trained = {line["seed"] for line in lines if line["split"].startswith("train")}
    assert trained.isdisjoint(line["seed"] for line in lines if line["split"].startswith("test"))


def test_labels_are_the_task_s_own(made: Path) -> None:
    for line in read_lines(made):
        fault = Fault.from_json(line["fault"]) if line["fault"] else None
        again = take(PickAndPlace(), inject(pick(), fault), line["seed"])
        assert again.success != line["failed"]
        # What was cut off at the end is not in the data.
        assert again.steps == line["steps"] or line["failed"]


def test_reasons_say_what_was_injected(made: Path) -> None:
    lines = read_lines(made)
    for line in lines:
        truth = Claim.of(Fault.from_json(line["fault"]) if line["failed"] else None)
        assert [parse(reason) for reason in line["reasons"]] == [truth] * len(line["reasons"])
        assert (line["reason"] is None) == (line["split"] == "train-sparse")
        assert line["reason"] is None or line["reason"] in line["reasons"]
    assert any(line["fault"] and not line["failed"] for line in lines), "no fault was slight enough to succeed"
    assert {line["fault"]["kind"] for line in lines if line["failed"]} == set(pick().kinds())


def test_kinds_phases_and_strength_can_be_chosen(made: Path, tmp_path: Path) -> None:
    phase = next(option.phase for option in pick().options if option.kind == "translation_y")
    chosen = Recipe((PICK,), 16, 8, test=0, cell=32, kinds=("translation_y",), phases=(phase,), strength=1.5, near=1.0)
    generate(chosen, tmp_path / "some")
    lines = read_lines(tmp_path / "some")
    faults = [Fault.from_json(line["fault"]) for line in lines if line["fault"]]
    assert {(fault.kind, fault.phase) for fault in faults} == {("translation_y", phase)}
    assert any(not line["failed"] for line in lines if line["fault"]), "slight ones are of these too"
    most = max(o.high for o in pick().options if (o.kind, o.phase) == ("translation_y", phase))
    sizes = [Fault.from_json(line["fault"]).magnitude for line in lines if line["failed"]]
    assert max(sizes) > most
    usual = [each for line in read_lines(made) if line["failed"] and (each := Fault.from_json(line["fault"]))]
    assert all(each.magnitude <= most for each in usual if (each.kind, each.phase) == ("translation_y", phase))
    plain = Recipe((PICK,), 16, 8)
    assert plain.fingerprint != replace(plain, kinds=("slip",)).fingerprint != replace(plain, strength=2.0).fingerprint
    with pytest.raises(
        FaultError, match=r"allows none of these faults. It allows, in these phases: .*translation_y \("
    ):
        generate(replace(chosen, phases=("dance",)), tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with pytest.raises(FaultError, match="no fault 'glare'; the kinds are"):
        replace(plain, kinds=("glare",))
    with pytest.raises(FaultError, match="factor above 0"):
        replace(plain, strength=0.0)


def test_conversations_are_read_as_they_were_meant(made: Path) -> None:
    lines = {line["id"]: line for line in read_lines(made)}
    for name in ("train-sparse", "train-dense"):
        found = llava.read(made / f"{name}.json")
        assert found.problems == ()
        for item in found.items:
            line = lines[item.id]
            assert (item.failed, item.reason) == (line["failed"], line["reason"])
            assert item.instruction == "Put the red cube on the mark"
            assert item.image is not None
            assert item == conversation(made, line)


def test_collages_show_the_episode(made: Path) -> None:
    for line in read_lines(made)[:8]:
        clip = split(read_picture(made / line["image"]), columns=8)
        assert len(clip) == len(line["shown"]) == 8
        assert (line["shown"][0], line["shown"][-1]) == (0, line["steps"])
        env = PickAndPlace()
        taken = take(env, inject(pick(), Fault.from_json(line["fault"]) if line["fault"] else None), line["seed"])
        for column, step in enumerate(line["shown"]):
            seen = env.pictures(["top"], 32, taken.snapshots[step])["top"]
            np.testing.assert_array_equal(clip.frames["overhead"][column], seen)


def test_info_counts_what_is_there(made: Path) -> None:
    info = json.loads((made / "info.json").read_text())
    assert info["samples"] == 58
    assert info["splits"]["train-dense"]["samples"] == 24
    assert sum(kind["samples"] for kind in info["tasks"][PICK].values()) == 52
    assert info["tasks"][PICK]["no_grasp"]["failed"] >= 2
    assert info["recipe"]["tasks"] == [PICK]
    assert "numpy" in info["versions"]


def test_two_workers_make_the_same_files(made: Path, tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []
    generate(RECIPE, tmp_path, workers=2, on_progress=lambda done, total: progress.append((done, total)))
    assert contents(tmp_path) == contents(made)
    assert progress == [(done, 58) for done in range(59)]


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on(made: Path, tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "faultfield", "detector", "generate", "--tasks", PICK, "--unseen", UNSEEN,
        "--episodes", "46", "--dense", "24", "--test", "6", "--cell", "32", "--out", str(tmp_path), "--workers", "2",
    ]  # fmt: skip
    quiet: dict[str, Any] = {"cwd": ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    begun = subprocess.Popen(command, start_new_session=True, **quiet)
    lines = tmp_path / "samples.jsonl"
    while begun.poll() is None and not (lines.is_file() and lines.read_bytes().count(b"\n") > 12):
        time.sleep(0.01)
    assert begun.poll() is None, begun.communicate()[1]
    os.killpg(begun.pid, signal.SIGKILL)
    begun.communicate()
    done = lines.read_bytes()
    assert done.count(b"\n") < 58
    # A line that the kill cut short, and a picture that somebody deleted.
    lines.write_bytes(done[: done.rfind(b"\n") + 1] + b'{"id": "half a li')
    next((tmp_path / "images").glob("*.png")).unlink()
    finished = subprocess.run([*command, "--json"], **quiet, check=True)
    assert json.loads(finished.stdout)["samples"] == 58
    assert contents(tmp_path) == contents(made)


def test_reading_changes_nothing_of_what_another_process_is_writing(made: Path, tmp_path: Path) -> None:
    whole = (made / "samples.jsonl").read_bytes()
    torn = tmp_path / "samples.jsonl"
    torn.write_bytes(whole + b'{"id": "half a li')
    assert read_lines(tmp_path) == read_lines(made)
    assert torn.read_bytes() == whole + b'{"id": "half a li'


def test_videos_and_a_ledger(tmp_path: Path) -> None:
    recipe = Recipe((PICK,), 4, 3, test=0, cell=32, video=True, fps=10, video_size=32)
    generate(recipe, tmp_path / "data", ledger=tmp_path / "ledger")
    lines = read_lines(tmp_path / "data")
    with Ledger(tmp_path / "ledger") as ledger:
        episodes = ledger.episodes(stage="fault", load="all")
        said = ledger.verdicts(ANNOTATION)
        watched = [Clip.of_episode(episode, "Put it there.", rate=10) for episode in episodes]
    assert [episode.success for episode in episodes] == [not line["failed"] for line in lines]
    assert [episode.seed for episode in episodes] == [line["seed"] for line in lines]
    told = [(line["failed"], line["reason"]) for line in lines if line["reason"] is not None]
    assert [(verdict.failed, verdict.reason) for verdict in said.values()] == told
    assert len(told) == 3
    for line, episode, clip in zip(lines, episodes, watched, strict=True):
        frames, times = read(tmp_path / "data" / line["video"])
        assert episode.video is not None
        assert frames.shape == episode.video.shape == (len(clip), 32, 32, 3)
        # An episode at 20 steps a second, filmed at 10 frames a second.
        assert abs(times[-1] - line["steps"] / 20) <= 0.1
        assert np.abs(frames.astype(int) - episode.video).mean() < 4
        assert set(episode.initial) == {"front", "wrist", "overhead"}
    dense = next(line for line in lines if line["reason"] is not None)
    (item,) = [
        item for item in llava.read(tmp_path / "data" / "train-dense-video.json").items if item.id == dense["id"]
    ]
    assert item.video is not None
    assert item.video.samefile(tmp_path / "data" / dense["video"])


@pytest.mark.parametrize("columns", [8, "phases"])
def test_the_ledger_has_the_beginning_of_an_episode(tmp_path: Path, columns: Any) -> None:
    generate(Recipe((PICK,), 4, 4, test=0, cell=32, columns=columns), tmp_path / "data", ledger=tmp_path / "ledger")
    with Ledger(tmp_path / "ledger") as ledger:
        episodes = ledger.episodes(stage="fault", load="all")
    env = PickAndPlace()
    for episode in episodes:
        env.reset(seed=episode.seed, options={"variation": episode.variation})
        for camera, name in pick().cameras.items():
            np.testing.assert_array_equal(episode.initial[camera], env.pictures([name], 32)[name])


@pytest.mark.parametrize("fps", [0.1, 3.0, 7.0, 10.0, 20.0, 90.0])
def test_a_film_ends_as_the_episode_does(fps: float) -> None:
    env, task = PickAndPlace(), pick()
    whole = take(env, inject(task, None), 0)
    recipe = Recipe((PICK,), 1, 1, fps=fps, video_size=32)
    for steps in range(10, whole.steps + 1):
        taken = Take(True, whole.snapshots[: steps + 1], whole.phases[:steps])
        film = sample._film(env, task, taken, recipe)
        assert abs((len(film) - 1) / fps - steps / task.rate) <= 0.501 / fps or len(film) == 2
        for frame, snapshot in ((film[0], taken.snapshots[0]), (film[-1], taken.snapshots[-1])):
            np.testing.assert_array_equal(frame, env.pictures(["back"], 32, snapshot)["back"])


def test_a_task_is_known_by_the_name_that_it_was_asked_for_by(tmp_path: Path) -> None:
    recipe = Recipe((PICK, NAMESAKE), 8, 0, test=0, cell=32, kinds=("no_grasp",))
    generate(recipe, tmp_path / "data", ledger=tmp_path / "ledger")
    with Ledger(tmp_path / "ledger") as ledger:
        episodes = ledger.episodes(stage="fault")
    tasks = [line["task"] for line in read_lines(tmp_path / "data")]
    assert tasks == [PICK] * 4 + [NAMESAKE] * 4
    assert [episode.environment for episode in episodes] == [task_named(t).environment.fingerprint for t in tasks]
    expected = [PolicySpec("faultfield.faults.injection:faulty", {"task": t, "fault": line["fault"]}).fingerprint
                for t, line in zip(tasks, read_lines(tmp_path / "data"), strict=True)]  # fmt: skip
    assert [episode.policy for episode in episodes] == expected


def test_a_simulator_is_built_once_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    begin = PickAndPlace.__init__

    def counted(self: PickAndPlace, horizon: int = 60) -> None:
        built.append(f"of {horizon} steps")
        begin(self, horizon)

    monkeypatch.setattr(PickAndPlace, "__init__", counted)
    generate(Recipe((PICK, NAMESAKE), 8, 0, test=0, cell=32), tmp_path)
    assert built == ["of 60 steps", "of 58 steps"]


def test_columns_at_the_ends_of_phases(tmp_path: Path) -> None:
    generate(Recipe((PICK,), 24, 24, test=0, cell=32, columns="phases"), tmp_path)
    shorter = 0
    for line in read_lines(tmp_path):
        image = read_picture(tmp_path / line["image"])
        assert image.shape == (96, 5 * 32, 3)
        assert len(split(image, columns=5)) == len(line["shown"]) <= 5
        shorter += len(line["shown"]) < 5
    assert shorter > 0, "no episode stopped before its last phase"


def test_scenes_that_look_otherwise(tmp_path: Path) -> None:
    generate(Recipe((PICK,), 10, 0, test=0, cell=32, vary=1.0), tmp_path)
    lines = read_lines(tmp_path)
    assert all(list(line["variation"]) == ["table_color"] for line in lines)
    corners = {tuple(read_picture(tmp_path / line["image"])[-1, 0]) for line in lines}
    assert len(corners) > 5


def test_some_collages_show_the_front_camera_alone(tmp_path: Path) -> None:
    recipe = Recipe((PICK,), 16, 0, test=8, cell=32)
    generate(recipe, tmp_path / "all")
    generate(replace(recipe, front_only=0.5), tmp_path / "some")
    both = list(zip(read_lines(tmp_path / "all"), read_lines(tmp_path / "some"), strict=True))
    alone = [some for _, some in both if some["cameras"] == ["front"]]
    assert 3 < len(alone) < 13
    assert {line["split"] for line in alone} == {"train-sparse"}
    for whole, line in both:
        assert {**line, "cameras": whole["cameras"]} == whole
        rows = [read_picture(tmp_path / name / line["image"]).reshape(3, 32, -1) for name in ("all", "some")]
        assert np.array_equal(rows[0][0], rows[1][0])
        if line in alone:
            assert (rows[1][1:] == 255).all()
        else:
            assert np.array_equal(*rows)


def test_one_wording_where_one_is_wanted(tmp_path: Path) -> None:
    generate(Recipe((PICK,), 8, 8, test=0, cell=32, phrasings=1), tmp_path)
    assert all(line["reason"] == line["reasons"][0] for line in read_lines(tmp_path))


def test_an_expert_that_fails_on_its_own(tmp_path: Path) -> None:
    with pytest.raises(FaultError, match="nothing wrong"):
        generate(Recipe(("tests.faults.toy:unsolved",), 2, 0, test=0), tmp_path)


def test_a_failure_is_of_a_fault_only_if_that_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe((LOSING,), 48, 0, test=0, cell=32)
    generate(recipe, tmp_path / "data")
    monkeypatch.setattr(Faulty, "happened", True)
    generate(recipe, tmp_path / "credulous")

    def began(line: Line) -> bool:
        fault = Fault.from_json(line["fault"])
        policy = inject(losing(), fault)
        return fault.kind == "wrong_sequence" or fault.phase in take(PickAndPlace(), policy, line["seed"]).phases

    lines, others = read_lines(tmp_path / "data"), read_lines(tmp_path / "credulous")
    assert sum(line["failed"] for line in lines) > 20
    assert all(began(line) for line in lines if line["failed"])
    wrong = [line["id"] for line in others if line["failed"] and not began(line)]
    assert wrong, "the expert never failed before its fault"
    # All the others are what they were.
    assert [line for line in lines if line["id"] not in wrong] == [line for line in others if line["id"] not in wrong]


def test_a_fault_that_never_fails_is_kept_as_it_was_though_the_expert_failed_later(tmp_path: Path) -> None:
    recipe = Recipe(
        (LOSING,), 24, 0, test=0, cell=32, kinds=("translation_x",), phases=("move",), strength=0.01, vary=1.0
    )
    generate(recipe, tmp_path)
    for line in read_lines(tmp_path):
        assert not line["failed"]
        table = 255 * np.array(color_rgb(line["variation"]["table_color"]))
        np.testing.assert_array_equal(read_picture(tmp_path / line["image"])[-1, 0], table.astype(np.uint8))


def test_a_directory_of_other_settings_is_left_alone(made: Path, tmp_path: Path) -> None:
    before = contents(made)
    with pytest.raises(FaultError, match="other settings"):
        generate(replace(RECIPE, seed=1), made)
    assert contents(made) == before
    (tmp_path / "info.json").write_text("{}")
    with pytest.raises(FaultError, match="not the note"):
        generate(RECIPE, tmp_path)


def test_two_at_once_do_not_mix(made: Path) -> None:
    import fcntl

    with (made / ".lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(FaultError, match="Another process"):
            generate(RECIPE, made)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"tasks": ()}, "needs a task"),
        ({"dense": 47}, "as many dense"),
        ({"unseen": (PICK,)}, "once"),
        ({"cell": 2}, "8 pixels"),
        ({"columns": 1}, "2 columns"),
        ({"vary": 1.5}, "0–1"),
        ({"front_only": -0.1}, "0–1"),
        ({"transfer_dense": 3}, "name one"),
        ({"unseen": (), "sight": 3}, "unseen tasks: name one"),
        ({"fps": math.nan}, "frames a second, not nan"),
        ({"fps": math.inf}, "frames a second, not inf"),
        ({"fps": 0.0}, "frames a second, not 0"),
    ],
)
def test_recipes_that_make_no_sense(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(FaultError, match=words):
        replace(RECIPE, **settings)


def test_unknown_tasks_are_told_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(FaultError, match="no task 'Juggle'"):
        generate(replace(RECIPE, unseen=("Juggle",)), tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_the_command_tells_what_is_wrong_in_its_settings(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from faultfield.cli import app

    for settings, words in (
        (("--columns", "many"), "a number or 'phases'"),
        (("--tasks", "Juggle"), "no task 'Juggle'"),
        (("--episodes", "3", "--dense", "4"), "as many dense"),
        # A fifth is dense where nobody says how many: fewer than the default for more episodes.
        (("--episodes", "3", "--tasks", "Juggle"), "no task 'Juggle'"),
    ):
        result = CliRunner().invoke(app, ["detector", "generate", "--out", str(tmp_path / "data"), *settings])
        assert isinstance(result.exception, FaultError)
        assert words in str(result.exception)
    assert not (tmp_path / "data").exists()


def test_plans_share_out_episodes_and_depend_on_nothing_else() -> None:
    recipe = Recipe(("a", "b", "c"), 100, 20, ("d",), ("e", "f"), 9, test=10, sight=5)
    planned = list(plans(recipe))
    counts = {name: sum(plan.split == name for plan in planned) for name in SPLITS}
    assert counts == dict(zip(SPLITS, (80, 20, 9, 10, 10, 10, 5), strict=True))
    per_task = [sum(plan.task == task and plan.split == "train-sparse" for plan in planned) for task in "abc"]
    assert sorted(per_task) == [26, 27, 27]
    one = planned[3]
    assert one.random(0, 1).random() == one.random(0, 1).random()
    draws = {plan.random(seed, attempt).random() for plan in planned for seed in (0, 1) for attempt in range(3)}
    assert len(draws) == 6 * len(planned)
    more = list(plans(replace(recipe, episodes=200, dense=120)))
    assert set(planned) < set(more)


def test_few_episodes_of_many_tasks_are_balanced_and_have_every_kind() -> None:
    recipe = Recipe(("Lift",), 2, 0, transfer=METAWORLD, transfer_dense=2, test=5 * len(METAWORLD))
    planned = [plan for plan in plans(recipe) if plan.split == "test-transfer"]
    failing = [plan for plan in planned if plan.failure]
    assert abs(2 * len(failing) - len(planned)) <= 1
    drawn = [(plan.task, sample._fault(plan, recipe, task_named(plan.task), plan.random(0, 0), 0)) for plan in failing]
    possible = set().union(*(task_named(task).kinds() for task in METAWORLD))
    assert {fault.kind for _, fault in drawn if fault} == possible
    assert len(possible) > 3


def test_names_of_files() -> None:
    assert file_name("Lift") == "Lift"
    assert "/" not in file_name("a/b:c")
