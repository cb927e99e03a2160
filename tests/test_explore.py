"""What an explorable stores is what was computed, in little space, with stable bytes."""

import base64
import importlib
import io
import json
import re
import subprocess
import sys
from importlib import resources

import numpy as np
import pytest
from PIL import Image

from d2l_lite.explore import FOLDER, Choice, Slider, explore, scenes
from d2l_lite.frames import Curves, Picture
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
    assert spec["data"]["texts"] == [f"{setting['phase']} {setting['k']}" for setting in expected]


def numbers(stored):
    """Return a stored array as the browser reads it; gaps are NaN."""
    if not isinstance(stored[0], str):
        return np.array(stored, dtype=float)
    text, low, high, is_log = stored
    codes = np.frombuffer(base64.b64decode(text), "<u2")
    values = np.where(codes == 65_535, np.nan, low + codes / 65_534 * (high - low))
    return 10**values if is_log else values


def lines_of(data, frame):
    """Return the lines, then the sets of points, of a stored frame: label, x and y each."""
    _, labels, *places = frame
    series, points = data["labels"][labels]
    columns = iter([numbers(data["arrays"][place]) for place in places])
    return [(name, next(columns), next(columns)) for name in [*series, *points]]


def test_stored_numbers_are_those_of_the_function():
    spec = spec_of(explore(wave, label="Waves", k=[1, 2, 3]))
    for k, frame in zip((1, 2, 3), spec["data"]["frames"], strict=True):
        [(label, x, y)] = lines_of(spec["data"], frame)
        true = wave(k).series["wave"]
        assert label == "wave"
        np.testing.assert_allclose(x, true[0], atol=1e-3)
        np.testing.assert_allclose(y, true[1], atol=1e-3)


def test_many_numbers_take_two_bytes_each_and_keep_their_gaps_on_both_scales():
    x = np.arange(200) / 7
    y = np.exp(x) * 1e-9
    y[5] = np.nan

    def grown(k, yscale):
        return Curves({"y": (x, k * y)}, "x", "y", yscale=yscale)

    made = explore(grown, label="G", k=[1, 2], yscale=["linear", "log"])
    data = spec_of(made)["data"]
    for frame, k in zip(data["frames"], (1, 1, 2, 2), strict=True):
        [(_, _, found)] = lines_of(data, frame)
        log = frame[0] == data["frames"][1][0]
        error = np.abs(np.log10(found) - np.log10(k * y)) if log else np.abs(found - k * y)
        height = np.ptp(np.log10(y[~np.isnan(y)])) if log else k * np.nanmax(y)
        assert np.nanmax(error) <= 1e-3 * height  # a tenth of a pixel is 3e-4 of a picture
        assert np.isnan(found).nonzero()[0].tolist() == [5]
    assert len(data["arrays"]) == 5
    assert all(len(json.dumps(array)) < 2 * 4 / 3 * 200 + 60 for array in data["arrays"])


def test_rounding_keeps_a_small_spread_on_a_large_offset():
    def offset(k):
        x = np.arange(20)
        return Curves({"y": (x + 2000, 1 + 1e-6 * k * x)}, "year", "y")

    data = spec_of(explore(offset, label="Offset", k=[1, 2]))["data"]
    for k, frame in zip((1, 2), data["frames"], strict=True):
        [(_, x, y)] = lines_of(data, frame)
        np.testing.assert_allclose(x, range(2000, 2020), atol=2e-4)
        np.testing.assert_allclose(y, 1 + 1e-6 * k * np.arange(20), atol=1e-8 * k)


def test_what_an_axis_cannot_show_is_a_gap():
    def gaps(scale):
        y = [1.0, np.nan, -2.0, np.inf, 0.0, 5.0]
        return Curves({"y": (range(6), y)}, "x", "y", yscale=scale)

    data = spec_of(explore(gaps, label="Gaps", scale=["linear", "log"]))["data"]
    linear, log = (lines_of(data, frame)[0][2].tolist() for frame in data["frames"])
    assert linear == pytest.approx([1, np.nan, -2, np.nan, 0, 5], nan_ok=True)
    assert log == pytest.approx([1, np.nan, np.nan, np.nan, np.nan, 5], nan_ok=True)


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


