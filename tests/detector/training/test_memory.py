import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from faultfield.detector.training import memory

KEEPS = """
import sys
from contextlib import nullcontext
import numpy as np
from faultfield.detector.training.memory import large_given_back

def resident():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1]) / 1024

np.ones(3_500_000)  # Freed, it teaches glibc to take the next ones from its heap.
before = resident()
with nullcontext(True) if sys.argv[1] == "as ever" else large_given_back() as known:
    patches = [np.ones(1_000_000) for _ in range(8)]
if not known:
    sys.exit(3)
small = np.ones(12_000)  # On top of the heap, so that what lies below it stays.
del patches
print(resident() - before)
"""


def _kept_megabytes(how: str) -> float:
    done = subprocess.run([sys.executable, "-c", KEEPS, how], capture_output=True, text=True, check=False)
    if done.returncode == 3:
        pytest.skip("another C library than glibc")
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def test_room_is_a_quarter_of_what_is_free_for_all_processes_of_a_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=8000))
    monkeypatch.setattr(memory, "_LIMITS", (str(tmp_path / "none"), str(tmp_path / "limit")))
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    assert (memory.room(1), memory.room(4)) == (2000, 500)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert memory.room(16) == 1000
    (tmp_path / "limit").write_text("max\n")
    assert memory.room(16) == 1000
    (tmp_path / "limit").write_text("4000\n")
    assert memory.room(16) == 500


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_what_was_large_is_given_back_when_it_is_freed() -> None:
    assert _kept_megabytes("give back") < 10
    assert _kept_megabytes("as ever") > 50
