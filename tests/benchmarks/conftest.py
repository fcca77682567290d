"""What several tests of the benchmarks stand on."""

from pathlib import Path

import pytest

from tests.benchmarks import tables


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a diagnosed study of the toy; read, never written to."""
    return tables.made(tmp_path_factory.mktemp("tables") / "toy")
