"""Who can mend a policy here, and who cannot."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from faultfield.repair.mending import ROBOMIMIC, mend_robomimic, mender_of
from faultfield.rollouts.specs import PolicySpec

SHIPPED = Path(__file__).resolve().parents[2] / "models" / "lift-bc-rnn" / "model.pth"

needs_robomimic = pytest.mark.skipif(importlib.util.find_spec("robomimic") is None, reason="robomimic is not installed")


@needs_robomimic
def test_a_file_of_robomimics_is_mended_as_its_directory_is(tmp_path: Path) -> None:
    named = tmp_path / "model_epoch_600.pth"
    named.write_bytes(SHIPPED.read_bytes())
    for checkpoint in (SHIPPED.parent, SHIPPED, named):
        assert mender_of(PolicySpec(ROBOMIMIC, {"checkpoint": str(checkpoint)})) is mend_robomimic
    assert mender_of(PolicySpec(ROBOMIMIC, {"checkpoint": str(tmp_path)})) is None


@needs_robomimic
@pytest.mark.parametrize("differs", ["another name of the state", "statistics of its data", "another algorithm"])
def test_what_demonstrations_of_ours_cannot_go_on_with_is_mended_elsewhere(tmp_path: Path, differs: str) -> None:
    stored: dict[str, Any] = torch.load(SHIPPED, weights_only=True)
    if differs == "another name of the state":
        stored["shape_metadata"]["all_shapes"]["robot0_eef_pos"] = [3]
    elif differs == "statistics of its data":
        stored["obs_normalization_stats"] = {"state": {"mean": [0.0] * 9, "std": [1.0] * 9}}
    else:
        stored["config"] = json.dumps(json.loads(stored["config"]) | {"algo_name": "hbc"})
    torch.save(stored, tmp_path / "other.pth")
    assert mender_of(PolicySpec(ROBOMIMIC, {"checkpoint": str(tmp_path / "other.pth")})) is None


@needs_robomimic
def test_a_pickle_that_may_be_read_is_read(tmp_path: Path) -> None:
    torch.save(torch.load(SHIPPED, weights_only=True) | {"made": Path("here")}, tmp_path / "x.pth")
    spec = PolicySpec(ROBOMIMIC, {"checkpoint": str(tmp_path / "x.pth"), "allow_pickle": True})
    assert mender_of(spec) is mend_robomimic
