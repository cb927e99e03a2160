"""The definitions of the chapter on classification against independent programs."""

import itertools
import json
import re

import numpy as np
import pytest
import scipy.stats
import torch
from scipy.optimize import linprog, minimize
from scipy.special import expit, logsumexp
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from torch.nn import functional as F  # noqa: N812 (the name the field uses)

import d2l_lite as d2l
from tests.chapters.loading import SOURCES


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(11)


@pytest.fixture
def data(generator):
    """Two classes that overlap, with a column of ones."""
    X = torch.randn(80, 4, generator=generator, dtype=torch.float64)
    X[:, 3] = 1.0
    z = X @ torch.tensor([1.0, -2.0, 0.0, 0.5], dtype=torch.float64)
    return X, (torch.rand(80, generator=generator) < torch.sigmoid(z)).double()


@pytest.fixture(scope="module")
def tumors():
    """The breast-cancer data, standardized, with a column of ones; 1 is malignant."""
    table = d2l.load_table("breast_cancer")
    X, y = table.X.double(), 1 - table.y.double()
    return F.pad((X - X.mean(0)) / X.std(0, correction=0), (0, 1), value=1.0), y


def sklearn_weights(X, y, **options):
    model = LogisticRegression(**{"tol": 1e-10, "max_iter": 100_000, **options})
    model.fit(X[:, :-1].numpy(), y.numpy())
    return torch.tensor([*model.coef_[0], *model.intercept_])


def test_the_sigmoid_is_scipys_and_has_the_two_properties(ch):
    z = torch.linspace(-40, 40, 81, dtype=torch.float64)
    p = ch["sigmoid"](z)
    np.testing.assert_allclose(p, expit(z.numpy()), rtol=1e-12)
    torch.testing.assert_close(1 - p, ch["sigmoid"](-z))
    step = 1e-6
    slope = (ch["sigmoid"](z + step) - ch["sigmoid"](z - step)) / (2 * step)
    torch.testing.assert_close(slope, p * (1 - p), atol=1e-9, rtol=0)
    assert ch["sigmoid"](torch.tensor([-1000.0, 1000.0])).tolist() == [0.0, 1.0]


def test_loss_and_gradient_by_loops_and_by_autograd(ch, data, generator):
    X, y = data
    w = torch.randn(4, generator=generator, dtype=torch.float64, requires_grad=True)
    loss = F.binary_cross_entropy_with_logits(X @ w, y)
    (loss + 0.3 / 2 * (w[:-1] ** 2).sum()).backward()
    at = w.detach()
    torch.testing.assert_close(ch["log_loss"](at, X, y), loss.detach())
    penalized = loss.detach() + 0.15 * (at[:-1] ** 2).sum()
    torch.testing.assert_close(ch["log_loss"](at, X, y, 0.3), penalized)
    torch.testing.assert_close(ch["gradient"](at, X, y, 0.3), w.grad)
    value, slopes = ch["log_loss_by_loops"](at.tolist(), X.tolist(), y.tolist())
    np.testing.assert_allclose(value, loss.item())
    want = ch["gradient"](at, X, y)
    torch.testing.assert_close(torch.tensor(slopes, dtype=torch.float64), want)


def test_the_loss_survives_huge_logits(ch):
    X, y = torch.tensor([[1000.0], [-1000.0]]), torch.tensor([1.0, 1.0])
    assert ch["log_loss"](torch.ones(1), X, y).item() == 500.0


def test_the_hessian_is_autograds_and_below_the_bound(ch, data, generator):
    X, y = data
    w = torch.randn(4, generator=generator, dtype=torch.float64)
    want = torch.autograd.functional.hessian(lambda v: ch["log_loss"](v, X, y, 0.2), w)
    got = ch["hessian"](w, X, 0.2)
    torch.testing.assert_close(got, want)
    assert torch.linalg.eigvalsh(got)[-1] < 1 / ch["safe_rate"](X, 0.2)
    top = torch.linalg.eigvalsh(ch["hessian"](torch.zeros_like(w), X))[-1]
    torch.testing.assert_close(1 / ch["safe_rate"](X), top)


