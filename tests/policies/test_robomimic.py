"""robomimic's checkpoints: what is refused without robomimic, and what it itself would have done with it."""

import importlib.util
import json
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from faultfield.errors import CheckpointError, PolicyError, SetupError
from faultfield.exports.robomimic import from_demonstrations
from faultfield.policies import robomimic as adapter
from faultfield.policies import robomimic_training as training
from faultfield.policies.bc import Architecture, save_checkpoint
from faultfield.policies.checkpoints import kind_of
from faultfield.policies.demonstrations import Demonstrations
from faultfield.policies.robomimic import Robomimic, read_checkpoint
from faultfield.policies.robomimic_config import ALGORITHMS
from faultfield.policies.robomimic_names import observation_name, our_name
from tests.shell import Shell

SIZE, STEPS, EPISODES = 24, 12, 6
INSTALLED = importlib.util.find_spec("robomimic") is not None
needs_robomimic = pytest.mark.skipif(not INSTALLED, reason="robomimic is not installed")
CONFIG: dict[str, Any] = {"observation": {"modalities": {}}, "train": {}}


class Stop(Exception):
    pass


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def saved(path: Path, config: dict[str, Any] = CONFIG, **more: Any) -> Path:
    shapes = {"all_shapes": OrderedDict(state=[9]), "ac_dim": 7}
    torch.save({"model": {}, "algo_name": "bc", "config": json.dumps(config), "shape_metadata": shapes, **more}, path)
    return path


def spots(rng: np.random.Generator, count: int) -> NDArray[np.uint8]:
    pictures = np.full((count, SIZE, SIZE, 3), 30, np.uint8)
    for picture, (row, column) in zip(pictures, rng.integers(2, SIZE - 2, (count, 2)), strict=True):
        picture[row - 2 : row + 3, column - 2 : column + 3] = 220
    return pictures


@pytest.fixture(scope="module")
def demos() -> Demonstrations:
    rng = np.random.default_rng(0)
    rows = EPISODES * STEPS
    recipe = {"camera": "agentview", "environment": "tests.toy:PointReach", "environment_arguments": {}, "expert": "e"}
    states, actions = rng.normal(size=(rows, 9)), rng.uniform(-1, 1, (rows, 7))
    return Demonstrations(
        spots(rng, rows), states.astype(np.float32), actions.astype(np.float32),
        np.repeat(np.arange(EPISODES), STEPS), (recipe,),
    )  # fmt: skip


@pytest.fixture(scope="module")
def file(demos: Demonstrations, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("robomimic") / "demos.hdf5"
    from_demonstrations(path, demos)
    return path


@pytest.fixture(scope="module", params=ALGORITHMS)
def trained(request: pytest.FixtureRequest, file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "EPOCH", 2)
        training.train(file, out, request.param, steps=3)
    return out


@pytest.fixture
def seen(demos: Demonstrations) -> list[dict[str, NDArray[Any]]]:
    rows = range(2 * STEPS)
    return [{"observation.images.agentview": demos.pictures[i], "observation.state": demos.states[i]} for i in rows]


def test_names_go_both_ways() -> None:
    ours = ("observation.images.agentview", "observation.state", "observation.environment_state", "observation.force")
    assert [our_name(observation_name(name)) for name in ours] == list(ours)
    assert {our_name(name) for name in ("robot0_eef_quat", "robot0_gripper_qpos")} == {"observation.state"}


def test_a_path_says_whose_checkpoint_it_is(tmp_path: Path) -> None:
    saved(tmp_path / "model.pth")
    assert kind_of(tmp_path) == kind_of(tmp_path / "model_epoch_3.pth") == "faultfield.policies.robomimic:Robomimic"
    assert kind_of("models/lift-bc") == "faultfield.policies.bc:VisualBC"


def test_a_pickle_is_not_run_unless_it_may(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    path = saved(tmp_path / "trap.pth", extra=Trap(mark))
    with pytest.raises(CheckpointError, match=r"can run any code.*allow_pickle: true"):
        Robomimic(str(path))
    assert not mark.exists()
    read_checkpoint(path, allow_pickle=True)
    assert mark.exists()


def test_code_in_a_configuration_is_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    core = {"backbone_class": f"__import__('pathlib').Path({str(mark)!r}).touch()"}
    path = saved(tmp_path / "trap.pth", CONFIG | {"algo": [{"planner": {"core_kwargs": core}}]})
    with pytest.raises(CheckpointError, match="would run as code"):
        Robomimic(str(path))
    assert not mark.exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"not a checkpoint", pickle.dumps({"model": 1}), None],
    ids=["empty", "text", "pickle", "cut short"],
)
@pytest.mark.parametrize("allow", [False, True])
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes | None, allow: bool) -> None:
    path = tmp_path / "x.pth"
    path.write_bytes(saved(tmp_path / "whole.pth").read_bytes()[:-300] if content is None else content)
    with pytest.raises(CheckpointError, match="damaged or is not a checkpoint that robomimic saved"):
        Robomimic(str(path), allow_pickle=allow)


