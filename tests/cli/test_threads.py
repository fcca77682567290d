import os
import subprocess
import sys
from textwrap import dedent

ASK = dedent("""
    import os, sys, torch
    from faultfield.cli import threads
    threads.one_each()
    torch.set_num_threads(1)
    with threads.all_cores():
        inside = torch.get_num_threads()
    print(os.environ["OMP_NUM_THREADS"], inside, torch.get_num_threads(), len(os.sched_getaffinity(0)))
""")


def _asked(**chosen: str) -> list[int]:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", ASK], env={**environment, **chosen}, capture_output=True, text=True, check=True
    )
    return [int(word) for word in done.stdout.split()]


def test_a_training_has_every_core_and_a_worker_one() -> None:
    for_workers, inside, after, cores = _asked()
    assert (for_workers, inside, after) == (1, cores, 1)


def test_whoever_says_how_many_threads_gets_them() -> None:
    for_workers, inside, *_ = _asked(OMP_NUM_THREADS="3")
    assert (for_workers, inside) == (3, 1)
