"""The studies that ship: what they name exists, and RoboMD's known variations are among them."""

from pathlib import Path

import pytest
import yaml

from faultfield.envs._metaworld_tasks import task_named as metaworld_task
from faultfield.envs._robosuite_tasks import task_named as robosuite_task
from faultfield.policies.teachers import METAWORLD
from faultfield.study.config import StudyConfig, variations_of
from faultfield.variations import VariationSpace

FOLDER = Path(__file__).parents[2] / "studies"
STUDIES = [path for path in sorted(FOLDER.glob("*.yaml")) if isinstance(yaml.safe_load(path.read_text()), dict)]


def space_of(config: StudyConfig) -> VariationSpace:
    task = config.environment.arguments["task"]
    if config.environment.type == METAWORLD:
        return VariationSpace(metaworld_task(task).factors(45.0))
    return VariationSpace(robosuite_task(task).factors)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_names_factors_that_its_task_has(path: Path) -> None:
    config = StudyConfig.read(path)
    space = space_of(config)
    known, unseen = (set(variations_of(listing, space)) for listing in (config.known, config.unseen))
    assert len(known) > 10
    assert unseen
    assert not known & unseen


@pytest.mark.parametrize(("name", "count"), [("lift-known21", 21), ("stack-demo", 21), ("can-demo", 19)])
def test_the_known_variations_are_robomds(name: str, count: int) -> None:
    config = StudyConfig.read(FOLDER / f"{name}.yaml")
    known = variations_of(config.known, space_of(config))
    assert sum(not next(iter(v)).endswith(("_mass", "_friction")) for v in known) == count


def test_the_known_variations_of_square_hold_robomds() -> None:
    config = StudyConfig.read(FOLDER / "square-demo.yaml")
    known = {name: [v for v in variations_of(config.known, space_of(config)) if name in v] for name in config.known}
    counts = {name: len(found) for name, found in known.items()}
    assert [counts[name] for name in ("peg_color", "peg_size", "table_size", "light_color")] == [4, 4, 2, 4]
