"""Pictures and what the simulator knew in them, on disk and as a vision tower's patches."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faultfield import files
from faultfield.errors import DetectorError
from faultfield.faults.generate import read_lines
from faultfield.faults.pictures import read_picture
from faultfield.faults.states import FLAGS, VALUES
from faultfield.rollouts.clip import CAMERAS


@dataclass(frozen=True)
class SightData:
    """Pictures and what the simulator knew in them.

    A picture is a collage of `rows` cameras and `columns` time steps (1 and 1 of a plain frame); what is known belongs
    to a column.

    Attributes:
        pictures: Uint8 (n, height, width, 3), all of one size.
        values: Numbers to regress, such as positions, float32 (n, columns, v); NaN where unknown or not shown.
        flags: Truths to tell, such as contact or which object, 0 or 1, float32 (n, columns, f); NaN likewise.
        value_names: Of the values.
        flag_names: Of the flags.
        rows: Cells above one another.
    """

    pictures: NDArray[np.uint8]
    values: NDArray[np.float32]
    flags: NDArray[np.float32]
    value_names: tuple[str, ...]
    flag_names: tuple[str, ...]
    rows: int = 1

    def __post_init__(self) -> None:
        n, columns = len(self.pictures), self.values.shape[1] if self.values.ndim == 3 else 0
        wanted = ((n, columns, len(self.value_names)), (n, columns, len(self.flag_names)))
        if columns < 1 or (self.values.shape, self.flags.shape) != wanted or self.pictures.ndim != 4:
            raise DetectorError(
                f"Sight needs pictures (n, height, width, 3), values (n, columns, {len(self.value_names)}) and flags "
                f"(n, columns, {len(self.flag_names)}), not {self.pictures.shape}, {self.values.shape} and "
                f"{self.flags.shape}."
            )

    @property
    def columns(self) -> int:
        """Time steps in a picture."""
        return int(self.values.shape[1])

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that change with the pictures and with what is known of them."""
        found = hashlib.sha256(repr((self.value_names, self.flag_names, self.rows, self.pictures.shape)).encode())
        for array in (self.pictures, self.values, self.flags):
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()[:16]

    def save(self, path: str | Path) -> None:
        """Write a .npz file, whole or not at all."""
        with files.replacing(path) as draft, draft.open("wb") as stream:
            np.savez(stream, **{name: np.asarray(value) for name, value in vars(self).items()})  # type: ignore[arg-type]

    @classmethod
    def of_samples(cls, directory: str | Path) -> "SightData":
        """The collages of a data set of `faultfield detector generate` that are not for testing, and their states.

        Raises:
            DetectorError: There are none, or their collages differ in shape.
            FaultError: The data set is damaged.
        """
        folder = Path(directory)
        lines = [line for line in read_lines(folder) if not line["split"].startswith("test") and line.get("states")]
        if not lines:
            raise DetectorError(f"'{folder}' holds no samples with what the simulator knew; generate them anew.")
        read = [read_picture(folder / line["image"]) for line in lines]
        if len({picture.shape for picture in read}) > 1:
            raise DetectorError(
                f"The collages of '{folder}' differ in shape, as tasks of more and fewer phases make them; eyes learn "
                "from one shape: generate them with --columns 8."
            )
        pictures = np.stack(read)
        columns = pictures.shape[2] * len(CAMERAS) // pictures.shape[1]
        known = np.full((len(lines), columns, len(VALUES) + len(FLAGS)), np.nan, np.float32)
        for row, line in enumerate(lines):
            known[row, : len(line["states"])] = np.array(line["states"], np.float32)
        values, flags = np.split(known, [len(VALUES)], axis=2)
        return cls(pictures, values, flags, VALUES, FLAGS, rows=len(CAMERAS))

    @classmethod
    def load(cls, path: str | Path) -> "SightData":
        """Read what `save` wrote, or a directory as `of_samples` does.

        Raises:
            DetectorError: The file is missing, damaged, or holds something else.
            FaultError: The data set is damaged.
        """
        if Path(path).is_dir():
            return cls.of_samples(path)
        try:
            with np.load(path, allow_pickle=False) as stored:
                names = {key: tuple(str(name) for name in stored[key]) for key in ("value_names", "flag_names")}
                return cls(
                    stored["pictures"],
                    stored["values"].astype(np.float32),
                    stored["flags"].astype(np.float32),
                    rows=int(stored["rows"]),
                    **names,
                )
        except files.DAMAGED as error:
            raise DetectorError(f"'{path}' holds no pictures with what the simulator knew.") from error


@dataclass(frozen=True)
class Patches:
    """How a Qwen2.5-VL cuts a picture up.

    Attributes:
        patch: Side of a patch, pixels.
        merge: Patches along each side of a token.
        temporal: Pictures in a patch; a still one is repeated.
        mean, deviation: Of the normalised channels.
    """

    patch: int
    merge: int
    temporal: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]

    @classmethod
    def of(cls, processor: Any) -> "Patches":
        """Those of an image processor of transformers."""
        return cls(
            processor.patch_size,
            processor.merge_size,
            processor.temporal_patch_size,
            tuple(processor.image_mean),
            tuple(processor.image_std),
        )

    def __call__(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Patches and grids of pictures, as the stock image processor makes them but all at once.

        Args:
            pictures: 0–255, any dtype, (n, height, width, 3); sides are multiples of patch × merge.

        Returns:
            Float (patches, 3 × temporal × patch²), and int64 (n, 3).

        Raises:
            DetectorError: A side that is no such multiple.
        """
        n, height, width, _ = pictures.shape
        unit = self.patch * self.merge
        if height % unit or width % unit:
            raise DetectorError(f"Pictures of {height} x {width} cannot be cut into tokens of {unit} x {unit} pixels.")
        mean, deviation = (torch.tensor(x, device=pictures.device) for x in (self.mean, self.deviation))
        x = (pictures.float() / 255.0 - mean) / deviation
        x = x.reshape(n, height // unit, self.merge, self.patch, width // unit, self.merge, self.patch, 3)
        x = x.permute(0, 1, 4, 2, 5, 7, 3, 6)[..., None, :, :].expand(*[-1] * 6, self.temporal, -1, -1)
        grid = torch.tensor([[1, height // self.patch, width // self.patch]], device=pictures.device).expand(n, 3)
        return x.reshape(n * int(grid[0].prod()), -1), grid
