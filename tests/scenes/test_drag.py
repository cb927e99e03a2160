"""A pointer on the canvas moves the controls that a scene lets it move; the keyboard still does."""

import pytest

from d2l_lite.embedding import embed

#: A scene whose picture is a point: x moves `k`, limited by `n`; y moves `size`. Nothing below 100,
#: and on the right a place that moves `n` too.
SCENE = """
const scene = {
  height: () => 200,
  describe: (values) => `k ${values.k}, size ${values.size}, n ${values.n}`,
  limits: (values) => ({ k: values.n }),
  draw: (ctx, values, data, theme) => core.disk(ctx, 10 * values.k, values.size, 5, theme.ink),
  drag: ([x, y]) => {
    if (x > 400 && x < 500) return { k: 15, n: 21 };
    return y > 100 ? null : { k: x / 10, size: y, kind: y > 90 ? "low" : "high" };
  },
};
core.mount("ID", scene, spec);
"""
CONTROLS = [
    {"name": "k", "label": "k", "values": list(range(21)), "start": 2, "play": True},
    {"name": "n", "label": "n", "values": [5, 11, 21], "start": 2, "play": False},
    {"name": "size", "label": "size", "values": [1, 10, 40, 90], "start": 1, "play": False},
    {"name": "kind", "label": "kind", "values": ["high", "low"], "start": 0, "play": False},
]
#: Counts what a screen reader is told: changes of the text while it is a live region.
LISTEN = """
window.told = [];
const text = document.querySelector(".d2l-text");
new MutationObserver((changes) => {
  if (text.getAttribute("aria-live") === "polite") told.push(text.textContent);
}).observe(text, { childList: true });
"""


@pytest.fixture
def dragged(open_page):
    def show(**options):
        html = embed(
            "explorable",
            {"label": "Drag", "controls": CONTROLS, "data": {}},
            files=("core.css", "page.js", "core.js"),
            call=SCENE,
            still='<p class="d2l-dead">still</p>',
        )
        page = open_page(html, **options)
        page.wait_for_selector("canvas.d2l-drag")
        page.evaluate(LISTEN)
        box = page.locator("canvas").bounding_box()
        return page, lambda x, y: (box["x"] + x, box["y"] + y)

    return show


def text_of(page):
    return page.locator(".d2l-text").text_content()


def settle(page):
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


def test_the_mouse_puts_every_control_on_the_nearest_value(dragged):
    page, at = dragged()
    page.mouse.move(*at(42, 28))
    assert text_of(page) == "k 2, size 10, n 21"  # no button is down
    page.mouse.down()
    assert text_of(page) == "k 4, size 40, n 21"
    page.mouse.move(*at(117, 92))
    assert text_of(page) == "k 12, size 90, n 21"
    assert page.locator("select").input_value() == "1"
    page.mouse.move(*at(9999, 3))  # the pointer is held outside the canvas
    assert text_of(page) == "k 20, size 1, n 21"
    page.mouse.up()
    page.mouse.move(*at(30, 30))
    assert text_of(page) == "k 20, size 1, n 21"
    assert page.locator("input").first.get_attribute("aria-valuetext") == "20"


def test_where_nothing_can_be_dragged_nothing_moves(dragged):
    page, at = dragged()
    cursors = []
    for y in (50, 150):
        page.mouse.move(*at(100, y))
        cursors.append(page.locator("canvas").evaluate("(canvas) => canvas.style.cursor"))
    assert cursors == ["grab", ""]
    page.mouse.down()
    page.mouse.move(*at(150, 50))
    assert text_of(page) == "k 2, size 10, n 21"


def test_a_bound_set_by_another_control_is_kept(dragged):
    page, at = dragged()
    page.locator("input").nth(1).focus()
    page.keyboard.press("Home")
    page.mouse.click(*at(150, 10))
    assert text_of(page) == "k 4, size 10, n 5"


def test_a_drag_may_move_a_bound_and_what_it_bounds(dragged):
    page, at = dragged()
    page.locator("input").nth(1).focus()
    page.keyboard.press("Home")
    page.mouse.click(*at(450, 10))
    assert text_of(page) == "k 15, size 10, n 21"


def test_one_message_is_read_aloud_at_the_end_of_a_drag(dragged):
    page, at = dragged()
    page.mouse.move(*at(30, 30))
    page.mouse.down()
    for x in (40, 60, 80):
        page.mouse.move(*at(x, 30))
    settle(page)
    assert page.evaluate("told") == []
    assert page.locator(".d2l-text").get_attribute("aria-live") == "off"
    page.mouse.up()
    settle(page)
    assert page.evaluate("told") == ["k 8, size 40, n 21"]
    assert page.locator(".d2l-text").get_attribute("aria-live") == "polite"


def test_a_drag_takes_over_from_what_plays(dragged):
    page, at = dragged()
    page.get_by_role("button", name="Play").click()
    page.mouse.click(*at(100, 40))
    assert page.get_by_role("button", name="Play").count() == 1
    page.wait_for_timeout(400)
    assert text_of(page) == "k 10, size 40, n 21"
    page.get_by_role("button", name="Reset").click()
    assert text_of(page) == "k 2, size 10, n 21"


def swipe(page, points):
    """Move one finger from point to point, as a touch screen reports it."""
    session = page.context.new_cdp_session(page)
    for i, (x, y) in enumerate(points):
        kind = "touchMove" if i else "touchStart"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_finger_drags_sideways_and_a_tap_puts(dragged):
    page, at = dragged(width=360, has_touch=True, is_mobile=True)
    page.touchscreen.tap(*at(70, 10))
    assert text_of(page) == "k 7, size 10, n 21"
    swipe(page, [at(70 + 10 * i, 10 + max(0, i - 5) * 10) for i in range(10)])
    assert text_of(page) == "k 16, size 40, n 21"


def test_a_finger_that_scrolls_leaves_the_controls_as_they_were(dragged):
    page, at = dragged(width=360, height=300, has_touch=True, is_mobile=True)
    page.evaluate("document.body.style.paddingBottom = '2000px'")
    swipe(page, [at(150, 90 - 12 * i) for i in range(12)])
    page.wait_for_function("scrollY > 20")
    assert text_of(page) == "k 2, size 10, n 21"


@pytest.mark.parametrize(
    ("values", "wanted", "place"),
    [
        ([0, 1, 10, 20], 0.4, 0),
        ([0, 1, 10, 20], 0.6, 1),
        ([20, 10, 0], -50, 2),
        ([0, 1, 10, 20], 99, 3),
        ([0, 1], "a", None),
        (["a", "b"], "b", 1),
        (["a", "b"], "c", None),
        ([0, 1], None, None),
    ],
)
def test_the_nearest_value_is_found(node, values, wanted, place):
    script = "return core.nearest(given.values, given.wanted ?? undefined) ?? null"
    assert node(script, values=values, wanted=wanted) == place


def test_a_number_that_is_none_moves_nothing(node):
    found = node("return [NaN, Infinity].map((v) => core.nearest([0, 1], v) ?? null)")
    assert found == [None, None]
