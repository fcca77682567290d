import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from faultfield.detector.training.checkpoints import Checkpoints
from faultfield.detector.training.config import TrainingConfig
from faultfield.detector.training.features import FeatureCache
from faultfield.detector.training.learner import Learner
from faultfield.detector.training.loop import Loop, Step
from faultfield.errors import CheckpointError
from tests.detector import tiny
from tests.detector.training.toy import ToyCourse

SHORT = TrainingConfig(
    warm_up_epochs=1, conditioned_epochs=1, online_epochs=1, rounds=3, batch=4, max_reason=4, lr=3e-3, vision_lr=1e-3,
    freeze_vision=False, dense_share=None, balanced=False, save_every=1,
)  # fmt: skip


def _accelerator():
    from accelerate import Accelerator

    return Accelerator(cpu=True)


def _trained(
    config: TrainingConfig, out: Path | None = None, until: int | None = None, course: ToyCourse | None = None
) -> tuple[Learner, list[Step]]:
    learner = tiny.learner(0, dropout=0.2)
    if config.freeze_vision:
        learner.model.core.model.visual.requires_grad_(False)
    steps: list[Step] = []
    Loop(learner, course or ToyCourse(), config, _accelerator(), out, on_step=steps.append).run(until)
    return learner, steps


def _weights(learner: Learner) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in learner.state_dict().items()}


def test_a_killed_training_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    whole, steps = _trained(SHORT)
    assert [step.phase for step in steps] == ["warm-up"] * 3 + ["conditioned"] + ["online"] * 3
    for cut in (2, 5):
        out = tmp_path / str(cut)
        _trained(SHORT, out, until=cut)
        torch.manual_seed(99)
        torch.rand(7)
        resumed, rest = _trained(SHORT, out)
        assert rest == steps[cut:]
        for name, value in _weights(whole).items():
            assert torch.equal(value, _weights(resumed)[name]), name
    assert [path.name for path in out.glob("checkpoint-*")] == ["checkpoint-00000007"]


def test_a_checkpoint_of_other_settings_or_samples_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    _trained(SHORT, tmp_path, until=1)
    with pytest.raises(CheckpointError, match="other settings or samples"):
        _trained(replace(SHORT, seed=1), tmp_path)
    with pytest.raises(CheckpointError, match="other settings or samples"):
        _trained(SHORT, tmp_path, course=ToyCourse(seed=5))
    found = next(tmp_path.glob("checkpoint-*"))
    for file in found.glob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="is damaged"):
        _trained(SHORT, tmp_path)
    shutil.rmtree(found)
    assert len(_trained(SHORT, tmp_path, until=1)[1]) == 1


def test_what_a_kill_leaves_of_a_removed_checkpoint_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _trained(SHORT, tmp_path, until=2)

    def killed(path: Path, **_: object) -> None:
        """As far as it came: in the order of names, weights go before their note."""
        (Path(path) / "model.safetensors").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(shutil, "rmtree", killed)
        Checkpoints(tmp_path, _accelerator(), {}).clear()
    assert list(tmp_path.glob("checkpoint-*"))
    _, steps = _trained(SHORT, tmp_path, until=3)
    assert len(steps) == 3, "it begins anew"
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-00000003"]


def test_small_passes_give_the_gradients_of_one_large_pass() -> None:
    config = replace(SHORT, online_epochs=0)
    learners = []
    for micro in (None, 1, 3):
        learner = tiny.learner(0, dropout=0.0)
        Loop(learner, ToyCourse(), replace(config, micro_batch=micro), _accelerator()).run()
        learners.append(_weights(learner))
    for other in learners[1:]:
        for name, value in learners[0].items():
            torch.testing.assert_close(value, other[name], rtol=1e-3, atol=2e-5, msg=name)


def test_a_frozen_tower_encodes_each_sample_once_and_stays_as_it_is() -> None:
    course = ToyCourse()
    before = _weights(tiny.learner(0))
    learner, _ = _trained(replace(SHORT, freeze_vision=True), course=course)
    assert sorted(course.seen) == sorted(set(course.seen))
    after = _weights(learner)
    assert all(torch.equal(before[name], after[name]) for name in before if ".visual." in name)
    assert not torch.equal(before["model.backbone.lm_head.weight"], after["model.backbone.lm_head.weight"])


