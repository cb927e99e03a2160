"""The definitions of the chapter on losses against independent programs, and its findings."""

import itertools
import re

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares, minimize, minimize_scalar
from sklearn.linear_model import LogisticRegression, QuantileRegressor, Ridge
from sklearn.metrics import average_precision_score
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

import d2l_lite as d2l

F = torch.nn.functional
BOUNDS = {"0-1", "hinge", "exponential", "squared"}
CONVEX = {"perceptron", "hinge", "logistic", "exponential", "squared"}


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(11)


@pytest.fixture
def data(generator):
    X = torch.randn(60, 4, generator=generator, dtype=torch.float64)
    noise = torch.randn(60, generator=generator, dtype=torch.float64)
    y = X @ torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64) + noise
    y[:6] += 40
    return Bunch(X=X, y=y)


def test_losses_of_residuals_equal_pytorchs(ch, generator):
    r = 3 * torch.randn(50, generator=generator, dtype=torch.float64)
    zero = torch.zeros_like(r)
    torch.testing.assert_close(ch["squared"](r).mean(), F.mse_loss(r, zero) / 2)
    torch.testing.assert_close(ch["absolute"](r).mean(), F.l1_loss(r, zero))
    for delta in (0.3, 1.0, 4.0):
        want = F.huber_loss(r, zero, delta=delta, reduction="none")
        torch.testing.assert_close(ch["huber"](r, delta), want)


def test_losses_of_margins_equal_numpys_formulas(ch):
    m = np.linspace(-4, 4, 33)
    p = 1 / (1 + np.exp(-m))
    formulas = {
        "0-1": np.where(m > 0, 0.0, 1.0),
        "perceptron": np.maximum(0, -m),
        "hinge": np.maximum(0, 1 - m),
        "logistic": np.log1p(np.exp(-m)),
        "exponential": np.exp(-m),
        "squared": np.square(1 - m),
        "focal": (1 - p) ** 2 * -np.log(p),
    }
    assert list(ch["margin_losses"]) == list(formulas)
    for name, want in formulas.items():
        got = ch["margin_losses"][name](torch.from_numpy(m))
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


def test_which_surrogates_bound_the_errors_and_which_are_convex(ch):
    m = torch.linspace(-9, 9, 301, dtype=torch.float64)
    losses = ch["margin_losses"]
    bounds = {k for k, loss in losses.items() if (loss(m) >= losses["0-1"](m)).all()}
    assert bounds == BOUNDS
    assert {k for k, loss in losses.items() if ch["is_convex"](loss, m)} == CONVEX
    assert (losses["logistic"](m) / np.log(2) >= losses["0-1"](m) - 1e-12).all()


def test_convexity_is_that_of_second_differences(ch):
    grid = torch.linspace(-3, 3, 61, dtype=torch.float64)
    for function, expected in ((torch.square, True), (torch.sin, False), (torch.abs, True)):
        assert ch["is_convex"](function, grid) == expected


def test_fit_linear_equals_closed_form_and_sklearn(ch, data):
    X, y = data.X, data.y
    got = ch["fit_linear"](X, y, lambda f, y: ch["squared"](f - y))
    want = np.linalg.lstsq(X.numpy(), y.numpy(), rcond=None)[0]
    np.testing.assert_allclose(got, want, atol=1e-6)
    ridge = Ridge(alpha=60 * 0.2, fit_intercept=False).fit(X, y)
    got = ch["fit_linear"](X, y, lambda f, y: ch["squared"](f - y), 0.2)
    np.testing.assert_allclose(got, ridge.coef_, atol=1e-6)
    signs = torch.where(y > y.median(), 1.0, -1.0).double()
    oracle = LogisticRegression(C=1 / (60 * 0.05), fit_intercept=False, tol=1e-10).fit(X, signs)
    logistic = ch["margin_losses"]["logistic"]
    got = ch["fit_linear"](X, signs, lambda f, y: logistic(y * f), 0.05)
    np.testing.assert_allclose(got, oracle.coef_[0], atol=1e-4)


