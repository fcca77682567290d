"""`docs/papers.md` says where everything of the papers is: it must be there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/papers.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("|")]
PLACES = (ROOT, ROOT / "src/faultfield")
ARMOR = (
    "3.1", "3.2", "4.1", "4.2", "4.3", "5", "5.1", "5.2", "5.3", "5.4", "A.1", "A.2", "B.1", "B.2", "B.3", "B.4", "C",
    "C.1", "C.2", "Eq. 1", "Eq. 2", "Algorithm 1", "Algorithm 2", *(f"Table {n}" for n in range(1, 9)),
    "Fig. 1", "Fig. 2", "Fig. 3a", "Fig. 3b", "Fig. 4", "Figs. 5 and 6",
)  # fmt: skip
"""What is numbered in the paper."""


def _missing(cell: str) -> list[str]:
    """Files and folders that a cell names and that are not there; a bare name lies beside the one before it."""
    missing = [path for path in re.findall(r"\]\(([^)#:]+)\)", cell) if not (ROOT / "docs" / path).is_file()]
    beside = ROOT
    for path in re.findall(r"`([\w./-]+(?:\.py|\.yaml|/))`", cell):
        here = [place / path for place in ((*PLACES, beside) if "/" in path else (beside,)) if (place / path).exists()]
        if here:
            beside = here[0] if here[0].is_dir() else here[0].parent
        else:
            missing.append(path)
    return missing


def test_every_file_that_the_page_names_is_there() -> None:
    assert [path for row in ROWS for cell in row for path in _missing(cell)] == []
    assert [path for line in PAGE.splitlines() if not line.startswith("|") for path in _missing(line)] == []
    assert sum(len(re.findall(r"\.py`", cell)) for row in ROWS for cell in row) > 100


def test_a_file_that_is_not_there_is_found_out() -> None:
    assert _missing("`detector/head.py`, `tail.py`, `tests/none.py`, [page](results/none.md)") == [
        "results/none.md", "tail.py", "tests/none.py",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ARMOR)
def test_armor_has_a_row_for_everything_that_is_numbered(name: str) -> None:
    begin = next(index for index, row in enumerate(ROWS) if row[0] == "ARMOR")
    found = [row for row in ROWS[begin + 2 :] if name in re.split(r", ", row[0])]
    assert found
    for row in found:
        assert len(row) == 5
        assert all(row[1:4]), row[0]
