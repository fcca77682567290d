"""Every sentence about a fault, a success, or the question that asks for them. What is said here, `claims` reads."""

from faultfield.faults.fault import Fault

_WHILE = {
    "approach": "approaching {o}",
    "reach": "reaching for {o}",
    "hover": "hovering above {o}",
    "descend": "descending to {o}",
    "grasp": "grasping {o}",
    "close": "closing on {o}",
    "lift": "lifting {o}",
    "raise": "raising {o}",
    "move": "moving {o}",
    "carry": "carrying {o}",
    "transport": "transporting {o}",
    "align": "aligning {o}",
    "lower": "lowering {o}",
    "place": "placing {o}",
    "release": "releasing {o}",
    "retreat": "retreating from {o}",
    "push": "pushing {o}",
    "pull": "pulling {o}",
    "press": "pressing {o}",
    "turn": "turning {o}",
    "slide": "sliding {o}",
    "insert": "inserting {o}",
    "open": "opening {o}",
    "hit": "hitting {o}",
    "contact": "touching {o}",
    "unlock": "unlocking {o}",
}
"""What the robot is doing in a phase, in words; a phase that is not here is told by its name."""

_FAR = {
    ("x", 1): "too far forward", ("x", -1): "too far back",
    ("y", 1): "too far to the left", ("y", -1): "too far to the right",
    ("z", 1): "too high", ("z", -1): "too low",
}  # fmt: skip
_OFF = {
    ("x", 1): "forward", ("x", -1): "backward",
    ("y", 1): "to the left", ("y", -1): "to the right",
    ("z", 1): "upward", ("z", -1): "downward",
}  # fmt: skip
_TILT = {
    ("x", 1): "rolled to the left", ("x", -1): "rolled to the right",
    ("y", 1): "pitched backward", ("y", -1): "pitched forward",
    ("z", 1): "turned counterclockwise", ("z", -1): "turned clockwise",
}  # fmt: skip
_WAY = {axis: tilt.split(" ", 1)[1] for axis, tilt in _TILT.items()}
"""Where the finger tips of a gripper that points down go; about z, as seen from above."""
_ANGLE = {"x": "roll", "y": "pitch", "z": "yaw"}


def while_phase(phase: str, object: str | None) -> str:
    """What goes on in a phase: `while lifting the red cube`.

    Example:
        >>> while_phase("grasp", "red cube"), while_phase("phase_two", None)
        ('while grasping the red cube', 'during the phase two phase')
    """
    if phase in _WHILE:
        return "while " + _WHILE[phase].format(o=f"the {object or 'object'}")
    about = f" of the {object}" if object else ""
    return f"during the {phase.replace('_', ' ')} phase{about}"


def phase_of_gerund(word: str) -> str | None:
    """The phase that `while_phase` tells by this word: `lifting` is `lift`."""
    return _GERUNDS.get(word)


_GERUNDS = {words.split()[0]: phase for phase, words in _WHILE.items()}


