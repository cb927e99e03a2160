"""What an explorable stores is what was computed, in little space, with stable bytes."""

import base64
import importlib
import io
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from d2l_lite.explore import Choice, Curves, Picture, Slider, explore
from tests.processes import distinct_outputs

SCENE = {"H": [[2.0, 0.5], [0.5, 1.0]], "w_star": [1.0, 2.0], "w0": [-1.0, 0.0], "steps": 12}
IMAGE = {"image": np.eye(6), "kernels": {"edge": [[1, -1]], "blur": np.full((3, 3), 1 / 9)}}


def spec_of(explorable):
    """Return what the browser gets to know."""
    line = re.search(r"^const spec = (.*);$", explorable.html, re.M).group(1)
    return json.loads(line)


def wave(k, phase="sine"):
    x = np.linspace(0, 6, 50)
    y = np.sin(k * x) if phase == "sine" else np.cos(k * x)
    return Curves({"wave": (x, y)}, "x", "y", text=f"{phase} {k}")


def flat(value):
    return Curves({"y": (np.arange(3), np.full(3, float(value)))}, "x", "y")


def test_the_function_is_called_once_for_each_setting_in_row_major_order():
    calls = []

    def record(**setting):
        calls.append(setting)
        return wave(**setting)

    spec = spec_of(explore(record, label="Waves", k=[1, 2, 3], phase=["sine", "cosine"]))
    expected = [{"k": k, "phase": p} for k in (1, 2, 3) for p in ("sine", "cosine")]
    assert calls == expected
    texts = [frame["text"] for frame in spec["data"]["frames"]]
    assert texts == [f"{setting['phase']} {setting['k']}" for setting in expected]


def test_stored_numbers_are_those_of_the_function():
    spec = spec_of(explore(wave, label="Waves", k=[1, 2, 3]))
    for k, frame in zip((1, 2, 3), spec["data"]["frames"], strict=True):
        [(label, x, y)] = frame["series"]
        true = wave(k).series["wave"]
        assert label == "wave"
        np.testing.assert_allclose(spec["data"]["arrays"][x], true[0], atol=1e-3)
        np.testing.assert_allclose(spec["data"]["arrays"][y], true[1], atol=1e-3)


def test_rounding_keeps_a_small_spread_on_a_large_offset():
    def offset(k):
        x = np.arange(20)
        return Curves({"y": (x + 2000, 1 + 1e-6 * k * x)}, "year", "y")

    data = spec_of(explore(offset, label="Offset", k=[1, 2]))["data"]
    for k, frame in zip((1, 2), data["frames"], strict=True):
        [(_, x, y)] = frame["series"]
        assert data["arrays"][x] == list(range(2000, 2020))
        np.testing.assert_allclose(data["arrays"][y], 1 + 1e-6 * k * np.arange(20), atol=1e-8 * k)


def test_what_an_axis_cannot_show_is_a_gap():
    def gaps(scale):
        y = [1.0, np.nan, -2.0, np.inf, 0.0, 5.0]
        return Curves({"y": (range(6), y)}, "x", "y", yscale=scale)

    data = spec_of(explore(gaps, label="Gaps", scale=["linear", "log"]))["data"]
    linear, log = (data["arrays"][frame["series"][0][2]] for frame in data["frames"])
    assert linear == [1, None, -2, None, 0, 5]
    assert log == [1, None, None, None, None, 5]


def test_equal_arrays_are_stored_once():
    arrays = spec_of(explore(wave, label="Waves", k=[1, 2, 3]))["data"]["arrays"]
    assert len(arrays) == 4  # one x, three y


def test_all_frames_share_axes_that_show_every_point():
    spec = spec_of(explore(flat, label="Flat", value=[1, 5, -3]))
    [head] = spec["data"]["heads"]
    assert head["ylim"] == pytest.approx([-3 - 0.32, 5 + 0.32])
    assert head["xlim"] == pytest.approx([-0.08, 2.08])
    assert (head["xlabel"], head["yscale"]) == ("x", "linear")


def test_a_log_axis_gets_its_margin_in_decades():
    def power(k):
        return Curves({"y": ([1, 2], [10.0**-k, 1.0])}, "x", "y", yscale="log")

    [head] = spec_of(explore(power, label="Powers", k=[1, 10]))["data"]["heads"]
    assert np.log10(head["ylim"]) == pytest.approx([-10.4, 0.4])


