"""Checkpoints of a training, each a whole directory or none, and its TensorBoard events."""

import json
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faultfield import files
from faultfield.detector.training import identity
from faultfield.errors import CheckpointError, SetupError

_ABOUT = "training.json"

OTHER = "'{}' is of a training with other settings or samples; delete it or choose another directory."
"""What is said of a checkpoint of another training."""


class Checkpoints:
    """The newest checkpoint of a training: weights, optimiser, random states, and the step that data resume from.

    Args:
        directory: Where `checkpoint-<step>` and `events` lie.
        accelerator: Saves and loads what was prepared with it.
        run: What the training is made of, as JSON can hold it; a checkpoint of another is refused.

    Attributes:
        last: What the checkpoint that was resumed from tells of its last step; None where it tells nothing.
    """

    def __init__(self, directory: Path, accelerator: Any, run: Mapping[str, Any]) -> None:
        self._directory, self._accelerator = directory, accelerator
        self._run = json.loads(json.dumps(dict(run)))
        self.last: Mapping[str, Any] | None = None

    def save(self, step: int, last: Mapping[str, Any] | None = None) -> None:
        """Write a checkpoint, then remove the older ones; a kill leaves the older or the newer one whole.

        Args:
            step: How many steps are done.
            last: What there is to tell of the last of them, as JSON can hold it.
        """
        draft, final = self._directory / ".checkpoint", self._path(step)
        if self._accelerator.is_main_process:
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
        self._accelerator.wait_for_everyone()
        # It warns of tied weights each time; they are tied again when they are loaded.
        logging.getLogger("accelerate.utils.other").setLevel(logging.ERROR)
        self._accelerator.save_state(str(draft))
        self._accelerator.wait_for_everyone()
        if self._accelerator.is_main_process:
            files.write_text(draft / _ABOUT, json.dumps({**self._run, "step": step, "last": last}))
            _remove(final)
            os.replace(draft, final)
            for older in self._directory.glob("checkpoint-*"):
                if older != final:
                    _remove(older)
        self._accelerator.wait_for_everyone()

    def resume(self) -> int:
        """Load the newest checkpoint; the number of steps that it had done, 0 where there is none.

        Raises:
            CheckpointError: It is damaged, or of other settings or samples.
        """
        found = newest(self._directory)
        if found is None:
            return 0
        path, about = found
        step, last = int(about.pop("step")), about.pop("last", None)
        # Trainings of before did not tell of the pictures that they were on, nor of what eyes were made of.
        for name in {"pictures", "of"} & self._run.keys():
            about.setdefault(name, self._run[name])
        # Eyes told how often they were saved as well.
        if isinstance(about.get("sight"), dict):
            about["sight"].pop("save_every", None)
        if "origin" in self._run:
            about["origin"] = identity.completed(about.get("origin", {}), self._run["origin"])
        if about != self._run:
            raise CheckpointError(OTHER.format(path))
        try:
            self._accelerator.load_state(str(path))
        except Exception as error:
            raise CheckpointError(f"The checkpoint '{path}' is damaged; delete it to start over.") from error
        self.last = last
        return step

    def events(self, step: int) -> Any:
        """A TensorBoard writer, on the process that writes; events of steps after `step` are dropped.

        Raises:
            SetupError: tensorboard is not installed.
        """
        if not self._accelerator.is_main_process:
            return None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise SetupError("Training's curves need tensorboard: pip install 'faultfield[detector]'.") from error
        return SummaryWriter(str(self._directory / "events"), purge_step=step + 1)

    def clear(self) -> None:
        """Remove the checkpoints of a training that is over."""
        if self._accelerator.is_main_process:
            for each in self._directory.glob("checkpoint-*"):
                _remove(each)

    def _path(self, step: int) -> Path:
        return self._directory / f"checkpoint-{step:08d}"


def newest(directory: Path) -> tuple[Path, dict[str, Any]] | None:
    """The newest checkpoint in a directory and what it tells of its training; None where there is none.

    Raises:
        CheckpointError: It is damaged.
    """
    found = _all(directory)
    if not found:
        return None
    try:
        about = json.loads((found[-1] / _ABOUT).read_text(encoding="utf-8"))
        return found[-1], {**about, "step": int(about["step"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"The checkpoint '{found[-1]}' is damaged; delete it to start over.") from error


def _remove(path: Path) -> None:
    # Its note first: what a kill leaves of the rest is no checkpoint then, and not a damaged one.
    (path / _ABOUT).unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)


def _all(directory: Path) -> list[Path]:
    return sorted(path for path in directory.glob("checkpoint-*") if (path / _ABOUT).is_file())
