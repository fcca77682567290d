"""Guesses of how an answer goes on, so that many tokens can be read at once and only be confirmed.

Whatever is guessed, the answer is the one that its uniform numbers decide; a good guess only saves time.
"""

import math
from collections.abc import Iterable, Sequence

_LOOK_BACK = 3
"""Last tokens by which an answer that left its draft is found in it again."""


_PAYS = 0.1
_LATELY = 512
"""Guessed tokens by which the next ones are judged, or so."""

_TRUST = 16.0
"""Right ones that are taken for granted at first."""


class Drafts:
    """Answers given before, the commonest first.

    Args:
        known: Token ids of answers that are likely, without their end.
        most: How many are remembered; the rarest is forgotten first.
    """

    def __init__(self, known: Iterable[Sequence[int]] = (), most: int = 256) -> None:
        self._counts: dict[tuple[int, ...], int] = {}
        self._right, self._wrong = _TRUST, 0.0
        self._most = most
        for each in known:
            self.learn(each)

    @property
    def reach(self) -> int:
        """How many guessed tokens are worth reading ahead.

        One costs about a tenth of the pass that it may save, so it pays as long as all up to it are right with a
        probability of a tenth.
        """
        return int(math.log(_PAYS) / math.log((self._right + 0.5) / (self._right + self._wrong + 1)))

    def count(self, right: bool) -> None:
        """Take note of how a guessed token turned out."""
        self._right, self._wrong = self._right + right, self._wrong + (not right)
        if self._right + self._wrong > _LATELY:
            self._right, self._wrong = self._right / 2, self._wrong / 2

    def learn(self, answer: Sequence[int]) -> None:
        """Remember an answer."""
        key = tuple(answer)
        # Last among equals: what was said lately is likelier than what was said once.
        self._counts[key] = self._counts.pop(key, 0) + 1
        if len(self._counts) > self._most:
            del self._counts[min(self._counts, key=self._counts.__getitem__)]

    def after(self, said: Sequence[int], before: Sequence[int] = ()) -> tuple[int, ...]:
        """A guess of what follows.

        Args:
            said: The answer so far.
            before: The answer of the round before.

        Returns:
            Token ids, without the end; none where there is no guess.

        Example:
            >>> Drafts([(1, 2, 3)]).after((1,)), Drafts().after((1, 9, 3), before=(1, 2, 3, 4))
            ((2, 3), (4,))
        """
        start, size = tuple(said), len(said)
        if tuple(before[:size]) == start and len(before) > size:
            return tuple(before[size:])
        alike = [known for known in self._counts if known[:size] == start and len(known) > size]
        if alike:
            return max(reversed(alike), key=self._counts.__getitem__)[size:]
        return _realigned(start, tuple(before)) if before and said else ()


def _realigned(said: tuple[int, ...], before: tuple[int, ...]) -> tuple[int, ...]:
    """What follows in `before` where it agrees best with the end of `said`, near the same place."""

    def agreement(place: int) -> tuple[int, int]:
        alike = 0
        while alike < min(_LOOK_BACK, place, len(said)) and before[place - 1 - alike] == said[-1 - alike]:
            alike += 1
        return alike, -abs(place - len(said))

    place = max(range(len(before) + 1), key=agreement)
    return before[place:]
