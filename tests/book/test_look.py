"""The look of the built pages in a browser: first screen, buttons below the title, and paper."""

import json

import pytest

from tests import browser as driven
from tests.book.built import HTML, notebooks
from tests.browser import served

NOTEBOOKS = notebooks()
#: A chapter and an exercise set: what the buttons of the others hold is read from their files.
EACH_KIND = [NOTEBOOKS[0], next(name for name in NOTEBOOKS if name.startswith("exercises/"))]
#: Width of an A4 page between margins of 17 mm, in CSS pixels.
PAPER = {"width": 665, "height": 986}
HIDDEN = ".bd-sidebar-primary, .bd-header-article, .prev-next-footer, .d2l-run, .d2l-controls input"
CUT = """() => [...document.querySelectorAll('.bd-article :is(pre, img, canvas)')]
  .filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 1)
  .map((e) => e.outerHTML.slice(0, 80))"""
#: Mean brightness of what is drawn on a canvas, from 0 (black ink) to 255.
INK = """(canvas) => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let sum = 0, weight = 0;
  for (let i = 0; i < data.length; i += 4) {
    sum += data[i + 3] * (data[i] + data[i + 1] + data[i + 2]) / 3;
    weight += data[i + 3];
  }
  return sum / weight;
}"""


browser = driven.browser


@pytest.fixture
def opened(browser):
    """Open a page of the book with a size and a color scheme."""
    contexts = []

    def open_page(name, *, width=1280, height=800, scheme="light", root=""):
        size = {"width": width, "height": height}
        contexts.append(browser.new_context(viewport=size, color_scheme=scheme))
        page = contexts[-1].new_page()
        page.goto(f"{root or HTML.as_uri()}/{name}.html")
        page.wait_for_selector("html[data-theme]")
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_first_screen_shows_what_the_book_is(opened, width, height):
    page = opened("index", width=width, height=height)
    picture = page.locator(".d2l-showcase canvas")
    picture.wait_for()
    tops = [page.locator(x).first.bounding_box() for x in (".bd-article h1", ".lede")]
    assert all(box["y"] >= 0 and box["y"] + box["height"] <= height for box in tops)
    box = picture.bounding_box()
    assert box["y"] + min(box["height"], 250) <= height, (
        "the picture must begin on the first screen"
    )


def test_the_picture_of_the_front_page_moves(opened):
    page = opened("index")
    text = page.locator(".d2l-showcase .d2l-text")
    before = text.inner_text()
    page.locator(".d2l-showcase input").first.press("ArrowRight")
    assert text.inner_text() != before
    page.locator(".d2l-showcase a").last.click()
    page.wait_for_url("**#d2l-*")
    assert page.locator(f"#{page.url.rpartition('#')[2]} canvas").is_visible()


@pytest.mark.parametrize("name", EACH_KIND)
def test_a_notebook_is_downloaded_and_its_command_copied(opened, name):
    with served(HTML) as root:
        page = opened(name, root=root)
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        with page.expect_download() as download:
            page.get_by_role("link", name="Download notebook").click()
        assert "cells" in json.loads(download.value.path().read_text(encoding="utf-8"))
        page.get_by_role("button", name="Copy the command").click()
        page.get_by_role("button", name="Copied").wait_for()
        command = page.evaluate("navigator.clipboard.readText()")
        assert (
            command == f"jupyter lab {name}.ipynb" == page.locator(".d2l-command code").inner_text()
        )


def test_from_disk_a_notebook_is_opened_and_the_button_says_so(opened):
    page = opened(NOTEBOOKS[0])
    page.get_by_role("link", name="Open notebook file").click()
    assert page.url.endswith(f"_sources/{NOTEBOOKS[0]}.ipynb")


@pytest.mark.parametrize("name", ["index", *NOTEBOOKS])
def test_paper_holds_the_text_alone_and_all_of_it(opened, name):
    page = opened(name, **PAPER)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert not any(element.is_visible() for element in page.locator(HIDDEN).all())
    assert page.locator("h1:visible").count() == 1
    assert page.evaluate(CUT) == []
    answers = page.locator(".bd-article section > details")
    assert all(answers.nth(i).get_attribute("open") is not None for i in range(answers.count()))


def test_dark_pages_are_printed_light_and_stay_dark_on_the_screen(opened):
    page = opened("index", scheme="dark")
    canvas = page.locator(".d2l-showcase canvas")
    canvas.wait_for()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    # A picture painted before its style sheet came is painted anew with the next frame.
    page.wait_for_function(f"(canvas) => ({INK})(canvas) > 128", arg=canvas.element_handle())
    dark = canvas.evaluate(INK)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert canvas.evaluate(INK) < dark - 40, "ink must be dark on paper"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    assert canvas.evaluate(INK) == pytest.approx(dark, abs=2)


@pytest.mark.parametrize(
    ("scheme", "color"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 24, 29)")]
)
def test_prose_has_a_readable_measure_and_the_ground_follows_the_theme(opened, scheme, color):
    page = opened(NOTEBOOKS[0], width=1920, height=1080, scheme=scheme)
    paragraph = page.locator(".bd-article section section > p").first
    size = paragraph.evaluate(
        "(p) => p.getBoundingClientRect().width / parseFloat(getComputedStyle(p).fontSize)"
    )
    assert 28 <= size <= 38, "about 70 characters, of about half their size each"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == color
