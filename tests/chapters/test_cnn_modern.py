"""Residual and efficient networks: blocks against PyTorch, and counts against others' counts."""

import math
import re
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.flop_counter import FlopCounterMode


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def large_networks(ch):
    """Return name to (function that builds it, published count, side of its images)."""
    resnet, rows = ch["resnet"], ch["RESNETS"]
    excited = ch["excited"](ch["bottleneck"], 4), 4, (3, 4, 6, 3)
    counts = (11_689_512, 21_797_672, 25_557_032, 44_549_160, 60_192_808)
    made = {
        f"ResNet-{depth}": (partial(resnet, *rows[depth]), count)
        for depth, count in zip(rows, counts, strict=True)
    }
    made["SE-ResNet-50"] = partial(resnet, *excited), 28_088_024
    made["DenseNet-121"] = partial(ch["densenet"], 32, (6, 12, 24, 16)), 7_978_856
    return made


def on_meta(make):
    with torch.device("meta"), torch.no_grad():
        return make()


def test_published_counts(ch, printed):
    for name, (make, count) in large_networks(ch).items():
        assert ch["count_parameters"](on_meta(make)) == count, name
        assert f"{name:14s}{count:12,} parameters" in printed
    others = {
        "VGG-19": 143_667_240, "Xception": 22_855_952, "MobileNet v1": 4_231_976,
        "MobileNet v2": 3_504_872, "v3 large": 5_483_032, "v3 small": 2_542_856,
    }  # fmt: skip
    for name, count in others.items():
        assert f"{name:14s}{count:12,} parameters" in printed
    assert "13 networks, all counts equal: True" in printed


def test_the_numbers_of_the_syllabus_stand_in_the_notebook(printed):
    assert "bottleneck 69,632, two 3x3 layers 1,179,648" in printed
    assert "60,192,808 parameters 11.51 G multiply-adds" in printed
    assert "143,667,240 parameters 19.63 G multiply-adds" in printed
    for name in ("ResNet", "DenseNet", "Xception", "MobileNet v1", "MobileNet v2", "MobileNet v3"):
        assert f"\n{name:13s}" in printed, "each reduced kind has its line"


def test_plain_training_degrades_and_residual_does_not(printed):
    found = re.findall(r"(\w+), +(\d+) layers:  loss ([\d.]+)", printed)
    losses = {(kind, int(depth)): float(loss) for kind, depth, loss in found}
    assert losses["plain", 8] < losses["plain", 20] < losses["plain", 44]
    assert max(losses["residual", depth] for depth in (20, 44)) < losses["plain", 8]


def test_another_learning_rate_does_not_close_the_gap(printed):
    found = re.findall(r"plain, +(\d+) layers, rate ([\d.]+): loss ([\d.]+)", printed)
    losses = {(int(depth), float(rate)): float(loss) for depth, rate, loss in found}
    deep = {rate: loss for (depth, rate), loss in losses.items() if depth == 44}
    assert sorted(deep) == [0.001, 0.005, 0.02, 0.05]
    assert min(deep, key=deep.__getitem__) in (0.005, 0.02), "neither end of the range is best"
    assert losses[8, 0.02] < losses[8, 0.005] < min(deep.values()) - 0.3


def test_gradients_of_plain_networks_grow_as_derived(printed):
    factors = [float(factor) for factor in re.findall(r"([\d.]+) in each block", printed)]
    derived = math.pi / (math.pi - 1)
    assert len(factors) == 3
    assert all(abs(factor - derived) < 0.1 for factor in factors)
    assert f"derived: {derived:.2f}" in printed
    (wrapped,) = map(float, re.findall(r"wrapped around: ([\d.]+) a block", printed))
    assert abs(wrapped - derived) < 0.02 < derived - factors[-1], "zeros at the borders cost growth"


def test_only_in_deep_networks_are_the_gradients_far_apart(printed):
    pattern = r"(\d+) layers, +(at the start|after training) *: +([\d.]+), at most +([\d.]+)"
    found = re.findall(pattern, printed)
    first = {(int(depth), when): float(ratio) for depth, when, ratio, _ in found}
    most = {(int(depth), when): float(ratio) for depth, when, _, ratio in found}
    assert len(found) == 6
    assert max(ratio for (depth, _), ratio in most.items() if depth < 44) < 10
    assert most[44, "at the start"] > 30
    assert most[44, "after training"] < most[44, "at the start"] / 3
    assert 0.5 < first[44, "after training"] < 2


