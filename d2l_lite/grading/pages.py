"""What the pages of a graded class share: one file each, the book's look, nothing from outside."""

import base64
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from importlib import resources
from urllib.parse import quote, urlsplit

from d2l_lite.grading.views import View
from d2l_lite.grading.visible import set_names

FOLDER = "d2l_lite.grading"
#: What a page may load: nothing but its own style sheet, and its own script if it has one. An empty
#: icon keeps a browser from asking the server for one.
_POLICY = (
    "default-src 'none'; style-src '{style}'; script-src {script}; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body class="{kind}">
<header>{logo}</header>
<main>
{body}</main>
<footer>
{footer}</footer>
{script}</body>
</html>
"""
_LOGO = (
    '<svg class="logo" viewBox="4 4 60 56" aria-hidden="true" focusable="false"><path d="M12 18 34 '
    "12M12 18 34 32M12 18 34 52M12 46 34 12M12 46 34 32M12 46 34 52M34 12 56 32M34 32 56 32M34 52 "
    '56 32"/><g class="ends"><circle cx="12" cy="18" r="5"/><circle cx="12" cy="46" r="5"/><circle '
    'cx="56" cy="32" r="6"/></g><g class="inner"><circle cx="34" cy="12" r="5"/><circle cx="34" '
    'cy="32" r="5"/><circle cx="34" cy="52" r="5"/></g></svg>'
)
_NAME = _LOGO + "<span>d2l<i>·</i>lite</span>"


@lru_cache(maxsize=4)
def _file(name: str) -> tuple[str, str]:
    """Return a file of the browser side without indentation, and its hash for the policy."""
    text = resources.files(FOLDER).joinpath(name).read_text(encoding="utf-8")
    text = "\n".join(line.strip() for line in text.splitlines() if line.strip())
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return text, f"sha256-{digest}"


def document(
    title: str, body: str, *, footer: str, book: str = "", script: str = "", kind: str = "learner"
) -> str:
    """Return a page in one file.

    Args:
        title: What the browser's tab says, as text.
        body: HTML of the main part.
        footer: HTML of the foot.
        book: Address of the book, to which the name at the top leads; empty where it is unknown.
        script: Name of a script that the page holds; empty for none.
        kind: Class of the page for its style sheet.

    Returns:
        The page.
    """
    style, style_hash = _file("feedback.css")
    code, script_hash = _file(script) if script else ("", "")
    home = f'<a href="{escape(book)}/index.html">{_NAME}</a>' if book else f"<span>{_NAME}</span>"
    policy = _POLICY.format(style=style_hash, script=f"'{script_hash}'" if script else "'none'")
    return _PAGE.format(
        policy=policy,
        title=escape(title),
        style=style,
        logo=home,
        body=body,
        footer=footer,
        kind=kind,
        script=f"<script>{code}</script>\n" if script else "",
    )


def box(kind: str, title: str, inside: str) -> str:
    """Return a box with a title; `kind` is `note`, `hint` or `wrong`, `inside` is HTML."""
    return f'<div class="box {kind}">\n<p class="box-title">{escape(title)}</p>\n{inside}</div>\n'


def checked_book(address: str) -> str:
    """Return the address of a book without a slash at its end.

    Args:
        address: `https://…`, `http://…`, `file://…` or a path relative to the folder of the
            reports; empty where it is unknown.

    Returns:
        The address.

    Raises:
        ValueError: The address is of another kind.
    """
    address = address.strip().removesuffix("index.html").rstrip("/")
    scheme = urlsplit(address).scheme
    if scheme not in ("", "http", "https", "file") or address.startswith("//"):
        raise ValueError(
            "the book's address must begin with https://, http:// or file://, or be a relative "
            f"path; got {address!r}"
        )
    return address


def book_page(view: View, book: str, question: str = "") -> str:
    """Return the address of a set's page, at a question; empty where there is none.

    Args:
        view: The record; a set that is not the book's has the page that its author named, or none.
        book: Address of the book.
        question: Name of the question to which the browser scrolls.

    Returns:
        The address.
    """
    if own_page(view):
        return view.page
    if not book or view.slug not in _known():
        return ""
    page = f"{book}/exercises/{view.slug}.html"
    if not question:
        return page
    name = quote(question, safe="").replace("-", "%2D")
    return f"{page}#:~:text=def%20{name}&text={name}"


def own_page(view: View) -> bool:
    """Return whether the set's author named a page of their own to read on."""
    return urlsplit(view.page).scheme in ("http", "https")


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    """Return the names of the sets that the book has."""
    return frozenset(set_names())


def name_of(slug: str) -> str:
    """Return how a set is called: `Linear regression`."""
    words = slug.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:] or "Exercises"


def sets_page(sets: Sequence[tuple[str, str]], title: str) -> str:
    """Return the page that leads to the classes of several sets.

    Args:
        sets: Name and folder of each.
        title: What the whole is called.
    """
    items = "".join(
        f'<li><a href="{folder}/index.html">{escape(name_of(slug))}</a></li>\n'
        for slug, folder in sets
    )
    body = f"<h1>{escape(title or 'Exercises')}</h1>\n<ul>\n{items}</ul>\n"
    return document(title or "Exercises", body, footer="")
