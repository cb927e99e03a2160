"""The derivations of the chapter on initialization, and what its notebook measured."""

import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import nn
from torch.nn import functional as F  # noqa: N812

from tests.chapters.loading import load_definitions

chapter = SimpleNamespace(**load_definitions("initialization"))
ACTIVATIONS = {"tanh": torch.tanh, "relu": F.relu, "sigmoid": torch.sigmoid}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def quadrature(f, v=1.0):
    """Return the mean of f(z) for normal z of variance v, by SciPy."""
    scaled = lambda g: float(f(torch.tensor(v**0.5 * g))) * stats.norm.pdf(g)  # noqa: E731
    return integrate.quad(scaled, -10, 0)[0] + integrate.quad(scaled, 0, 10)[0]


def test_a_network_holds_the_drawn_weights_in_the_books_orientation():
    drawn = []

    def draw(shape):
        drawn.append(torch.randn(shape, generator=generator(len(drawn))))
        return drawn[-1]

    net = chapter.build([5, 4, 3], nn.Tanh, draw)
    X = torch.randn(7, 5, generator=generator(9))
    torch.testing.assert_close(net(X), torch.tanh(X @ drawn[0]) @ drawn[1])
    assert [type(part) for part in net] == [nn.Linear, nn.Tanh, nn.Linear]
    assert not any(part.bias.any() for part in net if isinstance(part, nn.Linear))


@pytest.mark.parametrize("c", [0.0, 0.1, -0.7])
def test_equal_units_stay_equal_through_training(c):
    """Double precision, so that only the mathematics may separate them."""
    net = chapter.build([6, 5, 3], nn.Tanh, lambda shape: torch.full(shape, c)).double()
    X = torch.randn(40, 6, generator=generator(), dtype=torch.float64)
    y = torch.randint(3, (40,), generator=generator(1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    for _ in range(30):
        optimizer.zero_grad()
        F.cross_entropy(net(X), y).backward()
        optimizer.step()
    W1, W2 = net[0].weight.data.T, net[2].weight.data.T
    assert torch.allclose(W1, W1[:, :1], atol=1e-14)
    assert torch.allclose(W2, W2[:1], atol=1e-14)
    assert W1.any() == (c != 0)


def test_columns_and_rank_are_counted():
    a, b = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 0.0, -1.0])
    assert chapter.count_columns(torch.stack([a, a, a, a], dim=1)) == (1, 1)
    assert chapter.count_columns(torch.stack([a, b, a, 2 * b], dim=1)) == (3, 2)
    assert chapter.count_columns(torch.stack([a, a + 1e-3 * b], dim=1)) == (2, 1)
    assert chapter.count_columns(torch.zeros(4, 3)) == (1, 0)


@pytest.mark.parametrize("std", [0.02, 3.0])
def test_both_distributions_have_the_given_deviation(std):
    root = 3**0.5 * std
    laws = {chapter.normal: stats.norm(0, std), chapter.uniform: stats.uniform(-root, 2 * root)}
    for draw, law in laws.items():
        weights = draw((300, 200), std, generator()).double().flatten().numpy()
        assert weights.std() == pytest.approx(std, rel=0.01)
        assert stats.kstest(weights, law.cdf).pvalue > 0.01


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("v", [1e-3, 1.0, 30.0])
def test_gaussian_means_equal_adaptive_quadrature(name, v):
    phi = ACTIVATIONS[name]
    got = chapter.gaussian_mean(lambda z: phi(z) ** 2, v)
    assert got == pytest.approx(quadrature(lambda z: phi(z) ** 2, v), rel=1e-5)


def test_gaussian_moments_have_their_closed_forms():
    for power, moment in ((2, 1), (4, 3), (6, 15)):
        got = chapter.gaussian_mean(lambda z, k=power: z**k, 2.0)
        assert got == pytest.approx(moment * 2 ** (power / 2), rel=1e-6)
    assert chapter.gaussian_mean(lambda z: (2 * F.relu(z) ** 2 - 1) ** 2) == pytest.approx(5)


def test_gains_of_piecewise_linear_activations_are_pytorchs():
    for name, phi in {"linear": lambda z: z, "relu": F.relu, "leaky_relu": F.leaky_relu}.items():
        assert chapter.gain_of(phi) == pytest.approx(nn.init.calculate_gain(name), rel=1e-6)
    gain = chapter.gain_of(torch.tanh)
    assert gain**2 * quadrature(lambda z: torch.tanh(z) ** 2) == pytest.approx(1, rel=1e-6)


def test_the_map_halves_doubles_and_decays_as_derived():
    relu = chapter.variances(F.relu, 1.0, 11, 3.0)
    np.testing.assert_allclose(relu, 3.0 * 0.5 ** np.arange(11))
    np.testing.assert_allclose(chapter.variances(F.relu, 2**0.5, 40, 0.7), 0.7, rtol=1e-9)
    tanh = chapter.variances(torch.tanh, 1.0, 3000, 0.5)
    assert tanh[-1] * 2 * 3000 == pytest.approx(1, rel=0.02)
    np.testing.assert_allclose(np.diff(1 / tanh)[1000:], 2, atol=0.02)