def test_limits_given_are_kept():
    def bounded(k):
        return Curves({"y": ([1, 2], [k, 2 * k])}, "x", "y", ylim=(0, 1.5))

    [head] = spec_of(explore(bounded, label="Bounded", k=[1, 2]))["data"]["heads"]
    assert head["ylim"] == [0, 1.5]


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3)])
def test_pictures_are_stored_as_their_pixels(shape):
    images = np.random.default_rng(0).random((2, *shape))
    spec = spec_of(explore(lambda i: Picture(images[i], text=str(i)), label="P", i=[0, 1]))
    for image, frame in zip(images, spec["data"]["frames"], strict=True):
        assert frame["image"] == [4, 5, 3 if len(shape) == 3 else 1]
        pixels = np.frombuffer(base64.b64decode(frame["pixels"]), np.uint8).reshape(shape)
        np.testing.assert_allclose(pixels / 255, image, atol=0.5 / 255 + 1e-9)


def test_controls_carry_values_labels_and_start():
    made = explore(
        lambda learning_rate, kind, epoch: flat(epoch),
        label="Controls",
        learning_rate=Slider(0.1, 0.5, step=0.1, value=0.3),
        kind=Choice(["a", "b"], "b", label="kind of net"),
        epoch=Slider(0, 2, step=1, play=True),
    )
    rate, kind, epoch = spec_of(made)["controls"]
    assert rate["values"] == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert (rate["label"], rate["start"], rate["play"]) == ("learning rate", 2, False)
    assert (kind["label"], kind["start"]) == ("kind of net", 1)
    assert (epoch["values"], epoch["play"]) == ([0, 1, 2], True)


def test_numpy_and_torch_values_become_plain_numbers():
    import torch

    made = explore(lambda a, b: flat(a), label="N", a=np.array([1.5, 2.5]), b=list(torch.arange(2)))
    assert [control["values"] for control in spec_of(made)["controls"]] == [[1.5, 2.5], [0, 1]]


def test_the_bundle_holds_html_a_picture_and_fixed_text():
    made = explore(wave, label="Waves", caption="A & B", k=[1, 2])
    bundle = made._repr_mimebundle_()
    assert list(bundle) == ["text/html", "image/png", "text/plain"]
    assert bundle["text/plain"] == repr(made) == "Explorable: Waves"
    assert Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))).size == (576, 360)
    assert spec_of(made)["caption"] == "A & B"


def test_nothing_comes_from_outside_and_the_core_is_small():
    made = explore(wave, label="Waves", k=[1, 2])
    assert not re.search(r"https?:|require\(|import\(|<link|src=", made.html.split("const spec")[0])
    code = re.search(r"<script>(.*?)const spec", made.html, re.S).group(1)
    assert len(code.encode()) <= 20_000
    assert made.html.count('"use strict"') == 3  # the output, page.js and core.js
    assert len(made.png) <= 40_000


def test_labels_and_texts_cannot_end_the_script_or_add_markup():
    evil = '</script><img src=x onerror="alert(1)">'
    made = explore(
        lambda k: Curves({evil: ([0, 1], [0, k])}, evil, evil, text=evil),
        label=evil,
        caption=evil,
        k=Choice([1, 2], label=evil),
    )
    assert made.html.count("</script>") == 1
    assert "<img" not in made.html
    spec = spec_of(made)
    assert spec["label"] == spec["caption"] == spec["controls"][0]["label"] == evil


@pytest.mark.parametrize("scene", ["descent", "convolution"])
def test_the_picture_of_a_scene_is_small_and_shows_the_start(scene):
    name, values = {"descent": ("step", [3, 12]), "convolution": ("kernel", ["edge", "blur"])}[
        scene
    ]
    data = SCENE if scene == "descent" else IMAGE
    pictures = [
        explore(scene=scene, data=data, label="S", **{name: Choice(values, value)}).png
        for value in values
    ]
    assert all(len(picture) <= 40_000 for picture in pictures)
    first, second = (np.asarray(Image.open(io.BytesIO(p)).convert("RGB"), int) for p in pictures)
    assert np.abs(first - second).max() > 50


def test_the_picture_of_frames_shows_the_start():
    start = explore(flat, label="F", value=Choice([0, 4], 4)).png
    other = explore(flat, label="F", value=Choice([0, 4], 0)).png
    blue = np.array([0x00, 0x72, 0xB2])
    rows = []
    for png in (start, other):
        pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), int)
        rows.append(np.flatnonzero((np.abs(pixels - blue).max(2) < 30).sum(1) > 200).mean())
    assert rows[0] < 0.3 * 360 < 0.6 * 360 < rows[1]  # 4 is drawn at the top, 0 at the bottom


