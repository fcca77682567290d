"""Episodes as LLaVA conversations: a collage or a video each, and whether the robot succeeded."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from faultfield.errors import DetectorError
from faultfield.exports.recording import Recording
from faultfield.faults import collage
from faultfield.faults.llava import Conversation
from faultfield.faults.llava import write as write_conversations
from faultfield.faults.pictures import write_picture
from faultfield.faults.wording import question
from faultfield.rollouts.clip import episode_id
from faultfield.rollouts.video import write as write_video

FILE = "conversations.json"

Media = Literal["image", "video"]


def write(
    folder: Path,
    recordings: Iterable[Recording],
    instruction: str,
    *,
    media: Media = "image",
    rate: float = 20.0,
    columns: int = collage.COLUMNS,
    cell: int = collage.CELL,
    reasons: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Write `conversations.json` with its pictures or videos beside it into a folder.

    Whether an episode failed is the task's own check; a reason in words is added where one is given for a failure.

    Args:
        folder: Where to write; it is there, and empty.
        recordings: With `pictures` for images, with observed images for videos.
        instruction: What the robot was asked to do.
        media: A collage, or the video of the first observed camera.
        rate: Pictures a second of a video.
        columns: Of a collage.
        cell: Of a collage, pixels.
        reasons: Why an episode failed, by `episode_id`.

    Returns:
        Counts: `conversations`, `failed`, `reasons`.

    Raises:
        DetectorError: A recording has no picture.
    """
    items = []
    for recording in recordings:
        episode = recording.episode
        name = episode_id(episode)
        shown = folder / f"{media}s" / f"{name}.{'jpg' if media == 'image' else 'mp4'}"
        shown.parent.mkdir(parents=True, exist_ok=True)
        if not (recording.pictures if media == "image" else recording.images):
            raise DetectorError(f"The episode '{name}' has no pictures; the environment must observe or picture some.")
        if media == "image":
            write_picture(shown, collage.make(recording.pictures, columns=columns, cell=cell))
        else:
            write_video(shown, next(iter(recording.images.values())), rate)
        reason = (reasons or {}).get(name) if not episode.success else None
        asked = question(instruction, video=media == "video")
        items.append(Conversation(name, asked, not episode.success, reason, **{media: shown}))
    write_conversations(folder / FILE, items)
    return {
        "conversations": len(items), "failed": sum(bool(item.failed) for item in items),
        "reasons": sum(item.reason is not None for item in items),
    }  # fmt: skip
