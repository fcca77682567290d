import pytest

from faultfield.envs.metaworld import TASKS as METAWORLD_TASKS
from faultfield.envs.robosuite import TASKS as ROBOSUITE_TASKS
from faultfield.errors import PolicyError
from faultfield.policies.base import load_policy
from faultfield.policies.teachers import METAWORLD, RANDOMISED, ROBOSUITE, camera_of, teacher


@pytest.mark.parametrize("task", ROBOSUITE_TASKS)
def test_every_robosuite_task_has_an_expert(task: str) -> None:
    found = teacher(ROBOSUITE, {"task": task})
    assert hasattr(load_policy(found.type, **found.arguments), "infer")


def test_every_metaworld_task_has_metaworlds_own() -> None:
    for task in METAWORLD_TASKS:
        assert teacher(METAWORLD, {"task": task, "size": 64}).arguments == {"task": task}


def test_lift_is_meant_where_no_task_is_named() -> None:
    assert teacher(ROBOSUITE, {}).type == "faultfield.policies.experts:PatientLift"


@pytest.mark.parametrize(
    ("environment", "arguments", "words"), [(ROBOSUITE, {"task": "Door"}, "'Door'"), ("mine:Env", {}, "'mine:Env'")]
)
def test_nobody_else_is_known(environment: str, arguments: dict[str, str], words: str) -> None:
    with pytest.raises(PolicyError, match=f"demonstrate .*{words}.*name an expert"):
        teacher(environment, arguments)


def test_the_camera_is_the_one_that_the_environment_observes_with() -> None:
    assert camera_of(ROBOSUITE, {}) == "agentview"
    assert camera_of(ROBOSUITE, {"camera": "front"}) == "front"
    assert camera_of(METAWORLD, {}) == "front"
    assert camera_of("mine:Env", {}) is None


def test_what_varies_itself_is_taught_and_watched_as_what_it_varies() -> None:
    stack = {"type": ROBOSUITE, "task": "Stack", "share": 0.5}
    assert teacher(RANDOMISED, stack) == teacher(ROBOSUITE, {"task": "Stack"})
    assert camera_of(RANDOMISED, stack) == "agentview"
    assert camera_of(RANDOMISED, stack | {"camera": "front"}) == "front"
    assert camera_of(RANDOMISED, {"type": METAWORLD, "task": "push-v3"}) == "front"
    with pytest.raises(PolicyError, match=r"'mine:Env'.*name an expert"):
        teacher(RANDOMISED, {"type": "mine:Env"})
