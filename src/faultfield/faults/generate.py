"""Make a data set for the detector: many samples, in as many processes as wanted, going on where a kill left it.

A directory holds `info.json` (the recipe and, when all is done, counts and versions), `samples.jsonl` (a line a sample,
in the order of the plan), `images/`, `videos/`, and `<split>.json` as conversation files. A line is written after its
files, so a sample is done when its line is there and its files are; what was cut off or has gone is made again.
"""

import contextlib
import json
import os
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from faultfield import files
from faultfield.errors import FaultError
from faultfield.faults import llava
from faultfield.faults.recipe import SPLITS, Plan, Recipe, plans
from faultfield.faults.sample import Line, Made, Maker, Setting
from faultfield.faults.tasks import task_named
from faultfield.faults.wording import question
from faultfield.rollouts.ledger import Ledger
from faultfield.rollouts.processes import Processes
from faultfield.rollouts.runner import versions
from faultfield.rollouts.verdict import Round, Verdict

WORKER = "faultfield.faults.sample:Maker"

ANNOTATION = "annotation"
"""In the place of a detector's fingerprint, with the verdicts of those who know what was done."""

_LINES = "samples.jsonl"


def generate(
    recipe: Recipe,
    directory: str | Path,
    *,
    workers: int = 1,
    ledger: str | Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Make a data set, or what is missing of one.

    The files depend on the recipe alone, not on the number of workers nor on how often it was begun.

    Args:
        recipe: The settings.
        directory: Of the data set; made if it is not there.
        workers: Processes that roll out and picture; 1 stays in this one.
        ledger: Directory of a ledger to which the episodes of the samples that are made now are added as well, the
            reasons of dense ones as verdicts of `ANNOTATION`.
        on_progress: Called with (samples done, samples in all).

    Returns:
        What `info.json` holds: the recipe, counts and versions.

    Raises:
        FaultError: The directory holds a data set of other settings, or another process is writing to it; a task is
            unknown, or its expert fails on its own.
        EnvError: An environment cannot be built or a worker died: run again to go on.
    """
    if workers < 1:
        raise FaultError(f"The number of workers must be at least 1, not {workers}.")
    for split in SPLITS:
        for name in recipe.tasks_of(split):
            task_named(name).only(recipe.kinds, recipe.phases)
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        _begin(folder, recipe)
        _drop_torn(folder / _LINES)
        lines = read_lines(folder)
        planned = list(plans(recipe))
        lost = _lost(folder, lines, planned)
        missing = [*lost, *planned[len(lines) :]]
        done = len(planned) - len(missing)
        if on_progress is not None:
            on_progress(done, len(planned))
        setting = Setting(recipe, folder, keep=ledger is not None)
        with contextlib.ExitStack() as stack:
            book = None if ledger is None else stack.enter_context(Ledger(ledger, create=True))
            stream = stack.enter_context((folder / _LINES).open("a", encoding="utf-8"))
            for number, made in enumerate(stack.enter_context(contextlib.closing(_made(missing, setting, workers))), 1):
                if book is not None and made.episode is not None:
                    book.append(made.episode)
                    if made.line["reason"] is not None:
                        book.add_verdicts(ANNOTATION, {made.episode.key: _annotation(made.line)})
                if number > len(lost):
                    stream.write(json.dumps(made.line, ensure_ascii=False) + "\n")
                    stream.flush()
                    lines.append(made.line)
                if on_progress is not None:
                    on_progress(done + number, len(planned))
            os.fsync(stream.fileno())
        _write_conversations(folder, recipe, lines)
        info = {
            "recipe": recipe.to_json(),
            "fingerprint": recipe.fingerprint,
            **_counts(lines),
            "versions": dict(versions()),
        }
        files.write_text(folder / "info.json", json.dumps(info, indent=2, ensure_ascii=False) + "\n")
    return info


def _annotation(line: Line) -> Verdict:
    """What a sample's annotation says, as a verdict that is sure of it."""
    return Verdict.of((Round(float(line["failed"]), line["reason"], 0.0, 0.0),), best=0)


def read_lines(directory: str | Path) -> list[Line]:
    """The samples of a data set, as `samples.jsonl` has them; a last line that is being written or was cut off is none.

    Raises:
        FaultError: A line that is no sample.
    """
    path = Path(directory) / _LINES
    if not path.is_file():
        return []
    data = path.read_bytes()
    lines = []
    for number, text in enumerate(data[: _whole(data)].splitlines(), 1):
        try:
            line = json.loads(text)
            line["id"], line["image"]
        except (ValueError, LookupError, TypeError) as error:
            raise FaultError(
                f"Line {number} of '{path}' is no sample; delete the data set and make it anew."
            ) from error
        lines.append(line)
    return lines


def _whole(data: bytes) -> int:
    """How many bytes are whole lines."""
    return data.rfind(b"\n") + 1


def _drop_torn(path: Path) -> None:
    """Cut off a last line that a kill left unfinished: the next is written behind whole ones."""
    data = path.read_bytes() if path.is_file() else b""
    if _whole(data) < len(data):
        os.truncate(path, _whole(data))


def _made(missing: Sequence[Plan], setting: Setting, workers: int) -> Generator[Made]:
    if workers == 1 or len(missing) < 2:
        maker = Maker()
        try:
            for plan in missing:
                yield maker.run(plan, setting)
        finally:
            maker.close()
        return
    processes: Processes[Made] = Processes(workers, WORKER)
    try:
        yield from processes.run(missing, setting)
    finally:
        processes.close()


def _begin(folder: Path, recipe: Recipe) -> None:
    """Write down the recipe, or find it written down."""
    path = folder / "info.json"
    if not path.is_file():
        files.write_text(
            path, json.dumps({"recipe": recipe.to_json(), "fingerprint": recipe.fingerprint}, indent=2) + "\n"
        )
        return
    try:
        known = json.loads(path.read_text(encoding="utf-8"))["fingerprint"]
    except (ValueError, LookupError, TypeError) as error:
        raise FaultError(f"'{path}' is not the note of a data set; choose another directory.") from error
    if known != recipe.fingerprint:
        raise FaultError(
            f"'{folder}' holds a data set of other settings ('info.json' tells them), or of an older version of this "
            "program; choose another directory."
        )


def _lost(folder: Path, lines: Sequence[Line], planned: Sequence[Plan]) -> list[Plan]:
    """Samples that have a line, but no longer their files."""
    if len(lines) > len(planned) or any(line["id"] != plan.id for line, plan in zip(lines, planned, strict=False)):
        raise FaultError(f"'{folder}' holds samples that its recipe has not; choose another directory.")
    shown = ([line["image"], *([line["video"]] if line.get("video") else [])] for line in lines)
    return [
        plan
        for plan, names in zip(planned, shown, strict=False)
        if not all((folder / name).is_file() for name in names)
    ]


def _write_conversations(folder: Path, recipe: Recipe, lines: Sequence[Line]) -> None:
    for split in SPLITS:
        if recipe.count(split) == 0 or split == "sight":
            continue
        chosen = [line for line in lines if line["split"] == split]
        llava.write(folder / f"{split}.json", [conversation(folder, line) for line in chosen])
        if recipe.video:
            llava.write(folder / f"{split}-video.json", [conversation(folder, line, video=True) for line in chosen])


def conversation(directory: str | Path, line: Line, *, video: bool = False) -> llava.Conversation:
    """A sample as a conversation about its collage, or about its video."""
    folder = Path(directory)
    asked = question(line["instruction"], video=video)
    shown = {"video": folder / line["video"]} if video else {"image": folder / line["image"]}
    return llava.Conversation(line["id"], asked, line["failed"], line["reason"], **shown)


def _counts(lines: Sequence[Line]) -> dict[str, Any]:
    """How many samples of each split, task and kind, and how many of them failed."""
    splits: dict[str, dict[str, Any]] = {}
    for split in dict.fromkeys(line["split"] for line in lines):
        chosen = [line for line in lines if line["split"] == split]
        splits[split] = {"samples": len(chosen), "failed": sum(line["failed"] for line in chosen)}
    kinds: dict[str, dict[str, dict[str, int]]] = {}
    for task in dict.fromkeys(line["task"] for line in lines):
        chosen = [line for line in lines if line["task"] == task]
        tried = Counter(_kind(line) for line in chosen)
        failed = Counter(_kind(line) for line in chosen if line["failed"])
        kinds[task] = {kind: {"samples": tried[kind], "failed": failed[kind]} for kind in sorted(tried)}
    return {"samples": len(lines), "splits": splits, "tasks": kinds}


def _kind(line: Line) -> str:
    return line["fault"]["kind"] if line["fault"] else "none"


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from writing to the directory; the system frees it when we end, however we end."""
    import fcntl

    with (folder / ".lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FaultError(f"Another process is making the data set in '{folder}'.") from error
        yield