@pytest.mark.parametrize("weight_decay", [0.0, 0.05])
def test_descent_and_newton_find_sklearns_optimum(ch, data, weight_decay):
    X, y = data
    C = 1 / (len(y) * weight_decay) if weight_decay else np.inf
    want = sklearn_weights(X, y, C=C)
    found = ch["newton"](X, y, num_steps=9, weight_decay=weight_decay)[-1]
    torch.testing.assert_close(found, want, atol=1e-6, rtol=0)
    lr = ch["safe_rate"](X, weight_decay)
    options = {"lr": lr, "num_steps": 1500, "weight_decay": weight_decay}
    path = ch["gradient_descent"](X, y, **options)
    torch.testing.assert_close(path[-1], want, atol=1e-6, rtol=0)
    torch.testing.assert_close(path[1], lr * X.T @ (y - 0.5) / len(y))
    losses = torch.stack([ch["log_loss"](w, X, y, weight_decay) for w in path[:50]])
    assert (losses.diff() < 1e-12).all()


def test_newtons_steps_are_weighted_least_squares(ch, data):
    X, y = data
    path = ch["newton"](X, y, num_steps=3)
    for before, after in itertools.pairwise(path):
        p = torch.sigmoid(X @ before)
        root = (p * (1 - p)).sqrt()
        target = X @ before + (y - p) / root**2
        fit = np.linalg.lstsq((root[:, None] * X).numpy(), (root * target).numpy(), rcond=None)
        torch.testing.assert_close(after, torch.from_numpy(fit[0]))


def test_the_tumors_match_sklearn_to_a_thousandth(ch, tumors):
    """All 30 features with the chapter's ridge, two features with no penalty."""
    X, y = tumors
    want = sklearn_weights(X, y, C=1 / (len(y) * 0.01))
    found = ch["newton"](X, y, num_steps=10, weight_decay=0.01)[-1]
    assert (found - want).abs().max() < 1e-3
    two = X[:, [0, 1, 30]]
    found = ch["newton"](two, y, num_steps=9)[-1]
    assert (found - sklearn_weights(two, y, C=np.inf)).abs().max() < 1e-3


def test_the_tumors_are_separable_by_thirty_features_and_not_by_two(ch, tumors):
    """Linear programming finds weights with y·z ≥ 1 for all tumors, or proves there are none."""
    X, y = (v.numpy() for v in tumors)
    for columns, is_separable in ((range(31), True), ([0, 1, 30], False)):
        A = -(2 * y - 1)[:, None] * X[:, columns]
        options = {"A_ub": A, "b_ub": -np.ones(len(y)), "bounds": (None, None)}
        assert (linprog(np.zeros(A.shape[1]), **options).status == 0) == is_separable
    lengths = ch["newton"](*tumors, num_steps=12).norm(dim=1)
    assert lengths[12] > 5 * lengths[8] > 25 * lengths[1]


def test_a_penalty_is_a_limit(ch, data):
    """The ridge's weights are the best among all that are no longer, by SciPy's SLSQP."""
    X, y = data
    w = ch["newton"](X, y, num_steps=9, weight_decay=0.1)[-1]
    limit = (w[:-1] ** 2).sum().item()
    found = minimize(
        lambda v: ch["log_loss"](torch.from_numpy(v), X, y).item(),
        np.zeros(4),
        jac=lambda v: ch["gradient"](torch.from_numpy(v), X, y).numpy(),
        constraints={"type": "ineq", "fun": lambda v: limit - (v[:-1] ** 2).sum()},
        method="SLSQP",
        options={"ftol": 1e-12},
    )
    torch.testing.assert_close(w, torch.from_numpy(found.x), atol=1e-4, rtol=0)


@pytest.mark.parametrize("weight_decay", [0.02, 0.1])
def test_the_lasso_is_sklearns_with_exact_zeros(ch, data, weight_decay):
    X, y = data
    w = ch["lasso"](X, y, weight_decay=weight_decay, num_steps=1000)
    C = 1 / (len(y) * weight_decay)
    want = sklearn_weights(X, y, C=C, l1_ratio=1, solver="saga")
    torch.testing.assert_close(w, want, atol=1e-5, rtol=0)
    assert torch.equal(w == 0, want == 0)
    assert (w == 0).any()


def test_entropies_are_scipys(ch):
    A, B = np.random.default_rng(5).dirichlet(np.ones(6), size=(2, 40))
    P, Q = torch.from_numpy(A), torch.from_numpy(B)
    np.testing.assert_allclose(ch["divergence"](P, Q), scipy.stats.entropy(A, B, axis=1))
    np.testing.assert_allclose(ch["cross_entropy"](P, P), scipy.stats.entropy(A, axis=1))
    total = ch["cross_entropy"](P, P) + ch["divergence"](P, Q)
    torch.testing.assert_close(ch["cross_entropy"](P, Q), total)
    certain = torch.tensor([1.0, 0.0])
    assert ch["divergence"](certain, torch.tensor([0.25, 0.75])).item() == pytest.approx(np.log(4))


