"""A neuron's line in node equals NumPy's; what one line can do is searched exhaustively."""

import itertools

import numpy as np
import pytest

from d2l_lite.scenes import neuron

ALONE, FIRST, SECOND = neuron.controls({})["network"]["values"]
GATES = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "XOR": [0, 1, 1, 0]}
CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
GIVEN = {"points": [[-2, 1.5], [0.5, -1], [3, 2], [1, 1], [1, 1]], "labels": [0, 1, 0, 1, 0]}
SETTINGS = [
    {"points": points, "network": network, "w1": w1, "w2": w2, "b": b}
    for points, network, (w1, w2, b) in itertools.product(
        ["two groups", "AND", "OR", "XOR"],
        [ALONE, FIRST, SECOND],
        [(1, 1, -0.5), (-2, 0.1, 3), (0, 0, 0), (0, 0, 1), (0.1, 0, -3), (1, -1, 0), (-1, -1, 1.5)],
    )
]


def setting(points="XOR", network=ALONE, unit=(1, 1, -0.5)):
    return {"points": points, "network": network, **dict(zip(("w1", "w2", "b"), unit, strict=True))}


def describe(node, *args, data=None, **options):
    script = "return scene.describe(given.values, given.data)"
    return node(script, "neuron", values=setting(*args, **options), data=data or {})


def fewest_by_search(points, labels):
    """Return the fewest errors over many directions, and every threshold along each of them."""
    points, labels = np.asarray(points, dtype=float), np.asarray(labels, dtype=bool)
    best = len(labels)
    for angle in np.linspace(0.0, 2 * np.pi, 3600, endpoint=False) + 1e-4:
        along = points @ [np.cos(angle), np.sin(angle)]
        for threshold in [-np.inf, *along]:
            best = min(best, int(((along > threshold + 1e-9) != labels).sum()))
    return best


def random_sets(count=12):
    rng = np.random.default_rng(4)
    for _ in range(count):
        n = int(rng.integers(2, 10))
        points = rng.integers(-3, 4, size=(n, 2)) / 2  # on a grid, so that points coincide
        labels = rng.permutation([0, 1, *rng.integers(0, 2, n - 2)])
        yield {"points": points.tolist(), "labels": labels.tolist()}


def test_outputs_equal_numpys_at_every_setting(node):
    points = np.random.default_rng(1).uniform(-1, 2, size=(60, 2)).round(3)
    script = "return given.settings.map((v) => [scene.outputs(v, given.points), "
    script += "scene.toHidden(v, given.points)])"
    got = node(script, "neuron", settings=SETTINGS, points=points.tolist())
    for values, (output, hidden) in zip(SETTINGS, got, strict=True):
        expected, units = neuron.outputs(values, points)
        np.testing.assert_array_equal(output, expected)
        if units is not None:
            np.testing.assert_array_equal(hidden, units)


def test_no_neuron_does_better_on_xor_than_one_of_four_wrong(node):
    grid = np.round(np.arange(-2, 2.01, 0.25), 2)
    units = np.array(list(itertools.product(grid, grid, np.round(np.arange(-3, 3.01, 0.25), 2))))
    fired = units[:, :2] @ CORNERS.T + units[:, 2:] > 0
    for name, labels in GATES.items():
        least = int((fired != np.array(labels, dtype=bool)).sum(1).min())
        assert least == (1 if name == "XOR" else 0)
        script = "return scene.fewest({ points: given.points, labels: given.labels })"
        assert node(script, "neuron", points=CORNERS.tolist(), labels=labels) == least
    assert "One neuron cannot do better: the best line has 1 of 4 wrong." in describe(node)


def test_the_fewest_errors_of_a_line_equal_an_exhaustive_search(node):
    sets = [*random_sets(), GIVEN]
    found = node("return given.sets.map(scene.fewest)", "neuron", sets=sets)
    expected = [fewest_by_search(**one) for one in sets]
    assert found == expected
    assert len(set(expected)) > 2  # sets that a line separates, and others