def test_the_correlations_come_with_their_chances(printed):
    found = re.findall(
        r"latency with [a-z -]+: -?[\d.]+; of unrelated numbers, about (\d+)%", printed
    )
    assert len(found) == 2
    assert int(found[0]) > 5, "that few multiply-adds make slow is not shown"


def test_the_reduced_kinds_are_trained(printed):
    found = re.findall(r" M +\d+ +[\d.]+ ms +([\d.]+)% ± ([\d.]+)%", printed)
    assert len(found) == 9
    assert all(float(mean) > 75 and float(spread) < 5 for mean, spread in found)


def test_the_pairs_that_overlap_are_named(printed):
    (apart,) = map(int, re.findall(r"(\d+) of 36 pairs are apart", printed))
    close = re.findall(r"^  (\S.*) and (\S.*)$", printed, re.MULTILINE)
    assert apart + len(close) == 36
    middle = {"plain", "bottleneck", "Xception"}, {f"MobileNet v{i}" for i in (1, 2, 3)}
    for kinds in middle:
        assert sum(set(pair) <= kinds for pair in close) == 3, "no two of them are apart"


def test_what_the_gates_cost(ch, printed):
    units = []
    net = on_meta(large_networks(ch)["SE-ResNet-50"][0]).eval()
    for layer in net.modules():
        if isinstance(layer, ch["SqueezeExcite"]):
            layer.register_forward_hook(lambda _, X, H: units.append(H.numel()))
    with torch.no_grad():
        net(torch.empty(1, 3, 224, 224, device="meta"))
        before = sum(
            ch["multiply_adds"](
                on_meta(partial(ch["resnet"], *ch["RESNETS"][50])), 3, 224, 224
            ).values()
        )
    assert len(units) == 16
    assert f"products for the units: {2 * sum(units) / before:.2%}" in printed


def test_layers_are_counted_once_and_identities_never(ch):
    body = ch["basic"](4, 4, 1)  # two convolutions and normalizations, one activation
    assert ch["leaves"](ch["Residual"](body, 4, 4)) == 5 + 1
    assert ch["leaves"](ch["Residual"](body, 4, 4, stride=2)) == 5 + 2 + 1


@pytest.mark.parametrize("name", ["ResNet-50", "SE-ResNet-50", "DenseNet-121"])
def test_multiply_adds_equal_those_of_an_independent_counter(ch, name):
    net = on_meta(large_networks(ch)[name][0]).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.empty(1, 3, 224, 224, device="meta"))
    with torch.no_grad():
        found = ch["multiply_adds"](net, 3, 224, 224)
    assert sum(found.values()) == counter.get_total_flops() // 2
    assert set(found) <= {224, 112, 56, 28, 14, 7, 1}


