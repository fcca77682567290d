"""A training is of what it began from, wherever that lies: other weights or pictures there make it another one."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from faultfield.detector import checkpoint
from faultfield.detector.training import identity
from faultfield.detector.training.origin import check, origin_of
from faultfield.detector.training.sight import SightConfig
from faultfield.detector.training.sight_data import SightData
from faultfield.errors import CheckpointError
from tests.detector import pockets
from tests.shell import Shell

EYES = SightConfig()
QUICK = ("--settings", "{warm_up_epochs: 1, conditioned_epochs: 0, online_epochs: 0, batch: 4}")


def _sight(path: Path, seed: int = 0) -> str:
    rng = np.random.default_rng(seed)
    pictures, known = rng.integers(0, 255, (8, 28, 28, 3), np.uint8), rng.random((8, 2, 1)).astype(np.float32)
    SightData(pictures, known, known.round(), ("x",), ("red",), rows=2).save(path)
    return str(path)


def test_an_origin_changes_with_what_is_there_and_not_with_how_it_was_trained(tmp_path: Path) -> None:
    model = tmp_path / "a"
    checkpoint.save(pockets.model(), model)
    first = origin_of(str(model), None, EYES)
    for name in ("training.json", "README.md"):
        (model / name).write_text("{}")
    assert origin_of(str(model), None, EYES) == first
    sight = _sight(tmp_path / "sight.npz")
    taught, taken = origin_of("pocket", sight, EYES), origin_of("pocket", model, EYES)
    assert (taught["begun_from"], taken["begun_from"]) == (None, None)
    assert (taken["seen"], "eyes" in taken) == (first["begun_from"], False)
    checkpoint.save(pockets.model(seed=1), model)
    assert origin_of(str(model), None, EYES) != first
    assert origin_of("pocket", model, EYES) != taken
    assert origin_of("pocket", sight, EYES) == taught
    assert origin_of("pocket", _sight(tmp_path / "sight.npz", seed=1), EYES) != taught
    assert origin_of("pocket", sight, replace(EYES, epochs=1.0))["eyes"] != taught["eyes"]


def test_a_model_that_was_made_anew_is_trained_anew(shell: Shell, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    checkpoint.save(pockets.model(), tmp_path / "a")
    how = ("detector", "train", "--data", data, "--out", out, "--model", tmp_path / "a", *QUICK)
    assert shell(*how)[0] == 0
    checkpoint.save(pockets.model(seed=1), tmp_path / "a")
    code, _, err = shell(*how)
    assert (code, "was trained otherwise" in err) == (2, True)
    # What was written before this was told counts as it did.
    about = json.loads((out / "training.json").read_text())
    del about["origin"]["begun_from"]
    (out / "training.json").write_text(json.dumps(about))
    code, _, err = shell(*how)
    assert (code, "Already trained" in err) == (0, True)


def test_eyes_are_not_taught_for_a_training_that_began_with_others(shell: Shell, data: Path, tmp_path: Path) -> None:
    out, sight = tmp_path / "out", _sight(tmp_path / "sight.npz")
    begun = origin_of("pocket", sight, EYES)
    note = out / "training" / "checkpoint-00000001" / "training.json"
    note.parent.mkdir(parents=True)
    note.write_text(json.dumps({"origin": begun, "step": 1}))
    check(out / "training", begun)
    _sight(tmp_path / "sight.npz", seed=1)
    how = ("--view", "{frames: 2, cell: 28}", "--sight", sight, *QUICK)
    code, _, err = shell("detector", "train", "--data", data, "--out", out, *how)
    assert (code, "is of a training with other settings or samples" in err) == (2, True)
    assert not (tmp_path / "out.sight").exists()
    old = {name: begun[name] for name in ("model", "sight")}
    note.write_text(json.dumps({"origin": old, "step": 1}))
    check(out / "training", origin_of("pocket", sight, EYES))
    assert identity.completed(old, begun) == begun
    note.write_text("{")
    with pytest.raises(CheckpointError, match="damaged"):
        check(out / "training", begun)
    check(tmp_path / "none", begun)
