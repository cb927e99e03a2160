"""The definitions of the chapter on what a neural network is against independent programs."""

import itertools
import math
import re

import numpy as np
import pytest
import torch
from scipy.optimize import linprog, minimize
from sklearn.cluster import KMeans
from sklearn.linear_model import Perceptron


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def data(rng):
    """Examples (n, 3) that the plane of `normal` separates, with labels of ±1."""
    normal = np.array([2.0, -1.0, 0.5])
    X = rng.normal(size=(60, 3))
    X = X[np.abs(X @ normal) > 0.1]
    return torch.from_numpy(X), torch.from_numpy(np.sign(X @ normal))


def is_feasible(X, y):
    """Return whether a linear program finds w with y·(Xw) ≥ 1."""
    X, y = np.asarray(X, float), np.asarray(y, float)
    free = [(None, None)] * X.shape[1]
    return linprog(np.zeros(X.shape[1]), -y[:, None] * X, -np.ones(len(y)), bounds=free).success


def bits(number, count):
    return np.array([number >> i & 1 for i in range(count)])


def test_the_neuron_of_1943_counts_and_is_vetoed(ch):
    for m, theta in itertools.product(range(1, 5), range(5)):
        for x in itertools.product([0, 1], repeat=m):
            assert ch["mp_neuron"](x, [], theta) == int(np.sum(x) >= theta)
            assert ch["mp_neuron"](x, [0, 0], theta) == int(np.sum(x) >= theta)
            assert ch["mp_neuron"](x, [0, 1], theta) == 0


def test_the_threshold_unit_is_heaviside(ch, rng):
    X, w = rng.integers(-3, 4, (50, 3)).astype(float), np.array([1.0, -2.0, 1.0])
    got = ch["threshold_unit"](torch.from_numpy(X), torch.from_numpy(w), 1.0)
    np.testing.assert_array_equal(got.numpy(), np.heaviside(X @ w + 1.0, 0.0))
    assert (X @ w + 1.0 == 0).any(), "the border is tried"