def test_depthwise_layers_are_counted_once_for_each_channel(ch):
    layer = nn.Conv2d(8, 8, 3, 2, 1, groups=8, device="meta")
    with torch.no_grad():
        assert ch["multiply_adds"](layer, 8, 10, 10) == {5: 5 * 5 * 8 * 9}


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_equals_torch(ch, training):
    X, oracle = 2 + 3 * torch.randn(4, 3, 5, 6), nn.BatchNorm2d(3, momentum=0.3, eps=0.01)
    nn.init.normal_(oracle.weight)
    nn.init.normal_(oracle.bias)
    running = [torch.randn(3), torch.rand(3) + 0.5]
    oracle.running_mean.copy_(running[0])
    oracle.running_var.copy_(running[1])
    got, new = ch["batch_norm"](
        X, oracle.weight, oracle.bias, running, training=training, momentum=0.3, eps=0.01
    )
    torch.testing.assert_close(got, oracle.train(training)(X), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(list(new), [oracle.running_mean, oracle.running_var])


def conv_norm(X, layer, *, act=F.relu):
    """Return convolution, normalization by the batch and activation, by PyTorch's functions."""
    conv, norm = layer[0], layer[1]
    pad, groups = conv.weight.shape[-1] // 2, X.shape[1] // conv.weight.shape[1]
    H = F.conv2d(X, conv.weight, stride=conv.stride, padding=pad, groups=groups)
    return act(F.batch_norm(H, None, None, norm.weight, norm.bias, training=True))


def same(H):
    return H


@pytest.mark.parametrize("skip", [True, False])
def test_block_of_the_twins(ch, skip):
    block, X = ch["Block"](4, skip), torch.randn(3, 4, 7, 7)
    H = conv_norm(conv_norm(X, block.body[0]), block.body[1], act=same)
    torch.testing.assert_close(block(X), F.relu(H + X if skip else H))
    plain, residual = ch["stack"](20, skip=False), ch["stack"](20, skip=True)
    assert plain.state_dict().keys() == residual.state_dict().keys()
    assert sum(isinstance(m, nn.Conv2d | nn.Linear) for m in plain.modules()) == 20


@pytest.mark.parametrize(("c_in", "stride"), [(8, 1), (8, 2), (6, 1)])
def test_bottleneck_with_identity_or_projection(ch, c_in, stride):
    body = ch["bottleneck"](c_in, 2, stride)
    block, X = ch["Residual"](body, c_in, 8, stride=stride), torch.randn(3, c_in, 6, 6)
    H = conv_norm(conv_norm(X, body[0]), body[1])
    assert H.shape[-1] == 6 // stride
    H = conv_norm(H, body[2], act=same)
    is_identity = c_in == 8 and stride == 1
    assert isinstance(block.shortcut, nn.Identity) == is_identity
    H = H + (X if is_identity else conv_norm(X, block.shortcut, act=same))
    torch.testing.assert_close(block(X), F.relu(H))


def test_dense_layers_keep_what_came_and_grow(ch):
    X = torch.randn(2, 5, 4, 4)
    layers = nn.Sequential(*(ch["DenseLayer"](5 + 3 * i, 3) for i in range(4)))
    H = layers(X)
    assert H.shape == (2, 5 + 4 * 3, 4, 4)
    assert torch.equal(H[:, :5], X)
    assert torch.equal(H[:, :8], layers[0](X))


def test_gates_lie_between_zero_and_one_and_equal_dense_layers(ch):
    layer, X = ch["SqueezeExcite"](6, 2), torch.randn(3, 6, 4, 5)
    down, up = layer.gate[1], layer.gate[3]
    hidden = F.linear(X.mean(dim=(2, 3)), down.weight[..., 0, 0], down.bias).relu()
    gates = F.linear(hidden, up.weight[..., 0, 0], up.bias).sigmoid()
    assert ((layer.gate(X) > 0) & (layer.gate(X) < 1)).all()
    torch.testing.assert_close(layer(X), X * gates[..., None, None])


@pytest.mark.parametrize(
    ("c_mid", "stride", "gated"), [(12, 1, False), (4, 1, True), (12, 2, True)]
)
def test_inverted_residual(ch, c_mid, stride, gated):
    block = ch["InvertedResidual"](4, c_mid, 4, 5, stride=stride, gated=gated)
    X = H = torch.randn(2, 4, 6, 6)
    *inner, last = block.body
    for layer in inner:
        is_gate = isinstance(layer, ch["SqueezeExcite"])
        H = layer(H) if is_gate else conv_norm(H, layer, act=F.relu6)
    assert len(inner) == 1 + gated + (c_mid != 4)
    assert inner[-1 - gated][0].weight.shape == (c_mid, 1, 5, 5), "one kernel for each channel"
    want = conv_norm(H, last, act=same)
    torch.testing.assert_close(block(X), want + X if stride == 1 else want)


def test_separable_layers_equal_one_full_convolution(ch):
    layer, X = ch["separable"](3, 5), torch.randn(2, 3, 6, 6)
    K = layer[2].weight * layer[1].weight[:, 0]
    H = F.conv2d(X.relu(), K, padding=1)
    torch.testing.assert_close(layer(X), F.batch_norm(H, None, None, training=True))


def test_small_networks_run_and_halve_their_maps(ch):
    gray, X, ten = partial(ch["ConvNorm"], 1), torch.randn(2, 1, 12, 12), {"num_classes": 10}
    gate_rows = [(3, 8, 8, True, nn.ReLU, 1), (5, 16, 12, False, nn.Hardswish, 2)]
    head = ch["classifier"](8, 10)
    nets = [
        ch["resnet"](ch["basic"], 1, (1, 2), c=4, stem=gray, **ten),
        ch["densenet"](4, (2, 1), stem=gray, **ten),
        ch["xception"]([(4, 8, 8), (8, 8, 8)], (12,), stem=gray(4), **ten),
        ch["mobilenet_v1"]([(8, 2), (8, 1)], stem=gray(4), c=4, **ten),
        ch["mobilenet_v2"]([(6, 8, 2, 2)], stem=gray(4), c=4, last=16, **ten),
        ch["mobilenet_v3"](gate_rows, 16, stem=gray(8), c=8, **ten),
        ch["vgg"]((1, 1), (4, 8), conv=ch["ConvNorm"], c=1, head=head),
    ]
    for net in nets:
        assert net(X).shape == (2, 10)
        sides = set(ch["multiply_adds"](net.to("meta"), 1, 12, 12))
        assert 6 in sides
        assert max(sides) == 12


def test_hard_activations_equal_torch(ch):
    x = torch.linspace(-7, 7, 141)
    torch.testing.assert_close(ch["hard_sigmoid"](x), F.hardsigmoid(x))
    torch.testing.assert_close(ch["hard_swish"](x), F.hardswish(x))


def test_rounding_of_gates(ch):
    assert [ch["round_to_8"](c) for c in (1, 12, 18, 30, 100, 168)] == [
        8,
        16,
        24,
        32,
        104,
        168,
    ]


@pytest.mark.parametrize(("d", "m"), [(1, 3), (2, 4), (3, 5)])
def test_share_lost_by_counting_all_patterns(ch, d, m):
    lost = sum(bin(pattern).count("1") < d for pattern in range(2**m))
    assert math.isclose(ch["share_lost"](d, m), lost / 2**m)


def test_an_input_is_recovered_exactly_where_enough_units_are_active(ch):
    generator = np.random.default_rng(0)
    for _ in range(50):
        T, x = generator.standard_normal((6, 3)), generator.standard_normal(3)
        h = np.maximum(T @ x, 0)
        got, rank = ch["recover"](torch.from_numpy(h), torch.from_numpy(T))
        assert rank == np.linalg.matrix_rank(T[h > 0]) if (h > 0).any() else rank == 0
        if rank == 3:
            np.testing.assert_allclose(got, x, rtol=1e-8, atol=1e-8)
        else:
            np.testing.assert_allclose(T[h > 0] @ got.numpy(), h[h > 0], atol=1e-8)
            assert np.linalg.norm(got) < np.linalg.norm(x)


def test_signal_reads_each_block_and_its_gradient(ch):
    net, y = ch["stack"](8, skip=True, c=4), torch.randperm(80) % 10
    X = torch.randn(80, 1, 6, 6) + 3 * torch.randn(10, 1, 6, 6)[y]
    found = ch["signal"](net, X, y)
    assert len(found["read"]) == len(found["gradient"]) == 4
    H = net[:3](X).detach().requires_grad_()
    (g,) = torch.autograd.grad(F.cross_entropy(net[3:](H), y), H)
    assert math.isclose(found["gradient"][2], g.norm(), rel_tol=1e-4)
    flat = torch.randn(80, 2, 2, 2)
    assert ch["readable"](flat + 50 * F.one_hot(y, 10)[:, :8].reshape(80, 2, 2, 2), y) > 0.7
    assert ch["readable"](flat, y) < 0.5


def test_training_learns_and_repeats(ch):
    y = torch.arange(96) % 2
    X = torch.randn(96, 1, 6, 6) + y[:, None, None, None]
    losses = []
    for _ in range(2):
        torch.manual_seed(0)
        net = ch["stack"](4, skip=True, c=4)
        losses.append(ch["train_net"](net, X, y, num_epochs=30)["train_loss"])
    assert losses[0] == losses[1]
    assert losses[0][-1] < losses[0][0] / 2
