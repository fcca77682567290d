"""Labelled and unlabelled episodes for the detector, whatever lies on disk; pictures are read when looked at."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from faultfield.errors import DetectorError
from faultfield.faults import collage, llava
from faultfield.faults.pictures import read_picture
from faultfield.faults.wording import success_reasons
from faultfield.rollouts.clip import CAMERAS, Clip

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".gif", ".m4v", ".mpg", ".mpeg")

TRAINING = ("train-sparse", "train-dense")
"""Splits of a data directory that are trained on where nobody says otherwise."""

_WIDE = 5
"""Columns from which a picture of which nothing is known can be a collage: photographs have the shape of 3 or 4."""

_MOST_FRAMES = 64
"""Frames of a video that are kept: models look at fewer."""


@dataclass(frozen=True)
class Sample:
    """An episode as data: what was asked, what is known of the outcome, and where its pictures lie.

    Attributes:
        id: Its name.
        instruction: What the robot was asked to do.
        failed: Whether it failed; None where nobody said.
        reason: Why, in words (a dense sample), or None (a sparse one).
        task: Which task it is of; empty where that is unknown.
        image: A collage or another picture.
        video: A video, in the place of a picture.
        columns: Time steps in the collage; None guesses them from its shape.
        least: As how many of them it has to be shaped to be taken for a collage then.
        given: A clip in memory, in the place of a file.
    """

    id: str
    instruction: str
    failed: bool | None = None
    reason: str | None = None
    task: str = ""
    image: Path | None = None
    video: Path | None = None
    columns: int | None = None
    least: int = 2
    given: Clip | None = None

    @property
    def dense(self) -> bool:
        """Whether it has a reason."""
        return self.reason is not None

    def clip(self) -> Clip:
        """Read its pictures.

        Raises:
            DetectorError: They are missing or damaged.
        """
        if self.given is not None:
            return self.given
        if self.video is not None:
            return Clip.of_video(self.video, self.instruction, id=self.id, most=_MOST_FRAMES)
        if self.image is None:
            raise DetectorError(f"The sample '{self.id}' has no pictures.")
        clip = as_clip(read_picture(self.image), self.columns, self.instruction, self.id, self.least)
        if self.least == _WIDE and len(clip.times) == 1:
            raise DetectorError(
                f"The picture '{self.image}' shows one moment, which is no episode; give a video, or a collage with "
                f"cameras in {len(CAMERAS)} rows and {_WIDE} or more moments in columns."
            )
        return clip


@dataclass(frozen=True)
class Samples:
    """What was read.

    Attributes:
        items: The samples that can be used, in their order.
        problems: Those that cannot.
    """

    items: tuple[Sample, ...]
    problems: tuple[llava.Problem, ...] = ()


def as_clip(picture: Any, columns: int | None, instruction: str, id: str, least: int = 2) -> Clip:
    """A picture as a clip: a collage cut up where it can be one, else a single picture of the front camera.

    Args:
        picture: uint8 (height, width, 3).
        columns: Of the collage; None takes square cells in three rows for granted.
        instruction: What the robot was asked to do.
        id: The clip's name.
        least: Columns from which it can be one, where they are not given.
    """
    height, width = picture.shape[:2]
    fit = width * len(CAMERAS) / height
    count = columns if columns is not None else round(fit)
    if columns is None and (count < least or abs(fit - count) > 0.02 * count):
        return Clip({CAMERAS[0]: picture[None]}, np.zeros(1), instruction, id)
    return collage.split(picture, columns=count, instruction=instruction, id=id)


def read_conversations(path: str | Path, *, labelled: bool = True) -> Samples:
    """Samples of a LLaVA conversation file, AHA's among them; those beside a recipe of ours know more of themselves.

    Args:
        path: Of the JSON file.
        labelled: Whether a sample without a verdict is a problem.

    Raises:
        DetectorError: The file is missing, is no such file, or holds not one sample that can be used.
    """
    read = llava.read(path, labelled=labelled)
    folder = Path(path).parent
    columns, tasks = _columns(folder), _tasks(folder)
    items = (
        Sample(
            each.id, each.instruction, each.failed, each.reason, tasks.get(each.id, ""), each.image, each.video, columns
        )
        for each in read.items
    )
    return Samples(tuple(items), read.problems)


def read_split(directory: str | Path, *splits: str) -> tuple[Sample, ...]:
    """Samples of a generated data directory, such as of `train-sparse` and `train-dense`.

    Raises:
        DetectorError: A split is missing, or one of its samples cannot be used: data of our own making is whole.
    """
    found: list[Sample] = []
    for split in splits:
        read = read_conversations(Path(directory) / f"{split}.json")
        if read.problems:
            raise DetectorError(f"The split '{split}' in '{directory}' is damaged: {read.problems[0].text}")
        found += read.items
    return tuple(found)


def read_labelled(paths: Iterable[str | Path], splits: Sequence[str] = TRAINING) -> Samples:
    """Labelled samples of conversation files and of splits of data directories.

    Args:
        paths: Of the files and directories.
        splits: Which ones of a directory; those that it has not are left out.

    Raises:
        DetectorError: A path is neither, or has nothing that can be used.
    """
    items: list[Sample] = []
    problems: list[llava.Problem] = []
    for path in map(Path, paths):
        if path.is_dir():
            found = [name for name in splits if (path / f"{name}.json").is_file()]
            if not found:
                raise DetectorError(f"'{path}' has none of {', '.join(f'{name}.json' for name in splits)}.")
            items += read_split(path, *found)
        else:
            read = read_conversations(path)
            items += explained(read.items)
            problems += read.problems
    return Samples(tuple(items), tuple(problems))


def check_splits(paths: Iterable[str | Path], splits: Sequence[str]) -> None:
    """See that each of these splits is in one of the paths, and named once: a name that was mistyped is no wish.

    Raises:
        DetectorError: One is not.
    """
    folders = [path for path in map(Path, paths) if path.is_dir()]
    if not folders:
        raise DetectorError("Files have no splits; leave --split out, or name a data directory.")
    for name in splits:
        if splits.count(name) > 1:
            raise DetectorError(f"The split '{name}' is named twice.")
        if not any((folder / f"{name}.json").is_file() for folder in folders):
            there = ", ".join(sorted({file.stem for folder in folders for file in folder.glob("t*-*.json")}))
            raise DetectorError(f"There is no split '{name}' in the data; there are {there or 'none'}.")


def explained(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """Samples of which every failure has a reason, as AHA's are: there a bare "Yes" has said all there is to say.

    Its reason is that the robot succeeded, in our words. Where any failure has none, nothing is added.
    """
    failures = [sample for sample in samples if sample.failed]
    if not failures or not all(sample.dense for sample in failures):
        return tuple(samples)
    words = success_reasons()
    return tuple(
        sample if sample.dense or sample.failed is None else replace(sample, reason=words[row % len(words)])
        for row, sample in enumerate(samples)
    )


def looked_at(samples: Samples, on_progress: Callable[[int], None] | None = None) -> Samples:
    """The same without those whose pictures cannot be read, which become problems; better now than hours later.

    Args:
        samples: Whose pictures were only looked for.
        on_progress: Told how many were read.
    """
    items: list[Sample] = []
    problems = list(samples.problems)
    for number, sample in enumerate(samples.items, 1):
        try:
            sample.clip()
            items.append(sample)
        except DetectorError as error:
            problems.append(llava.Problem(sample.id, str(error)))
        if on_progress is not None:
            on_progress(number)
    return Samples(tuple(items), tuple(problems))


def read_any(path: str | Path, instruction: str | None = None) -> Samples:
    """Samples of a video, a picture, or a conversation file, labelled or not.

    Args:
        path: Of the file.
        instruction: What the robot was asked to do; over what the file says.

    Raises:
        DetectorError: The file is missing, is of no kind that is known, or cannot be used.
    """
    file = Path(path)
    if not file.exists():
        raise DetectorError(f"There is no file '{path}'.")
    kind = file.suffix.lower()
    if kind in (".json", ".jsonl"):
        read = read_conversations(file, labelled=False)
        if instruction is None:
            return read
        return Samples(tuple(replace(each, instruction=instruction) for each in read.items), read.problems)
    asked = DEFAULT_INSTRUCTION if instruction is None else instruction
    if kind in PICTURES:
        return Samples((Sample(file.stem, asked, image=file, columns=_columns(file.parent.parent), least=_WIDE),))
    if kind in VIDEOS:
        return Samples((Sample(file.stem, asked, video=file),))
    raise DetectorError(
        f"'{path}' is no video, picture, conversation file (.json) or study; its kind '{kind or 'none'}' is unknown."
    )


DEFAULT_INSTRUCTION = "Do the task."
"""What is asked of an episode of which nobody says what it was about."""


def _tasks(folder: Path) -> dict[str, str]:
    """Task by id, from `samples.jsonl` where there is one."""
    file = folder / "samples.jsonl"
    if not file.is_file():
        return {}
    found: dict[str, str] = {}
    for line in file.read_text(encoding="utf-8").split("\n"):
        try:
            entry = json.loads(line)
            found[str(entry["id"])] = str(entry["task"])
        except (ValueError, KeyError, TypeError):
            # The last line may be cut short by a kill; what it says is in no conversation then.
            continue
    return found


def _columns(folder: Path) -> int | None:
    """Columns of the collages that `info.json` tells of, where there is one."""
    try:
        return int(json.loads((folder / "info.json").read_text(encoding="utf-8"))["recipe"]["columns"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
