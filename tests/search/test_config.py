import numpy as np
import pytest

from faultfield.errors import StudyError
from faultfield.search.config import A2cSettings, PpoSettings, SacSettings, SearchConfig
from faultfield.search.diagnostic import train_diagnostic


def test_the_papers_hyperparameters():
    """RoboMD, Appendix D.1."""
    ppo, a2c, sac = PpoSettings(), A2cSettings(), SacSettings()
    assert (ppo.learning_rate, ppo.clip, ppo.epochs, ppo.net) == (3e-4, 0.2, 10, (128, 256, 128))
    assert (sac.learning_rate, sac.batch) == (1e-3, 128)
    assert (a2c.learning_rate, a2c.net, a2c.envs * a2c.rollout) == (2.5e-4, (128, 256, 128), 64)


def test_width_is_the_algorithms_unless_said():
    assert SearchConfig(algorithm="a2c").width == A2cSettings().envs
    assert SearchConfig(algorithm="sac", envs=7).width == 7


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"algorithm": "dqn"}, "ppo, a2c or sac"),
        ({"outcome": "maybe"}, "sample, expected or label"),
        ({"steps": 0}, "at least 1"),
        ({"envs": 0}, "at least 1"),
        ({"discount": 1.1}, "0–1"),
        ({"failure_reward": 0.0}, "positive"),
        ({"margin": -0.1}, "margin must not be negative"),
        ({"failure_reward": float("nan")}, "failure_reward must be finite, not nan"),
        ({"ppo": PpoSettings(learning_rate=-1.0)}, "learning_rate must be positive, not -1"),
        ({"ppo": PpoSettings(gae_lambda=1.5)}, "gae_lambda must lie in 0–1"),
        ({"ppo": PpoSettings(net=(64, 0))}, "net must be at least 1"),
        ({"sac": SacSettings(temperature=0.0)}, "temperature must be positive"),
        ({"envs": 1, "ppo": PpoSettings(rollout=1)}, "envs and ppo's rollout must not both be 1"),
        ({"ppo": PpoSettings(envs=1, rollout=1)}, "envs and ppo's rollout must not both be 1"),
    ],
)
def test_values_out_of_range_are_refused(values, says):
    with pytest.raises(StudyError, match=says):
        SearchConfig(**values)


def test_two_steps_between_updates_are_enough_and_only_ppo_needs_them():
    known = np.array([[0.0, 1.0], [1.0, 0.0]])
    for envs, rollout in ((2, 1), (1, 2)):
        small = SearchConfig(steps=2, envs=envs, ppo=PpoSettings(rollout=rollout, batch=2, net=(4,)))
        proposed = train_diagnostic(known, np.array([0.0, 1.0]), small, 0).propose(3, np.random.default_rng(0))
        assert np.isfinite(proposed).all()
    assert SearchConfig(algorithm="a2c", envs=1, ppo=PpoSettings(rollout=1)).width == 1