@pytest.mark.parametrize(
    ("network", "unit", "start"),
    [
        (ALONE, (1, 1, -0.5), "Wrong: 1 of 4 points; the nearest point lies 0.354 from the line."),
        (ALONE, (1, -1, 0), "Wrong: 1 of 4 points; the nearest point lies 0 from the line."),
        (
            ALONE,
            (0, 0, 1),
            "Wrong: 2 of 4 points; with w = 0 there is no line, and the unit always",
        ),
        (ALONE, (0, 0, 0), "Wrong: 2 of 4 points; with w = 0 there is no line, and the unit never"),
        (
            ALONE,
            (1, 0, -0.5),
            "Wrong: 2 of 4 points; the nearest point lies 0.5 from the line. One "
            "neuron can do better: the best line has 1 of 4 wrong.",
        ),
        (
            FIRST,
            (1, 1, -0.5),
            "Wrong: 0 of 4 points; the nearest point lies 0.354 from the line. In"
            " the hidden space one line separates the classes; h₂ stays at x₁ + x₂ > 1.5.",
        ),
        (
            SECOND,
            (1, 1, -1.5),
            "Wrong: 0 of 4 points; the nearest point lies 0.354 from the line. I"
            "n the hidden space one line separates the classes; h₁ stays at x₁ + x₂ > 0.5.",
        ),
        (
            SECOND,
            (1, 1, -0.5),
            "Wrong: 2 of 4 points; the nearest point lies 0.354 from the line. I"
            "n the hidden space no line separates the classes; h₁ stays at",
        ),
    ],
)
def test_the_text_counts_errors_and_says_what_a_line_can_do(node, network, unit, start):
    assert describe(node, network=network, unit=unit).startswith(start)


def test_the_text_is_true_of_separable_and_given_points(node):
    groups = describe(node, "two groups", unit=(1, 1, -1.1))
    assert groups.startswith("Wrong: 0 of 8 points;")
    assert groups.endswith("The classes are linearly separable.")
    points = np.array(neuron.point_set({"points": "two groups"}, {})[0])
    distance = np.abs(points.sum(1) - 1.1).min() / np.sqrt(2)
    assert f"lies {distance:.3g} from" in groups
    given = describe(node, "given points", unit=(0, 0, 1), data=GIVEN)
    assert given.startswith("Wrong: 3 of 5 points;")
    least = fewest_by_search(**GIVEN)
    assert given.endswith(f"One neuron can do better: the best line has {least} of 5 wrong.")


def test_both_sides_hold_the_same_points(node):
    points, labels = neuron.point_set({"points": "two groups"}, {})
    given = {"points": points, "labels": labels.tolist()}
    # Through each point a line of its own, on which the nearest point lies at distance 0.
    units = [(w1, 1, -(w1 * x + y)) for x, y in points for w1 in (0.37, -1.13)]
    settings = [setting("two groups", unit=unit) for unit in units]
    script = "return given.s.map((v) => [scene.describe(v, {}), scene.describe({ ...v, points: "
    script += "'given points' }, given.data)])"
    for own, same in node(script, "neuron", s=settings, data=given):
        assert own == same
        assert "lies 0 from the line" in own or "·10⁻" in own


@pytest.mark.parametrize("name", GATES)
def test_the_gates_have_the_truth_tables_of_logic(node, name):
    points, labels = neuron.point_set({"points": name}, {})
    np.testing.assert_array_equal(points, CORNERS)
    assert labels.tolist() == GATES[name]
    silent = setting(name, unit=(0, 0, -1))  # what should fire is wrong
    own = f"{sum(GATES[name])} of 4 points"
    assert own in describe(node, name, unit=(0, 0, -1))
    for corner, label in zip(CORNERS, GATES[name], strict=True):
        alone = {**silent, "w1": 1 if corner[0] else -1, "w2": 1 if corner[1] else -1}
        alone["b"] = 0.5 - corner.sum()  # fires at this corner alone
        text = node("return scene.describe(given.v, {})", "neuron", v=alone)
        assert f"Wrong: {sum(GATES[name]) + (-1 if label else 1)} of 4" in text


@pytest.mark.parametrize("seed", range(5))
def test_the_shaded_region_is_where_the_unit_fires(node, seed):
    rng = np.random.default_rng(seed)
    unit = rng.normal(size=3)
    corners = [[-1, -1], [2, -1], [2, 2], [-1, 2]]
    polygon = node("return scene.cut(given.s, given.u)", "neuron", s=corners, u=unit.tolist())
    points = rng.uniform(-1, 2, size=(20_000, 2))
    share = float((points @ unit[:2] + unit[2] > 0).mean())
    x, y = np.array(polygon).T if polygon else (np.zeros(1), np.zeros(1))
    area = 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))
    assert area / 9 == pytest.approx(share, abs=0.015)
    if polygon:
        assert (np.array(polygon) @ unit[:2] + unit[2]).min() > -1e-9


