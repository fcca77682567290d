"""What a data set is made of: its settings, and from them alone the plan of every sample in it."""

import hashlib
import json
import math
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from faultfield.errors import FaultError
from faultfield.faults.collage import CELL, COLUMNS
from faultfield.faults.fault import KINDS
from faultfield.faults.record import Columns

Split = Literal["train-sparse", "train-dense", "train-transfer", "test-seen", "test-unseen", "test-transfer", "sight"]
"""`train-transfer` is dense: few reasons from the other workspace, to go with many verdicts from this one. Of `sight`
only what the simulator knew of the scenes is told, where things were and where they belong, never whether they failed:
what eyes may learn of unseen tasks."""

PLAN = 3
"""Changes when the same settings make other samples: which of them fail, and of what."""

SPLITS: tuple[Split, ...] = (
    "train-sparse", "train-dense", "train-transfer", "test-seen", "test-unseen", "test-transfer", "sight",
)  # fmt: skip


FPS = (0.01, 1000.0)
"""Frames a second that a video may have."""


@dataclass(frozen=True)
class Recipe:
    """The settings of a data set; the same ones make the same files.

    Attributes:
        tasks: Names of the tasks to train on.
        episodes: Episodes to train on, over all tasks.
        dense: How many of these are annotated with a reason; the others with success or failure alone.
        unseen: Names of the tasks of the split `test-unseen`.
        transfer: Names of the tasks of the splits `train-transfer` and `test-transfer`: another robot and workspace.
        transfer_dense: Episodes of `train-transfer`.
        test: Episodes of each test split.
        sight: Episodes of the unseen tasks of which only the scenes are told.
        cell: Height and width of a collage's cells, pixels.
        columns: Columns of a collage: moments evenly over the episode, or "phases": the end of each of its phases.
        video: Whether the front camera is written as a video too.
        fps: Frames a second of the video.
        video_size: Height and width of the video, pixels.
        vary: Share of the episodes in which one thing of the scene looks otherwise: one of the task's `varied` factors.
        front_only: Share of the samples to train on whose collage shows the front camera alone, as a video of one
            camera does; the rows of the others stay white.
        near: Share of the successes that are a fault so slight that the expert succeeds in spite of it.
        kinds: Kinds of fault that are injected; none stands for all that a task allows.
        phases: Phases of the expert in which they are; none stands for all.
        strength: Factor of the magnitude of a fault that is meant to fail.
        phrasings: Of how many wordings of a reason one is drawn; with 1, equal faults have equal reasons.
        seed: Fixes everything random.

    Raises:
        FaultError: A number out of range, or a task that is named both as seen and as unseen.
    """

    tasks: tuple[str, ...]
    episodes: int
    dense: int
    unseen: tuple[str, ...] = ()
    transfer: tuple[str, ...] = ()
    transfer_dense: int = 0
    test: int = 100
    sight: int = 0
    cell: int = CELL
    columns: Columns = COLUMNS
    video: bool = False
    fps: float = 5.0
    video_size: int = 224
    vary: float = 0.0
    front_only: float = 0.0
    near: float = 0.2
    kinds: tuple[str, ...] = ()
    phases: tuple[str, ...] = ()
    strength: float = 1.0
    phrasings: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        if (
            not self.tasks
            or self.episodes < 0
            or not 0 <= self.dense <= self.episodes
            or self.test < 0
            or self.sight < 0
            or self.seed < 0
        ):
            raise FaultError(
                f"A data set needs a task, at least 0 episodes, and at most as many dense ones, not {len(self.tasks)} "
                f"tasks, {self.episodes} episodes, {self.dense} dense, {self.test} to test."
            )
        if self.cell < 8 or (self.columns != "phases" and self.columns < 2) or self.video_size < 8:
            raise FaultError("A cell and a video have at least 8 pixels, and a collage 2 columns.")
        if not FPS[0] <= self.fps <= FPS[1]:
            raise FaultError(f"A video has {FPS[0]:g} to {FPS[1]:g} frames a second, not {self.fps:g}.")
        shares = (self.vary, self.front_only, self.near)
        if not all(0 <= share <= 1 for share in shares) or self.transfer_dense < 0 or self.phrasings < 1:
            raise FaultError("Shares lie in 0–1, dense episodes are at least 0, and there is at least 1 phrasing.")
        if not 0 < self.strength < math.inf:
            raise FaultError(f"The strength of a fault is a factor above 0, not {self.strength:g}.")
        if unknown := set(self.kinds) - set(KINDS):
            raise FaultError(f"There is no fault '{min(unknown)}'; the kinds are {', '.join(KINDS)}.")
        if self.transfer_dense and not self.transfer:
            raise FaultError("Dense episodes of the transfer setting need a task of that setting: name one.")
        if self.sight and not self.unseen:
            raise FaultError("Scenes that are told to eyes alone are of unseen tasks: name one.")
        seen = [*self.tasks, *self.unseen, *self.transfer]
        if len(set(seen)) < len(seen):
            raise FaultError(f"Each task is seen, unseen or of the transfer setting, once: {', '.join(seen)}.")

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that change with any setting, and with what is made of the same ones."""
        # Where all kinds are injected as they come, a data set of before these could be chosen is the same.
        later = {"kinds": [], "phases": [], "strength": 1.0}
        told = {k: v for k, v in self.to_json().items() if k not in later or v != later[k]} | {"plan": PLAN}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    def count(self, split: Split) -> int:
        """Episodes of a split."""
        return {
            "train-sparse": self.episodes - self.dense,
            "train-dense": self.dense,
            "train-transfer": self.transfer_dense,
            "test-seen": self.test,
            "test-unseen": self.test if self.unseen else 0,
            "test-transfer": self.test if self.transfer else 0,
            "sight": self.sight if self.unseen else 0,
        }[split]

    def tasks_of(self, split: Split) -> tuple[str, ...]:
        """Tasks of a split."""
        if split in ("test-unseen", "sight"):
            return self.unseen
        return self.transfer if split.endswith("transfer") else self.tasks


@dataclass(frozen=True)
class Plan:
    """One sample before it is made: nothing of it depends on another sample.

    Attributes:
        id: Its name, and that of its files.
        split: Where it belongs.
        task: Name of the task.
        index: Its number within split and task.
        failure: Whether it is meant to fail; whether it does is the task's to say.
    """

    id: str
    split: Split
    task: str
    index: int
    failure: bool

    @property
    def label(self) -> str:
        """Which sample this is, in words."""
        return f"sample {self.id}"

    @property
    def dense(self) -> bool:
        """Whether its reason is told: wherever it trains the reasons, or tests them."""
        return self.split not in ("train-sparse", "sight")

    def random(self, seed: int, attempt: int) -> np.random.Generator:
        """Whence one attempt at it draws."""
        where = (SPLITS.index(self.split), zlib.crc32(self.task.encode()), self.index, attempt)
        return np.random.default_rng([seed, *where])

    def episode_seed(self, rng: np.random.Generator) -> int:
        """A seed for the reset of the environment: even to train, odd to test, so that no test was trained on."""
        return 2 * int(rng.integers(2**29)) + int(self.split.startswith("test"))


def plans(recipe: Recipe) -> Iterator[Plan]:
    """All samples, half of each task meant to fail; task by task, since building a simulator costs many episodes.

    Every other task begins with a failure, so that a split of an odd number of episodes a task is balanced too.
    """
    for task in (*recipe.tasks, *recipe.unseen, *recipe.transfer):
        for split in SPLITS:
            tasks = recipe.tasks_of(split)
            if task not in tasks:
                continue
            place, total = tasks.index(task), recipe.count(split)
            for index in range(total * (place + 1) // len(tasks) - total * place // len(tasks)):
                failure = (index + place) % 2 == 1
                yield Plan(f"{split}-{file_name(task)}-{index:05d}", split, task, index, failure)


def file_name(task: str) -> str:
    """A task's name without what a file's name should not have."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in task)
