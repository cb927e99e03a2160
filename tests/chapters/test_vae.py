"""The definitions of the chapter on VAEs against other programs, and its findings."""

import itertools
import math
import re

import pytest
import torch
from scipy.integrate import quad
from scipy.stats import multivariate_normal
from torch.distributions import Bernoulli, Categorical, MultivariateNormal, Normal, kl_divergence

NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]\d+)?"


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(7)


@pytest.fixture
def linear(generator):
    """A linear model of five dimensions with two latent ones, and an x."""
    shapes = (5, 2), (5,)
    return [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]


def numbers(printed, pattern):
    """Return the numbers of each line that the pattern matches, the pattern left out."""
    found = [line for line in printed.splitlines() if re.match(pattern, line)]
    assert found, f"the notebook printed no line {pattern!r}"
    return [
        [float(n) for n in re.findall(NUMBER, re.sub(pattern, "", line, count=1))] for line in found
    ]


def a_vae(ch, *args):
    torch.manual_seed(3)
    return ch["VAE"](*args)


def test_pixel_loss_is_the_negative_log_likelihood(ch, generator):
    logits = 2 * torch.randn(6, 784, generator=generator)
    x = ch["black_and_white"](torch.rand(6, 1, 28, 28, generator=generator))
    assert x.shape == (6, 784)
    assert set(x.unique().tolist()) == {0.0, 1.0}
    want = -Bernoulli(logits=logits).log_prob(x).sum(1).mean()
    torch.testing.assert_close(ch["pixel_loss"](logits, x), want, rtol=1e-5, atol=0)


def test_a_decoder_starts_at_the_mean_picture(ch, generator):
    decoder, picture = ch["mlp"](3, 784), torch.rand(784, generator=generator)
    ch["start_at"](decoder, picture)
    decoder[-1].weight.data.zero_()
    torch.testing.assert_close(decoder(torch.ones(1, 3)).sigmoid()[0], picture)


def test_the_marginal_is_that_of_scipy_and_of_draws(ch, linear):
    W, x = linear
    cov = (W @ W.T).numpy() + 0.3**2 * torch.eye(5).numpy()
    got = ch["marginal"](W, 0.3).log_prob(x).item()
    assert got == pytest.approx(multivariate_normal(cov=cov).logpdf(x.numpy()))


def test_averaging_over_the_prior_is_right_in_one_dimension(ch):
    """Simpson's rule gives the integral of P(x | z) P(z) over z."""
    torch.manual_seed(0)
    W, x = torch.tensor([[1.0], [0.5]]).double(), torch.tensor([0.4, -0.3]).double()

    def joint(z):
        log_p = Normal(W[:, 0] * z, 0.5).log_prob(x).sum() + Normal(0.0, 1.0).log_prob(
            torch.tensor(z)
        )
        return log_p.exp().item()

    want = math.log(quad(joint, -8, 8)[0])
    assert ch["average_over_prior"](x, W, 0.5, 200_000).item() == pytest.approx(want, abs=0.01)
    assert ch["marginal"](W, 0.5).log_prob(x).item() == pytest.approx(want, abs=1e-6)


def test_the_posterior_is_bayes_rule(ch, linear, generator):
    W, x = linear
    z = torch.randn(4, 2, generator=generator, dtype=torch.float64)
    likelihood = Normal(z @ W.T, 0.3).log_prob(x).sum(1)
    prior = Normal(0.0, 1.0).log_prob(z).sum(1)
    want = likelihood + prior - ch["marginal"](W, 0.3).log_prob(x)
    torch.testing.assert_close(ch["posterior"](x, W, 0.3).log_prob(z), want)


def test_the_gap_of_the_elbo_is_the_divergence_from_the_posterior(ch, linear, generator):
    W, x = linear
    truth = ch["posterior"](x, W, 0.3)
    log_p = ch["marginal"](W, 0.3).log_prob(x)
    for step in (0.0, 0.1, 1.0):
        A = step * torch.randn(2, 2, generator=generator, dtype=torch.float64)
        cov = truth.covariance_matrix + A @ A.T
        Q = torch.distributions.MultivariateNormal(truth.mean + A[0], cov)
        gap = log_p - ch["linear_elbo"](x, W, 0.3, Q)
        torch.testing.assert_close(gap, kl_divergence(Q, truth), atol=1e-9, rtol=1e-9)
        assert gap > -1e-9


