"""Where to look next: ask for variations, tell what they gave. The loop stays the caller's, as in pyribs."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from faultfield.rollouts.episode import Episode
from faultfield.variations import Variation, VariationSpace


class Strategy(ABC):
    """Proposes variations to roll out and learns from the episodes.

    Args:
        space: Every proposal lies in it.
        seed: Of all randomness.
    """

    def __init__(self, space: VariationSpace, seed: int = 0) -> None:
        self.space = space
        self.seed = seed

    @abstractmethod
    def ask(self, count: int) -> list[Variation]:
        """`count` variations to roll out next."""

    @abstractmethod
    def tell(self, episodes: Sequence[Episode]) -> None:
        """What rolling out gave, proposals or not."""

    def disregard(self, variations: Sequence[Variation]) -> None:  # noqa: B027 - nobody has to make anything of it
        """Failures that were told of these are no weakness of the policy: nobody can do the task under them."""
