"""Sampling in node equals SciPy's softmax and NumPy's draws, and cuts as top-k and top-p say."""

import itertools
import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.special import softmax
from scipy.stats import entropy

from d2l_lite.explore import explore
from d2l_lite.scenes import temperature
from tests.scenes.drawings import faults

DATA = temperature.example()["data"]
N = len(DATA["symbols"])
LOGITS = DATA["logits"][DATA["symbols"].index("t")]
WHOLE = {"temperature": 1, "top_k": N, "top_p": 1, "after": "t", "draw": 1}
SETTINGS = [
    {"temperature": t, "top_k": k, "top_p": p, "after": after, "draw": seed}
    for t, k, p, (after, seed) in itertools.product(
        [0.1, 0.5, 1, 3], [1, 5, N], [0.1, 0.75, 1], [("t", 1), ("␣", 7)]
    )
]
ROW = {"symbols": ["red", "green", "blue"], "logits": [1.0, 0.0, 0.0]}


@pytest.mark.parametrize("t", [0.1, 0.7, 1, 3, 1e-6, 1e9])
def test_the_softmax_equals_scipys(node, t):
    logits = [*LOGITS, 900, 899.5]  # large logits do not overflow
    got = node("return scene.softmax(given.logits, given.t)", "temperature", logits=logits, t=t)
    np.testing.assert_allclose(got, softmax(np.array(logits) / t), rtol=1e-6, atol=1e-12)


def test_cold_is_greedy_and_hot_is_uniform(node):
    script = "return [1e-6, 1e9].map((t) => scene.softmax(given.logits, t))"
    cold, hot = node(script, "temperature", logits=LOGITS)
    assert cold == [float(z == max(LOGITS)) for z in LOGITS]
    np.testing.assert_allclose(hot, 1 / N, rtol=1e-6)


def cut(values, logits):
    """Return the probabilities by the definition, one candidate after the other."""
    p = softmax(np.array(logits) / values["temperature"])
    ranked = sorted(range(len(p)), key=lambda i: (-logits[i], i))[: values["top_k"]]
    inside, kept, held = sum(p[ranked]), [], 0.0
    for i in ranked:
        kept.append(i)
        held += p[i] / inside
        if 1 > values["top_p"] <= held + 1e-12:
            break
    result = np.zeros(len(p))
    result[kept] = p[kept] / p[kept].sum()
    return result


def test_top_k_and_top_p_keep_what_they_say(node):
    script = "return given.settings.map((v) => scene.chances(v, given.logits))"
    got = node(script, "temperature", settings=SETTINGS, logits=LOGITS)
    for values, p in zip(SETTINGS, got, strict=True):
        expected = cut(values, LOGITS)
        np.testing.assert_allclose(p, expected, rtol=1e-6, atol=1e-12)
        here = temperature.chances(values, LOGITS)
        np.testing.assert_allclose(here, expected, rtol=1e-6, atol=1e-12)
        assert np.count_nonzero(p) <= values["top_k"]
    assert len({np.count_nonzero(p) for p in got}) > 4


def test_equal_logits_are_cut_in_their_order(node):
    script = "return scene.chances(given.v, given.logits)"
    values = {"temperature": 2, "top_k": 2, "top_p": 1}
    p = node(script, "temperature", v=values, logits=[0, 1, 0, 0])
    assert [v > 0 for v in p] == [True, True, False, False]
    values = {"temperature": 1, "top_k": 4, "top_p": 0.75}
    p = node(script, "temperature", v=values, logits=[0, 0, 0, 0])
    np.testing.assert_allclose(p, [1 / 3, 1 / 3, 1 / 3, 0])  # ¾ are held by three, not by four


def test_rounding_keeps_no_symbol_too_many(node):
    values = {"temperature": 1, "top_k": 12, "top_p": 0.5}
    p = node("return scene.chances(given.v, Array(12).fill(0))", "temperature", v=values)
    for got in (p, temperature.chances(values, [0.0] * 12)):
        assert (
            np.count_nonzero(got) == 6
        )  # though six twelfths, each rounded, sum to less than a half


def test_long_names_are_left_out_where_they_would_overlap(node):
    names = [f"token {i}" for i in range(30)]
    data = {"symbols": names, "logits": list(range(30))}
    for width in (328, 720):
        assert faults(node, "temperature", data=data, settings=[WHOLE], width=width) == []


def drawn(values, data):
    """Return text and counts drawn with the same numbers, by NumPy's cumulative sums."""
    numbers = list(itertools.islice(temperature.uniform(values["draw"]), 160))
    start = i = data["symbols"].index(values["after"])
    ends = [np.cumsum(temperature.chances(values, row)) for row in data["logits"]]
    text = [i := int(np.searchsorted(ends[i], v, side="right")) for v in numbers[:60]]
    again = np.searchsorted(ends[start], numbers[60:], side="right")
    return text, np.bincount(again, minlength=len(ends)).tolist()


def test_the_same_seed_draws_the_same_in_numpy(node):
    script = "return given.settings.map((v) => scene.sample(v, given.data))"
    got = node(script, "temperature", settings=SETTINGS, data=DATA)
    assert len({tuple(one["text"]) for one in got}) > 20
    for values, one in zip(SETTINGS, got, strict=True):
        assert (one["text"], one["counts"]) == drawn(values, DATA), values


