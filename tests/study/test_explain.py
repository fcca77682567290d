"""A study's episodes judged: which ones, once each, and what is left after a kill. The detector is a stand-in."""

import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from faultfield.detector.views import Viewer
from faultfield.errors import StudyError, VariationError
from faultfield.rollouts.clip import CAMERAS, Clip, episode_id
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.runner import rollout
from faultfield.rollouts.verdict import Round, Verdict
from faultfield.study import Silent, Study
from faultfield.study.explain import Selection, explain, select

ROOT = Path(__file__).resolve().parents[2]
STUDY = """
policy: {type: "tests.faults.toy:Expert"}
environment: {type: "tests.faults.toy:PickAndPlace", horizon: 40}
known: {table_color: [blue, black]}
unseen: {table_color: [white]}
rollouts: {workers: 1}
controls:
  expert: {type: "tests.faults.toy:Expert", stubborn: true}
"""
VIEW = Viewer(frames=4, cell=16)
SEEDS = 3


class Watcher:
    """Says of each clip how bright it is, and remembers what it was shown."""

    def __init__(self, breaks_after: int = 10**6) -> None:
        self.seen: list[Clip] = []
        self._left = breaks_after

    def judge(self, clips: Sequence[Clip]) -> list[Verdict]:
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1
        self.seen += clips
        return [verdict(clip) for clip in clips]


def verdict(clip: Clip) -> Verdict:
    brightness = float(np.mean([pictures.mean() for pictures in clip.frames.values()])) / 255
    return Verdict.of((Round(brightness, f"It is {brightness:.3f} bright.", 0.5, 0.25),), best=0)


def fill(study: Study) -> None:
    """Roll out three seeds of three variations, and the control once."""
    identity = {"policy_id": study.identity["policy"], "env_id": study.identity["environment"]}
    for values in ({}, {"table_color": "blue"}, {"table_color": "black"}):
        for seed in range(SEEDS):
            variation = study.space.variation(values)
            study.ledger.append(rollout(study.env, study.policy, variation, seed, stage="known", **identity))
    from faultfield.study import stages

    stages.roll_out_control(study, study.ledger, "expert", [study.space.nominal], range(1), Silent())


def make(folder: Path) -> Study:
    (folder / "study.yaml").write_text(STUDY)
    return Study.open(folder / "study.yaml", folder / "run")


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    with make(tmp_path) as opened:
        fill(opened)
        yield opened


def said(study: Study, watcher: Watcher, fingerprint: str = "d", batch: int = 4, **chosen: object):
    return explain(
        study, watcher, fingerprint, VIEW, Silent(), selection=Selection(**chosen), batch=batch  # type: ignore[arg-type]
    )  # fmt: skip


def test_every_episode_of_the_policy_is_watched_once_from_all_cameras_and_kept(study: Study) -> None:
    watcher = Watcher()
    found = said(study, watcher)
    episodes = study.ledger.episodes(policy=study.identity["policy"], load="none")
    assert list(found.verdicts) == [episode_id(episode) for episode in episodes]
    assert (found.added, found.problems, len(watcher.seen)) == (3 * SEEDS, (), 3 * SEEDS)
    assert all(list(clip.frames) == list(CAMERAS) for clip in watcher.seen)
    assert all(clip.frames["front"].shape == (4, 16, 16, 3) for clip in watcher.seen)
    assert {clip.instruction for clip in watcher.seen} == {study.env.instruction}
    kept = study.ledger.judgements("d")
    assert {key: each.verdict for key, each in kept.items()} == {e.key: found.verdicts[episode_id(e)] for e in episodes}
    assert all(each.shown is not None and each.shown.is_file() for each in kept.values())
    # A black table is darker than a blue one only if each clip was shown under its own variation.
    mean = {e.variation.get("table_color"): found.verdicts[episode_id(e)].failure_probability for e in episodes}
    assert mean["black"] < mean["blue"] < mean[None]
    again = Watcher()
    assert said(study, again).verdicts == found.verdicts
    assert again.seen == []
    assert said(study, again, "another").added == 3 * SEEDS


