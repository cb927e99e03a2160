"""Explorables: figures with sliders that work in the built page, with no kernel."""

import base64
import hashlib
import html
import importlib
import io
import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from d2l_lite.plotting import plot_curves, series_points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAX_STORED_BYTES = 100_000
_MAX_FRAMES = 400
_SCENES = "d2l_lite.scenes"


@dataclass(frozen=True)
class Curves:
    """Lines to be drawn for one setting of the controls.

    Args:
        series: label to `(x (n,), y (n,))`; values that are not finite leave gaps.
        xlabel: what the horizontal axis shows, in plain text.
        ylabel: what the vertical axis shows, in plain text.
        xscale: "linear" or "log".
        yscale: "linear" or "log"; values up to 0 leave gaps on a log axis.
        ylim: lower and upper end; by default all frames share the range of all values.
        text: what the reader should see, in one or two sentences.
    """

    series: Mapping[str, tuple[Any, Any]]
    xlabel: str
    ylabel: str
    xscale: Literal["linear", "log"] = "linear"
    yscale: Literal["linear", "log"] = "linear"
    ylim: tuple[float, float] | None = None
    text: str = ""


@dataclass(frozen=True)
class Picture:
    """An image to be shown for one setting of the controls.

    Args:
        image: `(h,w)` gray or `(h,w,3)` color; floats in [0, 1] or uint8.
        text: what the reader should see, in one or two sentences.
    """

    image: Any
    text: str = ""


@dataclass(frozen=True)
class Choice:
    """A control over listed values: numbers give a slider, strings and booleans a menu.

    Args:
        values: what can be chosen, in this order.
        value: the value at the start, the first by default.
        label: the words beside the control, its name by default.
        play: whether buttons run it from first to last value, for a control that is time.
    """

    values: Sequence[Any]
    value: Any = None
    label: str | None = field(default=None, kw_only=True)
    play: bool = field(default=False, kw_only=True)


def Slider(  # noqa: N802 (reads as the kind of control that it makes)
    low: float,
    high: float,
    *,
    step: float,
    value: float | None = None,
    label: str | None = None,
    play: bool = False,
) -> Choice:
    """Return a control over evenly spaced numbers.

    Args:
        low: the first value.
        high: the largest value allowed.
        step: distance of neighboring values.
        value: the value at the start, `low` by default.
        label: the words beside the slider, its name by default.
        play: whether buttons run it from first to last value, for a slider that is time.

    Returns:
        The choice of `low`, `low + step`, … up to `high`.

    Raises:
        ValueError: `low < high` or `step > 0` does not hold.
    """
    if not (step > 0 and high > low):
        rule = "a Slider needs low < high and step > 0"
        raise ValueError(f"{rule}, got low={low}, high={high}, step={step}")
    count = int((high - low) / step + 1e-9) + 1
    return Choice([low + i * step for i in range(count)], value, label=label, play=play)


def _rounded(value: Any, digits: int = 4) -> Any:
    """Return a number with that many significant digits, as int where nothing is lost."""
    number = float(f"{float(value):.{digits}g}")
    return int(number) if number.is_integer() and abs(number) < 1e15 else number


def _control(name: str, given: Any) -> dict[str, Any]:
    """Return what the browser needs to know of one control."""
    choice = given if isinstance(given, Choice) else Choice(given)
    if isinstance(choice.values, str) or not isinstance(choice.values, Iterable):
        raise TypeError(f"{name} must be a list of values, a Slider or a Choice, got {given!r}")
    values = [v.item() if hasattr(v, "item") else v for v in choice.values]
    menu = all(isinstance(v, bool | str) for v in values)
    if not menu:
        if not all(isinstance(v, int | float) and np.isfinite(v) for v in values):
            raise TypeError(f"{name} must hold finite numbers, or strings, got {values}")
        values = [_rounded(v, 10) for v in values]
    if len(values) < 2 or len(set(values)) < len(values):
        raise ValueError(f"{name} needs at least two values, all different, got {values}")
    start = values[0] if choice.value is None else choice.value
    start = start if menu or isinstance(start, str) else _rounded(start, 10)
    if start not in values:
        allowed = values if menu else f"{values[0]}, {values[1]}, … {values[-1]}"
        raise ValueError(f"{name} must start at one of its values {allowed}, got {choice.value!r}")
    return {
        "name": name,
        "label": choice.label or name.replace("_", " "),
        "kind": "menu" if menu else "slider",
        "values": values,
        "start": values.index(start),
        "play": choice.play,
    }


def _gaps(values: Any, digits: int, scale: str) -> list[Any]:
    """Return rounded numbers, with None where the axis cannot show them."""
    shown = [np.isfinite(v) and (v > 0 or scale == "linear") for v in values]
    return [_rounded(v, digits) if there else None for v, there in zip(values, shown, strict=True)]


