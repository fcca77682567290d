import pytest
import torch
from torch.nn.functional import cross_entropy

from faultfield.detector.training.packing import Part, pack, tree_mask
from faultfield.detector.training.replies import Answer, Sampling, answer_rounds
from tests.detector import tiny


def _three_samples(learner):
    """Samples of different lengths and picture sizes; the third is sparse."""
    shapes = [((1, 4, 4), [8, 9, 10]), ((1, 4, 8), [11, 12, 13, 14, 15]), ((1, 8, 4), [8, 20])]
    return [tiny.opening(learner.model.core, words, *tiny.picture(i, shape)) for i, (shape, words) in enumerate(shapes)]


def _see(learner, openings):
    return learner.see(torch.cat([each.pixels for each in openings]), torch.cat([each.grid for each in openings]))


PARTS = [
    # Three rounds of two tasks for two dense samples, of detection alone for the third.
    Part(0, (21, 22)), Part(0, (23, 24, 30, 31, 7), 3),
    Part(1, (21, 25, 26)), Part(1, (23, 32, 7), 2),
    Part(2, (21, 22)),
    Part(0, (21, 27, 28, 29)), Part(0, (23, 27, 30, 31, 7), 3),
    Part(2, (21, 28)),
    Part(1, (21, 33), weight=0.5), Part(1, (23, 34, 35, 32, 7), 2, 0.25),
]  # fmt: skip
FAILED = [1, 0, 1, 1, 1, 0]


def test_losses_and_gradients_are_those_of_separate_whole_sequences() -> None:
    learner = tiny.learner()
    openings = _three_samples(learner)
    layout = pack(openings, PARTS)
    features = _see(learner, openings)
    sums = learner(lambda module: module.losses(layout, features, torch.tensor(FAILED)))
    (sums.detection + 2.0 * sums.reason).backward()
    packed = {name: p.grad.clone() for name, p in learner.named_parameters()}
    learner.zero_grad()

    detection, reason, logits = torch.zeros(()), torch.zeros(()), []
    for part in PARTS:
        early, words = tiny.naive(learner.model, openings[part.sample], list(part.ids))
        if part.targets:
            labels = torch.tensor(part.ids[-part.targets :])
            reason = reason + part.weight * cross_entropy(words[-part.targets - 1 : -1], labels, reduction="sum")
        else:
            logits.append(learner.model.head(early[None], torch.ones(1, len(early), dtype=torch.bool)))
            detection = detection + part.weight * cross_entropy(logits[-1], torch.tensor([FAILED[len(logits) - 1]]))
    (detection + 2.0 * reason).backward()

    torch.testing.assert_close(sums.detection, detection, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(sums.reason, reason, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(sums.logits, torch.cat(logits).detach(), rtol=1e-4, atol=1e-5)
    for name, parameter in learner.named_parameters():
        assert packed[name].abs().max() > 0, name
        torch.testing.assert_close(packed[name], parameter.grad, rtol=1e-3, atol=1e-4, msg=name)


def test_nobody_sees_ahead_or_a_neighbour() -> None:
    mask = tree_mask(torch.tensor([[0, 0, 1, 1, 2, -1], [0, 0, 0, 1, 1, 2]]))[:, 0]
    expected = torch.zeros(2, 6, 6, dtype=torch.bool)
    segments = [[0, 0, 1, 1, 2, -1], [0, 0, 0, 1, 1, 2]]
    for row, line in enumerate(segments):
        for query in range(6):
            for key in range(query + 1):
                seen = line[key] in (0, line[query]) and line[query] >= 0
                expected[row, query, key] = seen or query == key
    assert torch.equal(mask, expected)


def _prompts(row: int, said: Answer | None) -> tuple[list[int], list[int]]:
    before = [] if said is None else [16 + said.failed, *said.reason[:3]]
    return [21, *before, *[22] * (row % 3)], [23, *before, 24]


def test_answers_of_every_round_are_those_of_plain_decoding() -> None:
    learner = tiny.learner(3)
    openings = _three_samples(learner)
    features = _see(learner, openings)
    how = Sampling(0.0, 6, frozenset({tiny.END}), seed=0)
    rounds = answer_rounds(learner.model, openings, features, _prompts, 3, how)
    assert [len(answers) for answers in rounds] == [3, 3, 3]
    draws = torch.Generator().manual_seed(0)
    said: list[Answer | None] = [None] * 3
    for answers in rounds:
        luck = torch.rand(3, generator=draws)
        for row, answer in enumerate(answers):
            detect, reason = _prompts(row, said[row])
            early, _ = tiny.naive(learner.model, openings[row], detect)
            chance = learner.model.head(early[None], torch.ones(1, len(early), dtype=torch.bool)).softmax(-1)[0, 1]
            assert answer.failed == bool(luck[row] < chance)
            tokens: list[int] = []
            while len(tokens) < 6:
                _, words = tiny.naive(learner.model, openings[row], reason + tokens)
                token = int(words[-1].argmax())
                if token == tiny.END:
                    break
                tokens.append(token)
            assert answer.reason == tuple(tokens)
        said = list(answers)
    assert len({answer.reason for answers in rounds for answer in answers}) > 2


def test_reasons_are_drawn_at_the_temperature() -> None:
    learner = tiny.learner(3)
    start = tiny.opening(learner.model.core, [8, 9], *tiny.picture(0))
    with torch.no_grad():
        _, words = tiny.naive(learner.model, start, [23, 24])
        features = _see(learner, [start])
    expected = (words[-1] / 3.0).softmax(-1)
    count = 2000
    how = Sampling(3.0, 1, frozenset(), seed=1)
    answers = answer_rounds(learner.model, [start] * count, features.repeat(count, 1), _prompts, 1, how)[0]
    seen = torch.bincount(torch.tensor([answer.reason[0] for answer in answers]), minlength=tiny.WORDS) / count
    assert (seen - expected).abs().max() < 4 * (expected * (1 - expected) / count).max().sqrt()
    assert expected.max() < 0.9


@pytest.mark.parametrize("rounds", [0, 1])
def test_fewer_rounds_are_fewer_lists(rounds: int) -> None:
    learner = tiny.learner()
    start = tiny.opening(learner.model.core, [8, 9], *tiny.picture(0))
    how = Sampling(0.7, 2, frozenset(), seed=0)
    assert len(answer_rounds(learner.model, [start], _see(learner, [start]), _prompts, rounds, how)) == rounds
