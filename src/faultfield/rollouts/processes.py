"""Worker processes on this machine, each with an environment of its own."""

import os
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from multiprocessing import Pipe, connection
from typing import Any, Generic, Protocol, TypeVar

from faultfield import plugins
from faultfield.errors import EnvError

AHEAD = 2
"""Episodes a worker may be ahead of the slowest one: what is done out of turn must wait in memory."""

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "LP_NUM_THREADS": "1",
}
"""Environment variables of a worker, so that workers do not fight for cores; the last is Mesa's rasteriser's."""

_MAIN = "import sys; sys.path[:] = {path!r}; from faultfield.rollouts.processes import serve; serve({pipe}, {worker!r})"

Made = TypeVar("Made")


class Labelled(Protocol):
    """A job that can be told in the text of an error. It travels through a pipe, as does what comes of it."""

    @property
    def label(self) -> str:
        """Which job this is, in words."""
        ...


class Processes(Generic[Made]):
    """Worker processes that stay between runs, with what they last built.

    Args:
        limit: How many processes at most; each is started when first needed.
        worker: Names the class, `module:Class`, whose instance in each process runs the jobs: `run(job, setting)`.
    """

    def __init__(self, limit: int, worker: str = "faultfield.rollouts.worker:Worker") -> None:
        self._limit, self._worker = limit, worker
        self._crew: list[_Member] = []

    def __len__(self) -> int:
        return len(self._crew)

    def run(self, jobs: Sequence[Labelled], setting: Any) -> Iterator[Made]:
        """Run jobs and yield what comes of them in the order of the jobs.

        Raises:
            EnvError: A worker process died.
            FaultfieldError: The first job, in their order, that failed.
        """
        finished = False
        try:
            while len(self._crew) < min(self._limit, len(jobs)):
                self._crew.append(_Member(self._worker))
            yield from self._in_order(jobs, setting)
            finished = True
        finally:
            # After an error, or when the caller stops early, some still have a job that nobody waits for.
            if not finished:
                self.close()

    def close(self) -> None:
        """End all processes, whatever they are doing."""
        for member in self._crew:
            member.stop()
        self._crew = []

    def _in_order(self, jobs: Sequence[Labelled], setting: Any) -> Iterator[Made]:
        done: dict[int, Any] = {}
        idle = list(self._crew)
        given = 0
        for turn in range(len(jobs)):
            while turn not in done:
                while idle and given < min(len(jobs), turn + AHEAD * len(self._crew)):
                    idle.pop(0).begin(given, jobs[given], setting)
                    given += 1
                for member in _ready(self._crew):
                    index, result = member.finish()
                    done[index] = result
                    if not member.lost:
                        idle.append(member)
            outcome = done.pop(turn)
            if isinstance(outcome, BaseException):
                raise outcome
            yield outcome


class _Member:
    """One worker process, seen from here.

    Started as a program of its own, not through multiprocessing: that would run the user's script again in each
    process, and would need its threads limited by changing our own environment variables.
    """

    def __init__(self, worker: str) -> None:
        self.pipe, theirs = Pipe()
        self.lost = False
        self._index = -1
        self._job: Labelled | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-c", _MAIN.format(path=sys.path, pipe=theirs.fileno(), worker=worker)],
            env={**os.environ, **ONE_THREAD},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            # What a simulator prints must not mix with what our caller writes on standard output.
            stdout=2,
            # Ctrl-C in the terminal is for the parent, which stops its workers.
            start_new_session=True,
        )
        theirs.close()

    @property
    def busy(self) -> bool:
        """Whether it has a job."""
        return self._job is not None

    def begin(self, index: int, job: Labelled, setting: Any) -> None:
        """Hand it a job."""
        self._index, self._job = index, job
        try:
            self.pipe.send((job, setting))
        except OSError:
            # It died; reading from it will say so.
            self.lost = True

    def finish(self) -> tuple[int, Any]:
        """The index of its job and what came of it, once the pipe can be read."""
        job, self._job = self._job, None
        try:
            return self._index, self.pipe.recv()
        except (EOFError, OSError):
            self.lost = True
            return self._index, _died(self._process.wait(), job)

    def stop(self) -> None:
        """End it, whatever it is doing."""
        self.pipe.close()
        self._process.kill()
        self._process.wait()


def _ready(crew: list[_Member]) -> list[_Member]:
    """The members whose pipes can be read: they are done, or dead. Waits for the first."""
    waiting = [member for member in crew if member.busy]
    readable = connection.wait([member.pipe for member in waiting])
    return [member for member in waiting if member.pipe in readable]


def serve(handle: int, name: str) -> None:
    """What a worker process does: run the jobs that come through a pipe until its other end is gone.

    Args:
        handle: File descriptor of the pipe.
        name: Of the worker's class.
    """
    pipe = connection.Connection(handle)
    worker = plugins.load(name, what="worker")()
    try:
        while True:
            pipe.send(_attempt(worker, *pipe.recv()))
    except (EOFError, OSError):
        return


def _attempt(worker: Any, job: Labelled, setting: Any) -> Any:
    try:
        return worker.run(job, setting)
    except Exception as error:
        # Where it happened and what caused it do not travel through a pipe, but a note does.
        error.add_note("".join(traceback.format_exception(error)))
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)


def _died(exit_code: int, job: Labelled | None) -> EnvError:
    how = f"was ended by signal {-exit_code}" if exit_code < 0 else f"ended with exit code {exit_code}"
    what = f" during {job.label}" if job is not None else ""
    return EnvError(
        f"A worker process {how}{what} (a crash, or memory ran out); finished episodes are kept: "
        "run again to go on, with fewer workers if memory is short."
    )