def test_softmax_loss_is_stable_and_pytorchs(ch, generator):
    logits = torch.randn(7, 5, generator=generator) + torch.linspace(-1000, 1000, 7)[:, None]
    y = torch.randint(5, (7,), generator=generator)
    got = ch["log_sum_exp"](logits)
    assert got.shape == (7, 1)
    np.testing.assert_allclose(got[:, 0], logsumexp(logits.numpy(), axis=1), rtol=1e-6)
    torch.testing.assert_close(ch["softmax_loss"](logits, y), F.cross_entropy(logits, y))
    assert ch["softmax_loss"](torch.zeros(7, 10), y).item() == pytest.approx(np.log(10))


def test_softmax_training_takes_the_steps_of_torch_optim(ch, generator):
    X = torch.randn(30, 6, generator=generator, dtype=torch.float64)
    y = torch.randint(3, (30,), generator=generator)
    rates = [0.5 / (1 + t) for t in range(12)]
    options = {"lr": rates.__getitem__, "num_epochs": 3, "num_classes": 3, "weight_decay": 0.1}
    batches = d2l.Batches(X, y, 8, generator=torch.Generator().manual_seed(2))
    W, b = ch["train_softmax"](batches, **options)

    theirs = [torch.zeros(6, 3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)]
    theirs = [leaf.requires_grad_() for leaf in theirs]
    groups = [{"params": theirs[:1], "weight_decay": 0.1}, {"params": theirs[1:]}]
    optimizer, t = torch.optim.SGD(groups, lr=rates[0]), 0
    batches = d2l.Batches(X, y, 8, generator=torch.Generator().manual_seed(2))
    for _ in range(3):
        for A, labels in batches:
            for group in optimizer.param_groups:
                group["lr"] = rates[t]
            optimizer.zero_grad()
            F.cross_entropy(A @ theirs[0] + theirs[1], labels).backward()
            optimizer.step()
            t += 1
    torch.testing.assert_close(W, theirs[0].detach())
    torch.testing.assert_close(b, theirs[1].detach())


def test_two_classes_of_softmax_are_logistic_regression(ch, data):
    X, y = data
    batches = d2l.Batches(X[:, :3], y.long(), len(y), shuffle=False)
    lr = ch["safe_rate"](X)
    W, b = ch["train_softmax"](batches, lr=lambda t: lr, num_epochs=1500, num_classes=2)
    want = ch["newton"](X, y, num_steps=9)[-1]
    difference = torch.cat([W, b[None]])[:, 1] - torch.cat([W, b[None]])[:, 0]
    torch.testing.assert_close(difference, want, atol=1e-5, rtol=0)


def test_confusion_matrix_is_sklearns(ch, generator):
    y, y_hat = torch.randint(4, (2, 100), generator=generator)
    got = ch["confusion_matrix"](y, y_hat, 5)
    np.testing.assert_array_equal(got, confusion_matrix(y, y_hat, labels=range(5)))


def test_reliability_is_sklearns_and_the_error_its_weighted_mean(ch, generator):
    confidence = torch.rand(300, generator=generator, dtype=torch.float64) ** 0.5
    confidence[0] = 1.0
    correct = torch.rand(300, generator=generator) < confidence**3
    mean, right, share = ch["reliability"](confidence, correct, 8)
    oracle_right, oracle_mean = calibration_curve(correct, confidence, n_bins=8)
    np.testing.assert_allclose(mean, oracle_mean)
    np.testing.assert_allclose(right, oracle_right)
    counts = np.histogram(confidence, np.linspace(0, 1, 9))[0]
    np.testing.assert_allclose(share, counts[counts > 0] / 300)
    gaps = np.histogram(confidence, np.linspace(0, 1, 9), weights=correct.double() - confidence)
    want = np.abs(gaps[0]).sum() / 300
    assert ch["calibration_error"](confidence, correct, 8).item() == pytest.approx(want)


def test_the_committed_notebook_reaches_84_percent_on_fashion_mnist():
    notebook = json.loads((SOURCES.parent / "logistic_regression.ipynb").read_text("utf-8"))
    outputs = [out for cell in notebook["cells"] for out in cell.get("outputs", [])]
    text = "".join("".join(out.get("text", [])) for out in outputs)
    mean, seeds = re.search(r"test accuracy (0\.\d+) ± 0\.\d+ \((\d) seeds\)", text).groups()
    assert float(mean) >= 0.84
    assert int(seeds) >= 3
    assert "loss at zero weights 2.3026" in text
