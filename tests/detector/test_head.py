import math

import pytest
import torch
from torch import Tensor

from faultfield.detector.head import DetectionHead


def plain(head: DetectionHead, features: Tensor) -> Tensor:
    """The head written out with matrices for one row of features (s, hidden)."""
    w = dict(head.named_parameters())

    def linear(name: str, x: Tensor) -> Tensor:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def gelu(x: Tensor) -> Tensor:
        return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))

    def norm(name: str, x: Tensor) -> Tensor:
        centred = x - x.mean(dim=-1, keepdim=True)
        scaled = centred / torch.sqrt((centred**2).mean(dim=-1, keepdim=True) + 1e-5)
        return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]

    width, heads = features.shape[-1], head.attention.num_heads
    x = norm("norm", linear("projector.3", gelu(linear("projector.0", features))))
    inside = w["attention.in_proj_weight"].split(width)
    offsets = w["attention.in_proj_bias"].split(width)
    query = w["token"][0, 0] @ inside[0].T + offsets[0]
    key, value = x @ inside[1].T + offsets[1], x @ inside[2].T + offsets[2]
    each = width // heads
    gathered = []
    for k in range(heads):
        part = slice(k * each, (k + 1) * each)
        weights = torch.exp(key[:, part] @ query[part] / math.sqrt(each))
        gathered.append((weights / weights.sum()) @ value[:, part])
    x = norm("out_norm", linear("attention.out_proj", torch.cat(gathered)))
    return linear("classifier.6", gelu(linear("classifier.3", gelu(linear("classifier.0", x)))))


@pytest.fixture
def head() -> DetectionHead:
    torch.manual_seed(0)
    head = DetectionHead(24, heads=3, classes=3).eval()
    with torch.no_grad():
        for weights in head.parameters():
            weights.normal_(std=0.5)
    return head


def test_head_equals_a_plain_one(head: DetectionHead) -> None:
    features = torch.randn(2, 9, 24)
    expected = torch.stack([plain(head, row) for row in features])
    torch.testing.assert_close(head(features), expected, atol=1e-5, rtol=1e-5)


def test_masked_positions_do_not_count(head: DetectionHead) -> None:
    features = torch.randn(2, 9, 24)
    mask = torch.rand(2, 9) < 0.5
    mask[:, 0] = True
    expected = torch.stack([plain(head, row[kept]) for row, kept in zip(features, mask, strict=True)])
    torch.testing.assert_close(head(features, mask), expected, atol=1e-5, rtol=1e-5)


def test_dropout_in_training_alone(head: DetectionHead) -> None:
    features = torch.randn(1, 9, 24)
    assert torch.equal(head(features), head(features))
    head.train()
    assert not torch.equal(head(features), head(features))


def test_settings_build_the_same_shape(head: DetectionHead) -> None:
    again = DetectionHead(**head.settings)  # type: ignore[arg-type]
    again.load_state_dict(head.state_dict())
    features = torch.randn(1, 4, 24)
    assert torch.equal(again.eval()(features), head(features))
    assert again.settings == {"hidden": 24, "heads": 3, "classes": 3, "dropout": 0.1}
