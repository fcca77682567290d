"""The measurement on a GPU, at a tiny size on a processor: what is counted is what was done."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import detector_gpu as bench
from detector_cost import KNOWING
from detector_gpu_page import page
from faultfield.detector.head import DetectionHead
from faultfield.detector.training import loop
from faultfield.errors import DetectorError
from random_detector import on_device

FRAMES, SIDE, TOKENS, SAMPLES, ROUNDS, REPEATS = 4, 126, 5, 2, 2, 2
WORDS = (
    f"--shape pocket --device cpu --dtype float32 --frames {FRAMES} --side {SIDE} --tokens {TOKENS} "
    f"--samples {SAMPLES} --rounds {ROUNDS} --repeats {REPEATS} --usual 0.999 0"
).split()
OPTIONS = argparse.Namespace(
    shape="pocket", frames=FRAMES, side=SIDE, tokens=TOKENS, samples=SAMPLES, rounds=ROUNDS, repeats=REPEATS
)


@dataclass(frozen=True)
class Run:
    report: dict[str, Any]
    text: str
    answered: list[list[list[int]]]
    """Lengths of the model's own answers in training, by call, round and sample."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("gpu") / "page"
    answered: list[list[list[int]]] = []
    original = loop.answer_rounds

    def watched(*args: Any) -> Any:
        found = original(*args)
        answered.append([[len(answer.reason) for answer in each] for each in found])
        return found

    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        patch.setattr(loop, "answer_rounds", watched)
        patch.setattr(sys, "argv", ["detector_gpu.py", *WORDS, "--out", str(out)])
        bench.main()
    return Run(json.loads(out.with_suffix(".json").read_text()), out.with_suffix(".md").read_text(), answered)


def test_the_opening_holds_the_video_that_was_asked_for(run: Run) -> None:
    # Two frames make a picture, and three patches of 14 pixels the side of a token.
    assert run.report["picture tokens"] == FRAMES // 2 * (SIDE // 42) ** 2
    assert run.report["tokens of the opening"] > run.report["picture tokens"]


def test_every_token_and_round_is_counted(run: Run) -> None:
    answers, refined = run.report["plain generate"], run.report["refinement"]
    assert [each["tokens"] for each in answers] == [TOKENS] * REPEATS
    sure = "usual word 0.999"
    assert list(refined) == [sure + KNOWING, sure, "random weights alone"]
    for runs in refined.values():
        assert [[note["tokens"] for note in notes] for notes in runs] == [[SAMPLES * TOKENS] * ROUNDS] * REPEATS
        for notes in runs:
            ends = [0.0, *(note["seconds"] for note in notes)]
            assert ends == sorted(set(ends))
    passes = {name: [[note["passes"] for note in notes] for notes in runs] for name, runs in refined.items()}
    # Nothing is known to guess from in the first round: a pass a token, as of any `generate`.
    assert all(each[0] == TOKENS for name in (sure, "random weights alone") for each in passes[name])
    # Then the answer before is a good guess where the words are sure, and none where they are not.
    assert all(each[1] < TOKENS for each in passes[sure])
    assert all(each[1] == TOKENS for each in passes["random weights alone"])
    assert all(each[0] < TOKENS for each in passes[sure + KNOWING])


def test_training_takes_the_steps_that_were_asked_for(run: Run) -> None:
    found = run.report["training"]
    assert {phase: len(steps) for phase, steps in found["steps"].items()} == {"warm-up": REPEATS, "online": REPEATS}
    assert all(step["seconds"] > 0 for steps in found["steps"].values() for step in steps)
    # The model answers in all rounds but the last of three, in every online step and in no other.
    assert run.answered == [[[TOKENS]] * 2] * (REPEATS + 1)
    config = found["config"]
    assert (config["checkpointing"], config["freeze_vision"], config["batch"]) == (True, True, 1)
    # Each adapter has rank × (in + out) weights; of the pocket's widths 128, 64 of its keys, and 384.
    widths = 2 * (128 + 128) + 2 * (128 + 64) + 3 * (128 + 384)
    head = sum(each.numel() for each in DetectionHead(128, 8).parameters())
    assert found["trained weights"] == 6 * config["lora"]["rank"] * widths + head


