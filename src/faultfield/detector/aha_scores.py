"""AHA's own numbers on AHA's own files: LLaVA conversations with the truth, JSON lines with the answers.

The rules are those of AHA's published evaluation (Duan et al. 2025), so that its tables and ours can be laid side by
side. What stands before the first comma is the verdict, and must be the bare word; what follows is the reason.
"""

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from faultfield import files
from faultfield.detector.judge import Judge
from faultfield.detector.metrics import UNDEFINED, Number, mean, numbers_json, rouge_l, share
from faultfield.errors import DetectorError
from faultfield.faults import llava


@dataclass(frozen=True)
class AhaScores:
    """The three numbers of AHA's tables.

    Attributes:
        accuracy: Share of questions whose yes or no is right.
        rouge_l: 1 where both say yes; ROUGE-L F1 of the two reasons where both say no; 0 otherwise; the mean.
            Undefined where no failure has a reason: it would only count the successes that were found.
        fuzzy: A judge's score of the whole answers, 0–1, the mean; undefined without a judge.
        missing: Questions without an answer; each counts as wrong.
    """

    accuracy: Number
    rouge_l: Number
    fuzzy: Number = UNDEFINED
    missing: int = 0

    def as_json(self) -> dict[str, Any]:
        """For JSON: a mapping for each number, undefined ones as null."""
        return numbers_json(asdict(self))


def verdict_of(answer: str) -> str:
    """What stands before the first comma, in small letters.

    Example:
        >>> verdict_of("No, the gripper did not close.")
        'no'
    """
    return answer.split(",")[0].strip().lower()


def reason_of(answer: str) -> str:
    """What follows the first comma; empty where there is none.

    Example:
        >>> reason_of("No, the gripper slipped, and the cube fell.")
        'the gripper slipped, and the cube fell.'
    """
    return answer.partition(",")[2].strip()


def question_rouge(answer: str, truth: str) -> float:
    """One question's ROUGE-L by AHA's rule, 0–1."""
    said, true = verdict_of(answer), verdict_of(truth)
    if said != true or true not in ("yes", "no"):
        return 0.0
    return 1.0 if true == "yes" else rouge_l(reason_of(answer), reason_of(truth))


def score(
    conversations: Sequence[Mapping[str, Any]],
    answers: Mapping[str, str],
    judge: Judge | None = None,
    problems: list[llava.Problem] | None = None,
) -> AhaScores:
    """AHA's numbers.

    Args:
        conversations: LLaVA entries, the first answer of `gpt` in each being the truth.
        answers: Text by question id.
        judge: Of whole answers; its score is left out where it cannot decide, and 0 where there is no answer.
        problems: Takes the answers that the judge could not be asked of, which count nowhere in its score then.

    Raises:
        DetectorError: There are no conversations, or one has no truth; or what the judge raises, where there is nothing
            to take it.
        UnreachableError: The judge is behind an endpoint whose server is gone.
    """
    if not conversations:
        raise DetectorError("There are no questions to score.")
    right, rouges, fuzzy, missing = 0, [], [], 0
    unexplained: list[bool] = []
    for index, entry in enumerate(conversations):
        truth = _truth(entry, index)
        key = str(entry.get("id", index))
        answer = answers.get(key)
        missing += answer is None
        if judge is not None:
            try:
                given = 0.0 if answer is None else judge.judge(answer, truth, _question(entry)).score
                fuzzy += [] if given is None else [given]
            except DetectorError as error:
                if problems is None:
                    raise
                problems.append(llava.Problem(key, f"The answer to '{key}' was not judged: {error}"))
        answer = answer or ""
        right += verdict_of(answer) == verdict_of(truth) and verdict_of(truth) in ("yes", "no")
        rouges.append(question_rouge(answer, truth))
        unexplained += [not reason_of(truth)] if verdict_of(truth) == "no" else []
    alike = UNDEFINED if unexplained and all(unexplained) else mean(np.array(rouges))
    return AhaScores(share(right, len(rouges)), alike, mean(np.array(fuzzy)), missing)


def write_answers(path: str | Path, answers: Iterable[tuple[str, str]]) -> None:
    """Write `(question id, text)` as JSON lines that AHA's scripts read.

    They compare ids as whole numbers, so an id that is one is written as one.
    """
    lines = (
        json.dumps({"question_id": int(key) if key.isdecimal() and key == str(int(key)) else key, "text": text})
        for key, text in answers
    )
    files.write_text(path, "".join(line + "\n" for line in lines))


def read_answers(path: str | Path) -> dict[str, str]:
    """Text by question id; of two answers to one question the first, as AHA's scripts have it.

    Raises:
        DetectorError: The file is missing or a line is no answer.
    """
    if not Path(path).is_file():
        raise DetectorError(f"There is no file of answers '{path}'.")
    try:
        # Not `splitlines`: a string in JSON may hold what else ends a line in Unicode.
        lines = Path(path).read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DetectorError(f"The answers '{path}' cannot be read as text in UTF-8.") from error
    answers: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            key, text = entry["question_id"], entry["text"]
            if not llava.is_id(key) or not isinstance(text, str):
                raise TypeError
            answers.setdefault(str(key), text)
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise DetectorError(
                f'Line {number} of \'{path}\' is no answer; each line is like {{"question_id": 0, "text": "Yes"}}.'
            ) from error
    return answers


def read_conversations(path: str | Path) -> list[Mapping[str, Any]]:
    """The entries of a LLaVA file, unchecked but for being a list of mappings with ids.

    Raises:
        DetectorError: The file is missing or is something else, or an entry has no id.
    """
    entries = llava.entries(Path(path))
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            raise DetectorError(f"'{path}' must hold a list of LLaVA conversations.")
        if not llava.is_id(entry.get("id")):
            raise DetectorError(f"Sample {number} of '{path}' has no id to find its answer by.")
    return entries


def read_judged(path: str | Path, judged: Container[str]) -> list[Mapping[str, Any]]:
    """The entries of a LLaVA file whose ids were judged, of two with one id the first: what else it holds is a problem.

    Raises:
        DetectorError: The file is missing or is something else.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for entry in llava.entries(Path(path)):
        if isinstance(entry, Mapping) and llava.is_id(entry.get("id")) and str(entry["id"]) in judged:
            found.setdefault(str(entry["id"]), entry)
    return list(found.values())


def _truth(entry: Mapping[str, Any], index: int) -> str:
    said = llava.turns_of(entry)
    if "model" not in said:
        raise DetectorError(f"Conversation '{entry.get('id', index)}' has no answer of 'gpt' to score against.")
    return said["model"]


def _question(entry: Mapping[str, Any]) -> str:
    return llava.turns_of(entry).get("human", "")
