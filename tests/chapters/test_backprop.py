"""The engine and the derivations of the chapter on backpropagation."""

import gc
from types import SimpleNamespace

import jupytext
import numpy as np
import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from tests.chapters.loading import SOURCES, load_definitions

chapter = SimpleNamespace(**load_definitions("backprop"))
Tensor = chapter.Tensor

#: Name: ours, PyTorch's (the same expression where None), shapes of the inputs.
OPERATIONS = {
    "add a row": (lambda a, b: a + b, None, [(3, 4), (4,)]),
    "add a number's array": (lambda a, b: a + b, None, [(), (2, 3)]),
    "add more axes": (lambda a, b: a + b, None, [(2, 1, 4), (3, 1)]),
    "number first": (lambda a: 2.0 + 3.0 * a, None, [(2, 3)]),
    "subtract": (lambda a, b: a - b, None, [(3, 1), (2, 3, 4)]),
    "subtract from a number": (lambda a: 1.0 - a, None, [(5,)]),
    "multiply": (lambda a, b: a * b, None, [(3, 1), (1, 4)]),
    "multiply by itself": (lambda a: a * a, None, [(3, 2)]),
    "divide": (lambda a, b: a / (b * b + 1.0), None, [(2, 3, 4), (3, 1)]),
    "divide a number": (lambda a: 2.0 / (a * a + 1.0), None, [(4,)]),
    "power": (lambda a: a**3, None, [(3, 4)]),
    "root": (lambda a: (a * a + 1.0) ** 0.5, None, [(3, 4)]),
    "matrix product": (lambda a, b: a @ b, None, [(5, 3), (3, 4)]),
    "stack of products": (lambda a, b: a @ b, None, [(5, 2, 3), (3, 4)]),
    "stacks that broadcast": (lambda a, b: a @ b, None, [(5, 1, 2, 3), (4, 3, 2)]),
    "exp": (chapter.exp, torch.exp, [(3, 4)]),
    "log": (lambda a: chapter.log(a * a), lambda a: torch.log(a * a), [(3, 4)]),
    "tanh": (chapter.tanh, torch.tanh, [(3, 4)]),
    "sigmoid": (chapter.sigmoid, torch.sigmoid, [(3, 4)]),
    "relu": (chapter.relu, torch.relu, [(3, 4)]),
    "sum": (chapter.total, torch.sum, [(3, 4)]),
    "sum over rows": (lambda a: chapter.total(a, axis=0), lambda a: a.sum(0), [(3, 4)]),
    "sum over the last axis": (lambda a: chapter.total(a, axis=-1), lambda a: a.sum(-1), [(2, 3)]),
    "sum over two axes": (
        lambda a: chapter.total(a, axis=(0, 2)),
        lambda a: a.sum((0, 2)),
        [(2, 3, 4)],
    ),
    "sum that keeps its axis": (
        lambda a: a * chapter.total(a, axis=1, keepdims=True),
        lambda a: a * a.sum(1, keepdim=True),
        [(3, 4)],
    ),
    "repeated index": (lambda a: a[[0, 0, 2]], None, [(3, 4)]),
    "slice": (lambda a: a[1:, ::2], None, [(3, 4)]),
    "pairs of indices": (lambda a: a[[0, 1, 1], [2, 0, 0]], None, [(2, 3)]),
}


def gradients(function, arrays, weights, *, ours):
    """Return the gradients of the weighted sum of a result, by each input."""
    if ours:
        leaves = [Tensor(array, requires_grad=True) for array in arrays]
        chapter.total(function(*leaves) * weights).backward()
        return [leaf.grad for leaf in leaves]
    leaves = [torch.tensor(array, requires_grad=True) for array in arrays]
    (function(*leaves) * torch.from_numpy(weights)).sum().backward()
    return [leaf.grad.numpy() for leaf in leaves]