def test_the_linear_elbo_is_the_mean_of_its_definition(ch, linear):
    W, x = linear
    torch.manual_seed(1)
    Q = torch.distributions.MultivariateNormal(
        torch.ones(2).double() / 2, 0.1 * torch.eye(2).double()
    )
    z = Q.sample((200_000,))
    joint = Normal(z @ W.T, 0.7).log_prob(x).sum(1) + Normal(0.0, 1.0).log_prob(z).sum(1)
    want = (joint - Q.log_prob(z)).mean()
    torch.testing.assert_close(ch["linear_elbo"](x, W, 0.7, Q), want, atol=0.05, rtol=0)


def test_closed_form_divergence_equals_pytorchs_and_two_monte_carlo_estimates(ch, generator):
    mean, std = torch.tensor([0.5, -1.0, 0.0]), torch.tensor([0.9, 0.8, 1.2])
    Q, P = Normal(mean, std), Normal(torch.zeros(3), torch.ones(3))
    got = ch["gaussian_kl"](mean, 2 * std.log())
    torch.testing.assert_close(got, kl_divergence(Q, P))
    z = mean + std * torch.randn(1_000_000, 3, generator=generator)
    log_r = P.log_prob(z) - Q.log_prob(z)
    for estimate in (-log_r, log_r.exp() - 1 - log_r):
        torch.testing.assert_close(estimate.mean(0), got, atol=1e-2, rtol=0)


@pytest.mark.parametrize("name", ["score_gradients", "path_gradients"])
def test_both_gradients_are_right_on_average(ch, generator, name):
    """The oracle differentiates an integral by quadrature: f(z) = sin z + z² in one dimension."""
    noise = torch.randn(400_000, 1, generator=generator, dtype=torch.float64)
    f = lambda z: (z.sin() + z**2).sum(1)  # noqa: E731
    got = ch[name](f, torch.tensor([0.4]).double(), 0.6, noise).mean()

    def integrand(z):
        density = math.exp(-0.5 * ((z - 0.4) / 0.6) ** 2) / (0.6 * math.sqrt(2 * math.pi))
        return (math.cos(z) + 2 * z) * density

    assert got.item() == pytest.approx(quad(integrand, -6, 6)[0], abs=0.02)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_variance_ratios_have_their_closed_forms(ch, generator, k):
    """Without baseline (k+2)(k+4)/4, with the mean (k+4)/2, with the best one (k+2)/2."""
    a, noise = torch.zeros(k), torch.randn(400_000, k, generator=generator)
    f = lambda z: ((z - a) ** 2).sum(1)  # noqa: E731
    path = ch["path_gradients"](f, a, 0.5, noise).var(0).mean()
    torch.testing.assert_close(path, torch.tensor(4 * 0.25), rtol=0.02, atol=0)
    for c, want in ((0, (k + 2) * (k + 4) / 4), (k, (k + 4) / 2), (k + 2, (k + 2) / 2)):
        score = ch["score_gradients"](f, a, 0.5, noise, c * 0.25).var(0).mean()
        assert (score / path).item() == pytest.approx(want, rel=0.05)


def test_the_loss_is_distortion_plus_weighted_divergence(ch, generator):
    net = a_vae(ch, 4)
    x = (torch.rand(5, 784, generator=generator) < 0.3).float()
    logits, mean, log_var = net(x)
    rate = kl_divergence(Normal(mean, (log_var / 2).exp()), Normal(0.0, 1.0)).sum(1).mean()
    fit = Bernoulli(logits=logits).log_prob(x).sum(1).mean()
    for beta in (0.0, 1.0, 4.0):
        got = ch["negative_elbo"]((logits, mean, log_var), x, beta)
        torch.testing.assert_close(got, beta * rate - fit, rtol=1e-4, atol=0)


def test_codes_are_drawn_with_the_encoders_mean_and_variance(ch, generator):
    """With a decoder that hands the code on, outputs have its moments, and pass gradients."""
    net = a_vae(ch, 4)
    net.decoder = torch.nn.Identity()
    x = (torch.rand(1, 784, generator=generator) < 0.3).float()
    codes, mean, log_var = net(x.expand(20_000, -1))
    torch.testing.assert_close(codes.mean(0), mean[0], atol=0.05, rtol=0)
    torch.testing.assert_close(codes.var(0), log_var[0].exp(), atol=0.06, rtol=0)
    codes.square().sum().backward()
    gradient = net.encoder[-1].weight.grad
    assert gradient.abs().sum(1).min() > 0  # of the rows for means and those for log-variances


