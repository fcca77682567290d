import base64
import io
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from faultfield.detector import checkpoint
from faultfield.detector.baselines import EndpointTeller, FineTuned, LocalTeller, Prompted, load_baseline
from faultfield.detector.endpoint import Endpoint
from faultfield.detector.evaluation import judge, score
from faultfield.detector.prompts import Example
from faultfield.detector.views import Viewer
from faultfield.errors import CheckpointError, DetectorError
from faultfield.faults import collage
from tests.detector import pockets
from tests.detector.server import served


def _pictures(body: dict[str, Any]) -> list[np.ndarray]:
    content = body["messages"][1]["content"]
    urls = [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
    streams = [io.BytesIO(base64.b64decode(url.removeprefix("data:image/png;base64,"))) for url in urls]
    return [np.asarray(Image.open(stream)) for stream in streams]


def _sees_red(body: dict[str, Any]) -> str:
    red = np.mean([picture[..., 0].mean() for picture in _pictures(body)]) > 128
    return (
        f"<think>{pockets.REASON if red else 'The robot succeeded.'}</think><answer>{'No' if red else 'Yes'}</answer>"
    )


def test_a_model_behind_an_endpoint_is_shown_the_collage_and_its_answer_is_read() -> None:
    samples = pockets.samples(4)
    clips = [each.clip() for each in samples]
    with served(_sees_red) as (url, seen):
        verdicts = Prompted(EndpointTeller(Endpoint(url, "m")), pockets.VIEW).judge(clips)
    assert [verdict.failed for verdict in verdicts] == [each.failed for each in samples]
    assert [verdict.failure_probability for verdict in verdicts] == [1.0, 0.0, 1.0, 0.0]
    assert verdicts[0].reason == pockets.REASON
    body = seen[0]["body"]
    assert np.array_equal(_pictures(body)[0], collage.of_clip(clips[0], columns=2, cell=14))
    assert "<think>" in body["messages"][0]["content"]
    assert pockets.INSTRUCTION in body["messages"][1]["content"][-1]["text"]


def test_a_video_is_sent_as_its_pictures() -> None:
    with served(_sees_red) as (url, seen):
        viewer = Viewer(kind="video", frames=2, cell=14, cameras=("front",))
        Prompted(EndpointTeller(Endpoint(url, "m")), viewer).judge([pockets.clip(0, True)])
    shown = _pictures(seen[0]["body"])
    assert [picture.shape for picture in shown] == [(14, 14, 3)] * 2
    assert np.array_equal(shown[1], pockets.clip(0, True).frames["front"][1])


def test_a_bad_answer_costs_no_other_and_nothing_is_asked_twice() -> None:
    asked: list[int] = []

    def answer(body: dict[str, Any]) -> str | int:
        asked.append(1)
        return 400 if len(asked) == 8 else _sees_red(body)

    done: list[int] = []
    with served(answer) as (url, seen):
        prompted = Prompted(EndpointTeller(Endpoint(url, "m", retries=0)), pockets.VIEW)
        judged = judge(prompted, pockets.samples(8), batch=8, on_progress=done.append)
    assert list(judged.verdicts) == [f"s{k}" for k in range(7)]
    assert [problem.id for problem in judged.problems] == ["s7"]
    assert len(seen) == 8
    assert done == list(range(1, 9))


def test_worked_examples_come_before_the_question() -> None:
    examples = [Example("Open the door", True, "It slipped."), Example("Push the box", False, "The robot succeeded.")]
    with served(_sees_red) as (url, seen):
        Prompted(EndpointTeller(Endpoint(url, "m")), pockets.VIEW, examples).judge([pockets.clip(0, True)])
    text = seen[0]["body"]["messages"][1]["content"][-1]["text"]
    places = [text.index(words) for words in ("Open the door", "It slipped.", "Push the box", pockets.INSTRUCTION)]
    assert places == sorted(places)


def test_an_answer_that_does_not_follow_the_format_is_wrong_and_all_of_it_is_the_reason() -> None:
    samples = pockets.samples(4, dense_every=1)
    with served(lambda body: f"No, {pockets.REASON}") as (url, _):
        verdicts = Prompted(EndpointTeller(Endpoint(url, "m")), pockets.VIEW).judge([each.clip() for each in samples])
    assert all(math.isnan(verdict.failure_probability) for verdict in verdicts)
    scores = score(samples, {each.id: verdict for each, verdict in zip(samples, verdicts, strict=True)})
    assert (scores.accuracy.value, scores.unreadable) == (0.0, 4)
    # Two of the four did fail for that reason.
    assert scores.reason.value == 0.5


def test_a_local_model_is_asked_through_its_own_chat_template(tmp_path: Any) -> None:
    model = pockets.model()
    model.core.save_pretrained(tmp_path)
    model.processor.save_pretrained(tmp_path)
    teller = LocalTeller.load(str(tmp_path))
    verdict = Prompted(teller, pockets.VIEW).judge([pockets.clip(0, True)])[0]
    # Random weights follow no format, and never end.
    assert math.isnan(verdict.failure_probability)
    short = Prompted(LocalTeller.load(str(tmp_path), longest=5), pockets.VIEW).judge([pockets.clip(0, True)])[0]
    assert verdict.reason.startswith(short.reason)
    assert len(short.reason) < len(verdict.reason)
    with pytest.raises(CheckpointError, match="no image-text model"):
        LocalTeller.load(str(tmp_path / "none"))
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="no image-text model"):
        LocalTeller.load(str(tmp_path))
    teller._processor.chat_template = None
    with pytest.raises(DetectorError, match="no chat template"):
        LocalTeller(model.core, teller._processor)


