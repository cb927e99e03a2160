"""Explorables: figures with sliders that work in the built page, with no kernel."""

import base64
import html
import importlib
import io
import itertools
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from d2l_lite.embedding import FOLDER, embed
from d2l_lite.plotting import plot_curves, series_points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAX_STORED_BYTES = 100_000
_MAX_SETTINGS = 400
_MAX_STEPS = 1000
_STILL = """\
<p class="d2l-dead">{}: this figure moves where scripts run, in the book's pages and in a \
trusted notebook.</p>"""


@dataclass(frozen=True)
class Curves:
    """Lines to be drawn for one setting of the controls.

    `series` maps labels to `(x (n,), y (n,))`; what is not finite, or not positive on a log axis,
    leaves a gap. Without `ylim` all frames share one range. Labels are plain text; `text` says in
    one or two sentences what the reader sees.
    """

    series: Mapping[str, tuple[Any, Any]]
    xlabel: str
    ylabel: str
    xscale: Literal["linear", "log"] = "linear"
    yscale: Literal["linear", "log"] = "linear"
    ylim: tuple[float, float] | None = None
    text: str = ""

    def __post_init__(self) -> None:
        if not self.series or {self.xscale, self.yscale} - {"linear", "log"}:
            got = f"{len(self.series)} series, {self.xscale!r} and {self.yscale!r}"
            raise ValueError(f"Curves need a series, and scales 'linear' or 'log', got {got}")
        low, high = self.ylim or (1, 2)
        if not low < high or (self.yscale == "log" and low <= 0):
            rule = "ylim must be (low, high) with low < high, and positive on a log axis"
            raise ValueError(f"{rule}, got {self.ylim}")


@dataclass(frozen=True)
class Picture:
    """An image, `(h,w)` gray or `(h,w,3)` color, floats in [0, 1] or uint8, and what it shows."""

    image: Any
    text: str = ""


@dataclass(frozen=True)
class Choice:
    """A control over listed values: numbers give a slider, strings and booleans a menu.

    It starts at `value` (the first by default) and is called `label` (its name by default); `play`
    adds buttons that run it from first to last value, for a control that is time.
    """

    values: Sequence[Any]
    value: Any = None
    label: str | None = field(default=None, kw_only=True)
    play: bool = field(default=False, kw_only=True)


def Slider(  # noqa: N802 (it names the control that it makes)
    low: float, high: float, *, step: float, value: float | None = None, **options: Any
) -> Choice:
    """Return a control over the numbers `low`, `low + step`, … up to `high`.

    Args:
        low: the first value.
        high: the largest value allowed.
        step: distance of neighboring values.
        value: the value at the start, `low` by default.
        options: `label` and `play` as in `Choice`.

    Returns:
        The choice of these numbers.

    Raises:
        ValueError: `low < high` or `step > 0` does not hold, or there are more than 1000 steps.
    """
    if not (step > 0 and 0 < high - low <= _MAX_STEPS * step):
        rule = f"a Slider needs low < high, step > 0 and at most {_MAX_STEPS} steps"
        raise ValueError(f"{rule}, got low={low}, high={high}, step={step}")
    count = int((high - low) / step + 1e-9) + 1
    return Choice([low + i * step for i in range(count)], value, **options)


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
    start = values[0] if choice.value is None and values else choice.value
    if not all(isinstance(v, bool | str) for v in values):
        if not all(isinstance(v, int | float) and np.isfinite(v) for v in [*values, start]):
            raise TypeError(f"{name} must hold finite numbers, or strings, got {values}, {start!r}")
        values, start = [_rounded(v, 10) for v in values], _rounded(start, 10)
    if len(values) < 2 or len(set(values)) < len(values):
        raise ValueError(f"{name} needs at least two values, all different, got {values}")
    if start not in values:
        allowed = values if len(values) < 10 else f"{values[0]}, {values[1]}, … {values[-1]}"
        raise ValueError(f"{name} must start at one of its values {allowed}, got {start!r}")
    label = choice.label or name.replace("_", " ")
    at = values.index(start)
    return {"name": name, "label": label, "values": values, "start": at, "play": choice.play}


def _gaps(values: Any, scale: str) -> list[Any]:
    """Return numbers rounded to what a screen can show, None where the axis cannot show them."""
    values = np.asarray(values, dtype=float)
    shown = np.isfinite(values) & ((values > 0) | (scale == "linear"))
    spread = float(np.ptp(values[shown])) if scale == "linear" and shown.any() else 0.0
    size = float(np.abs(values[shown]).max()) if spread else 1.0
    digits = 4 + math.ceil(math.log10(size / spread)) if 0 < spread < size else 4
    return [_rounded(v, digits) if there else None for v, there in zip(values, shown, strict=True)]


