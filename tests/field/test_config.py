import pytest
from pydantic import ValidationError

from faultfield.field.config import FieldConfig, Towers


def test_a_study_may_name_pretrained_towers() -> None:
    config = FieldConfig.model_validate({"encoder": {"vision": "vit_b_16", "text": "clip"}})
    assert config.encoder == Towers(vision="vit_b_16", text="clip")
    assert FieldConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    "wrong",
    [
        {"margn": 1.0},
        {"margin": 0.0},
        {"contrast": "both"},
        {"inputs": ["sound"]},
        {"inputs": []},
        {"encoder": {"vison": "x"}},
        {"frames": "rollout"},
        {"dropout": 1.0},
    ],
)
def test_unknown_keys_and_values_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FieldConfig.model_validate(wrong)


def test_the_papers_setting_regularises_nothing() -> None:
    config = FieldConfig.paper(contrast="variation")
    assert (config.contrastive_weight, config.weight_decay, config.dropout, config.folds) == (1.0, 0.0, 0.0, 0)
    assert config.contrast == "variation"
