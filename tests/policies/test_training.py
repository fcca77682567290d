import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from faultfield.errors import CheckpointError, PolicyError
from faultfield.policies.bc import VisualBC, as_input
from faultfield.policies.demonstrations import Demonstrations
from faultfield.policies.jitter import Jitter
from faultfield.policies.training import train
from faultfield.policies.training_notes import PROGRESS


class Stop(Exception):
    pass


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task with a known answer: go towards the bright spot, and close when it is right of the middle."""
    rng = np.random.default_rng(0)
    n, size = 200, 32
    places = rng.integers(2, size - 2, (n, 2))
    pictures = np.full((n, size, size, 3), 30, np.uint8)
    for picture, (row, column) in zip(pictures, places, strict=True):
        picture[row - 2 : row + 3, column - 2 : column + 3] = 220
    actions = np.zeros((n, 7), np.float32)
    actions[:, :2] = 2 * places / size - 1
    actions[:, -1] = np.where(places[:, 1] > size / 2, 1.0, -1.0)
    path = tmp_path_factory.mktemp("training") / "demos.npz"
    recipe = ({"camera": "agentview"},)
    truths = (2 * places / size - 1).astype(np.float32)
    Demonstrations(pictures, np.zeros((n, 9), np.float32), actions, np.arange(n), recipe, truths).save(path)
    return path


def weights(directory: Path) -> bytes:
    return (directory / "model.safetensors").read_bytes()


def test_learns_where_things_are(demos: Path, tmp_path: Path) -> None:
    losses = []
    last = train(demos, tmp_path, steps=300, jitter=False, on_progress=lambda step, total, loss: losses.append(loss))
    assert len(losses) == 6
    assert losses[-1] == last < 0.25 * losses[0]
    data, policy = Demonstrations.load(demos), VisualBC(str(tmp_path))
    seen = [
        {"observation.images.agentview": p, "observation.state": s}
        for p, s in zip(data.pictures, data.states, strict=True)
    ]
    answered = policy.infer_batch(seen)
    assert np.abs(answered[:, :2] - data.actions[:, :2]).mean() < 0.1
    assert (answered[:, -1] == data.actions[:, -1]).mean() > 0.9


def test_a_guided_eye_finds_what_the_actions_do_not_tell_of(demos: Path, tmp_path: Path) -> None:
    told = Demonstrations.load(demos)
    idle = dataclasses.replace(told, actions=np.zeros_like(told.actions))
    idle.save(tmp_path / "idle.npz")
    missed = []
    for guided in (False, True):
        out = tmp_path / f"guided-{guided}"
        train(tmp_path / "idle.npz", out, steps=150, jitter=False, guided=guided)
        with torch.inference_mode():
            seen = VisualBC(str(out)).network.see(as_input(torch.from_numpy(told.pictures))).numpy()
        seen = np.hstack([seen, np.ones((len(seen), 1))])
        assert told.truths is not None
        line = np.linalg.lstsq(seen[:100], told.truths[:100], rcond=1e-3)[0]
        missed.append(float(np.abs(seen[100:] @ line - told.truths[100:]).mean()))
    assert missed[1] < 0.5 * missed[0]


def test_guidance_needs_to_know_where_things_are(demos: Path, tmp_path: Path) -> None:
    dataclasses.replace(Demonstrations.load(demos), truths=None).save(tmp_path / "blind.npz")
    train(tmp_path / "blind.npz", tmp_path / "plain", steps=1)
    with pytest.raises(PolicyError, match="do not say where things are"):
        train(tmp_path / "blind.npz", tmp_path / "guided", steps=1, guided=True)


@pytest.mark.parametrize(("at", "guided"), [(50, False), (100, True)])
def test_a_killed_training_ends_with_the_same_weights(demos: Path, tmp_path: Path, at: int, guided: bool) -> None:
    train(demos, tmp_path / "whole", steps=120, seed=3, guided=guided)

    def stop(step: int, total: int, loss: float) -> None:
        if step == at:
            raise Stop

    with pytest.raises(Stop):
        train(demos, tmp_path / "cut", steps=120, seed=3, guided=guided, save_every=40, on_progress=stop)
    assert [p.name for p in (tmp_path / "cut").iterdir()] == [PROGRESS]
    steps: list[int] = []
    train(
        demos, tmp_path / "cut", steps=120, seed=3, guided=guided, save_every=40,
        on_progress=lambda step, *_: steps.append(step),
    )  # fmt: skip
    assert steps[0] > 40
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole")
    assert not (tmp_path / "cut" / PROGRESS).exists()


def test_other_settings_begin_anew(demos: Path, tmp_path: Path) -> None:
    def stop(step: int, total: int, loss: float) -> None:
        raise Stop

    with pytest.raises(Stop):
        train(demos, tmp_path / "a", steps=60, seed=0, save_every=20, on_progress=stop)
    train(demos, tmp_path / "a", steps=60, seed=1)
    train(demos, tmp_path / "b", steps=60, seed=1)
    assert weights(tmp_path / "a") == weights(tmp_path / "b")


def test_what_was_trained_is_not_trained_again_nor_written_over(demos: Path, tmp_path: Path) -> None:
    train(demos, tmp_path, steps=30, seed=2, jitter=Jitter())
    before, told = weights(tmp_path), []
    again = train(demos, tmp_path, steps=30, seed=2, jitter=Jitter(), on_progress=lambda *done: told.append(done))
    assert (math.isnan(again), told, weights(tmp_path)) == (True, [], before)
    with pytest.raises(CheckpointError, match="holds a checkpoint already, trained with other seed, steps; name"):
        train(demos, tmp_path, steps=40, seed=3, jitter=Jitter())
    assert weights(tmp_path) == before
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(CheckpointError, match="holds a checkpoint already"):
        train(demos, tmp_path, steps=30, seed=2, jitter=Jitter())
    assert weights(tmp_path) == before


def test_a_damaged_note_of_progress_begins_anew(demos: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / PROGRESS).write_bytes(b"half a file")
    train(demos, tmp_path / "a", steps=10)
    train(demos, tmp_path / "b", steps=10)
    assert weights(tmp_path / "a") == weights(tmp_path / "b")


def test_training_leaves_the_global_generator_alone(demos: Path, tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(demos, tmp_path, steps=2)
    assert torch.equal(torch.rand(3), expected)


def test_jitter_changes_each_channel_by_one_factor_and_one_offset() -> None:
    before = torch.rand(50, 3, 8, 8) * 0.2 + 0.3
    after = Jitter(gain=(0.5, 1.15), channel=(0.7, 1.3), bias=0.1)(before, np.random.default_rng(0))
    for picture in range(50):
        for channel in range(3):
            x, y = before[picture, channel].flatten().numpy(), after[picture, channel].flatten().numpy()
            factor, offset = np.polyfit(x, y, 1)
            np.testing.assert_allclose(y, factor * x + offset, atol=1e-5)
            assert 0.5 * 0.7 - 1e-3 <= factor <= 1.15 * 1.3 + 1e-3
            assert abs(offset) <= 0.1 + 1e-3
    assert after.min() >= 0
    assert after.max() <= 1
    bright = Jitter(gain=(1.15, 1.15))(torch.ones(1, 3, 2, 2), np.random.default_rng(0))
    assert bright.max() <= 1


def test_a_shift_moves_whole_pictures_and_repeats_their_rim() -> None:
    before = torch.rand(200, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    still = Jitter(gain=(1.0, 1.0), channel=(1.0, 1.0), bias=0.0, shift=2, moved=0.5)
    after = still(before, np.random.default_rng(0))
    padded = torch.nn.functional.pad(before, (2, 2, 2, 2), mode="replicate")
    places = []
    for old, new in zip(padded, after, strict=True):
        found = [(y, x) for y in range(5) for x in range(5) if torch.equal(old[:, y : y + 9, x : x + 9], new)]
        assert len(found) == 1
        places += found
    unmoved = places.count((2, 2)) / len(places)
    # Half are not asked to move, and one in 25 of the others moves by nothing.
    assert abs(unmoved - (0.5 + 0.5 / 25)) < 0.11
    assert set(places) == {(y, x) for y in range(5) for x in range(5)}


def test_refuses_what_cannot_be_trained(demos: Path, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="at least one step"):
        train(demos, tmp_path / "x", steps=0)
    with pytest.raises(PolicyError, match="There is no file of demonstrations"):
        train(tmp_path / "none.npz", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def spot(path: Path, value: float, rows: int = 40) -> Path:
    """Rows whose action says which file they are from."""
    pictures = np.full((rows, 32, 32, 3), 100, np.uint8)
    actions = np.full((rows, 7), value, np.float32)
    Demonstrations(
        pictures, np.zeros((rows, 9), np.float32), actions, np.arange(rows), ({"camera": "agentview"},)
    ).save(path)
    return path


def test_a_batch_has_the_shares_that_were_asked_for(tmp_path: Path) -> None:
    """The best constant answer under a squared loss is the mean of the rows, and so tells the shares."""
    files = [spot(tmp_path / "a.npz", -0.05, 10), spot(tmp_path / "b.npz", 0.05, 190)]
    answers = []
    for shares in (None, (3, 1), (0, 1)):
        out = tmp_path / str(shares)
        train(files, out, steps=120, batch=16, jitter=False, shares=shares)
        seen = {"observation.images.agentview": np.full((32, 32, 3), 100, np.uint8),
                "observation.state": np.zeros(9, np.float32)}  # fmt: skip
        answers.append(float(VisualBC(str(out)).infer(seen)["actions"][0, :6].mean()))
    assert answers == pytest.approx([0.045, -0.025, 0.05], abs=0.015)
    for wrong in ((1,), (1, -1), (0, 0)):
        with pytest.raises(PolicyError, match="one number from 0 up for each file"):
            train(files, tmp_path / "x", steps=1, shares=wrong)


def test_a_training_begins_from_a_checkpoint(demos: Path, tmp_path: Path) -> None:
    first = tmp_path / "first"
    train(demos, first, steps=30, jitter=False)
    train(demos, tmp_path / "still", steps=1, learning_rate=1e-12, begin=first)
    before, after = (VisualBC(str(path)).network.state_dict() for path in (first, tmp_path / "still"))
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor, atol=1e-6, rtol=0)
    other = Demonstrations.load(demos)
    Demonstrations(other.pictures[:, :24, :24], other.states, other.actions, other.episodes, other.recipe).save(
        tmp_path / "small.npz"
    )
    with pytest.raises(PolicyError, match="has size 32, the demonstrations have 24"):
        train(tmp_path / "small.npz", tmp_path / "x", steps=1, begin=first)
    with pytest.raises(CheckpointError, match="no checkpoint to begin from"):
        train(demos, tmp_path / "x", steps=1, begin=tmp_path / "nowhere")
