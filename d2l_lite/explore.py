"""Explorables: figures with sliders that work in the built page, with no kernel."""

import base64
import difflib
import html
import importlib
import inspect
import io
import itertools
import math
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from d2l_lite import frames
from d2l_lite.embedding import FOLDER, embed
from d2l_lite.frames import Curves, Picture, rounded

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAX_STORED_BYTES = 100_000
_MAX_SETTINGS = 400
_MAX_STEPS = 1000
_OPTIONS = ("scene", "data", "label", "live", "caption")
_STILL = """\
<p class="d2l-dead">{}: this figure moves where scripts run, in the book's pages and in a \
trusted notebook.</p>"""


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


def _near(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: the known name that was probably meant, if any."""
    near = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _listed(values: list[Any]) -> str:
    """Return values as text, the middle left out where there are many."""
    return str(values) if len(values) < 10 else f"{values[0]}, {values[1]}, … {values[-1]}"


def _control(name: str, given: Any) -> dict[str, Any]:
    """Return what the browser needs to know of one control."""
    choice = given if isinstance(given, Choice) else Choice(given)
    if isinstance(choice.values, str) or not isinstance(choice.values, Iterable):
        rule = f"{name} must be a list of values, a Slider or a Choice"
        raise TypeError(f"{rule}, got {choice.values!r}")
    values = [v.item() if hasattr(v, "item") else v for v in choice.values]
    start = values[0] if choice.value is None and values else choice.value
    if not all(isinstance(v, bool | str) for v in values):
        if not all(isinstance(v, int | float) and np.isfinite(v) for v in [*values, start]):
            raise TypeError(f"{name} must hold finite numbers, or strings, got {values}, {start!r}")
        values, start = [rounded(v, 10) for v in values], rounded(start, 10)
    if len(values) < 2 or len(set(values)) < len(values):
        raise ValueError(f"{name} needs at least two values, all different, got {values}")
    if start not in values:
        rule = f"{name} must start at one of its values {_listed(values)}"
        raise ValueError(f"{rule}, got {start!r}")
    label = choice.label or name.replace("_", " ")
    at = values.index(start)
    return {"name": name, "label": label, "values": values, "start": at, "play": choice.play}


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


def _check_parameters(fn: Callable[..., Any], names: list[str]) -> None:
    """Raise a TypeError unless the function can be called with these keywords."""
    signature = inspect.signature(fn)
    try:
        signature.bind(**dict.fromkeys(names))
    except TypeError as error:
        known = [*signature.parameters, *_OPTIONS]
        near = "".join(_near(name, known) for name in names if name not in known)
        called = getattr(fn, "__name__", "the function")
        rule = f"{called}{signature} must take the controls {', '.join(names)}"
        raise TypeError(f"{rule}, got {str(error).removeprefix('got ')}{near}") from None


def _explore_frames(fn: Callable[..., Any], spec: dict[str, Any]) -> Explorable:
    """Return the explorable of a function's results on the whole grid."""
    controls = spec["controls"]
    sizes = [len(control["values"]) for control in controls]
    if math.prod(sizes) > _MAX_SETTINGS:
        rule = f"the grid {' × '.join(map(str, sizes))} must have at most {_MAX_SETTINGS} settings"
        raise ValueError(f"{rule}, got {math.prod(sizes)}; give the controls fewer values")
    names = [control["name"] for control in controls]
    grid = itertools.product(*(control["values"] for control in controls))
    results = [_result(fn, dict(zip(names, values, strict=True))) for values in grid]
    data = frames.store(results, sizes[-1])
    at = int(np.ravel_multi_index([c["start"] for c in controls], sizes))
    start = {"frame": data["frames"][at], "data": data}
    png = _png(lambda figure: frames.draw(figure, results[at], **start))
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
    return rounded(value, 8)


def scenes() -> list[str]:
    """Return the names of the scenes that stand in the package."""
    files = (path.name for path in resources.files(FOLDER).iterdir())
    return sorted(name[:-3] for name in files if name.endswith(".py") and name != "__init__.py")


def _scene_control(name: str, usual: Choice, given: Any) -> dict[str, Any]:
    """Return a scene's control with the values that the caller gave.

    A scene is written for its own strings and whole numbers; other numbers are free.
    """
    own = given if isinstance(given, Choice) else Choice(given)
    merged = replace(own, label=own.label or usual.label, play=own.play or usual.play)
    control, known = _control(name, merged), list(usual.values)
    free = any(isinstance(value, float) for value in known)
    for value in control["values"]:
        if value not in known and (isinstance(value, str) or not free):
            near = _near(str(value), [v for v in known if isinstance(v, str)])
            raise ValueError(f"{name} must keep to {_listed(known)}, got {value!r}{near}")
    return control


def _explore_scene(scene: str, spec: dict[str, Any], given: dict[str, Any]) -> Explorable:
    """Return the explorable of a scene: its own controls, with the values that the caller gave."""
    if scene not in scenes():
        near = _near(scene, scenes())
        raise ValueError(f"scene must be one of {', '.join(scenes())}, got {scene!r}{near}")
    part = importlib.import_module(f"{FOLDER}.{scene}")
    data = _plain("data", spec["data"] or {})
    part.check(data)
    usual = {name: Choice(**options) for name, options in part.controls(data).items()}
    for name in given:
        if name not in usual:
            near = _near(name, [*usual, *_OPTIONS])
            raise TypeError(f"scene {scene!r} has controls {', '.join(usual)}, got {name!r}{near}")
    controls = [_scene_control(name, usual[name], given.get(name, usual[name])) for name in usual]
    values = {control["name"]: control["values"][control["start"]] for control in controls}
    png = _png(lambda figure: part.draw(figure, values, data), width=7.2)
    return _explorable({**spec, "controls": controls, "data": data}, png, scene)


def _widget(widgets: Any, control: dict[str, Any]) -> Any:
    """Return the widget of one control, and the box that shows it with its play button."""
    values, start = control["values"], control["start"]
    shared = {"value": values[start], "description": control["label"]}
    shared["style"] = {"description_width": "initial"}
    if isinstance(values[0], bool | str):
        menu = widgets.Dropdown(options=[(str(value), value) for value in values], **shared)
        return menu, menu
    options = [(f"{value:.6g}".replace("-", "−"), value) for value in values]
    # The function may be slow: it is called where the slider comes to rest.
    slider = widgets.SelectionSlider(options=options, continuous_update=False, **shared)
    if not control["play"]:
        return slider, slider
    play = widgets.Play(min=0, max=len(values) - 1, value=start, interval=500)
    widgets.link((play, "value"), (slider, "index"))
    return slider, widgets.HBox([slider, play])


def _explore_live(fn: Callable[..., Any], spec: dict[str, Any]) -> Any:
    """Return widgets that call the function again with the kernel."""
    try:
        widgets = importlib.import_module("ipywidgets")
    except ImportError as error:
        remedy = "install it (pip install ipywidgets) or leave live=True out"
        raise ImportError(f"live=True needs the package ipywidgets; {remedy}") from error
    made = {control["name"]: _widget(widgets, control) for control in spec["controls"]}
    image, text = widgets.Image(format="png"), widgets.HTML()

    def show(change: Any = None) -> None:
        try:
            result = _result(fn, {name: widget.value for name, (widget, _) in made.items()})
            data = frames.store([result])
            # The picture is replaced in its place, when the next one is complete: nothing flickers.
            stored = {"frame": data["frames"][0], "data": data}
            image.value = _png(lambda figure: frames.draw(figure, result, **stored))
            text.value = html.escape(result.text)
        except Exception:  # an error in the reader's own function belongs on the page
            text.value = f"<pre>{html.escape(traceback.format_exc())}</pre>"

    for widget, _ in made.values():
        widget.observe(show, "value")
    show()
    caption = [widgets.Label(spec["caption"])] if spec["caption"] else []
    return widgets.VBox([*(box for _, box in made.values()), image, text, *caption])


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
        scene: one of SCENES.
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
    _check_parameters(fn, list(controls))
    spec["controls"] = [_control(name, given) for name, given in controls.items()]
    return _explore_live(fn, spec) if live else _explore_frames(fn, spec)


if explore.__doc__:  # python -OO has none
    explore.__doc__ = explore.__doc__.replace("SCENES", ", ".join(scenes()))
