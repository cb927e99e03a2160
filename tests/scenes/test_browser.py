"""Explorables in a real browser: every scene of the folder, every control, by keys, mouse, touch.

`pytest -s` prints what each control did.
"""

import importlib
from functools import cache

import numpy as np
import pytest

from d2l_lite.embedding import read
from d2l_lite.explore import Choice, Slider, explore, scenes
from d2l_lite.frames import Curves, Picture
from tests.processes import distinct_outputs

NAMES = ["curves", "pictures", *scenes()]
SIZES = {"phone": (360, 1), "desktop at 2x": (720, 2)}
MARGIN = 16
#: How the page looks now. The picture is known by its pixels, the text by itself.
STATE = """
() => {
  const canvas = document.querySelector("canvas");
  const controls = [...document.querySelectorAll(".d2l-controls :is(input, select)")];
  const ink = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return {
    text: document.querySelector(".d2l-text").textContent,
    name: canvas.getAttribute("aria-label"),
    picture: canvas.toDataURL(),
    blank: !ink.some((part) => part !== ink[0]),
    values: Object.fromEntries(controls.map((input) => [input.name, input.value])),
    spoken: controls.map((input) => input.getAttribute("aria-valuetext")),
  };
}
"""


def curves(k, kind):
    x = np.linspace(0, 6, 60)
    series = {kind: (x, np.sin(k * x)), "half": (x, x / 6)}
    points = {"samples": (x[::6], np.cos(k * x[::6]))}
    return Curves(series, "x", "y", text=f"{k} {kind}", points=points)


def picture(shift, color):
    image = np.roll(np.random.default_rng(0).random((8, 8)), shift, 1)
    return Picture(np.stack([image] * 3, 2) if color else image)


@cache
def example(name):
    """Return what a page shows: frames of each kind, or a scene's own example."""
    if name == "curves":
        kind = Choice(["a", "b"], label="kind of line")
        return explore(curves, label="Curves", k=Slider(1, 9, step=1, play=True), kind=kind)
    if name == "pictures":
        return explore(picture, label="Picture", shift=[0, 1, 2, 3], color=[False, True])
    part = importlib.import_module(f"d2l_lite.scenes.{name}")
    return explore(scene=name, **part.example())


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture(params=SIZES)
def size(request):
    width, zoom = SIZES[request.param]
    touch = {"has_touch": True, "is_mobile": True} if width < 500 else {}
    return {"width": width, "device_scale_factor": zoom, **touch}


@pytest.fixture
def show(open_page):
    def ready(name, **options):
        page = open_page(example(name).html, **options)
        page.wait_for_function(f"!({STATE})().blank")  # pictures are decoded a moment later
        return page

    return ready


def state(page):
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    return page.evaluate(STATE)


def changed(before, after):
    """Return what a reader sees change: text, picture or both."""
    seen = [part for part in ("text", "picture") if before[part] != after[part]]
    assert after["name"].endswith(after["text"]), "the canvas is not named by what it shows"
    return " and ".join(seen)


#: Puts every control where the test wants to begin.
PUT = """
(values) => {
  for (const [name, value] of Object.entries(values)) {
    const input = document.querySelector(`.d2l-controls [name="${name}"]`);
    input.value = value;
    input.dispatchEvent(new Event("input"));
  }
}
"""


def did(page, *, name, way, before):
    """print what each control that moved has changed; return whether it was something."""
    after, all_seen = state(page), []
    for control, value in after["values"].items():
        if value != before["values"][control]:
            seen = changed(before, after)
            row = (name, control, way, before["values"][control], value, seen or "nothing")
            print("{:12} {:14} {:9} {:>4} → {:>4}  {}".format(*row))
            all_seen.append(seen)
    assert all_seen, f"{name}: {way} moved no control"
    assert not after["blank"]
    return all(all_seen)


def controls(page):
    found = page.locator(".d2l-controls :is(input, select)")
    return [found.nth(i) for i in range(found.count())]


