"""The detector's comparison: equal steps, thinned reasons, and a page that pairs episodes."""

import argparse
import json
import math
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from scipy.special import expit

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import detector as bench
import detector_hunch
import detector_page
import detector_rounds
import detector_scores
import detector_sight
from detector_lent import Lent
from detector_variants import TRANSFER
from faultfield.detector import checkpoint
from faultfield.detector.data import Sample, read_labelled, read_split
from faultfield.detector.gaze import Gaze
from faultfield.detector.training.config import TrainingConfig
from faultfield.detector.training.run import make_accelerator, train
from faultfield.detector.training.schedule import phases
from faultfield.detector.views import Viewer
from faultfield.errors import DetectorError
from faultfield.faults.generate import generate
from faultfield.faults.recipe import Recipe
from faultfield.faults.states import FLAGS, VALUES
from faultfield.rollouts.verdict import Round, Verdict
from tests.detector import pockets
from tests.detector.test_hunch import OPENINGS, judging

CONFIG = TrainingConfig(warm_up_epochs=4, conditioned_epochs=3, online_epochs=1, batch=8)


def _samples() -> list[Sample]:
    sparse = [Sample(f"s{k}", "Lift", k % 2 == 0, task="Lift", given=None) for k in range(40)]
    dense = [
        Sample(f"d{k}", "Push", k % 2 == 0, "It slipped.", task=("push", "reach")[k // 2 % 2], given=None)
        for k in range(80)
    ]
    return [*sparse, *dense]


def _steps(samples: list[Sample], config: TrainingConfig) -> dict[str, int]:
    plan = phases([bool(s.failed) for s in samples], [s.dense for s in samples], config)
    return {phase.name: phase.steps for phase in plan}


def test_thinning_keeps_the_same_share_of_every_task_and_outcome() -> None:
    kept = bench.thinned(_samples(), 0.25)
    assert [s.id for s in kept if not s.dense] == [f"s{k}" for k in range(40)]
    assert Counter((s.task, s.failed) for s in kept if s.dense) == Counter(
        {(task, failed): 5 for task in ("push", "reach") for failed in (True, False)}
    )
    assert bench.thinned(_samples(), 1.0) == _samples()


@pytest.mark.parametrize(("share", "count"), [(0.05, 88), (0.025, 44)])
def test_a_little_of_many_small_groups_is_not_nothing(share: float, count: int) -> None:
    # As metaworld's: 23 tasks, 38 episodes or a few more of each outcome.
    samples = [
        Sample(f"{task}-{k}", "Push", k % 2 == 0, "It slipped.", task=f"t{task}", given=None)
        for task in range(23)
        for k in range(77 if task < 12 else 76)
    ]
    kept = bench.thinned(samples, share)
    assert len(kept) == count == round(len(samples) * share)
    assert [s.id for s in samples if s in kept] == [s.id for s in kept]
    by_group = Counter((s.task, s.failed) for s in kept)
    assert max(by_group.values()) <= math.ceil(39 * share)
    assert sum(bool(s.failed) for s in kept) == pytest.approx(count / 2, abs=2)


def test_the_shares_of_table_7_are_called_by_their_numbers() -> None:
    of = bench.VARIANTS
    for share, name in ((1, "100%"), (0.5, "50%"), (0.25, "25%"), (0.1, "10%"), (0.05, "5%"), (0.025, "2.5%")):
        for method in ("sft-d", "sft-s+d", "armor"):
            variant = of[f"{method}, transfer, {name} of the dense"]
            assert (variant.dense, variant.splits, variant.method) == (share, TRANSFER, method)
        assert of[f"armor, transfer, {name} of the dense, by sight, likeliest"].dense == share


def test_hushed_samples_keep_their_verdicts() -> None:
    kept = bench.hushed(_samples(), 0.25)
    assert [(s.id, s.failed) for s in kept] == [(s.id, s.failed) for s in _samples()]
    assert [s for s in kept if s.dense] == [s for s in bench.thinned(_samples(), 0.25) if s.dense]
    assert bench.hushed(_samples(), 1.0) == _samples()


@pytest.mark.parametrize("shares", [(1, 0, 0), (0.8, 0.2, 0), (0, 0, 1)])
def test_other_phases_have_as_many_steps_in_all(shares: tuple[float, float, float]) -> None:
    total = sum(_steps(_samples(), CONFIG).values())
    config = bench.shared_out(_samples(), _samples(), CONFIG, shares)
    found = _steps(_samples(), config)
    assert sum(found.values()) == pytest.approx(total, abs=2)
    assert len(found) == sum(share > 0 for share in shares)


def test_fewer_samples_have_as_many_steps_in_every_phase() -> None:
    kept = bench.thinned(_samples(), 0.1)
    found = _steps(kept, bench.shared_out(_samples(), kept, CONFIG, None))
    assert found == pytest.approx(_steps(_samples(), CONFIG), abs=1)
    plain = bench.shared_out(_samples(), _samples(), CONFIG.updated({"method": "sft-d"}), (1, 0, 0))
    assert sum(_steps(_samples(), plain).values()) == pytest.approx(sum(found.values()), abs=2)


def test_what_frozen_eyes_saw_is_kept_for_the_same_eyes_and_data_alone(tmp_path: Path) -> None:
    eyes, data, file = tmp_path / "eyes", tmp_path / "data", tmp_path / "runs" / "seen.safetensors"
    for place, name in ((eyes, "model.safetensors"), (data, "info.json")):
        place.mkdir()
        (place / name).write_text("as it was")
    kept = bench.Kept(file, eyes, data, {"bf16": True})
    assert kept.seen == {}
    # Rows of one tensor, as the tower gives them.
    kept.seen |= dict(zip("ab", torch.split(torch.arange(6.0).view(6, 1), [2, 4]), strict=True))
    kept.write()
    again = bench.Kept(file, eyes, data, {"bf16": True})
    assert {name: tokens.tolist() for name, tokens in again.seen.items()} == {
        "a": [[0], [1]], "b": [[2], [3], [4], [5]]
    }  # fmt: skip
    assert bench.Kept(file, eyes, data, {}).seen == {}
    (data / "info.json").write_text("made anew")
    assert bench.Kept(file, eyes, data, {"bf16": True}).seen == {}
    assert bench.Kept(file, tmp_path, data, {"bf16": True}).seen == {}


def _result(variant: str, seed: int, right: str) -> dict[str, object]:
    own = {"value": 0.8, "low": 0.7, "high": 0.9, "count": 8}
    measures = {**dict.fromkeys(("accuracy", "auroc", "precision", "recall", "rouge_l"), own), "unreadable": 0}
    split = {"all": measures, "episodes": {"right": right, "reason": right}}
    training = {"samples": 9, "dense": 4, "steps": 7}
    return {
        "variant": variant,
        "seed": seed,
        "training": training,
        "cpu seconds": 90,
        **dict.fromkeys(bench.TESTS, split),
    }


def test_reasons_are_scored_by_what_went_wrong() -> None:
    reasons = {
        "a": "The gripper did not close while grasping the cube.",
        "b": "The gripper lost its hold while lifting the cube.",
        "c": "The gripper lost its hold while lifting the cube.",
    }
    samples = [Sample(id, "Lift", True, reason, task="Lift", given=None) for id, reason in reasons.items()]
    samples.append(Sample("d", "Lift", False, "The robot succeeded.", task="Lift", given=None))
    said = {**reasons, "c": "The robot succeeded.", "d": "The robot succeeded."}
    verdicts = {id: Verdict.of((Round(0.9, reason, 0.1, 0.1),), best=0) for id, reason in said.items()}
    found = bench.by_kind(samples, verdicts)
    assert {kind: each["count"] for kind, each in found.items()} == {"no_grasp": 1, "slip": 2}
    assert found["no_grasp"]["reason"] == 1.0
    assert found["slip"]["reason"] == 0.5
    results = [{**_result("armor", 0, "1 0"), "test-seen": {**_result("armor", 0, "1 0")["test-seen"], "kinds": found}}]  # type: ignore[dict-item]
    text = "\n".join(detector_page.lines({"results": results, "splits": {}}))
    assert "| seen tasks | slip | 2 | 0.50 |" in text


def test_reasons_of_failures_stand_apart_from_those_of_successes() -> None:
    kinds = {"slip": {"count": 2, "reason": 0.25}, "no_grasp": {"count": 1, "reason": 1.0}}
    seen = {**_result("armor", 0, "1 0")["test-seen"], "kinds": kinds}  # type: ignore[dict-item]
    seen["episodes"] = {"right": "1 1 1 1 1", "reason": "0.5 0 1 1 1"}
    results = [{**_result("armor", 0, "1 0"), "test-seen": seen}]
    text = "\n".join(detector_page.lines({"results": results, "splits": {}}))
    assert "| armor | 0 | 0.50 | 1.00 |" in text


def test_scores_with_other_settings_are_not_taken_for_these(tmp_path: Path) -> None:
    for name in ("data/info.json", "eyes/model.safetensors", "runs/armor-0/scores.json"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("{}")
    given = {name: tmp_path / name for name in ("data", "eyes", "runs")}
    here = argparse.Namespace(**given, tests=None, made=None, more=[], settings={"bf16": True})
    kept = {"of": bench.made_from("armor", here)}
    (tmp_path / "runs/armor-0/scores.json").write_text(json.dumps(kept))
    bench.measure("armor", 0, here, {})
    with pytest.raises(DetectorError, match="with other data, eyes or settings"):
        bench.measure("armor", 0, argparse.Namespace(**given, tests=None, made=None, more=[], settings={}), {})
    # Scores on other tests are others, in a file of their own.
    other = argparse.Namespace(**given, tests=tmp_path / "data", made=None, more=[], settings={"bf16": True})
    assert bench.scores_of(other) == "scores-data.json"
    assert bench.made_from("armor", other) != kept["of"]
    # And so is what was trained on further samples.
    more = argparse.Namespace(
        **given, tests=None, made=None, more=[tmp_path / "data/info.json"], settings={"bf16": True}
    )
    assert bench.made_from("armor", more) != kept["of"]


def test_a_detector_that_was_made_of_the_same_is_not_trained_again(tmp_path: Path) -> None:
    data, made = tmp_path / "data", tmp_path / "made"
    for place, name in enumerate(bench.TRAINING):
        pockets.conversations(data / f"{name}.json", pockets.samples(12)[place::3])
    samples = read_labelled([data], bench.TRAINING).items
    model = pockets.model()
    train(model, samples, CONFIG.updated({"warm_up_epochs": 1.0}), made, accelerator=make_accelerator(CONFIG, cpu=True))
    settings = {key: value for key, value in CONFIG.to_json().items() if value != getattr(TrainingConfig(), key)}
    here = argparse.Namespace(data=data, more=[], made=made, settings=settings | {"warm_up_epochs": 1.0})
    assert bench.made_before("armor", 0, here) == made
    assert bench.made_before("armor", 1, here) is None
    assert bench.made_before("sft-d", 0, here) is None
    further = argparse.Namespace(**{**vars(here), "more": [data / "train-sparse.json"]})
    with pytest.raises(DetectorError, match="on other samples"):
        bench.made_before("armor", 0, further)
    with pytest.raises(DetectorError, match="other settings"):
        bench.made_before("armor", 0, argparse.Namespace(data=data, more=[], made=made, settings=settings))


def test_the_page_averages_seeds_and_pairs_episodes() -> None:
    results = [
        _result("armor", 0, "1 1 1 1 1 1 1 0"), _result("armor", 1, "1 1 1 1 1 1 0 0"),
        _result("sft-d", 0, "0 0 0 0 0 0 0 0"), _result("sft-d", 1, "0 0 0 0 0 0 0 1"),
    ]  # fmt: skip
    text = "\n".join(detector_page.lines({"results": results, "splits": {}}))
    assert "| armor | 0, 1 | 0.812 [" in text
    assert "| sft-d | 0, 1 | 0.062 [" in text
    assert "| sft-d | **+0.750 [" in text
    assert "Table 3" not in text
    assert "| armor | 1 | 9 | 4 | 7 | 2 |" in text


def test_a_reason_that_is_right_in_part_is_not_right_in_every_slot() -> None:
    seen = _result("armor", 0, "1 1 1 1")["test-seen"]
    half = {**seen, "episodes": {"right": "1 1 1 1", "reason": "0.75 1 0.5 1"}}  # type: ignore[dict-item]
    none = {**seen, "all": {**seen["all"], "auroc": None}}  # type: ignore[dict-item, index]
    results = [{**_result("armor", 0, "1 1 1 1"), "test-seen": half, "test-unseen": none}]
    text = "\n".join(detector_page.lines({"results": results, "splits": {}}))
    assert "| seen tasks | armor | 0 | 0.800 [0.700, 0.900] | 0.800 [0.700, 0.900] | 0.800 [0.700, 0.900] " in text
    assert "| 0.800 [0.700, 0.900] | 0.500 [" in text
    assert "| unseen tasks | armor | 0 | – | – | – | – | 1.000 [" in text


def test_every_share_of_the_reasons_is_compared_within_itself() -> None:
    results = [
        _result(f"{name}, transfer, {share} of the dense", 0, right)
        for share, right in (("50%", "1 1 1 1 1 1 1 1"), ("10%", "0 0 0 0 0 0 0 0"), ("2.5%", "0 0 0 0 1 1 1 1"))
        for name in ("armor", "sft-d")
    ]
    text = "\n".join(detector_page.lines({"results": results, "splits": {}}))
    assert text.startswith("# The detector: ARMOR's Tables 1 and 7\n")
    assert text.count("− this |") == 3
    assert text.count("| sft-d, transfer, 50% of the dense | +0.000 [") == 1
    assert set(bench.VARIANTS) >= {each["variant"] for each in results}


def test_where_the_eyes_judge_what_lacks_a_part_is_compared_with_ours_that_judges_so() -> None:
    sight = "by sight, likeliest"
    rights = {
        "armor": "1 1 1 1", f"armor, {sight}": "1 1 0 0", "offline imitation": "0 0 0 0",
        f"offline imitation, {sight}": "1 1 0 0", "armor, transfer, 10% of the dense": "0 0 0 0",
        f"armor, transfer, 10% of the dense, {sight}": "1 1 1 1",
    }  # fmt: skip
    text = "\n".join(
        detector_page.lines({"results": [_result(name, 0, right) for name, right in rights.items()], "splits": {}})
    )
    assert "## Table 2, where the eyes judge" in text
    assert "| offline imitation | **+1.000 [" in text
    assert f"| offline imitation, {sight} | +0.000 [" in text
    assert f"| armor, transfer, 10% of the dense, {sight} − this |" in text
    assert "| armor, transfer, 10% of the dense | **+1.000 [" in text
    assert set(bench.VARIANTS) >= set(rights)


def test_what_is_by_sight_is_trained_as_what_it_is_like() -> None:
    for name, variant in bench.VARIANTS.items():
        if variant.like is not None:
            trained = bench.VARIANTS[variant.like]
            for what in ("shares", "method", "splits", "dense", "told"):
                assert getattr(variant, what) == getattr(trained, what), (name, what)


def test_few_reasons_are_compared_among_themselves() -> None:
    results = [_result("armor", 0, "1 1 0 0"), _result("sft-d", 0, "1 1 0 0")] + [
        _result(f"{name}, 25% of the reasons", 0, right)
        for name, right in (("armor", "1 1 1 1"), ("sft-s+d", "0 0 0 0"))
    ]
    text = "\n".join(detector_page.lines({"results": results, "splits": {}}))
    assert text.startswith("# The detector: ARMOR's Table 1\n")
    assert "## All verdicts, 25% of the reasons" in text
    assert "| sft-s+d, 25% of the reasons | **+1.000 [" in text
    assert "| sft-d | +0.000 [" in text
    assert set(bench.VARIANTS) >= {each["variant"] for each in results}


def test_with_few_reasons_what_lacks_a_part_stands_beside_the_whole() -> None:
    rights = {"armor": "1 1 1 1", "multitask prediction": "0 0 0 0", "online imitation only": "1 1 1 1"}
    results = [_result(f"{name}, 25% of the reasons", 0, right) for name, right in rights.items()]
    text = "\n".join(detector_page.lines({"results": results, "splits": {}}))
    assert "| multitask prediction, 25% of the reasons | **+1.000 [" in text
    assert "| online imitation only, 25% of the reasons | +0.000 [" in text
    assert set(bench.VARIANTS) >= {each["variant"] for each in results}


def test_the_spread_of_a_round_is_that_of_one_trainings_inference_seeds() -> None:
    def row(seed: int, value: float) -> dict[str, object]:
        number = {"value": value, "count": 5}
        return {
            "seed": seed, "round": 0, "accuracy": number, "reason": number, "detection_entropy": 0.1,
            "reason_entropy": 0.2,
        }  # fmt: skip

    results = [
        {**_result("armor", 0, "1 1"), "rounds": [row(0, 0.9), row(1, 0.9)]},
        {**_result("armor", 1, "1 1"), "rounds": [row(0, 0.5), row(1, 0.3)]},
    ]
    text = "\n".join(detector_page.lines({"results": results, "splits": {}}))
    assert "| 1 | 0.650 ± 0.050 | 0.650 ± 0.050 | 0.100 | 0.200 | 4 × 5 |" in text


def test_the_figure_of_rounds_shows_means_and_spreads_of_each_trainings_entropies(tmp_path: Path) -> None:
    entropies = {0: [[0.5, 0.3], [0.4, 0.6], [0.9, 0.1]], 1: [[0.2, 0.4], [0.1, 0.1], [0.3, 0.2]]}
    number = {"value": 0.5, "count": 5}
    results = [
        {
            **_result("armor", training, "1 1"),
            "rounds": [
                {"seed": seed, "round": at, "accuracy": number, "reason": number, "detection_entropy": value,
                 "reason_entropy": 2 * value}
                for at, values in enumerate(told) for seed, value in enumerate(values)
            ],
        }
        for training, told in entropies.items()
    ]  # fmt: skip
    made = detector_rounds.drawn(results)
    assert made is not None
    # What is chosen by is the detection's entropy and a tenth of the reason's.
    for axes, times in zip(made.axes[:3], (1, 2, 1.2), strict=True):
        assert axes.get_ylim()[0] == 0
        assert len(axes.containers) == 2
        for told, bars in zip(entropies.values(), axes.containers, strict=True):
            means, ends = bars.lines[0].get_ydata(), [each[:, 1] for each in bars.lines[2][0].get_segments()]
            for values, mean, (low, high) in zip(told, means, ends, strict=True):
                first, second = (times * value for value in values)
                assert mean == pytest.approx((first + second) / 2)
                # Of two values the standard deviation is half of what lies between them.
                assert high - low == pytest.approx(abs(first - second))
    for axes in made.axes[3:]:
        for told, bars in zip(entropies.values(), axes.containers, strict=True):
            assert list(bars.lines[0].get_ydata()) == [0.5] * len(told)
    report = {"results": results, "splits": {}, "command": "c", "date": "d", "machine": "m"}
    (tmp_path / "page.json").write_text(json.dumps(report))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["detector_page.py", str(tmp_path / "page.json")])
        detector_page.main()
    assert "](page.png)" in (tmp_path / "page.md").read_text()
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "page.json").read_text()) == report
    detector_page.write(tmp_path / "none", {**report, "results": [_result("armor", 0, "1 1")]})
    assert "png" not in (tmp_path / "none.md").read_text()
    assert not (tmp_path / "none.png").exists()


