from pathlib import Path

import numpy as np
import pytest
import torch

from faultfield.errors import CheckpointError
from faultfield.field import pretraining
from faultfield.field.encoders import build_encoder
from faultfield.field.pocket_clip import PocketClip
from faultfield.field.pretraining import contrast_scenes, pretrain
from faultfield.rollouts.specs import EnvSpec
from tests.field.rendered import SMALL

SPEC = EnvSpec("tests.toy:PointReach")


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that learn nothing, in a second."""
    for name, value in (("_HELD_OUT", 40), ("_STATISTICS", 100), ("_BATCH", 16), ("_TEXTS", 2), ("_EVERY", 2)):
        monkeypatch.setattr(pretraining, name, value)


class Killed(Exception):
    """Stands for kill -9."""


def test_the_contrast_is_the_cross_entropy_both_ways_without_twins() -> None:
    rng = np.random.default_rng(0)
    similarity = rng.uniform(-1, 1, size=(5, 5))
    keys, factor = ["a", "b", "a", "c", "d"], np.exp(1.5)
    total = 0.0
    for logits in (factor * similarity, factor * similarity.T):
        for i in range(5):
            rivals = [j for j in range(5) if j == i or keys[j] != keys[i]]
            total += np.log(np.exp(logits[i, rivals]).sum()) - logits[i, i]
    loss = contrast_scenes(torch.from_numpy(similarity), keys, torch.tensor(1.5, dtype=torch.float64))
    assert float(loss) == pytest.approx(total / 10, rel=1e-6)


@pytest.mark.slow
def test_a_short_run_learns_to_match_and_to_tell_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretraining, "_BATCH", 64)
    monkeypatch.setattr(pretraining, "_TEXTS", 16)
    measured = pretrain(SPEC, tmp_path / "clip", scenes=480, steps=60, seed=0, work=tmp_path / "work", size=SMALL)
    assert measured.five > 0.08  # by chance 0.05 ± 0.01
    assert measured.seen["brightness"] > 0.5
    assert "wind" not in measured.seen
    card = (tmp_path / "clip" / "README.md").read_text()
    assert f"| `brightness` | {measured.seen['brightness']:.2f} | {measured.said['brightness']:.2f} |" in card
    assert build_encoder(str(tmp_path / "clip")).picture_dim == SMALL.picture_dim


@pytest.mark.usefixtures("tiny")
def test_killed_in_either_stage_and_run_again_it_ends_with_the_same_weights(tmp_path: Path) -> None:
    def run(name: str, kill: tuple[str, int] | None = None) -> None:
        def tell(stage: str, done: int, total: int) -> None:
            if (stage, done) == kill:
                raise Killed

        pretrain(SPEC, tmp_path / name, 60, steps=5, seed=0, on_progress=tell, work=tmp_path / f"{name}.w", size=SMALL)

    run("whole")
    for kill in (("steps", 3), ("reading", 5)):
        with pytest.raises(Killed):
            run("killed", kill)
    run("killed")
    whole, killed = (tmp_path / name / "model.safetensors" for name in ("whole", "killed"))
    assert whole.read_bytes() == killed.read_bytes()


@pytest.mark.usefixtures("tiny")
def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    pretrain(SPEC, tmp_path / "a", scenes=60, steps=2, seed=0, work=tmp_path / "work", size=SMALL)
    with pytest.raises(CheckpointError, match="other settings"):
        pretrain(SPEC, tmp_path / "b", scenes=60, steps=3, seed=0, work=tmp_path / "work", size=SMALL)
    (tmp_path / "work" / "checkpoint.safetensors").write_bytes(b"junk")
    with pytest.raises(CheckpointError, match="damaged"):
        pretrain(SPEC, tmp_path / "b", scenes=60, steps=3, seed=0, work=tmp_path / "work", size=SMALL)


@pytest.mark.usefixtures("tiny")
def test_the_towers_heads_are_kept(tmp_path: Path) -> None:
    pretrain(SPEC, tmp_path / "a", scenes=60, steps=2, seed=0, work=tmp_path / "work", size=SMALL)
    model = PocketClip.load(tmp_path / "a")
    assert model.targets == 4 + 1 + 1
    assert (model.values_scale > 0).all()
