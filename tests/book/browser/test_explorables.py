"""Every explorable on every page moves: by keyboard, by mouse, by touch, and by dragging."""

import re
from functools import partial

import pytest
from playwright.sync_api import TimeoutError

from tests.book.built import HTML, pages
from tests.browser import Witness

REPORT = (
    "explorables.md",
    "Every control of every explorable",
    ["page", "explorable", "control", "by", "before", "after"],
)
SHELL = 'class="d2l-explorable"'
PAGES = [
    path.relative_to(HTML).as_posix()
    for path in pages()
    if SHELL in path.read_text(encoding="utf-8")
]
#: What a reader perceives of an explorable: its text, and a number that stands for its picture.
STATE = """(root) => {
  const canvas = root.querySelector("canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const pixels = new Uint32Array(data.buffer);
  let sum = 0;
  for (const value of pixels) sum = (Math.imul(sum, 31) + value) | 0;
  return { text: root.querySelector(".d2l-text").textContent, sum,
           blank: pixels.every((value) => value === pixels[0]) };
}"""
#: Puts the controls where they stood, and then one menu on one of its entries.
SETTLE = """([root, starts, menu, entry]) => {
  const inputs = [...root.querySelectorAll(".d2l-controls input, .d2l-controls select")];
  const put = (input, value) => {
    input.value = value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  };
  for (let pass = 0; pass < 2; pass++) inputs.forEach((input, i) => put(input, starts[i]));
  if (menu !== null) put(inputs[menu], entry);
}"""
CHANGED = f"""([root, before]) => {{
  const now = ({STATE})(root);
  return !now.blank && (now.text !== before.text || now.sum !== before.sum) && now;
}}"""


class Explorable:
    """An explorable of a page, as a reader meets it."""

    def __init__(self, page, element):
        self.page, self.element = page, element
        self.label = element.get_attribute("aria-label")
        element.wait_for_element_state("stable")
        page.wait_for_function("(root) => root.querySelector('canvas')?.width > 1", arg=element)
        element.scroll_into_view_if_needed()
        self.starts = [control.input_value() for control in self.controls()]

    def controls(self):
        return self.find(".d2l-controls input, .d2l-controls select")

    def settle(self, menu=None, entry=None):
        """Put every control where it stood, or one menu on another entry."""
        self.page.evaluate(SETTLE, [self.element, self.starts, menu, entry])

    def places(self):
        """Yield the settings from which a control is tried: the start, then each menu's entries."""
        yield None, None
        for i, control in enumerate(self.controls()):
            if not is_slider(control):
                for entry in range(control.evaluate("(e) => e.length")):
                    yield i, str(entry)

    def find(self, selector):
        return self.element.query_selector_all(selector)

    def change(self, act, *, patience=5000):
        """Return the text before and after an action that has to change text or picture."""
        before = self.element.evaluate(STATE)
        assert not before["blank"], f"{self.label}: the canvas shows nothing"
        act()
        after = self.page.wait_for_function(CHANGED, arg=[self.element, before], timeout=patience)
        text = after.json_value()["text"]
        if text == before["text"]:
            return [parting(text, text)[0], "the same text, another picture"]
        return parting(before["text"], text)


def parting(before, after, width=64):
    """Return both texts from a little before the place where they part."""
    same = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), 0)
    start = max(0, before.rfind(" ", 0, max(0, same - 12)) + 1)
    return [
        ("… " if start else "")
        + text[start : start + width]
        + (" …" if text[start + width :] else "")
        for text in (before, after)
    ]


def name_of(control):
    return control.evaluate(
        "(e) => e.labels?.length ? e.labels[0].firstChild.textContent : e.textContent"
    )


def is_slider(control):
    return control.get_attribute("type") == "range"


def by_keyboard(control):
    """Move a control as a hand on the keyboard does: an arrow, or the first letters of an entry."""
    control.focus()
    keyboard = control.owner_frame().page.keyboard
    if is_slider(control):
        at_end = control.evaluate("(e) => Number(e.value) >= Number(e.max)")
        return keyboard.press("ArrowLeft" if at_end else "ArrowRight")
    old = control.input_value()
    other = control.evaluate("(e) => [...e.options].find((o) => !o.selected).textContent")
    keyboard.type(re.match(r"\S*", other)[0])
    if control.input_value() == old:  # several entries begin alike
        keyboard.press(
            "ArrowDown" if control.evaluate("(e) => e.selectedIndex === 0") else "ArrowUp"
        )
    return None


def far_point(control):
    """Return a point on the far side of a slider's track."""
    control.scroll_into_view_if_needed()
    box = control.bounding_box()
    low_half = control.evaluate("(e) => Number(e.value) < Number(e.max) / 2")
    return box["x"] + box["width"] * (0.9 if low_half else 0.1), box["y"] + box["height"] / 2


