import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState

from faultfield.detector import checkpoint
from faultfield.detector.hunch import OTHER
from faultfield.detector.model import ArmorModel
from faultfield.detector.plain import PlainScribe
from faultfield.detector.prompts import Said, baseline_answer
from faultfield.detector.refine import Refiner
from faultfield.detector.training.config import LoraConfig, TrainingConfig
from faultfield.detector.training.course import SampleCourse
from faultfield.detector.training.learner import Learner
from faultfield.detector.training.loop import Step
from faultfield.detector.training.packing import pack
from faultfield.detector.training.prompting import lesson
from faultfield.detector.training.run import adapt, begin, loaded_as, make_accelerator, merge, train
from faultfield.detector.training.schedule import phases
from faultfield.detector.trajectories import Refinement
from faultfield.errors import CheckpointError, DetectorError
from tests.detector import oracle, pockets
from tests.detector.training.two import beginning

QUICK = TrainingConfig(
    warm_up_epochs=1, conditioned_epochs=1, online_epochs=1, rounds=2, batch=4, max_reason=4, freeze_vision=False,
    dense_share=None, balanced=False, save_every=2,
)  # fmt: skip


def _cpu(config: TrainingConfig):
    return make_accelerator(config, cpu=True)


def test_losses_are_those_of_the_plain_way() -> None:
    model = pockets.model()
    course = SampleCourse(pockets.samples(4, dense_every=1), model)
    taught = lesson("warm-up", [0, 1, 2, 3], course, [])
    openings = [course.opening(row) for row in range(4)]
    learner = Learner(model)
    features = learner.see(torch.cat([o.pixels for o in openings]), torch.cat([o.grid for o in openings]))
    failed = torch.tensor(taught.failed, dtype=torch.long)
    sums = learner.losses(pack(openings, taught.parts), features, failed)
    logits = oracle.detection_logits(model, oracle.inputs(openings, [model.scribe.ending("detection")] * 4))
    torch.testing.assert_close(
        sums.detection / 4, torch.nn.functional.cross_entropy(logits, failed), rtol=1e-4, atol=1e-5
    )
    answers = [model.scribe.reason_ids(course.annotated(row) or "") for row in range(4)]
    prompts = [(*model.scribe.ending("reasoning"), *answer) for answer in answers]
    loss = oracle.reasoning_loss(model, oracle.inputs(openings, prompts), [len(answer) for answer in answers])
    torch.testing.assert_close(sums.reason / taught.targets, loss, rtol=1e-4, atol=1e-5)


def test_training_asks_in_the_words_of_inference() -> None:
    model = pockets.model()
    course = SampleCourse(pockets.samples(2), model)
    said = Said(True, "It slipped.")
    assert tuple(course.detect(0, said)) == model.scribe.ending("detection", said)
    assert tuple(course.reason(0, said)) == model.scribe.ending("reasoning", said)
    assert course.text(course.words(pockets.REASON)) == pockets.REASON


def test_a_trained_detector_is_written_whole_and_made_once(tmp_path: Path) -> None:
    steps: list[int] = []
    about = train(pockets.model(), pockets.samples(), QUICK, tmp_path, accelerator=_cpu(QUICK))
    assert (about["samples"], about["dense"], about["failed"]) == (12, 4, 6)
    loaded = checkpoint.load(tmp_path)
    # Two of each are dense; what is guessed first comes last.
    assert set(loaded.reasons) == {pockets.REASON, "The robot succeeded."}
    verdicts = Refiner(loaded, Refinement(samples=2, rounds=2, longest=4)).judge([pockets.clip(0, True)])
    assert 0 <= verdicts[0].failure_probability <= 1
    assert not list((tmp_path / "training").glob("checkpoint-*"))
    again = train(
        pockets.model(), pockets.samples(), QUICK, tmp_path, accelerator=_cpu(QUICK),
        on_step=lambda step: steps.append(step.step),
    )  # fmt: skip
    assert again == about
    assert not steps
    often = replace(QUICK, save_every=7)
    assert train(pockets.model(), pockets.samples(), often, tmp_path, accelerator=_cpu(often)) == about
    with pytest.raises(CheckpointError, match="trained otherwise"):
        train(pockets.model(), pockets.samples(), replace(QUICK, seed=3), tmp_path, accelerator=_cpu(QUICK))
    corrected = [replace(each, reason="It slipped.") if each.reason else each for each in pockets.samples()]
    with pytest.raises(CheckpointError, match="trained otherwise"):
        train(pockets.model(), corrected, QUICK, tmp_path, accelerator=_cpu(QUICK))
    with pytest.raises(CheckpointError, match="trained otherwise"):
        train(pockets.model(), pockets.samples(), QUICK, tmp_path, accelerator=_cpu(QUICK), origin={"model": "another"})
    with pytest.raises(CheckpointError, match="trained otherwise"):
        train(pockets.model(), pockets.samples(), QUICK, tmp_path, accelerator=_cpu(QUICK), store="float16")


