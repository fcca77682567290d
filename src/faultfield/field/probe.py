"""The probe: what the policy would do differently at stored states if the picture were a candidate's. No rollout."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faultfield.envs.base import CanObserve
from faultfield.errors import PolicyError
from faultfield.field.responses import FEATURES, features
from faultfield.files import DAMAGED, replacing
from faultfield.policies.base import Policy, infer_batch
from faultfield.rollouts.states import StateBank
from faultfield.variations import NOMINAL, Variation

__all__ = ["FEATURES", "Probe", "features"]


class Probe:
    """Asks a black-box policy for its first action at stored states, pictured under candidates.

    At every moment of the bank the same simulator state is pictured under the candidate, the policy answers all of them
    in one batch, and the answers are compared with those on the nominal picture (`features`).

    Args:
        env: Pictures stored states.
        policy: Answers; only `infer` (or `infer_batch`) is used.
        states: Moments of nominal successes.
        cache: File that keeps answers between runs.
        identity: Whose answers it keeps. A file with another identity, other states or other nominal answers is begun
            anew.
    """

    def __init__(
        self,
        env: CanObserve,
        policy: Policy,
        states: StateBank,
        *,
        cache: str | Path | None = None,
        identity: str = "",
    ) -> None:
        self._env, self._policy, self._states = env, policy, states
        self._cache = None if cache is None else Path(cache)
        self._identity = f"{identity} {states.fingerprint}"
        self.nominal = self._ask(NOMINAL)
        self.phases = states.phases
        self._answers: dict[str, NDArray[np.float32]] = self._load()

    def actions(self, variations: Sequence[Variation]) -> NDArray[np.float32]:
        """The policy's first action at every moment under each variation, float32 (n, moments, action_dim).

        Raises:
            PolicyError: The policy answers with something that is not finite.
        """
        new = {v.key: v for v in variations if not v.is_nominal and v.key not in self._answers}
        for key, variation in new.items():
            self._answers[key] = self._ask(variation)
        if new and self._cache is not None:
            self._save(self._cache)
        answers = [self.nominal if v.is_nominal else self._answers[v.key] for v in variations]
        return np.stack(answers) if answers else np.empty((0, *self.nominal.shape), dtype=np.float32)

    def features(self, variations: Sequence[Variation]) -> NDArray[np.float64]:
        """How the policy's answers differ from nominal, float64 (n, len(FEATURES)); all zeros where nothing does."""
        return features(self.nominal, self.actions(variations), self.phases)

    def _ask(self, variation: Variation) -> NDArray[np.float32]:
        observations = [self._env.observe(moment.snapshot, variation) for moment in self._states.moments]
        answers = infer_batch(self._policy, observations)
        if answers.ndim != 2 or len(answers) != len(observations) or not np.isfinite(answers).all():
            raise PolicyError(
                f"Asked about {len(observations)} pictures ({variation.text}), the policy must answer as many finite "
                f"actions; it answered an array of shape {answers.shape}."
            )
        return answers

    def _load(self) -> dict[str, NDArray[np.float32]]:
        """The cache's answers, if they are of this policy at these states."""
        if self._cache is None or not self._cache.exists():
            return {}
        try:
            with np.load(self._cache, allow_pickle=False) as file:
                if str(file["identity"]) != self._identity or not np.array_equal(file["nominal"], self.nominal):
                    return {}
                return dict(zip(file["keys"].tolist(), file["answers"], strict=True))
        except DAMAGED:
            # A cache that cannot be read is only a cache: its answers are made again.
            return {}

    def _save(self, path: Path) -> None:
        with replacing(path) as draft, draft.open("wb") as file:
            np.savez(
                file,
                identity=np.array(self._identity),
                nominal=self.nominal,
                keys=np.array(list(self._answers)),
                answers=np.stack(list(self._answers.values())),
            )
