"""Every word that goes into the model around the pictures (ARMOR, B.4), and what is read out of a baseline's answer.

A prompt is question + conditioning + request. The question opens all prompts of a clip: it belongs to the part that
is encoded once. `Yes` means that the robot succeeded, in prompts as in answers.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from faultfield.faults import wording

Task = Literal["detection", "reasoning"]
"""The two things the model is asked."""

SYSTEM = "You watch a robot and judge its work."

_REQUESTS: dict[Task, str] = {
    "detection": "Please give a Yes/No answer.",
    "reasoning": "Please give your reasoning.",
}


@dataclass(frozen=True)
class Said:
    """What the prompt tells the model of the round before; None is masked: not told.

    Attributes:
        failed: The detection.
        reason: The reasoning.
    """

    failed: bool | None = None
    reason: str | None = None


NOTHING = Said()
"""The first round: nothing was said before."""


def question(instruction: str, video: bool = False) -> str:
    """What opens every prompt of a clip, and ends with a line break.

    Args:
        instruction: What the robot was asked to do.
        video: Whether the model is shown a video in place of a picture.

    Example:
        >>> print(question("Lift the cube.", video=True), end="")
        In the video, the robot is attempting this task: Lift the cube.
        Did the robot succeed?
    """
    return wording.question(instruction, video=video) + "\n"


def conditioning(said: Said) -> str:
    """What the prompt tells of the round before, a line each; empty where nothing is told.

    Example:
        >>> print(conditioning(Said(True, "The gripper did not close.")), end="")
        Given the previous detection is No.
        Given the previous reasoning is The gripper did not close.
    """
    detection = "" if said.failed is None else f"Given the previous detection is {answer_word(said.failed)}.\n"
    # A reason of the model's own may be anything: line breaks would blur where it ends.
    reasoning = "" if said.reason is None else f"Given the previous reasoning is {' '.join(said.reason.split())}\n"
    return detection + reasoning


def request(task: Task) -> str:
    """The last line of a prompt."""
    return _REQUESTS[task]


def masked(said: Said, task: Task) -> Said:
    """The conditioning of an expert-conditioned step: the task's own answer hidden, the other's kept (ARMOR, A.2)."""
    return Said(None, said.reason) if task == "detection" else Said(said.failed, None)


def answer_word(failed: bool) -> str:
    """`Yes` is success."""
    return "No" if failed else "Yes"


BASELINE_SYSTEM = (
    "You watch a robot and judge its work.\n"
    "Answer in this format:\n<think>your reasoning</think>\n<answer>Yes/No</answer>"
)
"""For any model that has one text answer for both tasks: the baselines of ARMOR's B.2."""


@dataclass(frozen=True)
class Example:
    """A worked example in a few-shot prompt.

    Attributes:
        instruction: What the robot was asked to do.
        failed: Whether it failed.
        reason: Why, or that it succeeded.
    """

    instruction: str
    failed: bool
    reason: str


def baseline_question(instruction: str, video: bool = False, examples: Sequence[Example] = ()) -> str:
    """What a baseline is asked: zero-shot, or after some worked examples in words.

    Args:
        instruction: What the robot was asked to do.
        video: Whether the model is shown a video in place of a picture.
        examples: Shown before the question, in order.
    """
    if not examples:
        return question(instruction, video).rstrip("\n")
    shown = [
        f"Example {number}:\n{question(each.instruction, video)}{baseline_answer(each.failed, each.reason)}"
        for number, each in enumerate(examples, 1)
    ]
    return "\n\n".join([*shown, f"Now judge this one:\n{question(instruction, video)}".rstrip("\n")])


def baseline_parts(failed: bool, reason: str | None) -> tuple[str, str, str]:
    """The answer that plain fine-tuning learns, in parts; a sparse sample's reasoning is empty (ARMOR, B.2)."""
    return "<think>", reason or "", f"</think>\n<answer>{answer_word(failed)}</answer>"


def baseline_answer(failed: bool, reason: str | None) -> str:
    """That answer as one text."""
    return "".join(baseline_parts(failed, reason))


@dataclass(frozen=True)
class Parsed:
    """A baseline's answer taken apart.

    Attributes:
        failed: Its detection; None where the format was not followed, which counts as wrong.
        reason: Its reasoning; the whole answer where the format was not followed.
    """

    failed: bool | None
    reason: str


def parse_baseline(text: str) -> Parsed:
    """Take both fields out of an answer (ARMOR, B.4, evaluation protocol).

    Example:
        >>> parse_baseline("<think>It slipped.</think> <answer>no</answer>")
        Parsed(failed=True, reason='It slipped.')
        >>> parse_baseline("No, it slipped.").failed is None
        True
    """
    think = re.search(r"<think>(.*?)</think>", text, re.DOTALL | re.IGNORECASE)
    answer = re.search(r"<answer>\s*(yes|no)\b[\s.]*</answer>", text, re.IGNORECASE)
    if think is None or answer is None:
        return Parsed(None, text.strip())
    return Parsed(answer[1].lower() == "no", think[1].strip())