def test_a_fine_tuned_model_is_read_as_transformers_own_generation_reads_it() -> None:
    """Both decode greedily from the same prompt; ours does all clips at once."""
    import torch

    model = pockets.model(3)
    clips = [pockets.clip(0, True), pockets.clip(1, False)]
    tuned = FineTuned(model, longest=24)
    verdicts = tuned.judge(clips)
    for clip, verdict in zip(clips, verdicts, strict=True):
        opening = tuned._scribe.open(model.viewer(clip), clip.instruction)
        ids = torch.cat([opening.ids, torch.tensor(tuned._scribe.turn())])[None]
        out = model.core.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=opening.pixels,
            image_grid_thw=opening.grid, mm_token_type_ids=(ids == opening.placeholder).int(), max_new_tokens=24,
            do_sample=False, eos_token_id=sorted(tuned._scribe.ends),
        )  # fmt: skip
        new = [token for token in out[0, ids.shape[1] :].tolist() if token not in tuned._scribe.ends]
        assert verdict.reason == tuned._scribe.reason(new)
    assert tuned.judge([]) == []


def test_a_baseline_is_loaded_by_its_kind(tmp_path: Any) -> None:
    shots = pockets.conversations(tmp_path / "shots.json", pockets.samples(3))
    with served(_sees_red) as (url, seen):
        view = {"frames": 2, "cell": 14}
        verdicts = load_baseline("endpoint", url=url, name="m", shots=shots, view=view).judge([pockets.clip(0, True)])
    assert verdicts[0].failed
    assert pockets.REASON in seen[0]["body"]["messages"][1]["content"][-1]["text"]
    for kind, sentence in (("magic", "not 'magic'"), ("endpoint", "needs a url"), ("prompted", "needs a model")):
        with pytest.raises(DetectorError, match=sentence):
            load_baseline(kind)
    with pytest.raises(CheckpointError, match="is no detector"):
        load_baseline("fine-tuned", tmp_path)
    checkpoint.save(pockets.model(), tmp_path / "detector")
    with pytest.raises(DetectorError, match="leave --baseline out"):
        load_baseline("fine-tuned", tmp_path / "detector")


def test_examples_are_few_and_of_both_kinds_and_the_seed_draws_them(tmp_path: Any) -> None:
    told = [
        replace(each, reason=f"Reason {row}.", failed=row % 5 != 0)
        for row, each in enumerate(pockets.samples(20, dense_every=1))
    ]
    shots = pockets.conversations(tmp_path / "shots.json", told)
    shown = {}
    with served(_sees_red) as (url, seen):
        for count, seed in ((3, 0), (3, 0), (3, 1), (4, 0), (99, 0)):
            baseline = load_baseline("endpoint", url=url, shots=shots, shots_count=count, seed=seed)
            baseline.judge([pockets.clip(0, True)])
            text = seen[-1]["body"]["messages"][1]["content"][-1]["text"]
            rows = [int(row) for row in re.findall(r"Reason (\d+)\.", text)]
            assert shown.setdefault((count, seed), rows) == rows
    assert [row % 5 != 0 for row in shown[3, 0]] == [True, False, True]
    assert [row % 5 != 0 for row in shown[4, 0]] == [True, False, True, False]
    assert shown[3, 0] != shown[3, 1]
    assert sorted(shown[99, 0]) == list(range(20))
    bare = pockets.conversations(tmp_path / "bare.json", [replace(each, reason=None) for each in told])
    with served(_sees_red) as (url, _), pytest.raises(DetectorError, match="no sample with a reason"):
        load_baseline("endpoint", url=url, shots=bare)
