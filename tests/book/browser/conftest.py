"""One browser for each module, the built book by its two addresses, and a picture of a failure."""

import re
from types import SimpleNamespace

import pytest

from tests import browser as driven
from tests.book.built import HTML
from tests.browser import served
from tests.conftest import SEEN

browser, context, page = driven.browser, driven.context, driven.page


@pytest.fixture(scope="module", autouse=True)
def _built():
    if not (HTML / "index.html").is_file():
        pytest.fail("the book is not built: run `make book` first")


@pytest.fixture(scope="module")
def site():
    """The built book over HTTP on loopback."""
    with served(HTML) as address:
        yield address


@pytest.fixture(scope="module", params=["file", "http"])
def home(request):
    """The address of the book's top folder, once from disk and once from a server."""
    return HTML.as_uri() if request.param == "file" else request.getfixturevalue("site")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Keep a picture of what the browser showed when a test failed."""
    report = yield
    context = getattr(item, "funcargs", {}).get("context")
    if report.when == "call" and report.failed and context is not None:
        SEEN.mkdir(parents=True, exist_ok=True)
        for page in context.pages[:1]:
            name = re.sub(r"[^\w.-]+", "-", item.name)
            page.screenshot(path=SEEN / f"{item.path.stem}-{name}.png", timeout=5000)
    return report


def table(title: str, head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    cells = (" | ".join(str(cell).replace("|", "/") for cell in line) for line in lines)
    return f"# {title}\n\n" + "".join(f"| {line} |\n" for line in cells)


@pytest.fixture(scope="module")
def report(request):
    """Rows of a table, collected by the module's tests; kept in build/seen/, shown at the end."""
    made = SimpleNamespace(rows=[])
    yield made
    name, title, head = request.module.REPORT
    text = table(title, head, made.rows)
    SEEN.mkdir(parents=True, exist_ok=True)
    (SEEN / name).write_text(text, encoding="utf-8")