def test_choosing(study: Study) -> None:
    def chosen(**how: object) -> list[tuple[object, int]]:
        return [(e.variation.get("table_color"), e.seed) for e in select(study, Selection(**how))]  # type: ignore[arg-type]

    assert len(chosen()) == 3 * SEEDS
    assert chosen(variations=({"table_color": "blue"}, {})) == [(c, s) for c in (None, "blue") for s in range(SEEDS)]
    assert chosen(limit=4) == [(None, 0), (None, 1), ("blue", 0), ("black", 0)], "from every variation by turns"
    assert chosen(stages=("expert",), failed_only=True) == [(None, 0)]
    with pytest.raises(StudyError, match="no episode of the kind asked for; its ledger has the stages known, expert"):
        chosen(failed_only=True)
    with pytest.raises(VariationError):
        chosen(variations=({"table_colour": "blue"},))


def test_a_control_is_watched_as_itself(study: Study) -> None:
    watcher = Watcher()
    found = said(study, watcher, stages=("expert",))
    assert (found.added, found.problems) == (1, ())


def test_what_cannot_be_watched_is_told_and_the_rest_goes_on(study: Study) -> None:
    policy, environment = study.identity["policy"], study.identity["environment"]
    nominal = study.space.nominal
    study.ledger.append(Episode(nominal, 77, False, 1, policy, environment, "known"))
    study.ledger.append(Episode(nominal, 78, False, 1, policy, "gone", "known"))
    found = said(study, Watcher())
    assert found.added == 3 * SEEDS
    changed, gone = sorted((problem.text for problem in found.problems), key=lambda text: "no longer" in text)
    assert "seed 77" in changed
    assert "was a failure after 1 steps when the ledger was filled" in changed
    assert "the study no longer names" in gone


def test_a_stored_video_is_shown_as_it_is_where_nothing_else_can_be(study: Study) -> None:
    film = np.full((6, 8, 8, 3), 51, np.uint8)
    study.ledger.append(Episode(study.space.nominal, 78, False, 5, "gone", "gone", "check", video=film))
    watcher = Watcher()
    found = said(study, watcher, stages=("check",))
    assert [each.failure_probability for each in found.verdicts.values()] == [0.2]
    assert list(watcher.seen[0].frames) == ["front"]


def test_stopped_and_called_again_it_judges_only_what_is_left(study: Study) -> None:
    first = Watcher(breaks_after=2)
    with pytest.raises(KeyboardInterrupt):
        said(study, first, batch=2)
    assert len(study.ledger.verdicts("d")) == len(first.seen) == 4
    second = Watcher()
    found = said(study, second, batch=2)
    assert (len(found.verdicts), found.added, len(second.seen)) == (3 * SEEDS, 3 * SEEDS - 4, 3 * SEEDS - 4)
    assert not {clip.id for clip in first.seen} & {clip.id for clip in second.seen}


SLOW = textwrap.dedent("""
    import sys, time
    from faultfield.study import Study
    from tests.study.test_explain import Watcher, said
    class Slow(Watcher):
        def judge(self, clips):
            if self.seen:
                print("judging", flush=True)
                time.sleep(600)
            return super().judge(clips)
    with Study.open(sys.argv[1]) as study:
        said(study, Slow(), batch=2)
""")


def test_killed_while_it_judges_it_loses_that_batch_at_most(study: Study) -> None:
    process = subprocess.Popen([sys.executable, "-c", SLOW, study.directory], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"judging\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(study.ledger.verdicts("d")) == 2
    rest = Watcher()
    assert len(said(study, rest).verdicts) == 3 * SEEDS
    assert len(rest.seen) == 3 * SEEDS - 2