def unpacked(data):
    """Return every picture of the stored sheets, in the order of the frames."""
    pictures = []
    for sheet in data["sheets"]:
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(sheet["webp"]))).convert("RGB"))
        (h, w), (rows, columns) = sheet["size"], sheet["grid"]
        assert pixels.shape == (rows * h, columns * w, 3)
        for i, j in np.ndindex(rows, columns):
            if i * columns + j == sheet["count"]:
                break
            if sheet["woven"]:
                row, column = np.arange(h), np.arange(w)
                y = row * rows + np.where(row % 2, rows - 1 - i, i)
                x = column * columns + np.where(column % 2, columns - 1 - j, j)
                pictures.append(pixels[np.ix_(y, x)])
            else:
                pictures.append(pixels[i * h : (i + 1) * h, j * w : (j + 1) * w])
    return [pictures[place] for place in data["frames"]]


def blobs(size, n):
    """Return an n × n grid of gray pictures that change little from one to the next."""
    y, x = np.mgrid[:size, :size] / (size - 1)
    places = np.linspace(0.2, 0.8, n)
    return np.array(
        [
            np.exp(-((x - a) ** 2 + (y - b) ** 2) / 0.05) * (0.6 + 0.4 * np.cos(9 * a * x))
            for a in places
            for b in places
        ]
    )


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3), (5, 4), (1, 1)])
@pytest.mark.parametrize("count", [2, 3, 5, 12])
def test_small_pictures_are_stored_exactly(shape, count):
    images = np.random.default_rng(0).random((count, *shape))
    made = explore(lambda i: Picture(images[i], text=str(i)), label="P", i=list(range(count)))
    data = spec_of(made)["data"]
    assert data["texts"] == [str(i) for i in range(count)]
    for image, pixels in zip(images, unpacked(data), strict=True):
        expected = image if image.ndim == 3 else np.repeat(image[..., None], 3, 2)
        np.testing.assert_allclose(pixels / 255, expected, atol=0.5 / 255 + 1e-9)


def test_neighbors_that_look_alike_are_woven_and_strangers_are_not():
    alike = blobs(20, 15)
    strangers = np.kron(np.random.default_rng(0).random((4, 4, 4)), np.ones((8, 8)))
    woven = []
    for images, shape in ((alike, (15, 15)), (strangers, (2, 2))):
        cube = images.reshape(*shape, *images.shape[1:])
        values = [list(range(n)) for n in shape]
        made = explore(lambda i, j, c=cube: Picture(c[i, j]), label="P", i=values[0], j=values[1])
        data = spec_of(made)["data"]
        woven.append(data["sheets"][0]["woven"])
        for image, pixels in zip(images, unpacked(data), strict=True):
            assert np.abs(pixels[..., 0] / 255 - image).max() < 24 / 255
    assert woven == [True, False]


def test_225_pictures_of_28_by_28_cost_little_and_lose_little():
    cube = blobs(28, 15).reshape(15, 15, 28, 28)
    made = explore(
        lambda a, b: Picture(cube[a, b]), label="P", a=list(range(15)), b=list(range(15))
    )
    core = len(explore(flat, label="F", value=[1, 2]).html.split("const spec")[0])
    assert len(made.html.encode()) - core <= 20_000
    pixels = np.array(unpacked(spec_of(made)["data"]))[..., 0]
    error = pixels.reshape(cube.shape) - 255 * cube
    print("largest error", np.abs(error).max(), "root mean square", np.sqrt((error**2).mean()))
    assert np.abs(error).max() <= 24
    assert np.sqrt((error**2).mean()) <= 3