def _limits(values: Iterable[Any], scale: str) -> list[float]:
    """Return the ends of an axis that shows all the values, with a small margin."""
    there = np.array([v for v in values if v is not None] or [1.0, 10.0], dtype=float)
    there = np.log10(there) if scale == "log" else there
    margin = 0.04 * float(np.ptp(there)) or 0.5
    ends = (float(there.min()) - margin, float(there.max()) + margin)
    return [_rounded(10**end if scale == "log" else end) for end in ends]


class _Pool:
    """Distinct values in the order of their first use, so that equal arrays are stored once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[str, int] = {}

    def add(self, value: Any) -> int:
        place = self._places.setdefault(json.dumps(value), len(self.values))
        if place == len(self.values):
            self.values.append(value)
        return place


def _picture(picture: Picture) -> dict[str, Any]:
    """Return a picture as bytes of its pixels."""
    image = np.asarray(picture.image)
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise ValueError(f"a Picture must be (h, w) or (h, w, 3), got shape {image.shape}")
    if image.dtype != np.uint8:
        if not (np.isfinite(image).all() and image.min() >= 0 and image.max() <= 1):
            low, high = image.min(), image.max()
            raise ValueError(f"a Picture of floats must lie in [0, 1], got {low} to {high}")
        image = np.rint(image * 255).astype(np.uint8)
    size = [*image.shape[:2], 3 if image.ndim == 3 else 1]
    pixels = base64.b64encode(image.tobytes()).decode()
    return {"image": size, "pixels": pixels, "text": picture.text}


def _frames(results: list[Curves | Picture]) -> dict[str, Any]:
    """Return results as the numbers that the browser draws."""
    arrays, heads = _Pool(), _Pool()
    frames: list[dict[str, Any]] = []
    for result in results:
        if isinstance(result, Picture):
            frames.append(_picture(result))
            continue
        series = []
        for label, given in result.series.items():
            x, y = series_points(label, given)
            xs, ys = _gaps(x, 6, result.xscale), _gaps(y, 4, result.yscale)
            series.append([label, arrays.add(xs), arrays.add(ys)])
        head = [result.xlabel, result.ylabel, result.xscale, result.yscale, result.ylim]
        frames.append({"head": heads.add(head), "series": series, "text": result.text})
    axes = [_axes(head, i, frames, arrays.values) for i, head in enumerate(heads.values)]
    return {"arrays": arrays.values, "heads": axes, "frames": frames}


def _axes(head: list[Any], place: int, frames: list[dict[str, Any]], arrays: Any) -> dict[str, Any]:
    """Return axes that show every frame which uses them, so that they do not jump."""
    xlabel, ylabel, xscale, yscale, ylim = head
    used = [series for frame in frames if frame.get("head") == place for series in frame["series"]]
    xlim = _limits(itertools.chain.from_iterable(arrays[x] for _, x, _ in used), xscale)
    ylim = ylim or _limits(itertools.chain.from_iterable(arrays[y] for _, _, y in used), yscale)
    names = ("xlabel", "ylabel", "xscale", "yscale", "xlim", "ylim")
    return dict(zip(names, (xlabel, ylabel, xscale, yscale, xlim, list(ylim)), strict=True))


def _draw_frame(figure: "Figure", frame: dict[str, Any], data: dict[str, Any]) -> None:
    """Draw one stored frame with Matplotlib."""
    ax = figure.subplots()
    if "image" in frame:
        size = frame["image"] if frame["image"][2] == 3 else frame["image"][:2]
        pixels = np.frombuffer(base64.b64decode(frame["pixels"]), np.uint8).reshape(size)
        ax.imshow(pixels, cmap="gray", vmin=0, vmax=255)
        ax.set_axis_off()
        return
    arrays, head = data["arrays"], data["heads"][frame["head"]]
    lines = {
        label: (np.array(arrays[x], float), np.array(arrays[y], float))
        for label, x, y in frame["series"]
    }
    names = ("xlabel", "ylabel", "xscale", "yscale")
    plot_curves(lines, ax=ax, **{name: head[name] for name in names})
    ax.set(xlim=head["xlim"], ylim=head["ylim"])


def _png(draw: Callable[["Figure"], None], width: float = 4.8) -> bytes:
    """Return the fallback picture, reduced to 64 colors."""
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure
    from PIL import Image

    raw, small = io.BytesIO(), io.BytesIO()
    with plt.style.context(["default", "d2l_lite.d2l_lite"]):
        figure = Figure(figsize=(width, 3.0))
        draw(figure)
        figure.savefig(raw, format="png", dpi=120)
    Image.open(raw).convert("RGB").quantize(64).save(small, "png", optimize=True)
    return small.getvalue()


def _input(control: dict[str, Any]) -> str:
    """Return a labeled native control; JupyterLab leaves the keys to it."""
    name, label = html.escape(control["name"]), html.escape(control["label"])
    keys = 'data-lm-suppress-shortcuts="true"'
    if control["kind"] == "menu":
        options = "".join(
            f'<option value="{i}"{" selected" if i == control["start"] else ""}>'
            f"{html.escape(str(value))}</option>"
            for i, value in enumerate(control["values"])
        )
        return f'<label><span>{label}</span><select name="{name}" {keys}>{options}</select></label>'
    last = len(control["values"]) - 1
    return (
        f'<label><span>{label}</span><input type="range" name="{name}" min="0" max="{last}" '
        f'step="1" value="{control["start"]}" {keys}>'
        f'<span class="d2l-value" aria-hidden="true"></span></label>'
    )


def _read(name: str) -> str:
    """Return a file of the browser side without indentation and comment lines."""
    text = resources.files(_SCENES).joinpath(name).read_text(encoding="utf-8")
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


def _html(scene: str | None, spec: dict[str, Any], caption: str | None) -> str:
    """Return the markup, style and script of an explorable; ids follow from the content."""
    text = json.dumps(spec, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    digest = hashlib.sha256(f"{scene}|{text}|{caption}".encode()).hexdigest()[:12]
    buttons = '<button type="button">Play</button><button type="button">Reset</button>'
    play = any(control["play"] for control in spec["controls"])
    controls = "".join(map(_input, spec["controls"])) + (buttons if play else "")
    below = f'<p class="d2l-caption">{html.escape(caption)}</p>' if caption else ""
    code = _read("core.js") + ("" if scene is None else "\n" + _read(f"{scene}.js"))
    return (
        f'<div class="d2l-explorable" id="d2l-{digest}" role="group" '
        f'aria-label="{html.escape(spec["label"])}">\n'
        f"<style>\n{_read('core.css')}\n</style>\n"
        f'<div class="d2l-controls">{controls}</div>\n'
        f'<canvas role="img" aria-label="{html.escape(spec["label"])}"></canvas>\n'
        f'<p class="d2l-text" aria-live="polite"></p>\n{below}\n'
        f'<script>\n(function (module) {{\n"use strict";\n{code}\n'
        f"const spec = {text};\n"
        f'core.mount("d2l-{digest}", {scene or "core.frames(spec)"}, spec);\n}})();\n</script>\n'
        f"</div>"
    )


@dataclass(frozen=True)
class Explorable:
    """A figure with controls; a notebook shows it as HTML, elsewhere as a picture."""

    label: str
    html: str
    png: bytes

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {
            "text/html": self.html,
            "image/png": base64.b64encode(self.png).decode(),
            "text/plain": f"Explorable: {self.label}",
        }


def _stored(scene: str | None, spec: dict[str, Any], caption: str | None, png: bytes) -> Explorable:
    """Return the explorable, or raise an error if a notebook should not hold that much."""
    made = Explorable(spec["label"], _html(scene, spec, caption), png)
    size = sum(len(part.encode()) for part in made._repr_mimebundle_().values())
    if size > _MAX_STORED_BYTES:
        raise ValueError(
            f"the explorable {spec['label']!r} must store at most {_MAX_STORED_BYTES // 1000} kB, "
            f"got {size / 1000:.0f} kB; give controls fewer values, curves fewer points, "
            "or pictures fewer pixels"
        )
    return made


def _result(fn: Callable[..., Any], setting: dict[str, Any]) -> Curves | Picture:
    result = fn(**setting)
    if not isinstance(result, Curves | Picture):
        raise TypeError(
            f"{getattr(fn, '__name__', 'the function')} must return Curves or Picture, "
            f"got {type(result).__name__} for {setting}"
        )
    return result


def _explore_frames(fn: Callable[..., Any], spec: dict[str, Any], caption: Any) -> Explorable:
    names = [control["name"] for control in spec["controls"]]
    grid = list(itertools.product(*(control["values"] for control in spec["controls"])))
    if len(grid) > _MAX_FRAMES:
        raise ValueError(
            f"the grid of {', '.join(names)} must have at most {_MAX_FRAMES} settings, "
            f"got {len(grid)}; give the controls fewer values"
        )
    results = [_result(fn, dict(zip(names, setting, strict=True))) for setting in grid]
    data = _frames(results)
    sizes = [len(control["values"]) for control in spec["controls"]]
    start = int(np.ravel_multi_index([c["start"] for c in spec["controls"]], sizes))
    png = _png(lambda figure: _draw_frame(figure, data["frames"][start], data))
    return _stored(None, {**spec, "data": data}, caption, png)


def _plain(name: str, value: Any) -> Any:
    """Return scene data as lists of finite numbers and strings, or raise an error naming it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(f"{name}[{key!r}]", item) for key, item in value.items()}
    if isinstance(value, str) or value is None:
        return value
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(name, item) for item in value]
    if not np.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}")
    return _rounded(value, 8)