def test_what_rounds_do_to_answers_is_counted_and_told_with_examples() -> None:
    slipped, closed = "It failed because the cube slipped.", "It failed because the gripper did not close on the cube."
    told = {
        "mended": ((0.2, "It succeeded."), (0.9, slipped)),
        "spoiled": ((0.9, slipped), (0.2, "It succeeded.")),
        "better said": ((0.9, closed), (0.8, slipped)),
        "wrong still": ((0.9, closed), (0.7, "It failed because the cube was too far left.")),
        "the same": ((0.9, slipped), (0.8, slipped)),
    }
    samples = [Sample(name, "Lift the cube.", True, slipped, task="Lift", given=None) for name in told]
    verdicts = {
        name: Verdict.of(tuple(Round(p, reason, 0.1, 0.1) for p, reason in rounds), best=1)
        for name, rounds in told.items()
    }
    found = detector_scores.changes(samples, verdicts)
    assert [found["detection"][way]["count"] for way in detector_scores.WAYS] == [1, 1, 0]
    assert [found["reason"][way]["count"] for way in detector_scores.WAYS] == [2, 1, 1]
    assert found["detection"]["right at first"] == 4
    assert found["reason"]["right at first"] == 2
    text = "\n".join(detector_rounds.changes([{"seed": 1, "refined": {"test-unseen": found}}]))
    assert "| unseen tasks | 1 | reason | 2 of 5 | 2 | 1 | 1 |" in text
    assert "*unseen tasks, reason wrong still*" not in text
    assert "*unseen tasks, reason changed, wrong still* (`wrong still`)" in text
    assert f"  1. 0.200 “It succeeded.”\n  2. 0.900 “{slipped}”\n\n  kept: “{slipped}”" in text


