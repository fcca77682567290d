"""What the decoder is told of what the vision tower reads: where, in which code, and that it lasts."""

from pathlib import Path

import numpy as np
import pytest
import torch

from faultfield.detector import checkpoint
from faultfield.detector.gaze import CENTRES, NOISE, Gaze
from faultfield.detector.model import ArmorModel
from faultfield.detector.training.config import TrainingConfig
from faultfield.detector.training.run import adapt, make_accelerator, train
from faultfield.errors import CheckpointError
from tests.detector import pockets

WIDTH = pockets.SHAPE.hidden
TOLD = {"words.weight", "story.into.weight", "story.into.bias", "story.out.weight"}
"""What is learned with verdicts and reasons, and not with the eyes."""


def gaze(seed: int = 0, columns: int = 2, told: bool = True, story: int = 0) -> Gaze:
    """Reads the pockets' collages of three cameras and two columns, a token each; what it reads is random."""
    torch.manual_seed(seed)
    made = Gaze(3, columns, (1, 1), WIDTH, 16, values=4, flags=1, story=story)
    if told:
        torch.nn.init.normal_(made.words.weight)
        if made.story is not None:
            torch.nn.init.normal_(made.story.out.weight)
    return made.eval()


def with_gaze(seed: int = 0, story: int = 0) -> ArmorModel:
    model = pockets.model()
    assert model.take(gaze(seed, story=story))
    return model


def logits(model: ArmorModel) -> torch.Tensor:
    """Of the head, on two clips."""
    openings = model.open([model.viewer(pockets.clip(k, failed)) for k, failed in ((0, True), (1, False))], ["x", "x"])
    with torch.no_grad():
        tokens, ids = model.see(openings), torch.stack([each.ids for each in openings])
        pictures = ids == openings[0].placeholder
        return model.head(model.embed(ids, pictures, tokens))


def test_a_number_is_shared_between_the_two_centres_beside_it() -> None:
    made = gaze()
    values = np.random.default_rng(0).normal(size=(50, 2, 4)).astype(np.float32)
    made.calibrate(values)
    asked = torch.tensor([[[-9.0, 0.3, float(made.centres[2, 5]), 9.0, 0.0]]])
    placed = made._placed(asked)[0, 0]
    assert placed.shape == (4 * CENTRES + 1,)
    assert placed[-1] == 0.5
    hats = placed[:-1].view(4, CENTRES)
    for row, (number, centres) in enumerate(zip(asked[0, 0, :4], made.centres, strict=True)):
        wanted = [np.interp(float(number), centres.numpy(), np.eye(CENTRES)[k]) for k in range(CENTRES)]
        torch.testing.assert_close(hats[row], torch.tensor(wanted, dtype=torch.float32), atol=1e-5, rtol=0)
    assert hats[0, 0] == hats[2, 5] == hats[3, -1] == 1


@pytest.mark.parametrize("known", [np.zeros(40), np.full(40, np.nan), np.repeat([0.0, 1.0], 20)])
def test_centres_rise_whatever_there_is_to_read(known: np.ndarray) -> None:
    made = gaze()
    made.calibrate(np.repeat(known[:, None, None], 4, axis=2))
    assert (made.centres.diff(dim=1) > 0).all()
    assert torch.isfinite(made(torch.randn(6, WIDTH))).all()


def test_what_is_read_of_a_column_goes_to_all_tokens_of_that_column() -> None:
    tokens = torch.randn(2 * 6, WIDTH)
    made = gaze()
    added = (made(tokens) - tokens).view(2, 3, 2, WIDTH)
    torch.testing.assert_close(added, added[:, :1].expand_as(added))
    other = tokens.clone().view(2, 3, 2, WIDTH)
    other[1, 2, 0] += 1
    moved = (made(other.view(-1, WIDTH)) - other.view(-1, WIDTH)).view(2, 3, 2, WIDTH) - added
    assert (moved.abs().amax(dim=(1, 3)) > 1e-4).tolist() == [[False, False], [True, False]]


def test_what_is_told_of_all_columns_goes_to_all_tokens_of_the_collage_and_of_no_other() -> None:
    tokens = torch.randn(2 * 6, WIDTH)
    made = gaze(story=8)
    made.words.weight.data.zero_()
    added = (made(tokens) - tokens).view(2, 6, WIDTH)
    torch.testing.assert_close(added, added[:, :1].expand_as(added))
    # Written plainly: one hidden layer over the numbers of both columns, side by side.
    placed = made._placed(made.read(tokens))
    hidden = torch.nn.functional.gelu(placed.reshape(2, -1) @ made.story.into.weight.T + made.story.into.bias)
    torch.testing.assert_close(added[:, 0], hidden @ made.story.out.weight.T, atol=1e-4, rtol=1e-4)
    for token in range(6, 12):
        other = tokens.clone()
        other[token] += 1
        moved = ((made(other) - other).view(2, 6, WIDTH) - added).abs().amax(dim=(1, 2))
        assert moved[0] == 0 < moved[1], "any column of the second collage changes what is told of the second alone"