def test_the_perceptron_makes_sklearns_steps_and_its_weights_are_sums_of_mistakes(ch, data):
    X, y = data
    w, mistakes = ch["perceptron"](X, y)
    oracle = Perceptron(shuffle=False, fit_intercept=False, tol=None, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(w.numpy(), oracle.coef_[0], rtol=0, atol=1e-12)
    assert (y * (X @ w) > 0).all()
    torch.testing.assert_close(w, (y[mistakes, None] * X[mistakes]).sum(0))


def test_the_perceptron_gives_up_on_xor_after_the_epochs_it_was_given(ch):
    X = torch.tensor([[0.0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
    _, mistakes = ch["perceptron"](X, torch.tensor([-1.0, 1, 1, -1]), max_epochs=25)
    assert mistakes == [0, 1, 2, 3] * 25


def test_the_largest_margin_is_that_of_a_quadratic_program(ch, data):
    X, y = data
    u, gamma, certificate = ch["largest_margin"](X, y)
    Z = (y[:, None] * X).numpy()
    rows = {"type": "ineq", "fun": lambda w: Z @ w - 1, "jac": lambda w: Z}
    start = np.array([2.0, -1.0, 0.5]) * 10
    best = minimize(lambda w: w @ w / 2, start, jac=lambda w: w, constraints=rows, tol=1e-12)
    assert best.success
    np.testing.assert_allclose(gamma, 1 / np.linalg.norm(best.x), rtol=1e-5)
    np.testing.assert_allclose(certificate, gamma, rtol=1e-4)
    np.testing.assert_allclose(u.norm(), 1)


def test_the_mistake_bound_holds_in_every_order(ch, data, rng):
    X, y = data
    bound = float((X.norm(dim=1).max() / ch["largest_margin"](X, y)[1]) ** 2)
    for _ in range(20):
        order = torch.from_numpy(rng.permutation(len(y)))
        assert len(ch["perceptron"](X[order], y[order])[1]) <= bound


@pytest.mark.parametrize(("num_inputs", "largest"), [(1, 1), (2, 1), (3, 2)])
def test_threshold_functions_are_those_of_a_linear_program(ch, num_inputs, largest):
    X = np.array([(*x, 1) for x in itertools.product([0, 1], repeat=num_inputs)])
    want = set()
    for number in range(2 ** len(X)):
        table = bits(number, len(X))
        separable = is_feasible(X, 2 * table - 1)
        assert ch["is_separable"](X, 2 * table - 1) == separable
        want |= {tuple(table.tolist())} if separable else set()
    assert ch["threshold_functions"](num_inputs, largest) == want


def test_separability_of_random_integer_points(ch, rng):
    answers = set()
    for _ in range(30):
        X, y = rng.integers(-3, 4, (7, 3)), rng.choice([-1, 1], 7)
        answers.add(is_feasible(X, y))
        assert ch["is_separable"](X, y) == is_feasible(X, y)
    assert answers == {True, False}


def test_the_network_set_by_hand_is_or_and_and_xor(ch):
    X = torch.tensor(list(itertools.product([0.0, 1.0], repeat=2)))
    H, out = ch["xor_network"](X)
    a, b = X.bool().T
    assert H.bool().tolist() == torch.stack([a | b, a & b], dim=1).tolist()
    assert out.bool().tolist() == (a ^ b).tolist()


def test_one_hidden_unit_never_learns_xor_and_many_mostly_do(ch):
    assert not ch["learn_xor"](1, 20, seed=3).any()
    assert 0 < ch["learn_xor"](2, 40, seed=3).sum() < 40
    assert ch["learn_xor"](8, 20, seed=3).sum() >= 18


def test_networks_side_by_side_learn_what_one_learns_with_torch_optim(ch):
    """The first of three runs against a module trained by SGD from the same weights."""
    X, y = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]), torch.tensor([0.0, 1, 1, 0])
    for seed in range(12):
        g = torch.Generator().manual_seed(seed)
        shapes = [(2, 2), (1, 2), (2, 1), (1, 1)]
        W, b, v, c = (torch.randn(3, *s, generator=g)[0].requires_grad_() for s in shapes)
        optimizer = torch.optim.SGD([W, b, v, c], lr=0.5)
        for _ in range(40):
            optimizer.zero_grad()
            out = (torch.tanh(X @ W + b) @ v + c)[:, 0]
            torch.nn.functional.binary_cross_entropy_with_logits(out, y).backward()
            optimizer.step()
        got = ch["learn_xor"](2, 3, seed=seed, lr=0.5, num_steps=40)
        assert bool(got[0]) == bool(((out > 0) == (y > 0)).all())


def test_two_means_finds_sklearns_groups(ch, rng):
    points = rng.exponential(size=(80, 2)) ** 2  # far from symmetric: means are no medians
    group = ch["two_means"](torch.from_numpy(points)).numpy()
    start = np.stack([points[0], points[np.linalg.norm(points - points[0], axis=1).argmax()]])
    oracle = KMeans(2, init=start, n_init=1, max_iter=100, tol=0).fit(points)
    np.testing.assert_array_equal(group, oracle.labels_)


def test_q_learning_solves_bellmans_equation(ch):
    """The estimates against value iteration over both actions of every cell."""
    num_cells, discount = 6, 0.8
    values = np.zeros(num_cells)
    for _ in range(100):
        moves = [(max(k - 1, 0), k + 1) for k in range(num_cells - 1)]
        rows = [[float(t == num_cells - 1) + discount * values[t] for t in m] for m in moves]
        values[:-1] = np.max(rows, axis=1)
    Q = ch["q_learning"](num_cells, discount=discount, num_walks=200, seed=1)
    np.testing.assert_allclose(Q[:-1].numpy(), rows, rtol=1e-5)
    assert not Q[-1].any()


def test_the_committed_notebook_shows_the_bound_the_counts_and_the_codes(printed):
    R, margin, bound, count = map(
        float, re.search(r"R (\S+), margin (\S+), bound (\d+), mistakes (\d+)", printed).groups()
    )
    assert count <= bound
    assert math.isclose(bound, (R / margin) ** 2, rel_tol=0.01)
    most = int(re.search(r"mistakes \d+ ± \d+, most (\d+)", printed)[1])
    assert most <= bound
    assert re.search(r"2 inputs: +14 of +16 ", printed)
    assert re.search(r"3 inputs: +104 of +256 ", printed)
    codes = re.findall(r"(\d+) units: +(\d+) local, +(\d+) distributed", printed)
    assert len(codes) >= 3
    assert all((int(a), int(b)) == (int(n), 2 ** int(n)) for n, a, b in codes)
