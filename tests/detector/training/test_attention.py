from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from faultfield.detector.training import attention, eyes
from faultfield.detector.training.config import TrainingConfig
from faultfield.detector.training.course import SampleCourse
from faultfield.detector.training.learner import Learner
from faultfield.detector.training.packing import pack
from faultfield.detector.training.prompting import lesson
from faultfield.detector.training.run import adapt
from faultfield.detector.training.sight import SightConfig
from faultfield.detector.training.sight_data import SightData
from tests.detector import pockets


def _losses(learner: Learner, bf16: bool) -> tuple[torch.Tensor, torch.Tensor]:
    course = SampleCourse(pockets.samples(4, dense_every=1), learner.model)
    taught = lesson("warm-up", [0, 1, 2, 3], course, [])
    openings = [course.opening(row) for row in range(4)]
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        tokens = learner.see(torch.cat([o.pixels for o in openings]), torch.cat([o.grid for o in openings]))
        sums = learner.losses(pack(openings, taught.parts), tokens, torch.tensor(taught.failed, dtype=torch.long))
    return sums.detection, sums.reason


def test_attention_computes_in_float32_while_the_rest_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    model = pockets.model()
    adapt(model, TrainingConfig(bf16=True, freeze_vision=False), "cpu")
    seen: list[tuple[torch.dtype, bool]] = []
    plain = nn.functional.scaled_dot_product_attention

    def watched(query: torch.Tensor, *rest: object, **more: object) -> torch.Tensor:
        seen.append((query.dtype, more.get("attn_mask") is not None))
        return plain(query, *rest, **more)

    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", watched)
    detection, reason = _losses(Learner(model).eval(), bf16=True)
    (detection + reason).backward()
    decoder = [dtype for dtype, masked in seen if masked]
    assert len(decoder) == 5
    assert set(decoder) == {torch.float32}
    assert all(p.grad is not None for p in model.text.layers.parameters())


def test_losses_stay_what_they_were_but_for_rounding() -> None:
    exact = _losses(Learner(pockets.model()).eval(), bf16=False)
    model = pockets.model()
    attention.use_float32(model.core)
    learner = Learner(model).eval()
    torch.testing.assert_close(_losses(learner, bf16=False), exact)
    torch.testing.assert_close(_losses(learner, bf16=True), exact, rtol=0.02, atol=0.02)
    assert model.core(input_ids=torch.tensor([[1, 2, 3]])).logits.shape[:2] == (1, 3)


@pytest.mark.parametrize(("bf16", "device"), [(False, "cpu"), (True, "cuda")])
def test_without_bfloat16_or_off_the_processor_nothing_changes(bf16: bool, device: str) -> None:
    model = pockets.model()
    adapt(model, TrainingConfig(bf16=bf16), device)
    assert model.core.config._attn_implementation == "sdpa"


def test_a_tower_that_learns_to_see_in_bfloat16_attends_in_float32(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    attends: list[str] = []

    def pretrain(tower: nn.Module, *rest: object) -> dict[str, float]:
        attends.append(tower.config._attn_implementation)  # type: ignore[union-attr]
        return {}

    monkeypatch.setattr(eyes, "pretrain", pretrain)
    known = np.zeros((2, 2, 1), np.float32)
    data = SightData(np.zeros((2, 42, 28, 3), np.uint8), known, known, ("x",), ("red",), rows=3)
    monkeypatch.setattr(eyes.SightData, "load", lambda path: data)
    monkeypatch.setattr(eyes.captioning, "scenes", lambda path, rename: [])
    cpu = torch.device("cpu")
    for precision in ("no", "bf16"):
        eyes.open_eyes(pockets.model(), tmp_path, SightConfig(), SimpleNamespace(mixed_precision=precision, device=cpu))
    assert attends == ["sdpa", attention.NAME]
