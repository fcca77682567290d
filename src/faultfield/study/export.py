"""Which episodes of a study are exported, and the way from its ledger to a file or folder in another format."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from faultfield import files
from faultfield.envs.base import VariableEnv
from faultfield.errors import StudyError
from faultfield.exports import lerobot, llava, robomimic
from faultfield.exports.record import RecordingSetting, Shots, record
from faultfield.exports.recording import Recording
from faultfield.rollouts.clip import episode_id
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.worker import Setting
from faultfield.study import controls
from faultfield.study.directory import Study
from faultfield.study.progress import Progress
from faultfield.variations import Variation

Format = Literal["robomimic", "lerobot", "llava"]

RATE = 20
"""Frames a second where the environment does not say."""


@dataclass(frozen=True)
class Choice:
    """Which episodes.

    Attributes:
        outcome: Only successes or only failures; both when None.
        variations: Only of these; of all when empty.
        stages: Only of these stages of the ledger; of all when empty.
        role: Whose: the `policy` under test, or the `expert` or `blind` control.
        most: At most so many, the first in the ledger's order; all when None.
    """

    outcome: Literal["success", "failure"] | None = None
    variations: Sequence[Variation] = ()
    stages: Sequence[str] = ()
    role: str = "policy"
    most: int | None = None

    def of(self, study: Study) -> list[Episode]:
        """The chosen episodes of a study's ledger, with their first pictures.

        Raises:
            StudyError: There are none, or whose they are has none of such a stage, or the study has no such control.
        """
        if self.role not in ("policy", "expert", "blind"):
            raise StudyError(f"The role must be policy, expert or blind, not '{self.role}'.")
        acting = study.policy_spec if self.role == "policy" else controls.policy_spec(study, self.role)
        wanted = {variation.key for variation in self.variations}
        rolled = study.ledger.episodes(policy=acting.fingerprint)
        here = list(dict.fromkeys(episode.stage for episode in rolled))
        for stage in self.stages:
            if stage not in here:
                raise StudyError(
                    f"The {self.role} of {study.directory} has no episodes of the stage '{stage}'; its stages are "
                    f"{', '.join(here) or 'none'}."
                )
        found = [
            episode
            for episode in rolled
            if (not wanted or episode.variation.key in wanted)
            and (not self.stages or episode.stage in self.stages)
            and self.outcome in (None, "success" if episode.success else "failure")
        ][: self.most]
        if not found:
            raise StudyError(
                f"No episode in the ledger of {study.directory} is as asked for; 'faultfield rollout --keep' adds some."
            )
        return found


def export(
    study: Study,
    format: Format,
    out: str | Path,
    choice: Choice,
    progress: Progress,
    *,
    workers: int = 1,
    valid: float = 0.1,
    media: llava.Media = "image",
    reasons: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Write chosen episodes in another format, whole or not at all.

    The ledger keeps outcomes, not steps, so each episode is rolled out once more with its policy, variation and seed,
    and compared with the ledger. What was rolled out waits in `<out>.recordings`; killed and run again, the export goes
    on from there, and removes it in the end.

    Args:
        study: Whose episodes.
        format: What to write.
        out: The file (robomimic) or folder (lerobot, llava); it may not exist yet.
        choice: Which episodes.
        progress: Shows how far it is.
        workers: Processes that roll out.
        valid: Of robomimic: the share of demonstrations in `mask/valid`.
        media: Of llava: a collage or a video.
        reasons: Of llava: why an episode failed, by `episode_id`; where None, what `explain` left in the ledger.

    Returns:
        What the format's `write` counts, with `format` and `out`.

    Raises:
        StudyError: No such episodes, or `out` exists.
        LedgerError: An episode came out otherwise than the ledger has it.
        FaultfieldError: What a rollout raises.
    """
    path = Path(out)
    if not path.name:
        raise StudyError(f"{path} exists already; name a new --out in it.")
    spool = path.with_name(f"{path.name}.recordings")
    if path.exists():
        # A kill right after it was written left them.
        shutil.rmtree(spool, ignore_errors=True)
        raise StudyError(f"{path} exists already; name another --out, or delete it.")
    episodes = choice.of(study)
    spec = study.policy_spec if choice.role == "policy" else controls.policy_spec(study, choice.role)
    setting = Setting(study.env_spec, spec, study.identity["environment"], spec.fingerprint)
    shots = Shots() if format == "llava" and media == "image" else None
    recorded = []
    with progress.task("Rolling out again", len(episodes)) as update:
        for each in record(episodes, RecordingSetting(setting, shots), spool, workers):
            recorded.append(each)
            update(len(recorded))
    with progress.task(f"Writing {format}", len(recorded)) as update:
        recordings = _told((Recording.load(file, episode) for file, episode in recorded), update)
        env = study.env
        if format == "robomimic":
            counts = robomimic.write(path, recordings, study.env_spec, env.instruction, valid=valid)
        elif format == "lerobot":
            with files.folder(path) as draft:
                robot = study.env_spec.arguments.get("robot")
                counts = lerobot.write(draft, recordings, env.instruction, rate=rate_of(env), robot=robot)
        else:
            with files.folder(path) as draft:
                told = _explained(study) if reasons is None else reasons
                counts = llava.write(draft, recordings, env.instruction, media=media, rate=rate_of(env), reasons=told)
    shutil.rmtree(spool)
    return {"format": format, "out": str(path), **counts}


def _explained(study: Study) -> dict[str, str]:
    """The detector's newest reasons, by `episode_id`, of the episodes that it took for failures."""
    verdicts = study.ledger.verdicts()
    return {
        episode_id(episode): verdicts[episode.key].reason
        for episode in study.ledger.iterate(load="none")
        if episode.key in verdicts and verdicts[episode.key].failed
    }


def _told(recordings: Iterator[Recording], update: Any) -> Iterator[Recording]:
    for number, recording in enumerate(recordings, 1):
        yield recording
        update(number)


def rate_of(env: VariableEnv) -> int:
    """Control steps a second of an environment, which are its pictures a second."""
    return int(env.metadata.get("render_fps") or RATE)
