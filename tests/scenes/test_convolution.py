"""The convolution in node and in Python equals PyTorch's, over a grid of settings."""

import itertools

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d

from d2l_lite.scenes import convolution

rng = np.random.default_rng(5)
DATA = {
    "image": rng.normal(size=(7, 9)).round(3).tolist(),
    "kernels": {
        "1×2": [[1, -1]],
        "3×3": rng.normal(size=(3, 3)).round(3).tolist(),
        "5×2": rng.normal(size=(5, 2)).round(3).tolist(),
    },
}
SETTINGS = [
    {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation, "position": 0}
    for kernel, stride, padding, dilation in itertools.product(
        DATA["kernels"], (1, 2, 3), (0, 1, 3), (1, 2, 3)
    )
]


def oracle(values):
    image = torch.tensor(DATA["image"], dtype=torch.float64)[None, None]
    kernel = torch.tensor(DATA["kernels"][values["kernel"]], dtype=torch.float64)[None, None]
    options = {name: values[name] for name in ("stride", "padding", "dilation")}
    try:
        return conv2d(image, kernel, **options)[0, 0].numpy()
    except RuntimeError:  # the kernel does not fit
        return None


def test_every_output_equals_pytorchs(node):
    script = "return given.settings.map((v) => scene.convolve(v, given.data))"
    outputs = node(script, "convolution", data=DATA, settings=SETTINGS)
    fits = 0
    for values, output in zip(SETTINGS, outputs, strict=True):
        expected = oracle(values)
        here = convolution.convolve(values, DATA)
        if expected is None:
            assert output == []
            assert here.size == 0
            continue
        fits += 1
        np.testing.assert_allclose(output, expected, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(here, expected, rtol=1e-6, atol=1e-9)
    assert 0 < fits < len(SETTINGS)  # both cases were met


def test_the_cell_slider_ends_with_the_output(node):
    script = "return given.settings.map((v) => scene.limits(v, given.data).position)"
    limits = node(script, "convolution", data=DATA, settings=SETTINGS)
    for values, limit in zip(SETTINGS, limits, strict=True):
        expected = oracle(values)
        assert limit == (0 if expected is None else expected.size)


def test_the_text_gives_size_and_sum_of_the_current_cell(node):
    values = {"kernel": "5×2", "stride": 2, "padding": 1, "dilation": 1, "position": 7}
    expected = oracle(values)
    assert expected.shape == (3, 5)
    text = node("return scene.describe(given.v, given.data)", "convolution", v=values, data=DATA)
    assert "⌊(7 + 2·1 − 1·(5 − 1) − 1)/2⌋ + 1 = 3 rows" in text
    assert "⌊(9 + 2·1 − 1·(2 − 1) − 1)/2⌋ + 1 = 5 columns" in text
    total = f"{float(f'{expected[1, 2]:.3g}'):g}".replace("-", "−")
    assert text.endswith(f"Row 1, column 2: the 10 products sum to {total}.")


def test_a_kernel_that_does_not_fit_is_explained(node):
    values = {"kernel": "5×2", "stride": 1, "padding": 0, "dilation": 3, "position": 0}
    text = node("return scene.describe(given.v, given.data)", "convolution", v=values, data=DATA)
    assert text == (
        "The kernel with dilation 3 spans 13 × 4 cells, the padded input has only 7 × 9: "
        "it does not fit, and there is no output."
    )


@pytest.mark.parametrize("width", [328, 720])
def test_every_setting_stays_inside_the_canvas(node, width):
    outside = node(
        "const outside = []; const h = scene.height(given.width);"
        "for (const v of given.settings) {"
        "  const { ctx, calls } = recorder();"
        "  scene.draw(ctx, v, given.data, theme(given.width, h));"
        "  for (const [name, x, y, w, k] of calls) {"
        "    if (name !== 'fillRect' && name !== 'strokeRect') continue;"
        "    const inside = x >= 0 && y >= 0 && x + w <= given.width && y + k <= h && w > 0;"
        "    if (!inside) outside.push([v, name, x, y, w, k]);"
        "  }"
        "} return outside",
        "convolution",
        data=DATA,
        settings=SETTINGS,
        width=width,
    )
    assert outside == []


def test_the_marked_taps_are_those_that_are_summed(node):
    values = {"kernel": "3×3", "stride": 2, "padding": 1, "dilation": 2, "position": 1}
    marks = node(
        "const { ctx, calls } = recorder();"
        "scene.draw(ctx, given.v, given.data, theme(720, 320));"
        "const marks = []; let mark = false;"
        "for (const [name, a, b] of calls) {"
        "  if (name === 'set strokeStyle') mark = a === 'color2';"
        "  if (name === 'strokeRect' && mark) marks.push([a, b]);"
        "} return marks",
        "convolution",
        v=values,
        data=DATA,
    )
    taps, output = np.array(marks[:-1]), marks[-1]
    assert len(taps) == 9
    columns, rows = np.unique(taps[:, 0]), np.unique(taps[:, 1])
    assert np.ptp(np.diff(columns)) < 1e-9
    assert np.ptp(np.diff(rows)) < 1e-9
    cell = np.diff(columns)[0] / 2  # dilation 2: every second cell
    assert columns[0] - 1 == pytest.approx(
        2 * cell, abs=3
    )  # stride 2: the second cell starts there
    assert output[0] > columns[-1]


@pytest.mark.parametrize("width", [328, 720])
@pytest.mark.parametrize("position", [0, 7, 14])
def test_a_pointer_on_a_cell_of_the_output_picks_it(node, width, position):
    values = {"kernel": "5×2", "stride": 2, "padding": 1, "dilation": 1, "position": position}
    found = node(
        "const { ctx, calls } = recorder();"
        "const space = theme(given.width, scene.height(given.width));"
        "scene.draw(ctx, given.v, given.data, space);"
        "const [, x, y, w, h] = calls.filter((c) => c[0] === 'strokeRect').pop();"
        "const other = { ...given.v, position: 3 };"
        "return [[x + w / 2, y + h / 2], [2, 2], [given.width - 1, y]]"
        ".map((at) => scene.drag(at, other, given.data, space))",
        "convolution",
        data=DATA,
        v=values,
        width=width,
    )
    assert found == [{"position": position}, None, None]
