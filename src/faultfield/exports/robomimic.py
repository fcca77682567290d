"""robomimic's HDF5 (Mandlekar et al. 2021): `data/demo_k` with observations, actions and simulator states."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield import files
from faultfield.envs.base import IMAGE_PREFIX, STATE
from faultfield.errors import PolicyError, SetupError
from faultfield.exports.recording import Recording
from faultfield.policies.demonstrations import Demonstrations
from faultfield.policies.robomimic_names import observation_name
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.specs import EnvSpec
from faultfield.variations import NOMINAL

GYM_TYPE = 2
"""robomimic's number of an environment that is neither robosuite's own nor iGibson's. Its trainer builds none as long
as `experiment.rollout.enabled` is false."""

SUFFIXES = (".hdf5", ".h5")


def write(
    path: str | Path,
    recordings: Iterable[Recording],
    env: EnvSpec,
    instruction: str,
    *,
    valid: float = 0.1,
    seed: int = 0,
) -> dict[str, Any]:
    """Write the file, whole or not at all; one recording at a time is in memory.

    Beside robomimic's own (`obs`, `next_obs`, `actions`, `rewards`, `dones`, `states`, the filters `mask/train` and
    `mask/valid`), each demonstration carries `success`, `seed`, `variation`, `text` and `policy`, and the filters
    `mask/success` and `mask/failure` name the demonstrations by outcome.

    Args:
        path: Of the file.
        recordings: In the order in which they are numbered.
        env: Where they were made, for `env_args`.
        instruction: What the robot was asked to do.
        valid: Share of the demonstrations that `mask/valid` names; unless it is 0, at least one where there are two.
        seed: Of the draw of these.

    Returns:
        Counts: `demonstrations`, `steps`, `successes`, `train`, `valid`, and the names of the `observations`.

    Raises:
        SetupError: h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise SetupError("h5py is not installed; run: pip install h5py.") from error

    outcomes: list[bool] = []
    total = 0
    names: list[str] = []
    with files.replacing(path) as draft, h5py.File(draft, "w") as file:
        data = file.create_group("data")
        for number, recording in enumerate(recordings):
            group = data.create_group(f"demo_{number}")
            _demonstration(group, recording)
            outcomes.append(recording.episode.success)
            total += recording.steps
            names = sorted(group["obs"])
        data.attrs["total"] = total
        data.attrs["env_args"] = json.dumps(
            {"env_name": env.type, "type": GYM_TYPE, "env_kwargs": dict(env.arguments), "instruction": instruction}
        )
        masks = _masks(outcomes, valid, seed)
        for name, numbers in masks.items():
            demos = np.array([f"demo_{number}" for number in numbers], dtype="S16")
            file.create_dataset(f"mask/{name}", data=demos, track_times=False)
    return {
        "demonstrations": len(outcomes), "steps": total, "successes": sum(outcomes), "train": len(masks["train"]),
        "valid": len(masks["valid"]), "observations": names,
    }  # fmt: skip


def from_demonstrations(path: str | Path, demos: Demonstrations) -> dict[str, Any]:
    """Write what `faultfield policy demos` gathered; the actions are the expert's, without the noise on the executed.

    `seed` of a demonstration is its number. The reward is 1 after the last action and the observation after it, which
    was not kept, is the last one again: `dones` says that nothing follows.

    Args:
        path: Of the file.
        demos: Of one environment, all successful. Under which variation each was shown they do not keep: `variation`
            is the nominal one, whatever it was.

    Returns:
        As `write`.

    Raises:
        PolicyError: They are of several environments or cameras, or do not say of which camera.
        SetupError: h5py is not installed.
    """
    kinds = [(r["environment"], r["environment_arguments"], r["camera"]) for r in demos.recipe]
    if any(kind != kinds[0] for kind in kinds):
        raise PolicyError("The files of demonstrations are of several environments or cameras; train on one kind.")
    environment, arguments, _ = kinds[0]
    return write(path, _recordings(demos, demos.camera, environment), EnvSpec(environment, arguments), "")