def _limits(values: Iterable[Any], scale: str) -> list[float]:
    """Return the ends of an axis that shows all the values, with a small margin."""
    there = np.array([v for v in values if v is not None] or [1.0, 10.0], dtype=float)
    there = np.log10(there) if scale == "log" else there
    margin = 0.04 * float(np.ptp(there)) or 0.5
    ends = (float(there.min()) - margin, float(there.max()) + margin)
    return [_rounded(10**end if scale == "log" else end, 8) for end in ends]


def _picture(picture: Picture) -> dict[str, Any]:
    """Return a picture as bytes of its pixels."""
    image = np.asarray(picture.image)
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise ValueError(f"a Picture must be (h, w) or (h, w, 3), got shape {image.shape}")
    if image.dtype != np.uint8:
        low, high = image.min(), image.max()
        if not (low >= 0 and high <= 1):
            raise ValueError(f"a Picture of floats must lie in [0, 1], got {low} to {high}")
        image = np.rint(image * 255).astype(np.uint8)
    size = [*image.shape[:2], 3 if image.ndim == 3 else 1]
    return {"image": size, "pixels": base64.b64encode(image.tobytes()).decode()}


def _frames(results: list[Curves | Picture]) -> dict[str, Any]:
    """Return results as the numbers that the browser draws; equal arrays are stored once."""
    arrays: dict[str, int] = {}
    heads: dict[str, int] = {}
    frames: list[dict[str, Any]] = []
    for result in results:
        if isinstance(result, Picture):
            frames.append({**_picture(result), "text": result.text})
            continue
        series = []
        for label, given in result.series.items():
            x, y = series_points(label, given)
            columns = (_gaps(x, result.xscale), _gaps(y, result.yscale))
            texts = (json.dumps(column) for column in columns)
            series.append([label, *(arrays.setdefault(text, len(arrays)) for text in texts)])
        head = json.dumps([result.xlabel, result.ylabel, result.xscale, result.yscale, result.ylim])
        place = heads.setdefault(head, len(heads))
        frames.append({"head": place, "series": series, "text": result.text})
    pool = [json.loads(text) for text in arrays]
    axes = []
    for head, place in heads.items():
        used = [line for frame in frames if frame.get("head") == place for line in frame["series"]]
        axes.append(_axes(json.loads(head), used, pool))
    return {"arrays": pool, "heads": axes, "frames": frames}


def _axes(head: list[Any], used: list[Any], pool: list[list[Any]]) -> dict[str, Any]:
    """Return axes on which all these lines are seen, so that the axes do not jump."""
    xlabel, ylabel, xscale, yscale, ylim = head
    xlim = _limits(itertools.chain.from_iterable(pool[x] for _, x, _ in used), xscale)
    ylim = ylim or _limits(itertools.chain.from_iterable(pool[y] for _, _, y in used), yscale)
    labels = {"xlabel": xlabel, "ylabel": ylabel, "xscale": xscale, "yscale": yscale}
    return {**labels, "xlim": xlim, "ylim": ylim}


def _draw_frame(figure: "Figure", frame: dict[str, Any], data: dict[str, Any]) -> None:
    """Draw one stored frame with Matplotlib."""
    ax = figure.subplots()
    if "image" in frame:
        pixels = np.frombuffer(base64.b64decode(frame["pixels"]), np.uint8).reshape(frame["image"])
        ax.imshow(pixels, cmap="gray", vmin=0, vmax=255)
        ax.set_axis_off()
        return
    pool = [np.array(values, float) for values in data["arrays"]]
    head = dict(data["heads"][frame["head"]])
    limits = {name: head.pop(name) for name in ("xlim", "ylim")}
    plot_curves({name: (pool[x], pool[y]) for name, x, y in frame["series"]}, ax=ax, **head)
    ax.set(**limits)


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


@dataclass(frozen=True, repr=False)
class Explorable:
    """A figure with controls; a notebook shows it as HTML, elsewhere as a picture."""

    label: str
    html: str
    png: bytes

    def __repr__(self) -> str:
        return f"Explorable: {self.label}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        png = base64.b64encode(self.png).decode()
        return {"text/html": self.html, "image/png": png, "text/plain": repr(self)}


def _explorable(spec: dict[str, Any], png: bytes, scene: str | None = None) -> Explorable:
    """Return the explorable, or raise an error if a notebook should not hold that much."""
    files = ("core.css", "page.js", "core.js", *([f"{scene}.js"] if scene else []))
    call = f'core.mount("ID", {scene or "core.frames(spec)"}, spec);'
    still = _STILL.format(html.escape(spec["label"]))
    made = Explorable(
        spec["label"], embed("explorable", spec, files=files, call=call, still=still), png
    )
    size = sum(len(part.encode()) for part in made._repr_mimebundle_().values())
    if size > _MAX_STORED_BYTES:
        rule = f"must store at most {_MAX_STORED_BYTES // 1000} kB, got {size / 1000:.0f} kB"
        remedy = "give controls fewer values, curves fewer points or pictures fewer pixels"
        raise ValueError(f"the explorable {spec['label']!r} {rule}; {remedy}")
    return made