def test_the_numbers_are_uniform_and_equal_in_both_languages(node):
    script = (
        "const next = scene.uniform(given.seed); return Array.from({ length: 4000 }, () => next())"
    )
    for seed in (1, 30):
        got = node(script, "temperature", seed=seed)
        assert got == list(itertools.islice(temperature.uniform(seed), 4000))
        counts = np.histogram(got, 20, (0, 1))[0]
        assert ((counts - 200) ** 2 / 200).sum() < 43.8  # χ² with 19 degrees of freedom, 0.1 %
        assert abs(np.corrcoef(got[1:], got[:-1])[0, 1]) < 0.05


def described(node, data=DATA, **values):
    return node("return scene.describe(given.v, given.data)", "temperature", v=values, data=data)


def test_the_text_gives_entropy_perplexity_and_what_is_kept(node):
    values = {**WHOLE, "temperature": 0.7, "top_k": 12, "top_p": 0.95}
    text = described(node, **values)
    p = cut(values, LOGITS)
    bits = entropy(p, base=2)
    many = int(np.argmax(np.cumsum(np.sort(p)[::-1]) >= 0.9)) + 1
    shown = [float(number) for number in re.findall(r"\d[\d.]*(?<!\.)", text)]
    lost = N - np.count_nonzero(p)
    wanted = [bits, np.log2(N), 2**bits, p.max(), many, 90, lost, N]
    np.testing.assert_allclose(shown, wanted, rtol=6e-3)
    assert f"The most likely is “{DATA['symbols'][int(np.argmax(p))]}” with" in text
    said = "".join(DATA["symbols"][i] for i in drawn(values, DATA)[0]).replace("␣", " ")
    assert text.endswith(f"Sampled: “{said}”.")


def test_one_symbol_left_is_said_to_be_greedy(node):
    text = described(node, **{**WHOLE, "top_k": 1})
    assert f"entropy 0 bits (uniform: {np.log2(N):.3g}) and perplexity 1: the choice" in text
    assert f"is greedy, always “h”. {N - 1} of {N} cannot be drawn." in text
    cold = described(node, **{**WHOLE, "temperature": 0.1})
    assert f"the choice is greedy, almost always “h”. All {N} can be drawn." in cold
    assert f"All {N} can be drawn." in described(node, **WHOLE)


def test_one_row_of_logits_needs_no_context(node):
    values = {"temperature": 1, "top_k": 3, "top_p": 1, "draw": 3}
    text = described(node, ROW, **values)
    assert text.startswith(
        f"The next symbol has entropy {entropy(softmax(ROW['logits']), base=2):.3g} bits"
    )
    assert "after" not in temperature.controls(ROW)
    numbers = itertools.islice(temperature.uniform(3), 60)
    ends = np.cumsum(softmax(ROW["logits"]))
    said = "".join(ROW["symbols"][np.searchsorted(ends, v, side="right")] for v in numbers)
    assert f"Sampled: “{said}”." in text
    for width in (328, 720):
        assert faults(node, "temperature", data=ROW, settings=[values], width=width) == []


@pytest.mark.parametrize("width", [328, 720])
def test_every_setting_is_drawn_and_said(node, width):
    assert faults(node, "temperature", data=DATA, settings=SETTINGS, width=width) == []


@pytest.mark.parametrize("width", [328, 720])
def test_the_pointer_sets_temperature_and_top_k(node, width):
    found = node(
        "const space = theme(given.width, scene.height(given.width));"
        "const at = (x, y) => scene.drag([x, y], given.v, given.data, space);"
        "if (at(150, 100) !== null) return 'before the drawing';"
        "const { ctx, calls } = recorder(); scene.draw(ctx, given.v, given.data, space);"
        "const [, x, y] = calls.filter(([name]) => name === 'arc').pop();"
        "const bars = calls.filter(([name]) => name === 'strokeRect');"
        "const ks = bars.map(([, left, top, wide]) => at(left + wide / 2, 100));"
        "return [at(x, y), ks, at(given.width - 1, 1)]",
        "temperature",
        v={**WHOLE, "temperature": 2.3},
        data=DATA,
        width=width,
    )
    assert found[0]["temperature"] == pytest.approx(2.3)
    assert found[1] == [{"top_k": k} for k in range(1, N + 1)]
    assert found[2] is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"symbols": ["a", "b"]}, r"needs symbols and logits, got \['symbols'\]"),
        ({**ROW, "symbols": ["a", "a", "b"]}, "2 to 40 different strings, got"),
        ({**ROW, "symbols": "abc"}, "2 to 40 different strings, got abc"),
        ({**ROW, "symbols": ["a", "b", ""]}, "2 to 40 different strings, got"),
        ({**ROW, "logits": [1, 2]}, r"shape \(3,\), or .*: \(3, 3\), got shape \(2,\)"),
        ({**ROW, "logits": [[1, 2, 3], [4], [5]]}, r"got shape \(3,\)"),
        ({**ROW, "logits": ["1", "2", "3"]}, "must be numbers of shape"),
    ],
)
def test_data_that_do_not_fit_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        temperature.check(data)


def test_it_needs_no_data_and_stays_small():
    made = explore(scene="temperature", label="Sample")
    assert len(made.html) < 40_000
    assert list(temperature.controls(DATA)) == ["temperature", "top_k", "top_p", "after", "draw"]
    assert 20 <= N <= 40


def test_the_picture_shows_both_distributions_and_the_entropy():
    figure = Figure()
    values = {**WHOLE, "temperature": 0.5, "top_k": 5}
    temperature.draw(figure, values, DATA)
    left, right = figure.axes
    heights = [bar.get_height() for bar in left.patches]
    np.testing.assert_allclose(heights, sorted(cut(values, LOGITS), reverse=True))
    cold, hot = (line.get_ydata()[[0, -1]] for line in right.lines[:2])
    assert cold[1] < np.log2(5) < hot[1] < np.log2(N)