def test_a_processors_memory_is_not_measured(run: Run) -> None:
    measured = [
        *run.report["detection alone"],
        *run.report["plain generate"],
        *(note for runs in run.report["refinement"].values() for notes in runs for note in notes),
        *(step for steps in run.report["training"]["steps"].values() for step in steps),
    ]
    assert len(measured) == REPEATS * (2 + 3 * ROUNDS + 2)
    assert all(each["peak GB"] is None for each in measured)


def test_the_page_puts_the_papers_numbers_beside(run: Run) -> None:
    assert "| ARMOR, Table 4 (other hardware) | 7.95 | – | 9.30 |" in run.text
    assert "| ARMOR, Table 4 (other hardware) | 3.48 | – | 5.84 |" in run.text
    assert "| ARMOR, Table 4 (other hardware) | 1.35 |" in run.text
    assert f"| random weights alone | {SAMPLES * ROUNDS * TOKENS} | " in run.text
    assert "| online, T = 3 | " in run.text


def test_the_page_tells_memory_and_what_is_not_the_weights(run: Run) -> None:
    report = json.loads(json.dumps(run.report))
    report["GB of weights"] = 16.5
    for phase, peaks in (("warm-up", (18.5, 19.5)), ("online", (20.0, 20.5))):
        for step, peak in zip(report["training"]["steps"][phase], peaks, strict=True):
            step |= {"peak GB": peak, "seconds": 2.0}
    for notes in report["refinement"]["random weights alone"]:
        for number, note in enumerate(notes):
            note |= {"peak GB": 17.0 + number, "seconds": 4.0 * (number + 1)}
    text = "\n".join(page(report, OPTIONS))
    assert "told nothing | 2.00 [2.00, 2.00] | 19.00 [18.50, 19.50] | 2.50 [2.00, 3.00] |" in text
    assert "| random weights alone | – | 17.00 [17.00, 17.00] | 18.00 [18.00, 18.00] |" in text
    assert "| random weights alone | 4.00 [4.00, 4.00] |" in text, "a further round by itself"
    assert "| random weights alone | 20 | 2.5 [2.5, 2.5] | 5, 5 |" in text


def test_what_does_not_fit_does_not_lose_the_rest(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("Tried to allocate 9 GB.")

    monkeypatch.setattr(bench, "training", full)
    monkeypatch.setattr(bench, "answering", lambda *_: {"refinement": run.report["refinement"]})
    with torch.random.fork_rng():
        found = bench.measure(OPTIONS, "cpu", "float32")
    assert found["training"] == {"out of memory": "Tried to allocate 9 GB."}
    text = "\n".join(page(run.report | found, OPTIONS))
    assert "It did not fit. Tried to allocate 9 GB." in text
    assert "| random weights alone | " in text


def test_the_shape_is_the_published_one_and_nothing_is_made_elsewhere() -> None:
    size = bench.SIZES["7b"]
    with torch.random.fork_rng():
        model = on_device(size.shape, size.vocabulary, "meta", "bfloat16")
    # As the hub counts Qwen2.5-VL-7B-Instruct, and its vision tower.
    assert sum(each.numel() for each in model.core.parameters()) == 8_292_166_656
    assert sum(each.numel() for each in model.core.model.visual.parameters()) == 676_550_144
    assert size.shape.sections == (16, 24, 24)
    tower = model.core.model.visual
    assert (tower.window_size, tuple(tower.fullatt_block_indexes)) == (112, (7, 15, 23, 31))
    assert {each.dtype for each in model.core.parameters()} == {torch.bfloat16}
    assert {each.device.type for each in (*model.parameters(), *model.buffers())} == {"meta"}
    assert not any(each.requires_grad for each in model.parameters())


def test_a_gpu_is_waited_for_before_the_clock_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def noted(name: str, value: Any = None) -> Callable[[], Any]:
        return lambda: (calls.append(name), value)[1]

    for name in ("synchronize", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, noted(name))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", noted("peak", 3 * 10**9))
    monkeypatch.setattr(bench.time, "perf_counter", noted("clock", 7.0))
    meter = bench.Meter(torch.device("cuda"))
    meter.start()
    assert meter.read() == {"seconds": 0.0, "peak GB": 3.0}
    assert calls == ["synchronize", "reset_peak_memory_stats", "clock", "synchronize", "clock", "peak"]


def test_the_large_shape_is_not_begun_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(bench, "measure", lambda *_: pytest.fail("it began"))
    monkeypatch.setattr(sys, "argv", ["detector_gpu.py"])
    with pytest.raises(DetectorError, match="no GPU here for the shape 7b"):
        bench.main()
