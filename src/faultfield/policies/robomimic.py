"""robomimic's policies (Mandlekar et al. 2021) from their own checkpoints."""

import contextlib
import importlib.util
import io
import json
import pickle
import zipfile
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from faultfield.envs.base import IMAGE_PREFIX, Observation
from faultfield.errors import CheckpointError, PolicyError, SetupError
from faultfield.policies.base import Actions
from faultfield.policies.network import one_thread
from faultfield.policies.robomimic_names import PARTS, our_name

CHECKPOINT = "model.pth"
"""Name of the checkpoint in a directory that `faultfield policy robomimic` makes."""

INSTALL = (
    "robomimic is not installed; run: pip install 'faultfield[robomimic]' (docs/robomimic.md, without a compiler)."
)

BATCH = 64

_NEEDED = ("algo_name", "config", "model", "shape_metadata")
_EVALUATED = ("backbone_class", "pool_class")


class Robomimic:
    """A policy that robomimic trained, of whichever of its algorithms; tried with BC-RNN, BC-Transformer and BCQ.

    Observations go by the names that our exports write, and by robosuite's for the parts of the state (`PARTS`). What
    the policy remembers, a recurrent state or the last frames of a transformer, begins anew at `reset`, where the
    frames are the first one repeated, as in robomimic's own rollouts. Inference is on one CPU thread.

    The probe asks for the first action at stored states (`infer_batch`), each asked as if an episode began there: the
    recurrent state at zero, the frames that one frame. For a recurrent policy that is nothing new: it is trained on
    windows that begin anywhere, and in rollouts its state returns to zero every `rnn.horizon` steps. For frames it is a
    robot that has just stood still, which in training was so at the start of demonstrations only; nominal picture and
    candidate are asked alike, so the comparison is fair, but it is not what the policy would do on the move.

    A policy that draws (GMM, BCQ) draws from its own generator, `seed`ed by the runner; `infer_batch` draws the same
    numbers at every call, so that answers differ only where the pictures do.

    Args:
        checkpoint: A `.pth` file of robomimic's, or a directory with `model.pth`.
        allow_pickle: Unpickle a file that holds more than tensors and plain values. That can run any code: only for
            files from somebody whom you trust. robomimic's own checkpoints do not need it.

    Raises:
        SetupError: robomimic is not installed.
        CheckpointError: The file is missing, damaged or foreign, may not be unpickled, or this version of robomimic
            cannot build it.
        PolicyError: It wants goals, or observations that are neither pictures nor vectors.

    Example:
        >>> policy = Robomimic("runs/lift-bc-rnn")  # doctest: +SKIP
        >>> policy.reset()  # doctest: +SKIP
        >>> policy.infer(observation)["actions"].shape  # doctest: +SKIP
        (1, 7)
    """

    def __init__(self, checkpoint: str, allow_pickle: bool = False) -> None:
        self._path = checkpoint_file(checkpoint)
        stored = read_checkpoint(self._path, allow_pickle=allow_pickle)
        config = json.loads(stored["config"])
        self._algo, self._stats = _build(stored, self._path)
        self._shapes = {name: tuple(shape) for name, shape in stored["shape_metadata"]["all_shapes"].items()}
        odd = [name for name, shape in self._shapes.items() if len(shape) not in (1, 3)]
        if odd or any(config["observation"].get("modalities", {}).get("goal", {}).values()):
            wants = f"the observations {', '.join(odd)}" if odd else "a goal beside its observations"
            raise PolicyError(f"The policy in '{self._path}' wants {wants}, which no environment of ours gives.")
        self._frames: deque[dict[str, NDArray[np.float32]]] = deque(maxlen=int(config["train"].get("frame_stack", 1)))
        self.seed(0)

    @property
    def cameras(self) -> tuple[str, ...]:
        """Whose pictures it sees, by our names."""
        pictures = (our_name(name) for name, shape in self._shapes.items() if len(shape) == 3)
        return tuple(name.removeprefix(IMAGE_PREFIX) for name in pictures)

    def seed(self, seed: int) -> None:
        """Begin the random numbers of a policy that draws."""
        self._random = torch.Generator().manual_seed(seed).get_state()

    def reset(self) -> None:
        """Forget the last episode."""
        self._algo.reset()
        self._frames.clear()

    def infer(self, observation: Observation) -> Actions:
        """The next action, shape (1, action_dim).

        Raises:
            PolicyError: The observation lacks something that the policy was trained on, or has it in another shape.
        """
        frame = self._frame(observation)
        # The first frame stands for those before it.
        missing = (self._frames.maxlen or 1) - 1 if not self._frames else 0
        self._frames.extend([frame] * (missing + 1))
        with self._drawing():
            return {"actions": self._act([list(self._frames)])}

    def infer_batch(self, observations: Sequence[Observation]) -> NDArray[np.float32]:
        """First actions, float32 (count, action_dim), each as if an episode began there; forgets the one under way.

        Raises:
            PolicyError: As `infer`.
        """
        parts = []
        depth = self._frames.maxlen or 1
        kept = self._random
        for start in range(0, len(observations), BATCH):
            self.reset()
            self.seed(0)
            frames = [self._frame(observation) for observation in observations[start : start + BATCH]]
            with self._drawing():
                parts.append(self._act([[frame] * depth for frame in frames]))
        self.reset()
        self._random = kept
        return np.concatenate(parts) if parts else np.empty((0, int(self._algo.ac_dim)), np.float32)

    def _frame(self, observation: Observation) -> dict[str, NDArray[np.float32]]:
        """One observation under robomimic's names, pictures (3, height, width) in 0–1."""
        frame = {name: _input(observation, name, shape) for name, shape in self._shapes.items()}
        if self._stats is not None:
            frame = {
                name: np.asarray((array - self._stats[name]["mean"][0]) / self._stats[name]["std"][0], np.float32)
                for name, array in frame.items()
            }
        return frame

    def _act(self, stacks: Sequence[Sequence[Mapping[str, NDArray[np.float32]]]]) -> NDArray[np.float32]:
        """Actions (n, action_dim) on n stacks of frames, oldest first."""
        inputs = {}
        for name in self._shapes:
            array = np.stack([np.stack([frame[name] for frame in stack]) for stack in stacks])
            inputs[name] = torch.from_numpy(array if (self._frames.maxlen or 1) > 1 else array[:, 0])
        with one_thread(), torch.no_grad():
            actions: NDArray[np.float32] = self._algo.get_action(obs_dict=inputs).numpy().astype(np.float32)
        return actions

    @contextlib.contextmanager
    def _drawing(self) -> Iterator[None]:
        """Our own random numbers in torch's global generator, where robomimic looks for them."""
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._random)
            yield
            self._random = torch.get_rng_state()


