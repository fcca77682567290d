import io

from rich.console import Console

from faultfield.diagnosis.result import DetectorInfo, Ranked, Verified
from faultfield.report import print_worst, verdict
from faultfield.variations import Variation
from tests.report.example import example


def printed(diagnosis, **options) -> str:
    console = Console(width=140, file=io.StringIO())
    print_worst(diagnosis, console, **options)
    return console.file.getvalue()


def test_the_ten_worst_are_printed_in_order() -> None:
    diagnosis = example()
    worst = [entry for entry in diagnosis.ranking if not entry.infeasible][:10]
    text = " ".join(printed(diagnosis).split())
    places = [text.index(f" {place} {entry.text[:30]}") for place, entry in enumerate(worst, start=1)]
    assert places == sorted(places)
    assert verdict(diagnosis) in text
    assert "The 10 worst never tried" in text


def test_numbers_are_printed_and_words_are_not_markup() -> None:
    entry = Ranked.estimated(
        Variation({"a": 1.0}, "[red]Change[/red] a."), 0.87, 0.7, 0.95, 0.5, verified=Verified.counted(27, 30)
    )
    text = printed(example().model_copy(update={"ranking": [entry]}))
    assert "[red]Change[/red] a." in text
    for said in ("87%", "70–95%", "0.50", "90% (27/30)"):
        assert said in text


def test_a_detector_is_held_against_the_simulator() -> None:
    counted = DetectorInfo.counted(["d"], episodes=15, failures=11, found=6, alarms=1)
    text = " ".join(printed(example().model_copy(update={"detector": counted})).split())
    assert "agrees with the simulator on 9 of 15 episodes (60%; 95%: 36–80%)" in text
    assert "it found 6 of 11 failures, and called 1 of 4 successes failed." in text
    assert "detector" not in printed(example())


def test_without_a_ranking_the_verdict_stands_alone() -> None:
    bare = example().model_copy(update={"ranking": []})
    assert printed(bare).split() == verdict(bare).split()
