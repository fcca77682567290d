"""The field: an embedding of episodes in which distance means difference in outcome, with its potential."""

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from faultfield import files
from faultfield.errors import CheckpointError, FieldError
from faultfield.field.config import FieldConfig
from faultfield.field.encoders import CachingEncoder, Encoder, TowerEncoder, build_encoder, check_pictures
from faultfield.field.network import FieldNetwork
from faultfield.field.training import Labels, TrainingLog, train

_FORMAT = "faultfield.field/1"
_CHUNK = 4096


@dataclass(frozen=True)
class FieldData:
    """One row an episode.

    Attributes:
        pictures: First frames, uint8 (n, height, width, 3).
        texts: The variation in words, length n.
        failed: Float32 (n,), 1 where the episode failed.
        groups: Int64 (n,), index of the episode's variation.
        probe: Float (n, f), the probe's features of its variation; None where there is no probe.
    """

    pictures: NDArray[np.uint8]
    texts: Sequence[str]
    failed: NDArray[np.float32]
    groups: NDArray[np.int64]
    probe: NDArray[np.floating[Any]] | None = None

    def __post_init__(self) -> None:
        check_pictures(self.pictures, ndim=4)
        lengths = {"pictures": len(self.pictures), "texts": len(self.texts), "failed": len(self.failed),
                   "groups": len(self.groups)}  # fmt: skip
        if self.probe is not None:
            lengths["probe"] = len(self.probe)
        if len(set(lengths.values())) != 1 or not lengths["pictures"]:
            raise FieldError(f"A field is fitted to one row an episode and at least one episode, not {lengths}.")

    def __len__(self) -> int:
        return len(self.pictures)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> "FieldData":
        """The rows that indices or a mask point at."""
        kept = np.arange(len(self))[rows]
        probe = None if self.probe is None else self.probe[kept]
        return FieldData(
            self.pictures[kept], [self.texts[i] for i in kept], self.failed[kept], self.groups[kept], probe
        )


