"""Eight optimizers in node and in NumPy equal torch.optim, and the text tells the truth."""

import itertools

import numpy as np
import pytest
import torch

from d2l_lite.scenes import optimizers

CONTROLS = optimizers.controls({})
SURFACES = CONTROLS["surface"]["values"]
NAMES = CONTROLS["optimizer"]["values"]
STABLE = {"ravine": 0.02, "Rosenbrock": 2e-4, "saddle": 0.05, "two minima": 0.1}
GRID = [
    (surface, optimizer, lr, beta, start)
    for surface, optimizer, lr, beta, start in itertools.product(
        SURFACES, NAMES, (1e-4, 0.1, 3.16), (0, 0.99), ((-2, 2), (0, 0))
    )
]


def bumps(x, y):
    return [torch.exp(-2 * ((x - at) ** 2 + (y - at) ** 2)) for at in (1, -1)]


LOSSES = {
    "ravine": lambda x, y: 0.5 * (x**2 + 25 * y**2),
    "Rosenbrock": lambda x, y: (1 - x) ** 2 + 100 * (y - x**2) ** 2,
    "saddle": lambda x, y: x**2 - y**2 + y**4 / 4,
    "two minima": lambda x, y: 1 - bumps(x, y)[0] - 0.5 * bumps(x, y)[1],
}


def pytorch_optimizer(name, w, lr, beta):
    optim, one = torch.optim, {"lr": lr, "foreach": False}
    return {
        "SGD": lambda: optim.SGD([w], **one),
        "momentum": lambda: optim.SGD([w], momentum=beta, **one),
        "Nesterov": lambda: optim.SGD([w], momentum=beta, nesterov=True, **one),
        "AdaGrad": lambda: optim.Adagrad([w], eps=1e-8, **one),
        "RMSProp": lambda: optim.RMSprop([w], alpha=0.99, eps=1e-8, **one),
        "AdaDelta": lambda: optim.Adadelta([w], rho=0.9, eps=1e-6, **one),
        "Adam": lambda: optim.Adam([w], betas=(beta, 0.999), eps=1e-8, **one),
        "AdamW": lambda: optim.AdamW([w], betas=(beta, 0.999), eps=1e-8, weight_decay=0.01, **one),
    }[name]()


def pytorch_path(values, steps):
    start = [values["start_x"], values["start_y"]]
    w = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer = pytorch_optimizer(values["optimizer"], w, values["lr"], values["momentum"])
    path = [w.detach().clone()]
    for _ in range(steps):
        optimizer.zero_grad()
        LOSSES[values["surface"]](*w).backward()
        optimizer.step()
        path.append(w.detach().clone())
    return torch.stack(path).numpy()


def setting(surface="ravine", optimizer="SGD", lr=0.02, momentum=0.9, start=(-1.5, 0.7), step=100):
    places = dict(zip(("start_x", "start_y"), start, strict=True))
    one = {"surface": surface, "optimizer": optimizer, "lr": lr, "momentum": momentum}
    return {**one, **places, "step": step}


def describe(node, **options):
    return node("return scene.describe(given.v, {})", "optimizers", v=setting(**options))


@pytest.mark.parametrize("surface", SURFACES)
def test_all_updates_equal_pytorchs_for_a_hundred_steps(node, surface):
    runs = [(STABLE[surface], (-1.5, 0.7)), (STABLE[surface] / 10, (0.4, -1.1))]
    settings = [
        setting(surface, name, lr, momentum, start)
        for name, momentum, (lr, start) in itertools.product(NAMES, (0.5, 0.9), runs)
    ]
    paths = node("return given.s.map((v) => scene.run(v, 100))", "optimizers", s=settings)
    for values, path in zip(settings, paths, strict=True):
        expected = pytorch_path(values, 100)
        assert len(path) == 101, values
        np.testing.assert_allclose(path, expected, rtol=1e-6, atol=1e-6, err_msg=str(values))
        here = optimizers.run(values, 100)
        np.testing.assert_allclose(here, expected, rtol=1e-6, atol=1e-6, err_msg=str(values))


