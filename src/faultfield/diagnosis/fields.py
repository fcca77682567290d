"""Fields fitted once for all estimators that stand on them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from faultfield.diagnosis.counts import Counts
from faultfield.errors import LedgerError
from faultfield.field.config import FieldConfig
from faultfield.field.encoders import CachingEncoder, Encoder, build_encoder
from faultfield.field.model import Field, FieldData
from faultfield.field.views import Views
from faultfield.rollouts.episode import Episode
from faultfield.variations import Variation

_KEPT = 12
"""Fields in memory: those of a cross-validation and some more. A hunt fits some at every step and needs none again."""


class FieldBank:
    """Fits fields and keeps the newest, so that classifier, Gaussian process and density share one per fold.

    Known and hypothesised variations are embedded from the same view, the stored first states pictured under them: a
    field trained on one kind of picture and asked about another would know one from the other.

    Args:
        views: What can be seen of variations.
        config: Settings of the field.
        seed: Of its training.
        encoder: Use this one instead of the one that `config` names.
    """

    def __init__(self, views: Views, config: FieldConfig, seed: int = 0, encoder: Encoder | None = None) -> None:
        self.views, self.config, self.seed = views, config, seed
        self._encoder = encoder
        self._fields: dict[frozenset[tuple[str, str, str, int]], Field] = {}

    @property
    def uses_probe(self) -> bool:
        """Whether the policy's response is among the inputs."""
        return "probe" in self.config.inputs

    def encoder(self) -> Encoder:
        """What turns pictures and sentences into vectors, loaded at the first call.

        Trained together with the field it differs from fit to fit, so that its answers cannot be kept.
        """
        if self._encoder is None:
            built = build_encoder(self.config.encoder)
            self._encoder = built if self.config.train_towers else CachingEncoder(built)
        return self._encoder

    def field(self, episodes: Sequence[Episode]) -> Field:
        """The field of these episodes, fitted at the first call."""
        key = frozenset(episode.key for episode in episodes)
        if key not in self._fields:
            while len(self._fields) >= _KEPT:
                del self._fields[next(iter(self._fields))]
            self._fields[key] = Field.fit(self.data(episodes), self.config, self.seed, self.encoder())
        return self._fields[key]

    def embed(self, field: Field, variations: Sequence[Variation]) -> NDArray[np.float64]:
        """Embeddings of variations, averaged over their pictures, float64 (n, dim)."""
        probe = self.views.probe(variations) if self.uses_probe else None
        embedded = field.embed(self.views.pictures(variations), self.views.texts(variations), probe)
        return np.asarray(embedded, dtype=np.float64)

    def data(self, episodes: Sequence[Episode]) -> FieldData:
        """Episodes as the field learns from them, one row each; groups number the variations as first met."""
        variations = Counts.of(episodes).variations
        index = {variation: i for i, variation in enumerate(variations)}
        groups = np.array([index[episode.variation] for episode in episodes], dtype=np.int64)
        return FieldData(
            pictures=first_frames(episodes),
            texts=[episode.variation.text for episode in episodes],
            failed=np.array([not episode.success for episode in episodes], dtype=np.float32),
            groups=groups,
            probe=self.views.probe(variations)[groups] if self.uses_probe else None,
        )


def first_frames(episodes: Sequence[Episode]) -> NDArray[np.uint8]:
    """First picture of each episode by the first camera, uint8 (n, height, width, 3).

    Raises:
        LedgerError: An episode kept no picture.
    """
    missing = sum(not episode.initial for episode in episodes)
    if missing:
        raise LedgerError(
            f"{missing} of {len(episodes)} episodes kept no first picture; roll out with the camera switched on."
        )
    return np.stack([episode.initial[sorted(episode.initial)[0]] for episode in episodes])