BYTES = """
import hashlib, numpy as np
from d2l_lite.explore import Curves, Slider, explore
def f(k, kind):
    x = np.linspace(0, 6, 40)
    return Curves({kind: (x, np.sin(k * x))}, "x", "y")
made = [explore(f, label="W", k=Slider(0.1, 0.7, step=0.1), kind=["a", "b"]),
        explore(scene="descent", label="D",
                data=dict(H=[[2, .5], [.5, 1]], w_star=[1, 2], w0=[0, 0], steps=9))]
for one in made:
    print(hashlib.sha256(str(one._repr_mimebundle_()).encode()).hexdigest())
"""


def test_two_processes_store_the_same_bytes():
    assert len(distinct_outputs(BYTES)) == 1


def test_ids_follow_the_content():
    def id_of(explorable):
        return re.search(r'id="(d2l-\w+)"', explorable.html).group(1)

    first, second = explore(wave, label="W", k=[1, 2]), explore(wave, label="W", k=[1, 3])
    assert id_of(first) == id_of(explore(wave, label="W", k=[1, 2])) != id_of(second)


def test_too_much_to_store_names_size_limit_and_remedy():
    def heavy(k):
        rng = np.random.default_rng(k)
        return Curves({"y": (range(2000), rng.random(2000))}, "x", "y")

    message = r"explorable 'Heavy' must store at most 100 kB, got \d{3} kB; give controls fewer"
    with pytest.raises(ValueError, match=message):
        explore(heavy, label="Heavy", k=list(range(10)))


def test_a_grid_that_would_take_for_ever_is_refused_before_it_runs():
    def never(a, b):
        raise AssertionError("called")

    with pytest.raises(ValueError, match="30 × 30 must have at most 400 settings, got 900"):
        explore(never, label="Big", a=list(range(30)), b=list(range(30)))


@pytest.mark.parametrize(
    ("control", "error", "message"),
    [
        ([1], ValueError, r"k needs at least two values, all different, got \[1\]"),
        ([], ValueError, r"k needs at least two values"),
        ([1, 1], ValueError, r"all different, got \[1, 1\]"),
        ([1, np.inf], TypeError, r"k must hold finite numbers, or strings"),
        ([1, "a"], TypeError, r"k must hold finite numbers, or strings"),
        ("abc", TypeError, r"k must be a list of values, a Slider or a Choice, got 'abc'"),
        (3, TypeError, r"k must be a list of values, a Slider or a Choice, got 3"),
        (Slider(0, 1, step=0.1, value=2), ValueError, r"one of its values 0, 0.1, … 1, got 2"),
        (Choice(["a", "b"], "c"), ValueError, r"one of its values \['a', 'b'\], got 'c'"),
    ],
)
def test_controls_that_do_not_fit_are_refused_by_name(control, error, message):
    with pytest.raises(error, match=message):
        explore(wave, label="W", k=control)


@pytest.mark.parametrize(
    "options",
    [
        {"low": 1, "high": 0, "step": 1},
        {"low": 0, "high": 1, "step": 0},
        {"low": 0, "high": 1, "step": 1e-9},
        {"low": float("nan"), "high": 1, "step": 1},
    ],
)
def test_a_slider_needs_a_range_it_can_walk(options):
    with pytest.raises(ValueError, match="low < high, step > 0 and at most 1000 steps, got low="):
        Slider(options["low"], options["high"], step=options["step"])


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        (None, TypeError, r"<lambda> must return Curves or Picture, got NoneType for {'k': 1}"),
        (Picture(np.ones((2, 2)) * 3), ValueError, r"must lie in \[0, 1\], got 3.0 to 3.0"),
        (Picture(np.full((2, 2), np.nan)), ValueError, r"must lie in \[0, 1\], got nan"),
        (Picture(np.ones((2, 2, 4))), ValueError, r"got shape \(2, 2, 4\)"),
        (Curves({"a": ([1, 2], [1])}, "x", "y"), ValueError, r"series 'a': .* equally long"),
    ],
)
def test_results_that_do_not_fit_are_refused(result, error, message):
    with pytest.raises(error, match=message):
        explore(lambda k: result, label="R", k=[1, 2])