def by_mouse(control):
    """Click a slider's track far from its thumb, or open a menu and choose."""
    page = control.owner_frame().page
    if is_slider(control):
        return page.mouse.click(*far_point(control))
    first = control.evaluate("(e) => e.selectedIndex === 0")
    control.click()
    page.keyboard.press("ArrowDown" if first else "ArrowUp")
    return page.keyboard.press("Enter")


def press(button):
    button.focus()
    button.owner_frame().page.keyboard.press("Space")


WAYS = {
    "keyboard": (by_keyboard, press),
    "mouse": (by_mouse, lambda button: button.click()),
}


@pytest.fixture
def explorables(context):
    """Return a function that opens a page and yields its explorables."""

    def found(name, context=context):
        page = context.new_page()
        page.goto(f"{HTML.as_uri()}/{name}")
        elements = page.query_selector_all(".d2l-explorable")
        assert elements
        return [Explorable(page, element) for element in elements]

    return found


def test_the_book_has_explorables():
    assert PAGES, "no page of the built book holds an explorable"


def first_change(explorable, acts):
    """Return what the first of several actions changes; one of them has to."""
    for act in acts:
        try:
            return explorable.change(act, patience=1500)
        except TimeoutError:
            continue
    raise AssertionError(f"{explorable.label}: nothing changes")


def drive(explorable, way):
    """Move every control, and yield (control, before, after).

    Each is moved from the start. One that only some entry of a menu needs, such as the momentum of
    an optimizer that has none at first, is tried with the other entries.
    """
    act, push = WAYS[way]

    def acts(control):
        for place in explorable.places():
            explorable.settle(*place)
            yield partial(act, control)

    for control in explorable.controls():
        yield name_of(control), *first_change(explorable, acts(control))
    for button in explorable.find(".d2l-controls button"):
        name = name_of(button)
        explorable.settle()
        if name == "Reset":  # which shows where something was moved
            act(explorable.controls()[0])
        yield name, *explorable.change(partial(push, button))
        if name_of(button) == "Pause":
            push(button)
            assert name_of(button) == name, "a second press pauses"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", PAGES)
def test_every_control_moves_text_or_picture(context, explorables, report, name, way):
    witness = Witness(context, HTML.as_uri())
    for explorable in explorables(name):
        rows = list(drive(explorable, way))
        assert rows, f"{explorable.label}: no control"
        report.rows += [
            [name, explorable.label, control, way, before, after] for control, before, after in rows
        ]
    assert witness.faults == []


@pytest.mark.parametrize("name", PAGES)
def test_a_finger_moves_a_slider_on_a_phone(browser, explorables, report, name):
    phone = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    try:
        for explorable in explorables(name, phone):
            sliders = explorable.find(".d2l-controls input[type=range]")
            for slider in sliders[:1]:
                point = far_point(slider)
                before, after = explorable.change(partial(explorable.page.touchscreen.tap, *point))
                report.rows.append(
                    [name, explorable.label, name_of(slider), "touch", before, after]
                )
    finally:
        phone.close()


GRAB = """([x, y]) => {
  const found = document.elementFromPoint(x, y);
  return found.tagName === "CANVAS" && getComputedStyle(found).cursor === "grab";
}"""


def places_to_grab(explorable):
    """Return the points of a canvas over which the pointer says that something can be dragged."""
    canvas = explorable.find("canvas")[0]
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    grid = [(i / 8, j / 6) for j in range(1, 6) for i in range(1, 8)]
    points = [(box["x"] + u * box["width"], box["y"] + v * box["height"]) for u, v in grid]
    for point in points:
        explorable.page.mouse.move(*point)
        if explorable.page.evaluate(GRAB, list(point)):
            yield point


@pytest.mark.parametrize("name", PAGES)
def test_a_canvas_that_offers_it_is_dragged(explorables, report, name):
    for explorable in explorables(name):
        if not explorable.find("canvas.d2l-drag"):
            continue
        places = list(places_to_grab(explorable))
        assert len(places) > 1, f"{explorable.label}: nowhere to grab"
        mouse = explorable.page.mouse

        def drag(end, start=places[0], mouse=mouse):
            mouse.move(*start)
            mouse.down()
            mouse.move(*end, steps=4)
            mouse.up()

        # What is dragged may already stand where one drag ends, but not where several do.
        ends = [places[-1], places[len(places) // 2], places[len(places) // 4]]
        before, after = first_change(explorable, (partial(drag, end) for end in ends))
        report.rows.append([name, explorable.label, "canvas", "drag", before, after])


PLANTED = {
    "deaf": ('addEventListener("input"', 'addEventListener("never"', "nothing changes"),
    "blank": ("scene.draw(ctx", "(() => 0)(ctx", "the canvas shows nothing"),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_dead_explorable_is_seen(context, tmp_path, fault):
    old, new, said = PLANTED[fault]
    text = (HTML / PAGES[0]).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "page.html").write_text(text.replace(old, new), encoding="utf-8")
    page = context.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    explorable = Explorable(page, page.query_selector(".d2l-explorable"))
    with pytest.raises(AssertionError, match=said):
        list(drive(explorable, "keyboard"))
