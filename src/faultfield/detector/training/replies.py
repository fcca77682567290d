"""The model's own answers of several rounds, for a whole batch at once (Algorithm 1, line 6)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from faultfield.detector.model import ArmorModel
from faultfield.detector.opening import Opening


@dataclass(frozen=True)
class Answer:
    """What the model said of one sample in one round.

    Attributes:
        failed: Its detection, drawn from the head's distribution.
        reason: Token ids of its reason, without the end.
    """

    failed: bool
    reason: tuple[int, ...]


Asks = Callable[[int, Answer | None], tuple[Sequence[int], Sequence[int]]]
"""Token ids of the detection prompt and of the reasoning prompt of a row, given its answer of the round before."""


@dataclass(frozen=True)
class Sampling:
    """How reasons are drawn.

    Attributes:
        temperature: Of the softmax; 0 takes the likeliest token.
        longest: Tokens that a reason may have.
        ends: Token ids that end a reason.
        seed: Of the draws.
        agree: Takes whether this process is done, says whether all are; sharded models must decode in step.
    """

    temperature: float
    longest: int
    ends: frozenset[int]
    seed: int
    agree: Callable[[bool], bool] = lambda done: done


@torch.no_grad()
def answer_rounds(
    model: ArmorModel, openings: Sequence[Opening], features: Tensor | None, asks: Asks, rounds: int, how: Sampling
) -> list[list[Answer]]:
    """Let the model answer `rounds` times, each time told its answer before.

    The opening is read once; both prompts and every round continue the same cache.

    Args:
        model: In evaluation mode: gradient checkpointing would drop the cache.
        openings: One a sample; pixels are not looked at.
        features: Picture tokens of all of them in order, float (count, width).
        asks: The prompts.
        rounds: How often, at least 0.
        how: Of the draws.

    Returns:
        One list of answers a round, each in the order of the samples.
    """
    if rounds == 0:
        return []
    generator = torch.Generator(device=model.device).manual_seed(how.seed)
    state, seen = _begin(model, openings, features)
    first = state.length
    out: list[list[Answer]] = []
    answers: list[Answer | None] = [None] * len(openings)
    for _ in range(rounds):
        prompts = [asks(row, said) for row, said in enumerate(answers)]
        failed = _detect(model, [p[0] for p in prompts], seen, state, generator)
        state.rewind(first)
        reasons = _reason(model, [p[1] for p in prompts], state, how, generator)
        state.rewind(first)
        answers = [Answer(a, b) for a, b in zip(failed, reasons, strict=True)]
        out.append([answer for answer in answers if answer is not None])
    return out


@torch.no_grad()
def write(
    model: ArmorModel,
    openings: Sequence[Opening],
    features: Tensor | None,
    prompts: Sequence[Sequence[int]],
    how: Sampling,
) -> list[tuple[int, ...]]:
    """Continue each opening and prompt with text; token ids without the end.

    Args:
        model: In evaluation mode.
        openings: One a sample; pixels are not looked at.
        features: Picture tokens of all of them in order, float (count, width).
        prompts: What follows each opening.
        how: Of the draws.
    """
    state, _ = _begin(model, openings, features)
    return _reason(model, prompts, state, how, torch.Generator(device=model.device).manual_seed(how.seed))


class _State:
    """Keys and values of what was read so far, in the duck type of transformers' caches, and who may look at it."""

    def __init__(self, counts: Tensor, ahead: Tensor) -> None:
        self.counts = counts[:, :0]
        self.ahead = ahead
        self._keys: dict[int, Tensor] = {}
        self._values: dict[int, Tensor] = {}
        self._read: dict[int, int] = {}

    @property
    def length(self) -> int:
        return self.counts.shape[1]

    def look(self, counts: Tensor) -> Tensor:
        """Append places (which of them count, bool (n, s)); who of them may look at what, bool (n, 1, s, all)."""
        new, old = counts.shape[1], self.length
        self.counts = torch.cat([self.counts, counts], dim=1)
        causal = torch.ones(new, new, dtype=torch.bool, device=counts.device).tril()
        before = torch.ones(new, old, dtype=torch.bool, device=counts.device)
        mask = torch.cat([before, causal], dim=1)[None] & self.counts[:, None]
        # A place of padding looks at itself: a row of nothing would be NaN.
        own = torch.zeros_like(mask)
        own[:, torch.arange(new), old + torch.arange(new)] = True
        return (mask | own)[:, None]

    def rewind(self, length: int) -> None:
        """Forget all but the first so many places."""
        self.counts = self.counts[:, :length]
        self._read = {layer: min(read, length) for layer, read in self._read.items()}

    def update(self, keys: Tensor, values: Tensor, layer_idx: int, *_: object, **__: object) -> tuple[Tensor, Tensor]:
        """Append keys and values (n, heads, s, width) of a layer; all of its keys and values."""
        read, new = self._read.get(layer_idx, 0), keys.shape[2]
        if layer_idx not in self._keys or self._keys[layer_idx].shape[2] < read + new:
            self._grow(layer_idx, keys, values, read, read + new)
        self._keys[layer_idx][:, :, read : read + new] = keys
        self._values[layer_idx][:, :, read : read + new] = values
        self._read[layer_idx] = read + new
        return self._keys[layer_idx][:, :, : read + new], self._values[layer_idx][:, :, : read + new]

    def _grow(self, layer: int, keys: Tensor, values: Tensor, read: int, wanted: int) -> None:
        room = wanted + 64
        for store, like in ((self._keys, keys), (self._values, values)):
            fresh = like.new_empty(*like.shape[:2], room, like.shape[3])
            if layer in store:
                fresh[:, :, :read] = store[layer][:, :, :read]
            store[layer] = fresh


