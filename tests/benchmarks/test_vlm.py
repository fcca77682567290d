"""The vision-language baseline against a stand-in server that can see: what it is shown decides what it answers."""

import base64
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import table1
from faultfield.errors import CheckpointError, DetectorError
from tests.benchmarks import tables
from tests.detector import pockets
from tests.detector.server import served
from vlm import LocalAsker, Turn, asker
from vlm_pairs import SIZE, read


@pytest.fixture
def ask(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, Any]]]:
    def run(url: str, *shots: int) -> list[dict[str, Any]]:
        truth = tables.truth(tmp_path / "truth.json")
        words = [study, truth, "--only", "--pairs", 12, "--frames", 3, "--vlm-url", url, "--vlm-model", "seer",
                 "--shots", *shots, "--out", tmp_path / "out", "--cache", tmp_path / "cache"]  # fmt: skip
        monkeypatch.setattr(sys, "argv", ["table1.py", *map(str, words)])
        table1.main()
        return list(json.loads((tmp_path / "out.json").read_text())["rows"])

    return run


def redness(turn: dict[str, Any]) -> list[float]:
    """How red the reddest pixels of each of the two scenes are: the toy's policy fails where they are not."""
    scenes: list[list[float]] = []
    for part in turn["content"]:
        if part["type"] == "text" and part["text"].startswith("Scene"):
            scenes.append([])
        elif part["type"] == "image_url":
            data = base64.b64decode(part["image_url"]["url"].removeprefix("data:image/png;base64,"))
            pixels = np.asarray(Image.open(io.BytesIO(data))).astype(float)
            assert pixels.shape == (SIZE, SIZE, 3)
            scenes[-1].append(float((pixels[..., 0] - pixels[..., 1:].max(axis=-1)).max()))
    assert [len(scene) for scene in scenes] == [3, 3]
    return [min(scene) for scene in scenes]


def sees(body: dict[str, Any]) -> str:
    first, second = redness(body["messages"][-1])
    return "1" if first < second else "2"


def test_who_sees_what_matters_is_right_and_who_says_the_opposite_is_wrong(ask: Callable[..., Any]) -> None:
    with served(sees) as (url, seen):
        (row,) = ask(url, 0)
        assert row["name"] == "seer, 0 shots"
        assert (row["accuracy"]["value"], row["unclear"]) == (1.0, 0)
        assert 0 < row["said_first"] < 1
        assert [message["role"] for message in seen[0]["body"]["messages"]] == ["system", "user"]
        assert "move the point to the disc" in seen[0]["body"]["messages"][0]["content"][0]["text"]
        asked = len(seen)
        assert asked == 12
        assert ask(url, 0) == [row]
        # Answers were kept: nothing is asked twice.
        assert len(seen) == asked


def test_the_opposite_is_wrong_throughout(ask: Callable[..., Any]) -> None:
    with served(lambda body: "Scene 2." if sees(body) == "1" else "Scene 1.") as (url, _):
        assert ask(url, 0)[0]["accuracy"]["value"] == 0.0


def test_five_shots_are_solved_pairs_of_known_variations(ask: Callable[..., Any]) -> None:
    with served(lambda body: "I cannot tell.") as (url, seen):
        (row,) = ask(url, 5)
    assert (row["unclear"], row["accuracy"]["value"]) == (12, 0.0)
    assert row["said_first"] is None
    messages = seen[0]["body"]["messages"]
    assert [m["role"] for m in messages] == ["system", *["user", "assistant"] * 5, "user"]
    for question, answer in zip(messages[1:-1:2], messages[2:-1:2], strict=True):
        assert answer["content"][0]["text"] == sees({"messages": [question]})


def test_a_stopped_run_goes_on_with_the_next_pair(ask: Callable[..., Any]) -> None:
    count = 0

    def stops(body: dict[str, Any]) -> Any:
        nonlocal count
        count += 1
        return sees(body) if count != 5 else 401

    with served(stops) as (url, _):
        with pytest.raises(DetectorError, match="401"):
            ask(url, 0)
        assert ask(url, 0)[0]["accuracy"]["value"] == 1.0
    assert count == 13


@pytest.mark.parametrize(("said", "first"), [
    ("1", True), (" 2\n", False), ("Scene 1", True), ("**2**", False), ("Answer: 2", False), ("2, as 1 is red", False),
    ("It is scene 2.", False), ("1 or 2", True), ("Either 1 or 2", None), ("12", None), ("", None), ("neither", None),
])  # fmt: skip
def test_an_answer_is_read_strictly(said: str, first: bool | None) -> None:
    assert read(said) is first


def test_a_local_model_is_shown_every_picture_in_order() -> None:
    model = pockets.model()
    shown: list[Any] = []

    class Watched:
        chat_template = model.processor.chat_template

        def __call__(self, **given: Any) -> Any:
            shown.append(given)
            return model.processor(**given)

        def __getattr__(self, name: str) -> Any:
            return getattr(model.processor, name)

    pictures = [np.full((28, 28, 3), shade, dtype=np.uint8) for shade in (0, 90, 200)]
    turns = [Turn("system", ("Look.",)), Turn("user", ("Scene 1:", pictures[0], pictures[1], "Scene 2:", pictures[2]))]
    assert isinstance(LocalAsker(model.core, Watched(), "pocket").ask(turns), str)
    (given,) = shown
    assert [picture.mean() for picture in given["images"]] == [0, 90, 200]
    text = given["text"][0]
    assert text.count(model.processor.image_token) == 3
    assert text.index("Scene 1:") < text.index(model.processor.image_token) < text.index("Scene 2:")


def test_what_cannot_be_asked_is_said_in_a_sentence() -> None:
    with pytest.raises(DetectorError, match="not both"):
        asker("http://127.0.0.1:1/v1", "m", "folder")
    with pytest.raises(CheckpointError, match="is no image-text model"):
        asker(None, "m", "/no/such/folder")
    with pytest.raises(DetectorError, match="has no chat template"):
        LocalAsker(None, object(), "bare")
    assert asker(None, "m", None) is None
