import pytest

from faultfield.errors import StudyError
from faultfield.search.config import A2cSettings, PpoSettings, SacSettings, SearchConfig


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
    ],
)
def test_values_out_of_range_are_refused(values, says):
    with pytest.raises(StudyError, match=says):
        SearchConfig(**values)