def is_slider(control):
    return control.get_attribute("type") == "range"


def at_end(control):
    return control.evaluate("(c) => Number(c.value) === Number(c.max || c.length - 1)")


def press(page, control):
    control.focus()
    keys = ("ArrowRight", "ArrowLeft") if is_slider(control) else ("ArrowDown", "ArrowUp")
    page.keyboard.press(keys[at_end(control)])


def far_side(control):
    """Return a point on a slider's track that is far from its thumb."""
    box = control.bounding_box()
    part = 0.15 if control.evaluate("(c) => c.value / c.max") > 0.5 else 0.85
    return box["x"] + part * box["width"], box["y"] + box["height"] / 2


def click(page, control):
    if is_slider(control):
        page.mouse.click(*far_side(control))
    else:
        last = control.evaluate("(c) => c.length - 1")
        control.select_option(index=0 if at_end(control) else last)


def beginnings(page, control):
    """Yield the start, and the start with each menu elsewhere: some sliders act in one mode."""
    start = state(page)["values"]
    yield start
    for menu in controls(page):
        key = menu.get_attribute("name")
        if not is_slider(menu) and key != control.get_attribute("name"):
            for option in range(menu.evaluate("(c) => c.length")):
                yield {**start, key: str(option)}


@pytest.mark.parametrize("act", [press, click], ids=["keyboard", "mouse"])
def test_every_control_can_be_moved(show, name, act):
    page = show(name, device_scale_factor=2)
    start = state(page)["values"]
    for control in controls(page):
        assert control.get_attribute("data-lm-suppress-shortcuts") == "true"
        assert control.evaluate("(input) => input.labels[0].firstChild.textContent")
        page.evaluate(PUT, start)
        for values in beginnings(page, control):
            page.evaluate(PUT, values)
            before = state(page)
            act(page, control)
            if did(page, name=name, way=act.__name__, before=before):
                break
        else:
            pytest.fail(f"{name}: {control.get_attribute('name')} changes nothing in any mode")


def test_a_finger_moves_a_slider(show, name):
    page = show(name, width=360, has_touch=True, is_mobile=True)
    moved = []
    for control in filter(is_slider, controls(page)):
        before = state(page)
        page.touchscreen.tap(*far_side(control))
        moved.append(did(page, name=name, way="touch", before=before))
        if any(moved):
            return
    assert not moved, f"{name}: no slider changed anything under a finger"


#: Points of the canvas at which its scene lets itself be dragged, as its cursor says.
GRAB = """
(canvas) => {
  const box = canvas.getBoundingClientRect();
  const found = [];
  for (let x = 10; x < box.width; x += 24) for (let y = 10; y < box.height; y += 24) {
    const at = { clientX: box.x + x, clientY: box.y + y, isPrimary: true, pointerId: 1 };
    canvas.dispatchEvent(new PointerEvent("pointermove", at));
    if (canvas.style.cursor === "grab") found.push([at.clientX, at.clientY]);
  }
  return found;
}
"""


