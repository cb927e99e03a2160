"""Activation functions in node and in NumPy equal PyTorch's, and the text tells the truth."""

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional

from d2l_lite.scenes import activations

Z = np.concatenate([np.linspace(-6, 6, 241), [-30.0, -9.0, 9.0, 30.0]])
ORACLES = {
    "sigmoid": lambda z, alpha: torch.sigmoid(z),
    "tanh": lambda z, alpha: torch.tanh(z),
    "ReLU": lambda z, alpha: functional.relu(z),
    "leaky ReLU": lambda z, alpha: functional.leaky_relu(z),
    "PReLU": lambda z, alpha: functional.prelu(z, torch.tensor([alpha], dtype=torch.float64)),
    "ELU": lambda z, alpha: functional.elu(z, alpha),
    "SiLU (swish)": lambda z, alpha: functional.silu(z),
    "hard-swish": lambda z, alpha: functional.hardswish(z),
    "GELU": lambda z, alpha: functional.gelu(z),
    "softplus": lambda z, alpha: functional.softplus(z),
}
NAMES = list(ORACLES)
CONTROLS = activations.controls({})
SETTINGS = [
    {"activation": name, "alpha": alpha, "z": z}
    for name, alpha, z in itertools.product(NAMES, (0, 0.25, 2), (-6, -3, -1.3, 0, 0.1, 3, 6))
]


def setting(name, z=0.0, alpha=1.0):
    return {"activation": name, "alpha": alpha, "z": z}


def pytorch(name, alpha, inputs):
    """Return value and derivative by autograd in float64."""
    z = torch.tensor(inputs, dtype=torch.float64, requires_grad=True)
    value = ORACLES[name](z, alpha)
    value.sum().backward()
    return value.detach().numpy(), z.grad.numpy()


def describe(node, *args, **options):
    values = setting(*args, **options)
    return node("return scene.describe(given.values)", "activations", values=values)


def test_every_function_of_the_menu_has_an_oracle():
    assert CONTROLS["activation"]["values"] == NAMES
    assert list(activations.FUNCTIONS) == NAMES


@pytest.mark.parametrize("alpha", [0.0, 0.25, 1.0, 1.7])
def test_values_and_slopes_equal_pytorchs(node, alpha):
    script = "return given.names.map((activation) => "
    script += "scene.evaluate({ activation, alpha: given.alpha }, given.z))"
    got = node(script, "activations", names=NAMES, alpha=alpha, z=Z.tolist())
    for name, browser in zip(NAMES, got, strict=True):
        expected = pytorch(name, alpha, Z)
        here = activations.evaluate(setting(name, alpha=alpha), Z)
        np.testing.assert_allclose(browser, expected, rtol=1e-6, atol=1e-8, err_msg=name)
        np.testing.assert_allclose(here, expected, rtol=1e-6, atol=1e-8, err_msg=name)


def test_far_inputs_stay_finite_and_right(node):
    far = [-1000.0, -40.0, 40.0, 1000.0]
    script = "return given.names.map((activation) => "
    script += "scene.evaluate({ activation, alpha: 1 }, given.z))"
    for name, browser in zip(NAMES, node(script, "activations", names=NAMES, z=far), strict=True):
        np.testing.assert_allclose(browser, pytorch(name, 1.0, far), atol=1e-12, err_msg=name)


def test_range_and_mean_equal_numpys(node):
    script = "return given.names.map((activation) => { const v = { activation, alpha: 0.7 };"
    script += "return [scene.range(v), scene.mean(v)]; })"
    grid = np.linspace(-40, 40, 800_001)
    weight = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi) * (grid[1] - grid[0])
    for name, (ends, mean) in zip(NAMES, node(script, "activations", names=NAMES), strict=True):
        value, _ = activations.evaluate(setting(name, alpha=0.7), grid)
        assert mean == pytest.approx(float(weight @ value), abs=1e-4), name
        low, high = (
            float(end.replace("Infinity", "inf")) if isinstance(end, str) else end for end in ends
        )
        no_floor, no_ceiling = name in ("leaky ReLU", "PReLU"), name not in ("sigmoid", "tanh")
        assert low == (-np.inf if no_floor else pytest.approx(value.min(), abs=1e-4)), name
        assert high == (np.inf if no_ceiling else pytest.approx(value.max(), abs=1e-4)), name


@pytest.mark.parametrize(
    ("name", "z", "alpha", "part"),
    [
        (
            "sigmoid",
            5,
            1,
            "value 0.993, slope 0.00665: in the shaded part it is saturated, only 0.665 % of",
        ),
        ("sigmoid", 4.5, 1, "slope 0.0109: 1.09 % of a gradient passes back"),
        ("tanh", -3.5, 1, "value −0.998, slope 0.00364: in the shaded part it is saturated"),
        ("ReLU", -2, 1, "value 0, slope 0: in the shaded part it is dead, no gradient passes back"),
        ("ReLU", 0, 1, "a kink, with slope 0 from the left and 1 from the right; PyTorch takes 0"),
        ("ReLU", 2, 1, "value 2, slope 1: 100 % of a gradient passes back"),
        ("leaky ReLU", -2, 1, "value −0.02, slope 0.01: 1 % of a gradient passes back"),
        ("PReLU", -2, 0, "value 0, slope 0: in the shaded part it is dead"),
        ("PReLU", -2, 1.5, "value −3, slope 1.5: steeper than 1, so a gradient grows"),
        ("ELU", -5, 1, "value −0.993, slope 0.00674: in the shaded part it is saturated"),
        ("ELU", 0, 0.5, "a kink, with slope 0.5 from the left and 1 from the right"),
        ("SiLU (swish)", -1.3, 1, "flat, because the function turns here"),
        ("SiLU (swish)", -3, 1, "falling, so the function is not monotonic"),
        ("hard-swish", -1.5, 1, "value −0.375, slope 0: flat, because the function turns here"),
        ("hard-swish", -4, 1, "value 0, slope 0: in the shaded part it is dead"),
        ("hard-swish", -3, 1, "a kink, with slope 0 from the left and −0.5 from the right"),
    ],
)
def test_the_text_says_what_goes_wrong_at_the_input(node, name, z, alpha, part):
    assert part in describe(node, name, z=z, alpha=alpha)


