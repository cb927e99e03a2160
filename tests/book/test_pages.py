"""The built pages: `make book` comes first, and `make test` sees to it."""

import json
import os
import re
import shutil
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.book.built import HTML, documents, notebooks, pages
from tests.browser import unfetched

SET = (HTML / "_static" / "mathematics.css").is_file()
UNSET = "mathematics was not set in this build (no node, or no npm)"
#: Attributes that make a browser fetch something when a page is opened.
FETCHED = {
    ("script", "src"),
    ("img", "src"),
    ("link", "href"),
    ("iframe", "src"),
    ("source", "src"),
}


class Page(HTMLParser):
    """The ids of a page, what it links to and fetches, where it turns, images without alt text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.turns: dict[str, str] = {}
        self.fetched: list[str] = []
        self.silent_images: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.ids |= {values[key] for key in ("id", "name") if values.get(key)}
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
            for turn in {"left-prev", "right-next"} & set((values.get("class") or "").split()):
                self.turns[turn] = values["href"]
        if tag == "img" and not values.get("alt"):
            self.silent_images.append(values.get("src", "")[:60])
        for key in ("src", "href"):
            if (tag, key) in FETCHED and values.get(key) and values.get("rel") != "canonical":
                self.fetched.append(values[key])


@cache
def parsed(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def broken_links(path: Path, root: Path) -> list[str]:
    """Return the links and resources of a page whose file or anchor does not exist."""
    faults = []
    for link in parsed(path).links + parsed(path).fetched:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if not target.is_relative_to(root.resolve()) or not target.is_file():
            faults.append(f"{path.name}: {link} leads nowhere")
        elif parts.fragment and target.suffix == ".html":
            ids = parsed(target).ids
            if parts.fragment not in ids and unquote(parts.fragment) not in ids:
                faults.append(f"{path.name}: {link} has no such anchor")
    return faults


def external(path: Path) -> list[str]:
    return [url for url in parsed(path).fetched if urlsplit(url).netloc]


def test_the_book_was_built():
    assert (HTML / "index.html").is_file(), "run `make book` first"


@pytest.mark.parametrize("document", documents())
def test_every_entry_of_the_contents_has_a_page(document):
    assert (HTML / f"{document}.html").is_file()


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.relative_to(HTML).as_posix())
def test_internal_links_and_resources_resolve(path):
    assert broken_links(path, HTML) == []


def button_faults(name: str, root: Path) -> list[str]:
    """Return what is wrong with the buttons of a page that offer its notebook and a command."""
    page, command = root / f"{name}.html", f"jupyter lab {name}.ipynb"
    text, stored = page.read_text(encoding="utf-8"), root / f"_sources/{name}.ipynb"
    notebook = os.path.relpath(stored, page.parent)
    wanted = {
        "a download": f'<a class="d2l-button" href="{notebook}" download>Download notebook</a>',
        "a command": f"<code>{command}</code>",
        "a command to copy": f'data-copy="{command}">Copy<',
    }
    faults = [f"{what}: {part}" for what, part in wanted.items() if text.count(part) != 1]
    if not stored.is_file() or "cells" not in json.loads(stored.read_text(encoding="utf-8")):
        faults.append("what is downloaded is no notebook")
    return faults


@pytest.mark.parametrize("name", notebooks())
def test_the_buttons_of_a_page_offer_its_notebook_and_the_command_that_opens_it(name):
    assert button_faults(name, HTML) == []


def test_buttons_of_another_page_are_seen(tmp_path):
    names = notebooks()[:2]
    for name, other in (names, names[::-1]):
        path = tmp_path / f"{name}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(HTML / f"{other}.html", path)
    assert len(button_faults(names[0], tmp_path)) == 4


def broken_turns(order: list[str], root: Path) -> list[str]:
    """Return the pages whose links to the next and the previous one do not follow an order."""
    faults = []
    for name, before, after in zip(order, ["", *order], [*order[1:], ""], strict=False):
        path = root / f"{name}.html"
        expected = {"left-prev": before, "right-next": after}
        for turn, document in expected.items():
            link = parsed(path).turns.get(turn)
            target = (path.parent / link).resolve() if link else None
            if target != ((root / f"{document}.html").resolve() if document else None):
                faults.append(f"{name}: {turn} leads to {link}, not to {document or 'nowhere'}")
    return faults


def test_the_links_to_the_next_and_the_previous_page_follow_the_contents():
    assert broken_turns(documents(), HTML) == []


def test_pages_out_of_order_are_seen(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "a.html").write_text('<a class="x right-next" href="in/b.html">')
    (tmp_path / "in" / "b.html").write_text('<a class="left-prev" href="../a.html">')
    assert broken_turns(["a", "in/b"], tmp_path) == []
    assert len(broken_turns(["in/b", "a"], tmp_path)) == 4
    (tmp_path / "c.html").write_text("")
    assert broken_turns(["a", "in/b", "c"], tmp_path) == [
        "in/b: right-next leads to None, not to c",
        "c: left-prev leads to None, not to in/b",
    ]


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.relative_to(HTML).as_posix())
def test_a_page_fetches_nothing_from_outside(path):
    if not SET:
        unfetched(UNSET)
    assert external(path) == []


@pytest.mark.parametrize("document", documents())
def test_every_image_says_what_it_shows(document):
    assert parsed(HTML / f"{document}.html").silent_images == []


def test_planted_faults_in_a_page_are_seen(tmp_path):
    (tmp_path / "other.html").write_text('<p id="here">')
    page = tmp_path / "page.html"
    page.write_text(
        '<a href="other.html#here">fine</a><a href="other.html#gone"></a><a href="none.html"></a>'
        '<a href="../outside.html"></a><img src="none.png"><script src="https://cdn.example/x.js">'
    )
    assert len(broken_links(page, tmp_path)) == 4
    assert external(page) == ["https://cdn.example/x.js"]
    assert parsed(page).silent_images == ["none.png"]


def raw_mathematics(document: str) -> list[str]:
    """Return what a reader would see as LaTeX: delimiters left in the text of a page."""
    text = re.sub(r"<(script|style|pre|code|mjx-container)\b.*?</\1>", "", document, flags=re.S)
    return re.findall(r"(?:\\[(\[]|\\begin\{|\$\$).{0,40}", re.sub(r"<[^>]+>", "", text))


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.relative_to(HTML).as_posix())
def test_mathematics_is_set(path):
    if not SET:
        unfetched(UNSET)
    document = path.read_text(encoding="utf-8")
    assert raw_mathematics(document) == []
    assert ("<mjx-container" in document) == ("mathematics.css" in document)
    assert "<mjx-merror" not in document, "MathJax reports an error in a formula"
    assert "window.MathJax" not in document


def test_raw_mathematics_is_seen():
    assert raw_mathematics(r"<p>\(x^2\) <code>\(y\)</code></p>") == [r"\(x^2\) "]
    assert raw_mathematics(r"<div>\begin{align}x\end{align}</div>") == [
        r"\begin{align}x\end{align}"
    ]
