import math
from typing import Any

import pytest

from faultfield.detector.training.config import LoraConfig, TrainingConfig
from faultfield.errors import DetectorError


def test_the_papers_settings_are_those_of_table_5() -> None:
    config = TrainingConfig.paper()
    assert (config.batch, TrainingConfig.paper(videos=True).batch) == (64, 16)
    assert config.warm_up_epochs + config.conditioned_epochs == 3
    assert (config.online_epochs, config.rounds, config.temperature) == (10, 3, 0.7)
    assert (config.lr, config.vision_lr, config.weight_decay, config.warm_up) == (1e-5, 2e-6, 0.1, 0.03)
    assert config.reason_weight == 1
    assert (config.freeze_vision, config.balanced, config.dense_share) == (False, False, None)


def test_settings_survive_json_and_are_changed_by_name() -> None:
    config = TrainingConfig.paper().updated({"lr": 3e-4, "lora": {"rank": 4}})
    assert (config.lr, config.lora, config.rounds) == (3e-4, LoraConfig(rank=4), 3)
    import json

    assert TrainingConfig().updated(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize(("values", "sentence"), [
    ({"learning_rate": 1}, "no training setting 'learning_rate'"),
    ({"method": "magic"}, "'method' cannot be 'magic': input should be 'armor', 'sft-d'"),
    ({"lr": "fast"}, "'lr' cannot be 'fast': input should be a valid number"),
    ({"rounds": 2.5}, "'rounds' cannot be 2.5"),
    ({"bf16": "false"}, "'bf16' cannot be 'false': input should be a valid boolean"),
    ({"lora": True}, "'lora' cannot be True"),
    ({"batch": 0}, "whole numbers from 1 on"),
    ({"warm_up_epochs": 0, "conditioned_epochs": 0, "online_epochs": 0}, "a phase of more than 0 epochs"),
    ({"warm_up_epochs": math.inf}, "none of less or without end"),
    ({"online_epochs": math.nan}, "none of less or without end"),
    ({1: 2, "a": 3}, "no training setting '1'"),
    ({"lora": {1: 2, "a": 3}}, "no setting of adapters '1'"),
    ({"dense_share": 1.5}, "share of dense samples"),
    ({"lora": {"size": 3}}, "no setting of adapters 'size'"),
    ({"lr": -1.0}, "numbers above 0, not -1.0"),
    ({"temperature": -1.0}, "'temperature' is a number from 0 on"),
    ({"weight_decay": -0.1}, "'weight_decay' is a number from 0 on"),
    ({"warm_up": 3.0}, "at most 1"),
    ({"max_reason": 0}, "one token or more"),
    ({"lora": {"rank": 0}}, "rank and an alpha from 1 on"),
    ({"lora": {"targets": []}}, "layers to adapt"),
    ({"lora": {"rank": "a"}}, "setting of adapters 'rank' cannot be 'a'"),
])  # fmt: skip
def test_wrong_settings_are_said_in_one_sentence(values: dict[Any, object], sentence: str) -> None:
    with pytest.raises(DetectorError, match=sentence):
        TrainingConfig().updated(values)
