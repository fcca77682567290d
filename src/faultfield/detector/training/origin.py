"""What a training began from, by content: the model, and what taught it to see."""

from collections.abc import Mapping
from pathlib import Path

from faultfield.detector import checkpoint
from faultfield.detector.training import checkpoints, identity
from faultfield.detector.training.sight import SightConfig
from faultfield.detector.training.sight_data import SightData
from faultfield.errors import CheckpointError


def origin_of(model: str, sight: str | Path | None, eyes: SightConfig) -> dict[str, str | None]:
    """What `run.train` takes as the origin of a training.

    Args:
        model: As `run.begin` takes it.
        sight: As `open_eyes` takes it; None where nothing teaches it to see.
        eyes: How it is taught.

    Raises:
        DetectorError: Pictures that cannot be learned from.
        CheckpointError: The settings of a detector are damaged.
    """
    folder = Path(model)
    known = (folder / checkpoint.SETTINGS).is_file() or (model != "pocket" and folder.is_dir())
    found = {"model": model, "begun_from": identity.weights(folder) if known else None, "sight": None}
    if sight is None:
        return found
    if checkpoint.viewer_of(str(sight)) is not None:
        return found | {"sight": str(sight), "seen": identity.weights(Path(sight))}
    return found | {"sight": str(sight), "seen": SightData.load(sight).digest, "eyes": repr(eyes)}


def check(work: Path, origin: Mapping[str, str | None]) -> None:
    """See that what a killed training has learned began alike, before hours are spent on eyes for it.

    Args:
        work: Where its checkpoints lie.
        origin: Of what goes on.

    Raises:
        CheckpointError: It began otherwise, or its checkpoint is damaged.
    """
    newest = checkpoints.newest(work)
    if newest is None:
        return
    path, about = newest
    if identity.completed(about.get("origin", {}), origin) != origin:
        raise CheckpointError(checkpoints.OTHER.format(path))