@pytest.mark.parametrize("width", [360, 720])
def test_dragging_moves_what_it_may(show, name, width):
    page = show(name, width=width)
    canvas = page.locator("canvas")
    if not canvas.evaluate("(canvas) => canvas.classList.contains('d2l-drag')"):
        pytest.skip(f"{name} offers no drag")
    places = canvas.evaluate(GRAB)
    assert places, "there is no place to drag at"
    before = state(page)
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in (places[len(places) // 2], places[-1]):
        page.mouse.move(*place)
        if state(page)["values"] != before["values"]:
            break
    page.mouse.up()
    assert did(page, name=name, way="drag", before=before)


def test_time_plays_pauses_and_resets(show, name):
    page = show(name)
    play = page.locator(".d2l-player button").first
    if not play.count():
        pytest.skip(f"{name} has no time")
    reset = page.get_by_role("button", name="Reset")
    reset.click()
    start = state(page)
    play.click()
    assert play.text_content() == "Pause"
    page.wait_for_function(f"(text) => ({STATE})().text !== text", arg=start["text"])
    play.click()
    assert play.text_content() == "Play"
    paused = state(page)["values"]
    page.wait_for_timeout(300)
    assert state(page)["values"] == paused
    reset.click()
    again = state(page)
    assert (again["values"], again["text"]) == (start["values"], start["text"])
    assert again["picture"] == start["picture"]


def test_with_reduced_motion_a_press_is_one_step(show, name):
    page = show(name, reduced_motion="reduce")
    step = page.get_by_role("button", name="Step")
    if not page.locator(".d2l-player").count():
        pytest.skip(f"{name} has no time")
    before = state(page)["values"]
    step.click()
    after = state(page)["values"]
    [moved] = [control for control in after if after[control] != before[control]]
    assert int(after[moved]) in (int(before[moved]) + 1, 0)  # at the end it begins again
    page.wait_for_timeout(300)
    assert state(page)["values"] == after


def test_the_page_keeps_its_theme_its_width_and_its_names(show, open_page, name, size):
    bare = set(open_page("", width=500).evaluate("Object.keys(window)"))
    page = show(name, **size)
    assert set(page.evaluate("Object.keys(window)")) - bare == set()
    root, canvas = page.locator(".d2l-explorable"), page.locator("canvas")
    width, zoom = size["width"] - 2 * MARGIN, size["device_scale_factor"]
    assert canvas.evaluate("(c) => [c.clientWidth, c.width]") == [width, zoom * width]
    assert root.evaluate("(e) => e.scrollWidth - e.clientWidth") <= 0
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    light = state(page)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_function(
        "document.querySelector('.d2l-explorable').style.colorScheme === 'dark'"
        if name != "pictures"
        else "true"
    )
    dark = state(page)
    assert (dark["picture"] == light["picture"]) == (name == "pictures")  # it has its own colors
    assert dark["text"] == light["text"]


def test_a_slider_speaks_its_value_not_its_index(show):
    page = show("curves")
    controls(page)[0].focus()
    page.keyboard.press("ArrowRight")
    after = state(page)
    assert (after["values"]["k"], after["spoken"][0], after["text"]) == ("1", "2", "2 a")


def test_two_copies_of_one_explorable_live_apart(open_page):
    page = open_page(example("curves").html, example("curves").html)
    page.wait_for_function("document.querySelectorAll('.d2l-text').length === 2")
    page.locator("input").first.focus()
    page.keyboard.press("End")
    texts = page.locator(".d2l-text").all_text_contents()
    assert texts == ["9 a", "1 a"]


def test_pictures_that_cannot_be_decoded_are_said_to_be_missing(open_page):
    broken = example("pictures").html.replace('"webp":"', '"webp":"AAAA')
    page = open_page(broken)
    page.wait_for_function(f"!({STATE})().blank")  # a sentence on the canvas


def test_the_core_and_every_scene_are_small(name):
    assert len(read("page.js", "core.js").encode()) <= 20_000
    made = example(name)
    stored = sum(len(part.encode()) for part in made._repr_mimebundle_().values())
    shared = len(read("core.css", "page.js", "core.js").encode())
    own = len(made.html.encode()) - shared
    print(f"{name:12} stored {stored / 1000:5.1f} kB, script and data {own / 1000:5.1f} kB")
    assert own <= 20_000
    assert stored <= 100_000
    if name in scenes():
        assert len(read(f"{name}.js").encode()) <= 9_000


BYTES = """
import hashlib
from tests.scenes.test_browser import NAMES, example
for name in NAMES:
    bundle = str(example(name)._repr_mimebundle_())
    print(name, hashlib.sha256(bundle.encode()).hexdigest())
"""


def test_two_processes_store_the_same_bytes_for_every_example():
    assert len(distinct_outputs(BYTES)) == 1
