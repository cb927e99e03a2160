"""Cells in node equal PyTorch's with the same weights, their derivatives autograd's."""

import itertools
import re

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from d2l_lite.explore import explore
from d2l_lite.scenes import gated
from tests.scenes.drawings import faults

DATA = gated.example()["data"]
T = len(DATA["inputs"])
rng = np.random.default_rng(2)
WILD = {
    "inputs": rng.normal(size=10).round(3).tolist(),
    "weights": {
        "LSTM": rng.normal(size=(4, 2)).round(3).tolist(),
        "GRU": rng.normal(size=(3, 2)).round(3).tolist(),
        "RNN": [0.7],
    },
}
START = {"forget": 4, "input": -5, "output": 2, "recurrent": 0.9, "cell": "LSTM", "step": T}
SETTINGS = [
    {"cell": cell, "forget": f, "input": i, "output": o, "recurrent": u, "step": 3}
    for cell, (f, i, o, u) in itertools.product(
        ["LSTM", "GRU", "RNN"],
        [(4, -5, 2, 0.9), (0, 0, 0, 0), (-8, 8, -8, 2), (8, 8, 8, 1), (1.5, -0.5, 0.5, 1.7)],
    )
]


def module(values, data):
    """Return PyTorch's cell with these weights and biases."""
    cell = values["cell"]
    biases = {
        "LSTM": [values["input"], values["forget"], 0, values["output"]],
        "GRU": [values["input"], values["forget"], 0],
        "RNN": [0],
    }[cell]
    weights = np.array(data["weights"][cell], dtype=float)
    if cell == "RNN":
        weights = np.array([[*weights, values["recurrent"]]])
    net = getattr(torch.nn, cell)(1, 1).double()
    with torch.no_grad():
        for name, numbers in (
            ("weight_ih_l0", weights[:, :1]), ("weight_hh_l0", weights[:, 1:]),
            ("bias_ih_l0", biases), ("bias_hh_l0", np.zeros(len(biases))),
        ):  # fmt: skip
            getattr(net, name).copy_(torch.tensor(numbers))
    return net


def oracle(values, data):
    """Return c, h and the derivative of c by the first state after each input."""
    net = module(values, data)
    first = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    state = (torch.zeros_like(first), first) if values["cell"] == "LSTM" else first
    rows = []
    for x in data["inputs"]:
        _, state = net(torch.tensor([[x]], dtype=torch.float64), state)
        h, c = state if values["cell"] == "LSTM" else (state, state)
        slope = torch.autograd.grad(c, first, retain_graph=True)[0]
        rows.append([c.item(), h.item(), slope.item()])
    return np.array(rows)


