"""The definitions of the chapter on hidden layers against independent programs."""

import itertools
import re

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm
from torch import nn

import d2l_lite as d2l


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(11)


def torch_net(layers, activation):
    """Return a network of PyTorch with these parameters."""
    parts = []
    for W, b in layers:
        linear = nn.Linear(*W.shape).double()
        linear.load_state_dict({"weight": W.T, "bias": b})
        parts += [linear, activation]
    return nn.Sequential(*parts[:-1]).requires_grad_(False)


def random_layers(widths, generator):
    shapes = list(itertools.pairwise(widths))
    pairs = [
        (torch.randn(s, generator=generator), torch.randn(s[1], generator=generator))
        for s in shapes
    ]
    return [(W.double(), b.double()) for W, b in pairs]


@pytest.mark.parametrize("widths", [(3, 2), (3, 5, 2), (4, 6, 5, 1)])
def test_both_forward_passes_equal_pytorchs(ch, generator, widths):
    layers = random_layers(widths, generator)
    X = torch.randn(8, widths[0], generator=generator).double()
    oracle = torch_net(layers, nn.ReLU())(X)
    torch.testing.assert_close(ch["forward"](X, layers), oracle)
    listed = [(W.tolist(), b.tolist()) for W, b in layers]
    loops = torch.tensor([ch["forward_loops"](x, listed) for x in X.tolist()]).double()
    torch.testing.assert_close(loops, oracle, check_dtype=False, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        ch["forward"](X, layers, torch.tanh), torch_net(layers, nn.Tanh())(X)
    )


def test_layers_collapse_only_without_an_activation(ch, generator):
    layers = random_layers((4, 7, 3, 5), generator)
    X = torch.randn(9, 4, generator=generator).double()
    W, b = ch["collapse"](layers)
    torch.testing.assert_close(X @ W + b, torch_net(layers, nn.Identity())(X))
    assert not torch.allclose(X @ W + b, ch["forward"](X, layers))


def test_parameters_of_the_syllabus(ch, printed):
    assert ch["count_parameters"]([784, 256, 10]) == 203_530
    assert ch["count_parameters"]([1_000_000, 1_000]) == 1_000_001_000
    for count in ("203,530 parameters, PyTorch 203,530", "1,000,001,000 parameters"):
        assert count in printed
    net = ch["MLP"]([6, 5, 4, 3])
    assert ch["count_parameters"]([6, 5, 4, 3]) == sum(p.numel() for p in net.parameters())


def runge(x):
    return 1 / (1 + 9 * x**2)


def test_a_staircase_takes_the_values_at_the_middle_of_each_piece(ch):
    layers = ch["staircase"](runge, -1, 2, 5)
    middle = np.arange(-0.75, 2, 0.5)
    for offset in (-0.24, 0.0, 0.24):
        x = torch.from_numpy(middle + offset)[:, None]
        got = ch["forward"](x, layers, ch["step"])[:, 0]
        np.testing.assert_allclose(got, runge(middle))


def test_a_zigzag_is_linear_interpolation(ch):
    layers = ch["zigzag"](runge, -1, 2, 7)
    x, knots = np.linspace(-1, 2, 500), np.linspace(-1, 2, 8)
    got = ch["forward"](torch.from_numpy(x)[:, None], layers)[:, 0]
    np.testing.assert_allclose(got, np.interp(x, knots, runge(knots)), atol=1e-12)
    assert layers[0][0].shape == (1, 7)


def test_errors_keep_to_the_bounds_and_fall_as_predicted(ch):
    """Of sin on [-1, 1] the derivatives are at most 1, and nearly reached."""
    sizes = np.array([32, 64, 128, 256])
    error = ch["largest_error"]
    steps = [error(torch.sin, ch["staircase"](torch.sin, -1, 1, int(h)), ch["step"]) for h in sizes]
    lines = [error(torch.sin, ch["zigzag"](torch.sin, -1, 1, int(h)), ch["relu"]) for h in sizes]
    for errors, bounds, slope in ((steps, 1 / (sizes + 1), -1), (lines, 0.5 / sizes**2, -2)):
        assert np.all(errors <= bounds * (1 + 1e-9))
        assert np.all(errors >= 0.8 * bounds)
        np.testing.assert_allclose(
            np.polyfit(np.log(sizes), np.log(errors), 1)[0], slope, atol=0.05
        )


def test_largest_error_finds_the_largest(ch):
    one = torch.ones(1, 1).double()
    layers = [(one, torch.zeros(1).double()), (one, torch.zeros(1).double())]
    got = ch["largest_error"](lambda x: torch.zeros_like(x), layers, ch["relu"], -1, 3)
    np.testing.assert_allclose(got, 3)
    got = ch["largest_error"](lambda x: x + 5, layers, ch["relu"], -1, 3)
    np.testing.assert_allclose(got, 5)