@pytest.mark.parametrize("surface", SURFACES)
def test_losses_and_gradients_equal_autograds(node, surface):
    points = np.random.default_rng(0).uniform(-2.2, 2.2, size=(40, 2))
    w = torch.tensor(points, requires_grad=True)
    loss = LOSSES[surface](*w.T)
    loss.sum().backward()
    script = "const s = scene.SURFACES[given.name];"
    script += "return given.points.map((p) => [s.f(...p), ...s.gradient(...p)])"
    got = np.array(node(script, "optimizers", name=surface, points=points.tolist()))
    np.testing.assert_allclose(got[:, 0], loss.detach(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(got[:, 1:], w.grad, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(optimizers.LOSSES[surface](*points.T), loss.detach(), rtol=1e-9)
    np.testing.assert_allclose(np.transpose(optimizers.GRADIENTS[surface](*points.T)), w.grad)


@pytest.mark.parametrize("surface", SURFACES)
def test_the_minima_are_those_that_a_search_finds(node, surface):
    from scipy.optimize import minimize

    loss = optimizers.LOSSES[surface]
    found = node("return scene.SURFACES[given.name].minima", "optimizers", name=surface)
    np.testing.assert_allclose(found, optimizers.MINIMA[surface], rtol=1e-12)
    starts = itertools.product((-1.4, -0.9, 0.6, 1.3), (-1.3, -0.8, 0.7, 1.4))
    ends = [minimize(lambda w: loss(*w), start, tol=1e-12).x for start in starts]
    for end in ends:
        assert np.hypot(*(found - end).T).min() < 1e-3
    for minimum in found:  # and each of them is found
        assert np.hypot(*(np.array(ends) - minimum).T).min() < 1e-3


def test_a_path_that_leaves_ends_and_says_so(node):
    values = setting("ravine", "SGD", lr=0.1, step=100)
    path = node("return scene.run(given.v, 100)", "optimizers", v=values)
    expected = pytorch_path(values, 100)[: len(path)]
    np.testing.assert_allclose(path, expected, rtol=1e-9)
    np.testing.assert_allclose(optimizers.run(values, 100), expected, rtol=1e-9)
    far = np.hypot(*expected.T)
    assert far[-1] >= 100 > far[-2]
    text = describe(node, lr=0.1)
    assert f"It has diverged: step {len(path) - 1} ends more than 100 away" in text
    assert f"after {len(path) - 1} steps" in text


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"optimizer": "momentum", "lr": 0.01, "momentum": 0.8}, "It has converged to within 0.01"),
        ({"optimizer": "momentum"}, "is 0.00666 away. It is still moving: its last step was"),
        ({"lr": 0.0001, "start": (-1.5, 0)}, "It creeps: its last step was "),
        ({"lr": 0.081, "start": (0, 1)}, "and raised the loss, and the gradient has length"),
        ({"step": 0}, "20 at the start, 20 after 0 steps. The nearest minimum (0, 0) is 2.33 away."
         " It stands at the start, where the gradient has length 30.1."),
        ({"surface": "saddle", "start": (1.5, 0)}, "It sits at the saddle point, which is no"),
        ({"surface": "saddle", "start": (1.5, 0.1)}, "The nearest minimum (0, 1.41) is"),
        ({"surface": "saddle", "start": (1.5, -0.1), "optimizer": "momentum", "step": 120},
         "The nearest minimum (0, −1.41) is"),
        ({"surface": "two minima", "start": (-1.5, -0.6), "lr": 0.3},
         "It has converged to within 0.01 of it, but to the higher of the two minima."),
        ({"surface": "two minima", "start": (1.4, 0.8), "lr": 0.3}, "converged to within 0.01 of "
         "it."),
        ({"surface": "two minima", "start": (-2, 2)}, "It creeps: its last step was"),
    ],
)  # fmt: skip
def test_the_text_says_what_the_path_does(node, options, part):
    if options.get("step") == 0:
        options = {**options, "start": (-2, 1.2)}
    assert part in describe(node, **options)


def test_the_text_gives_losses_and_distance(node):
    values = setting("Rosenbrock", "Adam", lr=0.05, step=60)
    path = pytorch_path(values, 60)
    losses = [float(LOSSES["Rosenbrock"](*torch.tensor(p))) for p in path[[0, -1]]]
    distance = float(np.hypot(*(path[-1] - 1)))
    moved = float(np.hypot(*(path[-1] - path[-2])))
    text = node("return scene.describe(given.v, {})", "optimizers", v=values)
    start, end, away, last = (f"{float(f'{v:.3g}'):g}" for v in (*losses, distance, moved))
    assert text.startswith(
        f"Loss above the lowest point: {start} at the start, {end} after 60 steps. "
        f"The nearest minimum (1, 1) is {away} away. It is still moving: its last step was {last} "
    )


