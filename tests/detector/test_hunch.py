"""Eyes that judge: which explanation they pick, and what the decoder makes of it."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit, logit

from faultfield.detector import checkpoint
from faultfield.detector.gaze import Gaze
from faultfield.detector.hunch import HEAD, OTHER, Guess, Hunch
from faultfield.detector.model import ArmorModel
from faultfield.detector.refine import Refiner
from faultfield.detector.trajectories import Refinement
from faultfield.errors import CheckpointError
from tests.detector import pockets
from tests.shell import Shell

OPENINGS = ("The robot succeeded", "The gripper did not close", "The gripper let go")
LIKELIEST = Refinement(samples=1, rounds=2, temperature=0.0, longest=12)


def judging(*fits: float, openings: tuple[str, ...] = OPENINGS) -> ArmorModel:
    """A detector whose eyes find that these log-odds hold, whatever they see."""
    torch.manual_seed(0)
    gaze = Gaze(3, 2, (1, 1), pockets.SHAPE.hidden, 16, values=4, flags=1)
    torch.nn.init.normal_(gaze.words.weight)
    gaze.hunch = gaze.new_hunch(8, 2, openings)
    for member in gaze.hunch.members:
        torch.nn.init.zeros_(member[-1].weight)
        member[-1].bias.data[:] = torch.tensor(fits)
    model = pockets.model()
    assert model.take(gaze.eval())
    return model.eval()


def test_failed_is_what_one_fault_explains_better_than_none() -> None:
    guess = Guess(np.log([0.4, 0.35, 0.25]))
    assert guess.odds == pytest.approx(math.log(0.35 / 0.4))
    assert guess.beside(10.0) == pytest.approx(guess.odds + 10 * HEAD)
    assert Guess(np.log([0.3, 0.4, 0.3])).odds > 0
    assert (guess.best(failed=True), guess.best(failed=False)) == (1, 0)


def test_members_are_averaged_and_sum_to_one() -> None:
    hunch = Hunch(3, columns=2, hidden=4, members=2, openings=OPENINGS).eval()
    heights = torch.rand(5, 2, 3)
    fits = hunch(heights)
    torch.testing.assert_close(fits.exp().sum(dim=1), torch.ones(5))
    each = [member(heights.flatten(1)).log_softmax(dim=-1) for member in hunch.members]
    torch.testing.assert_close(fits.diff(dim=1), ((each[0] + each[1]) / 2).diff(dim=1))


@pytest.mark.parametrize(("fits", "opening"), [((0.0, 1.0, 5.0), OPENINGS[2]), ((5.0, 1.0, 0.0), OPENINGS[0])])
def test_a_reason_begins_as_the_eyes_have_it_and_the_verdict_is_theirs(fits: tuple[float, ...], opening: str) -> None:
    model, clips = judging(*fits), [pockets.clip(0, True), pockets.clip(1, False)]
    alone = Refiner(model, Refinement(hunch=False)).odds(clips)
    found = Refiner(model, LIKELIEST).judge(clips)
    for verdict, head in zip(found, alone, strict=True):
        assert verdict.reason.startswith(opening)
        odds = max(fits[1:]) - fits[0] + HEAD * head
        assert logit(verdict.rounds[0].failure_probability) == pytest.approx(odds, abs=1e-3)
    assert Refiner(model, LIKELIEST).detect(clips) == pytest.approx(
        [expit(max(fits[1:]) - fits[0] + HEAD * head) for head in alone], abs=1e-4
    )


def test_the_language_goes_on_as_it_would_have_behind_these_words() -> None:
    model, clip = judging(0.0, 5.0, 0.0), pockets.clip(0, True)
    (verdict,) = Refiner(model, LIKELIEST).judge([clip])
    scribe = model.scribe
    opening = model.open([model.viewer(clip)], [clip.instruction])[0]
    begun = scribe.reason_ids(OPENINGS[1])[:-1]
    ids = [*opening.ids.tolist(), *scribe.ending("reasoning"), *begun]
    for _ in range(LIKELIEST.longest - len(begun)):
        told = torch.tensor(ids)[None]
        with torch.no_grad():
            pictures = told == opening.placeholder
            hidden = model.embed(told, pictures, model.see([opening]))
            places = torch.cat(
                [opening.positions, opening.next + torch.arange(len(ids) - len(opening.ids)).expand(3, -1)], 1
            )
            look = torch.ones(1, 1, len(ids), len(ids)).tril().bool()
            token = int(model.speak(model.layers(hidden, places[:, None], look, slice(None))[0])[0, -1].argmax())
        if token in scribe.ends:
            break
        ids.append(token)
    assert verdict.rounds[0].reason == scribe.reason(ids[len(opening.ids) + len(scribe.ending("reasoning")) :])


def test_neighbours_change_nothing_and_what_is_drawn_are_the_words_behind() -> None:
    model, clips = judging(0.0, 4.0, 3.5), [pockets.clip(seed, True) for seed in range(6)]
    how = Refinement(samples=4, rounds=2, temperature=1.0, longest=10, seed=1)
    together = Refiner(model, how).judge(clips)
    for clip, verdict in zip(clips, together, strict=True):
        (alone,) = Refiner(model, how).judge([clip])
        assert [each.reason for each in alone.rounds] == [each.reason for each in verdict.rounds]
    said = [each.reason for verdict in together for each in verdict.rounds]
    assert all(reason.startswith(OPENINGS[1]) for reason in said)
    assert len(set(said)) > 1


def test_an_opening_longer_than_a_reason_may_be_is_cut() -> None:
    model, clips = judging(0.0, 5.0, 0.0), [pockets.clip(0, True)]
    for longest in (1, 2, 4):
        (verdict,) = Refiner(model, Refinement(samples=2, rounds=2, longest=longest)).judge(clips)
        assert len(verdict.rounds) > 0
        assert verdict.failed


def test_of_something_else_the_language_begins_by_itself() -> None:
    model, clips = judging(0.0, 1.0, 5.0, openings=(*OPENINGS[:2], OTHER)), [pockets.clip(0, True)]
    (verdict,) = Refiner(model, LIKELIEST).judge(clips)
    (alone,) = Refiner(model, Refinement(samples=1, rounds=2, temperature=0.0, longest=12, hunch=False)).judge(clips)
    assert verdict.rounds[0].reason == alone.rounds[0].reason
    assert verdict.rounds[0].reason_entropy == pytest.approx(alone.rounds[0].reason_entropy)
    assert verdict.failed


def test_what_it_grew_by_changes_nothing_until_it_is_learned() -> None:
    torch.manual_seed(0)
    hunch, heights = Hunch(3, columns=2, hidden=4, members=2, openings=OPENINGS).eval(), torch.rand(50, 2, 3)
    grown = hunch.grown(["The door stuck", OTHER])
    assert (hunch.openings, grown.openings) == (OPENINGS, (*OPENINGS, "The door stuck", OTHER))
    assert grown.settings == Hunch(3, 2, 4, 2, grown.openings).settings
    for before, after in zip(hunch.guesses(heights), grown.guesses(heights), strict=True):
        assert after.odds == pytest.approx(before.odds, abs=1e-6)
        assert after.best(True) == before.best(True)
        np.testing.assert_allclose(after.fits[:3], before.fits, atol=1e-3)


def test_without_it_all_is_as_if_there_were_none() -> None:
    model, clips = judging(0.0, 0.0, 9.0), [pockets.clip(0, True), pockets.clip(1, False)]
    how = Refinement(samples=2, rounds=2, longest=8, hunch=False)
    off = Refiner(model, how).judge(clips)
    model.gaze.hunch = None
    assert [each.reason for each in off] == [each.reason for each in Refiner(model, how).judge(clips)]


def test_it_is_kept_with_the_gaze(tmp_path: Path) -> None:
    model, clips = judging(0.0, 3.0, 1.0), [pockets.clip(0, True)]
    checkpoint.save(model, tmp_path)
    again = checkpoint.load(tmp_path)
    assert again.gaze.hunch.openings == OPENINGS
    assert Refiner(again, LIKELIEST).judge(clips)[0].reason == Refiner(model, LIKELIEST).judge(clips)[0].reason
    settings = (tmp_path / checkpoint.SETTINGS).read_text()
    (tmp_path / checkpoint.SETTINGS).write_text(settings.replace('"members": 2', '"members": 3'))
    with pytest.raises(CheckpointError, match=r"gaze\.safetensors are missing, damaged"):
        checkpoint.load(tmp_path)


def test_a_grown_one_is_kept_and_is_another_detector(tmp_path: Path) -> None:
    model, heights = judging(0.0, 3.0, 1.0), torch.rand(4, 2, 49)
    checkpoint.save(model, tmp_path)
    before = checkpoint.fingerprint(tmp_path, LIKELIEST)
    model.gaze.hunch = model.gaze.hunch.grown(["The door stuck", OTHER])
    for store in (None, "float16"):
        checkpoint.save(model, tmp_path, store)
        again = checkpoint.load(tmp_path)
        assert again.gaze.hunch.openings == (*OPENINGS, "The door stuck", OTHER)
        assert torch.allclose(again.gaze.hunch(heights), model.gaze.hunch(heights), atol=1e-2 if store else 0)
        assert checkpoint.fingerprint(tmp_path, LIKELIEST) != before


def test_the_command_is_told_who_judges(shell: Shell, data: Path, tmp_path: Path) -> None:
    checkpoint.save(judging(0.0, 9.0, 1.0), tmp_path / "sees")
    words = ("explain", data, "--model", tmp_path / "sees", "--json", "--rounds", "1")
    reasons = {}
    for how in ("--by-sight", "--by-head"):
        code, out, _ = shell(*words, how)
        assert code == 0
        reasons[how] = [each["reason"] for each in json.loads(out)["verdicts"]]
    assert all(reason.startswith(OPENINGS[1]) for reason in reasons["--by-sight"])
    assert not all(reason.startswith(OPENINGS[1]) for reason in reasons["--by-head"])
    assert shell(*words)[1] == shell(*words, "--by-sight")[1]