def test_the_sawtooth_is_the_folded_interval(ch):
    x = np.linspace(0, 1, 1000)
    for depth in (1, 2, 5):
        got = ch["forward"](torch.from_numpy(x)[:, None], ch["sawtooth"](depth))[:, 0]
        want = 2 / np.pi * np.arcsin(np.abs(np.sin(2 ** (depth - 1) * np.pi * x)))
        np.testing.assert_allclose(got, want, atol=1e-6)
        assert ch["count_pieces"](ch["sawtooth"](depth), 2 ** (depth + 2)) == 2**depth


def test_pieces_are_counted_where_slopes_change(ch):
    W, b = torch.ones(1, 3).double(), torch.tensor([-0.25, -0.5, -0.5]).double()
    for v, pieces in (([1.0, 2.0, 3.0], 3), ([1.0, 2.0, -2.0], 2), ([0.0, 1.0, -1.0], 1)):
        layers = [(W, b), (torch.tensor(v).double()[:, None], torch.zeros(1).double())]
        assert ch["count_pieces"](layers, 16) == pieces


ORACLES = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "ReLU": nn.functional.relu,
    "leaky ReLU": lambda z: nn.functional.leaky_relu(z, 0.01),
    "PReLU": lambda z: nn.functional.prelu(z, torch.tensor(0.25).double()),
    "ELU": nn.functional.elu,
    "swish": nn.functional.silu,
    "hard-swish": nn.functional.hardswish,
}


@pytest.mark.parametrize("name", ORACLES)
def test_activations_and_derivatives_equal_pytorchs(ch, name, generator):
    phi, derivative = ch["activations"][name]
    z = (5 * torch.randn(500, generator=generator)).double().requires_grad_()
    value = ORACLES[name](z)
    value.sum().backward()
    torch.testing.assert_close(phi(z.detach()), value.detach())
    torch.testing.assert_close(derivative(z.detach()), z.grad)


def test_the_table_of_means_agrees_with_quadrature(ch, printed):
    assert set(ch["activations"]) == set(ORACLES)
    for name, (phi, _) in ch["activations"].items():
        mean, _ = quad(
            lambda z, f=phi: f(torch.tensor(z).double()).item() * norm.pdf(z),
            -9,
            9,
            points=[-3, 0, 3],
        )
        row = re.search(rf"^{name} +(\S+) +(\S+) +(\S+) +(\S+)$", printed, re.M)
        assert float(row[4]) == pytest.approx(mean, abs=0.006)


def test_every_sigmoid_network_is_a_tanh_network(ch, generator):
    layers = random_layers((4, 9, 3), generator)
    X = torch.randn(6, 4, generator=generator).double()
    got = torch_net(ch["to_tanh"](layers), nn.Tanh())(X)
    torch.testing.assert_close(got, torch_net(layers, nn.Sigmoid())(X))


def test_pairs_are_of_the_two_kinds_and_labeled_by_their_difference(ch, generator):
    y = torch.randint(4, (60,), generator=generator)
    X = y[:, None, None, None].float().expand(-1, 1, 2, 2)
    images = d2l.ImageData(X, y, "planted", ("a", "b", "c", "d"))
    pairs, labels = ch["make_pairs"](images, (1, 3), 500, seed=0)
    left, right = pairs[:, 0], pairs[:, 4]
    assert pairs.shape == (500, 8)
    assert set(left.tolist()) == set(right.tolist()) == {1.0, 3.0}
    assert labels.tolist() == (left != right).long().tolist()
    assert 0.4 < labels.double().mean() < 0.6
    again, _ = ch["make_pairs"](images, (1, 3), 500, seed=1)
    assert not torch.equal(pairs, again)


def test_units_trained_side_by_side_equal_units_trained_alone(ch, generator):
    x = torch.linspace(-1, 1, 20).double()
    start = [torch.randn(3, 4, generator=generator).double() for _ in range(3)]
    start.append(torch.zeros(3).double())
    together = ch["train_units"](start, x, torch.sin(3 * x), lr=0.02, num_steps=30)
    for net in range(3):
        part = [p[net : net + 1] for p in start]
        alone = ch["train_units"](part, x, torch.sin(3 * x), lr=0.02, num_steps=30)
        for one, many in zip(alone, together, strict=True):
            torch.testing.assert_close(one[0], many[net])

    def loss(parameters):
        w, b, v, c = parameters
        outputs = (torch.relu(x[:, None, None] * w + b) * v).sum(2) + c
        return ((outputs - torch.sin(3 * x)[:, None]) ** 2).mean(0)

    assert (loss(together) < loss(start)).all()


def test_negative_units_are_those_negative_everywhere(ch):
    net = nn.Sequential(nn.Linear(1, 4), nn.ReLU(), nn.Linear(4, 2))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0], [1.0], [-1.0], [-1.0]]))
        net[0].bias.copy_(torch.tensor([-5.0, -1.0, 0.0, 1.0]))
    assert ch["negative_share"](net, torch.tensor([[0.0], [2.0]])) == 0.5
    assert ch["negative_share"](net, torch.tensor([[0.0], [6.0]])) == 0.25


