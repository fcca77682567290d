"""A real but tiny pocket detector, and clips that it can be shown."""

from pathlib import Path

import numpy as np

from faultfield.detector import pocket
from faultfield.detector.data import Sample
from faultfield.detector.model import ArmorModel
from faultfield.detector.views import Viewer
from faultfield.faults import collage, llava
from faultfield.faults.pictures import write_picture
from faultfield.faults.wording import question
from faultfield.rollouts.clip import Clip

SHAPE = pocket.Shape(
    hidden=32, layers=5, heads=4, key_heads=2, inner=48, vision=32, vision_layers=2, vision_heads=4, vision_inner=48,
    patch=7, merge=2,
)  # fmt: skip
VIEW = Viewer(frames=2, cell=14)
REASON = "The gripper did not close while grasping the cube."
INSTRUCTION = "Lift the cube"


def model(seed: int = 0, view: Viewer = VIEW) -> ArmorModel:
    return pocket.build([REASON, INSTRUCTION, "The robot succeeded."] * 3, SHAPE, seed, view, size=400)


def clip(seed: int, failed: bool) -> Clip:
    """Two noisy time steps of three cameras; a failure is red, a success blue."""
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 60, (3, 2, 14, 14, 3)).astype(np.uint8)
    frames[..., 0 if failed else 2] += 180
    cameras = dict(zip(("front", "wrist", "overhead"), frames, strict=True))
    return Clip(cameras, np.arange(2.0), INSTRUCTION, f"s{seed}")


def sample(seed: int, failed: bool, dense: bool) -> Sample:
    reason = (REASON if failed else "The robot succeeded.") if dense else None
    return Sample(f"s{seed}", INSTRUCTION, failed, reason, given=clip(seed, failed))


def samples(count: int = 12, dense_every: int = 3) -> list[Sample]:
    return [sample(i, i % 2 == 0, i % dense_every == 0) for i in range(count)]


def conversations(path: Path, given: list[Sample]) -> Path:
    """Write samples as a LLaVA file with collages beside it, and how many columns these have."""
    items = []
    for each in given:
        picture = path.parent / "images" / f"{each.id}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        write_picture(picture, collage.of_clip(each.clip(), columns=2, cell=14))
        items.append(llava.Conversation(each.id, question(each.instruction), each.failed, each.reason, image=picture))
    llava.write(path, items)
    (path.parent / "info.json").write_text('{"recipe": {"columns": 2}}')
    return path