def _explore_scene(scene: str, data: Any, label: str, caption: Any, given: Any) -> Explorable:
    files = (path.name for path in resources.files(_SCENES).iterdir())
    known = sorted(name[:-3] for name in files if name.endswith(".js") and name != "core.js")
    if scene not in known:
        raise ValueError(f"scene must be one of {', '.join(known)}, got {scene!r}")
    part = importlib.import_module(f"{_SCENES}.{scene}")
    plain = _plain("data", data or {})
    part.check(plain)
    defaults = {name: Choice(**options) for name, options in part.controls(plain).items()}
    controls = _merged(scene, defaults, given)
    values = {c["name"]: c["values"][c["start"]] for c in controls}
    png = _png(lambda figure: part.draw(figure, values, plain), width=7.2)
    return _stored(scene, {"label": label, "controls": controls, "data": plain}, caption, png)


def _merged(scene: str, defaults: dict[str, Choice], given: Mapping[str, Any]) -> list[Any]:
    """Return a scene's controls, in its order, with the values that the caller gave."""
    for name in given:
        if name not in defaults:
            raise TypeError(f"scene {scene!r} has controls {', '.join(defaults)}, got {name!r}")
    controls = []
    for name, default in defaults.items():
        control = _control(name, given.get(name, default))
        own_label = isinstance(given.get(name), Choice) and given[name].label
        control["label"] = own_label or default.label or control["label"]
        control["play"] = control["play"] or default.play
        controls.append(control)
    return controls


