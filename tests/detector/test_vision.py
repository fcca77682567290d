import pytest
import torch

from faultfield.detector import pocket
from faultfield.detector.vision import picture_tokens


@pytest.mark.parametrize(
    "grid",
    [[[1, 4, 4]], [[1, 6, 10]], [[3, 4, 4]], [[1, 8, 8], [1, 4, 6], [2, 10, 6]]],
    ids=["one window", "windows cut at the edge", "video", "several"],
)
@pytest.mark.parametrize("full", [(1,), (0, 1, 2)], ids=["windowed", "full"])
def test_tokens_and_gradients_equal_the_stock_tower(grid: list[list[int]], full: tuple[int, ...]) -> None:
    shape = pocket.Shape(vision=32, vision_layers=3, vision_heads=2, vision_inner=40, merge=2)
    words = pocket.tokenizer(["Lift"], 300)
    torch.manual_seed(0)
    tower = pocket.backbone(words, shape).model.visual
    tower.fullatt_block_indexes = list(full)
    where = torch.tensor(grid)
    pixels = torch.randn(int(where.prod(dim=1).sum()), 3 * 2 * 14 * 14)
    direction = torch.randn(shape.hidden)
    found = []
    for tokens in (tower(pixels, grid_thw=where).pooler_output, picture_tokens(tower, pixels, where)):
        tower.zero_grad()
        (tokens @ direction).square().sum().backward()
        found.append([tokens.detach(), *(p.grad.clone() for p in tower.parameters())])
    for expected, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)
