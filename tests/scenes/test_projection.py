"""Projections in node equal NumPy's, and the best angle is that of principal component analysis."""

import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.decomposition import PCA

from d2l_lite.explore import explore
from d2l_lite.scenes import projection
from tests.scenes.drawings import faults

IRIS = projection.example()["data"]
rng = np.random.default_rng(8)
FALLING = {"points": (rng.normal(size=(40, 2)) @ [[2, -1], [0, 0.5]] + [100, -3]).tolist()}
ROUND = {"points": [[1, 0], [0, 1], [-1, 0], [0, -1]], "names": ["a", "b"]}
FEATURES = ["centered", "standardized"]
SETTINGS = [{"angle": a, "features": f} for a in (0, 20, 68, 90, 137, 179) for f in FEATURES]


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("data", [IRIS, FALLING], ids=["iris", "falling"])
def test_points_and_variances_equal_numpys(node, data, features):
    angles = list(range(0, 180, 7))
    points, splits = node(
        "const points = scene.prepare({ features: given.features }, given.data);"
        "return [points, given.angles.map((angle) => scene.split(points, angle))]",
        "projection",
        data=data,
        features=features,
        angles=angles,
    )
    expected = projection.prepare({"features": features}, data)
    np.testing.assert_allclose(points, expected, rtol=1e-6, atol=1e-9)
    got = np.array([[one["kept"], one["lost"]] for one in splits]).T
    np.testing.assert_allclose(got, projection.split(expected, angles), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(got.sum(0), expected.var(0).sum())


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("data", [IRIS, FALLING], ids=["iris", "falling"])
def test_the_best_direction_is_the_first_principal_component(node, data, features):
    points = projection.prepare({"features": features}, data)
    got = node("return scene.principal(given.points)", "projection", points=points.tolist())
    fitted = PCA().fit(points)
    u = [np.cos(np.radians(got["angle"])), np.sin(np.radians(got["angle"]))]
    assert abs(fitted.components_[0] @ u) == pytest.approx(1, abs=1e-12)
    assert got["angle"] == pytest.approx(projection.principal_angle(points), abs=1e-6)
    variances = fitted.explained_variance_ * (len(points) - 1) / len(points)
    np.testing.assert_allclose([got["first"], got["second"]], variances, rtol=1e-6)
    kept = projection.split(points, np.arange(0, 180, 0.1))[0]
    assert kept.max() == pytest.approx(got["first"], rel=1e-5)


def described(node, data, angle, features="centered"):
    values = {"angle": angle, "features": features}
    return node("return scene.describe(given.v, given.data)", "projection", v=values, data=data)


def test_the_text_gives_both_parts_and_their_sum(node):
    text = described(node, IRIS, 20)
    points = projection.prepare({"features": "centered"}, IRIS)
    kept, lost = projection.split(points, 20)
    best = projection.principal_angle(points)
    most, total = projection.split(points, best)[0], kept + lost
    shown = [float(number) for number in re.findall(r"[\d.]*\d", text)]
    percents = [100 * kept / total, 100 * lost / total, 100 * most / total]
    wanted = [20, kept, percents[0], lost, percents[1], total, best, percents[2]]
    np.testing.assert_allclose(shown, wanted, rtol=6e-3)


def test_the_text_says_at_which_angle_nothing_is_better_or_worse(node):
    best = projection.principal_angle(projection.prepare({"features": "centered"}, FALLING))
    there = round(best)
    assert "No direction keeps more: the first" in described(node, FALLING, there)
    assert "No direction keeps less: the first" in described(node, FALLING, (there + 90) % 180)
    for other in (there + 1, there - 1):
        assert "No direction" not in described(node, FALLING, other)
    assert "first principal direction, 135°" in described(node, FALLING, 0, "standardized")


def test_a_best_angle_near_180_degrees_is_near_0_too(node):
    data = {"points": [[-2, 0.01], [0, 0], [2, -0.01]]}
    for angle in (0, 180):
        assert "No direction keeps more" in described(node, data, angle)


def test_a_round_cloud_has_no_best_line(node):
    for angle in (0, 33):
        assert "same in every direction: no line is better" in described(node, ROUND, angle)


@pytest.mark.parametrize("width", [328, 720])
@pytest.mark.parametrize("data", [IRIS, FALLING, ROUND], ids=["iris", "falling", "round"])
def test_every_setting_is_drawn_and_said(node, data, width):
    assert faults(node, "projection", data=data, settings=SETTINGS, width=width) == []


#: Segments from each point to the line, as drawn: the gaps of a polyline start with moveTo.
RESIDUALS = """
const { ctx, calls } = recorder();
scene.draw(ctx, given.values, given.data, theme(given.width, scene.height(given.width)));
const drawn = calls.filter(([name]) => name === "moveTo" || name === "lineTo" || name === "arc");
const first = drawn.findIndex(([name]) => name === "arc");
const lines = drawn.slice(0, first);
return lines.slice(-2 * given.data.points.length - 4);
"""


@pytest.mark.parametrize(("angle", "width"), [(20, 328), (110, 328), (20, 720), (110, 720)])
def test_residuals_stand_at_right_angles_to_the_line_on_the_screen(node, angle, width):
    values = {"angle": angle, "features": "centered"}
    calls = node(RESIDUALS, "projection", values=values, data=IRIS, width=width)
    ends = np.array([call[1:] for call in calls]).reshape(-1, 2, 2)
    steps = ends[:, 1] - ends[:, 0]
    *residuals, _, line = steps
    u = np.array([np.cos(np.radians(angle)), -np.sin(np.radians(angle))])
    np.testing.assert_allclose(np.abs(line @ u), np.hypot(*line), rtol=1e-4)
    lengths = np.hypot(*np.transpose(residuals))
    assert lengths.max() > 20
    assert np.all(np.abs(residuals @ u) < 0.02 * lengths + 1e-6)


@pytest.mark.parametrize("width", [328, 720])
def test_the_pointer_turns_the_line(node, width):
    turned = node(
        "const space = theme(given.width, scene.height(given.width));"
        "const values = { angle: 20, features: 'centered' };"
        "const at = (x, y) => scene.drag([x, y], values, given.data, space);"
        "if (at(150, 150) !== null) return 'before the drawing';"
        "const { ctx, calls } = recorder(); scene.draw(ctx, values, given.data, space);"
        "const arcs = calls.filter(([name]) => name === 'arc');"
        "const feet = arcs.slice(150, 300);"  # the projected points lie on the line
        "const [, x, y] = arcs[300];"  # the mark on the curve
        "return [feet.map(([, u, v]) => at(u, v).angle), at(x, y).angle, at(given.width - 1, 2)]",
        "projection",
        width=width,
        data=IRIS,
    )
    assert np.median(turned[0]) == 20
    assert turned[1] == pytest.approx(20)
    assert turned[2] is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"point": []}, r"needs points \(names\), got \['point'\]"),
        ({"points": [[1, 2, 3]] * 4}, r"must be rows of two numbers, got \[\[1, 2, 3\]"),
        ({"points": ["ab"] * 4}, "must be rows of two numbers, got"),
        ({"points": [["a", "b"]] * 4}, "must be rows of two numbers, got"),
        ({"points": 3}, "must be rows of two numbers, got 3"),
        ({"points": [[0, 1], [1, 0]]}, "must be 3 to 300 points, got 2"),
        ({"points": [[0, 1], [1, 1], [2, 1]]}, "must vary in both features"),
        ({**ROUND, "names": ["a"]}, r"data\['names'\] must be two strings, got \['a'\]"),
    ],
)
def test_data_that_do_not_fit_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        projection.check(data)


def test_it_needs_no_data_and_stays_small():
    made = explore(scene="projection", label="Project", angle=[0, 30, 60, 90])
    assert '"sepal length (cm)"' in made.html
    assert len(made.html) < 40_000
    assert list(projection.controls(IRIS)) == ["angle", "features"]


def test_the_picture_shows_points_line_and_curve():
    figure = Figure()
    projection.draw(figure, SETTINGS[3], FALLING)
    left, top, low = figure.axes
    points = projection.prepare(SETTINGS[3], FALLING)
    assert any(np.array_equal(line.get_xydata(), points) for line in left.lines)
    curve = top.lines[0].get_ydata()
    assert np.argmax(curve) == 135
    assert sum(bar.get_height() for bar in low.patches) == len(points)