@pytest.mark.parametrize("name", OPERATIONS)
def test_gradients_of_an_operation_equal_pytorchs(name):
    ours, theirs, shapes = OPERATIONS[name]
    theirs = theirs or ours
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in shapes]
    result = theirs(*map(torch.tensor, arrays)).numpy()
    np.testing.assert_allclose(ours(*map(Tensor, arrays)).data, result, rtol=1e-12)
    weights = rng.normal(size=result.shape)
    got = gradients(ours, arrays, weights, ours=True)
    want = gradients(theirs, arrays, weights, ours=False)
    for g, w in zip(got, want, strict=True):
        assert g.shape == w.shape
        np.testing.assert_allclose(g, w, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_gradients_of_random_graphs_equal_pytorchs(seed):
    """Thirty operations on nodes drawn at random, so that many are used several times."""

    def build(start, tanh):
        rng = np.random.default_rng(seed)
        nodes = list(start)
        for _ in range(30):
            a, b = (nodes[i] for i in rng.integers(len(nodes), size=2))
            nodes.append([a + b, a * b, tanh(a), a - b][rng.integers(4)])
        return tanh(nodes[-1] + nodes[-2] * nodes[-3])

    rng = np.random.default_rng(100 + seed)
    arrays = [rng.normal(size=shape) for shape in [(2, 3), (3,), (2, 1)]]
    weights = rng.normal(size=(2, 3))
    got = gradients(lambda *a: build(a, chapter.tanh) + a[0] * 0.1, arrays, weights, ours=True)
    want = gradients(lambda *a: build(a, torch.tanh) + a[0] * 0.1, arrays, weights, ours=False)
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(0.0 if g is None else g, w, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("small", "large"),
    [((), (2, 3)), ((3,), (2, 3)), ((2, 1), (2, 3)), ((1, 1), (4, 2, 3)), ((2, 3), (2, 3))],
)
def test_unbroadcast_is_the_transpose_of_broadcasting(small, large):
    rng = np.random.default_rng(1)
    x, g = rng.normal(size=small), rng.normal(size=large)
    back = chapter.unbroadcast(g, small)
    assert back.shape == small
    assert (np.broadcast_to(x, large) * g).sum() == pytest.approx((x * back).sum())


def test_a_gradient_is_not_shared_between_parents():
    w = Tensor(2.0, requires_grad=True)
    v = Tensor(3.0, requires_grad=True)
    ((w + v) + w * v + w).backward()
    assert (w.grad, v.grad) == (1 + 3 + 1, 1 + 2)


def test_constants_have_no_gradient_and_cost_no_edge():
    X, w = Tensor(np.ones((2, 3))), Tensor(np.ones((3, 1)), requires_grad=True)
    product = X @ w
    assert [parent for parent, _ in product.edges] == [w]
    chapter.total(product).backward()
    assert X.grad is None
    assert not (X * 2.0 + 1.0).requires_grad


def test_backward_starts_anew():
    w = Tensor([1.0, 2.0], requires_grad=True)
    loss = chapter.total(w * w)
    loss.backward()
    loss.backward()
    np.testing.assert_array_equal(w.grad, [2.0, 4.0])


def test_backward_needs_one_number():
    with pytest.raises(ValueError, match=r"one number, got shape \(2,\)"):
        Tensor([1.0, 2.0], requires_grad=True).backward()


def test_topological_order_holds_each_node_once_after_its_parents():
    a, b = Tensor(1.0, requires_grad=True), Tensor(2.0, requires_grad=True)
    c = a * b
    d = c + a
    root = chapter.exp(d * c) + d
    order = chapter.topological_order(root)
    place = {node: i for i, node in enumerate(order)}
    assert len(place) == len(order) == 7
    assert order[-1] is root
    assert all(place[parent] < place[node] for node in order for parent, _ in node.edges)


def test_a_very_deep_graph_is_swept_and_freed():
    x = Tensor(1.0, requires_grad=True)
    node = x
    for _ in range(100_000):
        node = node + x
    node.backward()
    assert x.grad == 100_001
    del node
    gc.collect()


def mlp_case(seed=0):
    rng = np.random.default_rng(seed)
    sizes = [(6, 5), (5,), (5, 3), (3,)]
    theta = [rng.normal(size=size) for size in sizes]
    return theta, rng.normal(size=(7, 6)), rng.integers(3, size=7)


def test_the_derivation_equals_central_differences_in_every_entry():
    theta, X, y = mlp_case()
    _, saved = chapter.forward_by_hand(theta, X, y, 0.1)
    got = chapter.backward_by_hand(theta, saved, 0.1)
    for k, array in enumerate(theta):
        for index in np.ndindex(array.shape):
            values = []
            for step in (1e-5, -1e-5):
                moved = [p.copy() for p in theta]
                moved[k][index] += step
                values.append(chapter.forward_by_hand(moved, X, y, 0.1)[0])
            assert got[k][index] == pytest.approx((values[0] - values[1]) / 2e-5, abs=1e-8)


def test_the_derivation_equals_the_engine():
    theta, X, y = mlp_case(1)
    J, saved = chapter.forward_by_hand(theta, X, y, 0.1)
    leaves = [Tensor(p, requires_grad=True) for p in theta]
    Zs = chapter.pre_activations([leaves[:2], leaves[2:]], X, chapter.tanh)
    penalty = (chapter.total(leaves[0] ** 2) + chapter.total(leaves[2] ** 2)) * 0.05
    objective = chapter.cross_entropy(Zs[-1], y) + penalty
    objective.backward()
    assert float(objective.data) == pytest.approx(J)
    for leaf, want in zip(leaves, chapter.backward_by_hand(theta, saved, 0.1), strict=True):
        np.testing.assert_allclose(leaf.grad, want, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("size", [1.0, 1000.0])
def test_cross_entropy_equals_pytorchs_even_for_large_logits(size):
    rng = np.random.default_rng(2)
    values, y = size * rng.normal(size=(8, 5)), rng.integers(5, size=8)
    logits = Tensor(values, requires_grad=True)
    loss = chapter.cross_entropy(logits, y)
    loss.backward()
    leaf = torch.tensor(values, requires_grad=True)
    oracle = F.cross_entropy(leaf, torch.from_numpy(y))
    oracle.backward()
    assert float(loss.data) == pytest.approx(oracle.item(), rel=1e-12)
    np.testing.assert_allclose(logits.grad, leaf.grad.numpy(), atol=1e-14)


def test_sigmoid_neither_overflows_nor_loses_small_values():
    x = Tensor([-800.0, -40.0, 0.0, 800.0], requires_grad=True)
    y = chapter.sigmoid(x)
    np.testing.assert_allclose(y.data, [0.0, np.exp(-40.0), 0.5, 1.0], rtol=1e-12)
    chapter.total(y).backward()
    np.testing.assert_allclose(x.grad, [0.0, np.exp(-40.0), 0.25, 0.0], rtol=1e-12)


def test_training_follows_pytorch_step_by_step():
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(64, 10)), rng.integers(4, size=64)
    parameters = chapter.make_parameters([10, 16, 16, 4], scale=2**0.5, seed=0)
    copies = [[torch.tensor(p.data, requires_grad=True) for p in pair] for pair in parameters]
    for _ in range(50):
        loss = chapter.cross_entropy(chapter.pre_activations(parameters, X)[-1], y)
        loss.backward()
        H = torch.from_numpy(X)
        for i, (W, b) in enumerate(copies):
            H = (torch.relu(H) if i else H) @ W + b
        oracle = F.cross_entropy(H, torch.from_numpy(y))
        grads = torch.autograd.grad(oracle, [p for pair in copies for p in pair])
        assert float(loss.data) == pytest.approx(oracle.item(), rel=1e-10)
        for leaf, g in zip((p for pair in parameters for p in pair), grads, strict=True):
            leaf.data = leaf.data - 0.2 * leaf.grad
            np.testing.assert_allclose(leaf.grad, g.numpy(), rtol=1e-8, atol=1e-12)
        with torch.no_grad():
            for p, g in zip((p for pair in copies for p in pair), grads, strict=True):
                p -= 0.2 * g
    assert float(loss.data) < 1.0  # it learned: chance is log 4


def test_parameters_have_the_promised_scale():
    (W, b), _ = chapter.make_parameters([400, 300, 2], scale=1.5, seed=0)
    assert W.data.std() == pytest.approx(1.5 / 20, rel=0.02)
    assert W.data.shape == (400, 300)
    assert not b.data.any()
    assert W.requires_grad
    assert b.requires_grad


def test_both_ends_give_one_product_and_the_counted_cost():
    rng = np.random.default_rng(4)
    factors = [rng.normal(size=size) for size in [(1, 3), (3, 5), (5, 7)]]
    result, count = chapter.product(factors)
    np.testing.assert_allclose(result, np.linalg.multi_dot(factors))
    assert count == 1 * 3 * 5 + 1 * 5 * 7
    back, back_count = chapter.product([factor.T for factor in reversed(factors)])
    np.testing.assert_allclose(back.T, result)
    assert back_count == 7 * 5 * 3 + 7 * 3 * 1


def test_the_share_of_the_backward_pass_is_what_the_engine_multiplies(monkeypatch):
    """Each edge of a matrix product costs one product of the same size."""
    widths, n, forward, backward = [7, 5, 4, 3], 6, [], []

    def counting(a, b):
        node = chapter.matmul(a, b)
        forward.append(node.data.size * b.data.shape[0])
        backward.append(forward[-1] * len(node.edges))
        return node

    monkeypatch.setattr(Tensor, "__matmul__", counting)
    parameters = chapter.make_parameters(widths, scale=1.0, seed=0)
    chapter.pre_activations(parameters, Tensor(np.ones((n, 7))))
    assert sum(forward) == n * (35 + 20 + 12)
    assert sum(backward) / sum(forward) == pytest.approx(chapter.backward_share(widths))


@pytest.mark.parametrize(("name", "gamma"), [("sigmoid", 0.25), ("tanh", 1.0), ("relu", 1.0)])
def test_the_bound_on_gradients_holds_and_the_norms_are_pytorchs(name, gamma):
    rng = np.random.default_rng(5)
    X, y = rng.normal(size=(9, 12)), rng.integers(10, size=9)
    activation = getattr(chapter, name)
    norms, bounds = chapter.error_norms(activation, 8, 1.3, data=(X, y), gamma=gamma)
    assert norms.shape == bounds.shape == (8,)
    assert (norms <= bounds * (1 + 1e-9)).all()
    assert bounds[-1] == norms[-1]
    H, Zs = torch.from_numpy(X), []
    for W, b in chapter.make_parameters([12] + 7 * [64] + [10], scale=1.3, seed=0):
        Zs.append(H @ torch.tensor(W.data, requires_grad=True) + torch.tensor(b.data))
        H = getattr(torch, name)(Zs[-1])
    grads = torch.autograd.grad(F.cross_entropy(Zs[-1], torch.from_numpy(y)), Zs)
    np.testing.assert_allclose(norms, [g.norm().item() for g in grads], rtol=1e-9)


def test_the_sigmoid_has_no_slope_above_a_quarter():
    x = Tensor(np.linspace(-20, 20, 40_001), requires_grad=True)
    chapter.total(chapter.sigmoid(x)).backward()
    assert x.grad.max() == 0.25
    assert x.data[x.grad.argmax()] == 0.0


def test_the_engine_has_about_a_hundred_lines():
    cells = jupytext.read(SOURCES / "backprop.md").cells
    define = [c.source for c in cells if "define" in c.metadata.get("tags", [])]
    first = next(i for i, source in enumerate(define) if source.startswith("class Tensor"))
    last = next(i for i, source in enumerate(define) if "Tensor.backward = " in source)
    lines = "\n".join(define[first : last + 1]).splitlines()
    assert 80 <= sum(bool(line.strip()) for line in lines) <= 120
