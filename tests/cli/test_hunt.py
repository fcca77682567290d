"""`faultfield hunt` from the command line: what it says of bad input."""

from pathlib import Path

import pytest

from faultfield.search import RandomSearch
from faultfield.variations import Variation
from tests.shell import Shell
from tests.study.test_hunt import TEXT


class Outside(RandomSearch):
    """Asks for what the environment does not have."""

    def ask(self, count: int) -> list[Variation]:
        return [Variation({"gravity": 2.0}, "Double the gravity.")] * count


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(capsys, monkeypatch)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--budget", "1"), "budget"),
        (("--budget", "12", "--strategy", f"{__name__}:Outside"), "no factor 'gravity'"),
        (("--budget", "12", "--strategy", "rnadom"), "no strategy 'rnadom'; known are"),
        (("--budget", "12", "--strategy", "random", "--estimator", "gp"), "leave --estimator out"),
    ],
)
def test_what_cannot_be_hunted_is_one_sentence(more: tuple[str, ...], says: str, shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "point.yaml"
    file.write_text(TEXT)
    code, out, err = shell("hunt", file, "--out", tmp_path / "runs", "--json", *more)
    assert (code, out) == (2, ""), err
    told = [line for line in err.splitlines() if line.startswith("faultfield: ")]
    assert len(told) == 1
    assert says in told[0]
