"""Proposals that differ from all before, as long as the space has any left."""

from collections.abc import Callable

from faultfield.variations import Variation

_PATIENCE = 50


class Fresh:
    """Remembers what was proposed and passes on only what was not.

    Args:
        draw: Gives some variations, new ones each time.
    """

    def __init__(self, draw: Callable[[int], list[Variation]]) -> None:
        self._draw = draw
        self._seen: set[Variation] = set()

    def take(self, count: int) -> list[Variation]:
        """`count` variations, none proposed before.

        A space may hold fewer: after fifty draws that brought nothing new, repeats fill the rest.
        """
        taken: list[Variation] = []
        barren = 0
        while len(taken) < count:
            drawn = self._draw(count - len(taken))
            new = [v for v in dict.fromkeys(drawn) if v not in self._seen] if barren < _PATIENCE else drawn
            barren = 0 if new else barren + 1
            self._seen.update(new)
            taken.extend(new)
        return taken
