"""Polynomial fits in node equal NumPy's and scikit-learn's, and their errors add up."""

import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.polynomial import Legendre
from sklearn.linear_model import Ridge

from d2l_lite.explore import explore
from d2l_lite.scenes import polynomial
from tests.scenes.drawings import faults

DATA = polynomial.example()["data"]
GRID = np.array(DATA["grid"])
NAMES = ("bias", "variance", "test", "train")
SETTINGS = [
    {"degree": degree, "penalty": penalty, "training_set": s}
    for degree, penalty, s in [
        (0, 0, 1), (0, 10, 20), (1, 0, 1), (3, 0, 2), (9, 0, 1), (12, 0, 1), (12, 1e-6, 7),
        (12, 0.01, 3), (12, 10, 1), (5, 0.3, 5),
    ]
]  # fmt: skip


@pytest.fixture(scope="module")
def studies(node):
    penalties = sorted({setting["penalty"] for setting in SETTINGS})
    found = node(
        "return given.penalties.map((p) => scene.study(p, given.data))",
        "polynomial",
        data=DATA,
        penalties=penalties,
    )
    return dict(zip(penalties, found, strict=True))


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_fits_and_errors_equal_numpys(studies, setting):
    degree, penalty = setting["degree"], setting["penalty"]
    got, expected = studies[penalty][degree], polynomial.study(DATA, degree, penalty)
    np.testing.assert_allclose(got["fits"], expected["fits"], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(
        [got[name] for name in NAMES], [expected[name] for name in NAMES], rtol=1e-6
    )


@pytest.mark.parametrize("degree", [0, 3, 9, 12])
def test_without_a_penalty_it_is_least_squares(studies, degree):
    for x, y, fit in zip(DATA["x"], DATA["y"], studies[0][degree]["fits"], strict=True):
        expected = Legendre.fit(x, y, degree)(GRID)
        np.testing.assert_allclose(fit, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize(("degree", "penalty"), [(1, 10), (5, 0.3), (12, 0.01)])
def test_with_a_penalty_it_is_ridge_regression(studies, degree, penalty):
    features = np.polynomial.legendre.legvander(np.array(DATA["x"]), degree)[..., 1:]
    on_grid = np.polynomial.legendre.legvander(GRID, degree)[:, 1:]
    for X, y, fit in zip(features, DATA["y"], studies[penalty][degree]["fits"], strict=True):
        model = Ridge(alpha=penalty * len(y)).fit(X, y)
        np.testing.assert_allclose(fit, model.predict(on_grid), rtol=1e-6, atol=1e-9)


def test_bias_and_variance_add_up_to_the_distance_from_the_truth(studies):
    for one in studies[0.01]:
        away = np.mean((np.array(one["fits"]) - DATA["truth"]) ** 2)
        assert one["bias"] + one["variance"] == pytest.approx(away, rel=1e-9)


def test_the_defaults_show_both_ends(studies):
    low, high = studies[0][1], studies[0][9]
    assert low["bias"] > 3 * low["variance"]
    assert high["variance"] > 3 * high["bias"]
    assert high["train"] < DATA["noise"] ** 2 < high["test"]
    errors = [one["test"] for one in studies[0]]
    assert 2 < int(np.argmin(errors)) < 9


def described(node, **values):
    script = "return scene.describe(given.values, given.data)"
    return node(script, "polynomial", values=values, data=DATA)


def test_the_text_gives_the_parts_and_their_sum(node):
    text = described(node, degree=9, penalty=0, training_set=2)
    expected = polynomial.study(DATA, 9, 0)
    parts = [expected["bias"], expected["variance"], DATA["noise"] ** 2]
    shown = [float(number) for number in re.findall(r"[\d.]*\d", text)]
    wanted = [*parts, sum(parts), expected["test"], expected["train"], len(DATA["x"]), 2]
    own = ((expected["fits"][1] - DATA["test"]) ** 2).mean()
    np.testing.assert_allclose(shown[:9], [*wanted, own], rtol=6e-3)
    assert "The variance is larger than bias²" in text


@pytest.mark.parametrize("penalty", [0, 0.01])
def test_the_text_names_the_best_degree(node, penalty):
    errors = [polynomial.study(DATA, degree, penalty)["test"] for degree in range(13)]
    best = int(np.argmin(errors))
    there = described(node, degree=best, penalty=penalty, training_set=1)
    assert there.endswith("No other degree has a smaller test error at this λ.")
    text = described(node, degree=1, penalty=penalty, training_set=1)
    assert f"At this λ degree {best} has the smallest test error, {errors[best]:.3g}." in text
    assert "Bias² is larger than the variance" in text


@pytest.mark.parametrize("width", [328, 720])
def test_every_setting_is_drawn_and_said(node, width):
    assert faults(node, "polynomial", data=DATA, settings=SETTINGS, width=width) == []


@pytest.mark.parametrize("width", [328, 720])
def test_the_pointer_on_the_errors_sets_the_degree(node, width):
    degrees = node(
        "const space = theme(given.width, scene.height(given.width));"
        "const values = { degree: 0, penalty: 0, training_set: 1 };"
        "const at = (x, y) => scene.drag([x, y], values, given.data, space);"
        "if (at(100, 100) !== null) return 'before the drawing';"
        "const found = [];"
        "for (let degree = 0; degree <= 12; degree++) {"
        "  const { ctx, calls } = recorder();"
        "  scene.draw(ctx, { ...values, degree }, given.data, space);"
        "  const disks = calls.filter(([name]) => name === 'arc').slice(-1);"
        "  found.push(at(disks[0][1], space.height - 80).degree);"
        "} return [found, at(60, 60)]",
        "polynomial",
        width=width,
        data=DATA,
    )
    np.testing.assert_allclose(degrees[0], range(13), atol=1e-6)
    assert degrees[1] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"noise": 0}, r"data\['noise'\] must be one positive number, got 0"),
        ({"noise": [0.1]}, "must be one positive number"),
        ({"noise": "loud"}, r"must be numbers, got strings in \['noise'\]"),
        ({"x": [["a"] * 15] * 20}, r"must be numbers, got strings in \['x'\]"),
        ({"seed": 1}, r"needs grid, noise, .*: missing \[\], unknown \['seed'\]"),
        ({"grid": [1, 0]}, "increasing numbers"),
        ({"truth": [1, 2]}, r"data\['truth'\] must be 101 numbers.* got \[1, 2\]"),
        ({"x": DATA["x"][:3]}, "equally long rows, got lengths"),
        ({"x": DATA["x"][:1], "y": DATA["y"][:1]}, "at least two training sets"),
        ({"x": [[0.5] * 15] * 20}, r"13 different numbers or more, .* got 1$"),
        ({"x": [[*row[:-1], 1.5] for row in DATA["x"]]}, r"on the grid from -1.0 to 1.0"),
    ],
)
def test_data_that_do_not_fit_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        polynomial.check({**DATA, **change})


def test_it_needs_no_data_and_stays_small():
    made = explore(scene="polynomial", label="Fits")
    assert polynomial.example()["data"]["x"][0][0] == DATA["x"][0][0]
    assert f'"noise":{DATA["noise"]}' in made.html
    assert len(made.html) < 40_000
    assert list(polynomial.controls(DATA)) == ["degree", "penalty", "training_set"]


def test_the_picture_shows_the_fits_and_the_errors():
    figure = Figure()
    polynomial.draw(figure, SETTINGS[4], DATA)
    left, right = figure.axes
    expected = polynomial.study(DATA, 9, 0)
    drawn = {line.get_label(): line.get_ydata() for line in (*left.lines, *right.lines)}
    np.testing.assert_allclose(drawn["fit to set 1"], expected["fits"][0])
    np.testing.assert_allclose(drawn["mean of 20"], expected["fits"].mean(0))
    assert drawn["variance"][9] == pytest.approx(expected["variance"])