def test_what_is_read_is_blurred_in_training_alone() -> None:
    made, tokens = gaze(story=8), torch.randn(6, WIDTH)
    assert torch.equal(made(tokens), made(tokens))
    read = made.read(tokens)
    made.train()
    assert not torch.equal(made(tokens), made(tokens))
    plain = gaze().train()
    assert torch.equal(plain(tokens), plain(tokens)), "a gaze without a story is as it always was"
    torch.manual_seed(0)
    seen: list[torch.Tensor] = []
    made._placed = lambda each: seen.append(each) or Gaze._placed(made, each)  # type: ignore[assignment, func-returns-value]
    for _ in range(300):
        made(tokens)
    assert float((torch.stack(seen) - read).detach().std()) == pytest.approx(NOISE, rel=0.1)


@pytest.mark.parametrize("story", [0, 8])
def test_before_it_is_trained_it_changes_nothing(story: int) -> None:
    plain, model = pockets.model(), pockets.model()
    assert model.take(gaze(told=False, story=story))
    assert torch.equal(logits(plain), logits(model))
    assert not torch.equal(logits(plain), logits(with_gaze(story=story)))


@pytest.mark.parametrize("story", [0, 8])
def test_it_comes_back_from_disk(story: int, tmp_path: Path) -> None:
    model = with_gaze(story=story)
    checkpoint.save(model, tmp_path)
    again = checkpoint.load(tmp_path)
    stored = model.gaze.state_dict()
    assert {name: value.tolist() for name, value in again.gaze.state_dict().items()} == {
        name: value.tolist() for name, value in stored.items()
    }
    torch.testing.assert_close(logits(again), logits(model))
    checkpoint.save(pockets.model(), tmp_path)
    assert checkpoint.load(tmp_path).gaze is None
    assert not (tmp_path / "gaze.safetensors").exists()


@pytest.mark.parametrize("story", [0, 8])
def test_unwritten_it_reads_the_same_and_has_told_nothing_yet(story: int) -> None:
    made, tokens = gaze(story=story), torch.randn(6, WIDTH)
    made.hunch = made.new_hunch(hidden=4, members=1, openings=["It went well", "It failed"])
    fresh = made.unwritten(seed=1).eval()
    assert torch.equal(fresh.read(tokens), made.read(tokens))
    assert torch.equal(fresh.centres, made.centres)
    assert torch.equal(fresh(tokens), tokens)
    assert not torch.equal(made(tokens), tokens)
    assert fresh.hunch is None
    assert fresh.settings == {name: value for name, value in made.settings.items() if name != "hunch"}
    again = made.unwritten(seed=1).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in fresh.state_dict().items())


def test_a_damaged_or_foreign_one_is_refused(tmp_path: Path) -> None:
    checkpoint.save(with_gaze(), tmp_path)
    (tmp_path / "gaze.safetensors").write_bytes(b"cut")
    with pytest.raises(CheckpointError, match=r"gaze\.safetensors are missing, damaged"):
        checkpoint.load(tmp_path)
    (tmp_path / "gaze.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"gaze\.safetensors are missing, damaged"):
        checkpoint.load(tmp_path)
    model = pockets.model()
    assert not model.take(gaze(columns=3))
    assert model.gaze is None
    with pytest.raises(CheckpointError, match="other cells than the model is shown"):
        ArmorModel(model.backbone, model.head, model.processor, model.viewer, gaze=gaze(columns=3))


@pytest.mark.parametrize("method", ["armor", "sft-s+d"])
def test_training_learns_what_it_says_and_leaves_what_it_reads(method: str, tmp_path: Path) -> None:
    model = with_gaze(story=8)
    before = {name: value.clone() for name, value in model.gaze.state_dict().items()}
    config = TrainingConfig(
        method=method, warm_up_epochs=1, conditioned_epochs=1, online_epochs=0.5, rounds=2, batch=4, max_reason=6
    )
    about = train(model, pockets.samples(8), config, tmp_path, accelerator=make_accelerator(config, cpu=True))
    assert about["steps"] > 0
    after = checkpoint.load(tmp_path).gaze.state_dict()
    judging = {name for name in after if name.startswith("hunch.")}
    assert bool(judging) == (method == "armor"), "plain fine-tuning leaves verdicts to its words"
    for name in judging:
        del after[name]
    assert {name for name, value in after.items() if not torch.equal(value, before[name])} == TOLD


def test_a_tower_that_learns_takes_its_readout_along() -> None:
    model = with_gaze(story=8)
    adapt(model, TrainingConfig(freeze_vision=False), "cpu")
    assert all(each.requires_grad for each in model.gaze.parameters())
    adapt(model, TrainingConfig(freeze_vision=True), "cpu")
    assert {name for name, each in model.gaze.named_parameters() if each.requires_grad} == TOLD