def reasons(fault: Fault, target: str | None = None) -> tuple[str, ...]:
    """Sentences that say what went wrong, each naming the kind, the object, the direction and the phase.

    Args:
        fault: What was injected.
        target: The object that should have been handled, for a wrong object.

    Returns:
        At least four; they differ in words alone. Deterministic.

    Example:
        >>> reasons(Fault("translation_y", "approach", "cube", "y", 1, 0.04))[0]
        'The gripper went too far to the left while approaching the cube.'
    """
    thing = f"the {fault.object or 'object'}"
    during = while_phase(fault.phase, fault.object)
    began = during[0].upper() + during[1:]
    if fault.axis is not None:
        way = (fault.axis, fault.sign)
        if fault.kind.startswith("translation"):
            return (
                f"The gripper went {_FAR[way]} {during}.",
                f"{began}, the gripper was off target, {_FAR[way]}.",
                f"The gripper had an offset along the {fault.axis} direction, {_OFF[way]}, {during}.",
                f"The gripper was displaced {_OFF[way]} {during}.",
            )
        return (
            f"The gripper was {_TILT[way]} {during}.",
            f"{began}, the gripper was {_TILT[way]} by mistake.",
            f"The gripper rotated with a wrong {_ANGLE[fault.axis]} angle, {_WAY[way]}, {during}.",
            f"The gripper had a wrong rotation about the {fault.axis} axis, {_WAY[way]}, {during}.",
        )
    if fault.kind == "no_grasp":
        return (
            f"The gripper did not close {during}.",
            f"The robot failed to close the gripper {during}.",
            f"{began}, the gripper stayed open.",
            f"The fingers never closed {during}.",
        )
    if fault.kind == "slip":
        return (
            f"The gripper lost its hold {during}.",
            f"{began}, the gripper opened too early and dropped it.",
            f"The robot let it slip out of the gripper {during}.",
            f"The gripper let go too early {during}.",
        )
    if fault.kind == "no_rotation":
        return (
            f"The gripper did not rotate {during}.",
            f"{began}, the gripper kept its angle and was not aligned.",
            f"There was no rotation of the gripper {during}.",
            f"The gripper was never turned to align {during}.",
        )
    if fault.kind == "wrong_sequence":
        step = f"the {fault.phase.replace('_', ' ')} phase" + (f" of {thing}" if fault.object else "")
        return (
            f"The robot skipped {step}, which is the wrong order of steps.",
            f"The steps came in the wrong order: {step} was left out.",
            f"This was not the right action sequence, because {step} was skipped.",
            f"The robot left out {step} and so acted in the wrong sequence.",
        )
    right = f"the {target}" if target else "the right one"
    return (
        f"The robot handled the wrong object {during}.",
        f"{began}, the robot chose the wrong object.",
        f"The robot chose {thing} instead of {right}, {during}.",
        f"The robot went for the wrong object and not for {right}, {during}.",
    )


def success_reasons() -> tuple[str, ...]:
    """Sentences that say that the task was done."""
    return (
        "The robot succeeded.",
        "The robot completed the task.",
        "The task was done as asked.",
        "Everything went as it should and the robot reached its goal.",
    )


def question(instruction: str, *, video: bool = False) -> str:
    """What the detector is asked about a picture, or about a video: in its prompts and in its data alike.

    Args:
        instruction: What the robot was asked to do.
        video: Whether it is shown a video in place of a picture.

    Example:
        >>> print(question("Lift the cube."))
        In the image, the robot is attempting this task: Lift the cube.
        Did the robot succeed?
    """
    seen = "video" if video else "image"
    return f"In the {seen}, {_TASK}{bare(instruction)}.\nDid the robot succeed?"


def bare(instruction: str) -> str:
    """An instruction without spaces around it and the full stop behind it: so asked, it is the same task.

    Example:
        >>> bare(" Lift the cube. ")
        'Lift the cube'
    """
    return instruction.strip().rstrip(". \n")


_TASK = "the robot is attempting this task: "

_OPENINGS = ((_TASK, ".\n"), ("The task: ", ".\n"))
"""What an instruction stands between: in our question, and in ours of old, of which there are data."""

_AHA = ("robot arm performing ", ". ")
"""The same in AHA's, whose lines may be broken anywhere."""


def instruction_in(question: str) -> str | None:
    """The instruction that `question` was made with, or that stands in a question as AHA words it; None elsewhere.

    Example:
        >>> instruction_in(question("Lift the cube."))
        'Lift the cube'
    """
    asked = (*((question, *ends) for ends in _OPENINGS), (" ".join(question.split()), *_AHA))
    for text, opening, end in asked:
        _, found, rest = text.partition(opening)
        if found:
            return bare(rest.partition(end)[0])
    return None


def answer(failed: bool, reason: str | None = None) -> str:
    """A verdict as the detector's data has it: `Yes` is success.

    Example:
        >>> answer(True, "The gripper did not close."), answer(False)
        ('No, The gripper did not close.', 'Yes')
    """
    word = "No" if failed else "Yes"
    return f"{word}, {reason}" if reason else word