def test_balance_points_are_mean_median_and_hubers_minimum(ch, generator):
    values = torch.randn(21, generator=generator, dtype=torch.float64) ** 3
    find = ch["balance_point"]
    np.testing.assert_allclose(find(values, lambda r: r), values.mean())
    np.testing.assert_allclose(find(values, torch.sign), values.median())
    cost = lambda c: float(ch["huber"](c - values, 0.4).sum())  # noqa: E731
    oracle = minimize_scalar(cost, bounds=(-2, 2), method="bounded", options={"xatol": 1e-9})
    np.testing.assert_allclose(find(values, lambda r: r.clamp(-0.4, 0.4)), oracle.x, atol=1e-5)
    five = torch.tensor([1, 2, 3, 6, 48], dtype=torch.float64)
    np.testing.assert_allclose(find(five, lambda r: r.clamp(-2, 2)), 3.5)


def test_reweighting_finds_the_robust_fits(ch, data):
    X, y = data.X, data.y
    weights = ch["example_weights"](delta=1.5)
    fits = {name: ch["reweighted_fits"](X, y, weight) for name, weight in weights.items()}
    least = np.linalg.lstsq(X.numpy(), y.numpy(), rcond=None)[0]
    np.testing.assert_allclose(fits["squared"][-1], least, atol=1e-10)
    residuals = lambda w: X.numpy() @ w - y.numpy()  # noqa: E731
    oracle = least_squares(residuals, least, loss="huber", f_scale=1.5, xtol=1e-12, ftol=1e-12)
    np.testing.assert_allclose(fits["Huber"][-1], oracle.x, atol=1e-4)
    program = QuantileRegressor(alpha=0, fit_intercept=False).fit(X, y)
    best = np.abs(residuals(program.coef_)).sum()
    assert np.abs(residuals(fits["absolute"][-1].numpy())).sum() <= 1.001 * best


@pytest.mark.parametrize("name", ["absolute", "Huber"])
def test_reweighting_never_goes_uphill(ch, data, name):
    loss = {"absolute": ch["absolute"], "Huber": lambda r: ch["huber"](r, 1.5)}[name]
    path = ch["reweighted_fits"](data.X, data.y, ch["example_weights"](1.5)[name])
    total = loss(path @ data.X.T - data.y).sum(1)
    assert (total.diff() <= 1e-6 * total[0]).all()
    assert total[-1] < 0.9 * total[0]


def test_wrong_targets_hurt_squares_most(ch):
    """Squared < absolute in robustness, recomputed on splits of the test's own."""
    table = d2l.load_table("diabetes")
    scaled = torch.from_numpy(StandardScaler().fit_transform(table.X.double()))
    X = torch.cat([scaled, torch.ones(len(scaled), 1).double()], dim=1)
    y, weights = table.y.double(), ch["example_weights"](50.0)
    generator = torch.Generator().manual_seed(1)
    for _ in range(5):
        test, train = torch.randperm(442, generator=generator).split([110, 332])
        noisy = y[train].clone()
        noisy[:16] *= 10
        error = {}
        for name in ("squared", "absolute", "Huber"):
            w = ch["reweighted_fits"](X[train], noisy, weights[name], num_steps=30)[-1]
            error[name] = (X[test] @ w - y[test]).square().mean().sqrt()
        assert max(error["absolute"], error["Huber"]) < 0.9 * error["squared"]


@pytest.mark.parametrize("p", [0.15, 0.5, 0.8])
def test_best_scores_equal_the_derived_ones(ch, p):
    grid = torch.linspace(-4, 4, 8001, dtype=torch.float64)
    log_odds = np.log(p / (1 - p))
    derived = {"logistic": log_odds, "exponential": log_odds / 2, "squared": 2 * p - 1}
    if p != 0.5:
        derived["hinge"] = np.sign(p - 0.5)
    for name, want in derived.items():
        loss = ch["margin_losses"][name]
        got = ch["best_scores"](loss, torch.tensor([p], dtype=torch.float64), grid)
        np.testing.assert_allclose(got, want, atol=2e-3)


def test_focal_scores_are_timid_on_both_sides(ch):
    focal, p = ch["margin_losses"]["focal"], np.array([0.2, 0.8])
    grid = torch.linspace(-4, 4, 8001, dtype=torch.float64)
    got = ch["best_scores"](focal, torch.from_numpy(p), grid).numpy()

    def risk(f, share):
        f = torch.as_tensor(f)
        return float((share * focal(f) + (1 - share) * focal(-f)).sum())

    want = [minimize(risk, [0.0], args=(share,), tol=1e-10).x[0] for share in p]
    np.testing.assert_allclose(got, want, atol=2e-3)
    assert (np.abs(got) < 0.7 * np.abs(np.log(p / (1 - p)))).all()