def test_labels_reach_encoder_and_decoder(ch, generator):
    net = a_vae(ch, 3, 10)
    x = (torch.rand(2, 784, generator=generator) < 0.3).float()
    labels = torch.tensor([4, 9])
    given = torch.cat([x, torch.nn.functional.one_hot(labels, 10)], 1)
    logits, asked = ch["swapped"](net, given)
    assert asked.tolist() == [5, 0]
    mean = net.encoder(given).chunk(2, 1)[0]
    torch.testing.assert_close(logits, ch["draw"](net, mean, torch.tensor([5, 0])))
    assert (logits - ch["draw"](net, mean, labels)).abs().max() > 1e-3


def test_the_importance_bound_is_the_logarithm_of_an_average(ch, generator):
    """With one latent number quadrature gives log P(x); the bound nears it from below."""
    net = a_vae(ch, 1)
    net.decoder[-1].weight.data *= 3
    x = (torch.rand(3, 784, generator=generator) < 0.3).float()
    grid = torch.linspace(-7, 7, 4_001)[:, None]
    with torch.no_grad():
        fit = Bernoulli(logits=net.decoder(grid)[:, None]).log_prob(x).sum(2)
        log_joint = fit + Normal(0.0, 1.0).log_prob(grid)
        exact = log_joint.logsumexp(0) + math.log(14 / 4_000)
        torch.manual_seed(0)
        one = torch.stack([ch["importance_bound"](net, x, 1) for _ in range(500)]).mean(0)
        many = ch["importance_bound"](net, x, 5_000)
        elbo = -torch.stack([ch["negative_elbo"](net(x), x) for _ in range(500)]).mean()
    assert (one < exact).all()
    torch.testing.assert_close(many, exact, atol=0.3, rtol=0)
    torch.testing.assert_close(one.mean(), elbo, atol=0.5, rtol=0)
    assert ((exact - many).abs() < exact - one).all()


def test_fitted_has_the_moments_of_draws_of_the_codes(ch, generator):
    mean = torch.randn(20_000, 3, generator=generator) * torch.tensor([1.0, 2.0, 0.5])
    log_var = torch.randn(20_000, 3, generator=generator)
    codes = mean + (log_var / 2).exp() * torch.randn(20_000, 3, generator=generator)
    got = ch["fitted"](mean, log_var)
    torch.testing.assert_close(got.mean, codes.mean(0), atol=0.05, rtol=0)
    torch.testing.assert_close(got.covariance_matrix, torch.cov(codes.T), atol=0.15, rtol=0)


def lines_of(n, t, v, generator):
    return torch.nn.functional.one_hot(torch.randint(v, (n, t), generator=generator), v).float()


def test_a_line_is_decoded_from_letters_before_and_never_from_later_ones(ch, generator):
    net = ch["LineVAE"]((6, 5), 2)
    x = lines_of(3, 6, 5, generator)
    for part in net.encoder[-1].parameters():
        part.data.zero_()  # the code says nothing

    def logits(rows):
        torch.manual_seed(0)
        return net(rows)[0]

    before = logits(x)
    for place in range(6):
        other = x.clone()
        other[:, place] = other[:, place].roll(1, dims=1)
        changed = (logits(other) - before).abs().amax((0, 2)) > 0
        assert changed.tolist() == [place < t <= place + 2 for t in range(6)]
    assert ch["LineVAE"]((6, 5), 0)(x)[0].shape == (3, 6, 5)


def test_the_loss_of_lines_charges_the_rate_above_the_free_nats(ch, generator):
    logits, x = torch.randn(4, 6, 5, generator=generator), lines_of(4, 6, 5, generator)
    mean, log_var = torch.ones(4, 3), torch.zeros(4, 3)
    fit = Categorical(logits=logits).log_prob(x.argmax(2)).sum(1).mean()
    for beta, free, want in ((1.0, 0.0, 1.5), (0.5, 0.0, 0.75), (1.0, 2.0, 2.0), (0.0, 2.0, 0.0)):
        got = ch["line_loss"]((logits, mean, log_var), x, beta, free)
        torch.testing.assert_close(got, want - fit, rtol=1e-5, atol=1e-5)


def test_the_chapter_measures_the_variance_ratios_of_its_formula(printed):
    [row] = numbers(printed, "ratios without baseline:")
    closed = [(k + 2) * (k + 4) / 4 for k in (1, 2, 4, 8, 16, 32, 64)]
    assert row == pytest.approx(closed, rel=0.1)
    [[without], [baseline]] = numbers(printed, "(?:no|mean as) baseline +variance ratio")
    assert without > baseline > 1


