"""What a training was on, in digits that change with it: words, and the pictures themselves."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from faultfield.detector import checkpoint
from faultfield.detector.data import Sample
from faultfield.detector.views import Viewer
from faultfield.errors import DetectorError
from faultfield.rollouts.clip import Clip


def words(samples: Sequence[Sample], viewer: Viewer) -> str:
    """Sixteen hexadecimal digits that change with what is asked, learned, and how it is shown."""
    told = [(sample.id, sample.instruction, sample.failed, sample.reason) for sample in samples]
    return hashlib.sha256(repr((told, viewer)).encode()).hexdigest()[:16]


def pictures(samples: Sequence[Sample]) -> str:
    """Sixteen hexadecimal digits that change with what is seen; where its files lie changes nothing.

    Raises:
        DetectorError: A picture or video cannot be read.
    """
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(repr((sample.columns, sample.least)).encode())
        digest.update(_of_clip(sample.given) if sample.given is not None else _of_file(sample.video or sample.image))
    return digest.hexdigest()[:16]


def same(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether what is written down of a training is of this one.

    Trainings of before did not tell all of it: `store` stood in `origin`, and pictures were not told.
    What was not told is taken to be the same. How often it was saved is told and decides nothing.

    Args:
        found: As it was written.
        wanted: This one, as JSON gives it back.
    """
    origin = dict(found.get("origin", {}))
    told = {**found, "store": found.get("store", origin.pop("store", None))}
    told.setdefault("pictures", wanted.get("pictures"))
    told["origin"] = completed(origin, wanted["origin"])
    told["config"] = {**told.get("config", {}), "save_every": wanted["config"]["save_every"]}
    return all(told.get(key) == value for key, value in wanted.items())


def completed(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What is written down of the origin of a training, as it is written now.

    Trainings of before told of a model and of sight by their places alone, and of eyes how often they were saved.

    Args:
        found: As it was written.
        wanted: Whence what was not told is taken.
    """
    origin = {**{name: wanted[name] for name in ("begun_from", "seen", "eyes") if name in wanted}, **found}
    if origin.get("eyes"):
        origin["eyes"] = re.sub(r", save_every=\d+", "", origin["eyes"])
    return origin


def weights(folder: Path) -> str:
    """Sixteen hexadecimal digits of a model's folder: weights, words and settings, not how it was trained."""
    digest = hashlib.sha256()
    for file in checkpoint.contents(folder):
        if file.name != "training.json":
            digest.update(f"\0{file.name}\0".encode() + _of_file(file))
    return digest.hexdigest()[:16]


def _of_clip(clip: Clip) -> bytes:
    digest = hashlib.sha256(repr([(name, each.shape) for name, each in clip.frames.items()]).encode())
    for each in clip.frames.values():
        digest.update(each.tobytes())
    digest.update(clip.times.tobytes())
    return digest.digest()


def _of_file(path: Path | None) -> bytes:
    if path is None:
        return b"nothing"
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except OSError as error:
        raise DetectorError(f"There is no picture or video '{path}' that can be read.") from error
