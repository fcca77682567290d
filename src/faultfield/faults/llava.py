"""LLaVA conversation files: the pictures or videos beside them, a question, and yes, or no and a reason.

The format is the one that AHA (Duan et al. 2025) and the fine-tuning code of Qwen-VL read: a JSON list of samples, each
with `id`, `image` or `video` (a path) and `conversations`: a question from `human`, which begins with `<image>` or
`<video>` on a line of its own, and the answer of `gpt`: `Yes`, or `No, ` and the reason.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faultfield import files
from faultfield.errors import DetectorError
from faultfield.faults.pictures import check_picture
from faultfield.faults.wording import answer, instruction_in

HUMAN = frozenset(("human", "user"))
MODEL = frozenset(("gpt", "assistant"))
_TAGS = re.compile(r"\s*<(?:image|video)>\s*")


@dataclass(frozen=True)
class Conversation:
    """One sample of such a file.

    Attributes:
        id: Its name.
        question: What is asked, without the tag of the picture.
        failed: The verdict: `No` is a failure; None where none is given.
        reason: What follows the verdict; None where nothing does (a sparse sample).
        image: A collage or another still picture.
        video: A video, in the place of a picture.
    """

    id: str
    question: str
    failed: bool | None = None
    reason: str | None = None
    image: Path | None = None
    video: Path | None = None

    @property
    def instruction(self) -> str:
        """What the robot was asked to do, where the question is worded as ours or AHA's; else the whole question."""
        return instruction_in(self.question) or self.question


@dataclass(frozen=True)
class Problem:
    """A sample that cannot be used.

    Attributes:
        id: Its name; its number in the file where it has none.
        text: What is wrong with it, one sentence.
    """

    id: str
    text: str


@dataclass(frozen=True)
class Conversations:
    """What was read from a file.

    Attributes:
        items: The samples that can be used, in the file's order.
        problems: Those that cannot.
    """

    items: tuple[Conversation, ...]
    problems: tuple[Problem, ...]


def read(path: str | Path, *, labelled: bool = True) -> Conversations:
    """Read a conversation file; what is wrong with single samples is told beside those that are right.

    A picture is looked for where it is said to be: as it stands or beside the file; and then by its bare name beside
    the file or in `images` or `videos` there, since such files often carry the paths of the machine they were made on.

    Args:
        path: Of the JSON file (a list, or a sample a line).
        labelled: Whether a sample without a verdict is a problem; else its `failed` is None.

    Raises:
        DetectorError: The file is missing, is no such file, or holds not one sample that can be used.
    """
    file = Path(path)
    items: list[Conversation] = []
    problems: list[Problem] = []
    known: set[str] = set()
    for number, entry in enumerate(entries(file), 1):
        name = f"sample {number}"
        try:
            if not isinstance(entry, Mapping) or not is_id(entry.get("id")):
                raise DetectorError(f"Sample {number} of '{path}' has no id.")
            name = str(entry["id"])
            if name in known:
                raise DetectorError(f"The id '{name}' appears twice in '{path}'.")
            known.add(name)
            items.append(_conversation(name, entry, file.parent, labelled))
        except DetectorError as error:
            problems.append(Problem(name, str(error)))
    if not items:
        why = f": {problems[0].text}" if problems else "; it is an empty list."
        why += f" {len(problems) - 1} more cannot either." if len(problems) > 1 else ""
        raise DetectorError(f"'{path}' holds no conversation that can be used{why}")
    return Conversations(tuple(items), tuple(problems))


def write(path: str | Path, items: Iterable[Conversation]) -> None:
    """Write a conversation file, whole or not at all; pictures and videos are named relative to it.

    Raises:
        DetectorError: A sample has neither a picture nor a video, or both.
    """
    folder = Path(path).parent.resolve()
    entries = []
    for item in items:
        if (item.image is None) == (item.video is None):
            raise DetectorError(f"The conversation '{item.id}' must show a picture or a video, and not both.")
        kind, shown = ("image", item.image) if item.image is not None else ("video", item.video)
        assert shown is not None
        turns = [{"from": "human", "value": f"<{kind}>\n{item.question}"}]
        if item.failed is not None:
            turns.append({"from": "gpt", "value": answer(item.failed, item.reason)})
        entries.append({"id": item.id, kind: os.path.relpath(shown.resolve(), folder), "conversations": turns})
    files.write_text(path, json.dumps(entries, indent=4, ensure_ascii=False) + "\n")