def _explore_live(fn: Callable[..., Any], spec: dict[str, Any]) -> Any:
    """Return widgets that call the function again with the kernel."""
    try:
        widgets = importlib.import_module("ipywidgets")
    except ImportError as error:
        remedy = "install it (pip install ipywidgets) or leave live=True out"
        raise ImportError(f"live=True needs the package ipywidgets; {remedy}") from error
    image, text, inputs = widgets.Image(format="png"), widgets.Label(), {}
    for c in spec["controls"]:
        kind = widgets.Dropdown if c["kind"] == "menu" else widgets.SelectionSlider
        start = c["values"][c["start"]]
        inputs[c["name"]] = kind(options=c["values"], value=start, description=c["label"])

    def update(change: Any = None) -> None:
        data = _frames([_result(fn, {name: item.value for name, item in inputs.items()})])
        image.value = _png(lambda figure: _draw_frame(figure, data["frames"][0], data))
        text.value = data["frames"][0]["text"]

    for item in inputs.values():
        item.observe(update, names="value")
    update()
    return widgets.VBox([*inputs.values(), image, text])


def explore(
    fn: Callable[..., Curves | Picture] | None = None,
    *,
    scene: str | None = None,
    data: Mapping[str, Any] | None = None,
    label: str,
    live: bool = False,
    caption: str | None = None,
    **controls: Any,
) -> Any:
    """Return a figure with controls that works in the built page, with no kernel.

    Give either `fn`, which is called here for every combination of the controls' values, or the
    name of a `scene`, whose mathematics runs in the browser.

    Args:
        fn: function of the controls by keyword; returns `Curves` or `Picture`.
        scene: "descent" or "convolution".
        data: what the scene shows; each scene checks its keys.
        label: what the figure lets the reader explore; read by screen readers.
        live: whether the kernel calls `fn` at each change, with ipywidgets. Never store this form:
            without a kernel its sliders move and its picture does not.
        caption: a line of text below the figure.
        controls: name to a list of values, a `Slider` or a `Choice`. A scene has its own.

    Returns:
        An `Explorable` with HTML, a PNG fallback and plain text; with `live` a widget.

    Raises:
        TypeError: neither or both of `fn` and `scene`, an unknown control, a wrong result of `fn`.
        ValueError: values out of range or not finite, or more than 100 kB to store.
    """
    if scene is not None and fn is None and not live:
        return _explore_scene(scene, data, label, caption, controls)
    if fn is None or scene is not None:
        raise TypeError("explore needs a function or scene=, not both, and live=True a function")
    if not controls:
        raise TypeError("explore needs at least one control, such as depth=[2, 5, 10]")
    if data is not None:
        raise TypeError("data= belongs to a scene; the function should hold its own data")
    spec = {"label": label, "controls": [_control(name, c) for name, c in controls.items()]}
    return _explore_live(fn, spec) if live else _explore_frames(fn, spec, caption)
