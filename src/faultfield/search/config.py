"""What a search in the field is told: the reward's constants, the horizon, the learning algorithm's settings."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from faultfield.errors import StudyError

Algorithm = Literal["ppo", "a2c", "sac"]
Outcome = Literal["sample", "expected", "label"]

_NET = (128, 256, 128)


@dataclass(frozen=True)
class PpoSettings:
    """Proximal policy optimisation (Schulman et al. 2017; the values that RoboMD, D.1, gives, where it gives them).

    Attributes:
        learning_rate: Of Adam.
        clip: Half-width of the probability ratio's clipping range.
        epochs: Passes over each rollout, at most.
        max_kl: Passes end early once the policy has moved by half as much again as this many nats. Actions of 512
            dimensions get there in two or three passes, and the rest would be spent on clipped gradients.
        batch: Samples per gradient step; the paper has 64, which takes longer and learns no more.
        net: Units of the hidden layers, of the policy and of the critic, which share none.
        envs: Environments in parallel.
        rollout: Steps of each environment between updates. Short: where an episode ends after a step or two, little is
            gained by looking far, and much by updating often.
        entropy: Coefficient of the entropy bonus, which keeps the density from collapsing onto one failure.
        gae_lambda: Of generalised advantage estimation.
        log_std: Where the logarithm of the standard deviation starts; 0 is the spread of the known embeddings.
    """

    learning_rate: float = 3e-4
    clip: float = 0.2
    epochs: int = 10
    max_kl: float | None = 0.1
    batch: int = 128
    net: tuple[int, ...] = _NET
    envs: int = 128
    rollout: int = 8
    entropy: float = 0.0
    gae_lambda: float = 0.95
    log_std: float = 0.0


@dataclass(frozen=True)
class A2cSettings:
    """Advantage actor-critic (Mnih et al. 2016), an update per 64 samples as in RoboMD, D.1.

    The paper also lists ε-greedy exploration and a replay buffer; an on-policy algorithm with a Gaussian policy has
    neither.

    Attributes:
        learning_rate: Of RMSprop.
        net: Units of the hidden layers, of the policy and of the critic.
        envs: Environments in parallel.
        rollout: Steps of each environment per update; `envs * rollout` is the batch.
        entropy: Coefficient of the entropy bonus.
        log_std: Where the logarithm of the standard deviation starts.
    """

    learning_rate: float = 2.5e-4
    net: tuple[int, ...] = _NET
    envs: int = 16
    rollout: int = 4
    entropy: float = 0.0
    log_std: float = 0.0


@dataclass(frozen=True)
class SacSettings:
    """Soft actor-critic (Haarnoja et al. 2018), target entropy −dim(A), as in RoboMD, D.1.

    Attributes:
        learning_rate: Of Adam, for actor, critics and temperature.
        batch: Samples per gradient step.
        net: Units of the hidden layers, of the actor and of both critics.
        envs: Environments in parallel; one gradient step per array step.
        buffer: Transitions kept. The paper keeps a million, which no run of 200,000 steps fills; at 6 KB a transition
            of 512 numbers this stays below 0.4 GB.
        warmup: Random steps before learning.
        temperature: Where the entropy's weight starts; it is adapted from there. The library's 1 makes the entropy of
            512 dimensions worth more than any failure, and as a failure ends the episode, failures are then avoided.
    """

    learning_rate: float = 1e-3
    batch: int = 128
    net: tuple[int, ...] = _NET
    envs: int = 128
    buffer: int = 50_000
    warmup: int = 2_000
    temperature: float = 1e-5


@dataclass(frozen=True)
class SearchConfig:
    """How the diagnostic policy learns.

    Attributes:
        algorithm: `ppo`, `a2c` or `sac`.
        steps: Virtual steps to train for (rounded up to whole rollouts).
        envs: Environments in parallel; None for the algorithm's own number.
        horizon: Steps after which an episode without failure ends. It also divides K_success: over a long horizon a
            success costs next to nothing, and a policy learns to fail from successes only, which are all that it
            walks through, and not from where it starts.
        discount: γ, 0–1.
        failure_reward: K_failure of Eq. 2.
        success_cost: K_success of Eq. 2.
        repeat_penalty: k of Eq. 2, per consecutive repeat of a known embedding.
        repeat_limit: Consecutive repeats counted at most, so that one stuck environment cannot swamp a batch.
        uncertainty_bonus: β of Theorem 2, per nat of the failure probability's entropy.
        shaping: Add the potential's difference to the reward (RoboMD, 3.5).
        outcome: Whether a step failed: drawn from the empirical failure rate (`sample`), likewise but rewarded with
            the mean over that draw (`expected`: the same expected return, less noise), or the majority (`label`).
        margin: How far actions may leave the box of the known embeddings, as a share of its width.
        ppo, a2c, sac: Settings of each algorithm.

    Raises:
        StudyError: A value out of range.
    """

    algorithm: Algorithm = "ppo"
    steps: int = 200_000
    envs: int | None = None
    horizon: int = 5
    discount: float = 0.99
    failure_reward: float = 100.0
    success_cost: float = 100.0
    repeat_penalty: float = 5.0
    repeat_limit: int = 20
    uncertainty_bonus: float = 0.0
    shaping: bool = False
    outcome: Outcome = "sample"
    margin: float = 0.1
    ppo: PpoSettings = field(default_factory=PpoSettings)
    a2c: A2cSettings = field(default_factory=A2cSettings)
    sac: SacSettings = field(default_factory=SacSettings)

    def __post_init__(self) -> None:
        if self.algorithm not in ("ppo", "a2c", "sac"):
            raise StudyError(f"The search algorithm is ppo, a2c or sac, not '{self.algorithm}'.")
        if self.outcome not in ("sample", "expected", "label"):
            raise StudyError(f"The search's outcome is sample, expected or label, not '{self.outcome}'.")
        if min(self.steps, self.horizon, self.width) < 1:
            raise StudyError("The search's steps, horizon and envs must be at least 1.")
        for settings in (self, self.ppo, self.a2c, self.sac):
            _check_numbers(vars(settings))
        if self.algorithm == "ppo" and self.width * self.ppo.rollout < 2:
            raise StudyError(
                "The search's envs and ppo's rollout must not both be 1: advantages of one step have no scale."
            )
        if not 0.0 <= self.discount <= 1.0:
            raise StudyError(f"The search's discount must lie in 0–1, not {self.discount:g}.")
        if self.failure_reward <= 0.0:
            raise StudyError(f"The search's failure_reward must be positive, not {self.failure_reward:g}.")
        for name in ("success_cost", "repeat_penalty", "repeat_limit", "uncertainty_bonus", "margin"):
            if getattr(self, name) < 0.0:
                raise StudyError(f"The search's {name} must not be negative, not {getattr(self, name):g}.")

    @property
    def width(self) -> int:
        """Environments in parallel, once the algorithm's own number stands in for None."""
        own = {"ppo": self.ppo.envs, "a2c": self.a2c.envs, "sac": self.sac.envs}
        return self.envs if self.envs is not None else own[self.algorithm]


_LEAST = {"batch": 2, "envs": 1, "rollout": 1, "epochs": 1, "buffer": 1}
_POSITIVE = ("learning_rate", "clip", "max_kl", "temperature")


def _check_numbers(settings: Mapping[str, object]) -> None:
    for name, value in settings.items():
        numbers = [each for each in (value if isinstance(value, tuple) else (value,)) if isinstance(each, int | float)]
        if not all(map(math.isfinite, numbers)):
            raise StudyError(f"The search's {name} must be finite, not {value}.")
        least = 1 if name == "net" else _LEAST.get(name)
        if least is not None and any(number < least for number in numbers):
            raise StudyError(f"The search's {name} must be at least {least}, not {value}.")
        if name in _POSITIVE and any(number <= 0 for number in numbers):
            raise StudyError(f"The search's {name} must be positive, not {value}.")
        if name == "gae_lambda" and not all(0 <= number <= 1 for number in numbers):
            raise StudyError(f"The search's {name} must lie in 0–1, not {value}.")
