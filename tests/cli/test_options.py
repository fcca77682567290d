"""What is typed as an option that is more than a word."""

import pytest

from faultfield.cli.options import mapping
from faultfield.errors import FaultfieldError


@pytest.mark.parametrize(
    ("text", "values"),
    [
        # As YAML 1.2 and everybody's calculator have it; YAML 1.1 takes a number without a point for a word.
        ("{lr: 1e-4, b: 2E+3, c: -3.e5, d: .5e1}", {"lr": 1e-4, "b": 2e3, "c": -3e5, "d": 5.0}),
        ("{a: 1.0e-4, b: 3, c: red, d: e5}", {"a": 1e-4, "b": 3, "c": "red", "d": "e5"}),
        ("{a: '1e-4', b: 1e, c: true, d: [1e1]}", {"a": "1e-4", "b": "1e", "c": True, "d": [10.0]}),
        ("{}", {}),
    ],
)  # fmt: skip
def test_a_mapping_is_read(text: str, values: dict[str, object]) -> None:
    assert mapping(text, "It is none") == values


@pytest.mark.parametrize("text", ["", "red", "[1]", "{", "a: b: c", "{a: !!python/object/apply:os.getcwd []}"])
def test_what_is_no_mapping_is_said(text: str) -> None:
    with pytest.raises(FaultfieldError, match="It is none"):
        mapping(text, "It is none")
