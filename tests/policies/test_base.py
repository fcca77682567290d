"""What every policy is taken by: its fingerprint, and its answers to many observations at once."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from faultfield.envs.base import Observation
from faultfield.policies.base import Actions, fingerprint, infer_batch

VISUAL = "faultfield.policies.bc:VisualBC"


@pytest.mark.parametrize(
    "name", ["weights.npz", "model.bin", "last.ckpt", "policy.onnx", "a.pkl", "weights", "sub/a.npy"]
)
def test_any_file_of_a_checkpoint_counts_and_so_does_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "config.json").write_text("{}")
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"one")
    before = fingerprint(VISUAL, checkpoint=str(tmp_path))
    file.write_bytes(b"two")
    changed = fingerprint(VISUAL, checkpoint=str(tmp_path))
    file.rename(file.with_name(f"other-{file.name}"))
    renamed = fingerprint(VISUAL, checkpoint=str(tmp_path))
    assert len({before, changed, renamed}) == 3


def test_files_that_run_together_to_the_same_bytes_are_told_apart(tmp_path: Path) -> None:
    prints = set()
    for number, (first, second) in enumerate([(b"ab", b"c"), (b"a", b"bc"), (b"abc", b"")]):
        there = tmp_path / str(number)
        there.mkdir()
        (there / "a.npz").write_bytes(first)
        (there / "b.npz").write_bytes(second)
        prints.add(fingerprint(VISUAL, checkpoint=str(there)))
    assert len(prints) == 3


def test_cards_and_hidden_files_are_no_part_of_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "weights.npz").write_bytes(b"one")
    before = fingerprint(VISUAL, checkpoint=str(tmp_path))
    for name in ("README.md", "CARD.MD", ".gitattributes", ".cache/lock", "__pycache__/a.pyc"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("anything")
    assert fingerprint(VISUAL, checkpoint=str(tmp_path)) == before


def test_a_checkpoint_of_the_usual_files_keeps_the_fingerprint_that_ledgers_have(tmp_path: Path) -> None:
    content = {"config.json": b"{}", "model.safetensors": b"weights", "z.pt": b"more"}
    for name, what in content.items():
        (tmp_path / name).write_bytes(what)
    (tmp_path / "README.md").write_text("A card.")
    whole = hashlib.sha256(b"".join(content.values())).digest()
    wanted = hashlib.sha256(VISUAL.encode() + b"\0checkpoint\0" + whole).hexdigest()[:16]
    assert fingerprint(VISUAL, checkpoint=str(tmp_path)) == wanted


def test_a_text_too_long_for_a_file_is_a_setting_like_any_other() -> None:
    prints = {fingerprint(VISUAL, checkpoint="x" * 300 + end) for end in ("a", "a", "b")}
    assert len(prints) == 2


class Drawing:
    """A policy that answers what it sees plus what it draws."""

    def seed(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def reset(self) -> None:
        """It remembers nothing but its generator."""

    def infer(self, observation: Observation) -> Actions:
        return {"actions": (observation["at"] + self._rng.normal(size=(1, 2))).astype(np.float32)}


def test_answers_of_a_policy_that_draws_differ_only_where_observations_do() -> None:
    seen = [{"at": np.full(2, at)} for at in (0.0, 0.0, 3.0)]
    first, same, other = infer_batch(Drawing(), seen)
    np.testing.assert_array_equal(first, same)
    np.testing.assert_allclose(other - first, 3.0, atol=1e-6)
    policy = Drawing()
    backwards = [infer_batch(policy, [each])[0] for each in reversed(seen)]
    np.testing.assert_array_equal(backwards[::-1], [first, same, other])
