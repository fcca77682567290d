"""One page of the paper's tables and figures, from what their programs wrote.

    python benchmarks/paper_tables.py runs/tables/table1 runs/tables/table3 ... [--out docs/results/tables]

Each PART is the `--out` of `table1.py`, `table3.py`, `table4.py`, `embedding.py`, `figure5.py` or
`figure7.py`: its `.md` becomes a section, its `.json` an entry, its `.png`, where there is one, comes along.
"""

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faultfield.errors import StudyError
from faultfield.files import write_text
from pages import facts, run, tell

TABLE_2 = "Table 2, by task and policy, has a page of its own: [table2.md](table2.md)."


def main() -> None:
    """Read the parts and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=Path("docs/results/tables"))
    options = parser.parse_args()
    lines, content = joined(options.parts)
    for part in options.parts:
        picture = part.with_suffix(".png")
        if picture.exists():
            options.out.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(picture, options.out.parent / picture.name)
    write_text(options.out.with_suffix(".md"), "\n".join(lines) + "\n")
    write_text(options.out.with_suffix(".json"), json.dumps(facts(parts=content), indent=1) + "\n")
    tell(f"Wrote {options.out}.md and .json")


def joined(parts: Sequence[Path]) -> tuple[list[str], dict[str, Any]]:
    """The page's lines, headings one level down, and every part's numbers by its name.

    Raises:
        StudyError: A part was not written yet.
    """
    lines = ["# RoboMD's tables and figures, made here", "", TABLE_2]
    content: dict[str, Any] = {}
    for part in parts:
        try:
            text = part.with_suffix(".md").read_text(encoding="utf-8")
            content[part.name] = json.loads(part.with_suffix(".json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StudyError(f"{part} is not what a table's program wrote: {error}.") from error
        lines.append("")
        inside = False
        for line in text.rstrip().splitlines():
            inside ^= line.startswith("```")
            lines.append(f"#{line}" if line.startswith("#") and not inside else line)
    return lines, content


if __name__ == "__main__":
    run(main, "paper_tables.py")