def test_other_dictionaries_and_missing_files_are_refused(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="is not a checkpoint that robomimic saved"):
        Robomimic(str(tmp_path / "other.pth"))
    with pytest.raises(CheckpointError, match=r"There is no robomimic checkpoint .*model\.pth"):
        Robomimic(str(tmp_path))


def test_without_robomimic_one_is_told_how_to_get_it(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SetupError, match=r"pip install 'faultfield\[robomimic\]'"):
        Robomimic(str(saved(tmp_path / "model.pth")))
    shell = Shell(capsys, monkeypatch)
    code, _, err = shell("policy", "robomimic", "--demos", file, "--out", tmp_path / "out")
    assert (code, err.count("\n")) == (2, 1)
    assert adapter.INSTALL in err


def test_what_cannot_be_trained_on_is_refused(tmp_path: Path, file: Path) -> None:
    for path, algorithm, words in (
        (tmp_path / "none.hdf5", "bcq", "There is no file"),
        (saved(tmp_path / "x.hdf5"), "bcq", "is damaged or is not one of our HDF5 files"),
        (file, "td3", "known are bc-rnn, bc-transformer, bcq"),
    ):
        with pytest.raises(PolicyError, match=words):
            training.train(path, tmp_path / "out", algorithm)


@needs_robomimic
@pytest.mark.slow
def test_acts_as_robomimic_itself_would(trained: Path, seen: list[dict[str, NDArray[Any]]]) -> None:
    from robomimic.utils.file_utils import policy_from_checkpoint

    theirs, stored = policy_from_checkpoint(ckpt_path=str(trained / "model.pth"), device=torch.device("cpu"))
    depth = json.loads(stored["config"])["train"]["frame_stack"]
    policy = Robomimic(str(trained))
    for episode in (seen[:STEPS], seen[STEPS:]):
        policy.seed(5)
        policy.reset()
        torch.manual_seed(5)
        theirs.start_episode()
        for step, observation in enumerate(episode):
            frames = [episode[max(0, step - back)] for back in reversed(range(depth))]
            pictures = np.stack([f["observation.images.agentview"].transpose(2, 0, 1) / 255 for f in frames])
            states = np.stack([f["observation.state"] for f in frames])
            told = {"agentview_image": pictures, "state": states}
            expected = theirs(told if depth > 1 else {name: array[0] for name, array in told.items()})
            assert np.allclose(policy.infer(observation)["actions"], expected[None], atol=1e-5)


@needs_robomimic
@pytest.mark.slow
def test_the_probe_asks_as_if_each_began_an_episode(trained: Path, seen: list[dict[str, NDArray[Any]]]) -> None:
    policy = Robomimic(str(trained))
    together = policy.infer_batch(seen)
    assert together.shape == (len(seen), 7)
    assert np.array_equal(together, policy.infer_batch(seen)), "the same numbers are drawn at every call"
    if "bcq" in trained.name:
        return
    for number, answer in enumerate(together):
        after = (number + 1) % len(seen)
        policy.reset()
        assert np.allclose(policy.infer(seen[number])["actions"][0], answer, atol=1e-5)
        assert not np.allclose(policy.infer(seen[after])["actions"][0], together[after], atol=1e-5), "it remembers"


@needs_robomimic
@pytest.mark.slow
def test_a_policy_that_draws_follows_its_seed(trained: Path, seen: list[dict[str, NDArray[Any]]]) -> None:
    def acted(seed: int) -> NDArray[np.float32]:
        torch.rand(3)
        policy.seed(seed)
        policy.reset()
        return np.concatenate([policy.infer(each)["actions"] for each in seen[:3]])

    policy = Robomimic(str(trained))
    first = acted(1)
    assert np.array_equal(first, acted(1))
    assert np.array_equal(first, acted(2)) == ("bcq" not in trained.name)


@needs_robomimic
@pytest.mark.slow
def test_other_observations_are_refused(trained: Path, seen: list[dict[str, NDArray[Any]]]) -> None:
    policy = Robomimic(str(trained))
    with pytest.raises(PolicyError, match=r"needs 'observation\.state'"):
        policy.infer({"observation.images.agentview": seen[0]["observation.images.agentview"]})
    with pytest.raises(PolicyError, match=r"as uint8 \(24, 24, 3\), but was given uint8 \(84, 84, 3\)"):
        policy.infer(seen[0] | {"observation.images.agentview": np.zeros((84, 84, 3), np.uint8)})


