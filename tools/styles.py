"""Style sheets of the built pages: one file instead of a dozen, without what no page can use.

A selector goes when it asks for a class or an id that stands on no page and in no script. All else
stays: elements, attributes such as those of the dark theme, and whatever a script might put
together from a part of a name.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tinycss2

from tools.rendered import BookError, pages

#: The sheet of mathematics is not on every page, and stays by itself.
_LINK = re.compile(
    r'[ \t]*<link\b(?=[^>]*rel="stylesheet")(?![^>]*/mathematics\.css)'
    r'[^>]*href="(?P<href>[^"]+)"[^>]*>\n?'
)
#: Pages say how large images are, so that text below them does not jump; the width decides.
_FIRST = ".bd-article img{height:auto}\n"
_IMPORT = re.compile(r"""@import\s+(?:url\()?(["']?)([^"')]+)\1\)?\s*;""")
_ATTRIBUTE = re.compile(r"""\b(?:class|id)=(?:"([^"]*)"|'([^']*)')""")
_SCRIPT = re.compile(r"<script\b[^>]*>(.*?)</script>", re.S)
_WORD = re.compile(r"[A-Za-z_][\w-]*")
_URL = re.compile(r"""url\((["']?)(?!data:|https?:|#)([^)"']+)\1\)""")
NESTING = ("media", "supports", "layer", "container")


@dataclass(frozen=True)
class Names:
    """Names of classes and ids in use, and beginnings of names that scripts complete."""

    whole: frozenset[str]
    beginnings: tuple[str, ...]

    def hold(self, name: str) -> bool:
        """Return whether a class or id of this name may stand on a page."""
        return name in self.whole or name.startswith(self.beginnings)


def apply(html: Path) -> None:
    """Give every page of a built book one style sheet in place of those that come one by one.

    Args:
        html: the folder of the built book; its pages are changed, style sheets are added.

    Raises:
        BookError: a page asks for a style sheet that is not there.
    """
    for path in (html / "_static").glob("site-*.css"):
        path.unlink()
    names = names_in_use(html)
    made: dict[tuple[Path, ...], Path] = {}
    for page in pages(html):
        text = page.read_text(encoding="utf-8")
        sheets = tuple(_sheets(page, text))
        if not sheets:
            continue
        if sheets not in made:
            made[sheets] = _bundle(html, sheets, names)
        address = os.path.relpath(made[sheets], page.parent)
        first = f'    <link rel="stylesheet" type="text/css" href="{address}" />\n'
        place = _LINK.search(text)
        assert place is not None
        text = text[: place.start()] + first + _LINK.sub("", text[place.start() :])
        page.write_text(text, encoding="utf-8")


def names_in_use(html: Path) -> Names:
    """Return the names of classes and ids on the pages and in the scripts of a built book."""
    texts = [path.read_text(encoding="utf-8") for path in pages(html)]
    scripts = [script for text in texts for script in _SCRIPT.findall(text)]
    scripts += [path.read_text(encoding="utf-8") for path in (html / "_static").rglob("*.js")]
    whole = {
        name
        for text in texts
        for pair in _ATTRIBUTE.findall(text)
        for name in "".join(pair).split()
    }
    words = {word for script in set(scripts) for word in _WORD.findall(script)}
    # A script may go on from "sd-" as well as from "bs-tooltip", whose end it adds with a hyphen.
    beginnings = {word.rstrip("-") + "-" for word in words if "-" in word and len(word) > 3}
    return Names(frozenset(whole | words), tuple(sorted(beginnings)))


def purged(css: str, names: Names) -> str:
    """Return a style sheet without selectors that ask for a class or id that is not in use."""
    rules = tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True)
    return "".join(_kept(rules, names))


def _kept(rules: Iterable[Any], names: Names) -> Iterator[str]:
    """Yield the text of each rule of which something is left."""
    for rule in rules:
        if rule.type == "qualified-rule":
            selectors = [
                one for one in _selectors(rule.prelude) if all(map(names.hold, _asked(one)))
            ]
            text = ",".join(tinycss2.serialize(one).strip() for one in selectors)
            if text:
                yield f"{text}{{{tinycss2.serialize(rule.content).strip()}}}\n"
        elif (
            rule.type == "at-rule" and rule.lower_at_keyword in NESTING and rule.content is not None
        ):
            inner = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
            text = "".join(_kept(inner, names))
            if text:
                head = tinycss2.serialize(rule.prelude).strip()
                yield f"@{rule.at_keyword} {head}{{{text}}}\n"
        elif rule.type == "error":
            raise BookError(f"a style sheet cannot be read: {rule.message}")
        elif not (rule.type == "at-rule" and rule.lower_at_keyword in ("charset", "import")):
            yield rule.serialize() + "\n"


def _selectors(prelude: list[Any]) -> list[list[Any]]:
    """Return the selectors of a rule, which commas divide."""
    selectors: list[list[Any]] = [[]]
    for token in prelude:
        if token.type == "literal" and token.value == ",":
            selectors.append([])
        else:
            selectors[-1].append(token)
    return selectors


def _asked(selector: list[Any]) -> Iterator[str]:
    """Yield the classes and ids that a selector asks for, those inside `:not(…)` left out."""
    for before, token in zip([None, *selector], selector, strict=False):
        if token.type == "hash" or (token.type == "ident" and before == "."):
            yield token.value


def _sheets(page: Path, text: str) -> Iterator[Path]:
    """Yield the style sheets that a page asks for, in order."""
    for link in _LINK.finditer(text):
        address = link["href"].partition("?")[0]
        path = Path(os.path.normpath(page.parent / address))
        if not path.is_file():
            raise BookError(f"{page.name}: there is no style sheet {address}")
        yield path


def _with_imports(sheet: Path) -> Iterator[Path]:
    """Yield the style sheets that a sheet imports, then the sheet itself."""
    for _, address in _IMPORT.findall(sheet.read_text(encoding="utf-8")):
        yield from _with_imports(sheet.parent / address)
    yield sheet


def _bundle(html: Path, sheets: tuple[Path, ...], names: Names) -> Path:
    """Return the file that holds these style sheets, one after the other."""
    parts = [_FIRST]
    for sheet in (one for given in sheets for one in _with_imports(given)):
        text = purged(sheet.read_text(encoding="utf-8"), names)

        def moved(match: re.Match[str], sheet: Path = sheet) -> str:
            target = os.path.relpath(sheet.parent / match[2], html / "_static")
            return f'url("{target}")'

        parts.append(_URL.sub(moved, text))
    text = "".join(parts)
    path = html / "_static" / f"site-{hashlib.sha256(text.encode()).hexdigest()[:10]}.css"
    path.write_text(text, encoding="utf-8")
    return path