def test_what_never_followed_the_format_has_no_auroc() -> None:
    never = _result("zero-shot", 0, "0 0 0 0")
    for auroc in (None, {"value": 0.0}):
        # The second as it was written before.
        scored = {"auroc": auroc, "accuracy": {"count": 4}, "unreadable": 4}
        never |= {split: {**never["test-seen"], "all": scored} for split in bench.TESTS}  # type: ignore[dict-item]
        lines = detector_page.lines({"results": [never, _result("armor", 0, "1 1 1 0")], "splits": {}})
        assert any(line.startswith("| zero-shot | 0 | 0.000 [0.000, 0.490] | – | 0.000") for line in lines)


def untaught(values: int, flags: int) -> Gaze:
    """Eyes of the same random weights whatever ran before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Gaze(3, 8, (2, 2), pockets.SHAPE.hidden, 8, values, flags)


def test_what_eyes_read_is_judged_beside_what_the_simulator_knew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe(("tests.faults.toy:pick",), 100, 50, ("tests.faults.toy:unseen",), test=12, cell=28)
    generate(recipe, tmp_path / "data")
    model = pockets.model(view=Viewer(frames=8, cell=28))
    checkpoint.save(model, tmp_path / "blind")
    numbers = len(VALUES), len(FLAGS)
    assert model.take(untaught(*numbers))
    checkpoint.save(model, tmp_path / "eyes")
    words = ["detector_sight.py", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "page"), "--eyes"]
    monkeypatch.setattr(sys, "argv", [*words, str(tmp_path / "eyes")])
    detector_sight.main()
    report = json.loads((tmp_path / "page.json").read_text())
    assert list(report["rows"]) == ["what the simulator knew", "what the eyes read"]
    knew, read = report["rows"].values()
    assert list(knew) == list(read) == ["test-seen", "test-unseen", "tests.faults.toy:unseen"]
    assert all(each["test-seen"]["accuracy"]["value"] > 0.8 for each in (knew, read)), (
        "even eyes that were never taught"
    )
    assert knew["test-unseen"]["accuracy"]["count"] == 12
    assert knew["test-seen"]["reason"]["value"] > 0.7
    assert knew["test-seen"]["reason of failures"]["count"] < knew["test-seen"]["reason"]["count"] == 12
    assert "| what the eyes read |" in (tmp_path / "page.md").read_text()
    monkeypatch.setattr(sys, "argv", [*words, str(tmp_path / "blind")])
    with pytest.raises(DetectorError, match="has no gaze"):
        detector_sight.main()


def test_tasks_that_are_left_out_are_judged_by_what_knows_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = ("tests.faults.toy:pick", "tests.faults.toy:unseen")
    generate(Recipe(tasks, 160, 80, test=12, cell=28), tmp_path / "data")
    model = pockets.model(view=Viewer(frames=8, cell=28))
    assert model.take(untaught(len(VALUES), len(FLAGS)))
    checkpoint.save(model, tmp_path / "eyes")
    data = str(tmp_path / "data")
    taught = read_split(data, "train-sparse", "train-dense")
    # Of a readout that was never taught, the numbers lie anywhere.
    read = detector_hunch.Split.seen(detector_sight.Eyes(tmp_path / "eyes"), taught).read
    model.gaze.calibrate(read[..., : len(VALUES)])
    checkpoint.save(model, tmp_path / "eyes")
    words = ["detector_hunch.py", "--data", data, "--eyes", str(tmp_path / "eyes"), "--out", str(tmp_path / "page")]
    monkeypatch.setattr(sys, "argv", [*words, "--groups", "2", "--tests", data, "--variants", "ours", "boosted trees"])
    detector_hunch.main()
    report = json.loads((tmp_path / "page.json").read_text())
    ours, trees = report["rows"]["ours"], report["rows"]["boosted trees"]
    assert list(ours) == list(trees) == ["tasks left out", "data, test-seen"]
    assert ours["tasks left out"]["accuracy"]["count"] == trees["tasks left out"]["accuracy"]["count"] == len(taught)
    assert ours["data, test-seen"]["accuracy"]["value"] > 0.7
    assert 0 < ours["tasks left out"]["reason"]["value"] <= 1
    monkeypatch.setattr(sys, "argv", [*words, "--groups", "3"])
    with pytest.raises(DetectorError, match="2 tasks are not 3 groups"):
        detector_hunch.main()


def test_lent_eyes_judge_and_begin_the_reason_of_plain_fine_tuning() -> None:
    clips = [pockets.clip(0, True), pockets.clip(1, False)]
    tuned = judging(0.0, 0.0, 0.0)
    for fits, opening in (((0.0, 1.0, 5.0), OPENINGS[2]), ((5.0, 1.0, 0.0), OPENINGS[0])):
        for verdict in Lent(tuned, judging(*fits)).judge(clips):
            # It was never taught to end a reason: what it says is no answer in the format.
            assert verdict.reason.startswith(f"<think>{opening}")
            assert verdict.failure_probability == pytest.approx(expit(max(fits[1:]) - fits[0]), abs=1e-4)


def test_eyes_that_see_otherwise_or_judge_nothing_are_not_lent() -> None:
    tuned = judging(0.0, 0.0, 0.0)
    with pytest.raises(DetectorError, match="do not judge"):
        Lent(tuned, pockets.model())
    other = judging(0.0, 0.0, 0.0)
    assert other.gaze is not None
    torch.nn.init.normal_(next(other.gaze.readout.parameters()))
    with pytest.raises(DetectorError, match="see alike"):
        Lent(tuned, other)