def training_file(paths: Sequence[str | Path], out: str | Path) -> Path:
    """The one HDF5 file to train on: it was given, or it is made of demonstrations as `out`/demonstrations.hdf5.

    Raises:
        PolicyError: Several files of which one is HDF5, or a file of demonstrations is missing or damaged.
        SetupError: h5py is not installed.
    """
    given = [Path(path) for path in paths]
    if not any(path.suffix in SUFFIXES for path in given):
        path = Path(out) / "demonstrations.hdf5"
        from_demonstrations(path, Demonstrations.join([Demonstrations.load(each) for each in given]))
        return path
    if len(given) > 1:
        raise PolicyError("Give files of 'faultfield policy demos', or one .hdf5 file alone; robomimic reads one file.")
    return given[0]


def _recordings(demos: Demonstrations, camera: str, environment: str) -> Iterator[Recording]:
    for number in range(int(demos.episodes.max()) + 1):
        rows = np.flatnonzero(demos.episodes == number)
        rewards = np.zeros(len(rows))
        rewards[-1] = 1.0
        after = np.append(rows, rows[-1])
        observations = {IMAGE_PREFIX + camera: demos.pictures[after], STATE: demos.states[after]}
        expert = str(demos.recipe[0]["expert"])
        episode = Episode(NOMINAL, number, True, len(rows), expert, environment, "demonstration")
        yield Recording(episode, observations, demos.actions[rows], rewards)


def _demonstration(group: Any, recording: Recording) -> None:
    episode, steps = recording.episode, recording.steps
    for name, array in recording.observations.items():
        for part, rows in (("obs", array[:steps]), ("next_obs", array[1:])):
            _put(group, f"{part}/{observation_name(name)}", rows)
    ended = np.zeros(steps, np.int64)
    ended[-1] = 1
    _put(group, "actions", recording.actions)
    _put(group, "rewards", recording.rewards)
    _put(group, "dones", ended)
    if recording.states:
        _put(group, "states", _flat(recording)[:steps])
        shapes = {name: list(recording.states[name].shape[1:]) for name in sorted(recording.states)}
        group.attrs["state_shapes"] = json.dumps(shapes)
    group.attrs["num_samples"] = steps
    group.attrs["success"] = episode.success
    group.attrs["seed"] = episode.seed
    group.attrs["variation"] = json.dumps(episode.variation.to_json())
    group.attrs["text"] = episode.variation.text
    group.attrs["policy"] = episode.policy


def _put(group: Any, name: str, array: NDArray[Any]) -> None:
    if array.ndim == 4:
        # A chunk a picture: training draws single steps.
        packed = {"chunks": (1, *array.shape[1:]), "compression": "gzip", "compression_opts": 1}
        group.create_dataset(name, data=array, track_times=False, **packed)
    else:
        group.create_dataset(name, data=array, track_times=False)


def _flat(recording: Recording) -> NDArray[np.float64]:
    """The simulator's states as one row a step, arrays in the order of their names."""
    columns = [recording.states[name].reshape(recording.steps + 1, -1) for name in sorted(recording.states)]
    rows: NDArray[np.float64] = np.concatenate(columns, axis=1).astype(np.float64)
    return rows


def _masks(outcomes: list[bool], valid: float, seed: int) -> dict[str, list[int]]:
    count = len(outcomes)
    held = min(max(1, round(valid * count)), count - 1) if valid > 0 and count > 1 else 0
    drawn = sorted(np.random.default_rng(seed).permutation(count)[:held].tolist())
    return {
        "train": [n for n in range(count) if n not in set(drawn)],
        "valid": drawn,
        "success": [n for n, success in enumerate(outcomes) if success],
        "failure": [n for n, success in enumerate(outcomes) if not success],
    }