@pytest.mark.parametrize(("d", "h"), [(784, 100), (100, 784), (64, 64)])
def test_deviations_are_those_of_torch_init(d, h):
    W = torch.empty(h, d)
    nn.init.xavier_uniform_(W, gain=5 / 3, generator=generator(4))
    ours = chapter.uniform((h, d), chapter.xavier(d, h, gain=5 / 3), generator(4))
    torch.testing.assert_close(ours, W)
    nn.init.kaiming_normal_(W, nonlinearity="relu", generator=generator(5))
    torch.testing.assert_close(chapter.normal((h, d), chapter.he(d), generator(5)), W)


def test_a_layer_multiplies_the_second_moment_by_d_times_the_variance():
    """Every sign matrix of 2 inputs and 2 outputs: the average over weights is exact."""
    x, total = torch.tensor([[3.0, -4.0]]), 0.0
    for bits in range(16):
        W = torch.tensor([1.0 if bits >> k & 1 else -1.0 for k in range(4)]).reshape(2, 2)
        total += chapter.second_moments(x, [W], 2**0.5, lambda z: z)[0] / 16
    assert total == pytest.approx(2 * 12.5)


def test_moments_and_gradients_are_those_of_a_network():
    matrices = chapter.standard_normals([6, 8, 5], 3)
    X = torch.randn(4, 6, generator=generator(6))
    W1, W2 = 1.3 * matrices[0] / 6**0.5, 1.3 * matrices[1] / 8**0.5
    H1 = torch.tanh(X @ W1)
    H2 = torch.tanh(H1 @ W2)
    got = chapter.second_moments(X, matrices, 1.3, torch.tanh)
    np.testing.assert_allclose(got, [(H1**2).mean(), (H2**2).mean()], rtol=1e-5)
    above = torch.randn(4, 5, generator=generator(0))
    below = (above @ W2.T) * (1 - H1**2)
    got = chapter.gradient_moments(X, matrices, 1.3, torch.tanh)
    np.testing.assert_allclose(got, [(below**2).mean(), (above**2).mean()], rtol=1e-5)


def test_wide_networks_follow_the_map():
    X = torch.randn(20, 400, generator=generator(7))
    matrices = chapter.standard_normals([400] + 12 * [800], 8)
    for gain, phi in ((5 / 3, torch.tanh), (1.0, torch.tanh), (1.0, torch.sigmoid)):
        v = chapter.variances(phi, gain, 13, gain**2 * (X**2).mean().item())
        got = chapter.second_moments(X, matrices, gain, phi)
        np.testing.assert_allclose(got, v[1:] / gain**2, rtol=0.08)


def test_logarithms_of_relu_networks_spread_as_derived():
    n, depth, num_nets = 64, 20, 200
    logs = []
    for seed in range(num_nets):
        matrices = chapter.standard_normals([n] * (depth + 2), seed)
        moments = chapter.second_moments(torch.ones(1, n), matrices, 2**0.5, F.relu)
        logs.append(math.log(moments[depth] / moments[0]))
    deviation = (5 * depth / n) ** 0.5
    assert np.mean(logs) == pytest.approx(-(deviation**2) / 2, abs=3 * deviation / num_nets**0.5)
    assert np.std(logs) == pytest.approx(deviation, rel=0.2)


@pytest.mark.parametrize("shape", [(5, 5), (9, 4), (4, 9)])
def test_orthogonal_weights_are_orthonormal_and_pytorchs(shape):
    Q = chapter.orthogonal(shape, generator(2))
    gram = Q @ Q.T if shape[0] < shape[1] else Q.T @ Q
    torch.testing.assert_close(gram, torch.eye(min(shape)))
    theirs = nn.init.orthogonal_(torch.empty(shape), generator=generator(2))
    torch.testing.assert_close(Q, theirs)


def test_all_orthogonal_matrices_are_equally_likely():
    """Without the signs of R the diagonal entries would not average to zero."""
    g = generator(3)
    corners = [chapter.orthogonal((2, 2), g)[0, 0].item() for _ in range(2000)]
    assert abs(np.mean(corners)) < 3 * (0.5 / 2000) ** 0.5


def test_fifty_layers_stay_in_the_band_for_the_right_pairs_alone(printed):
    found = re.findall(r"^(.+?) +from (\S+) to (\S+) of the first layer: (\w+)", printed, re.M)
    verdicts = {name: (float(low), float(high), verdict) for name, low, high, verdict in found}
    assert set(verdicts) == {"tanh, gain 5/3", "tanh, gain 1", "ReLU, gain √2", "ReLU, gain 1"}
    for name, (low, high, verdict) in verdicts.items():
        is_right = name in ("tanh, gain 5/3", "ReLU, gain √2")
        assert (low >= 0.5 and high <= 2) == is_right, name
        assert verdict == ("stays" if is_right else "leaves")


def test_good_starts_learn_and_bad_ones_guess(printed):
    found = re.findall(r"^(\w+, .+?) +accuracy (\S+) ± (\S+) %", printed, re.M)
    scores = {name: float(mean) for name, mean, _ in found}
    assert len(scores) == 7
    assert max(scores["ReLU, PyTorch"], scores["ReLU, Xavier"]) < 30
    assert min(value for name, value in scores.items() if name.startswith("tanh")) > 50
    assert min(scores["ReLU, He"], scores["ReLU, orthogonal·√2"]) > 50
