"""Names of classes and functions, and what is said of wrong ones."""

from pathlib import Path

import pytest

from faultfield import plugins
from faultfield.errors import StudyError


def test_a_module_in_the_current_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_robot_for_plugins.py").write_text("def act(observation):\n    return [0.0]\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert plugins.load("my_robot_for_plugins:act")({}) == [0.0]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("json", "must be named 'module:attribute'"),
        (":x", "must be named"),
        ("no_such_module_here:X", "cannot be imported"),
        ("json:nothing", "has no 'nothing'"),
        ("json:__name__", "is a str"),
    ],
)
def test_a_wrong_name_is_refused_in_one_sentence(name: str, message: str) -> None:
    with pytest.raises(StudyError, match=message) as caught:
        plugins.load(name)
    assert "\n" not in str(caught.value)


def test_entry_points_are_found_by_name_and_listed_when_unknown() -> None:
    with pytest.raises(StudyError, match="There is no estimator 'nope'"):
        plugins.load("nope", what="estimator", group="faultfield.estimators")
