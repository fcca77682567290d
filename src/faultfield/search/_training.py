"""What training with Stable-Baselines3 needs around it: one thread, untouched global random state, progress."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

Progress = Callable[[int, int, Mapping[str, float]], None]
"""Called with what is done, what there is to do, and numbers by name."""


@contextmanager
def quiet_training(steps: int, on_progress: Progress | None) -> Iterator[Any]:
    """Yield a callback for `learn`; on leaving, threads and global random states are as they were.

    One thread is fastest for networks this small, and sums in the same order whatever the machine. The library seeds
    and draws from the global generators of Python, numpy and torch; a caller's own use of those must not notice.
    """
    import torch
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

    threads, python, arrays = torch.get_num_threads(), random.getstate(), np.random.get_state()  # noqa: NPY002
    torch.set_num_threads(1)
    try:
        # numpy's own threads too: on a busy machine they wait for one another longer than they compute.
        with torch.random.fork_rng(devices=[]), threadpool_limits(1):
            yield _callback(steps, on_progress)
    finally:
        torch.set_num_threads(threads)
        random.setstate(python)
        np.random.set_state(arrays)  # noqa: NPY002


def without_log(model: Any) -> Any:
    """The model with a logger that writes nothing: the library's own makes a new folder in /tmp for every training."""
    from stable_baselines3.common.logger import Logger

    model.set_logger(Logger(folder=None, output_formats=[]))
    return model


def _callback(steps: int, on_progress: Progress | None) -> Any:
    if on_progress is None:
        return None
    report = on_progress
    from stable_baselines3.common.callbacks import BaseCallback

    class Reporter(BaseCallback):
        """Reports about a hundred times, and at the end."""

        reported = 0

        def _on_step(self) -> bool:
            if self.reported < steps and self.num_timesteps - self.reported >= steps / 100:
                self._report()
            return True

        def _on_training_end(self) -> None:
            if self.reported < steps:
                self._report()

        def _report(self) -> None:
            self.reported = min(self.num_timesteps, steps)
            recent = self.model.ep_info_buffer or ()
            info = {}
            if recent:
                info["mean_reward"] = float(np.mean([episode["r"] for episode in recent]))
                info["mean_length"] = float(np.mean([episode["l"] for episode in recent]))
            report(self.reported, steps, info)

    return Reporter()