def test_what_finds_no_room_is_encoded_each_time_and_teaches_the_same() -> None:
    config, weights, encoded = replace(SHORT, freeze_vision=True), [], []
    # Tokens of a row: four of 32 numbers in float32.
    for room in (None, 0, 9 * 4 * 32 * 4):
        learner, course = tiny.learner(0, dropout=0.2), ToyCourse()
        learner.model.core.model.visual.requires_grad_(False)
        kept: dict[int, torch.Tensor] = {}
        Loop(learner, course, config, _accelerator(), kept=kept, room=room).run()
        assert sum(tokens.nbytes for tokens in kept.values()) <= (math.inf if room is None else room)
        weights.append(_weights(learner))
        encoded.append((len(kept), len(course.seen)))
    assert encoded[0] == (12, 12)
    assert encoded[1][0] == 0
    # Of twelve rows eight are kept together, and then one more where it comes alone.
    assert encoded[2][0] in (8, 9)
    assert 12 < encoded[2][1] < encoded[1][1]
    for other in weights[1:]:
        assert [name for name, value in weights[0].items() if not torch.equal(value, other[name])] == []


def test_what_was_kept_before_takes_its_room() -> None:
    course, model = ToyCourse(), tiny.learner(0)
    device, size = torch.device("cpu"), 4 * 32 * 4
    kept = {0: torch.zeros(4, 32), 1: torch.zeros(4, 32)}
    with torch.no_grad():
        cache = FeatureCache(course, lambda call: call(model), True, kept, room=3 * size)
        cache.of([2, 3], device)
        assert sorted(kept) == [0, 1, 2]
        cache.of([0, 3], device)
    assert sorted(kept) == [0, 1, 2]


@pytest.mark.parametrize("room", [0, None])
def test_what_a_row_looks_like_does_not_hang_on_the_others(monkeypatch: pytest.MonkeyPatch, room: int | None) -> None:
    """On many a processor, matrix products round by how many rows they have; here they do so for sure."""
    course, model, device = ToyCourse(), tiny.learner(0), torch.device("cpu")
    see = model.see
    monkeypatch.setattr(model, "see", lambda pixels, grid: see(pixels, grid) + len(grid))
    with torch.no_grad():
        together, apart = (FeatureCache(course, lambda call: call(model), True, {}, room) for _ in range(2))
        whole = together.of([0, 1, 2], device)
        assert torch.equal(whole, torch.cat([apart.of([row], device) for row in (0, 1, 2)]))


def test_checkpointing_of_activations_changes_nothing() -> None:
    config = replace(SHORT, checkpointing=True)
    plain, _ = _trained(SHORT)
    learner = tiny.learner(0, dropout=0.2)
    learner.model.core.activation_checkpointing_enable({"use_reentrant": False})
    Loop(learner, ToyCourse(), config, _accelerator()).run()
    weights = _weights(learner)
    off = torch.cat([(value - weights[name]).abs().flatten() for name, value in _weights(plain).items()])
    # AdamW divides by a gradient's size: where it is next to nothing, how a processor rounds can show in a weight.
    assert (off > 2e-5).float().mean() < 1e-4
    assert off.max() < config.lr


def test_it_learns_what_the_pictures_tell() -> None:
    config = TrainingConfig(
        warm_up_epochs=25, conditioned_epochs=5, online_epochs=5, batch=8, max_reason=4, lr=3e-3, freeze_vision=True,
        rounds=2,
    )  # fmt: skip
    _, steps = _trained(config, course=ToyCourse(24))
    first, last = steps[:3], steps[-3:]
    assert sum(step.detection for step in last) / 3 < 0.2 * sum(step.detection for step in first) / 3
    assert sum(step.reason for step in last) / 3 < 0.2 * sum(step.reason for step in first) / 3
    assert all(step.accuracy == 1.0 for step in last)


def test_curves_are_written_for_tensorboard(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _, steps = _trained(SHORT, tmp_path)
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    seen = events.Scalars("online/detection")
    assert [event.step for event in seen] == [5, 6, 7]
    assert [event.value for event in seen] == pytest.approx([step.detection for step in steps[4:]], rel=1e-5)


def test_curves_of_steps_that_were_lost_with_a_kill_are_dropped(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = replace(SHORT, save_every=100)
    _trained(config, tmp_path, until=2)
    assert not list(tmp_path.glob("checkpoint-*"))
    _trained(config, tmp_path, until=3)
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    assert [event.step for event in events.Scalars("warm-up/detection")] == [1, 2, 3]
