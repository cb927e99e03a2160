"""No page has an accessibility fault that axe-core finds, in light and in dark."""

import pytest

from tests import accessibility
from tests.accessibility import COLOR_RULES, violations
from tests.book.built import HTML, pages

REPORT = (
    "axe.md",
    "What axe-core finds",
    ["page", "theme", "rules passed", "violations"],
)
CHAPTER = "chapters/linear_regression.html"
NAMES = [path.relative_to(HTML).as_posix() for path in pages()]
script = accessibility.script


def faults_of(page, script, rows, *, name=""):
    """Return the faults of a page in light, by all rules, and in dark, by those of colors."""
    faults = []
    for theme, rules in [("light", ()), ("dark", COLOR_RULES)]:
        page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
        found, passed = violations(page, script, rules)
        rows.append([name, theme, passed, len(found)])
        faults += [f"{theme}: {fault}" for fault in found]
    return faults


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_accessible(page, script, report, name):
    page.goto(f"{HTML.as_uri()}/{name}")
    assert faults_of(page, script, report.rows, name=name) == []


def test_a_chapter_is_accessible_on_a_phone(page, script, report):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{HTML.as_uri()}/{CHAPTER}")
    assert faults_of(page, script, report.rows, name=f"{CHAPTER}, 390 px") == []


PLANTED = {
    "light: image-alt": '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">',
    "light: label": "<input type='text'>",
    "light: color-contrast": "<p style='color: #999; background: #fff'>Gray on white.</p>",
    "dark: color-contrast": "<p style='color: #333'>Legible on white alone.</p>",
    "light: button-name": "<button></button>",
    "light: link-name": "<a href='#x'></a>",
}


@pytest.mark.parametrize("fault", PLANTED)
def test_planted_faults_are_seen(page, script, fault):
    page.goto(f"{HTML.as_uri()}/search.html")
    page.evaluate(
        "(html) => document.querySelector('main').insertAdjacentHTML('beforeend', html)",
        PLANTED[fault],
    )
    faults = faults_of(page, script, [])
    assert any(line.startswith(f"{fault}:") for line in faults), faults
