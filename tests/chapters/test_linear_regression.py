"""The definitions of the chapter on linear regression against independent programs."""

import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.metrics import r2_score

import d2l_lite as d2l


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(7)


@pytest.fixture
def data(generator):
    X = torch.randn(60, 4, generator=generator, dtype=torch.float64)
    X[:, 3] = 1.0
    y = X @ torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
    return X, y + torch.randn(60, generator=generator, dtype=torch.float64)


def lstsq(X, y):
    return torch.from_numpy(np.linalg.lstsq(X.numpy(), y.numpy(), rcond=None)[0])


def test_half_mse_is_half_of_pytorchs(ch, generator):
    a, b = torch.randn(2, 9, generator=generator)
    torch.testing.assert_close(ch["half_mse"](a, b), torch.nn.functional.mse_loss(a, b) / 2)


def test_the_line_by_hand_and_by_polyfit(ch, generator):
    assert ch["fit_line"]([1, 2, 3], [2, 3, 7]) == (2.5, -1.0)
    x, y = torch.randn(2, 30, generator=generator, dtype=torch.float64)
    np.testing.assert_allclose(ch["fit_line"](x, y), np.polyfit(x.numpy(), y.numpy(), 1))


def test_regression_to_the_mean(ch, generator):
    """With equal variances the slope is the correlation, as the chapter says of Galton."""
    x, e = torch.randn(2, 50, generator=generator, dtype=torch.float64)
    x, y = ch["standardize"](torch.stack([x, x + e], dim=1)).T
    slope, intercept = ch["fit_line"](x, y)
    np.testing.assert_allclose(slope, np.corrcoef(x.numpy(), y.numpy())[0, 1])
    assert abs(slope) < 1
    assert abs(intercept) < 1e-12


def test_add_ones_appends_the_bias_column(ch):
    X = torch.arange(6, dtype=torch.float64).reshape(3, 2)
    want = torch.tensor([[0, 1, 1], [2, 3, 1], [4, 5, 1]], dtype=torch.float64)
    torch.testing.assert_close(ch["add_ones"](X), want)


def test_closed_form_equals_lstsq_and_sklearn(ch, data):
    X, y = data
    w = ch["closed_form"](X, y)
    torch.testing.assert_close(w, lstsq(X, y), atol=1e-10, rtol=0)
    model = LinearRegression().fit(X[:, :3], y)
    want = torch.tensor([*model.coef_, model.intercept_])
    torch.testing.assert_close(w, want, atol=1e-10, rtol=0)


def test_r_squared_equals_sklearns(ch, data):
    X, y = data
    y_hat = X @ torch.tensor([1.0, -1.0, 0.0, 2.0], dtype=torch.float64)
    np.testing.assert_allclose(ch["r_squared"](y_hat, y), r2_score(y, y_hat))
    mean = y.mean().expand_as(y)
    assert abs(ch["r_squared"](mean, y)) < 1e-12


def test_standardize_gives_mean_0_and_population_deviation_1(ch, generator):
    X = 5 + 3 * torch.randn(20, 3, generator=generator, dtype=torch.float64)
    Z = ch["standardize"](X).numpy()
    np.testing.assert_allclose(Z.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(Z.std(0), 1)


@pytest.mark.parametrize("shape", [(12, 5), (4, 9)], ids=["tall", "wide"])
@pytest.mark.parametrize("is_deficient", [False, True])
def test_shortest_solution_equals_pinv_at_any_rank(ch, generator, shape, is_deficient):
    X = torch.randn(*shape, generator=generator, dtype=torch.float64)
    if is_deficient:
        X[:, 1] = 2 * X[:, 0]
    y = torch.randn(shape[0], generator=generator, dtype=torch.float64)
    w = ch["shortest_solution"](X, y)
    torch.testing.assert_close(w, torch.linalg.pinv(X) @ y, atol=1e-10, rtol=0)


def test_singular_normal_equations_raise(ch):
    X = torch.tensor([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]], dtype=torch.float64)
    with pytest.raises(torch.linalg.LinAlgError):
        ch["closed_form"](X, torch.ones(3, dtype=torch.float64))


def test_gradient_equals_autograd_and_finite_differences(ch, data, generator):
    X, y = data
    w = torch.randn(4, generator=generator, dtype=torch.float64, requires_grad=True)
    ch["half_mse"](X @ w, y).backward()
    got = ch["gradient"](w.detach(), X, y)
    torch.testing.assert_close(got, w.grad)
    w, step = w.detach(), 1e-5 * torch.eye(4, dtype=torch.float64)
    up = torch.stack([ch["half_mse"](X @ (w + row), y) for row in step])
    down = torch.stack([ch["half_mse"](X @ (w - row), y) for row in step])
    slopes = (up - down) / 2e-5
    torch.testing.assert_close(got, slopes, atol=1e-8, rtol=0)


