"""What a reader does: search, switch the theme, turn pages, copy, unfold; on any width."""

import re

import pytest

from tests.book.built import HTML, documents, pages
from tests.browser import Witness

NAMES = [path.relative_to(HTML).as_posix() for path in pages()]
CHAPTER = "chapters/convolution.html"
#: A word of one chapter that the front page and the side bars do not hold.
WORD = "dilation"
WIDTHS = (360, 768, 1280)
#: Side bars slide in, and focus fades in: what they are is known when that is over.
SETTLED = """async () => {
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  await Promise.all(document.getAnimations().map((a) => a.finished.catch(() => 0)));
}"""


def open_page(context, home, name):
    page = context.new_page()
    page.goto(f"{home}/{name}")
    page.evaluate(SETTLED)
    return page


# --- search -----------------------------------------------------------------------------------


def test_search_lists_pages_that_hold_the_word(home, context):
    witness = Witness(context, home)
    page = open_page(context, home, "index.html")
    page.locator(".search-button-field, .search-button").locator("visible=true").first.click()
    page.keyboard.type(WORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=*")
    results = page.locator("#search-results li a")
    results.first.wait_for()
    links = results.evaluate_all("(all) => all.map((a) => a.href.split(/[?#]/)[0])")
    assert f"{home}/{CHAPTER}" in links
    results.first.click()
    page.wait_for_url(lambda url: "search.html" not in url)
    assert WORD in page.locator("article").inner_text().lower()
    assert witness.faults == []


def test_search_says_so_when_no_page_holds_the_word(home, context):
    page = open_page(context, home, "search.html?q=xylophonist")
    page.get_by_text("did not match any documents").wait_for()
    assert page.locator("#search-results li a").count() == 0


# --- the theme --------------------------------------------------------------------------------

BRIGHTNESS = """() => {
  const parts = getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).map(Number);
  return 0.299 * parts[0] + 0.587 * parts[1] + 0.114 * parts[2];
}"""


def theme_of(page):
    return page.evaluate("document.documentElement.dataset.theme")


def switch_to(page, theme):
    """Press the theme switch until the page has that theme, and return how often."""
    for presses in range(1, 4):
        page.locator(".theme-switch-button").locator("visible=true").first.click()
        if page.evaluate("document.documentElement.dataset.mode") == theme:
            return presses
    return pytest.fail(f"three presses of the switch did not give the {theme} theme")


def test_the_dark_theme_stays_over_a_reload_and_on_the_next_page(home, context):
    page = open_page(context, home, "index.html")
    switch_to(page, "light")
    assert page.evaluate(BRIGHTNESS) > 200
    switch_to(page, "dark")
    assert page.evaluate(BRIGHTNESS) < 60
    page.reload()
    assert (theme_of(page), page.evaluate(BRIGHTNESS) < 60) == ("dark", True)
    page.locator("a.right-next").click()
    page.wait_for_url(lambda url: "index.html" not in url)
    assert (theme_of(page), page.evaluate(BRIGHTNESS) < 60) == ("dark", True)


# --- widths -----------------------------------------------------------------------------------

#: Elements of the article that end outside the window or outside a parent that cuts them off.
CUT = """() => {
  const faults = [];
  const shown = (e) => e.checkVisibility({ visibilityProperty: true }) && e.getClientRects().length;
  const name = (e) => `${e.tagName.toLowerCase()}.${[...e.classList].join(".")}#${e.id}`;
  const scrolls = (e) => ["auto", "scroll"].includes(getComputedStyle(e).overflowX);
  const hides = (e) => ["hidden", "clip"].includes(getComputedStyle(e).overflowX);
  const skipped = "mjx-assistive-mml, svg *, .visually-hidden, .sr-only, mjx-container *";
  const all = document.querySelectorAll("article *, .prev-next-footer *, .bd-header-article *");
  for (const element of all) {
    if (!shown(element) || element.matches(skipped)) continue;
    const box = element.getBoundingClientRect();
    if (box.width < 2) continue;
    let parent = element.parentElement;
    while (parent && !scrolls(parent) && !hides(parent)) parent = parent.parentElement;
    if (parent && scrolls(parent)) continue;
    const page = { left: 0, right: innerWidth };
    const { left, right } = parent ? parent.getBoundingClientRect() : page;
    if (box.right > right + 1 || box.left < left - 1) faults.push(name(element));
  }
  return faults;
}"""
WIDE = "() => document.scrollingElement.scrollWidth - innerWidth"


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_cut_or_overflows_at_any_width(context, name):
    page = open_page(context, HTML.as_uri(), name)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate(SETTLED)
        assert (width, page.evaluate(WIDE) <= 0, page.evaluate(CUT)) == (width, True, [])


PLANTED = {
    "wide": "<div style='width: 3000px; height: 1px'></div>",
    "cut": "<div style='overflow: hidden; width: 100px'><p style='width: 200px'>Text</p></div>",
    "left": "<div style='overflow: clip'><p style='margin-left: -30px'>Text</p></div>",
}


@pytest.mark.parametrize("fault", PLANTED)
def test_what_is_cut_is_seen(context, fault):
    page = open_page(context, HTML.as_uri(), CHAPTER)
    page.evaluate(
        "(html) => document.querySelector('article').insertAdjacentHTML('beforeend', html)",
        PLANTED[fault],
    )
    assert page.evaluate(CUT)
    assert (page.evaluate(WIDE) > 0) == (fault == "wide")


# --- the keyboard -----------------------------------------------------------------------------

FOCUS = """() => {
  const e = document.activeElement;
  const style = getComputedStyle(e);
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  return { tag: e.tagName, name: e.name || e.textContent.trim().slice(0, 40), classes: e.className,
           where: e.closest(".d2l-explorable, .d2l-quiz")?.id || "",
           visible: ring || /rgb\\([^)]*\\) .*[1-9]/.test(style.boxShadow) };
}"""


@pytest.fixture
def still(context):
    """A chapter in which focus appears at once, instead of fading in."""
    page = open_page(context, HTML.as_uri(), CHAPTER)
    page.add_style_tag(content="* { transition: none !important }")
    return page


def test_the_skip_link_leads_past_the_menus(still):
    page = still
    page.keyboard.press("Tab")
    focused = page.evaluate(FOCUS)
    assert "skip" in focused["name"].lower()
    assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    inside = "document.querySelector('#main-content').contains(document.activeElement)"
    assert page.evaluate(inside), page.evaluate(FOCUS)


def test_tab_reaches_every_control_and_one_sees_where_it_is(still):
    page = still
    wanted = page.locator(".d2l-explorable, .d2l-quiz").locator("input, select, button")
    expected = wanted.evaluate_all(
        "(all) => all.filter((e) => e.type !== 'radio').map((e) => e.name || e.textContent)"
    )
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    reached, unseen, stops = [], [], 0
    while stops < 600:
        page.keyboard.press("Tab")
        stops += 1
        focused = page.evaluate(FOCUS)
        if focused["tag"] == "BODY":
            break
        if not focused["visible"]:
            unseen.append(focused)
        if focused["where"]:
            reached.append(focused["name"])
    assert stops > 20
    assert unseen == []
    assert [name for name in expected if name not in reached] == []


# --- turning pages ----------------------------------------------------------------------------


def test_next_and_previous_turn_pages(home, context):
    """Where the links of each page lead stands in its file, and is tested there."""
    page = open_page(context, home, "index.html")
    second, third = (f"{home}/{document}.html" for document in documents()[1:3])
    for turn, address in (("right-next", second), ("right-next", third), ("left-prev", second)):
        page.locator(f"a.{turn}").click()
        page.wait_for_url(address)


# --- code cells -------------------------------------------------------------------------------


def test_the_copy_button_copies_the_cell(browser, home):
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    try:
        page = open_page(context, home, CHAPTER)
        cell = page.locator("div.cell_input").locator("visible=true").first
        cell.hover()
        cell.locator("button.copybtn").click()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.strip() == cell.locator("pre").inner_text().strip()
        assert len(copied) > 10
    finally:
        context.close()


@pytest.mark.parametrize("way", ["keyboard", "mouse"])
def test_folded_code_unfolds_and_folds_again(context, way):
    page = open_page(context, HTML.as_uri(), CHAPTER)
    folds = page.locator("article details:not(.d2l-quiz *)")
    assert folds.count() > 3
    for i in range(folds.count()):
        fold, head = folds.nth(i), folds.nth(i).locator("summary")
        content = fold.locator("xpath=*[not(self::summary)]").first
        if not head.is_visible():
            continue  # inside another fold, which is closed
        for wanted in (True, False):
            if way == "mouse":
                head.click()
            else:
                head.press("Enter")
            assert content.is_visible() == wanted


def test_headings_have_links_that_lead_to_them(context):
    page = open_page(context, HTML.as_uri(), CHAPTER)
    link = page.locator("#pst-page-toc-nav a, .bd-toc a").locator("visible=true").last
    target = link.get_attribute("href")
    assert re.fullmatch(r"#\S+", target)
    link.click()
    top = "(id) => Math.abs(document.querySelector(id).getBoundingClientRect().top) < 300"
    page.wait_for_function(top, arg=target)
