"""Captions: which ones a data set has, and that language learned from them says what is seen."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from faultfield.detector import checkpoint, pocket
from faultfield.detector.model import ArmorModel
from faultfield.detector.training import captioning, eyes
from faultfield.detector.training.captioning import Scene, caption
from faultfield.detector.training.checkpoints import Checkpoints
from faultfield.detector.training.config import TrainingConfig
from faultfield.detector.training.course import CAPTIONS_AT_ONCE, SampleCourse
from faultfield.detector.training.eyes import open_eyes
from faultfield.detector.training.learner import Learner
from faultfield.detector.training.loop import Progress
from faultfield.detector.training.packing import pack
from faultfield.detector.training.prompting import lesson
from faultfield.detector.training.run import make_accelerator
from faultfield.detector.training.sight import SightConfig
from faultfield.detector.training.sight_data import SightData
from faultfield.detector.views import Viewer
from faultfield.errors import CheckpointError
from faultfield.faults.captions import captions
from faultfield.faults.generate import generate, read_lines
from faultfield.faults.recipe import Recipe
from tests.detector import pockets

CONFIG = TrainingConfig(
    method="captions", warm_up_epochs=15, batch=4, lr=1e-2, dense_share=None, balanced=False, save_every=1
)
QUESTION = "Which colour has it?"


def _scenes(count: int = 16) -> list[Scene]:
    """A failure is red and a success blue."""
    return [
        Scene(each, ((QUESTION, "It is red." if each.failed else "It is blue."), ("How many?", "Two.")))
        for each in pockets.samples(count)
    ]


def _loss(model, scene: Scene) -> float:
    """Next-token loss of the first caption of a scene."""
    course = SampleCourse([scene.sample], model, captions=[scene.captions[:1]])
    learner, opening = Learner(model.eval()), course.opening(0)
    taught = lesson("captions", [0], course, [False])
    features = learner.see(opening.pixels, opening.grid)
    return float(learner.losses(pack([opening], taught.parts), features, torch.zeros(0)).reason)


def test_language_learns_what_is_said_and_the_tower_stays() -> None:
    model, scenes = pockets.model(), _scenes(4)
    kept = {
        name: weight.clone() for name, weight in model.state_dict().items() if ".visual." in name or name[:5] == "head."
    }
    before = [_loss(model, scene) for scene in scenes]
    assert caption(model, scenes, CONFIG, make_accelerator(CONFIG, cpu=True)) == 15
    assert all(_loss(model, scene) < 0.7 * was for scene, was in zip(scenes, before, strict=True))
    assert {name.split(".")[0] for name in kept} == {"backbone", "head"}
    assert [
        name for name, weight in model.state_dict().items() if name in kept and not torch.equal(weight, kept[name])
    ] == []


def test_a_killed_run_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    config, scenes = replace(CONFIG, warm_up_epochs=2), _scenes(4)
    whole, resumed = pockets.model(), pockets.model()
    caption(whole, scenes, config, make_accelerator(config, cpu=True))

    class Killed(Exception):
        pass

    def kill(name: str, done: int, total: int) -> None:
        assert (name, total) in (("pictures", 4), ("captions", 2))
        if (name, done) == ("captions", 2):
            raise Killed

    with pytest.raises(Killed):
        caption(pockets.model(), scenes, config, make_accelerator(config, cpu=True), tmp_path, kill)
    with pytest.raises(CheckpointError, match="other settings"):
        caption(pockets.model(), scenes, replace(config, lr=0.1), make_accelerator(config, cpu=True), tmp_path)
    caption(resumed, scenes, config, make_accelerator(config, cpu=True), tmp_path)
    first, second = whole.core.state_dict(), resumed.core.state_dict()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def test_no_more_captions_at_once_than_agreed_and_the_draw_decides_which() -> None:
    said = tuple((f"Question {k}?", f"Answer {k}.") for k in range(9))
    course = SampleCourse(pockets.samples(1), pockets.model(), captions=[said])
    drawn = [course.captions(0, draw) for draw in range(6)]
    assert {len(each) for each in drawn} == {CAPTIONS_AT_ONCE}
    assert len({tuple(answer for _, answer in each) for each in drawn}) > 1
    assert course.captions(0, 3) == drawn[3]


def test_a_data_set_says_what_the_simulator_knew(tmp_path: Path) -> None:
    recipe = Recipe(("tests.faults.toy:pick",), 4, 2, ("tests.faults.toy:unseen",), test=2, sight=2, cell=32)
    generate(recipe, tmp_path)
    told = captioning.scenes(tmp_path)
    lines = [line for line in read_lines(tmp_path) if not line["split"].startswith("test")]
    assert [scene.sample.id for scene in told] == [line["id"] for line in lines]
    assert lines[3]["thing"] == "red cube"
    assert told[3].captions[:2] == captions(lines[3]["states"][0], 1, "red cube")
    known = {text for scene in told for pair in scene.captions for text in pair}
    assert set(captioning.sentences(tmp_path)) == known | {scene.sample.instruction for scene in told}
    for was, now in zip(told, captioning.scenes(tmp_path, rename=1.0), strict=True):
        name = now.sample.instruction.removeprefix("Put the ").removesuffix(" on the mark.")
        assert "red cube" not in name
        assert now.captions[0][1] == was.captions[0][1].replace("red cube", name)
    assert captioning.scenes(tmp_path / "sight.npz") == captioning.scenes(None) == ()


@pytest.mark.parametrize("stage", ["sight", "captions", "written", "cleared"])
def test_killed_eyes_go_on_from_the_same_beginning_alone(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begun(seed: int = 0, said: str = "Up and down.") -> ArmorModel:
        """So few tokens that any words fill them: weights do not tell tokenizers apart."""
        return pocket.build([said] * 99, pockets.SHAPE, seed, pockets.VIEW, size=300)

    class Killed(Exception):
        pass

    def kill(name: str, done: int, total: int) -> None:
        if (name, done) == (stage, 2):
            raise Killed

    config = SightConfig(epochs=3, batch=4, hidden=8, save_every=1)
    monkeypatch.setattr(captioning, "scenes", lambda *_: _scenes(4))
    monkeypatch.setattr(eyes, "captioning_config", lambda _: replace(CONFIG, warm_up_epochs=3))
    rng = np.random.default_rng(0)
    pictures, known = rng.integers(0, 255, (8, 28, 28, 3), np.uint8), rng.random((8, 2, 1)).astype(np.float32)
    SightData(pictures, known, known.round(), ("x",), ("red",), rows=2).save(tmp_path / "sight.npz")

    def opened(model: ArmorModel, work: Path, tell: Progress | None = None) -> dict[str, torch.Tensor]:
        open_eyes(model, tmp_path / "sight.npz", config, make_accelerator(CONFIG, cpu=True), work, tell)
        return dict(model.core.state_dict())

    def cut(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        if stage == "written":
            patched.setattr(checkpoint, "save", cut)
        if stage == "cleared":
            patched.setattr(Checkpoints, "clear", cut)
        opened(begun(), tmp_path / "work", kill)
    one, other = (model.core.state_dict() for model in (begun(), begun(said="Open the drawer!")))
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    for beginning in (begun(said="Open the drawer!"), begun(seed=1)):
        with pytest.raises(CheckpointError, match="other settings or samples"):
            opened(beginning, tmp_path / "work")
    left: list[str] = []
    whole = opened(begun(), tmp_path / "whole")
    resumed = opened(begun(), tmp_path / "work", lambda name, *_: left.append(name))
    assert (left == []) == (stage in ("written", "cleared")), "what was learned to the end is not learned again"
    assert not list((tmp_path / "work").rglob("checkpoint-*"))
    assert [name for name in whole if not torch.equal(whole[name], resumed[name])] == []
    # What is done is in nobody's way.
    fresh, after = opened(begun(seed=1), tmp_path / "fresh"), opened(begun(seed=1), tmp_path / "work")
    assert [name for name in fresh if not torch.equal(fresh[name], after[name])] == []


@pytest.mark.slow
def test_eyes_are_followed_by_captions_and_not_taught_twice(tmp_path: Path) -> None:
    recipe = Recipe(("tests.faults.toy:pick",), 4, 2, ("tests.faults.toy:unseen",), test=2, sight=2, cell=28)
    generate(recipe, tmp_path / "data")
    config = SightConfig(epochs=1, batch=3, captions=2, hidden=8)

    def opened(model: ArmorModel) -> list[str]:
        done: list[str] = []
        accelerator = make_accelerator(CONFIG, cpu=True)
        open_eyes(model, tmp_path / "data", config, accelerator, tmp_path / "work", lambda name, *_: done.append(name))
        return done

    shown = Viewer(frames=8, cell=28)
    first, again = pockets.model(view=shown), pockets.model(view=shown)
    assert opened(first) == ["sight"] * 2 + ["pictures", "captions"]
    assert opened(again) == [], "a training that was killed afterwards finds them made"
    assert first.gaze is not None
    assert first.gaze.words.weight.abs().max() > 0, "captions are about what is read"
    taken, made = again.state_dict(), first.state_dict()
    assert [name for name in made if not torch.equal(made[name], taken[name])] == []
    other = pockets.model(seed=1, view=shown)
    open_eyes(other, tmp_path / "work" / "eyes", config, make_accelerator(CONFIG, cpu=True))
    kept = [name for name, value in other.state_dict().items() if torch.equal(value, made[name])]
    assert {"gaze.readout.squeeze.weight", "gaze.centres"} <= set(kept)
    assert not other.gaze.words.weight.any(), "another language was told"
    assert "captions" in opened(pockets.model(seed=1)), "another beginning learns its own"


def test_eyes_for_other_pictures_than_are_shown_teach_the_tower_alone(tmp_path: Path) -> None:
    generate(Recipe(("tests.faults.toy:pick",), 4, 2, test=2, cell=28), tmp_path)
    model = pockets.model()
    open_eyes(model, tmp_path, SightConfig(epochs=1, batch=3, captions=0, hidden=8), make_accelerator(CONFIG, cpu=True))
    assert model.gaze is None