@pytest.mark.parametrize("data", [DATA, WILD], ids=["example", "wild"])
def test_states_and_derivatives_equal_pytorchs(node, data):
    script = "return given.settings.map((v) => scene.run(v.cell, v, given.data))"
    runs = node(script, "gated", settings=SETTINGS, data=data)
    for values, states in zip(SETTINGS, runs, strict=True):
        expected = oracle(values, data)
        got = [[state[key] for key in ("c", "h", "dc")] for state in states[1:]]
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-12, err_msg=str(values))
        here, slopes = gated.run(values, data)
        np.testing.assert_allclose(here[:, :2], expected[:, :2], rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(slopes, expected[:, 2], rtol=1e-6, atol=1e-12)
        gates = [state["gates"] for state in states[1:]]
        np.testing.assert_allclose(here[:, 2:], gates, rtol=1e-6, atol=1e-12)


def test_without_feedback_the_product_of_the_forget_gates_is_the_derivative(node):
    closed = {**WILD["weights"], "LSTM": [[w, 0] for w, _ in WILD["weights"]["LSTM"]]}
    data = {**WILD, "weights": closed}
    states = node("return scene.run('LSTM', given.v, given.data)", "gated", v=START, data=data)
    gates = 1 / (1 + np.exp(-(closed["LSTM"][1][0] * np.array(data["inputs"]) + 4)))
    expected = np.cumprod(gates)
    np.testing.assert_allclose([s["direct"] for s in states[1:]], expected, rtol=1e-9)
    np.testing.assert_allclose([s["dc"] for s in states[1:]], expected, rtol=1e-9)


def test_the_defaults_show_the_difference():
    lstm, plain = (oracle({**START, "cell": cell}, DATA) for cell in ("LSTM", "RNN"))
    assert lstm[-1, 2] > 0.5
    assert abs(plain[-1, 2]) < 0.02
    assert lstm[-1, 0] > 0.5  # the pulse is still there
    flooded = oracle({**START, "input": 3}, DATA)
    assert abs(flooded[-1, 0] - lstm[-1, 0]) > 0.5
    assert abs(oracle({**START, "forget": -1}, DATA)[-1, 0]) < 0.1


def described(node, data=DATA, **values):
    return node("return scene.describe(given.v, given.data)", "gated", v=values, data=data)


def since_first(values, data):
    """Return the derivative of the last c by c after input 1, by autograd."""
    net, (first, *rest) = module(values, data), torch.tensor(data["inputs"]).double()
    with torch.no_grad():
        _, state = net(first.reshape(1, 1))
    memory = (state[1] if values["cell"] == "LSTM" else state).requires_grad_()
    if values["cell"] == "LSTM":
        opened = state[0] / memory.detach().tanh()
        state = (opened * memory.tanh(), memory)
    _, end = net(torch.stack(rest[: values["step"] - 1]).reshape(-1, 1), state)
    end = end[1] if values["cell"] == "LSTM" else end
    return torch.autograd.grad(end, memory)[0].item()


def numbers(text):
    """Return the numbers that a text shows, without subscripts."""
    plain = text.translate(str.maketrans("−⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "--0123456789")).replace("·10", "e")
    plain = re.sub(r"(?<![\d.e])10(?=-\d)", "1e", plain)
    return [float(v) for v in re.findall(r"(?<![\d₀-₉])-?\d(?:[\d.]*\d)?(?:e-?\d+)?", plain)]


@pytest.mark.parametrize(
    ("cell", "forget", "before", "after"),
    [
        ("LSTM", 8, "a small change in c₀ has grown", "one in c₁ has grown"),
        ("LSTM", 4, "at least half of a small", "at least half of one"),
        ("LSTM", 2, "less than a tenth of a small", "less than a tenth of one"),
        ("LSTM", 0, "less than a thousandth of a small", "less than a thousandth of one"),
        ("GRU", 6, "less than half of a small", "at least half of one"),
        ("GRU", 4, "less than a tenth of a small", "at least half of one"),
    ],
)
def test_the_text_gives_states_and_derivatives(node, cell, forget, before, after):
    values = {**START, "cell": cell, "forget": forget}
    text = described(node, **values)
    expected, plain = oracle(values, DATA), oracle({**START, "cell": "RNN"}, DATA)
    states = node(
        "return scene.run(given.v.cell, given.v, given.data)", "gated", v=values, data=DATA
    )
    gates = np.prod([state["gates"][0] for state in states[1:]])
    hidden = [expected[-1, 1]] if cell == "LSTM" else []
    states = [T, expected[-1, 0], 1, expected[0, 0], *hidden]
    slopes = [expected[-1, 2], gates, since_first(values, DATA), plain[-1, 2]]
    np.testing.assert_allclose(numbers(text), [*states, *slopes], rtol=6e-3)
    state = "c" if cell == "LSTM" else "h"
    for start, words in (("₀", before), ("₁", after)):
        assert re.search(f"∂{state}₂₄/∂{state}{start} = [^:]+: {words}", text)


SHARES = {
    "nothing": (0, 0),
    "less than a thousandth": (1e-300, 0.001),
    "less than a hundredth": (0.001, 0.01),
    "less than a tenth": (0.01, 0.1),
    "less than half": (0.1, 0.5),
    "at least half": (0.5, 1),
    "all": (1, 1),
    "has grown": (1.001, np.inf),
}


def test_the_words_agree_with_the_number_before_them_at_every_setting(node):
    """All pairs of the biases that matter most, at some steps, and cells with wild weights."""
    controls = gated.controls(DATA)
    halves = controls["forget"]["values"]
    pairs = [{"forget": f, "input": i} for f in halves for i in halves]
    changes = [{**pair, "cell": cell} for pair in pairs for cell in ("LSTM", "GRU")]
    changes += [{"forget": f, "output": o} for f in halves for o in halves[::4]]
    changes += [{"cell": "RNN", "recurrent": u} for u in controls["recurrent"]["values"]]
    settings = [{**START, **change} for change in changes]
    script = (
        "const say = (data, settings, steps) => settings.flatMap((v) => steps.map("
        "(step) => scene.describe({ ...v, step }, data)));"
        "return [...say(given.data, given.settings, [1, 12, 24]),"
        "...say(given.wild, given.some, [1, 2, 10])]"
    )
    turning = {**WILD, "weights": {**WILD["weights"], "GRU": [[0, 0], [0, 0], [1, -3]]}}
    texts = node(script, "gated", data=DATA, settings=settings, wild=turning, some=SETTINGS)
    seen = set()
    for text in texts:
        found = re.findall(r"/∂[ch][₀₁] = ([^:,]+)(?:, the [^:]+)?: ([^;.]+)", text)
        assert len(found) == 1 + ("After input 1 " not in text)
        for shown, words in found:
            [value] = numbers(shown)
            share = "has grown" if "has grown" in words else words.split(" of ")[0]
            low, high = SHARES[share]
            assert low <= abs(value) < high or abs(value) == low == high, text
            assert ("other sign" in words) == (value < 0), text
            seen |= {share, value < 0}
    assert seen == {*SHARES, True, False}


def test_the_plain_rnn_has_factors_and_no_gate(node):
    text = described(node, **{**START, "cell": "RNN", "step": 1})
    h = np.tanh(1.5)
    assert text == (
        f"After input 1 the state h is {h:.3g}. ∂h₁/∂h₀ = {0.9 * (1 - h * h):.3g}, the product of "
        "1 factor u(1 − h²): less than half of a small change in h₀ is left. It has no gate that "
        "could keep more."
    )
    text = described(node, **{**START, "cell": "RNN", "recurrent": 0})
    assert "= 0, the product of 24 factors u(1 − h²): nothing of a small change in h₀" in text


def test_before_the_first_input_nothing_is_claimed(node):
    for cell in ("LSTM", "GRU", "RNN"):
        text = described(node, **{**START, "cell": cell, "step": 0})
        assert text.endswith(
            "has read nothing yet: its state is 0, the derivative by that state 1."
        )


@pytest.mark.parametrize("width", [328, 720])
@pytest.mark.parametrize("data", [DATA, WILD], ids=["example", "wild"])
def test_every_setting_is_drawn_and_said(node, data, width):
    settings = [{**v, "step": k} for v in SETTINGS for k in (0, 1, len(data["inputs"]))]
    assert faults(node, "gated", data=data, settings=settings, width=width) == []


@pytest.mark.parametrize("width", [328, 720])
def test_the_pointer_on_a_plot_sets_the_step(node, width):
    found = node(
        "const space = theme(given.width, scene.height(given.width));"
        "const at = (x, y) => scene.drag([x, y], given.v, given.data, space);"
        "if (at(150, 100) !== null) return 'before the drawing';"
        "const { ctx, calls } = recorder(); scene.draw(ctx, given.v, given.data, space);"
        "const disks = calls.filter(([name]) => name === 'arc');"
        "return [disks.map(([, x, y]) => (at(x, y) || {}).step), at(given.width - 1, 1)]",
        "gated",
        v={**START, "step": 7, "forget": 2},
        data=DATA,
        width=width,
    )
    assert len(found[0]) == 2 + 3 + 3
    np.testing.assert_allclose(found[0], 7, atol=1e-6)
    assert found[1] is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"weights": WILD["weights"]}, r"needs inputs .*, got \['weights'\]"),
        ({"inputs": [1]}, r"data\['inputs'\] must be 2 to 60 numbers, got \[1\]"),
        ({"inputs": [[1, 2], [3]]}, "must be 2 to 60 numbers"),
        ({"inputs": ["a", "b"]}, "must be 2 to 60 numbers"),
        ({**WILD, "weights": {"LSTM": [[1, 2]]}}, r"got \{'LSTM': \(1, 2\)\}"),
        ({**WILD, "weights": {**WILD["weights"], "RNN": ["u"]}}, r"'RNN': \(\)\}"),
        ({**WILD, "weights": []}, "needs inputs"),
    ],
)
def test_data_that_do_not_fit_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        gated.check(data)


def test_it_needs_no_data_or_inputs_alone_and_stays_small():
    made = explore(scene="gated", label="Cell")
    own = explore(scene="gated", data={"inputs": [1, 0, 0]}, label="Cell")
    assert (
        '"inputs":[1,0,0],"weights":{"LSTM"' in own.html.replace(" ", "") or "weights" in own.html
    )
    assert len(made.html) < 40_000
    assert list(gated.controls(DATA)) == list(START)


@pytest.mark.parametrize("cell", ["LSTM", "GRU", "RNN"])
def test_the_picture_shows_states_and_derivatives(cell):
    figure = Figure()
    gated.draw(figure, {**START, "cell": cell, "step": 9}, DATA)
    top, right, low = figure.axes
    expected = oracle({**START, "cell": cell}, DATA)[:9]
    np.testing.assert_allclose([line.get_ydata() for line in top.lines], expected.T[:2], rtol=1e-6)
    slopes = right.lines[0].get_ydata()
    np.testing.assert_allclose(slopes, np.abs(expected[:, 2]), rtol=1e-6)
    assert len(low.lines) == {"LSTM": 3, "GRU": 2, "RNN": 1}[cell]
