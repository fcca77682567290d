"""The vision-language baseline against a stand-in server that can see: what it is shown decides what it answers."""

import base64
import io
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import table1
from faultfield.diagnosis.metrics import Truth
from faultfield.envs.base import Snapshot
from faultfield.errors import CheckpointError, DetectorError
from faultfield.rollouts.episode import Episode
from faultfield.variations import Variation
from pairs import draw
from tests.benchmarks import tables
from tests.detector import pockets
from tests.detector.server import served
from tests.toy import PointReach
from vlm import LocalAsker, Turn, asker
from vlm_pairs import SIZE, Scenes, put, read


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


class Shown:
    """Views that are not looked at, and a model that answers 1 and counts."""

    name, where, asked = "seer", "here", 0

    def picture(self, snapshot: Snapshot, variation: Variation) -> NDArray[np.uint8]:
        return np.zeros((2, 2, 3), np.uint8)

    def visible_part(self, variation: Variation) -> Variation:
        return variation

    def ask(self, turns: Sequence[Turn]) -> str:
        self.asked += 1
        return "1"


def test_answers_are_of_these_examples_and_these_states_alone(tmp_path: Path) -> None:
    def rolled(**failed: bool) -> list[Episode]:
        return [Episode(space.variation({"goal_color": color}), 0, not fails, 1, "p", "e", "known")
                for color, fails in failed.items()]  # fmt: skip

    def asked(known: list[Episode], state: float = 0.0, shots: int = 1) -> int:
        scenes = Scenes(seer, ({"x": np.array([state])},), "Look.")  # type: ignore[arg-type]
        before = seer.asked
        put(seer, scenes, variations, pairs, known, shots, 0.4, tmp_path)
        return seer.asked - before

    space, seer = PointReach().variation_space, Shown()
    variations = [space.variation({"goal_color": color}) for color in ("cyan", "crimson", "white")]
    pairs = draw(Truth(np.array([0.0, 4.0, 9.0]), np.full(3, 10.0)), 3, seed=0)
    known = rolled(red=False, blue=True)
    assert asked(known) == 3
    assert asked(known) == 0
    assert asked(rolled(red=True, blue=False)) == 3, "the examples are others"
    assert asked(known, state=1.0) == 3, "the pictures are"
    assert asked(known, shots=0) == 3
    assert asked(rolled(red=True, blue=False), shots=0) == 0, "none was shown"


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