def entries(file: Path) -> list[Any]:
    """What a conversation file lists, unchecked: a JSON list, or a line each of a `.jsonl` file.

    Raises:
        DetectorError: The file is missing or is something else.
    """
    try:
        # Some editors begin a file with a byte order mark.
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DetectorError(f"There is no file '{file}'.") from None
    except IsADirectoryError:
        raise DetectorError(f"'{file}' is a directory; name a conversation file (.json) in it.") from None
    except UnicodeDecodeError as error:
        raise DetectorError(f"'{file}' is no conversation file, which is JSON in UTF-8.") from error
    except OSError as error:
        raise DetectorError(f"'{file}' cannot be read ({error.strerror}).") from error
    try:
        # Not `splitlines`: a string in JSON may hold what else ends a line in Unicode.
        lines = [line for line in text.split("\n") if line.strip()]
        found = [json.loads(line) for line in lines] if file.suffix.lower() == ".jsonl" else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DetectorError(f"'{file}' is not valid JSON.") from error
    if not isinstance(found, list):
        raise DetectorError(f"'{file}' must hold a list of conversations, not a {type(found).__name__}.")
    return found


def is_id(given: Any) -> bool:
    """Whether it is a name or a whole number, as which Python takes true and false too."""
    return isinstance(given, str | int) and not isinstance(given, bool) and given != ""


def _conversation(name: str, entry: Mapping[str, Any], folder: Path, labelled: bool) -> Conversation:
    image, video = (_one(name, entry.get(kind), kind) for kind in ("image", "video"))
    if (image is None) == (video is None):
        which = "shows nothing: it has neither an image nor a video" if image is None else "has an image and a video"
        raise DetectorError(f"The conversation '{name}' {which}.")
    question, said = _turns(name, entry)
    verdict = re.match(r"\s*(yes|no)\b[\s,.:;!–—-]*(.*)", said or "", re.IGNORECASE | re.DOTALL)
    if verdict is None and labelled:
        raise DetectorError(f"The conversation '{name}' has no verdict: its answer begins with neither yes nor no.")
    failed = None if verdict is None else verdict[1].lower() == "no"
    reason = (verdict[2].strip() or None) if verdict is not None else None
    if image is not None:
        picture = _found(name, image, "image", folder)
        check_picture(picture)
        return Conversation(name, question, failed, reason, image=picture)
    assert video is not None
    return Conversation(name, question, failed, reason, video=_found(name, video, "video", folder))


def _one(name: str, shown: Any, kind: str) -> str | None:
    """The path of the one picture or video."""
    if isinstance(shown, list) and len(shown) == 1:
        shown = shown[0]
    if shown is None or shown == []:
        return None
    if not isinstance(shown, str) or not shown:
        raise DetectorError(f"The conversation '{name}' must name one {kind} file, not {json.dumps(shown)[:80]}.")
    return shown


def turns_of(entry: Mapping[str, Any]) -> dict[str, str]:
    """The first text of each side of an entry's conversation: `human`, and `model`; what it has."""
    turns = entry.get("conversations")
    said: dict[str, str] = {}
    for turn in turns if isinstance(turns, list) else ():
        role = turn.get("from") if isinstance(turn, Mapping) else None
        who = None if not isinstance(role, str) else "human" if role in HUMAN else "model" if role in MODEL else None
        if who and isinstance(turn.get("value"), str):
            said.setdefault(who, turn["value"])
    return said


def _turns(name: str, entry: Mapping[str, Any]) -> tuple[str, str | None]:
    """The first question and the first answer."""
    said = turns_of(entry)
    question = _TAGS.sub("", said.get("human", "")).strip()
    if not question:
        raise DetectorError(f"The conversation '{name}' asks no question.")
    return question, said.get("model")


def _found(name: str, shown: str, kind: str, folder: Path) -> Path:
    given = Path(shown)
    # A file that was moved together with its pictures may name where they lay: as much of that as is here counts.
    ends = [folder.joinpath(*given.parts[start:]) for start in range(max(1, len(given.parts)))]
    for place in (*ends, folder / f"{kind}s" / given.name):
        try:
            if place.is_file():
                return place
        except OSError:
            # No path at all, such as a picture spelt out in letters.
            break
    shown = shown if len(shown) <= 200 else f"{shown[:200]}…"
    raise DetectorError(f"The {kind} '{shown}' of the conversation '{name}' is missing.")