@pytest.mark.parametrize(
    ("name", "alpha", "part"),
    [
        (
            "sigmoid",
            1,
            "between 0 and 1; for standard normal inputs their mean is 0.5, so they are "
            "not zero-centered.",
        ),
        (
            "tanh",
            1,
            "between −1 and 1; for standard normal inputs their mean is 0, so they are "
            "zero-centered.",
        ),
        ("ReLU", 1, "between 0 and ∞; for standard normal inputs their mean is 0.399"),
        ("PReLU", 1, "between −∞ and ∞; for standard normal inputs their mean is 0, so they are "),
        ("ELU", 2, "between −2 and ∞"),
        ("SiLU (swish)", 1, "between −0.278 and ∞"),
        ("hard-swish", 1, "between −0.375 and ∞"),
        ("GELU", 1, "between −0.17 and ∞; for standard normal inputs their mean is 0.282"),
    ],
)
def test_the_text_gives_range_and_mean(node, name, alpha, part):
    assert part in describe(node, name, z=1.5, alpha=alpha)


@pytest.mark.parametrize("width", [328, 720])
def test_no_setting_draws_a_number_that_is_not_finite(node, width):
    bad = node(
        "const bad = []; const space = theme(given.width, scene.height(given.width));"
        "const broken = (v) => typeof v === 'number' && !Number.isFinite(v);"
        "for (const v of given.settings) {"
        "  const { ctx, calls } = recorder(); scene.draw(ctx, v, {}, space);"
        "  if (calls.length < 900) bad.push(['too few calls', v]);"
        "  for (const c of calls) if (c.slice(1).some(broken)) bad.push([v, c]);"
        "  if (/NaN|undefined/.test(scene.describe(v))) bad.push(scene.describe(v));"
        "} return bad",
        "activations",
        settings=SETTINGS,
        width=width,
    )
    assert bad == []


@pytest.mark.parametrize("width", [328, 720])
def test_a_drag_gives_back_the_input_that_was_drawn(node, width):
    pairs = node(
        "const space = theme(given.width, scene.height(given.width)); const pairs = [];"
        "const { ctx, calls } = recorder();"
        "for (const v of given.settings) {"
        "  calls.length = 0; scene.draw(ctx, v, {}, space);"
        "  const disks = calls.filter((c) => c[0] === 'arc');"
        "  for (const [, x, y] of disks) pairs.push([v.z, scene.drag([x, y], v, {}, space).z]);"
        "} return pairs",
        "activations",
        settings=SETTINGS,
        width=width,
    )
    assert len(pairs) >= 2 * len(SETTINGS)
    for drawn, dragged in pairs:
        assert dragged == pytest.approx(drawn, abs=1e-9)


def test_a_drag_outside_the_canvas_changes_nothing(node):
    outside = "const { ctx } = recorder(); const space = theme(720, 300);"
    outside += "const early = scene.drag([50, 50], given.v, {}, space);"
    outside += "scene.draw(ctx, given.v, {}, space);"
    outside += "return [early, scene.drag([-9, 50], given.v, {}, space)]"
    assert node(outside, "activations", v=setting("tanh")) == [None, None]


def test_the_flat_parts_are_shaded_where_the_slope_is_small(node):
    count = "const { ctx, calls } = recorder(); scene.draw(ctx, given.v, {}, theme(720, 300));"
    count += "return calls.filter((c) => c[0] === 'fillRect').length"
    expected = {"sigmoid": 4, "ReLU": 2, "leaky ReLU": 0, "ELU": 2, "SiLU (swish)": 0}
    for name, boxes in expected.items():
        assert node(count, "activations", v=setting(name)) == boxes, name


def test_data_are_refused():
    with pytest.raises(ValueError, match=r"takes no data, got \['x'\]; leave data out"):
        activations.check({"x": 1})


@pytest.mark.parametrize("name", NAMES)
def test_the_picture_on_paper_shows_the_same_curves(name):
    from matplotlib.figure import Figure

    figure, values = Figure(), setting(name, z=-3.0, alpha=0.5)
    activations.draw(figure, values, {})
    for ax, expected in zip(figure.axes, pytorch(name, 0.5, np.linspace(-6, 6, 481)), strict=True):
        shown = np.asarray(ax.lines[0].get_ydata())
        there = np.isfinite(shown)
        assert there.sum() > 470
        np.testing.assert_allclose(shown[there], expected[there], atol=1e-8)
    assert {"label"} == set(activations.example())
