"""The program that makes the shipped policies: its commands, its pages, and one policy really made."""

import json
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from faultfield.cli import app

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import policies
import policy_cards
import policy_recipes
from policy_recipes import RECIPES

FACTS = {
    "cpu_minutes": {"demonstrations": 1.0, "training": 10.5, "evaluation": 2.0}, "episodes": 100, "successes": 60,
    "success_rate": 0.6, "low": 0.5, "high": 0.69, "rows": 3000, "demonstrations": 100, "steps": 3000,
}  # fmt: skip


@pytest.mark.parametrize("name", RECIPES)
def test_every_command_is_one_that_the_program_takes(name: str) -> None:
    recipe, here = RECIPES[name], Path("x")
    for command in (recipe.demos(here), recipe.train(here, here), recipe.measure(here)):
        group = get_command(app)
        context = group.make_context("faultfield", list(command), resilient_parsing=True)
        for word in command[:2]:
            group = group.get_command(context, word)  # type: ignore[union-attr]
            assert group is not None, word
        parsed = group.make_context(command[1], list(command[2:]))
        assert parsed.args == []


def test_a_weak_policy_is_said_to_be_one_and_what_was_added_by_hand_stays(tmp_path: Path) -> None:
    card = policy_cards.card("lift-bc-rnn", RECIPES["lift-bc-rnn"], FACTS)
    assert "**60 of 100**" in card
    assert "of `LiftExpert`" in card, "who taught it, and not who would today"
    assert "too weak for claims" in card
    assert "BC-RNN" in card
    assert "too weak" not in policy_cards.card("lift-bc-rnn", RECIPES["lift-bc-rnn"], FACTS | {"successes": 90})
    resumed = FACTS | {"resumed": ["training"]}
    assert "training 10.5 (its last part; it was interrupted), evaluation 2." in policy_cards.card(
        "can-bc", RECIPES["can-bc"], resumed
    )
    policy_cards.tabulate("lift-bc-rnn", FACTS, tmp_path)
    policy_cards.tabulate("can-bc", FACTS, tmp_path)
    page = (tmp_path / "policies.md").read_text()
    assert page.count("**60 of 100**") == 2
    assert "Not made yet: lift-hard" in page
    assert set(json.loads((tmp_path / "policies.json").read_text())) == {"lift-bc-rnn", "can-bc"}


def test_a_policy_is_made_and_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_recipes, "EPISODES", 1)
    recipe = policy_recipes._robosuite("Lift", 1, 2)
    where = (tmp_path / "work", tmp_path / "models" / "little", tmp_path / "results")
    where[0].mkdir()
    where[2].mkdir()
    (where[0] / "little").mkdir()
    # Torn: what is left of a killed training that cannot be read.
    (where[0] / "little" / "training.partial").write_bytes(b"torn")
    policies.make("little", recipe, *where)
    readme = where[1] / "README.md"
    assert "of 1** (Wilson" in readme.read_text()
    readme.write_text(readme.read_text() + "\n## Also measured\n\nBy hand.\n")
    weights = (where[0] / "little" / "model.safetensors").stat().st_mtime_ns
    policies.make("little", recipe, *where)
    assert readme.read_text().count("By hand.") == 1
    assert (where[0] / "little" / "model.safetensors").stat().st_mtime_ns == weights
    assert json.loads((where[2] / "policies.json").read_text())["little"]["episodes"] == 1
    assert json.loads((where[2] / "policies.json").read_text())["little"]["resumed"] == ["training"]