class Field:
    """Embeds what is known before the robot moves, and says at every point how likely a failure is (RoboMD, 3.2).

    Args:
        encoder: Pictures and sentences to vectors.
        network: Vectors to the embedding and the potential.
        config: What it was fitted with.
        log: What the fit did.
    """

    def __init__(
        self, encoder: Encoder, network: FieldNetwork, config: FieldConfig, log: TrainingLog | None = None
    ) -> None:
        self.encoder = encoder
        self.config = config
        self.log = log
        self._network = network.eval()

    @classmethod
    def fit(
        cls, data: FieldData, config: FieldConfig | None = None, seed: int = 0, encoder: Encoder | None = None
    ) -> "Field":
        """Fit a field to episodes of known variations.

        Args:
            data: The episodes.
            config: Settings; the defaults when None.
            seed: Of initial weights, batches and dropout; the same seed gives the same field.
            encoder: Use this one instead of the one that `config` names, for instance a `CachingEncoder`.

        Raises:
            FieldError: The probe is an input and the data has none, or the outcomes are not in 0–1.
            SetupError: The encoder needs a package that is not installed.
            CheckpointError: The encoder's weights are missing.
        """
        config = config or FieldConfig()
        if not np.isin(data.failed, (0.0, 1.0)).all():
            raise FieldError("The outcomes of a field's episodes must be 0 (success) or 1 (failure).")
        encoder = build_encoder(config.encoder) if encoder is None else encoder
        if config.train_towers:
            encoder = _trainable(encoder)
        rows = _encode(encoder, config, data.pictures, data.texts, data.probe)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = FieldNetwork({name: x.shape[1] for name, x in rows.items()}, config.dim, config.dropout)
        network.fit_scales(rows)
        labels = Labels(
            torch.from_numpy(data.failed.astype(np.float32)), torch.from_numpy(data.groups.astype(np.int64))
        )
        tensors = {name: torch.from_numpy(x) for name, x in rows.items()}
        if config.train_towers:
            assert isinstance(encoder, TowerEncoder)
            features = _through_towers(encoder, data, tensors)
            towers = [p for tower in (encoder.vision, encoder.text) for p in tower.parameters()]
            log = train(network, features, labels, config, seed, extra=towers)
        else:
            log = train(network, lambda batch: {n: x[batch] for n, x in tensors.items()}, labels, config, seed)
        return cls(encoder, network, config, log)

    def embed(
        self,
        pictures: NDArray[np.uint8],
        texts: Sequence[str],
        probe: NDArray[np.floating[Any]] | None = None,
    ) -> NDArray[np.float32]:
        """Where variations lie in the field, float32 (n, dim): the mean over their pictures.

        Args:
            pictures: uint8 (n, k, height, width, 3), k initial states pictured under each variation.
            texts: The variations in words, length n.
            probe: (n, f), where the field was fitted with it.

        Raises:
            FieldError: Lengths or shapes do not fit, or the probe's features are missing.
        """
        check_pictures(pictures, ndim=5)
        n, k = pictures.shape[:2]
        if len(texts) != n or k == 0 or (probe is not None and len(probe) != n):
            raise FieldError(f"{n} variations with {k} pictures each came with {len(texts)} texts; each "
                             "has one text and at least one picture.")  # fmt: skip
        flat = pictures.reshape(n * k, *pictures.shape[2:])
        repeated = None if probe is None else np.repeat(probe, k, axis=0)
        rows = _encode(self.encoder, self.config, flat, [text for text in texts for _ in range(k)], repeated)
        self._check_widths(rows)
        parts = [np.empty((0, self.config.dim), dtype=np.float32)]
        with torch.inference_mode():
            for start in range(0, n * k, _CHUNK):
                chunk = {name: torch.from_numpy(x[start : start + _CHUNK]) for name, x in rows.items()}
                parts.append(self._network.embed(chunk).numpy())
        return np.asarray(np.concatenate(parts).reshape(n, k, self.config.dim).mean(axis=1), dtype=np.float32)

    def potential(self, embeddings: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Failure logits, float64 (n,), at points (n, dim) of the field.

        Raises:
            FieldError: The points have another length.
        """
        if embeddings.ndim != 2 or embeddings.shape[1] != self.config.dim:
            raise FieldError(f"Points of this field have shape (n, {self.config.dim}), not {embeddings.shape}.")
        with torch.inference_mode():
            logits = self._network.potential(torch.from_numpy(np.ascontiguousarray(embeddings, dtype=np.float32)))
        return logits.numpy().astype(np.float64)

    def save(self, directory: str | Path) -> None:
        """Write `field.safetensors` and `field.json` into `directory`, each whole or not at all."""
        directory = Path(directory)
        tensors = {f"network.{key}": value for key, value in self._network.state_dict().items()}
        if self.config.train_towers:
            assert isinstance(self.encoder, TowerEncoder)
            for part, tower in (("vision", self.encoder.vision), ("text", self.encoder.text)):
                tensors |= {f"{part}.{key}": value for key, value in tower.state_dict().items()}
        content = {
            "format": _FORMAT,
            "config": self.config.model_dump(mode="json"),
            "widths": {name: layer.in_features for name, layer in self._network.project.items()},
            "encoder": {"name": self.encoder.name, "fingerprint": self.encoder.fingerprint},
        }
        files.write_bytes(
            directory / "field.safetensors", save({k: v.contiguous().clone() for k, v in tensors.items()})
        )
        files.write_text(directory / "field.json", json.dumps(content, indent=2) + "\n")

    @classmethod
    def load(cls, directory: str | Path, encoder: Encoder | None = None) -> "Field":
        """Read what `save` wrote.

        Args:
            directory: Where it was saved.
            encoder: Use this one instead of building the one that was used.

        Raises:
            CheckpointError: Missing, foreign or damaged files, or an encoder with other weights.
        """
        directory = Path(directory)
        try:
            content = json.loads((directory / "field.json").read_text(encoding="utf-8"))
            tensors = load_file(directory / "field.safetensors")
            if content["format"] != _FORMAT:
                raise CheckpointError(f"{directory / 'field.json'} has format '{content['format']}', not '{_FORMAT}'.")
            config = FieldConfig.model_validate(content["config"])
            network = FieldNetwork(content["widths"], config.dim, config.dropout)
            wanted = content["encoder"]["fingerprint"]
        except FileNotFoundError as error:
            raise CheckpointError(
                f"There is no field in {directory}: {Path(error.filename).name} is missing."
            ) from None
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise CheckpointError(
                f"{directory} holds no field of Faultfield's, or a damaged one ({_first_line(error)}); "
                "delete it and fit again."
            ) from error
        encoder = build_encoder(config.encoder) if encoder is None else encoder
        modules: dict[str, torch.nn.Module] = {"network": network}
        if config.train_towers and isinstance(encoder, TowerEncoder):
            modules |= {"vision": encoder.vision, "text": encoder.text}
        for part, module in modules.items():
            state = {k.removeprefix(f"{part}."): v for k, v in tensors.items() if k.startswith(f"{part}.")}
            try:
                module.load_state_dict(state)
            except RuntimeError as error:
                raise CheckpointError(
                    f"The weights in {directory} do not fit their configuration; delete it and fit again."
                ) from error
        if encoder.fingerprint != wanted:
            raise CheckpointError(f"The field in {directory} was fitted on another encoder ({wanted}) than "
                                  f"'{encoder.name}' ({encoder.fingerprint}); delete it and fit again.")  # fmt: skip
        return cls(encoder, network, config)

    def _check_widths(self, rows: Mapping[str, NDArray[np.float32]]) -> None:
        for name, layer in self._network.project.items():
            if rows[name].shape[1] != layer.in_features:
                raise FieldError(f"The field takes {layer.in_features} {name} features, not {rows[name].shape[1]}.")


def _encode(
    encoder: Encoder,
    config: FieldConfig,
    pictures: NDArray[np.uint8],
    texts: Sequence[str],
    probe: NDArray[np.floating[Any]] | None,
) -> dict[str, NDArray[np.float32]]:
    rows: dict[str, NDArray[np.float32]] = {}
    if "vision" in config.inputs:
        rows["vision"] = encoder.encode_pictures(pictures)
    if "text" in config.inputs:
        rows["text"] = encoder.encode_texts(texts)
    if "probe" in config.inputs:
        if probe is None:
            raise FieldError("The field's inputs include the probe, and no probe features were given.")
        rows["probe"] = np.ascontiguousarray(probe, dtype=np.float32)
    return rows


def _trainable(encoder: Encoder) -> TowerEncoder:
    """A copy of the encoder whose towers may be trained; what a cache remembers would be wrong after a step."""
    inner = encoder.inner if isinstance(encoder, CachingEncoder) else encoder
    if not isinstance(inner, TowerEncoder):
        raise FieldError(f"The towers of a {type(inner).__name__} cannot be trained; it has none.")
    return copy.deepcopy(inner)


def _through_towers(
    encoder: TowerEncoder, data: FieldData, tensors: Mapping[str, Tensor]
) -> Callable[[Tensor], dict[str, Tensor]]:
    """Features that carry gradients into the towers (which stay in evaluation mode: their statistics are kept)."""

    def features(batch: Tensor) -> dict[str, Tensor]:
        rows: dict[str, Tensor] = {}
        if "vision" in tensors:
            rows["vision"] = encoder.vision(torch.from_numpy(data.pictures[batch.numpy()]))
        if "text" in tensors:
            rows["text"] = encoder.text(**encoder.text.tokenize([data.texts[i] for i in batch.tolist()]))
        if "probe" in tensors:
            rows["probe"] = tensors["probe"][batch]
        return rows

    return features


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
