"""robomimic's HDF5, against the steps themselves and against robomimic's own trainer."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from faultfield.errors import PolicyError
from faultfield.exports import robomimic
from faultfield.exports.recording import Recording
from faultfield.policies.demonstrations import Demonstrations
from faultfield.rollouts.specs import EnvSpec

ENV = EnvSpec("tests.toy:PointReach", {"horizon": 20})


@pytest.fixture(scope="module")
def file(recordings: list[Recording], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("robomimic") / "demos.hdf5"
    counts = robomimic.write(path, recordings, ENV, "move the point", valid=0.2)
    assert (counts["demonstrations"], counts["train"], counts["valid"]) == (12, 10, 2)
    assert counts["observations"] == ["object", "state", "top_image"]
    return path


def test_demonstrations_hold_every_step(file: Path, recordings: list[Recording]) -> None:
    with h5py.File(file) as found:
        assert found["data"].attrs["total"] == sum(each.steps for each in recordings)
        assert len(found["data"]) == len(recordings)
        for number, recording in enumerate(recordings):
            demo, steps = found[f"data/demo_{number}"], recording.steps
            names = {"top_image": "observation.images.top", "state": "observation.state"}
            for name, ours in names.items():
                assert np.array_equal(demo[f"obs/{name}"], recording.observations[ours][:steps])
                assert np.array_equal(demo[f"next_obs/{name}"], recording.observations[ours][1:])
            assert np.array_equal(demo["actions"], recording.actions)
            assert np.array_equal(demo["rewards"], recording.rewards)
            assert np.flatnonzero(demo["dones"]).tolist() == [steps - 1]
            # By name: goal (2), lamp (1), point (2).
            assert np.array_equal(demo["states"][:, 3:], recording.states["point"][:steps])
            assert demo.attrs["num_samples"] == steps
            assert json.loads(demo.attrs["variation"]) == recording.episode.variation.to_json()


def test_filters_split_the_demonstrations(file: Path, recordings: list[Recording]) -> None:
    with h5py.File(file) as found:
        masks = {name: [demo.decode() for demo in found[f"mask/{name}"]] for name in found["mask"]}
        meta = json.loads(found["data"].attrs["env_args"])
    everything = {f"demo_{n}" for n in range(len(recordings))}
    assert set(masks["train"]) | set(masks["valid"]) == set(masks["success"]) | set(masks["failure"]) == everything
    assert not set(masks["train"]) & set(masks["valid"])
    assert masks["success"] == [f"demo_{n}" for n, each in enumerate(recordings) if each.episode.success]
    assert (meta["env_name"], meta["env_kwargs"]) == ("tests.toy:PointReach", {"horizon": 20})


def test_the_same_recordings_give_the_same_bytes(file: Path, recordings: list[Recording], tmp_path: Path) -> None:
    robomimic.write(tmp_path / "again.hdf5", recordings, ENV, "move the point", valid=0.2)
    assert (tmp_path / "again.hdf5").read_bytes() == file.read_bytes()


def test_what_breaks_half_way_leaves_nothing(recordings: list[Recording], tmp_path: Path) -> None:
    def broken() -> Any:
        yield recordings[0]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        robomimic.write(tmp_path / "demos.hdf5", broken(), ENV, "")
    assert list(tmp_path.iterdir()) == []


def test_demonstrations_become_a_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    pictures, states = rng.integers(0, 255, (7, 16, 16, 3), np.uint8), rng.normal(size=(7, 9)).astype(np.float32)
    recipe = {"camera": "front", "environment": "tests.toy:PointReach", "environment_arguments": {"horizon": 9}}
    actions, episodes = rng.normal(size=(7, 7)).astype(np.float32), np.array([0, 0, 0, 0, 1, 1, 1])
    demos = Demonstrations(pictures, states, actions, episodes, ({**recipe, "expert": "tests:Expert"},))
    demos.save(tmp_path / "demos.npz")
    path = robomimic.training_file([tmp_path / "demos.npz", tmp_path / "demos.npz"], tmp_path / "out")
    assert robomimic.training_file([path], tmp_path) == path
    with pytest.raises(PolicyError, match=r"one \.hdf5 file alone"):
        robomimic.training_file([path, tmp_path / "demos.npz"], tmp_path)
    with h5py.File(path) as file:
        assert (len(file["data"]), len(file["mask/success"]), file["data"].attrs["total"]) == (4, 4, 14)
        assert json.loads(file["data"].attrs["env_args"])["env_kwargs"] == {"horizon": 9}
        demo = file["data/demo_3"]
        assert np.array_equal(demo["obs/front_image"], pictures[4:])
        assert np.array_equal(demo["next_obs/state"], states[[5, 6, 6]])
        assert np.array_equal(demo["actions"], actions[4:])
        assert (demo["rewards"][()].tolist(), demo["dones"][()].tolist()) == ([0, 0, 1], [0, 0, 1])


def test_demonstrations_of_two_cameras_are_not_mixed(tmp_path: Path) -> None:
    recipe = {"camera": "front", "environment": "tests.toy:PointReach", "environment_arguments": {}, "expert": "e"}
    arrays = np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 9), np.float32), np.zeros((2, 7), np.float32)
    demos = Demonstrations(*arrays, np.array([0, 1]), (recipe, recipe | {"camera": "top"}))
    with pytest.raises(PolicyError, match="several environments or cameras"):
        robomimic.from_demonstrations(tmp_path / "x.hdf5", demos)


@pytest.mark.slow
def test_robomimics_own_trainer_reads_it(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("robomimic", reason="robomimic is not installed: pip install 'faultfield[robomimic]'")
    from robomimic.config import config_factory
    from robomimic.scripts.train import train
    from robomimic.utils.file_utils import policy_from_checkpoint

    config = config_factory("bc")
    with config.values_unlocked():
        config.train.data = str(file)
        config.train.output_dir = str(tmp_path / "trained")
        config.train.hdf5_filter_key, config.train.hdf5_validation_filter_key = "train", "valid"
        config.train.num_epochs, config.train.batch_size, config.train.num_data_workers = 2, 4, 0
        config.train.hdf5_cache_mode = "low_dim"
        config.experiment.validate, config.experiment.rollout.enabled = True, False
        config.experiment.epoch_every_n_steps, config.experiment.validation_epoch_every_n_steps = 4, 1
        config.experiment.save.on_best_rollout_success_rate = False
        config.experiment.save.every_n_epochs = 2
        config.experiment.logging.log_tb = config.experiment.logging.terminal_output_to_txt = False
        config.observation.modalities.obs.low_dim = ["state"]
        config.observation.modalities.obs.rgb = ["top_image"]
        encoder = config.observation.encoder.rgb
        encoder.core_kwargs.backbone_class, encoder.core_kwargs.backbone_kwargs = "ShallowConv", {}
        encoder.core_kwargs.feature_dimension = 16
        encoder.obs_randomizer_class = None
    train(config, device="cpu")
    # The trainer reports an exception and returns.
    (checkpoint,) = (tmp_path / "trained").rglob("*.pth")
    policy, stored = policy_from_checkpoint(ckpt_path=str(checkpoint), device="cpu", verbose=False)
    assert stored["shape_metadata"]["all_shapes"] == {"state": [2], "top_image": [3, 32, 32]}
    policy.start_episode()
    with h5py.File(file) as found:
        first = found["data/demo_0"]
        picture = np.asarray(first["obs/top_image"][0], np.float32).transpose(2, 0, 1) / 255
        action = policy({"state": first["obs/state"][0], "top_image": picture})
    assert action.shape == (2,)
    assert np.isfinite(action).all()
