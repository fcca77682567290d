"""The detector that ships, on episodes that nobody has seen: it loads, is as small as promised, and judges."""

import json
from pathlib import Path

import pytest

from tests.shell import Shell

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "detector"


def test_it_is_small_and_judges_fresh_episodes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = [file.stat().st_size for file in MODEL.rglob("*") if file.is_file()]
    assert max(sizes) <= 10e6
    assert sum(sizes) <= 20e6
    shell, data = Shell(capsys, monkeypatch), tmp_path / "data"
    made = shell(
        "detector", "generate", "--tasks", "Lift", "--episodes", "6", "--dense", "6", "--test", "0",
        "--seed", "424242", "--workers", "1", "--out", data,
    )  # fmt: skip
    assert made[0] == 0, made[2]
    code, out, err = shell("detector", "eval", "--model", MODEL, "--data", data / "train-dense.json", "--json")
    assert code == 0, err
    scores = json.loads(out)["scores"]
    assert scores["accuracy"]["count"] == 6
    assert scores["accuracy"]["value"] >= 5 / 6, "a coin would be right so often in 11 of 100 such tests"
    assert scores["reason"]["value"] >= 0.5
