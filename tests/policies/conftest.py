"""Environments are slow to build (seconds), so one serves the whole folder."""

from collections.abc import Iterator

import pytest

from faultfield.envs.robosuite import Robosuite


@pytest.fixture(scope="session")
def lift() -> Iterator[Robosuite]:
    env = Robosuite()
    yield env
    env.close()


@pytest.fixture(scope="session")
def unseen_lift() -> Robosuite:
    """Lift without pictures, for those who do not look."""
    return Robosuite(images=False)
