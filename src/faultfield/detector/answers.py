"""Reasons drawn from a tree: every sample walks it by its own uniform numbers; what is missing is read in between."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from faultfield.detector.drafts import Drafts
from faultfield.detector.sampling import Choices
from faultfield.detector.tree import Tree


@dataclass
class Walker:
    """One sample of one clip on its way through the tree.

    Attributes:
        row: Of the tree.
        node: Behind which its next token is drawn.
        uniforms: What decides its tokens, in [0, 1), float64, one a token; so many it says at most.
        before: Its answer of the round before, a guess of this one.
        said: Its tokens so far, without the end.
        nodes: Behind which each token was drawn, the end's among them.
        done: Whether its answer has ended.
    """

    row: int
    node: int
    uniforms: NDArray[np.float64]
    before: Sequence[int] = ()
    said: list[int] = field(default_factory=list)
    nodes: list[int] = field(default_factory=list)
    done: bool = False

    def guess(self, drafts: Drafts) -> tuple[int, ...]:
        """How it may go on, as far as it may go."""
        return drafts.after(self.said, self.before)[: len(self.uniforms) - len(self.said)]


def set_out(tree: Tree, walkers: Sequence[Walker], drafts: Drafts) -> None:
    """Ask the tree for the first guess of each: it is read together with the prompt that it follows."""
    for walker in walkers:
        _look_ahead(tree, walker, drafts)


def walk(tree: Tree, walkers: Sequence[Walker], drafts: Drafts, ends: frozenset[int]) -> None:
    """Let all of them walk to their ends; what stands where they set out has been read.

    Exact whatever the guesses are: a token is the one that its own uniform number falls on, in the distribution behind
    the tokens before it. A guess only says behind which beginnings the distribution is computed ahead.

    Args:
        tree: In which they walk.
        walkers: Not done.
        drafts: Guesses how they go on.
        ends: Token ids that end an answer.
    """
    waiting = list(walkers)
    while waiting:
        moving = waiting
        halted: list[Walker] = []
        while moving:
            moving = _step(tree, moving, halted, drafts, ends)
        for walker in halted:
            walker.node = tree.path(walker.row, walker.nodes[-1], walker.said[-1:], loud=1)
            _look_ahead(tree, walker, drafts)
        if halted:
            tree.read()
        waiting = halted


def _step(
    tree: Tree,
    walkers: Sequence[Walker],
    halted: list[Walker],
    drafts: Drafts,
    ends: frozenset[int],
) -> list[Walker]:
    """Each goes on as long as its guess holds; then it may go on elsewhere at once, or is put with the halted."""
    guesses = [walker.guess(drafts) for walker in walkers]
    chains = [_chain(tree, walker, guess) for walker, guess in zip(walkers, guesses, strict=True)]
    drawn = _draw(tree, walkers, chains)
    able: list[Walker] = []
    for walker, chain, guess, tokens in zip(walkers, chains, guesses, drawn, strict=True):
        for place, (node, token) in enumerate(zip(chain, tokens, strict=True)):
            walker.nodes.append(node)
            walker.done = token in ends or len(walker.said) + 1 >= len(walker.uniforms)
            if token not in ends:
                walker.said.append(token)
            hit = place < len(guess) and guess[place] == token
            if place < len(guess):
                drafts.count(hit)
            if walker.done or not hit:
                break
        if walker.done:
            continue
        after = tree.child(walker.row, walker.nodes[-1], walker.said[-1])
        if after is None:
            halted.append(walker)
        else:
            walker.node = after
            able.append(walker)
    return able


def _look_ahead(tree: Tree, walker: Walker, drafts: Drafts) -> None:
    """Ask the tree for what the walker will come by if its guess is right; behind its last token nothing is drawn."""
    guess = walker.guess(drafts)[: min(drafts.reach, len(walker.uniforms) - 1 - len(walker.said))]
    tree.path(walker.row, walker.node, guess, loud=len(guess))


def _draw(tree: Tree, walkers: Sequence[Walker], chains: Sequence[Sequence[int]]) -> list[list[int]]:
    """The token of each walker behind each node of its chain; nodes that were read together are drawn from at once."""
    tasks: dict[int, tuple[Choices, list[int], list[float], list[tuple[int, int]]]] = {}
    out = [[-1] * len(chain) for chain in chains]
    for number, (walker, chain) in enumerate(zip(walkers, chains, strict=True)):
        for step, node in enumerate(chain):
            choices, place = tree.choices(walker.row, node)
            _, places, uniforms, wanted = tasks.setdefault(id(choices), (choices, [], [], []))
            places.append(place)
            uniforms.append(float(walker.uniforms[len(walker.said) + step]))
            wanted.append((number, step))
    for choices, places, uniforms, wanted in tasks.values():
        for (number, step), token in zip(wanted, choices.draw(places, uniforms), strict=True):
            out[number][step] = token
    return out


def _chain(tree: Tree, walker: Walker, guess: Sequence[int]) -> list[int]:
    """The walker's node and those behind it along its guess that have been read, at most as many as it may draw."""
    chain = [walker.node]
    for token in guess[: len(walker.uniforms) - len(walker.said) - 1]:
        child = tree.child(walker.row, chain[-1], token)
        if child is None:
            break
        chain.append(child)
    return chain
