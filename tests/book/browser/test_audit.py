"""Every page, from disk and over HTTP: nothing asked from outside, nothing missing, no error."""

import shutil

import pytest

from tests.book.built import HTML, pages
from tests.browser import Witness, served

REPORT = (
    "audit.md",
    "What the pages ask for",
    ["page", "from", "requests", "external", "failed", "errors"],
)
NAMES = [path.relative_to(HTML).as_posix() for path in pages()]
#: Scrolls through the page, so that what loads late loads now.
SCROLL = """async () => {
  const step = innerHeight;
  for (let y = 0; y < document.body.scrollHeight; y += step) {
    scrollTo(0, y);
    await new Promise(requestAnimationFrame);
  }
}"""
PLANTED = {
    "cdn": ('<script src="https://cdn.example/x.js"></script>', "external: https://cdn.example"),
    "font": ("<style>@import url(//fonts.example/a.css);</style>", "fonts.example/a.css"),
    "error": ("<script>undefined_name()</script>", "console: undefined_name is not"),
    "console": ("<script>console.error('told')</script>", "console: told"),
    "rejected": ("<script>Promise.reject(new Error('late'))</script>", "console: late"),
    "missing": ('<img src="none.png" alt="">', "failed:"),
    "fetched": ("<script>fetch('https://api.example/').catch(() => 0)</script>", "api.example"),
    "beyond": ('<img src="file:///etc/hostname" alt="">', "file:///etc/hostname"),
}


def opened(context, home, name):
    """Return a witness of everything that a page asks for while it is read to its end."""
    witness = Witness(context, home)
    page = context.new_page()
    page.goto(f"{home}/{name}", wait_until="load")
    page.evaluate(SCROLL)
    page.wait_for_load_state("networkidle")
    return witness


@pytest.mark.parametrize("name", NAMES)
def test_a_page_asks_for_nothing_from_outside_and_reports_no_error(home, context, report, name):
    witness = opened(context, home, name)
    counts = [len(witness.requests), len(witness.external), len(witness.failed)]
    report.rows.append([name, home.split(":")[0], *counts, len(witness.errors)])
    assert counts[0] > 3, "the witness saw no requests, so it would see no fault"
    assert witness.faults == []


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A folder for a page that is small enough to be spoiled, and its two addresses."""
    folder = tmp_path_factory.mktemp("tiny")
    shutil.copyfile(HTML / "_static" / "documentation_options.js", folder / "own.js")
    with served(folder) as address:
        yield folder, {"file": folder.as_uri(), "http": address}


#: A page from a server may not ask for a file, and the browser does not even try.
CASES = [
    (scheme, fault)
    for scheme in ("file", "http")
    for fault in (None, *PLANTED)
    if (scheme, fault) != ("http", "beyond")
]


@pytest.mark.parametrize(("scheme", "fault"), CASES)
def test_planted_faults_are_seen(tiny, context, scheme, fault):
    folder, homes = tiny
    body, message = PLANTED.get(fault, ("", ""))
    (folder / "index.html").write_text(
        '<!doctype html><html lang="en"><link rel="icon" href="data:,">'
        f'<script src="own.js"></script><p>Text.</p>{body}</html>'
    )
    faults = opened(context, homes[scheme], "index.html").faults
    if fault is None:
        assert faults == []
    else:
        assert any(message in line for line in faults), faults