def test_average_precision_equals_sklearns(ch, generator):
    scores = torch.randn(300, generator=generator, dtype=torch.float64)
    positive = torch.rand(300, generator=generator) < 0.1
    for copies in (1.0, 0.2, 3.0):
        weight = torch.where(positive, copies, 1.0)
        want = average_precision_score(positive, scores, sample_weight=weight)
        np.testing.assert_allclose(ch["average_precision"](scores, positive, copies), want)


def test_smoothing_equals_pytorchs_and_has_the_derived_minimum(ch, generator):
    logits = torch.randn(9, 5, generator=generator, dtype=torch.float64)
    labels = torch.randint(5, (9,), generator=generator)
    for eps in (0.0, 0.1, 0.4):
        want = F.cross_entropy(logits, labels, label_smoothing=eps)
        torch.testing.assert_close(ch["smooth_cross_entropy"](logits, labels, eps), want)
    gap = np.log(1 + 5 * 0.9 / 0.1)

    def loss(o):
        right = torch.tensor([[o[0], 0, 0, 0, 0]], dtype=torch.float64)
        return ch["smooth_cross_entropy"](right, torch.tensor([0]), 0.1).item()

    np.testing.assert_allclose(minimize(loss, [0.0], tol=1e-12).x, gap, atol=1e-4)


def test_calibration_error_by_bins_of_numpy(ch, generator):
    p = torch.randn(400, 4, generator=generator, dtype=torch.float64).softmax(dim=1)
    labels = torch.randint(4, (400,), generator=generator)
    confidence, right = p.max(1).values.numpy(), (p.argmax(1) == labels).numpy()
    edges, want = np.linspace(0, 1, 11), 0.0
    for low, high in itertools.pairwise(edges):
        inside = (confidence >= low) & (confidence < high)
        if inside.any():
            want += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    np.testing.assert_allclose(ch["calibration_error"](p, labels), want)


def test_a_certain_and_right_network_is_calibrated(ch):
    p = torch.eye(3, dtype=torch.float64)
    assert ch["calibration_error"](p, torch.arange(3)) == 0
    np.testing.assert_allclose(ch["calibration_error"](p, torch.tensor([0, 2, 1])), 2 / 3)


def test_printed_absolute_errors_beat_squares_in_every_split_with_typos(printed):
    wins = re.search(r"absolute beats squared, of (\d+) splits: (.+)", printed)
    clean, *spoiled = (int(count) for count in wins[2].split())
    assert int(wins[1]) >= 20
    assert clean < int(wins[1]) / 2
    assert spoiled == [int(wins[1])] * 4


def test_printed_focal_loss_leads_on_raw_pixels_only(printed):
    """It beats cross-entropy at equal steps, by pace: its lead is gone at the minimum."""
    found = re.findall(r"focal, γ = 2 +[\d.]+ ± [\d.]+, ahead by ([+-][\d.]+) ± ([\d.]+)", printed)
    raw, standardized = np.array(found, dtype=float)
    assert raw[0] > 3 * raw[1]
    assert standardized[0] < raw[0] / 4
    end = re.findall(r"(\w[\w-]+)(?:, γ = 2)? +λ = [\d.]+: ([\d.]+)", printed)
    best = {name: max(float(v) for n, v in end if n == name) for name, _ in end}
    assert best["focal"] <= best["cross-entropy"]


def test_printed_better_bias_beats_both_remedies(printed):
    started = re.search(r"from a better bias: ([\d.]+) ± ([\d.]+)", printed)
    last = re.findall(r"  (focal, γ = 2|rare class × 10) +([\d.]+) ±", printed)[:2]
    assert [name for name, _ in last] == ["focal, γ = 2", "rare class × 10"]
    assert float(started[1]) - float(started[2]) > max(float(value) for _, value in last)


def test_printed_smoothing_helps_late_and_harms_early(printed):
    rows = re.findall(r"ε = ([\d.]+), (\w+)((?: +[\d.]+% ± +[\d.]+%){3})", printed)
    shown = {(e, stage): re.findall(r"([\d.]+)% ±", row) for e, stage, row in rows}
    accuracy, sure, error = ({k: float(v[i]) for k, v in shown.items()} for i in range(3))
    assert error["0.1", "early"] > 2 * error["0.0", "early"]
    assert error["0.1", "late"] < error["0.0", "late"]
    assert sure["0.0", "late"] > accuracy["0.0", "late"]
    assert all(sure["0.1", stage] < accuracy["0.1", stage] for stage in ("early", "late"))
