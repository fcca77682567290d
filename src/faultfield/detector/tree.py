"""What a batch of clips was told so far, every token read once: openings, and the tree of all that followed them.

Two prompts of M samples over T rounds continue one opening. Laid out as the branches of a tree in one row a clip, with
a mask by which a token sees the opening and its own branch alone, they share the opening's keys and values without a
copy, share every beginning that they have in common, and cost nothing when they come up again.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from faultfield.detector import decoder
from faultfield.detector.model import ArmorModel, causal
from faultfield.detector.opening import Opening
from faultfield.detector.sampling import Choices

ROOT = -1
"""Stands for the end of the opening where a node is asked for."""


class Tree:
    """Openings, read, and their continuations.

    Ask for paths and verdicts, then `read` computes all that was asked for in one pass. A node is a token behind a
    certain beginning, named by the column in which its keys lie.

    Args:
        model: In evaluation mode: gradient checkpointing would drop the cache.
        openings: One a row.
        temperature: Of draws behind nodes.
        deep: Whether all layers are run; without, only verdicts can be asked for.

    Attributes:
        guesses: What the eyes alone make of each opening, in their order; None of a model whose eyes judge nothing.
    """

    def __init__(
        self, model: ArmorModel, openings: Sequence[Opening], temperature: float = 1.0, deep: bool = True
    ) -> None:
        self._model, self._temperature, self._deep = model, temperature, deep
        self._next = [each.next for each in openings]
        self._rows = [_Row() for _ in openings]
        ids, positions, counts, pictures = (each.to(model.device) for each in _side_by_side(openings))
        self._store = _Store()
        self._above: NDArray[np.bool_] = np.zeros((len(openings), 0, 0), bool)
        self._opening = counts.cpu().numpy()
        with torch.no_grad():
            tokens = model.see(openings)
            hidden = model.embed(ids, pictures, tokens)
        self.guesses = model.guess(tokens)
        # Read together with the first prompts: the weights are gone through once less.
        self._unread: tuple[Tensor, Tensor, Tensor] | None = (hidden, positions, causal(counts))
        self._features: list[Tensor] = []
        self.length = ids.shape[1]

    @property
    def memory(self) -> int:
        """Bytes of all that is kept: keys, values, features, logits, and who may look at whom."""
        answers = {id(each): each.logits for row in self._rows for each, _ in row.choices.values()}
        kept = [*self._store.tensors(), *self._features, *answers.values()]
        return sum(each.numel() * each.element_size() for each in kept) + self._above.nbytes

    def path(self, row: int, after: int, tokens: Sequence[int], loud: int = 0) -> int:
        """The node at the end of a path; what is new of it is read by the next `read`.

        Args:
            row: Of the openings.
            after: Node that the path continues, or `ROOT`.
            tokens: Along the path.
            loud: For how many of its last nodes next-token logits are wanted.
        """
        found, node = self._rows[row], after
        for place, token in enumerate(tokens):
            child = found.children.get((node, token))
            speaks = place >= len(tokens) - loud
            # The hidden state of a node that was read without its logits is gone: it is read again.
            if child is None or (speaks and child < self.length and child not in found.choices):
                child = self.length + len(found.fresh)
                found.children[node, token] = child
                found.depths[child] = found.depth(node) + 1
                found.fresh.append((node, token))
            if speaks and child not in found.choices:
                found.loud.setdefault(child)
            node = child
        return node

    def child(self, row: int, node: int, token: int) -> int | None:
        """The node of `token` behind `node`, if it has logits."""
        child = self._rows[row].children.get((node, token))
        return child if child in self._rows[row].choices else None

    def verdict(self, row: int, after: int, tokens: Sequence[int]) -> int:
        """Ask for the head's logits behind a path; the index of the answer that the next `read` gives.

        Its tokens go through the early layers only and are forgotten.

        Args:
            row: Of the openings.
            after: Node that the tokens continue, or `ROOT`; it may be as new as they are.
            tokens: The rest of the detection prompt, at least one.
        """
        asked = self._rows[row].asked
        asked.append((after, tuple(tokens), sum(len(each.asked) for each in self._rows)))
        return asked[-1][2]

    def choices(self, row: int, node: int) -> tuple[Choices, int]:
        """The next-token distribution behind a node that has logits, and its place among those read with it."""
        return self._rows[row].choices[node]

    @torch.no_grad()
    def read(self) -> Tensor:
        """Compute all that was asked for; the head's logits (verdicts, 2) in the order of asking."""
        wide = max(len(row.fresh) for row in self._rows)
        tails = max(sum(len(tokens) for _, tokens, _ in row.asked) for row in self._rows)
        if wide + tails == 0:
            return torch.zeros(0, 2, device=self._model.device)
        base, device, model = self.length, self._model.device, self._model
        ids, positions, mask = self._lay(wide, tails)
        hidden = model.embed(torch.from_numpy(ids).to(device))
        where = torch.from_numpy(positions).to(device).expand(3, -1, -1)
        look = torch.from_numpy(mask)[:, None].to(device)
        ahead = 0
        if self._unread is not None:
            opening, places, sees = self._unread
            ahead, self._unread = opening.shape[1], None
            hidden, where = torch.cat([opening, hidden], dim=1), torch.cat([places, where], dim=2)
            look = torch.cat([nn.functional.pad(sees, (0, wide + tails)), look], dim=2)
        hidden, total = decoder.run(model.text, hidden, where, look, slice(0, model.early), self._store)
        features = model.head.project(total / model.early)
        verdicts = self._judge(mask, wide, features)
        self._features.append(features[:, : ahead + wide])
        if self._deep and ahead + wide:
            stay = slice(0, ahead + wide)
            self._read_on(hidden[:, stay], where[:, :, stay], look[:, :, stay, : base + wide], ahead)
        self._remember(mask[:, :wide, : base + wide])
        self.length = self._store.start = base + wide
        for row in self._rows:
            row.fresh, row.loud, row.asked = [], {}, []
        return verdicts

    def keep(self, rows: Sequence[int]) -> None:
        """Forget all other rows; these are counted anew in the order given."""
        index = torch.tensor(rows, device=self._model.device)
        self._store.keep(index)
        if self._unread is not None:
            hidden, positions, look = self._unread
            self._unread = hidden[index], positions[:, index], look[index]
        self._features = [torch.cat(self._features, dim=1)[index]] if self._features else []
        self._above, self._opening = self._above[list(rows)], self._opening[list(rows)]
        self._rows = [self._rows[row] for row in rows]
        self._next = [self._next[row] for row in rows]

    def _lay(self, wide: int, tails: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Token ids and positions (n, s) of what is new, and what each may look at (n, s, all)."""
        n, base, new = len(self._rows), self.length, wide + tails
        ids, positions = np.zeros((n, new), np.int64), np.zeros((n, new), np.int64)
        mask = np.zeros((n, new, base + new), bool)
        # Padding looks at itself: a row of nothing would be NaN.
        mask[:, np.arange(new), base + np.arange(new)] = True
        for index, row in enumerate(self._rows):
            for place, (parent, token) in enumerate(row.fresh):
                ids[index, place] = token
                positions[index, place] = self._next[index] + row.depth(base + place)
                mask[index, place] |= self._sees(index, parent, mask)
            place = wide
            for parent, tokens, _ in row.asked:
                above = self._sees(index, parent, mask)
                for offset, token in enumerate(tokens):
                    ids[index, place] = token
                    positions[index, place] = self._next[index] + row.depth(parent) + 1 + offset
                    mask[index, place] |= above
                    above, place = mask[index, place], place + 1
        return ids, positions, mask

    def _sees(self, row: int, node: int, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """What a node may look at, bool (all,); `mask` holds the new ones."""
        if node >= self.length:
            seen: NDArray[np.bool_] = mask[row, node - self.length]
            return seen
        out = np.zeros(mask.shape[2], bool)
        opening = self._opening.shape[1]
        if node == ROOT:
            out[:opening] = self._opening[row]
        else:
            out[: self._above.shape[2]] = self._above[row, node - opening]
        return out

    def _judge(self, mask: NDArray[np.bool_], wide: int, fresh: Tensor) -> Tensor:
        """The head's logits (verdicts, 2): each sees what the last token of its prompt may look at."""
        asked: list[tuple[int, int, int]] = []
        for index, row in enumerate(self._rows):
            place = wide
            for _, tokens, order in row.asked:
                place += len(tokens)
                asked.append((order, index, place - 1))
        if not asked:
            return torch.zeros(0, 2, device=fresh.device)
        _, rows, places = (list(each) for each in zip(*sorted(asked), strict=True))
        features = torch.cat([*self._features, fresh], dim=1)
        seen = torch.from_numpy(mask[rows, places]).to(fresh.device)
        logits: Tensor = self._model.head.pool(features[rows], seen).float()
        return logits

    def _read_on(self, hidden: Tensor, positions: Tensor, mask: Tensor, ahead: int) -> None:
        """Run the deep layers over new nodes, behind `ahead` others, and keep the logits that were asked for."""
        model = self._model
        hidden, _ = decoder.run(model.text, hidden, positions, mask, slice(model.early, None), self._store)
        loud = [(index, node) for index, row in enumerate(self._rows) for node in row.loud]
        if loud:
            rows, nodes = zip(*loud, strict=True)
            logits = model.speak(hidden[list(rows), [ahead + node - self.length for node in nodes]])
            choices = Choices(logits, self._temperature)
            for place, (index, node) in enumerate(loud):
                self._rows[index].choices[node] = (choices, place)

    def _remember(self, mask: NDArray[np.bool_]) -> None:
        """Append what new nodes may look at to what is known of the old ones."""
        n, wide, length = mask.shape
        old = self._above.shape[1]
        above = np.zeros((n, old + wide, length), bool)
        above[:, :old, : self._above.shape[2]] = self._above
        above[:, old:] = mask
        self._above = above


class _Row:
    """One clip's continuations: which nodes there are, and what was asked for since the last reading."""

    def __init__(self) -> None:
        self.children: dict[tuple[int, int], int] = {}
        self.depths: dict[int, int] = {}
        self.choices: dict[int, tuple[Choices, int]] = {}
        self.fresh: list[tuple[int, int]] = []
        self.loud: dict[int, None] = {}
        self.asked: list[tuple[int, tuple[int, ...], int]] = []

    def depth(self, node: int) -> int:
        """How many tokens behind the opening's end, from 0."""
        return self.depths.get(node, -1)


class _Store:
    """Keys and values by layer and column, in the duck type of transformers' caches.

    What is written begins at `start` and may be written over: tokens that only the early layers read are.
    """

    def __init__(self) -> None:
        self.start = 0
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def update(self, keys: Tensor, values: Tensor, layer_idx: int) -> tuple[Tensor, Tensor]:
        """Write keys and values (n, heads, s, width) of a layer; all of its columns so far."""
        end = self.start + keys.shape[2]
        kept = self._kept.get(layer_idx)
        if kept is None or kept[0].shape[2] < end:
            room = end if kept is None else end + max(64, end // 4)
            grown = (
                keys.new_zeros(*keys.shape[:2], room, keys.shape[3]),
                values.new_zeros(*values.shape[:2], room, values.shape[3]),
            )
            if kept is not None:
                for new, old in zip(grown, kept, strict=True):
                    new[:, :, : self.start] = old[:, :, : self.start]
            kept = self._kept[layer_idx] = grown
        kept[0][:, :, self.start : end] = keys
        kept[1][:, :, self.start : end] = values
        return kept[0][:, :, :end], kept[1][:, :, :end]

    def tensors(self) -> list[Tensor]:
        """All keys and values."""
        return [each for kept in self._kept.values() for each in kept]

    def keep(self, rows: Tensor) -> None:
        """Forget all other rows."""
        self._kept = {layer: (keys[rows], values[rows]) for layer, (keys, values) in self._kept.items()}


def _side_by_side(openings: Sequence[Opening]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Padded behind: ids (n, p), positions (3, n, p), and bool (n, p) of what counts and of what are pictures."""
    longest = max(len(each.ids) for each in openings)
    ids = torch.zeros(len(openings), longest, dtype=torch.long)
    positions = torch.zeros(3, len(openings), longest, dtype=torch.long)
    counts = torch.zeros(len(openings), longest, dtype=torch.bool)
    for row, each in enumerate(openings):
        ids[row, : len(each.ids)] = each.ids
        positions[:, row, : len(each.ids)] = each.positions
        counts[row, : len(each.ids)] = True
    placeholders = torch.tensor([each.placeholder for each in openings])[:, None]
    return ids, positions, counts, (ids == placeholders) & counts