@pytest.mark.parametrize("surface", SURFACES)
def test_contours_lie_on_their_levels(node, surface):
    got = node("return scene.contoursOf(given.name)", "optimizers", name=surface)
    segments, levels = np.array(got["segments"]), np.array(got["levels"])
    assert len(segments) > 500
    points = segments.reshape(-1, 2)
    lowest = min(optimizers.LOSSES[surface](*p) for p in optimizers.MINIMA[surface])
    loss = optimizers.LOSSES[surface](*points.T) - lowest
    slope = np.hypot(*np.array(optimizers.GRADIENTS[surface](*points.T)))
    # How far the level is, to first order; a cell is 0.069 wide and its diagonal 0.097 long.
    off = np.abs(loss[:, None] - levels).min(1) / np.maximum(slope, 1.0)
    assert np.quantile(off, 0.99) < 0.03
    assert off.max() < 0.1
    hit = np.abs(loss[:, None] - levels).argmin(1)
    assert set(hit) == set(range(12))  # no level is missing
    assert np.abs(points).max() <= 2.2
    middles = segments.reshape(-1, 2, 2).mean(1)
    assert len(np.unique(middles.round(9), axis=0)) > 0.99 * len(segments)  # none is drawn twice
    ends, counts = np.unique(points.round(9), axis=0, return_counts=True)
    inside = np.abs(ends).max(1) < 2.2 - 1e-9
    assert (counts[inside] % 2 == 0).all()  # no line ends inside the picture


@pytest.mark.parametrize("width", [328, 720])
def test_no_setting_draws_a_number_that_is_not_finite(node, width):
    bad = node(
        "const bad = []; const space = theme(given.width, scene.height(given.width));"
        "const broken = (v) => typeof v === 'number' && !Number.isFinite(v);"
        "for (const [surface, optimizer, lr, momentum, [start_x, start_y]] of given.grid) {"
        "  for (const step of [0, 120]) {"
        "    const v = { surface, optimizer, lr, momentum, start_x, start_y, step };"
        "    const { ctx, calls } = recorder(); scene.draw(ctx, v, {}, space);"
        "    if (calls.length < 500) bad.push(['too few calls', v]);"
        "    for (const c of calls) if (c.some(broken)) bad.push([v, c]);"
        "    const text = scene.describe(v, {});"
        "    if (/NaN|undefined/.test(text)) bad.push([v, text]);"
        "} } return bad.slice(0, 5)",
        "optimizers",
        grid=GRID,
        width=width,
    )
    assert bad == []


@pytest.mark.parametrize("width", [328, 720])
def test_a_drag_gives_back_the_start_that_was_drawn(node, width):
    starts = [(-1.5, 0.7), (0, 0), (2, -2)]
    script = (
        "const space = theme(given.width, scene.height(given.width));"
        "return given.settings.map((v) => {"
        "  const { ctx, calls } = recorder(); scene.draw(ctx, v, {}, space);"
        "  const [, x, y] = calls.find((c) => c[0] === 'arc' && c[3] === 5);"
        "  return [scene.drag([x, y], v, {}, space), scene.drag([-5, y], v, {}, space)]; })"
    )
    settings = [setting(start=start) for start in starts]
    found = node(script, "optimizers", settings=settings, width=width)
    for (x, y), (at, outside) in zip(starts, found, strict=True):
        assert at["start_x"] == pytest.approx(x, abs=1e-9)
        assert at["start_y"] == pytest.approx(y, abs=1e-9)
        assert outside is None
    early = "return scene.drag([100, 100], given.v, {}, theme(720, 300))"
    assert node(early, "optimizers", v=setting()) is None


@pytest.mark.parametrize("data", [{"steps": 0}, {"steps": 301}, {"steps": 2.5}, {"start": [1, 2]}])
def test_data_that_do_not_fit_are_refused(data):
    with pytest.raises(ValueError, match=r"whole number from 1 to 300, and nothing else, got \{"):
        optimizers.check(data)


def test_learning_rates_are_spaced_evenly_on_a_log_axis_and_reach_too_far():
    rates = np.log10(CONTROLS["lr"]["values"])
    np.testing.assert_allclose(np.diff(rates), 0.125, atol=0.003)
    assert CONTROLS["lr"]["values"][-1] > 2 / 25  # plain descent diverges in the ravine
    optimizers.check({"steps": 30})
    assert optimizers.controls({"steps": 30})["step"]["values"] == list(range(31))


@pytest.mark.parametrize("start", [(-1, 1), (0, 0)])
@pytest.mark.parametrize("surface", SURFACES)
def test_the_picture_on_paper_shows_the_same_path(surface, start):
    from matplotlib.figure import Figure

    figure, values = Figure(), setting(surface, "Adam", lr=0.05, start=start, step=40)
    optimizers.draw(figure, values, {"steps": 60})
    left, right = figure.axes
    expected = pytorch_path(values, 60)
    np.testing.assert_allclose(left.lines[0].get_xydata(), expected[:41], atol=1e-6)
    lowest = min(optimizers.LOSSES[surface](*p) for p in optimizers.MINIMA[surface])
    losses = np.maximum(optimizers.LOSSES[surface](*expected.T) - lowest, 1e-30)
    np.testing.assert_allclose(right.lines[0].get_ydata(), losses, rtol=1e-5, atol=1e-9)
