"""What the commands' tests run on: the program, a detector, and data."""

from pathlib import Path

import pytest

from faultfield.detector import checkpoint
from tests.detector import pockets
from tests.shell import Shell


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(capsys, monkeypatch)


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("detector")
    checkpoint.save(pockets.model(), folder)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return pockets.conversations(tmp_path / "data.json", pockets.samples(4))