def test_a_unit_that_starts_negative_stays_dead_but_a_leaky_one_returns(ch, generator):
    X = torch.rand(900, 784, generator=generator)
    data = X, (X[:, :392].mean(1) > X[:, 392:].mean(1)).long()
    run = ch["train_on_pixels"]
    shares = {
        name: run(module, data, data, lr=0.3, bias=-2.0, seed=0)[0]
        for name, module in (("ReLU", nn.ReLU()), ("leaky", nn.LeakyReLU(0.3)))
    }
    assert shares["ReLU"] == 1
    assert shares["leaky"] < 1


def test_training_learns_and_repeats(ch, generator):
    X = torch.randn(600, 3, generator=generator)
    data = X, (X[:, 0] * X[:, 1] > 0).long()
    outputs = []
    for _ in range(2):
        torch.manual_seed(0)
        net = ch["MLP"]([3, 32, 2])
        assert ch["train"](net, data, data, num_epochs=40, lr=0.02) > 0.9
        outputs.append(net(X).detach())
    assert torch.equal(*outputs)
    assert ch["percent"]([0.5, 0.7]) == " 60.0% ± 14.1%"


def test_the_module_is_the_forward_pass(ch, generator):
    net = ch["MLP"]([4, 6, 5, 3]).double()
    layers = [(part.weight.detach().T, part.bias.detach()) for part in net.layers]
    X = torch.randn(7, 1, 2, 2, generator=generator).double()
    torch.testing.assert_close(net(X).detach(), ch["forward"](X.flatten(1), layers))


def test_fashion_mnist_reaches_87_percent(printed):
    """Real data were there when the notebook was executed."""
    found = re.search(r"\[784, 256, 10\] +203,530 parameters: +([\d.]+)% ± ([\d.]+)%", printed)
    mean, spread = map(float, found.groups())
    assert mean >= 87
    assert spread < 1
    linear = re.search(r"\[784, 10\] +7,850 parameters: +([\d.]+)%", printed)
    assert mean > float(linear[1]) + 2
    pairs = (
        re.search(r"\[1568, 2\] +([\d.]+)%", printed),
        re.search(r"\[1568, 16, 2\] +([\d.]+)%", printed),
    )
    assert float(pairs[0][1]) < 60 < 95 < float(pairs[1][1])


def test_what_the_text_says_of_training_and_construction(printed):
    """Trained networks fall short of the construction; started there, they do not."""
    built, improved = re.search(
        r"32 units: constructed ([\d.]+), trained from there ([\d.]+)", printed
    ).groups()
    assert float(improved) < float(built)
    found = re.search(r"^ 32 units: errors ([\d. ]+),", printed, re.M)
    assert min(map(float, found[1].split())) > 3 * float(built)


def test_what_the_text_says_of_the_sigmoid(printed):
    accuracy = dict(re.findall(r"^([\w -]+?) +([\d.]+)% ± [\d.]+%$", printed, re.M))
    others = [
        float(value) for name, value in accuracy.items() if name in ORACLES and name != "sigmoid"
    ]
    assert len(others) == len(ORACLES) - 1
    assert float(accuracy["sigmoid"]) + 5 < min(others)
    ratio = dict(re.findall(r"^(\w+) +\|μ\|².*, +([\d,]+) times", printed, re.M))
    numbers = {name: int(value.replace(",", "")) for name, value in ratio.items()}
    assert numbers["sigmoid"] > 10 * numbers["tanh"]


def test_what_the_text_says_of_depth(printed):
    found = dict(re.findall(r"^(\d) hidden, [\d,]+ parameters: +([\d.]+)%", printed, re.M))
    assert float(found["8"]) + 3 < float(found["1"])
    assert abs(float(found["2"]) - float(found["1"])) < 2


def test_what_the_text_says_of_two_hidden_units(printed):
    """Runs with both units alive solve the pairs; with one dead a line of XOR is the limit."""
    runs = re.findall(r"^seed \d: accuracy ([\d.]+)%, (\d) of 2 units dead$", printed, re.M)
    assert {dead for _, dead in runs} == {"0", "1"}
    for accuracy, dead in runs:
        assert float(accuracy) == pytest.approx({"0": 99, "1": 75}[dead], abs=4)
    mean = float(re.search(r"\[1568, 2, 2\] +([\d.]+)%", printed)[1])
    assert np.mean([float(accuracy) for accuracy, _ in runs]) == pytest.approx(mean, abs=0.1)
    single = re.search(r"single pictures, linear model: +([\d.]+)%", printed)
    assert float(single[1]) > 99


def test_what_the_text_says_of_trained_networks_and_steps(ch, printed):
    def wave(x):
        return torch.sin(np.pi * x) + 0.5 * torch.sin(3 * np.pi * x)

    for width, found in re.findall(r"^ *(\d+) units: errors ([\d. ]+),", printed, re.M):
        steps = ch["largest_error"](wave, ch["staircase"](wave, -1, 1, int(width)), ch["step"])
        assert int(width) < 32 or min(map(float, found.split())) > steps
