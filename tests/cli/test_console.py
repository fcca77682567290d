"""What a log file is told of long work."""

import json
import subprocess
import sys

import pytest

from faultfield.cli.console import Bars


def test_without_a_terminal_a_line_a_minute_says_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    with Bars(lambda: now[0]).task("Rolling out", 100) as update:
        for done, seconds in ((40, 0.0), (41, 30.0), (50, 60.0), (51, 90.0), (70, 180.0), (100, 300.0)):
            now[0] = seconds
            update(done)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "Rolling out: 50 of 100, 1 min, 5 min left",
        "Rolling out: 70 of 100, 3 min, 3 min left",
        "Rolling out: done",
    ]


CHATTER = """
import os
from faultfield.cli.console import print_json, results_alone
with results_alone():
    print("a simulator says hello")
    os.write(1, b"its C code too\\n")
    print_json({"found": 1})
    print("and goodbye")
print("afterwards")
"""


def test_what_simulators_print_is_kept_out_of_the_results() -> None:
    done = subprocess.run([sys.executable, "-c", CHATTER], capture_output=True, text=True, timeout=60, check=True)
    results, _, rest = done.stdout.partition("afterwards")
    assert (json.loads(results), rest.strip()) == ({"found": 1}, "")
    assert {"a simulator says hello", "its C code too", "and goodbye"} <= set(done.stderr.splitlines())
