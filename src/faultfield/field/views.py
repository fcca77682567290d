"""What can be known of a variation without rolling it out: its picture, its text, its values, the policy's response."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faultfield.envs.base import CanObserve, Snapshot, VariableEnv, images_of
from faultfield.errors import SetupError
from faultfield.field.probe import Probe
from faultfield.policies.base import Policy
from faultfield.rollouts.states import StateBank
from faultfield.variations import Variation, VariationSpace

_PICTURES_KEPT = 2048
"""Variations whose pictures stay in memory (at four pictures of 84² each, 170 MB); then the oldest go."""


class Views:
    """Pictures, texts, values and probe features of variations, each made once.

    Args:
        env: The environment. Without `observe(snapshot, variation)`, only texts and values are to be had.
        states: Stored states of nominal successes.
        policy: The policy under test; needed for the probe alone.
        cache: File in which the policy's answers are kept from one run to the next; in memory only when None.
        identity: Whose answers they are, for the file: fingerprints of policy and environment. A file of another
            identity is begun anew.
    """

    def __init__(
        self,
        env: VariableEnv,
        states: StateBank,
        policy: Policy | None = None,
        *,
        cache: str | Path | None = None,
        identity: str = "",
    ) -> None:
        self.space: VariationSpace = env.variation_space
        self.states = states
        self._env: CanObserve | None = env if isinstance(env, CanObserve) else None
        self._name = type(env).__name__
        self._policy, self._cache, self._identity = policy, cache, identity
        self._probe: Probe | None = None
        self._pictures: dict[str, NDArray[np.uint8]] = {}

    @property
    def can_observe(self) -> bool:
        """Whether pictures of stored states can be had."""
        return self._env is not None

    @property
    def can_probe(self) -> bool:
        """Whether the policy's response can be had."""
        return self.can_observe and self._policy is not None and len(self.states.moments) > 0

    def pictures(self, variations: Sequence[Variation]) -> NDArray[np.uint8]:
        """The stored first states pictured under each variation by the first camera: uint8 (n, k, height, width, 3).

        Raises:
            SetupError: The environment cannot picture stored states.
        """
        env = self._observing()
        return np.stack([self._pictured(env, self.visible_part(v)) for v in variations])

    def picture(self, snapshot: Snapshot, variation: Variation) -> NDArray[np.uint8]:
        """One stored state pictured under a variation by the first camera: uint8 (height, width, 3).

        Raises:
            SetupError: The environment cannot picture stored states.
        """
        images = images_of(self._observing().observe(snapshot, variation))
        if not images:
            raise SetupError(f"{self._name} gives no pictures; build it with its camera switched on.")
        return images[sorted(images)[0]]

    def texts(self, variations: Sequence[Variation]) -> list[str]:
        """Each variation in English."""
        return [variation.text for variation in variations]

    def values(self, variations: Sequence[Variation]) -> NDArray[np.float64]:
        """Each variation's factor values as numbers: float64 (n, d), as `VariationSpace.encode_many`."""
        return self.space.encode_many(variations)

    def probe(self, variations: Sequence[Variation]) -> NDArray[np.float64]:
        """What the policy would do differently: float64 (n, f), one column for each of `field.probe.FEATURES`.

        Raises:
            SetupError: The environment cannot picture stored states, or no policy was given.
        """
        return self.response().features([self.visible_part(v) for v in variations])

    def response(self) -> Probe:
        """The probe itself, for whoever needs more of it than its features.

        Raises:
            SetupError: The environment cannot picture stored states, or no policy was given.
        """
        if self._probe is None:
            env = self._observing()
            if self._policy is None:
                raise SetupError("The probe asks the policy what it would do; give Views a policy.")
            self._probe = Probe(env, self._policy, self.states, cache=self._cache, identity=self._identity)
        return self._probe

    def visible_part(self, variation: Variation) -> Variation:
        """The variation without its factors that no picture shows."""
        seen = {name: value for name, value in variation.items() if self.space.factor(name).visible}
        return variation if len(seen) == len(variation) else self.space.variation(seen)

    def hidden(self, variations: Sequence[Variation]) -> NDArray[np.bool_]:
        """Whether each variation changes something that no picture shows (friction, mass), shape (n,)."""
        return np.array([any(not self.space.factor(name).visible for name in v) for v in variations], dtype=bool)

    def _observing(self) -> CanObserve:
        if self._env is None:
            raise SetupError(
                f"{self._name} has no observe(snapshot, variation), so there are no pictures of variations never "
                "tried; use estimators on texts or values."
            )
        return self._env

    def _pictured(self, env: CanObserve, variation: Variation) -> NDArray[np.uint8]:
        if variation.key not in self._pictures:
            if len(self._pictures) >= _PICTURES_KEPT:
                del self._pictures[next(iter(self._pictures))]
            shots = [self.picture(snapshot, variation) for snapshot in self.states.initial]
            self._pictures[variation.key] = np.stack(shots)
        return self._pictures[variation.key]