@needs_robomimic
@pytest.mark.slow
def test_a_checkpoint_of_another_robomimic_is_refused(trained: Path, tmp_path: Path) -> None:
    stored = torch.load(trained / "model.pth", weights_only=True)
    torch.save(stored | {"model": {}}, tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match=r"robomimic 0\.3\.0 cannot build the policy"):
        Robomimic(str(tmp_path))


@needs_robomimic
@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["bc-rnn", "bcq"])
def test_a_killed_training_ends_with_the_same_weights(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, algorithm: str
) -> None:
    monkeypatch.setattr(training, "EPOCH", 2)

    def stop(done: int, total: int) -> None:
        assert total == 6
        if done == 5:
            raise Stop

    whole = training.train(file, tmp_path / "whole", algorithm, steps=6, seed=3)
    with pytest.raises(Stop):
        training.train(file, tmp_path / "killed", algorithm, steps=6, seed=3, on_progress=stop)
    assert (tmp_path / "killed" / training.PROGRESS).exists()
    told: list[int] = []
    again = training.train(
        file, tmp_path / "killed", algorithm, steps=6, seed=3, on_progress=lambda done, total: told.append(done)
    )
    assert (again, told) == (whole, [5, 6])
    models = [torch.load(tmp_path / name / "model.pth", weights_only=True)["model"] for name in ("whole", "killed")]
    assert models[0].keys() == models[1].keys()
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == ["config.json", "model.pth"]


@needs_robomimic
def test_states_are_scaled_and_other_vectors_pass(demos: Demonstrations, file: Path) -> None:
    found = training._scaling(file, "bc-rnn")
    assert found is not None
    mean, scale = found
    np.testing.assert_allclose(mean, demos.states.mean(0), rtol=1e-4, atol=1e-6)
    with adapter.importing():
        from faultfield.policies._robomimic_core import PocketState
    core = PocketState([9], mean, scale)
    features = core(torch.from_numpy(demos.states))
    assert features.shape == (len(demos), core.output_shape()[0])
    # With robomimic's ReLU behind it nothing is lost, and what is left has spread 1.
    kept = features.relu()
    scaled = (kept[:, :9] - kept[:, 9:]).numpy()
    np.testing.assert_allclose(scaled.mean(0), 0.0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(0), 1.0, rtol=1e-3)
    action = torch.randn(3, 7)
    assert torch.equal(PocketState([7], mean, scale)(action), torch.cat([action, -action], dim=1))


@needs_robomimic
def test_bcq_does_not_take_actions_for_states(demos: Demonstrations, tmp_path: Path) -> None:
    same = Demonstrations(demos.pictures, demos.states[:, :7], demos.actions, demos.episodes, demos.recipe)
    from_demonstrations(tmp_path / "same.hdf5", same)
    assert training._scaling(tmp_path / "same.hdf5", "bcq") is None
    assert training._scaling(tmp_path / "same.hdf5", "bc-rnn") is not None


@needs_robomimic
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_it_begins_with_the_eye_of_another_policy(
    algorithm: str, demos: Demonstrations, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    architecture = Architecture("agentview", SIZE, 9, 7)
    network = architecture.build()
    save_checkpoint(tmp_path / "eye", architecture, network, {})
    theirs = [part.weight for part in network.eye.children() if isinstance(part, torch.nn.Conv2d)]
    seen: list[Any] = []
    build = training._model

    def watched(*args: Any) -> Any:
        seen.append(build(*args))
        return seen[-1]

    def stop(*_: Any) -> int:
        raise Stop

    monkeypatch.setattr(training, "_model", watched)
    monkeypatch.setattr(training, "_resume", stop)
    with pytest.raises(Stop):
        training.train(file, tmp_path / "out", algorithm, steps=1, eye=tmp_path / "eye")
    cores = [part for part in seen[0].nets.modules() if type(part).__name__ == "PocketCore"]
    assert cores
    for core in cores:
        own = [part.weight for part in core.nets if isinstance(part, torch.nn.Conv2d)]
        assert all(torch.equal(mine, other) for mine, other in zip(own, theirs, strict=True))
    narrow = Architecture("agentview", SIZE, 9, 7, channels=(8, 8, 8))
    save_checkpoint(tmp_path / "narrow", narrow, narrow.build(), {})
    with pytest.raises(PolicyError, match="other convolutions"):
        training.train(file, tmp_path / "out", algorithm, steps=1, eye=tmp_path / "narrow")
    with pytest.raises(CheckpointError, match="no checkpoint"):
        training.train(file, tmp_path / "out", algorithm, steps=1, eye=tmp_path / "none")


@needs_robomimic
def test_a_checkpoint_does_not_say_where_it_was_made(trained: Path, file: Path) -> None:
    content = read_checkpoint(trained / "model.pth")["config"]
    assert json.loads(content)["train"]["data"] == file.name
    assert str(file.parent) not in content