def _result(fn: Callable[..., Any], setting: dict[str, Any]) -> Curves | Picture:
    result = fn(**setting)
    if not isinstance(result, Curves | Picture):
        rule = f"{getattr(fn, '__name__', 'the function')} must return Curves or Picture"
        raise TypeError(f"{rule}, got {type(result).__name__} for {setting}")
    return result


def _explore_frames(fn: Callable[..., Any], spec: dict[str, Any]) -> Explorable:
    """Return the explorable of a function's results on the whole grid."""
    controls = spec["controls"]
    sizes = [len(control["values"]) for control in controls]
    if math.prod(sizes) > _MAX_SETTINGS:
        rule = f"the grid {' × '.join(map(str, sizes))} must have at most {_MAX_SETTINGS} settings"
        raise ValueError(f"{rule}, got {math.prod(sizes)}; give the controls fewer values")
    names = [control["name"] for control in controls]
    grid = itertools.product(*(control["values"] for control in controls))
    data = _frames([_result(fn, dict(zip(names, values, strict=True))) for values in grid])
    start = data["frames"][np.ravel_multi_index([c["start"] for c in controls], sizes)]
    png = _png(lambda figure: _draw_frame(figure, start, data))
    return _explorable({**spec, "data": data}, png)


def _plain(name: str, value: Any) -> Any:
    """Return scene data as lists of finite numbers and strings, or raise an error naming it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(f"{name}[{key!r}]", item) for key, item in value.items()}
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list | tuple):
        return [_plain(name, item) for item in value]
    if isinstance(value, str):
        return value
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} must hold finite numbers or strings, got {value!r}")
    return _rounded(value, 8)


def _explore_scene(scene: str, spec: dict[str, Any], given: dict[str, Any]) -> Explorable:
    """Return the explorable of a scene: its own controls, with the values that the caller gave."""
    files = (path.name for path in resources.files(FOLDER).iterdir())
    known = sorted(name[:-3] for name in files if name.endswith(".py") and name != "__init__.py")
    if scene not in known:
        raise ValueError(f"scene must be one of {', '.join(known)}, got {scene!r}")
    part = importlib.import_module(f"{FOLDER}.{scene}")
    data = _plain("data", spec["data"] or {})
    part.check(data)
    choices = {name: Choice(**options) for name, options in part.controls(data).items()}
    for name, own in given.items():
        if name not in choices:
            raise TypeError(f"scene {scene!r} has controls {', '.join(choices)}, got {name!r}")
        own, usual = own if isinstance(own, Choice) else Choice(own), choices[name]
        choices[name] = replace(own, label=own.label or usual.label, play=own.play or usual.play)
    controls = [_control(name, choice) for name, choice in choices.items()]
    values = {control["name"]: control["values"][control["start"]] for control in controls}
    png = _png(lambda figure: part.draw(figure, values, data), width=7.2)
    return _explorable({**spec, "controls": controls, "data": data}, png, scene)


def _explore_live(fn: Callable[..., Any], controls: list[dict[str, Any]]) -> Any:
    """Return widgets that call the function again with the kernel."""
    try:
        widgets = importlib.import_module("ipywidgets")
    except ImportError as error:
        remedy = "install it (pip install ipywidgets) or leave live=True out"
        raise ImportError(f"live=True needs the package ipywidgets; {remedy}") from error
    ipython = importlib.import_module("IPython.display")

    def show(**setting: Any) -> None:
        data = _frames([_result(fn, setting)])
        png = _png(lambda figure: _draw_frame(figure, data["frames"][0], data))
        ipython.display(ipython.Image(png))
        print(data["frames"][0]["text"])

    sliders = {}
    for control in controls:
        values, label = control["values"], control["label"]
        start = values[control["start"]]
        slider = widgets.SelectionSlider(options=values, value=start, description=label)
        sliders[control["name"]] = slider
    return widgets.interactive(show, **sliders)


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
    spec: dict[str, Any] = {"label": label, "caption": caption, "data": data}
    if scene is not None and fn is None and not live:
        return _explore_scene(scene, spec, controls)
    if fn is None or scene is not None or data is not None:
        raise TypeError(
            "explore needs a function, or scene= with data=; live=True needs a function"
        )
    if not controls:
        raise TypeError("explore needs at least one control, such as depth=[2, 5, 10]")
    spec["controls"] = [_control(name, given) for name, given in controls.items()]
    return _explore_live(fn, spec["controls"]) if live else _explore_frames(fn, spec)
