"""One study, one directory: what the stages made, and from what, so that nothing is made twice."""

import hashlib
import json
import shutil
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from faultfield import __version__
from faultfield.envs.base import VariableEnv
from faultfield.errors import LedgerError, StudyError
from faultfield.files import write_text
from faultfield.policies.base import Policy
from faultfield.rollouts.ledger import Ledger
from faultfield.rollouts.pool import Workers
from faultfield.rollouts.specs import EnvSpec, PolicySpec
from faultfield.study.config import StudyConfig, variations_of
from faultfield.variations import Variation, VariationSpace

STUDY_FILE, IDENTITY_FILE, LEDGER = "study.yaml", "identity.json", "ledger"


class Study:
    """A study's settings and its directory.

    Args:
        config: What is studied.
        directory: Where everything is kept; made when it is missing.
        workers: Processes that roll out; None takes the study's setting.

    Attributes:
        count: Processes that roll out, or `auto`: one a core.

    Raises:
        StudyError: The directory holds a study of another policy or environment.
    """

    def __init__(self, config: StudyConfig, directory: str | Path, workers: int | None = None) -> None:
        self.config = config
        self.count = workers or config.rollouts.workers
        self.directory = Path(directory)
        self.policy_spec = PolicySpec(config.policy.type, config.policy.arguments)
        self.env_spec = EnvSpec(config.environment.type, config.environment.arguments)
        self._check_identity()
        self._fresh, self._made = not (self.directory / STUDY_FILE).exists(), not self.directory.exists()
        self.directory.mkdir(parents=True, exist_ok=True)
        text = config.to_yaml()
        file = self.directory / STUDY_FILE
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            write_text(file, text)
        write_text(self.directory / IDENTITY_FILE, json.dumps(self.identity, indent=2) + "\n")

    @classmethod
    def open(
        cls, path: str | Path, out: str | Path | None = None, workers: int | None = None, policy: str | None = None
    ) -> "Study":
        """The study that `path` names.

        Args:
            path: A study file, or a study's directory.
            out: Directory for a study file; by default `runs/<its name>`, with `-<the policy's>` if one is given.
            workers: Processes that roll out; None takes the study's setting.
            policy: Studied in place of the file's: a checkpoint's path, or `module:Class`.

        Raises:
            StudyError: There is nothing there, or it is no study, or a directory was given another policy.
        """
        path = Path(path)
        if path.is_dir():
            if not (path / STUDY_FILE).exists():
                raise StudyError(
                    f"{path} is not a study's directory: it has no {STUDY_FILE}; run 'faultfield run' first."
                )
            if out is not None and Path(out) != path:
                raise StudyError(f"{path} is already a study's directory; leave --out out.")
            if policy is not None:
                raise StudyError(f"{path} is the study of one policy already; for another, give the study's file.")
            return cls(StudyConfig.read(path / STUDY_FILE), path, workers)
        if not path.exists():
            raise StudyError(f"There is no study at {path}; give a study file (.yaml) or a study's directory.")
        config, name = StudyConfig.read(path), path.stem
        if policy is not None:
            config = config.of_policy(policy)
            name += "-" + Path(policy.rpartition(":")[2]).name.removesuffix(".pth")
        return cls(config, out if out is not None else Path("runs") / name, workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self.close()
        if error is not None and self._fresh:
            self._withdraw()

    def close(self) -> None:
        """End the worker processes, if there are any."""
        if "workers" in self.__dict__:
            self.workers.close()
            del self.__dict__["workers"]

    @property
    def name(self) -> str:
        """The directory's name."""
        return self.directory.resolve().name

    @cached_property
    def identity(self) -> dict[str, str]:
        """What may not change within one directory: the policy and the environment under test."""
        return {"policy": self.policy_spec.fingerprint, "environment": self.env_spec.fingerprint}

    @cached_property
    def env(self) -> VariableEnv:
        """The environment, built when first needed."""
        return self.env_spec.build()

    @cached_property
    def policy(self) -> Policy:
        """The policy under test, loaded when first needed."""
        return self.policy_spec.build()

    @cached_property
    def workers(self) -> Workers:
        """The processes that roll out, which stay from one stage to the next."""
        return Workers(self.count, self.config.rollouts.backend)

    @cached_property
    def ledger(self) -> Ledger:
        """The episodes."""
        return Ledger(self.directory / LEDGER, create=True)

    @property
    def space(self) -> VariationSpace:
        """What the environment can vary."""
        return self.env.variation_space

    @cached_property
    def known(self) -> list[Variation]:
        """Variations that are rolled out before anything is learned."""
        return variations_of(self.config.known, self.space)

    def stamp(self, stage: str, **made_from: Any) -> str:
        """The hash of everything that a stage's result depends on."""
        payload = json.dumps([__version__, stage, self.identity, made_from], sort_keys=True, default=str)
        return hashlib.sha256(payload.encode()).hexdigest()[:16]

    def is_done(self, stage: str, stamp: str, *files: str) -> bool:
        """Whether the stage's last whole result was made from just this, and its files are there still.

        Args:
            stage: Which.
            stamp: Of what it is made from now.
            files: Names of its result in the study's directory.
        """
        return self._stamps().get(stage) == stamp and all((self.directory / file).exists() for file in files)

    def begin(self, stage: str) -> None:
        """Forget the stage's last result; called before its files are written over.

        A kill between the files and `mark_done` would leave the old stamp beside new files.
        """
        stamps = self._stamps()
        if stamps.pop(stage, None) is not None:
            self._write(stamps)

    def mark_done(self, stage: str, stamp: str) -> None:
        """Remember what the stage's result was made from; called once the result is whole on disk."""
        self._write(self._stamps() | {stage: stamp})

    def _write(self, stamps: dict[str, str]) -> None:
        write_text(self.directory / "stamps.json", json.dumps(stamps, indent=2) + "\n")

    def _stamps(self) -> dict[str, str]:
        try:
            return dict(json.loads((self.directory / "stamps.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError) as error:
            raise StudyError(f"{self.directory / 'stamps.json'} is damaged; delete it and run again.") from error

    def _withdraw(self) -> None:
        """Take back the directory of a study that was refused before anything was made in it."""
        own = {STUDY_FILE, IDENTITY_FILE}
        with suppress(OSError, LedgerError):
            if {each.name for each in self.directory.iterdir()} <= own | {LEDGER} and not self._begun():
                shutil.rmtree(self.directory / LEDGER, ignore_errors=True)
                for name in own:
                    (self.directory / name).unlink(missing_ok=True)
                if self._made:
                    self.directory.rmdir()

    def _begun(self) -> bool:
        directory = self.directory / LEDGER
        if not directory.exists():
            return False
        with Ledger(directory) as ledger:
            return len(ledger) > 0

    def _check_identity(self) -> None:
        # Names that cannot be imported are told before anything is written.
        own, file = self.identity, self.directory / IDENTITY_FILE
        if not file.exists():
            return
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            found = dict(found)
        except (ValueError, TypeError) as error:
            raise StudyError(f"{file} is damaged; choose another --out.") from error
        for what, fingerprint in own.items():
            # Before the first episode nothing is lost: a misspelt checkpoint may be mended in the same place.
            if found.get(what) != fingerprint and self._begun():
                raise StudyError(
                    f"{self.directory} holds a study of another {what} ({found.get(what)}, now {fingerprint}); "
                    "choose another --out, or delete the directory."
                )