def _begin(
    model: ArmorModel, openings: Sequence[Opening], features: Tensor | None
) -> "tuple[_State, tuple[Tensor, Tensor]]":
    """Read openings through all layers: the cache; their early features (n, p, width) and what counts, bool (n, p)."""
    device = model.device
    ids, positions, counts = (x.to(device) for x in _stacked(openings))
    pictures = (ids == torch.tensor([each.placeholder for each in openings], device=device)[:, None]) & counts
    state = _State(counts, torch.tensor([each.next for each in openings], device=device))
    mask = state.look(counts)
    hidden, total = model.layers(model.embed(ids, pictures, features), positions, mask, slice(0, model.early), state)
    model.layers(hidden, positions, mask, slice(model.early, None), state)
    return state, (total / model.early, counts)


def _stacked(openings: Sequence[Opening]) -> tuple[Tensor, Tensor, Tensor]:
    """Openings padded behind: ids (n, p), positions (3, n, p), and what counts, bool (n, p)."""
    longest = max(len(each.ids) for each in openings)
    ids = torch.zeros(len(openings), longest, dtype=torch.long)
    positions = torch.zeros(3, len(openings), longest, dtype=torch.long)
    counts = torch.zeros(len(openings), longest, dtype=torch.bool)
    for row, each in enumerate(openings):
        ids[row, : len(each.ids)] = each.ids
        positions[:, row, : len(each.ids)] = each.positions
        counts[row, : len(each.ids)] = True
    return ids, positions, counts


def _detect(
    model: ArmorModel,
    prompts: Sequence[Sequence[int]],
    seen: tuple[Tensor, Tensor],
    state: _State,
    generator: torch.Generator,
) -> list[bool]:
    ids, counts, positions = _side_by_side(prompts, state.ahead)
    hidden = model.embed(ids, counts, None)
    _, total = model.layers(hidden, positions, state.look(counts), slice(0, model.early), state)
    features = torch.cat([seen[0], total / model.early], dim=1)
    probability = model.head(features, torch.cat([seen[1], counts], dim=1)).float().softmax(dim=-1)[:, 1]
    draws = torch.rand(len(prompts), generator=generator, device=probability.device)
    return [bool(failed) for failed in draws < probability]


def _reason(
    model: ArmorModel, prompts: Sequence[Sequence[int]], state: _State, how: Sampling, generator: torch.Generator
) -> list[tuple[int, ...]]:
    ids, counts, positions = _side_by_side(prompts, state.ahead)
    last = counts.sum(dim=1) - 1
    rows = torch.arange(len(prompts), device=ids.device)
    ahead = state.ahead + last + 1
    said: list[list[int]] = [[] for _ in prompts]
    going = torch.ones(len(prompts), dtype=torch.bool, device=ids.device)
    for _ in range(how.longest):
        hidden, _ = model.layers(model.embed(ids, counts, None), positions, state.look(counts), slice(None), state)
        logits = model.speak(hidden[rows, last])
        token = _draw(logits, how.temperature, generator)
        ended = torch.tensor([int(t) in how.ends for t in token], device=ids.device)
        going = going & ~ended
        for row, keeps in enumerate(going.tolist()):
            if keeps:
                said[row].append(int(token[row]))
        if how.agree(not bool(going.any())):
            break
        ids, counts, last = token[:, None], going[:, None], torch.zeros_like(last)
        positions = ahead.expand(3, -1)[..., None]
        ahead = ahead + 1
    return [tuple(tokens) for tokens in said]


def _side_by_side(prompts: Sequence[Sequence[int]], ahead: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Prompts padded behind: ids and what counts (n, s), and positions (3, n, s) from `ahead` (n,) on."""
    longest = max(len(prompt) for prompt in prompts)
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = torch.tensor(prompt, dtype=torch.long)
    counts = torch.arange(longest) < torch.tensor([len(prompt) for prompt in prompts])[:, None]
    positions = (torch.arange(longest, device=ahead.device) + ahead[:, None]).expand(3, -1, -1)
    return ids.to(ahead.device), counts.to(ahead.device), positions


def _draw(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    if temperature == 0:
        return logits.argmax(dim=-1)
    chances = (logits / temperature).softmax(dim=-1)
    return torch.multinomial(chances, 1, generator=generator)[:, 0]