def test_400_frames_of_pictures_and_curves_can_be_stored():
    def mixed(i, j):
        return Picture(np.full((6 + j % 2, 8), i / 20)) if j else flat(i)

    data = spec_of(explore(mixed, label="M", i=list(range(20)), j=list(range(20))))["data"]
    assert [sheet["count"] for sheet in data["sheets"]] == [200, 180]
    assert sum(isinstance(frame, list) for frame in data["frames"]) == 20
    pictures = {k: frame for k, frame in enumerate(data["frames"]) if not isinstance(frame, list)}
    found = unpacked({**data, "frames": list(pictures.values())})
    for k, pixels in zip(pictures, found, strict=True):
        i, j = divmod(k, 20)
        assert pixels.shape == (6 + j % 2, 8, 3)
        assert (pixels == np.rint(255 * i / 20)).all()


def test_pictures_too_large_for_a_sheet_are_refused():
    wide = np.zeros((1, 400), np.uint8)
    with pytest.raises(ValueError, match=r"2 × 50 pictures .* 16383 pixels a side, got 1 × 400"):
        explore(lambda i, j: Picture(wide), label="P", i=[0, 1], j=list(range(50)))


def test_points_are_stored_beside_lines_and_seen_by_the_axes():
    def scattered(k):
        points = {"data": ([0, 5], [k, 9]), "more": ([1], [np.nan])}
        return Curves({"fit": ([1, 2], [1, 2])}, "x", "y", points=points)

    data = spec_of(explore(scattered, label="S", k=[1, -4]))["data"]
    [head] = data["heads"]
    assert head["xlim"] == pytest.approx([-0.2, 5.2])
    assert head["ylim"] == pytest.approx([-4 - 0.52, 9 + 0.52])
    _, (name, x, y), (_, _, gap) = lines_of(data, data["frames"][1])
    assert (name, x.tolist(), y.tolist()) == ("data", [0, 5], [-4, 9])
    assert np.isnan(gap).all()
    assert spec_of(explore(flat, label="F", value=[1, 2]))["data"]["labels"][0][1] == []


def test_points_alone_make_a_frame_and_its_picture():
    def cloud(k):
        return Curves({}, "x", "y", points={"cloud": ([0, 1, 2], [k, k, k])})

    made = explore(cloud, label="C", k=[1, 2])
    assert spec_of(made)["data"]["labels"] == [[[], ["cloud"]]]
    pixels = np.asarray(Image.open(io.BytesIO(made.png)).convert("RGB"), int)
    blue = (np.abs(pixels - [0x00, 0x72, 0xB2]).max(2) < 30).sum()
    assert blue > 3 * 20  # three disks and the one of the legend


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
from d2l_lite.explore import Slider, explore
from d2l_lite.frames import Curves
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
        return Curves({"y": (range(9000), rng.random(9000))}, "x", "y")

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


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("momentum", "$"),
        ("steps", "; did you mean 'step'"),
        ("captoin", "; did you mean 'caption'"),
    ],
)
def test_an_unknown_control_of_a_scene_is_refused_with_those_it_has(name, end):
    message = f"scene 'descent' has controls lr, step, got '{name}'{end}"
    with pytest.raises(TypeError, match=message):
        explore(scene="descent", data=SCENE, label="D", **{name: [0, 1]})


@pytest.mark.parametrize(
    ("scene", "data", "controls", "message"),
    [
        ("convolution", IMAGE, {"stride": [0, 1]}, r"stride must keep to \[1, 2, 3\], got 0$"),
        ("convolution", IMAGE, {"kernel": ["edge", "blurr"]}, "'blurr'; did you mean 'blur'"),
        ("descent", SCENE, {"step": [0, 500]}, r"step must keep to 0, 1, … 12, got 500"),
        ("descent", SCENE, {"lr": ["slow", "fast"]}, "lr must keep to .*, got 'slow'"),
    ],
)
def test_values_that_a_scene_is_not_written_for_are_refused(scene, data, controls, message):
    with pytest.raises(ValueError, match=message):
        explore(scene=scene, data=data, label="S", **controls)


