"""The definitions of the chapter on optimizers against PyTorch, NumPy and closed forms."""

import math
import re

import numpy as np
import pytest
import torch
from scipy.optimize import rosen, rosen_der

TORCH = {
    "sgd": lambda p, **how: torch.optim.SGD(p, **how),
    "momentum": lambda p, beta=0.9, **how: torch.optim.SGD(p, momentum=beta, **how),
    "nesterov": lambda p, beta=0.9, **how: torch.optim.SGD(p, momentum=beta, nesterov=True, **how),
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "adadelta": torch.optim.Adadelta,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}
OTHER_SETTINGS = {
    "sgd": {},
    "momentum": {"beta": 0.5},
    "nesterov": {"beta": 0.5},
    "adagrad": {"eps": 1e-2},
    "rmsprop": {"alpha": 0.7, "eps": 1e-2},
    "adadelta": {"rho": 0.6, "eps": 1e-2},
    "adam": {"betas": (0.5, 0.8), "eps": 1e-2},
    "adamw": {"betas": (0.5, 0.8), "eps": 1e-2},
}


def numbers(text):
    return [float(v.replace(",", "")) for v in re.findall(r"-?\d[\d,]*\.?\d*(?:e[+-]?\d+)?", text)]


def gradients(num_steps):
    """Return gradients of all sizes, with a coordinate that is rarely not zero."""
    generator = torch.Generator().manual_seed(11)
    g = torch.randn(num_steps, 2, 3, generator=generator, dtype=torch.float64)
    g[:, 0, 0] *= 100
    g[::7, 1, 2] = 0
    g[:, 1, 1] *= (torch.arange(num_steps) % 10 == 0).double()
    return g


def replay(g):
    """Return a function that gives one row of g after the other, wherever the parameters are."""
    rows = iter(g)
    return lambda theta: next(rows)


@pytest.mark.parametrize("settings", ["defaults", "others"])
@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("name", TORCH)
def test_every_rule_takes_the_steps_of_torch_optim(ch, name, decay, settings):
    how = {"lr": 0.05} | (OTHER_SETTINGS[name] if settings == "others" else {})
    g = gradients(100)
    start = torch.linspace(-2, 2, 6, dtype=torch.float64).reshape(2, 3)
    theirs = start.clone().requires_grad_()
    rule = TORCH[name]([theirs], weight_decay=decay, **how)
    path = [start]
    for row in g:
        theirs.grad = row.clone()
        rule.step()
        path.append(theirs.detach().clone())
    how |= {"decay" if name == "adamw" else "weight_decay": decay}
    ours = ch["descend"](ch[name], replay(g), start, num_steps=100, **how)
    torch.testing.assert_close(ours, torch.stack(path), atol=1e-6, rtol=0)


def test_rosenbrock_is_scipys(ch):
    theta = torch.randn(5, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    np.testing.assert_allclose(ch["rosenbrock"](theta), [rosen(row) for row in theta.numpy()])
    got = torch.func.grad(ch["rosenbrock"])(theta[0])
    np.testing.assert_allclose(got, rosen_der(theta[0].numpy()))


def test_the_oracle_path_is_gradient_descent_on_a_quadratic(ch):
    start = torch.tensor([1.0, -2.0], dtype=torch.float64)
    make = lambda p: torch.optim.SGD(p, lr=0.1)  # noqa: E731
    path = ch["torch_path"](make, lambda w: (w**2).sum() / 2, start, num_steps=5)
    torch.testing.assert_close(path, 0.9 ** torch.arange(6)[:, None] * start)


def test_l2_is_decay_for_sgd_and_not_for_adam(ch):
    g = gradients(50)
    start, ends = torch.ones(2, 3, dtype=torch.float64), {}
    for name in ("sgd", "adam"):
        how = {"num_steps": 50, "lr": 0.01, "weight_decay": 0.5}
        ends[name] = ch["descend"](ch[name], replay(g), start, **how)[-1]
    theta = start
    for row in g:
        theta = (1 - 0.01 * 0.5) * theta - 0.01 * row
    torch.testing.assert_close(ends["sgd"], theta)
    how = {"num_steps": 50, "lr": 0.01, "decay": 0.5}
    decoupled = ch["descend"](ch["adamw"], replay(g), start, **how)[-1]
    assert (decoupled - ends["adam"]).abs().max() > 0.05


def test_adam_takes_equal_steps_whatever_the_second_derivative(ch):
    """A line and two parabolas with one slope: second moments agree, curvatures do not."""
    one, moments = torch.ones(1, dtype=torch.float64), []
    for slope in (lambda c: 1 + 0 * c, lambda c: c, lambda c: 2 - c):
        state = {}
        step = one - ch["adam"](one, slope(one), state, lr=0.1)
        moments.append([step.item(), state["v"].item()])
    np.testing.assert_allclose(moments, [[0.1, 0.001]] * 3, rtol=1e-6)


@pytest.mark.parametrize("kappa", [9, 100, 900])
def test_momentum_shrinks_the_error_by_the_root_of_beta(ch, kappa):
    """In the long run, with the derived settings, by (√κ − 1)/(√κ + 1) a step."""
    root = math.sqrt(kappa)
    how = {"lr": 4 / (1 + root) ** 2, "beta": ((root - 1) / (root + 1)) ** 2}
    curvature = torch.tensor([1.0, kappa / 3, kappa], dtype=torch.float64)
    start, n = torch.ones(3, dtype=torch.float64), int(10 * root)
    path = ch["descend"](ch["momentum"], lambda c: curvature * c, start, num_steps=2 * n, **how)
    pace = (path[-1].norm() / path[n].norm()) ** (1 / n)
    assert pace.item() == pytest.approx((root - 1) / (root + 1), rel=0.08 / root)


@pytest.mark.parametrize("name", ["momentum", "nesterov"])
def test_the_modes_follow_the_derived_recurrences(ch, name):
    """Nesterov stores the look-ahead point, which obeys the recurrence of its sequence."""
    lr, beta, curvature = 0.3, 0.8, 1.7
    start = torch.ones(1, dtype=torch.float64)
    how = {"num_steps": 8, "lr": lr, "beta": beta}
    c = ch["descend"](ch[name], lambda c: curvature * c, start, **how)[:, 0]
    a = 1 - lr * curvature
    if name == "momentum":
        want = (a + beta) * c[1:-1] - beta * c[:-2]
    else:
        want = a * (1 + beta) * c[1:-1] - a * beta * c[:-2]
    torch.testing.assert_close(c[2:], want)


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9])
def test_momentum_endures_rates_up_to_the_stated_limit(ch, beta):
    """Just below 2(1 + β)/λ the error dies out, just above it explodes."""
    curvature, ends = 25.0, []
    one = torch.ones(1, dtype=torch.float64)
    for part in (0.99, 1.01):
        how = {"lr": part * 2 * (1 + beta) / curvature, "beta": beta, "num_steps": 2000}
        ends.append(ch["descend"](ch["momentum"], lambda c: curvature * c, one, **how)[-1].abs())
    assert ends[0] < 1e-6
    assert ends[1] > 1e6


