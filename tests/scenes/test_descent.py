"""Gradient descent in node equals NumPy's, and its text tells the truth."""

import numpy as np
import pytest

from d2l_lite.scenes import descent

rng = np.random.default_rng(3)
X = rng.normal(size=(50, 2)) * [1.0, 0.4]
DATA = {
    "H": (X.T @ X / 50).tolist(),
    "w_star": [2.0, -3.4],
    "w0": [0.0, 1.0],
    "steps": 40,
}
LIMIT = 2 / np.linalg.eigvalsh(DATA["H"])[-1]
RATES = [0.05 * LIMIT, 0.5 * LIMIT, 0.99 * LIMIT, 1.1 * LIMIT, 1.5 * LIMIT]


def numpy_run(lr):
    """Return points and losses by the eigenvalues: (I − lr H)ᵏ in closed form."""
    eigenvalues, vectors = np.linalg.eigh(DATA["H"])
    start = vectors.T @ (np.array(DATA["w0"]) - DATA["w_star"])
    powers = (1 - lr * eigenvalues) ** np.arange(DATA["steps"] + 1)[:, None] * start
    return powers @ vectors.T + DATA["w_star"], 0.5 * (powers**2 * eigenvalues).sum(1)


@pytest.mark.parametrize("lr", RATES)
def test_path_and_losses_equal_the_closed_form(node, lr):
    path, losses = numpy_run(lr)
    got = node("return scene.run(given.data, given.lr, 40)", "descent", data=DATA, lr=lr)
    np.testing.assert_allclose(np.array(got["path"], float), path, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(np.array(got["losses"], float), losses, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("lr", RATES)
def test_the_picture_without_a_browser_shows_the_same_run(lr):
    path, losses = numpy_run(lr)
    got = descent.run(DATA, lr)
    np.testing.assert_allclose(got[0], path, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(got[1], losses, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("H", [[[2, 0.5], [0.5, 1]], [[1, 0], [0, 3]], [[1, -0.9], [-0.9, 1]]])
def test_eigenvalues_and_the_steep_axis_equal_numpys(node, H):
    values, vectors = np.linalg.eigh(H)
    got = node("return scene.eigen(given.H)", "descent", H=H)
    np.testing.assert_allclose([got["small"], got["large"]], values, rtol=1e-9)
    assert abs(np.dot(got["axis"], vectors[:, 1])) == pytest.approx(1)


@pytest.mark.parametrize(
    ("part", "word"),
    [(0.5, "converges"), (0.999, "converges"), (1, "balances"), (1.01, "diverges")],
)
def test_the_verdict_changes_at_two_over_the_largest_eigenvalue(node, part, word):
    verdict = node(
        "return scene.verdict(given.H, given.lr)", "descent", H=DATA["H"], lr=part * LIMIT
    )
    assert verdict == word


def test_the_text_gives_rate_limit_and_losses(node):
    data = {"H": [[4.0, 0], [0, 1.0]], "w_star": [0, 0], "w0": [1.0, 1.0], "steps": 3}
    script = "return scene.describe({ lr: given.lr, step: given.step }, given.data)"
    text = node(script, "descent", data=data, lr=0.25, step=1)
    assert text == (
        "λmax = 4, so 2/λmax = 0.5. The learning rate 0.25 is below it, so the descent converges: "
        "each step multiplies the error by 0 along the steep axis and 0.75 along the flat one. "
        "Loss above the minimum: 2.5 at the start, 0.281 after 1 step."
    )
    text = node(script, "descent", data=data, lr=1.0, step=3)
    assert "above it, so the descent diverges: each step multiplies the error by −3 along" in text
    assert text.endswith("2.5 at the start, 1460 after 3 steps.")


def test_a_run_that_overflows_says_infinity(node):
    data = {**DATA, "steps": 200}
    script = "return scene.describe({ lr: given.lr, step: 200 }, given.data)"
    assert "∞ after 200 steps" in node(script, "descent", data=data, lr=1e4)


@pytest.mark.parametrize("width", [328, 720])
def test_no_setting_draws_a_number_that_is_not_finite(node, width):
    rates = [0.01 * LIMIT, LIMIT, 1.2 * LIMIT, 1e4]
    bad = node(
        "const bad = []; const space = theme(given.width, scene.height(given.width));"
        "const broken = (v) => typeof v === 'number' && !Number.isFinite(v);"
        "for (const lr of given.rates) for (const step of [0, 1, 40]) {"
        "  const { ctx, calls } = recorder();"
        "  scene.draw(ctx, { lr, step }, given.data, space);"
        "  if (calls.length < 100) bad.push(['too few calls', lr, step]);"
        "  for (const c of calls) if (c.slice(1).some(broken)) bad.push([lr, step, c]);"
        "} return bad",
        "descent",
        data=DATA,
        rates=rates,
        width=width,
    )
    assert bad == []


def test_contours_lie_on_their_level(node):
    points = np.array(node("return scene.ellipse(given.data, 0.7)", "descent", data=DATA))
    error = points - DATA["w_star"]
    loss = 0.5 * np.einsum("ki,ij,kj->k", error, np.array(DATA["H"]), error)
    np.testing.assert_allclose(loss, 0.7, rtol=1e-9)
    assert len(points) > 50


@pytest.mark.parametrize("width", [328, 720])
def test_a_pointer_on_the_losses_finds_the_step(node, width):
    found = node(
        "const { ctx, calls } = recorder();"
        "const space = theme(given.width, scene.height(given.width));"
        "const values = { lr: given.lr, step: 12 };"
        "scene.draw(ctx, values, given.data, space);"
        "const [, x, y] = calls.filter((c) => c[0] === 'arc').pop();"
        "return [[x, y], [x + 5000, y], [10, 10]]"
        ".map((at) => scene.drag(at, values, given.data, space))",
        "descent",
        data=DATA,
        lr=RATES[0],
        width=width,
    )
    assert found[0]["step"] == pytest.approx(12)
    assert found[1:] == [None, None]


def test_the_example_has_both_sides_of_the_limit():
    data = descent.example()["data"]
    descent.check(data)
    small, large = np.linalg.eigvalsh(data["H"])
    assert 8 < large / small < 12
    rates = descent.controls(data)["lr"]["values"]
    assert rates[0] < 2 / large < rates[-1]