@pytest.mark.parametrize(
    "options",
    [{"series": {}}, {"yscale": "sqrt"}, {"ylim": (1, 0)}, {"yscale": "log", "ylim": (0, 1)}],
)
def test_curves_that_cannot_be_drawn_are_refused(options):
    with pytest.raises(ValueError, match="got"):
        Curves(**{"series": {"a": ([0, 1], [1, 2])}, "xlabel": "x", "ylabel": "y", **options})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"label": "L"}, "needs a function, or scene= with data="),
        ({"fn": wave, "scene": "descent", "label": "L"}, "needs a function, or scene="),
        ({"fn": wave, "label": "L"}, "at least one control"),
        ({"scene": "descent", "live": True, "label": "L"}, "live=True needs a function"),
        ({"fn": wave, "data": {}, "label": "L", "k": [1, 2]}, "scene= with data="),
        ({"fn": wave, "label": "L", "k": [1, 2], "depth": [1, 2]}, "'depth'"),
    ],
)
def test_calls_that_mean_nothing_are_refused(given, message):
    with pytest.raises(TypeError, match=message):
        explore(**given)


def test_a_scene_has_its_own_controls_and_takes_the_callers_values():
    made = explore(scene="descent", data=SCENE, label="D", lr=Slider(0.1, 1.2, step=0.1, value=0.5))
    rate, step = spec_of(made)["controls"]
    assert (rate["label"], rate["values"][rate["start"]], len(rate["values"])) == (
        "learning rate",
        0.5,
        12,
    )
    assert (step["values"], step["start"], step["play"]) == (list(range(13)), 12, True)
    usual = spec_of(explore(scene="descent", data=SCENE, label="D"))["controls"][0]["values"]
    largest = np.linalg.eigvalsh(SCENE["H"])[-1]
    assert min(usual) < 2 / largest < max(usual)  # both sides of the limit can be tried


@pytest.mark.parametrize(
    ("scene", "data", "message"),
    [
        ("ascent", {}, "scene must be one of .*convolution, .*descent.*, got 'ascent'"),
        ("descent", {}, r"needs H, w_star, w0, steps .* missing \['H', 'steps', 'w0', 'w_star'\]"),
        ("descent", {**SCENE, "lr": 1}, r"unknown \['lr'\]"),
        ("descent", {**SCENE, "H": [[1, 2], [2, 1]]}, "must be a positive definite 2×2 matrix"),
        ("descent", {**SCENE, "H": [[1, 2], [0, 1]]}, "must be a positive definite 2×2 matrix"),
        ("descent", {**SCENE, "w0": [np.nan, 0]}, r"data\['w0'\] must hold finite numbers"),
        ("descent", {**SCENE, "w0": [1, 2, 3]}, r"data\['w0'\] must be two numbers"),
        ("descent", {**SCENE, "w0": SCENE["w_star"]}, r"data\['w0'\] must differ from the minimum"),
        ("descent", {**SCENE, "steps": 500}, r"whole number from 1 to 200, got 500"),
        ("convolution", {"image": [[1]]}, r"needs image \(rows\) and kernels .*, got \['image'\]"),
        ("convolution", {**IMAGE, "image": np.ones((17, 17))}, r"image'\] .* at most 16×16"),
        ("convolution", {**IMAGE, "image": [[1, 2], [3]]}, "equally long rows"),
        ("convolution", {**IMAGE, "kernels": {"k": [1, 2]}}, r"kernels'\]\['k'\] must be"),
        ("convolution", {**IMAGE, "kernels": {"k": [[np.inf]]}}, "must hold finite numbers"),
    ],
)
def test_scene_data_that_do_not_fit_are_refused_by_name(scene, data, message):
    with pytest.raises(ValueError, match=message):
        explore(scene=scene, data=data, label="S")


def test_an_unknown_control_of_a_scene_is_refused_with_those_it_has():
    with pytest.raises(TypeError, match="scene 'descent' has controls lr, step, got 'momentum'"):
        explore(scene="descent", data=SCENE, label="D", momentum=[0, 0.9])


def test_live_calls_the_function_again_when_a_slider_moves(capsys):
    calls = []

    def record(k):
        calls.append(k)
        return wave(k)

    widget = explore(record, label="Live", live=True, k=[1, 2, 3])
    widget.children[0].value = 3
    assert calls[-1] == 3
    assert type(widget).__module__.startswith("ipywidgets")


def test_live_without_ipywidgets_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ImportError, match=r"needs the package ipywidgets; install it \(pip"):
        explore(wave, label="Live", live=True, k=[1, 2])


def test_importing_it_loads_no_plotting_library():
    code = (
        "import sys, d2l_lite.explore; print('matplotlib' in sys.modules, 'IPython' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "False"]


@pytest.mark.parametrize("name", ["descent", "convolution"])
def test_each_scene_stands_beside_its_python_side(name):
    part = importlib.import_module(f"d2l_lite.scenes.{name}")
    assert all(callable(getattr(part, role)) for role in ("check", "controls", "draw"))
