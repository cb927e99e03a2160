"""The definitions of the chapter on PCA and autoencoders against independent programs."""

import re

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc_curve
from sklearn.neighbors import NearestNeighbors
from torch import nn


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(11)


@pytest.fixture
def data(generator):
    scales = torch.linspace(3, 0.3, 9, dtype=torch.float64)
    mixing = torch.linalg.qr(torch.randn(9, 9, generator=generator, dtype=torch.float64))[0]
    return torch.randn(70, 9, generator=generator, dtype=torch.float64) * scales @ mixing + 4


def numbers(line):
    return [float(number) for number in re.findall(r"\d+\.\d+(?:e[+-]\d+)?", line)]


@pytest.fixture
def line_of(printed):
    """A function that returns the numbers in the first printed line with a label."""
    return lambda label: numbers(next(line for line in printed.splitlines() if label in line))


def test_variance_along_is_the_quadratic_form(ch, data, generator):
    u = torch.randn(9, generator=generator, dtype=torch.float64)
    u /= u.norm()
    want = u @ torch.cov(data.T, correction=0) @ u
    assert ch["variance_along"](data.tolist(), u.tolist()) == pytest.approx(want.item())


def test_principal_components_equal_sklearns_with_their_signs(ch, data):
    mean, V, variances = ch["principal_components"](data, 4)
    oracle = PCA(4, svd_solver="full").fit(data)
    np.testing.assert_allclose(V.T, oracle.components_, atol=1e-10)
    np.testing.assert_allclose((data - mean) @ V, oracle.transform(data), atol=1e-10)
    np.testing.assert_allclose(variances[:4] * 70 / 69, oracle.explained_variance_)
    assert variances.shape == (9,)


def test_no_other_subspace_keeps_more_and_the_error_is_the_rest(ch, data, generator):
    """The key result: variance kept and error, against 200 random subspaces."""
    mean, V, variances = ch["principal_components"](data, 3)
    centered = data - mean
    error = ((centered - centered @ V @ V.T) ** 2).sum(1).mean()
    torch.testing.assert_close(error, variances[3:].sum())
    for _ in range(200):
        W = torch.linalg.qr(torch.randn(9, 3, generator=generator, dtype=torch.float64))[0]
        assert ((centered @ W) ** 2).sum(1).mean() < variances[:3].sum()


def test_principal_angles_equal_scipys_large_and_tiny(ch, generator):
    for tilt in (1.0, 1e-3, 1e-9):
        A, noise = torch.randn(2, 8, 3, generator=generator, dtype=torch.float64)
        B = A + tilt * noise
        want = subspace_angles(A.numpy(), B.numpy())
        np.testing.assert_allclose(ch["principal_angles"](A, B), want, rtol=1e-5, atol=1e-14)


@pytest.mark.parametrize("tied", [False, True])
def test_a_linear_autoencoder_finds_the_subspace_but_not_the_axes(ch, data, tied):
    mean, V, variances = ch["principal_components"](data, 3)
    scale = variances.sum().sqrt()
    X = (data - mean) / scale
    encoder, decoder, path = ch["train_linear"](X, 3, tied=tied, num_steps=1500, every=300)
    assert ch["principal_angles"](decoder.T, V).max() < 1e-3
    loss = ((X - X @ encoder @ decoder) ** 2).sum(1).mean()
    torch.testing.assert_close(loss, variances[3:].sum() / scale**2, rtol=1e-5, atol=0)
    cosines = (nn.functional.normalize(decoder, dim=1) @ V).abs()
    assert cosines.max() < 0.999
    assert len(path) == 5
    assert torch.equal(encoder, decoder.T) == tied
    eye = torch.eye(3, dtype=torch.float64)
    assert bool(torch.allclose(decoder @ decoder.T, eye, atol=1e-6)) == tied


def test_any_invertible_mixing_has_the_same_loss(ch, data, generator):
    mean, V, _ = ch["principal_components"](data, 3)
    A = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    product = V @ A @ torch.linalg.inv(A) @ V.T
    torch.testing.assert_close((data - mean) @ product, (data - mean) @ V @ V.T)


def test_dense_layers_and_the_autoencoder_have_the_widths_asked_for(ch):
    net = ch["Autoencoder"]([12, 7, 3])
    shapes = [tuple(p.shape) for p in net.parameters() if p.ndim == 2]
    assert shapes == [(7, 12), (3, 7), (7, 3), (12, 7)]
    kinds = [type(layer) for layer in net.encoder]
    assert kinds == [nn.Linear, nn.ReLU, nn.Linear], "the code itself is linear"
    assert net(torch.zeros(5, 12)).shape == (5, 12)