def test_the_bounds_rise_with_the_number_of_draws(printed):
    bounds = [row[0] for row in numbers(printed, r"K = +\d+:")]
    assert len(bounds) == 4
    rises = [after - before for before, after in itertools.pairwise(bounds)]
    assert rises == sorted(rises, reverse=True)
    assert rises[-1] > 0
    [[alone]] = numbers(printed, "independent pixels")
    [[elbo]] = numbers(printed, "VAE, ELBO")
    assert elbo > alone + 50


def test_beta_is_the_price_of_a_nat(printed):
    rows = numbers(printed, "from β =")
    assert len(rows) == 3
    for low, high, price in rows:
        assert low <= price <= high
    table = numbers(printed, "β =")
    rates = [row[2] for row in table]
    assert all(more > less for more, less in itertools.pairwise(rates))
    _, _, rate, active, dearest = table[-1]
    assert rate < 1
    assert dearest > rate / 2
    assert 1 < active < 10


def test_averaging_over_the_prior_fails_from_three_dimensions_on(printed):
    rows = {int(row[0]): row[1:] for row in numbers(printed, "k =")}
    off = {k: exact - averaged for k, (exact, averaged) in rows.items()}
    assert max(off[1], off[2]) < 1 < min(off[k] for k in off if k > 2)


def test_the_estimate_of_infinite_variance_is_far_off(printed):
    [[closed, first, second]] = numbers(printed, "closed form")
    assert abs(first - closed) < 0.01 < 0.1 < abs(second - closed)
    [[widest]] = numbers(printed, "largest deviation at any test digit")
    assert widest < math.sqrt(0.5)


def test_distances_of_the_chapter_are_in_the_order_that_it_tells(printed):
    def distance(name):
        return numbers(printed, f"{name} +Fréchet distance")[0][0]

    floor = distance("other real digits")
    plain, vae = (distance(f"{name}, prior") for name in ("autoencoder", "VAE"))
    assert 50 * floor < plain
    assert floor < distance("VAE, fitted") < vae < plain / 5
    assert distance("autoencoder, fitted") < 1.2 * distance("VAE, fitted")
    assert floor < distance("reconstructions") < 3 * floor
    [[variance]] = numbers(printed, "VAE, variance of its codes")
    [[saved]] = numbers(printed, "fitting it saves")
    assert variance > 1 > saved / 3


def test_the_gain_of_a_fitted_prior_is_its_divergence_from_the_old_one(ch, generator):
    """The mean rate against the fitted prior, by PyTorch, example by example."""
    mean = 1.5 * torch.randn(500, 2, generator=generator) + 0.3
    log_var = torch.randn(500, 2, generator=generator) - 1
    cloud = ch["fitted"](mean, log_var)
    prior = MultivariateNormal(torch.zeros(2), torch.eye(2))
    codes = MultivariateNormal(mean, torch.diag_embed(log_var.exp()))
    gain = (kl_divergence(codes, prior) - kl_divergence(codes, cloud)).mean()
    torch.testing.assert_close(gain, kl_divergence(cloud, prior), atol=5e-3, rtol=0)


def test_no_code_of_a_digit_lies_where_the_random_ones_do(printed):
    [[nearest, typical]] = numbers(printed, "nearest code to zero")
    assert nearest > 1.3 * typical


def test_two_numbers_obey_the_label_and_ten_do_not(printed):
    found = {
        (k, name): numbers(printed, f" ?{k} numbers, {name}")[0][0]
        for k in (2, 10)
        for name in ("wanted", "distance", "swap", "kept")
    }
    right2, apart2, swap2, kept2, right10, apart10, swap10, kept10 = found.values()
    assert right2 > 0.9 > 0.6 > right10
    assert swap2 > 0.7 > 0.4 > swap10
    assert apart2 < apart10
    assert swap2 > 4 * kept2
    assert kept10 > 2 * swap10


def test_collapse_and_its_cures(printed):
    runs = {}
    for name in ("weak decoder", "strong decoder", "strong, warm-up", "strong, 3 free nats"):
        [(total, s, _, _, rate, r)] = numbers(printed, f"{name} +−ELBO")
        runs[name] = total, s, rate, r
    collapsed = runs["strong decoder"]
    assert collapsed[2] < 0.5 < 1 < min(runs[name][2] for name in runs if name != "strong decoder")
    for name in ("strong, warm-up", "strong, 3 free nats"):
        assert runs[name][0] - collapsed[0] > 2 * (runs[name][1] + collapsed[1])
