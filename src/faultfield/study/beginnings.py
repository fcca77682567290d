"""What a hunt began with: whatever is collected later, it is played again from the same episodes."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from faultfield.errors import StudyError
from faultfield.files import write_text
from faultfield.rollouts.episode import Episode
from faultfield.study.directory import Study

HUNTS = "hunts"
"""Directory in a study: a file for each hunt, by its settings, of the episodes that it began with."""


def begun_with(
    study: Study, settings: Mapping[str, Any], known: Sequence[Episode], choose: Callable[[], Sequence[Episode]]
) -> list[Episode]:
    """The episodes that a hunt is told first: those of its first call, which are written down then.

    Without that, a hunt that is continued after others were collected would learn from these from its first proposal
    on, propose otherwise, and roll out anew what it had.

    Args:
        study: Whose ledger they lie in.
        settings: All that a hunt's proposals depend on beside them; plain values.
        known: What it may have begun with.
        choose: What it begins with at its first call, some of `known`.

    Raises:
        StudyError: What was written down is damaged.
    """
    told = json.dumps({**settings, **study.identity, "seed": study.config.rollouts.seed}, sort_keys=True)
    file = study.directory / HUNTS / f"{hashlib.sha256(told.encode()).hexdigest()[:16]}.json"
    if file.is_file():
        try:
            names = set(json.loads(file.read_text(encoding="utf-8"))["known"])
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise StudyError(f"{file} is damaged; delete it, and the hunt begins with what is known today.") from error
        return [episode for episode in known if _name(episode) in names]
    chosen = list(choose())
    content = {"settings": json.loads(told), "known": sorted(_name(episode) for episode in chosen)}
    write_text(file, json.dumps(content, indent=2) + "\n")
    return chosen


def _name(episode: Episode) -> str:
    return f"{episode.variation.key} {episode.seed}"
