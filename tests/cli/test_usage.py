"""What is said to somebody who typed a command wrong."""

import sys

import pytest

from faultfield import __version__
from faultfield.cli import main


def _typed(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["faultfield", *words])
    with pytest.raises(SystemExit) as left:
        main()
    assert isinstance(left.value.code, int)
    return left.value.code


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("hunt", "x.yaml", "--budget", "0"), "'--budget'"),
        (("hunt", "x.yaml", "--bugdet", "9"), "--budget"),
        (("hunt",), "Missing"),
        (("nosuch",), "'nosuch'"),
    ],
)
def test_one_sentence_and_where_help_is(
    words: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _typed(monkeypatch, *words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert said in printed.err
    assert "--help'" in printed.err


def test_who_types_nothing_is_helped(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert _typed(monkeypatch) == 2
    assert "faultfield run studies/lift-demo.yaml" in " ".join(capsys.readouterr().out.split())
    assert _typed(monkeypatch, "--help") == 0


def test_ctrl_c_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("faultfield.study.Study.open", stopped)
    assert _typed(monkeypatch, "hunt", "x.yaml", "--budget", "8") == 130
    assert "Run the same command again" in capsys.readouterr().err


@pytest.mark.parametrize(("word", "says"), [("-h", "Begin with"), ("--version", f"faultfield {__version__}")])
def test_the_usual_short_words_are_understood(
    word: str, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _typed(monkeypatch, word) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert says in printed.out
