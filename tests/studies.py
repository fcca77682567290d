"""Directories of studies whose ledgers hold what a test says, without a rollout."""

import json
from collections.abc import Mapping
from pathlib import Path

from faultfield.rollouts.episode import Episode
from faultfield.rollouts.ledger import Ledger
from faultfield.variations import NOMINAL, Variation


def variation(name: str) -> Variation:
    """A variation of one factor; the empty name is the nominal one."""
    return Variation({"color": name}, f"Change the color to {name}.") if name else NOMINAL


def episodes(
    outcomes: Mapping[str, str], *, policy: str = "before", environment: str = "here", stage: str = "known"
) -> list[Episode]:
    """Episodes by variation: `1` succeeded, `0` failed, `.` is a seed without an episode; seeds count from 0."""
    return [
        Episode(variation(name), seed, letter == "1", 7, policy, environment, stage)
        for name, letters in outcomes.items()
        for seed, letter in enumerate(letters)
        if letter != "."
    ]


def directory(path: Path, *rows: Episode) -> Path:
    """The directory of a study of the first row's policy and environment."""
    path.mkdir(parents=True)
    (path / "study.yaml").write_text("policy: {type: gone}\n")
    identity = {"policy": rows[0].policy, "environment": rows[0].environment}
    (path / "identity.json").write_text(json.dumps(identity))
    with Ledger(path / "ledger", create=True) as ledger:
        for row in rows:
            ledger.append(row)
    return path
