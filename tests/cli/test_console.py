"""What a log file is told of long work."""

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
