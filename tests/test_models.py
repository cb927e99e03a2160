"""Networks of the package against layers written out."""

import torch
from torch.nn import functional as F  # noqa: N812

import d2l_lite as d2l


def test_lenet_is_its_layers_one_after_the_other():
    torch.manual_seed(0)
    net, X = d2l.lenet5(7), torch.randn(3, 1, 28, 28)
    assert sum(p.numel() for p in d2l.lenet5().parameters()) == 61_706
    H = F.max_pool2d(F.conv2d(X, net[0].weight, net[0].bias, padding=2).relu(), 2)
    H = F.max_pool2d(F.conv2d(H, net[3].weight, net[3].bias).relu(), 2).reshape(3, 400)
    for layer in (net[7], net[9]):
        H = (H @ layer.weight.T + layer.bias).relu()
    torch.testing.assert_close(net[:-1](X), H)
    torch.testing.assert_close(net(X), H @ net[11].weight.T + net[11].bias)
    assert net(X).shape == (3, 7)
