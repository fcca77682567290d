import pytest
import torch
from torch import nn

from faultfield.detector.packed import PackedLinear, pack, unpack


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [(1,), (3,), (2, 5), (64,), (65,), (1, 200)])
def test_same_products(bias: bool, rows: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(48, 72, bias=bias)
    x = torch.randn(*rows, 48)
    with torch.no_grad():
        torch.testing.assert_close(PackedLinear(layer)(x), layer(x), atol=1e-5, rtol=1e-5)


def test_packing_changes_no_names_and_is_undone() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 8), nn.Sequential(nn.GELU(), nn.Linear(8, 3, bias=False)))
    before, x = {name: value.clone() for name, value in net.state_dict().items()}, torch.randn(4, 8)
    expected = net(x)
    assert pack(net) == 2
    assert set(net.state_dict()) == set(before)
    with torch.no_grad():
        torch.testing.assert_close(net(x), expected, atol=1e-5, rtol=1e-5)
    assert unpack(net) == 2
    assert type(net[1][1]) is nn.Linear
    assert torch.equal(net(x), expected)


def test_gradients_flow_through_packed_layers() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 3))
    x = torch.randn(4, 8)
    expected = torch.autograd.grad(net(x).square().sum(), net[0].weight)[0]
    pack(net)
    assert torch.equal(torch.autograd.grad(net(x).square().sum(), net[0].weight)[0], expected)


def test_what_is_no_plain_layer_is_left_alone() -> None:
    net = nn.ModuleDict({"attention": nn.MultiheadAttention(8, 2), "narrow": nn.Linear(8, 8).bfloat16()})
    assert pack(net) == 0
