import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.numpy import load_file, save_file

from faultfield.envs.base import STATE
from faultfield.envs.robosuite import Robosuite
from faultfield.errors import CheckpointError, PolicyError
from faultfield.policies.base import check_actions, fingerprint, infer_batch, load_policy
from faultfield.policies.bc import FORMAT, Architecture, VisualBC, save_checkpoint
from tests.policies.episodes import succeeds

MODELS = Path(__file__).parents[2] / "models"
PICTURE = "observation.images.agentview"


def observations(count: int, size: int = 84) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [
        {PICTURE: rng.integers(0, 256, (size, size, 3), np.uint8), STATE: rng.normal(size=9).astype(np.float32)}
        for _ in range(count)
    ]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    architecture = Architecture()
    save_checkpoint(tmp_path / "fresh", architecture, architecture.build(), {})
    return tmp_path / "fresh"


@pytest.mark.parametrize("name", ["lift-bc", "lift-bc-plain"])
def test_the_shipped_policies_lift_the_cube(lift: Robosuite, name: str) -> None:
    policy = VisualBC(str(MODELS / name))
    assert [succeeds(lift, policy, seed) for seed in range(5_000_000, 5_000_003)] == [True] * 3


def test_the_shipped_policy_looks_at_the_cube(lift: Robosuite) -> None:
    policy = VisualBC(str(MODELS / "lift-bc"))
    observation, _ = lift.reset(seed=0)
    blank = {**observation, PICTURE: np.zeros_like(observation[PICTURE])}
    assert np.abs(policy.infer(observation)["actions"] - policy.infer(blank)["actions"]).max() > 0.1
    truth_removed = {k: observation[k] for k in (PICTURE, STATE)}
    assert np.array_equal(policy.infer(observation)["actions"], policy.infer(truth_removed)["actions"])


SHIPPED = sorted(p.parent for p in MODELS.glob("*/config.json") if json.loads(p.read_text()).get("format") == FORMAT)


@pytest.mark.parametrize("directory", SHIPPED, ids=lambda p: p.name)
def test_a_shipped_checkpoint_is_small_loads_and_has_a_card(directory: Path) -> None:
    assert sum(p.stat().st_size for p in directory.iterdir()) < 1e6
    assert "faultfield policy train" in (directory / "README.md").read_text()
    architecture = VisualBC(str(directory)).architecture
    assert (architecture.size, architecture.camera) in {(84, "agentview"), (84, "front")}


def test_every_policy_that_a_study_names_and_that_ships_sees_with_that_studys_camera() -> None:
    seen = 0
    for path in (MODELS.parent / "studies").glob("*.yaml"):
        study = yaml.safe_load(path.read_text())
        if not isinstance(study, dict):
            continue  # a list of variations that studies share
        checkpoint = MODELS.parent / study["policy"].get("checkpoint", "nowhere")
        if checkpoint in SHIPPED:
            architecture, asked = VisualBC(str(checkpoint)).architecture, study["environment"]
            assert (architecture.camera, architecture.size) == (asked["camera"], asked["size"]), path.name
            seen += 1
    assert seen >= 1


def test_a_batch_gives_what_one_at_a_time_gives(checkpoint: Path) -> None:
    policy = VisualBC(str(checkpoint))
    many = observations(70)  # more than one batch inside
    alone = np.concatenate([policy.infer(o)["actions"] for o in many])
    np.testing.assert_allclose(infer_batch(policy, many), alone, atol=1e-5)
    assert infer_batch(policy, []).shape == (0, 7)
    assert check_actions({"actions": alone}, 7).dtype == np.float32
    assert np.abs(alone).max() <= 1
    assert set(np.unique(alone[:, -1])) <= {-1.0, 1.0}


def test_the_same_observation_gets_the_same_action_whatever_the_threads(checkpoint: Path) -> None:
    before = torch.get_num_threads()
    answers = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        answers.append(VisualBC(str(checkpoint)).infer(observations(1)[0])["actions"])
    torch.set_num_threads(before)
    assert np.array_equal(*answers)


def test_a_network_survives_the_disk_and_leaves_its_fingerprint(checkpoint: Path, tmp_path: Path) -> None:
    policy = VisualBC(str(checkpoint))
    save_checkpoint(tmp_path / "copy", policy.architecture, policy.network, {})
    copy = VisualBC(str(tmp_path / "copy"))
    assert np.array_equal(copy.infer_batch(observations(3)), policy.infer_batch(observations(3)))
    name = "faultfield.policies.bc:VisualBC"
    before = fingerprint(name, checkpoint=str(checkpoint))
    assert fingerprint(name, checkpoint=str(tmp_path / "copy")) == before
    with torch.no_grad():
        policy.network.head[0].bias += 1.0
    save_checkpoint(checkpoint, policy.architecture, policy.network, {})
    assert fingerprint(name, checkpoint=str(checkpoint)) != before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({PICTURE: None}, "needs 'observation.images.agentview'"),
        ({STATE: None}, "needs 'observation.state'"),
        ({PICTURE: np.zeros((96, 96, 3), np.uint8)}, r"uint8 \(84, 84, 3\), but was given uint8 \(96, 96, 3\)"),
        ({PICTURE: np.zeros((84, 84, 3), np.float32)}, "was given float32"),
        ({STATE: np.zeros(9, np.float64)}, "float32 .* was given float64"),
        ({STATE: np.zeros(8, np.float32)}, r"\(9,\), but was given float32 \(8,\)"),
    ],
)
def test_says_what_is_wrong_with_an_observation(checkpoint: Path, change: dict[str, Any], says: str) -> None:
    observation = {k: v for k, v in {**observations(1)[0], **change}.items() if v is not None}
    with pytest.raises(PolicyError, match=says):
        VisualBC(str(checkpoint)).infer(observation)


def test_a_missing_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="There is no checkpoint directory"):
        load_policy("faultfield.policies.bc:VisualBC", checkpoint=str(tmp_path / "nowhere"))
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        VisualBC(str(tmp_path))


def test_a_foreign_checkpoint(checkpoint: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    for text in ("[]", "not json", "{}", json.dumps({**config, "architecture": {"layers": 3}})):
        (checkpoint / "config.json").write_text(text)
        with pytest.raises(CheckpointError, match="is not the configuration of a VisualBC"):
            VisualBC(str(checkpoint))
    (checkpoint / "config.json").write_text(json.dumps({**config, "format": "other-3"}))
    with pytest.raises(CheckpointError, match="format 'other-3'"):
        VisualBC(str(checkpoint))


def test_a_damaged_checkpoint(checkpoint: Path) -> None:
    weights = checkpoint / "model.safetensors"
    whole = weights.read_bytes()
    for damaged in (whole[:-1000], whole[:-1] + bytes([whole[-1] ^ 1]), b""):
        weights.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="is damaged"):
            VisualBC(str(checkpoint))


def test_weights_of_another_network(checkpoint: Path) -> None:
    import hashlib

    weights = load_file(checkpoint / "model.safetensors")
    weights.pop("head.0.bias")
    save_file(weights, checkpoint / "model.safetensors")
    config = json.loads((checkpoint / "config.json").read_text())
    config["weights_sha256"] = hashlib.sha256((checkpoint / "model.safetensors").read_bytes()).hexdigest()
    (checkpoint / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="do not fit the network"):
        VisualBC(str(checkpoint))
