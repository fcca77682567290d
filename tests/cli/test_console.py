"""What a log file is told of long work."""

import json
import os
import subprocess
import sys

import pytest

from faultfield.cli.console import Bars, err, out


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


def test_names_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    out.print("lift:train:0 [bold]", markup=False)
    err.print("lift:train:0")
    assert capsys.readouterr() == ("lift:train:0 [bold]\n", "lift:train:0\n")


SPEAK = """
import sys
import faultfield.cli as cli
from faultfield.cli.console import out, print_json

def say(standalone_mode: bool) -> None:
    print_json({"id": "film\\udcff–"}) if "--json" in sys.argv else out.print("film\\udcff–")

cli.app = say
cli.main()
"""


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_name_that_is_no_utf_8_is_spelt_out(encoding: str) -> None:
    """A file may be called so; what was found out about it must not be lost over its name."""
    setting = {**os.environ, "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-c", SPEAK]
    told = subprocess.run(command, capture_output=True, timeout=60, check=True, env=setting).stdout
    assert told == ("film\\udcff–\n" if encoding == "utf-8" else "film\\udcff\\u2013\n").encode()
    told = subprocess.run([*command, "--json"], capture_output=True, timeout=60, check=True, env=setting).stdout
    assert json.loads(told.decode("utf-8")) == {"id": "film\udcff–"}


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
