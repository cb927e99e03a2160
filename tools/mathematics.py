"""Mathematics of the built pages, set while the book is built.

MathJax runs once, in node, over all formulas of all pages. Pages then hold the set formulas, with
MathML for screen readers beside each, and share one style sheet with the glyphs that the book uses:
nothing is left for a script to do when a page is read.
"""

import base64
import hashlib
import html as entities
import io
import json
import os
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fontTools import subset
from fontTools.ttLib import TTFont

from tools import npm
from tools.rendered import BookError, pages

ROOT = Path(__file__).resolve().parent.parent
VERSION = "3.2.2"
MATHJAX = ROOT / "build" / "mathjax"
#: The formulas that were set last: those of the web pages differ from those on paper.
CACHE = ROOT / "build" / "mathematics"
KEPT = 4
PROGRAM = Path(__file__).with_suffix(".js")
SHEET = Path("_static/mathematics.css")
_KEEP = ("core", "loader", "startup", "node-main", "adaptors/", "input/tex", "output/chtml")
KEEP = tuple(f"es5/{name}" for name in (*_KEEP, "a11y/assistive-mml"))
#: The letters of a formula are as high as those of the text around it, whatever its font.
_LOOK = """
mjx-container[jax="CHTML"] { font-size: calc(1ex / 0.442); line-height: 0; }
mjx-container[jax="CHTML"][display="true"] { position: relative; }
.held { white-space: nowrap; }
"""
_MARKED = re.compile(
    r'<(span|div)(?= )[^>]*? class="(?:[^"]* )?math(?: [^"]*)?"[^>]*>(?P<body>.*?)</\1>', re.S
)
#: A formula in a line with the punctuation that touches it. A browser would break the line there.
_TOUCHED = re.compile(
    r'(?P<before>[(\[“‘]*)<span class="math[^>]*>\\\((?:(?!</span>).)*\\\)</span>'
    r"(?P<after>[.,;:!?)\]”’]*)",
    re.S,
)
_SET = re.compile(r"\\\((?P<inline>.*)\\\)|\\\[(?P<display>.*)\\\]|(?P<env>\\begin\{.*\})", re.S)
_OUTPUT = re.compile(r'<div class="output text_html[^"]*">')
#: What stands in an output besides text that is read: elements of code, and tags.
_TAG = re.compile(
    r"<!--.*?-->|<(script|style|pre|code|textarea|svg|math)\b.*?</\1\s*>"
    r"""|<(?P<end>/?)(?P<name>[a-zA-Z][\w-]*)(?:[^>"']|"[^"]*"|'[^']*')*>""",
    re.S,
)
_DELIMITED = re.compile(
    r"\\\((?P<inline>.+?)\\\)|\\\[(?P<display>.+?)\\\]|\$\$(?P<block>[^$]+)\$\$"
    r"|(?<![\\$\w])\$(?P<dollar>[^\s$](?:[^$\n]*[^\s$\\])?)\$(?![\w$])",
    re.S,
)
_FACE = re.compile(
    r"@font-face[^{]*\{[^}]*font-family: (?P<family>[\w-]+)[^}]*/(?P<file>[\w-]+\.woff)[^}]*\}"
)
#: Which characters a rule of MathJax's style sheet draws; stretched ones are drawn with any font.
_CONTENT = re.compile(r'([^{}]+)\{[^{}]*content: "((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\([0-9A-Fa-f]{1,6}) ?")
#: The font without height that keeps lines where they are.
EMPTY = "MJXZERO"
STRETCHED = ("MJXTEX", "MJXTEX-S1", "MJXTEX-S4", "MJXTEX-A")
_SCRIPT = re.compile(
    r"\s*<script>window\.MathJax = (.*?)</script>"
    r"|\s*<script\b[^>]*\bsrc=\"[^\"]*(?:mathjax|tex-chtml)[^\"]*\"[^>]*></script>",
    re.S,
)


@dataclass(frozen=True)
class Formula:
    """A formula of a page: its TeX, whether it stands by itself, and where it stands."""

    tex: str
    display: bool
    start: int
    end: int


def vendor() -> str:
    """Return why MathJax cannot set formulas here, or an empty string when it can."""
    if shutil.which("node") is None:
        return "node was not found"
    return npm.fetch("mathjax", VERSION, folder=MATHJAX, keep=KEEP)


def apply(html: Path) -> int:
    """Set the mathematics of all pages of a built book.

    Args:
        html: the folder of the built book; its pages are changed, a style sheet is added.

    Returns:
        How many formulas were set.

    Raises:
        BookError: TeX does not understand a formula.
    """
    texts = {path: _held(path.read_text(encoding="utf-8")) for path in pages(html)}
    found = {path: list(formulas(text)) for path, text in texts.items()}
    wanted = sorted({(one.tex, one.display) for own in found.values() for one in own})
    css, markup = _typeset(wanted, _macros(texts.values()))
    for path, own in found.items():
        for one in own:
            if "error" in (answer := markup[one.tex, one.display]):
                place = path.relative_to(html).with_suffix("")
                message = f"TeX does not understand {one.tex.strip()!r} ({answer['error']})"
                raise BookError(f"{place}: {message}; mend the formula in the page's source")
    (html / SHEET).write_text(css, encoding="utf-8")
    mark = hashlib.sha256(css.encode()).hexdigest()[:8]
    for path, own in found.items():
        text = texts[path]
        for one in reversed(own):
            text = text[: one.start] + markup[one.tex, one.display]["html"] + text[one.end :]
        text = _SCRIPT.sub("", text)
        if own:
            address = (
                f"{'../' * (len(path.relative_to(html).parts) - 1)}{SHEET.as_posix()}?v={mark}"
            )
            link = f'<link rel="stylesheet" type="text/css" href="{address}" />'
            text = text.replace("</head>", f"  {link}\n  </head>", 1)
        path.write_text(text, encoding="utf-8")
    return sum(map(len, found.values()))


def _held(page: str) -> str:
    """Return the page with each formula in a line held together with its punctuation."""

    def hold(match: re.Match[str]) -> str:
        touched = match["before"] or match["after"]
        return f'<span class="held">{match[0]}</span>' if touched else match[0]

    return _TOUCHED.sub(hold, page)


def formulas(page: str) -> Iterator[Formula]:
    """Yield the formulas of a page in order: those that Sphinx marks, and those in outputs."""
    found = []
    for marked in _MARKED.finditer(page):
        if one := _SET.search(page, marked.start("body"), marked.end("body")):
            found.append(_formula(one))
    for start, end in _readable(page):
        found += [_formula(one) for one in _DELIMITED.finditer(page, start, end)]
    yield from sorted(set(found), key=lambda one: one.start)  # a marked one in an output is one


def _formula(match: re.Match[str]) -> Formula:
    """Return the formula that an expression with named parts found."""
    kind = next(name for name, text in match.groupdict().items() if text is not None)
    tex = entities.unescape(match[kind])
    return Formula(tex, kind not in ("inline", "dollar"), *match.span())


def _readable(page: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of every run of text in outputs that are HTML."""
    for opening in _OUTPUT.finditer(page):
        depth, at = 1, opening.end()
        while depth and (tag := _TAG.search(page, at)):
            yield at, tag.start()
            at = tag.end()
            if tag["name"] == "div":
                depth += -1 if tag["end"] else 1


def _macros(texts: Any) -> dict[str, Any]:
    """Return the macros that the book's configuration gives to MathJax."""
    macros: dict[str, Any] = {}
    for text in texts:
        for match in _SCRIPT.finditer(text):
            if match[1]:
                macros |= json.loads(match[1]).get("tex", {}).get("macros", {})
    return macros


def _typeset(
    wanted: list[tuple[str, bool]], macros: dict[str, Any]
) -> tuple[str, dict[tuple[str, bool], dict[str, str]]]:
    """Return a style sheet, and HTML or an error for each formula; those set last are known."""
    given = {"es5": str(MATHJAX / "es5"), "fonts": "fonts", "macros": macros, "formulas": wanted}
    text = json.dumps(given)
    sources = [PROGRAM.read_bytes(), Path(__file__).read_bytes(), text.encode(), VERSION.encode()]
    stored = (CACHE / hashlib.sha256(b"\0".join(sources)).hexdigest()).with_suffix(".json")
    if stored.is_file():
        known = json.loads(stored.read_text(encoding="utf-8"))
    else:
        ran = subprocess.run(
            ["node", str(PROGRAM)], input=text, capture_output=True, encoding="utf-8", check=False
        )
        if ran.returncode:
            raise BookError(f"mathematics: node ended with {ran.stderr.strip()[-400:]}")
        known = json.loads(ran.stdout)
        known["css"] = _with_glyphs(known["css"]) + _LOOK
        _store(stored, json.dumps(known))
    return known["css"], dict(zip(wanted, known["formulas"], strict=True))


def _store(path: Path, text: str) -> None:
    """Write a file at once, and remove all but the newest few beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
    there = sorted(path.parent.glob("*.json"), key=lambda one: one.stat().st_mtime_ns)
    for old in there[:-KEPT]:
        old.unlink(missing_ok=True)


def _with_glyphs(css: str) -> str:
    """Return the style sheet with its fonts inside, each cut down to the characters in use."""
    used = _characters(css)

    def face(rule: re.Match[str]) -> str:
        family, file = rule["family"], rule["file"]
        if family not in used and family != EMPTY:
            return ""
        data = _cut(MATHJAX / "es5/output/chtml/fonts/woff-v2" / file, used[family])
        return f'@font-face {{ font-family: {family}; src: url("{data}") format("woff"); }}'

    return _FACE.sub(face, css)


def _characters(css: str) -> dict[str, set[int]]:
    """Return the characters that a style sheet draws, by font family."""
    used: dict[str, set[int]] = defaultdict(set)
    for selector, text in _CONTENT.findall(css):
        codes = {int(code, 16) for code in _ESCAPED.findall(text)}
        codes |= {ord(character) for character in _ESCAPED.sub("", text)}
        variant = re.search(r"\.TEX(-\w+)", selector)
        families = [f"MJXTEX{variant[1]}"] if variant else ["MJXTEX"]
        for family in STRETCHED if "stretchy" in selector else families:
            used[family] |= codes
    return used


def _cut(path: Path, codes: set[int]) -> str:
    """Return the address of a font that holds these characters alone, with the font inside."""
    font, made = TTFont(path), io.BytesIO()
    options = subset.Options(layout_features=[], hinting=False, drop_tables=["FFTM"])
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=codes or set(font.getBestCmap()))
    cutter.subset(font)
    font.flavor = "woff"
    font.save(made)
    return f"data:font/woff;base64,{base64.b64encode(made.getvalue()).decode()}"
