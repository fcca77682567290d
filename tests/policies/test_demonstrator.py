"""Who cannot be set to work says so in a sentence, in this process and in others, and leaves nothing behind."""

from pathlib import Path
from typing import Any

import pytest

from faultfield.errors import CheckpointError, EnvError, FaultfieldError, PolicyError
from faultfield.policies.attempts import AttemptStore
from faultfield.policies.demos import gather, random_looks

TOY = "tests.repair.toy"
HOW = {"episodes": 1, "environment": f"{TOY}:GripReach", "expert": f"{TOY}:GripExpert", "camera": "top"}
RANDOMISED = "faultfield.envs.randomised:Randomised"


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        ({"environment_arguments": {"horizn": 9}}, EnvError, "GripReach' cannot be built from horizn"),
        (
            {"environment": RANDOMISED, "environment_arguments": {"type": f"{TOY}:GripReach", "horizn": 9}},
            EnvError,
            "GripReach' cannot be built from horizn",
        ),
        ({"learner": "runs/no-such-learner"}, CheckpointError, "no-such-learner"),
        ({"expert": "tests.policies.halting:Exacting"}, PolicyError, "Exacting' cannot be built"),
    ],
)
def test_who_cannot_be_built_says_so_and_leaves_nothing(
    tmp_path: Path, wrong: dict[str, Any], error: type[FaultfieldError], text: str, workers: int
) -> None:
    with pytest.raises(error, match=text):
        gather(tmp_path / "d.npz", workers=workers, **{**HOW, **wrong})
    assert not list(tmp_path.iterdir())


def test_an_environment_is_refused_by_name_before_its_camera_or_its_looks_are_asked_for(tmp_path: Path) -> None:
    wrong = {"environment": f"{TOY}:GripReach", "environment_arguments": {"horizn": 9}}
    with pytest.raises(EnvError, match="cannot be built from horizn"):
        gather(tmp_path / "d.npz", **{**HOW, **wrong, "camera": None})  # type: ignore[arg-type]
    with pytest.raises(EnvError, match="cannot be built from horizn"):
        random_looks(count=3, **wrong)  # type: ignore[arg-type]


def test_a_worker_that_dies_is_told_and_what_was_kept_stays(tmp_path: Path) -> None:
    mortal = {**HOW, "expert": "tests.policies.halting:Mortal", "episodes": 8}
    with pytest.raises(EnvError, match=r"worker process died.*run again to go on"):
        gather(tmp_path / "d.npz", workers=2, **mortal)  # type: ignore[arg-type]
    kept = list(tmp_path.glob("d.npz.attempts/*.npz"))
    assert kept
    assert (tmp_path / "d.npz.attempts" / "recipe.json").is_file()


def test_a_store_of_nothing_is_no_folder(tmp_path: Path) -> None:
    AttemptStore(tmp_path / "kept", {"seed": 1})
    assert not list(tmp_path.iterdir())