def test_other_pictures_under_the_same_names_are_another_training(tmp_path: Path) -> None:
    config = replace(QUICK, conditioned_epochs=0, online_epochs=0)
    samples, out = pockets.samples(4), tmp_path / "out"
    about = train(pockets.model(), samples, config, out, accelerator=_cpu(config))
    swapped = [replace(samples[0], given=samples[2].given), samples[1], replace(samples[2], given=samples[0].given)]
    with pytest.raises(CheckpointError, match="trained otherwise"):
        train(pockets.model(), [*swapped, samples[3]], config, out, accelerator=_cpu(config))
    # What was written before pictures were told counts as it did.
    old = {name: value for name, value in about.items() if name != "pictures"}
    (out / "training.json").write_text(json.dumps(old))
    assert train(pockets.model(), samples, config, out, accelerator=_cpu(config)) == old
    with pytest.raises(CheckpointError, match="trained otherwise"):
        train(pockets.model(), samples[:3], config, out, accelerator=_cpu(config))


def test_a_killed_training_goes_on_with_the_same_pictures_alone(tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def kill(step: Step) -> None:
        if step.step > 2:
            raise Killed

    samples = pockets.samples(4)
    swapped = [replace(each, given=pockets.clip(row + 50, bool(each.failed))) for row, each in enumerate(samples)]
    config = replace(QUICK, save_every=1)
    with pytest.raises(Killed):
        train(pockets.model(), samples, config, tmp_path, accelerator=_cpu(config), on_step=kill)
    with pytest.raises(CheckpointError, match="other settings or samples"):
        train(pockets.model(), swapped, config, tmp_path, accelerator=_cpu(config))
    (newest,) = tmp_path.glob("training/checkpoint-*/training.json")
    old = {name: value for name, value in json.loads(newest.read_text()).items() if name != "pictures"}
    newest.write_text(json.dumps(old))
    left: list[int] = []
    train(
        pockets.model(), samples, config, tmp_path, accelerator=_cpu(config),
        on_step=lambda step: left.append(step.step),
    )  # fmt: skip
    assert left[0] > 1


def test_what_is_told_of_a_training_does_not_hang_on_a_kill_and_is_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of plain fine-tuning there is no accuracy, and JSON has no NaN to say so."""
    config = replace(QUICK, method="sft-d", save_every=1)

    def made(name: str) -> None:
        train(pockets.model(), pockets.samples(4), config, tmp_path / name, accelerator=_cpu(config))

    made("whole")

    class Killed(Exception):
        pass

    def kill(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(checkpoint, "save", kill)
        made("killed")
    made("killed")
    told = [(tmp_path / name / "training.json").read_text() for name in ("whole", "killed")]
    assert told[0] == told[1]
    last = json.loads(told[0], parse_constant=pytest.fail)["last"]
    assert (last["phase"], last["accuracy"]) == ("plain", None)
    assert last["reason"] > 0


def test_what_a_frozen_tower_saw_serves_another_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frozen, seen = replace(QUICK, freeze_vision=True), {}
    train(pockets.model(), pockets.samples(), frozen, tmp_path / "a", accelerator=_cpu(frozen), seen=seen)
    assert set(seen) == {sample.id for sample in pockets.samples()}
    monkeypatch.setattr(Learner, "see", None)
    train(pockets.model(), pockets.samples(), frozen, tmp_path / "b", accelerator=_cpu(frozen), seen=dict(seen))
    first, second = (checkpoint.load(tmp_path / name).state_dict() for name in "ab")
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    monkeypatch.undo()
    learning: dict[str, torch.Tensor] = {}
    train(pockets.model(), pockets.samples(), QUICK, tmp_path / "c", accelerator=_cpu(QUICK), seen=learning)
    assert not learning


def test_eyes_of_a_killed_training_judge_as_those_of_one_that_was_not(tmp_path: Path) -> None:
    """In bfloat16, with less than a pass left, or with no room to keep what the tower saw."""
    config = replace(QUICK, freeze_vision=True, bf16=True, online_epochs=0)

    class Killed(Exception):
        pass

    def kill(step: Step) -> None:
        if step.step > 2:
            raise Killed

    def judging(name: str, **how: Any) -> dict[str, torch.Tensor]:
        train(beginning(), pockets.samples(), config, tmp_path / name, accelerator=_cpu(config), **how)
        made = checkpoint.load(tmp_path / name).state_dict()
        assert any(".hunch." in each for each in made)
        return made

    AcceleratorState._reset_state(reset_partial_state=True)
    try:
        whole, cramped = judging("whole"), judging("cramped", room=0)
        with pytest.raises(Killed):
            judging("killed", on_step=kill)
        left: list[int] = []
        resumed = judging("killed", on_step=lambda step: left.append(step.step))
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)
    assert left, "or nothing was left to do"
    assert len(left) * config.batch < 12
    for other in (cramped, resumed):
        assert [name for name, value in whole.items() if not torch.equal(value, other[name])] == []


def test_a_killed_further_training_finds_the_same_new_explanations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begun() -> ArmorModel:
        model = beginning()
        model.gaze.hunch = model.gaze.new_hunch(8, 2, ["The robot succeeded", "The gripper went too low"])
        return model

    reasons = (None, pockets.REASON, "The robot knocked the cup over.")
    samples = [
        replace(each, reason=reasons[row % 3]) if each.failed else each for row, each in enumerate(pockets.samples())
    ]

    class Killed(Exception):
        pass

    def kill(*_: object) -> None:
        raise Killed

    def made(name: str) -> dict[str, torch.Tensor]:
        train(begun(), samples, QUICK, tmp_path / name, accelerator=_cpu(QUICK))
        found = checkpoint.load(tmp_path / name)
        assert found.gaze.hunch.openings[2:] == ("The gripper did not close", OTHER)
        return found.state_dict()

    whole = made("whole")
    with monkeypatch.context() as patched, pytest.raises(Killed):
        # By then the eyes have learned.
        patched.setattr(checkpoint, "save", kill)
        made("killed")
    resumed = made("killed")
    assert [name for name, value in whole.items() if not torch.equal(value, resumed[name])] == []


@pytest.mark.slow
def test_a_pocket_learns_red_from_blue_and_says_why(tmp_path: Path) -> None:
    config = replace(
        QUICK,
        warm_up_epochs=40,
        conditioned_epochs=5,
        online_epochs=4,
        batch=12,
        max_reason=20,
        lr=6e-3,
        vision_lr=3e-3,
        save_every=1000,
    )
    train(pockets.model(), pockets.samples(24, dense_every=1), config, tmp_path, accelerator=_cpu(config))
    refiner = Refiner(checkpoint.load(tmp_path), Refinement(longest=20))
    fresh = [(seed, seed % 2 == 0) for seed in range(100, 110)]
    verdicts = refiner.judge([pockets.clip(seed, failed) for seed, failed in fresh])
    assert [verdict.failed for verdict in verdicts] == [failed for _, failed in fresh]
    expected = [pockets.REASON if failed else "The robot succeeded." for _, failed in fresh]
    assert sum(verdict.reason == words for verdict, words in zip(verdicts, expected, strict=True)) >= 8


def test_captions_are_no_training_of_a_detector(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match="by --sight"):
        train(pockets.model(), pockets.samples(4), TrainingConfig(method="captions"), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_plain_fine_tuning_learns_what_transformers_would() -> None:
    """One text answer through the stock forward pass with `labels`: the same loss."""
    model = pockets.model()
    course = SampleCourse(pockets.samples(3), model, plain=True)
    taught = lesson("plain", [0, 1], course, [])
    openings = [course.opening(row) for row in (0, 1)]
    learner = Learner(model)
    features = learner.see(torch.cat([o.pixels for o in openings]), torch.cat([o.grid for o in openings]))
    sums = learner.losses(pack(openings, taught.parts), features, torch.zeros(0, dtype=torch.long))
    expected = torch.zeros(())
    for opening, part in zip(openings, taught.parts, strict=True):
        ids = torch.cat([opening.ids, torch.tensor(part.ids)])[None]
        labels = torch.where(torch.arange(ids.shape[1]) < ids.shape[1] - part.targets, -100, ids)
        out = model.core(
            input_ids=ids, pixel_values=opening.pixels, image_grid_thw=opening.grid, labels=labels,
            mm_token_type_ids=(ids == opening.placeholder).int(), attention_mask=torch.ones_like(ids),
        )  # fmt: skip
        expected = expected + out.loss * part.targets
    torch.testing.assert_close(sums.reason, expected, rtol=1e-4, atol=1e-4)
    text = model.processor.tokenizer.decode(torch.cat([openings[0].ids, torch.tensor(taught.parts[0].ids)]).tolist())
    assert text.count("<think>") == 2
    assert text.endswith(f"<think>{pockets.REASON}</think>\n<answer>No</answer><|im_end|>")


def test_a_reason_and_none_part_behind_the_same_token() -> None:
    """Else greedy decoding weighs no reason against a few first words only."""
    scribe = PlainScribe(pockets.model().processor, pockets.model().core)
    spelt = scribe.tokenizer("<think>", add_special_tokens=False)["input_ids"]
    for reason in (None, "The cube fell.", "While lifting, it slipped.", "Everything went well."):
        answer = scribe.answer(True, reason)
        assert list(answer[: len(spelt)]) == spelt
        assert scribe.reason(answer) == baseline_answer(True, reason)


def test_dense_fine_tuning_sees_dense_samples_alone(tmp_path: Path) -> None:
    config = replace(QUICK, method="sft-d", batch=2)
    sparse = pockets.samples(6, dense_every=100)[1:]
    with pytest.raises(DetectorError, match="needs dense samples"):
        train(pockets.model(), sparse, config, tmp_path, accelerator=_cpu(config))
    mixed = pockets.samples(6, dense_every=2)
    (phase,) = phases([bool(each.failed) for each in mixed], [each.dense for each in mixed], config)
    assert {int(row) for step in range(phase.steps) for row in phase.at(step)} == {0, 2, 4}


def test_adapters_leave_the_weights_alone_until_they_are_merged(tmp_path: Path) -> None:
    config = replace(QUICK, lora=LoraConfig(rank=2), online_epochs=0, freeze_vision=True)
    model = pockets.model()
    before = {name: value.clone() for name, value in model.core.state_dict().items()}
    adapt(model, config, "cpu")
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert all("lora_" in name or name.startswith("head.") for name in trained)
    assert not any(".visual." in name for name in trained)
    assert sum("lora_A" in name for name in trained) == 5 * 7
    merge(model)
    after = model.core.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    train(pockets.model(), pockets.samples(), config, tmp_path, accelerator=_cpu(config))
    changed = checkpoint.load(tmp_path).core.state_dict()
    moved = {name for name in before if not torch.equal(before[name], changed[name])}
    assert any("q_proj" in name for name in moved)
    assert all("_proj" in name for name in moved)


def test_a_base_that_only_adapters_change_lies_in_half_of_the_room(tmp_path: Path) -> None:
    config = replace(QUICK, lora=LoraConfig(rank=2), freeze_vision=True, bf16=True)
    assert loaded_as(config) == "bfloat16"
    assert {
        loaded_as(replace(config, **each)) for each in ({"lora": None}, {"bf16": False}, {"freeze_vision": False})
    } == {"float32"}
    checkpoint.save(pockets.model(), tmp_path / "base")
    view = pockets.VIEW.to_json()
    (tmp_path / "base" / checkpoint.SETTINGS).unlink()
    model = begin(str(tmp_path / "base"), pockets.samples(), view, 0, dtype=loaded_as(config))
    assert {p.dtype for p in model.core.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in model.head.parameters()} == {torch.float32}
    # A process has one precision; other tests here have another.
    AcceleratorState._reset_state(reset_partial_state=True)
    try:
        about = train(model, pockets.samples(), config, tmp_path / "out", accelerator=_cpu(config))
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)
    assert math.isfinite(about["last"]["detection"] + about["last"]["reason"])
    again = checkpoint.load(tmp_path / "out")
    assert 0 <= Refiner(again).detect([pockets.clip(0, True)])[0] <= 1


def test_a_sample_without_a_verdict_is_said_in_one_sentence() -> None:
    unknown = replace(pockets.sample(3, True, False), failed=None)
    with pytest.raises(DetectorError, match="'s3' has no verdict"):
        SampleCourse([unknown], pockets.model())
