"""No page has an accessibility fault that axe-core finds, in light and in dark."""

import shutil

import pytest

from tests.book.built import HTML, pages
from tests.browser import missing
from tools import axe

REPORT = (
    "axe.md",
    "What axe-core finds",
    ["page", "theme", "rules passed", "violations", "allowed"],
)
CHAPTER = "chapters/linear_regression.html"
NAMES = [path.relative_to(HTML).as_posix() for path in pages()]
#: What may stay: rule, what the element looks like, and why.
ALLOWED: list[tuple[str, str, str]] = []
#: Style sheets are not fetched once more, which a page from disk may not; the boxes inside a
#: formula are left out, since there are thousands, and its reading is a MathML element.
RUN = """() => axe.run({ exclude: [["mjx-container > *"]] },
                       { preload: false, resultTypes: ["violations"] })"""
SETTLED = """() => Promise.all(document.getAnimations().map((a) => a.finished.catch(() => 0)))"""


@pytest.fixture(scope="module")
def script():
    try:
        return axe.script()
    except RuntimeError as error:
        # Without npm there is nothing to look with; where npm is, CI does not pass over a failure.
        return (missing if shutil.which("npm") else pytest.skip)(str(error))


def reason_to_allow(rule, html):
    return next((why for name, part, why in ALLOWED if name == rule and part in html), None)


def violations(page, script):
    """Return the faults of a page that are not allowed, and (passed, not allowed, allowed)."""
    page.evaluate(SETTLED)
    page.evaluate(script)
    found = page.evaluate(RUN)
    assert len(found["passes"]) > 10, "axe-core tried almost no rule"
    nodes = [(rule["id"], node) for rule in found["violations"] for node in rule["nodes"]]
    ours = [
        f"{rule}: {node['target'][-1]}: {node['failureSummary'].splitlines()[1].strip()}"
        for rule, node in nodes
        if reason_to_allow(rule, node["html"]) is None
    ]
    return ours, [len(found["passes"]), len(ours), len(nodes) - len(ours)]


def themed(context, theme):
    context.add_init_script(
        f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}');"
    )
    return context.new_page()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_accessible(context, script, report, name, theme):
    page = themed(context, theme)
    page.goto(f"{HTML.as_uri()}/{name}")
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    ours, counts = violations(page, script)
    report.rows.append([name, theme, *counts])
    assert ours == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_chapter_is_accessible_on_a_phone(context, script, report, theme):
    page = themed(context, theme)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{HTML.as_uri()}/{CHAPTER}")
    ours, counts = violations(page, script)
    report.rows.append([f"{CHAPTER}, 390 px", theme, *counts])
    assert ours == []


def test_nothing_is_allowed_that_no_page_needs(context, script):
    page = themed(context, "light")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{HTML.as_uri()}/{CHAPTER}")
    page.evaluate(script)
    html = [
        (rule["id"], node["html"])
        for rule in page.evaluate(RUN)["violations"]
        for node in rule["nodes"]
    ]
    unused = [
        entry[:2]
        for entry in ALLOWED
        if not any(entry[0] == rule and entry[1] in text for rule, text in html)
    ]
    assert unused == []


PLANTED = {
    "image-alt": '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">',
    "label": "<input type='text'>",
    "color-contrast": "<p style='color: #999; background: #fff'>Gray on white.</p>",
    "button-name": "<button></button>",
    "link-name": "<a href='#x'></a>",
}


@pytest.mark.parametrize("rule", PLANTED)
def test_planted_faults_are_seen(context, script, rule):
    page = themed(context, "light")
    page.goto(f"{HTML.as_uri()}/search.html")
    page.evaluate(
        "(html) => document.querySelector('main').insertAdjacentHTML('beforeend', html)",
        PLANTED[rule],
    )
    ours, _ = violations(page, script)
    assert any(fault.startswith(f"{rule}:") for fault in ours), ours
