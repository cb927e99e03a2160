"""The core's arithmetic in node: numbers as text, ticks, frames, gaps."""

import itertools
import json
import re

import numpy as np
import pytest

from d2l_lite.explore import explore
from d2l_lite.frames import Curves, Picture, store


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.25, "0.25"),
        (-3, "−3"),
        (2 / 3, "0.667"),
        (123456, "123000"),
        (1e6, "10⁶"),
        (-1.234e-7, "−1.23·10⁻⁷"),
        (1e-10, "10⁻¹⁰"),
        (2.5e30, "2.5·10³⁰"),
    ],
)
def test_numbers_read_well(node, value, text):
    assert node("return core.number(given.value)", value=value) == text


def test_numbers_that_are_none_say_so(node):
    shown = node("return [Infinity, -Infinity, NaN].map((v) => core.number(v))")
    assert shown == ["∞", "−∞", "undefined"]


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (-3.2, 7.9), (1e-9, 3e-9), (2000, 2020), (0.1, 0.10001), (-1e7, 1e7)]
)
def test_linear_ticks_are_round_evenly_spaced_and_inside(node, low, high):
    ticks = np.array(node("return core.linearTicks(given.low, given.high, 6)", low=low, high=high))
    assert 3 <= len(ticks) <= 14
    steps = np.diff(ticks)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-6)
    mantissa = steps[0] / 10 ** np.floor(np.log10(steps[0]) + 1e-6)
    assert np.abs(mantissa - np.array([1, 2, 5])).min() < 1e-3
    slack = 1e-6 * (high - low)
    assert ticks[0] >= low - slack
    assert ticks[-1] <= high + slack
    assert ticks[0] - steps[0] < low
    assert ticks[-1] + steps[0] > high


@pytest.mark.parametrize(("low", "high"), [(1e-12, 5), (0.9, 1e4), (0.3, 40), (2, 7), (3.1, 3.9)])
def test_log_ticks_lie_inside_and_decades_are_exact(node, low, high):
    ticks = np.array(node("return core.logTicks(given.low, given.high, 5)", low=low, high=high))
    assert 2 <= len(ticks) <= 12
    assert (np.diff(ticks) > 0).all()
    assert ticks[0] >= 0.99 * low
    assert ticks[-1] <= 1.01 * high
    if high / low >= 1e3:
        np.testing.assert_allclose(np.log10(ticks), np.round(np.log10(ticks)), atol=1e-9)


def test_scales_send_the_ends_to_the_ends_and_logs_to_logs(node):
    linear, log = node(
        "return [core.scale(2, 6, 100, 300, false), core.scale(1, 1e4, 100, 300, true)]"
        ".map((f, i) => [i ? 1 : 2, i ? 100 : 4, i ? 1e4 : 6].map(f))"
    )
    assert linear == [100, 200, 300]
    np.testing.assert_allclose(log, [100, 200, 300])


def test_every_setting_finds_its_own_frame(node):
    grid = {"depth": [2, 5], "kind": ["a", "b", "c"], "rate": [0.1, 0.2, 0.3, 0.4]}
    settings = [
        dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())
    ]

    def f(**setting):
        return Curves({"y": ([0, 1], [0, 1])}, "x", "y", text=json.dumps(setting))

    made = explore(f, label="Grid", **grid)
    spec = json.loads(re.search(r"^const spec = (.*);$", made.html, re.M).group(1))
    script = "const s = core.frames(given.spec); return given.settings.map((v) => s.describe(v))"
    texts = node(script, spec=spec, settings=settings)
    assert [json.loads(text) for text in texts] == settings


def test_a_frame_without_text_lists_the_setting(node):
    made = explore(lambda a, b: Picture(np.zeros((2, 2))), label="P", a=[1, 2], b=["x", "y"])
    spec = json.loads(re.search(r"^const spec = (.*);$", made.html, re.M).group(1))
    script = "return core.frames(given.spec).describe({ a: 2, b: 'x' })"
    assert node(script, spec=spec) == "a 2, b x."


def test_lines_break_at_gaps_and_lonely_points_become_disks(node):
    calls = node(
        "const { ctx, calls } = recorder();"
        "const plot = { x: (v) => v, y: (v) => 10 * v };"
        "core.polyline(ctx, plot, [0, 1, 2, 3, 4, 5], [1, 2, null, 3, null, 4], 'red', [4, 2]);"
        "return calls.filter((c) => ['moveTo', 'lineTo', 'arc', 'setLineDash'].includes(c[0]))"
        ".map((c) => c.slice(0, 3))"
    )
    assert calls == [
        ["setLineDash", [4, 2]],
        ["moveTo", 0, 10],
        ["lineTo", 1, 20],
        ["moveTo", 3, 30],
        ["moveTo", 5, 40],
        ["setLineDash", []],
        ["arc", 3, 30],
        ["arc", 5, 40],
    ]


@pytest.mark.parametrize("width", [328, 720])
def test_curves_are_drawn_where_the_axes_say(node, width):
    def f(k):
        x = np.array([1.0, 10.0, 100.0])
        return Curves({"a": (x, x**-k), "b": (x, x**k)}, "size", "error", "log", "log")

    made = explore(f, label="Powers", k=[1, 2])
    spec = json.loads(re.search(r"^const spec = (.*);$", made.html, re.M).group(1))
    calls = node(
        "const { ctx, calls } = recorder(); const s = core.frames(given.spec);"
        "s.draw(ctx, { k: 2 }, given.spec.data, theme(given.width, s.height(given.width)));"
        "return calls",
        spec=spec,
        width=width,
    )
    colors = [call[1] for call in calls if call[0] == "set strokeStyle"]
    assert {"color0", "color1"} <= set(colors)
    assert {"size", "error", "a", "b"} <= {call[1] for call in calls if call[0] == "fillText"}
    starts = [i for i, call in enumerate(calls) if call == ["set strokeStyle", "color0"]]
    points = [c[1:] for c in calls[starts[-1] :] if c[0] in ("moveTo", "lineTo")][:3]
    (x0, y0), (x1, y1), (x2, y2) = points
    assert x1 - x0 == pytest.approx(x2 - x1)  # decades are equally wide
    assert y1 - y0 == pytest.approx(y2 - y1)
    assert y0 < y1 < y2  # x⁻² falls, and pixels count downward
    assert 0 < x0 < x2 < width


def test_the_browser_reads_packed_numbers_as_they_were(node):
    x = np.linspace(0, 6, 50)
    waves = {"a": (x, np.sin(x)), "b": (x, np.where(x > 3, x, np.nan))}
    grown = {"a": (x, np.exp(3 * x))}
    results = [Curves(waves, "x", "y"), Curves(grown, "x", "y", yscale="log")]
    arrays = store(results)["arrays"]
    assert all(isinstance(array[0], str) for array in arrays)
    found = node("return given.arrays.map(core.unpack)", arrays=arrays)
    assert len(found) == 4
    for got, true in zip(found, (x, np.sin(x), waves["b"][1], grown["a"][1]), strict=True):
        got = np.array(got, dtype=float)
        assert (np.isnan(got) == np.isnan(true)).all()
        np.testing.assert_allclose(got, true, rtol=1e-3, atol=1e-3)


def test_plain_numbers_are_read_as_they_are(node):
    assert node("return core.unpack([1, null, 2.5])") == [1, None, 2.5]
