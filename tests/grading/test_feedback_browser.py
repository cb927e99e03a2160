"""The pages of a graded class in a real browser: quiet, readable, accessible, and harmless."""

import pytest

from d2l_lite.grading.reports import write_reports
from d2l_lite.grading.views import stem
from tests import accessibility
from tests import browser as driven
from tests.accessibility import violations
from tests.browser import Witness, served
from tests.grading.report_records import EVERYONE, EVIL, HINT, MIXED, UNREADABLE

PAGES = ["index.html", *(f"feedback/{stem(one['learner'])}.html" for one in EVERYONE)]
EVE = PAGES[1 + [one["learner"].endswith("eve") for one in EVERYONE].index(True)]
GRACE = "feedback/grace.html"
#: Every kind of page in the light, and in the dark those that have all colors between them.
SEEN = [("light", name) for name in PAGES[:-1]]
SEEN += [("dark", name) for name in ("index.html", GRACE, "feedback/peter.html")]
UNFOLD = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
OUTSIDE = """() => [...document.querySelectorAll("main :not(.scroll *)")]
  .filter((one) => one.getBoundingClientRect().right > 391).map((one) => one.outerHTML)"""
CONTRAST = """(selector) => {
  const light = (color) => color.match(/[\\d.]+/g).slice(0, 3).map((c) => c / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const style = getComputedStyle(document.querySelector(selector));
  const ground = light(getComputedStyle(document.body).backgroundColor);
  const ink = light(style.color);
  return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
}"""


browser, context, page = driven.browser, driven.context, driven.page
script = accessibility.script


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("reports")
    write_reports(out, EVERYONE, book="https://example.org/book", title="")
    return out


@pytest.mark.parametrize(("scheme", "name"), SEEN)
def test_a_page_is_accessible_and_asks_for_nothing(context, folder, script, name, scheme):
    witness = Witness(context, folder.as_uri())
    page = context.new_page()
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{folder.as_uri()}/{name}")
    assert witness.requests == [f"{folder.as_uri()}/{name}"]
    page.evaluate(UNFOLD)
    faults, _ = violations(page, script)
    assert faults == []
    assert witness.faults == []


def test_every_page_fits_a_phone(page, folder):
    page.set_viewport_size({"width": 390, "height": 844})
    for name in PAGES:
        page.goto(f"{folder.as_uri()}/{name}")
        page.evaluate(UNFOLD)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
        assert page.evaluate(OUTSIDE) == [], name


def test_texts_beside_short_columns_make_no_tall_rows_on_a_phone(page, tmp_path):
    write_reports(tmp_path, [MIXED, UNREADABLE])
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{tmp_path.as_uri()}/index.html")
    for text in (HINT, UNREADABLE["message"]):
        cell = page.locator("td", has_text=text).first
        assert cell.bounding_box()["width"] > 300, text


@pytest.mark.parametrize("name", ["index.html", EVE], ids=["class", "eve"])
def test_nothing_of_a_hostile_record_runs(context, folder, name):
    page = context.new_page()
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(f"{folder.as_uri()}/{name}")
    assert page.evaluate("window.flag") is None
    assert dialogs == []
    assert "<script>window.flag=1</script>" in page.locator("main").inner_text()
    assert page.locator("img, iframe, object, embed, form").count() == 0


@pytest.mark.parametrize("attack", ["script", "style", "image"])
def test_the_policy_holds_even_if_markup_got_through(context, folder, tmp_path, attack):
    markup = {
        "script": "<script>window.flag = 1</script><b onclick='window.flag = 1'>x</b>",
        "style": "<style>body { --flag: 1 }</style><b style='--flag: 1'>x</b>",
        "image": "<img src='https://example.org/x.png'><img src='x' onerror='window.flag = 1'>",
    }[attack]
    text = (folder / GRACE).read_text(encoding="utf-8")
    (tmp_path / "page.html").write_text(text.replace("<main>", f"<main>{markup}", 1))
    with served(tmp_path) as address:
        witness = Witness(context, address)
        page = context.new_page()
        refused = []
        page.on("requestfailed", lambda r: r.failure == "csp" and refused.append(r.url))
        page.goto(f"{address}/page.html")
        page.evaluate("document.querySelectorAll('main b').forEach((one) => one.click())")
        assert page.evaluate("window.flag") is None
        value = "(one) => getComputedStyle(one).getPropertyValue('--flag')"
        assert page.locator("body").evaluate(value) == ""
        assert page.locator("main b").evaluate_all(f"(all) => all.map({value}).join('')") == ""
    assert refused == witness.requests[1:]  # the browser counts what it does not send
    assert len(refused) == 2 * (attack == "image")
    assert witness.errors  # it says what it refused


def test_the_table_of_the_class_is_sorted_by_its_heads(page, folder):
    page.goto(f"{folder.as_uri()}/index.html")
    heads = page.locator("table.class thead th")
    place = [text.split()[0] for text in heads.all_inner_texts()].index("Total")
    head = heads.nth(place)

    def totals():
        cells = page.locator(f"table.class tbody tr > :nth-child({place + 1})").all_inner_texts()
        return [text.split()[0] for text in cells]

    assert head.get_attribute("aria-sort") is None
    head.get_by_role("button").click()
    numbers = [-1 if text == "–" else int(text) for text in totals()]
    assert numbers == sorted(numbers)
    assert numbers[0] == -1
    assert head.get_attribute("aria-sort") == "ascending"
    head.get_by_role("button").press("Enter")
    assert totals()[0] == "7"
    assert head.get_attribute("aria-sort") == "descending"
    heads.nth(0).get_by_role("button").click()
    assert head.get_attribute("aria-sort") is None
    names = page.locator("table.class tbody th").all_inner_texts()
    plain = [name for name in names if name.isalpha() and len(name) < 20]
    assert plain == sorted(plain)


def test_the_overview_leads_to_a_question_and_cases_unfold(page, folder):
    page.goto(f"{folder.as_uri()}/{GRACE}")
    page.get_by_role("link", name="minibatches").click()
    assert page.url.endswith("#q3")
    section = page.locator("#q1")
    assert not section.get_by_text("No error at all").is_visible()
    section.get_by_text("All 3 visible cases").click()
    assert section.get_by_text("No error at all").is_visible()
    assert section.get_by_text("Shown above.").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_the_ground(page, folder, scheme):
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{folder.as_uri()}/{GRACE}")
    for selector in ("h1", ".facts", ".state", ".mark.passed", ".mark.failed", ".mark.open", "dt"):
        assert page.evaluate(CONTRAST, selector) >= 4.5, selector


def test_paper_is_white_and_has_no_dead_controls(page, folder):
    page.emulate_media(media="print", color_scheme="dark")
    page.goto(f"{folder.as_uri()}/{GRACE}")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert not page.locator(".buttons").is_visible()
    assert not page.locator("details").first.is_visible()
    assert page.get_by_text("Twice as much came back.").is_visible()


def test_the_hostile_name_of_the_tab_is_text(page, folder):
    page.goto(f"{folder.as_uri()}/{EVE}")
    assert page.title().startswith(EVIL[:30])