def test_sparsity_is_the_divergence_of_bernoulli_variables(ch, generator):
    H = torch.rand(40, 6, generator=generator)
    p, q = (torch.distributions.Bernoulli(probs) for probs in (torch.tensor(0.1), H.mean(0)))
    want = torch.distributions.kl_divergence(p, q).sum()
    torch.testing.assert_close(ch["sparsity"](H, 0.1), want)
    assert ch["sparsity"](torch.full((4, 3), 0.05)) == pytest.approx(0, abs=1e-6)


def test_contraction_equals_autograds_jacobian(ch, generator):
    X, W = (torch.randn(*s, generator=generator, dtype=torch.float64) for s in ((5, 6), (6, 4)))
    b = torch.randn(4, generator=generator, dtype=torch.float64)
    encode = lambda x: torch.sigmoid(x @ W + b)  # noqa: E731
    jacobians = [torch.autograd.functional.jacobian(encode, x) for x in X]
    want = torch.stack([(jacobian**2).sum() for jacobian in jacobians]).mean()
    torch.testing.assert_close(ch["contraction"](encode(X), W), want)


def test_the_best_denoiser_climbs_the_density(ch, generator):
    """r(x) - x equals sigma² times the gradient of the log density, by autograd."""
    clean = torch.randn(15, 2, generator=generator, dtype=torch.float64)
    x = torch.randn(8, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    normal = torch.distributions.Normal(clean, 0.7)
    log_density = normal.log_prob(x[:, None]).sum(2).logsumexp(1).sum()
    (score,) = torch.autograd.grad(log_density, x)
    step = ch["best_denoiser"](x.detach(), clean, 0.7) - x.detach()
    torch.testing.assert_close(step, 0.7**2 * score)


def test_psnr_by_hand(ch):
    assert ch["psnr"](torch.zeros(3, 4), torch.full((3, 4), 0.1)) == pytest.approx(20, abs=1e-4)


def test_precision_equals_sklearns_neighbors(ch, generator):
    codes, queries = (torch.randn(n, 4, generator=generator) for n in (50, 20))
    labels, asked = (torch.randint(3, (n,), generator=generator) for n in (50, 20))
    nearest = NearestNeighbors(n_neighbors=7).fit(codes).kneighbors(queries)[1]
    want = np.mean(labels.numpy()[nearest] == asked.numpy()[:, None])
    assert ch["precision_at"](codes, labels, queries, asked, k=7) == pytest.approx(want)


def test_quantize_moves_to_one_of_few_levels(ch, generator):
    codes = torch.randn(500, 2, generator=generator) * torch.tensor([1.0, 5.0]) + 3
    center, scale = codes.mean(0), codes.std(0)
    for bits in (1, 3, 6):
        moved = ch["quantize"](codes, center, scale, bits)
        assert max(len(column.unique()) for column in moved.T) <= 2**bits
        inside = (codes - center).abs() <= 3 * scale
        half_a_cell = (3 * scale / 2**bits).expand_as(codes)
        assert ((moved - codes).abs()[inside] <= half_a_cell[inside] * 1.001).all()
        torch.testing.assert_close(moved.clamp(center - 3 * scale, center + 3 * scale), moved)


def test_quantize_gives_each_number_its_own_bits(ch, generator):
    codes = torch.randn(300, 3, generator=generator)
    center, scale = codes.mean(0), codes.std(0)
    mixed = ch["quantize"](codes, center, scale, torch.tensor([0, 2, 5]))
    for j, bits in enumerate((0, 2, 5)):
        torch.testing.assert_close(mixed[:, j], ch["quantize"](codes, center, scale, bits)[:, j])
    torch.testing.assert_close(mixed[:, 0], center[0].expand(300))


def test_weights_along_small_variances_die_slowly_unless_tied(ch, data):
    """Near the solution a tied part along q_j shrinks at the rate 2 (λ_i - λ_j)."""
    mean, axes, variances = ch["principal_components"](data, 9)
    X, a = data - mean, 1e-6 * torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    for j in (3, 8):
        W = (axes[:, :3] + torch.outer(axes[:, j], a)).requires_grad_()
        ((X - X @ W @ W.T) ** 2).sum(1).mean().backward()
        along = axes[:, j] @ W.grad
        torch.testing.assert_close(along, 2 * a * (variances[:3] - variances[j]), rtol=1e-4, atol=0)


def test_roc_and_auc_equal_sklearns_with_ties(ch, generator):
    scores = torch.randn(90, generator=generator).mul(2).round()
    labels = torch.rand(90, generator=generator) < 0.3
    alarms, hits = ch["roc_curve"](scores, labels)
    want = sklearn_roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(alarms, want[0])
    np.testing.assert_allclose(hits, want[1])
    area = ch["auc"](scores[~labels], scores[labels])
    assert area == pytest.approx(roc_auc_score(labels, scores), abs=1e-6)


def test_notebook_subspaces_agree_and_axes_do_not(printed):
    """PCA = linear autoencoder by principal angles, in the committed run."""
    found = re.findall(r"largest angle of the subspaces (\S+)°,\n.*at least (\d+)°", printed)
    assert len(found) == 2
    for angle, axes in found:
        assert float(angle) < 0.05
        assert int(axes) > 10


def test_notebook_free_weights_remain_where_the_variance_is_small(printed):
    rows = re.findall(r"variance (\S+): free +(\S+)%, tied +(\S+)%", printed)
    assert len(rows) == 4
    scales, free, tied = (list(map(float, column)) for column in zip(*rows, strict=True))
    assert scales == sorted(scales, reverse=True)
    assert free == sorted(free)
    assert free[0] == 0
    assert free[-1] > 90
    assert max(tied) == 0


def test_notebook_claims_of_the_plane_hold(line_of):
    (pca_error, pca_votes), deep = line_of(" 2 numbers, PCA"), line_of(" 2 numbers, deep")
    assert deep[0] + 3 * deep[1] < pca_error
    assert deep[2] - 3 * deep[3] > pca_votes


def test_notebook_claims_of_the_uses_hold(line_of):
    shrunk, (reached, deviation) = line_of("PCA, shrunk ")[0], line_of("denoising autoencoder ")
    others = ("mean filter", "median filter", "PCA, best k", "plain autoencoder")
    assert shrunk > max(line_of(f"{name} ")[0] for name in others)
    assert shrunk + 3 * deviation < reached < shrunk + 0.3, "the network wins, by a hair"
    chance, counts, tfidf, svd, net = (
        line_of(name)[0]
        for name in ("chance", "word counts", "tf-idf", "SVD, 32", "autoencoder, 32 0.")
    )
    assert 3 * chance < counts < tfidf - 0.1 < tfidf < min(svd, net) < tfidf + 0.1
    assert abs(svd - net) < 0.03, "the text calls them level"
    assert line_of("AUC 0.")[0] < 0.5, "sandals and sneakers are the case that fails"


def test_notebook_claims_of_pre_training_hold(line_of):
    random, repaired = line_of("gain 1.0  random"), line_of("gain 1.0  pre-trained")
    scaled, both = line_of("gain 4.0  random"), line_of("gain 4.0  pre-trained")
    assert repaired[1] - repaired[2] > random[1]
    assert scaled[1] > repaired[1] + 2 * repaired[2]
    assert abs(both[1] - scaled[1]) < 2 * (both[2] + scaled[2])
    assert 10 * random[3] < repaired[3] < scaled[3] < both[3], "the signal that arrives"


def test_notebook_claims_of_the_family_hold(printed, line_of):
    table = {name: line_of(f"{name} ") for name in ("plain", "sparse", "contractive", "denoising")}
    assert all(row[0] > table["plain"][0] for name, row in table.items() if name != "plain")
    assert table["sparse"][1] < 0.1
    assert table["sparse"][2] < 1.1 * table["contractive"][2]
    assert table["sparse"][3] == min(row[3] for row in table.values()), "its codes lie closest"
    assert table["contractive"][4] == min(row[4] for row in table.values())
    moved = {name: row[4] for name, row in table.items()} | {"tied": line_of("tied   ")[4]}
    assert sorted(moved, key=moved.__getitem__)[-2:] == ["sparse", "plain"]
    assert all(max(column) == column[0] for column in list(zip(*table.values(), strict=True))[5:])
    private = re.findall(r"^(\w+) +(0\.\d\d)  (\d\.\d\d)$", printed, re.M)
    assert len(private) == 5
    for column in (1, 2):
        assert max(private, key=lambda row: float(row[column]))[0] == "sparse"
