from importlib import metadata
from typing import Any

import numpy as np
import pytest

from faultfield.envs.base import VariableEnv
from faultfield.errors import EnvError, PolicyError, VariationError
from faultfield.policies.base import CallablePolicy
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.runner import rollout
from faultfield.variations import NOMINAL, Variation
from tests.toy import CAMERA, PointExpert, PointPolicy, PointReach


def run(env: Any = None, policy: Any = None, variation: Variation = NOMINAL, seed: int = 0, **options: Any) -> Episode:
    ids = {"policy_id": "p", "env_id": "e", "stage": "known"}
    return rollout(env or PointReach(), policy or PointPolicy(), variation, seed, **ids, **options)


class Answering:
    """Gives the same answer, whatever it sees."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def reset(self) -> None: ...

    def infer(self, observation: Any) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("values", [{}, {"goal_color": "blue"}, {"brightness": 0.45}, {"wind": 0.9}], ids=str)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_episode_is_the_plain_gymnasium_loop(values: dict[str, object], seed: int) -> None:
    env, policy = PointReach(), PointPolicy()
    variation = env.variation_space.variation(values)
    episode = run(variation=variation, seed=seed, keep_trajectory=True, keep_video=True)

    observation, info = env.reset(seed=seed, options={"variation": variation})
    frames, actions, states, done = [observation[CAMERA]], [], [env.snapshot()], False
    while not done:
        action = policy.infer(observation)["actions"][0]
        observation, _, terminated, truncated, info = env.step(action)
        done = terminated or truncated
        frames.append(observation[CAMERA])
        actions.append(action)
        states.append(env.snapshot())
    assert (episode.success, episode.steps) == (info["success"], len(actions))
    assert episode.trajectory is not None
    assert episode.initial_snapshot is not None
    assert episode.video is not None
    np.testing.assert_array_equal(episode.initial["top"], frames[0])
    np.testing.assert_array_equal(episode.video, frames)
    np.testing.assert_array_equal(episode.trajectory.actions, actions)
    np.testing.assert_equal(episode.initial_snapshot, states[0])
    np.testing.assert_equal(list(episode.trajectory.snapshots), states[:-1])


def test_a_chunk_is_executed_in_order_before_the_policy_is_asked_again() -> None:
    chunk = np.array([[0.1, 0.0], [0.0, 0.2], [-0.3, 0.0]], dtype=np.float32)
    asked = []

    def infer(observation: Any) -> Any:
        asked.append(observation["observation.state"].copy())
        return chunk

    episode = run(PointReach(horizon=7), CallablePolicy(infer), keep_trajectory=True)
    assert episode.trajectory is not None
    np.testing.assert_array_equal(episode.trajectory.actions, np.concatenate([chunk, chunk, chunk[:1]]))
    assert len(asked) == 3
    np.testing.assert_allclose(asked[1] - asked[0], 0.1 * chunk.sum(axis=0), atol=1e-6)


def test_what_was_not_asked_for_is_not_kept() -> None:
    episode = run()
    assert episode.trajectory is None
    assert episode.video is None
    assert episode.key == ("p", "e", NOMINAL.key, 0)
    assert episode.versions["numpy"] == metadata.version("numpy")
    assert episode.wall_time > 0


def test_kept_arrays_do_not_change_when_the_environment_reuses_its_buffers() -> None:
    class Reusing(PointReach):
        picture = np.zeros((32, 32, 3), dtype=np.uint8)

        def observe(self, snapshot: Any, variation: Variation) -> dict[str, Any]:
            observation = super().observe(snapshot, variation)
            self.picture[:] = observation[CAMERA]
            return {**observation, CAMERA: self.picture}

    plain, reusing = run(keep_video=True), run(Reusing(), keep_video=True)
    np.testing.assert_array_equal(plain.initial["top"], reusing.initial["top"])
    np.testing.assert_array_equal(plain.video, reusing.video)


def test_a_random_policy_is_seeded_for_each_episode() -> None:
    class Random:
        def seed(self, seed: int) -> None:
            self.rng = np.random.default_rng(seed)

        def reset(self) -> None: ...

        def infer(self, observation: Any) -> Any:
            return {"actions": self.rng.uniform(-1, 1, size=(1, 2))}

    env, policy = PointReach(), Random()
    first = [run(env, policy, seed=seed, keep_trajectory=True).trajectory for seed in (0, 1)]
    again = [run(env, policy, seed=seed, keep_trajectory=True).trajectory for seed in (1, 0)]
    for a, b in zip(first, reversed(again), strict=True):
        assert a is not None
        assert b is not None
        np.testing.assert_array_equal(a.actions, b.actions)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"actions": np.full((1, 2), np.nan)}, "not finite"),
        ({"actions": np.zeros((1, 3))}, r"shape \(1, 3\)"),
        ({"actions": np.zeros(2)}, r"shape \(2,\)"),
        ({"actions": np.array([["up", "down"]])}, "dtype"),
        ({"action": np.zeros((1, 2))}, "'actions'"),
        (ValueError("bad weights.\nand a second line"), "ValueError: bad weights"),
    ],
    ids=str,
)
def test_a_policy_that_gives_no_actions_is_named_with_seed_and_variation(answer: Any, text: str) -> None:
    variation = PointReach().variation_space.variation({"brightness": 0.5})
    with pytest.raises(PolicyError, match=text) as caught:
        run(policy=Answering(answer), variation=variation, seed=11)
    assert "seed 11" in str(caught.value)
    assert "{'brightness': 0.5}" in str(caught.value)
    assert "\n" not in str(caught.value)


class RaisesLater(PointReach):
    def step(self, action: Any) -> Any:
        if self._steps == 2:
            raise ArithmeticError("simulation unstable")
        return super().step(action)


class SaysNothing(PointReach):
    def step(self, action: Any) -> Any:
        *rest, _ = super().step(action)
        return (*rest, {})


class NoSnapshots(VariableEnv):
    """A real robot: it cannot be put back."""

    def __init__(self) -> None:
        self._env = PointReach()
        self.action_space = self._env.action_space
        self.reset, self.step = self._env.reset, self._env.step  # type: ignore[method-assign]


def test_an_environment_that_raises_is_named_with_step_seed_and_variation() -> None:
    with pytest.raises(EnvError, match=r"at step 2 of seed 4 under the variation \{\}: ArithmeticError: simulation un"):
        run(RaisesLater(), PointExpert(), seed=4)


def test_an_environment_must_tell_success_and_snapshots_where_asked() -> None:
    with pytest.raises(EnvError, match="success"):
        run(SaysNothing())
    assert run(NoSnapshots()).initial_snapshot is None
    with pytest.raises(EnvError, match="snapshot"):
        run(NoSnapshots(), keep_trajectory=True)


def test_a_variation_of_another_environment_is_refused() -> None:
    with pytest.raises(VariationError, match="cube_color"):
        run(variation=Variation({"cube_color": "red"}, "Change the cube color to red."))