def checkpoint_file(checkpoint: str | Path) -> Path:
    """The `.pth` file that a checkpoint's path means: itself, or `model.pth` where it is a directory."""
    path = Path(checkpoint)
    return path / CHECKPOINT if path.is_dir() else path


def read_checkpoint(path: Path, *, allow_pickle: bool = False) -> dict[str, Any]:
    """What robomimic saved: `model`, `config` (JSON), `algo_name`, `shape_metadata`, `env_metadata`.

    robomimic evaluates some of the names in a configuration as Python; they are checked to be plain names, so that a
    file read without `allow_pickle` runs nothing.

    Raises:
        CheckpointError: The file is missing, damaged or foreign, or may not be unpickled.
    """
    if not path.is_file():
        raise CheckpointError(f"There is no robomimic checkpoint '{path}'; 'faultfield policy robomimic' makes one.")
    foreign = CheckpointError(f"'{path}' is damaged or is not a checkpoint that robomimic saved.")
    try:
        stored = _unpickle(path, allow_pickle)
    except CheckpointError:
        raise
    except Exception as error:
        # Torn and foreign files raise whatever their bytes happen to mean to the unpickler.
        raise foreign from error
    if not isinstance(stored, dict) or any(name not in stored for name in _NEEDED):
        raise foreign
    try:
        config = json.loads(stored["config"])
        for name in _evaluated(config):
            if not name.isidentifier():
                raise CheckpointError(f"'{path}' names a network part {name!r}, which robomimic would run as code.")
        assert isinstance(config["observation"], dict)
        assert isinstance(config["train"], dict)
        assert isinstance(stored["shape_metadata"]["all_shapes"], dict)
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise foreign from error
    return stored


def _unpickle(path: Path, allow_pickle: bool) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        if allow_pickle:
            return torch.load(path, map_location="cpu", weights_only=False)
        if not zipfile.is_zipfile(path):
            raise
    raise CheckpointError(
        f"'{path}' holds more than tensors and plain values, and unpickling that can run any code; if you trust "
        "whoever made it, give the policy 'allow_pickle: true'."
    )


def _evaluated(config: Any) -> Iterator[str]:
    """Every text in a configuration that robomimic passes to `eval`."""
    if isinstance(config, Mapping):
        for name, value in config.items():
            if name in _EVALUATED and value is not None:
                yield str(value)
            else:
                yield from _evaluated(value)
    elif isinstance(config, list):
        for value in config:
            yield from _evaluated(value)


def _build(stored: dict[str, Any], path: Path) -> tuple[Any, Mapping[str, Any] | None]:
    """The algorithm and, where it has them, the statistics with which it normalises."""
    with importing(), one_thread():
        from robomimic.utils.file_utils import policy_from_checkpoint

        import faultfield.policies._robomimic_core  # noqa: F401  (registers PocketCore)

        try:
            policy, _ = policy_from_checkpoint(device=torch.device("cpu"), ckpt_dict=stored, verbose=False)
        except Exception as error:
            import robomimic

            lines = str(error).strip().splitlines() or [""]
            raise CheckpointError(
                f"robomimic {robomimic.__version__} cannot build the policy in '{path}': "
                f"{type(error).__name__}: {lines[0].rstrip('.')}."
            ) from error
    policy.start_episode()
    return policy.policy, policy.obs_normalization_stats


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Where robomimic is imported and built: it prints advice to its developers, which no caller of ours wants.

    Raises:
        SetupError: It is not installed.
    """
    if importlib.util.find_spec("robomimic") is None:
        raise SetupError(INSTALL)
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _input(observation: Observation, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """One observation as the network takes it."""
    key = our_name(name)
    if key not in observation:
        raise PolicyError(f"The policy needs '{key}' (its '{name}'), but the observation has {', '.join(observation)}.")
    value = np.asarray(observation[key])
    if len(shape) == 3:
        wanted = (*shape[1:], shape[0])
        if value.dtype != np.uint8 or value.shape != wanted:
            raise PolicyError(
                f"The policy was trained on '{key}' as uint8 {wanted}, but was given {value.dtype} {value.shape}."
            )
        return np.ascontiguousarray(value.transpose(2, 0, 1), np.float32) / np.float32(255.0)
    value = value[PARTS[name]] if name in PARTS and value.ndim == 1 else value
    if value.shape != shape:
        raise PolicyError(f"The policy was trained on '{key}' as {shape} (its '{name}'), but was given {value.shape}.")
    return value.astype(np.float32)
