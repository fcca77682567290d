"""Conversation files, against JSON written out by hand as others write it."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faultfield.errors import DetectorError
from faultfield.faults.llava import Conversation, read, write
from faultfield.faults.pictures import read_picture, write_picture
from faultfield.faults.wording import instruction_in, question


def entry(
    name: str, answer: str | None = "No, The robot slip the object out of its gripper.", **more: Any
) -> dict[str, Any]:
    turns = [
        {
            "from": "human",
            "value": "<image>\n For the given sub-tasks, did the robot arm performing lift the cup. succeed?",
        }
    ]
    if answer is not None:
        turns.append({"from": "gpt", "value": answer})
    return {"id": name, "image": f"images/{name}.png", "conversations": turns, **more}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in "abcdefgh":
        write_picture(tmp_path / "images" / f"{name}.png", np.full((6, 8, 3), ord(name), np.uint8))
    return tmp_path


def store(folder: Path, entries: Any) -> Path:
    (folder / "data.json").write_text(json.dumps(entries))
    return folder / "data.json"


def test_a_file_as_aha_has_it(folder: Path) -> None:
    found = read(store(folder, [entry("a"), entry("b", "Yes, the robot succeed at the sub-task.")]))
    assert found.problems == ()
    a, b = found.items
    assert (a.failed, a.reason) == (True, "The robot slip the object out of its gripper.")
    assert (b.failed, b.reason) == (False, "the robot succeed at the sub-task.")
    assert a.question == "For the given sub-tasks, did the robot arm performing lift the cup. succeed?"
    assert a.instruction == "lift the cup"
    assert a.image is not None
    assert (read_picture(a.image) == ord("a")).all()


def test_the_instruction_is_found_where_the_line_breaks() -> None:
    asked = "For the given sub-tasks, did the robot arm\nperforming lift  the\ncup. succeed?"
    assert instruction_in(asked) == "lift the cup"
    assert instruction_in("How did it go?") is None


def test_a_file_that_was_moved_with_its_pictures(folder: Path) -> None:
    # AHA names pictures by number in a folder an episode, and where they lay as a whole path.
    for number, episode in enumerate(("ep1", "ep2")):
        write_picture(folder / episode / "3.png", np.full((6, 8, 3), number, np.uint8))
    write_picture(folder / "3.png", np.full((6, 8, 3), 9, np.uint8))
    entries = [
        entry("x", image="/gone/data/ep1/3.png"),
        entry("y", image="/gone/data/ep2/3.png"),
        entry("z", image="/gone/3.png"),
    ]
    found = read(store(folder, entries)).items
    assert [int(read_picture(each.image)[0, 0, 0]) for each in found if each.image is not None] == [0, 1, 9]


@pytest.mark.parametrize(
    ("answer", "failed", "reason"),
    [
        ("Yes", False, None),
        ("No", True, None),
        ("yes.", False, None),
        ("NO, it slipped, and fell.", True, "it slipped, and fell."),
        ("No. The gripper did not close.", True, "The gripper did not close."),
        ("No\nThe gripper did not close.", True, "The gripper did not close."),
    ],
)
def test_verdicts(folder: Path, answer: str, failed: bool, reason: str | None) -> None:
    (item,) = read(store(folder, [entry("a", answer)])).items
    assert (item.failed, item.reason) == (failed, reason)


def test_a_bad_sample_is_told_and_the_rest_goes_on(folder: Path) -> None:
    (folder / "images" / "empty.png").touch()
    (folder / "images" / "text.png").write_text("no picture")
    nameless = entry("c")
    del nameless["id"]
    blind = entry("d")
    del blind["image"]
    silent = entry("e")
    silent["conversations"] = silent["conversations"][1:]
    wordless = entry("f")
    wordless["conversations"][0]["value"] = "<image>\n"
    bad = [
        (entry("missing"), "'images/missing.png' of the conversation 'missing' is missing"),
        (entry("b", "It is hard to say."), "'b' has no verdict"),
        (entry("c", None), "'c' has no verdict"),
        (entry("f", "Nothing."), "no verdict"),
        (nameless, "Sample 6 of .* has no id"),
        (blind, "'d' shows nothing"),
        (silent, "'e' asks no question"),
        (entry("g", video="x.mp4"), "'g' has an image and a video"),
        (entry("h", image=["a.png", "b.png"]), "'h' must name one image file"),
        (entry("a"), "'a' appears twice"),
        ({**entry("a"), "id": True}, "Sample 12 of .* has no id"),
        ("nonsense", "Sample 13 of .* has no id"),
        (entry("empty"), "zero bytes"),
        (entry("text"), "no picture"),
        (entry("long", image="A" * 5000), "AAA…' of the conversation 'long' is missing"),
        ({**wordless, "id": "wordless"}, "'wordless' asks no question"),
    ]
    found = read(store(folder, [entry("a"), *(each for each, _ in bad)]))
    assert [item.id for item in found.items] == ["a"]
    assert len(found.problems) == len(bad)
    for problem, (_, wanted) in zip(found.problems, bad, strict=True):
        with pytest.raises(AssertionError, match=wanted):
            raise AssertionError(problem.text)
        assert problem.text.endswith(".")
        assert "\n" not in problem.text


def test_without_labels_no_verdict_is_needed(folder: Path) -> None:
    found = read(store(folder, [entry("a", None), entry("b", "Hm."), entry("c", "No")]), labelled=False)
    assert [item.failed for item in found.items] == [None, None, True]


@pytest.mark.parametrize("shown", ["a.png", "images/a.png", "/somebody/elses/machine/a.png", ["images/a.png"]])
def test_pictures_are_found_beside_the_file(folder: Path, shown: Any) -> None:
    (item,) = read(store(folder, [entry("a", image=shown)])).items
    assert item.image is not None
    assert item.image.samefile(folder / "images" / "a.png")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no file"),
        ("[{]", "not valid JSON"),
        ('{"id": 1}', "must hold a list"),
        ("[]", "empty list"),
        ("[1, 2]", "Sample 1"),
        (b"\xff\xfe\x00", "is JSON in UTF-8"),
        ("[" * 200_000, "not valid JSON"),
    ],
)
def test_files_that_are_no_good(tmp_path: Path, text: str | bytes | None, words: str) -> None:
    path = tmp_path / "data.json"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DetectorError, match=words) as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_what_is_written_is_read_back_and_looks_as_it_should(folder: Path) -> None:
    video = folder / "videos" / "b.mp4"
    video.parent.mkdir()
    video.write_bytes(b"film")
    items = (
        Conversation(
            "a",
            question("Lift the cube."),
            True,
            "The gripper did not close, it stayed open.",
            folder / "images" / "a.png",
        ),
        Conversation("b", question("Lift the cube.", video=True), False, None, video=video),
        Conversation("c", question("Stack the cubes."), None, None, folder / "images" / "c.png"),
    )
    write(folder / "out.json", items)
    assert read(folder / "out.json", labelled=False).items == items
    first, second, third = json.loads((folder / "out.json").read_text())
    assert list(first) == ["id", "image", "conversations"]
    assert first["image"] == "images/a.png"
    assert first["conversations"][0]["from"] == "human"
    assert first["conversations"][0]["value"].startswith("<image>\n")
    assert first["conversations"][1] == {"from": "gpt", "value": "No, The gripper did not close, it stayed open."}
    assert second["video"] == "videos/b.mp4"
    assert second["conversations"][0]["value"].startswith("<video>\n")
    assert second["conversations"][1]["value"] == "Yes"
    assert len(third["conversations"]) == 1
    assert items[0].instruction == "Lift the cube"


def test_files_with_our_question_of_old_still_tell_the_instruction(folder: Path) -> None:
    old = "The picture shows a robot arm. The task: Lift the cube.\nDid the robot succeed? Answer yes or no."
    turns = [{"from": "human", "value": f"<image>\n{old}"}, {"from": "gpt", "value": "Yes"}]
    (item,) = read(store(folder, [entry("a", conversations=turns)])).items
    assert item.instruction == "Lift the cube"


def test_the_example_of_the_page_tells_its_instruction(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/detector.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    (tmp_path / "mine.json").write_text(example)
    (tmp_path / "seven.mp4").touch()
    (item,) = read(tmp_path / "mine.json").items
    assert item.question == question("Lift the cube.", video=True)
    assert item.instruction == "Lift the cube"
    assert (item.failed, item.reason) == (True, "the gripper closed too far to the left of the cube.")


@pytest.mark.parametrize("name", ["data.jsonl", "DATA.JSONL"])
def test_lines_instead_of_a_list(folder: Path, name: str) -> None:
    path = folder / name
    path.write_text("\r\n".join(json.dumps(entry(name)) for name in "ab") + "\n")
    assert [item.id for item in read(path).items] == ["a", "b"]


def test_what_ends_a_line_in_unicode_ends_none_of_a_file_of_lines(folder: Path) -> None:
    path = folder / "data.jsonl"
    told = "No, it slipped\u2028and\x85 fell."
    path.write_text("".join(json.dumps(entry(name, told), ensure_ascii=False) + "\n" for name in "ab"))
    assert [item.reason for item in read(path).items] == ["it slipped\u2028and\x85 fell."] * 2


def test_turns_that_are_none_are_passed_over(folder: Path) -> None:
    odd = entry("a")
    odd["conversations"] = [{"from": ["human"], "value": "?"}, {"from": "gpt", "value": None}, *odd["conversations"]]
    (item,) = read(store(folder, [odd])).items
    assert item.failed is True


def test_a_directory_is_no_conversation_file(folder: Path) -> None:
    with pytest.raises(DetectorError, match="is a directory; name a conversation file"):
        read(folder)


@pytest.mark.parametrize("name", ["data.json", "data.jsonl"])
def test_a_byte_order_mark_is_no_content(folder: Path, name: str) -> None:
    path = folder / name
    path.write_text(json.dumps(entry("a") if path.suffix == ".jsonl" else [entry("a")]), encoding="utf-8-sig")
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert [item.id for item in read(path).items] == ["a"]


def test_nothing_to_show_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match="picture or a video"):
        write(tmp_path / "out.json", [Conversation("a", "Did it?", True)])
    assert not (tmp_path / "out.json").exists()


def test_truncated_pictures(folder: Path) -> None:
    path = folder / "images" / "big.png"
    write_picture(path, np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DetectorError, match=r"truncated"):
        read_picture(path)
    with pytest.raises(DetectorError, match="no picture"):
        read_picture(folder / "nothing.png")