@pytest.mark.parametrize("width", [328, 720])
def test_no_setting_draws_outside_or_a_number_that_is_not_finite(node, width):
    given = [{**one, "points": "given points"} for one in SETTINGS[::3]]
    bad = node(
        "const bad = []; const h = scene.height(given.width); const space = theme(given.width, h);"
        "const broken = (v) => typeof v === 'number' && !Number.isFinite(v);"
        "for (const [v, data] of given.cases) {"
        "  const { ctx, calls } = recorder(); scene.draw(ctx, v, data, space);"
        "  if (calls.length < 150) bad.push(['too few calls', v]);"
        "  for (const c of calls) {"
        "    if (c.slice(1).some(broken)) bad.push([v, c]);"
        "    const [name, x, y] = c[0] === 'fillText' ? [c[0], c[2], c[3]] : c;"
        "    const out = x < 0 || y < 0 || x > given.width || y > h;"
        "    if (out && (name === 'fillText' || name === 'arc')) bad.push([v, c]);"
        "  }"
        "  if (/NaN|undefined/.test(scene.describe(v, data))) bad.push(scene.describe(v, data));"
        "} return bad",
        "neuron",
        cases=[*([one, {}] for one in SETTINGS), *([one, GIVEN] for one in given)],
        width=width,
    )
    assert bad == []


@pytest.mark.parametrize("width", [328, 720])
@pytest.mark.parametrize("network", [ALONE, SECOND])
def test_a_drag_puts_the_line_through_the_pointer(node, network, width):
    script = (
        "const space = theme(given.width, scene.height(given.width));"
        "const { ctx, calls } = recorder();"
        "scene.draw(ctx, given.v, {}, space);"
        "const points = calls.filter((c) => c[0] === 'arc').slice(2).map((c) => [c[1], c[2]]);"
        "return points.map((at) => scene.drag(at, given.v, {}, space))"
    )
    values = setting("AND", network=network, unit=(0.7, -1.2, 5))
    found = node(script, "neuron", v=values, width=width)
    # The legend's ring for "wrong" comes first, then each point, with a ring where it is wrong.
    wrong = neuron.outputs(values, CORNERS)[0] != np.array(GATES["AND"])
    at = 1
    for point, extra in zip(CORNERS, wrong, strict=True):
        assert found[at]["b"] == pytest.approx(-(0.7 * point[0] - 1.2 * point[1]), abs=1e-9)
        at += 2 if extra else 1


def test_a_drag_without_a_line_or_outside_changes_nothing(node):
    script = (
        "const space = theme(720, 350); const { ctx } = recorder();"
        "const early = scene.drag([150, 150], given.v, {}, space);"
        "scene.draw(ctx, given.v, {}, space);"
        "return [early, scene.drag([500, 150], given.v, {}, space),"
        " scene.drag([150, 150], { ...given.v, w1: 0, w2: 0 }, {}, space),"
        " scene.drag([150, 150], given.v, {}, space) !== null]"
    )
    assert node(script, "neuron", v=setting()) == [None, None, None, True]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"points": [[0, 1], [1, 0]]}, r"needs points and labels, .*got \['points'\]"),
        ({**GIVEN, "points": [[0, 1, 2]] * 5}, r"2 to 40 pairs of numbers, got 5 .*\[\(3,\)\]"),
        ({"points": [[0, 1]], "labels": [1]}, r"2 to 40 pairs of numbers, got 1 points"),
        ({**GIVEN, "labels": [0, 1]}, r"must be 5 labels 0 or 1, both .*got \[0, 1\]"),
        ({**GIVEN, "labels": [1, 1, 1, 1, 1]}, r"both of them present, got"),
        ({**GIVEN, "labels": [1, 0, 2, 1, 1]}, r"must be 5 labels 0 or 1"),
    ],
)
def test_data_that_do_not_fit_are_refused_by_name(data, message):
    with pytest.raises(ValueError, match=message):
        neuron.check(data)


def test_the_bias_reaches_every_point_with_the_usual_weights():
    usual, wide = neuron.controls({}), neuron.controls(GIVEN)
    neuron.check(GIVEN)
    assert {-0.5, -1.5} < set(usual["b"]["values"])  # OR and AND can be set
    assert wide["points"]["values"][0] == "given points"
    far = np.array(GIVEN["points"]).sum(1)
    assert wide["b"]["values"][0] <= -far.max()
    assert wide["b"]["values"][-1] >= -far.min()
    for control in wide.values():
        assert control.get("value", control["values"][0]) in control["values"]


@pytest.mark.parametrize("network", [ALONE, FIRST])
def test_the_picture_on_paper_shows_points_and_region(network):
    from matplotlib.figure import Figure

    figure, values = Figure(), setting("AND", network=network, unit=(1, 1, -1.5))
    neuron.draw(figure, values, {})
    left, right = figure.axes
    shown = np.concatenate([line.get_xydata() for line in left.lines])
    np.testing.assert_array_equal(np.sort(shown, axis=0), np.sort(CORNERS, axis=0))
    sums = np.concatenate([line.get_xdata() for line in right.lines[:2]])
    expected = [0, 0, 0, 1] if network == FIRST else [-1.5, -0.5, -0.5, 0.5]
    np.testing.assert_allclose(np.sort(sums), expected)