def test_annealing_at_a_fixed_temperature_draws_from_boltzmann(ch):
    """On c²/2 at temperature T the walkers end with variance T: the rule of Metropolis."""
    generator = torch.Generator().manual_seed(5)
    start = torch.zeros(20_000, 1, dtype=torch.float64)
    how = {"num_steps": 40, "generator": generator, "hot": 0.5, "cold": 0.5}
    ends = ch["anneal"](lambda p: (p**2).sum(-1) / 2, start, **how)
    assert ends.var().item() == pytest.approx(0.5, rel=0.05)
    assert ends.mean().item() == pytest.approx(0, abs=0.02)


def test_annealing_ends_cold(ch):
    generator = torch.Generator().manual_seed(6)
    start = 5 * torch.ones(2_000, 1, dtype=torch.float64)
    how = {"num_steps": 400, "generator": generator, "hot": 2.0, "cold": 0.02}
    ends = ch["anneal"](lambda p: (p**2).sum(-1) / 2, start, **how)
    assert ends.var().item() < 0.06


def test_the_variance_of_the_gradient_falls_like_one_over_the_batch_size(printed_by):
    (power,) = numbers(printed_by("polyfit(np.log(sizes)"))
    assert power == pytest.approx(-1, abs=0.1)


def test_large_batches_make_a_shorter_epoch(printed_by):
    _, times, _ = numbers(printed_by("seconds.append"))
    assert times > 10


def test_momentum_needs_the_root_of_the_condition_number(printed_by):
    lines = printed_by("counts[momentum]").splitlines()
    assert [numbers(line)[-1] for line in lines] == pytest.approx([1, 0.5], abs=0.06)


def test_the_page_says_that_all_eight_are_equal(printed_by):
    text = printed_by("torch_path(make")
    assert text.count("equal over 100 steps") == len(TORCH)


def test_the_page_shows_weight_decay_apart_from_l2(printed_by):
    factor, sgd, adam, adamw = (
        numbers(line)[-2:] for line in printed_by('"Adam, L2"').splitlines()
    )
    assert sgd == pytest.approx([factor[-1]] * 2, abs=0.03)
    assert adamw == pytest.approx([factor[-1]] * 2, abs=0.03)
    assert adam[0] < factor[-1] - 0.3
    assert adam[1] > factor[-1] + 0.1


def test_the_comparison_comes_out_as_the_page_says(printed_by):
    """Adam does not win, AdaGrad is last, and Adam learns faster than SGD."""
    found = {}
    for line in printed_by("sorted(finals.items()").splitlines():
        name, rest = line.split(maxsplit=1)
        found[name] = numbers(rest)
    assert sorted(map(str.lower, found)) == sorted(TORCH)
    assert found["Adam"][0] < max(mean for mean, _ in found.values())
    first, *_, fifth = sorted((mean for mean, _ in found.values()), reverse=True)[:5]
    assert first - fifth < 0.012
    assert min(found, key=lambda name: found[name][0]) == "AdaGrad"
    assert min(mean for mean, _ in found.values()) > 0.75
    lines = printed_by("gradients_needed(curve) for").splitlines()[1:]
    needed = {line.split()[0]: numbers(line)[0] for line in lines}
    assert sorted(needed, key=needed.get)[0] in ("Nesterov", "Adam", "AdamW")
    assert needed["Adam"] == pytest.approx(2 / 3 * needed["SGD"], rel=0.15)
    assert 0 < needed["Adam"] - needed["Nesterov"] < 2_500
    constant = {
        line.split()[0]: numbers(line)[1] for line in printed_by("ends.append").splitlines()
    }
    gap = found["momentum"][0] - found["Adam"][0]
    assert found["momentum"][0] - constant["momentum"] > gap
    assert constant["momentum"] < constant["Adam"] < found["Adam"][0]