def test_a_single_value_is_refused_as_it_was_written():
    with pytest.raises(TypeError, match=r"lr must be a list .*, got 0\.1$"):
        explore(scene="descent", data=SCENE, label="D", lr=0.1)


@pytest.mark.parametrize(
    ("controls", "message"),
    [
        ({"k": [1, 2], "phse": ["sine"]}, r"wave\(k, .*\) .* 'phse'; did you mean 'phase'\?$"),
        ({"k": [1, 2], "captoin": "A"}, r"'captoin'; did you mean 'caption'\?$"),
        ({"phase": ["sine", "cosine"]}, "wave.* must take the controls phase, got missing .* 'k'$"),
    ],
)
@pytest.mark.parametrize("live", [False, True])
def test_controls_that_the_function_does_not_take_are_refused(controls, message, live):
    with pytest.raises(TypeError, match=message):
        explore(wave, label="W", live=live, **controls)


def test_the_documentation_lists_the_scenes_that_there_are():
    there = {path.stem for path in resources.files(FOLDER).iterdir() if path.suffix == ".js"}
    assert {"convolution", "descent"} <= set(scenes()) <= there
    assert f"scene: one of {', '.join(scenes())}." in explore.__doc__


def live_parts(widget):
    """Return controls by label, the picture and the text of a live form."""
    found, rest = {}, [widget]
    while rest:
        part = rest.pop(0)
        rest = [*getattr(part, "children", ()), *rest]
        name = type(part).__name__
        found[part.description if name in ("SelectionSlider", "Dropdown") else name] = part
    return found


def live_wave(k, phase):
    if k == 3 and phase == "cosine":
        raise ZeroDivisionError("no <wave> today")
    return wave(k, phase)


@pytest.fixture
def live():
    made = explore(
        live_wave,
        label="Live",
        caption="A wave",
        live=True,
        k=Choice([1, 2, -3e-7, 3], 2, label="wave number", play=True),
        phase=["sine", "cosine"],
    )
    return live_parts(made)


def test_live_shows_the_same_controls_and_text(live):
    slider, menu = live["wave number"], live["phase"]
    assert (slider.value, menu.value) == (2, "sine")
    assert [text for text, _ in slider.options] == ["1", "2", "−3e−07", "3"]
    assert not slider.continuous_update  # a slow function is called where the slider rests
    assert live["HTML"].value == "sine 2"
    assert live["Label"].value == "A wave"


def test_live_calls_the_function_again_when_a_control_moves(live):
    seen = []
    for name, value in (("wave number", 1), ("phase", "cosine")):
        live[name].value = value
        seen.append((live["HTML"].value, live["Image"].value))
    assert [text for text, _ in seen] == ["sine 1", "cosine 1"]
    assert seen[0][1] != seen[1][1]
    assert Image.open(io.BytesIO(seen[1][1])).size == (576, 360)


def test_live_plays_the_control_that_is_time(live):
    play = live["Play"]
    assert (play.min, play.max, play.value) == (0, 3, 1)
    play.value = 3
    assert live["wave number"].value == 3
    live["wave number"].value = 1
    assert play.value == 0
    assert live["HTML"].value == "sine 1"


def test_live_shows_an_error_of_the_function_and_recovers(live):
    picture = live["Image"].value
    live["phase"].value = "cosine"
    live["wave number"].value = 3
    assert "ZeroDivisionError: no &lt;wave&gt; today" in live["HTML"].value
    assert "live_wave" in live["HTML"].value  # the reader sees where
    live["wave number"].value = 2
    assert live["HTML"].value == "cosine 2"
    assert live["Image"].value != picture


def test_live_is_a_widget_which_the_gates_keep_out_of_notebooks(live):
    assert {type(part).__module__.split(".")[0] for part in live.values()} == {"ipywidgets"}


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


@pytest.mark.parametrize("name", scenes())
def test_each_scene_stands_beside_its_python_side(name):
    part = importlib.import_module(f"d2l_lite.scenes.{name}")
    assert all(callable(getattr(part, role)) for role in ("check", "controls", "draw"))
