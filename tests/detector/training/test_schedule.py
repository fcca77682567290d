import math
from dataclasses import replace

import pytest
import torch

from faultfield.detector.training.config import TrainingConfig
from faultfield.detector.training.schedule import parameter_groups, phase_at, phases, rate
from faultfield.errors import DetectorError
from tests.detector import tiny

FAILED, DENSE = [True, False] * 10, [True] * 5 + [False] * 15
CONFIG = TrainingConfig(
    warm_up_epochs=2, conditioned_epochs=4, online_epochs=3, batch=4, dense_share=None, balanced=False, warm_up=0.2
)


def test_phases_follow_one_another_and_see_their_samples() -> None:
    plan = phases(FAILED, DENSE, CONFIG)
    assert [(phase.name, phase.first, phase.steps) for phase in plan] == [
        ("warm-up", 0, 10), ("conditioned", 10, 5), ("online", 15, 15),
    ]  # fmt: skip
    assert {int(row) for step in range(10, 15) for row in plan[1].at(step)} == set(range(5))
    assert {int(row) for step in range(15, 20) for row in plan[2].at(step)} == set(range(20))
    assert [phase_at(plan, step).name for step in (0, 9, 10, 14, 15, 29)] == [
        "warm-up", "warm-up", "conditioned", "conditioned", "online", "online",
    ]  # fmt: skip


def test_the_rate_rises_and_falls_once_offline_and_once_online() -> None:
    plan = phases(FAILED, DENSE, CONFIG)
    rates = [rate(plan, step, 0.2) for step in range(30)]
    # 15 steps each, of which three rise; then half a cosine over twelve.
    curve = [1 / 3, 2 / 3, 1.0, *(0.5 * (1 + math.cos(math.pi * k / 12)) for k in range(12))]
    assert rates == pytest.approx(curve + [CONFIG.online_rate * each for each in curve])
    # Alone it is no fine-tuning.
    alone = phases(FAILED, DENSE, replace(CONFIG, conditioned_epochs=0, warm_up_epochs=0))
    assert [rate(alone, step, 0.2) for step in range(15)] == pytest.approx(curve)


def test_an_online_rate_is_a_share() -> None:
    with pytest.raises(DetectorError, match="above 0 and at most 1, not 2"):
        TrainingConfig(online_rate=2.0)


def test_an_ablation_leaves_phases_out() -> None:
    plan = phases(FAILED, DENSE, replace(CONFIG, conditioned_epochs=0, warm_up_epochs=0))
    assert [(phase.name, phase.first) for phase in plan] == [("online", 0)]
    plain = phases(FAILED, DENSE, replace(CONFIG, method="sft-d"))
    assert [(phase.name, phase.steps) for phase in plain] == [("plain", 12)]
    # As many passes as ours has in all its phases (B.2).
    assert phases(FAILED, DENSE, replace(CONFIG, method="sft-s+d"))[0].steps == round(sum(CONFIG.epochs) * 5)


def test_nothing_to_train_on_is_said_in_one_sentence() -> None:
    with pytest.raises(DetectorError, match="no labelled samples"):
        phases([], [], CONFIG)
    with pytest.raises(DetectorError, match="'conditioned' needs dense samples"):
        phases(FAILED, [False] * 20, CONFIG)


def test_towers_learn_at_their_own_rates_and_vectors_do_not_decay() -> None:
    learner = tiny.learner()
    groups = parameter_groups(learner, TrainingConfig.paper())
    names = {id(p): name for name, p in learner.named_parameters()}
    seen: set[str] = set()
    for group in groups:
        for parameter in group["params"]:  # type: ignore[attr-defined]
            name = names[id(parameter)]
            assert name not in seen
            seen.add(name)
            assert group["lr"] == (2e-6 if ".visual." in name else 1e-5), name
            decays = parameter.ndim == 2 or "patch_embed" in name
            assert group["weight_decay"] == (0.1 if decays else 0.0), name
    assert seen == set(names.values())
    assert isinstance(torch.optim.AdamW(groups), torch.optim.Optimizer)