def test_descent_follows_the_modes_of_the_hessian(ch, data):
    """Each eigenvector's error is multiplied by 1 − lr·λ in every step."""
    X, y = data
    eigenvalues, Q = torch.linalg.eigh(X.T @ X / len(y))
    lr = 1.9 / eigenvalues[-1]
    errors = (ch["gradient_descent"](X, y, lr=lr, num_steps=6) - lstsq(X, y)) @ Q
    powers = (1 - lr * eigenvalues) ** torch.arange(7)[:, None]
    torch.testing.assert_close(errors, powers * errors[0])


@pytest.mark.parametrize(("part", "converges"), [(0.99, True), (1.01, False)])
def test_two_over_the_largest_eigenvalue_is_the_limit(ch, data, part, converges):
    X, y = data
    limit = 2 / torch.linalg.eigvalsh(X.T @ X / len(y))[-1]
    path = ch["gradient_descent"](X, y, lr=part * limit, num_steps=2000)
    distance = (path - lstsq(X, y)).norm(dim=1)
    assert (distance[-1] < 1e-8) if converges else (distance[-1] > 1e6)


def test_descent_from_zero_finds_the_shortest_solution(ch, generator):
    X = torch.randn(3, 6, generator=generator, dtype=torch.float64)
    y = torch.randn(3, generator=generator, dtype=torch.float64)
    lr = 1 / torch.linalg.eigvalsh(X.T @ X / 3)[-1]
    path = ch["gradient_descent"](X, y, lr=lr, num_steps=5000)
    torch.testing.assert_close(path[-1], torch.linalg.pinv(X) @ y, atol=1e-8, rtol=0)


def test_sgd_takes_the_steps_of_torch_optim(ch, data):
    X, y = data
    rates = [0.1 / (1 + t) for t in range(24)]
    w = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=rates[0])
    step = iter(rates)
    batches = d2l.Batches(X, y, 16, generator=torch.Generator().manual_seed(3))
    for _ in range(6):
        for A, b in batches:
            optimizer.param_groups[0]["lr"] = next(step)
            optimizer.zero_grad()
            (0.5 * torch.nn.functional.mse_loss(A @ w, b)).backward()
            optimizer.step()
    batches = d2l.Batches(X, y, 16, generator=torch.Generator().manual_seed(3))
    path = ch["sgd"](batches, lr=rates.__getitem__, num_epochs=6)
    assert path.shape == (7, 4)
    torch.testing.assert_close(path[-1], w.detach())


def test_one_batch_of_everything_is_gradient_descent(ch, data):
    X, y = data
    walked = ch["sgd"](d2l.Batches(X, y, len(y)), lr=lambda t: 0.1, num_epochs=20)
    torch.testing.assert_close(walked, ch["gradient_descent"](X, y, lr=0.1, num_steps=20))


def test_minibatch_gradients_are_right_on_average(ch, data):
    """The mean over all pairs of examples is the full gradient, exactly."""
    X, y = data
    w = torch.ones(4, dtype=torch.float64)
    pairs = itertools.combinations(range(12), 2)
    mean = torch.stack([ch["gradient"](w, X[list(p)], y[list(p)]) for p in pairs]).mean(0)
    torch.testing.assert_close(mean, ch["gradient"](w, X[:12], y[:12]))


def test_glm_with_each_link_of_the_table(ch, data, generator):
    X, y = data
    X = X * torch.tensor([1, 1, 0.5, 1], dtype=torch.float64)
    fit = ch["fit_glm"]
    identity = fit(X, y, lambda z: z, lr=0.3, num_steps=3000)
    torch.testing.assert_close(identity, lstsq(X, y), atol=1e-8, rtol=0)

    counts = torch.poisson(torch.exp(0.5 * X[:, 0] + 1), generator=generator)
    model = PoissonRegressor(alpha=0, solver="newton-cholesky", tol=1e-10).fit(X[:, :3], counts)
    want = torch.tensor([*model.coef_, model.intercept_])
    got = fit(X, counts, torch.exp, lr=0.05, num_steps=5000)
    torch.testing.assert_close(got, want, atol=1e-6, rtol=0)

    labels = (torch.rand(60, generator=generator) < torch.sigmoid(X[:, 0])).double()
    logistic = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10)
    logistic.fit(X[:, :3], labels)
    want = torch.tensor([*logistic.coef_[0], *logistic.intercept_])
    got = fit(X, labels, torch.sigmoid, lr=0.5, num_steps=5000)
    torch.testing.assert_close(got, want, atol=1e-5, rtol=0)


def test_poisson_fit_minimizes_the_negative_log_likelihood(ch, data, generator):
    X, _ = data
    counts = torch.poisson(torch.exp(0.3 * X[:, 1] + 1), generator=generator)
    got = ch["fit_glm"](X, counts, torch.exp, lr=0.05, num_steps=5000)

    def loss(w):
        z = X @ torch.from_numpy(w)
        return torch.nn.functional.poisson_nll_loss(z, counts).item()

    assert loss(got.numpy()) <= minimize(loss, np.zeros(4), tol=1e-10).fun + 1e-9
