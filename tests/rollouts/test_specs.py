import pickle
from pathlib import Path

import pytest

from faultfield.errors import EnvError, PolicyError, SetupError, StudyError
from faultfield.rollouts.specs import EnvSpec, PolicySpec
from tests.toy import PointPolicy, PointReach


class NoInstruction(PointReach):
    instruction = None  # type: ignore[assignment]


class NoSpace(PointReach):
    def __init__(self) -> None:
        super().__init__()
        self.variation_space = None  # type: ignore[assignment]


def cannot() -> PointReach:
    raise RuntimeError("no such robot.\nmore lines")


def not_installed() -> PointReach:
    raise SetupError("Install the simulator.")


def test_specs_build_what_they_name_also_after_pickling() -> None:
    env = pickle.loads(pickle.dumps(EnvSpec("tests.toy:PointReach", {"horizon": 7}))).build()
    assert isinstance(env, PointReach)
    assert env.horizon == 7
    policy = pickle.loads(pickle.dumps(PolicySpec("tests.toy:PointPolicy", {"chunk": 3}))).build()
    assert isinstance(policy, PointPolicy)
    assert policy.chunk == 3


def test_an_environment_has_one_fingerprint_however_its_settings_are_written() -> None:
    a = EnvSpec("tests.toy:PointReach", {"horizon": 7, "sizes": [1, 2], "path": Path("x")})
    b = EnvSpec("tests.toy:PointReach", {"path": "x", "sizes": (1, 2), "horizon": 7})
    assert a.fingerprint == b.fingerprint
    assert len(a.fingerprint) == 16
    assert int(a.fingerprint, 16) >= 0
    others = [
        EnvSpec("tests.toy:PointReach", {"horizon": 8, "sizes": [1, 2], "path": "x"}),
        EnvSpec("tests.toy:PointReach"),
        EnvSpec("tests.rollouts.test_specs:NoSpace"),
    ]
    assert len({spec.fingerprint for spec in [a, *others]}) == 4


def test_foreign_source_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "foreign_env.py"
    wrapped = "faultfield.envs.randomised:Randomised", {"type": "foreign_env:Mine"}
    module.write_text("from tests.toy import PointReach\nclass Mine(PointReach): pass\n")
    before = EnvSpec("foreign_env:Mine").fingerprint, EnvSpec(*wrapped).fingerprint
    module.write_text("from tests.toy import PointReach\nclass Mine(PointReach): horizon = 3\n")
    assert EnvSpec("foreign_env:Mine").fingerprint != before[0]
    assert EnvSpec(*wrapped).fingerprint != before[1]


def test_policy_fingerprints_tell_settings_apart() -> None:
    prints = {PolicySpec("tests.toy:PointPolicy", {"chunk": c}).fingerprint for c in (1, 1, 2)}
    assert len(prints) == 2


@pytest.mark.parametrize(
    ("type", "arguments", "error", "text"),
    [
        ("tests.toy:PointReach", {"horizn": 3}, EnvError, "cannot be built from horizn"),
        ("tests.rollouts.test_specs:cannot", {}, EnvError, "RuntimeError: no such robot.$"),
        ("tests.rollouts.test_specs:not_installed", {}, SetupError, "Install the simulator"),
        ("tests.rollouts.test_specs:NoInstruction", {}, EnvError, "instruction"),
        ("tests.rollouts.test_specs:NoSpace", {}, EnvError, "variation_space"),
        ("tests.nowhere:Env", {}, StudyError, "cannot be imported"),
    ],
)
def test_what_cannot_be_an_environment_is_refused(
    type: str, arguments: dict[str, object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        EnvSpec(type, arguments).build()


def test_what_cannot_be_a_policy_is_refused() -> None:
    with pytest.raises(PolicyError, match="RuntimeError: no such robot"):
        PolicySpec("tests.rollouts.test_specs:raising_policy", {"size": 3}).build()
    with pytest.raises(EnvError, match="plain values"):
        _ = EnvSpec("tests.toy:PointReach", {"horizon": object()}).fingerprint


def raising_policy(size: int) -> PointPolicy:
    raise RuntimeError(f"no such robot of size {size}")
