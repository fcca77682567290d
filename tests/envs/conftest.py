"""Environments are slow to build (seconds), so one of each kind serves the whole run."""

from collections.abc import Iterator

import pytest

from faultfield.envs.robosuite import Robosuite


@pytest.fixture(scope="session")
def lift() -> Iterator[Robosuite]:
    env = Robosuite()
    yield env
    env.close()


@pytest.fixture(scope="session")
def stack() -> Iterator[Robosuite]:
    env = Robosuite("Stack")
    yield env
    env.close()


@pytest.fixture(scope="session")
def can() -> Iterator[Robosuite]:
    env = Robosuite("PickPlaceCan")
    yield env
    env.close()


@pytest.fixture(scope="session")
def square() -> Iterator[Robosuite]:
    env = Robosuite("NutAssemblySquare")
    yield env
    env.close()


@pytest.fixture(scope="session")
def as_it_comes() -> Iterator[Robosuite]:
    env = Robosuite(fast=False)
    yield env
    env.close()


@pytest.fixture(scope="session")
def blind_lift() -> Robosuite:
    return Robosuite(images=False)
