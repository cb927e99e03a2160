"""What an explorable adds to a notebook and to a page."""

import json
import re

import pytest

from tests.book.built import HTML, ROOT

REPORT = (
    "sizes.md",
    "What explorables store",
    ["chapter", "explorable", "kB stored", "kB of HTML beyond the script core"],
)
SHELL = 'class="d2l-explorable"'
MAX_STORED_BYTES = 100_000
MAX_OWN_BYTES = 20_000


def bundles():
    """Yield (chapter, label, output) of every explorable that a committed notebook stores."""
    for path in sorted((ROOT / "chapters").glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for output in cell.get("outputs", []):
                data = {mime: "".join(text) for mime, text in output.get("data", {}).items()}
                if SHELL in data.get("text/html", ""):
                    yield path.stem, data["text/plain"], data


def shared(html):
    """Return the script core of an explorable, which is the same in all."""
    return re.search(r'(?s)^"use strict";\n.*module\.exports = core;$', html, re.M)[0]


BUNDLES = list(bundles())


@pytest.mark.parametrize(("chapter", "label", "data"), BUNDLES, ids=[b[1] for b in BUNDLES])
def test_what_is_stored_is_small(report, chapter, label, data):
    stored = sum(len(text.encode()) for text in data.values())
    own = len(data["text/html"].encode()) - len(shared(data["text/html"]).encode())
    report.rows.append([chapter, label, f"{stored / 1000:.1f}", f"{own / 1000:.1f}"])
    assert stored <= MAX_STORED_BYTES
    assert own <= MAX_OWN_BYTES


def test_pages_show_what_notebooks_store():
    for chapter in {chapter for chapter, _, _ in BUNDLES}:
        assert SHELL in (HTML / "chapters" / f"{chapter}.html").read_text(encoding="utf-8")
