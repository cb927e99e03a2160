"""The last step of a build: pages that load no more than they use, and that name what they show.

Each function here takes the text of a page and returns it changed; what the theme and Sphinx's
extensions could be told by their own settings is told there instead.
"""

import html as entities
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from PIL import Image

from tools.rendered import pages

_SCRIPT = re.compile(
    r'[ \t]*<script\b(?P<attributes>[^>]*?)\ssrc="(?P<src>[^"]+)"(?P<more>[^>]*)></script>\n?'
)
_CLASSES = re.compile(r'\bclass="([^"]*)"')
_IMAGE = re.compile(r"<img\b(?P<attributes>[^>]*?)\s*/?>")
_MAX_DESCRIPTION = 155


class Need(NamedTuple):
    """A script of an extension, and the pattern of what it works on."""

    script: str
    pattern: re.Pattern[str]


#: Extensions add their scripts to every page; these go from pages without anything for them to do.
NEEDS = (
    Need("design-tabs.js", re.compile(r'class="[^"]*\bsd-tab-set\b')),
    Need(
        "togglebutton.js",
        re.compile(r'class="(?:[^"]* )?(?:toggle|admonition(?= [^"]*\bdropdown\b))(?:[ "])'),
    ),
    Need("clipboard.min.js", re.compile(r'class="[^"]*\bhighlight\b')),
    Need("copybutton.js", re.compile(r'class="[^"]*\bhighlight\b')),
    Need("searchtools.js", re.compile(r'id="search-results"')),
    Need("language_data.js", re.compile(r'id="search-results"')),
    Need("searchindex.js", re.compile(r'id="search-results"')),
)


def apply(html: Path) -> None:
    """Finish all pages of a built book.

    Args:
        html: the folder of the built book; its pages are changed, maps of scripts are removed.
    """
    for path in pages(html):
        text = path.read_text(encoding="utf-8")
        text = sized_images(with_light_scripts(text, path), path)
        path.write_text(described(named(text)), encoding="utf-8")
    for path in (html / "_static").rglob("*.map"):
        path.unlink()
        script = path.with_suffix("")
        if script.is_file():
            text = script.read_text(encoding="utf-8")
            script.write_text(re.sub(r"\n?/[/*]# sourceMappingURL=.*", "", text), encoding="utf-8")


def with_light_scripts(text: str, path: Path) -> str:
    """Return a page without scripts that have nothing to do on it; the others do not hold it up."""
    body = text[text.index("<body") :] if "<body" in text else text

    def script(match: re.Match[str]) -> str:
        name = match["src"].partition("?")[0].rsplit("/", 1)[-1]
        if any(name == need.script and not need.pattern.search(body) for need in NEEDS):
            return ""
        if name == "documentation_options.js":
            # The lines after it change what it defines, and a request costs more than its content.
            content = (path.parent / match["src"].partition("?")[0]).read_text(encoding="utf-8")
            return f"    <script>{content}</script>\n"
        if "defer" in match["attributes"] + match["more"]:
            return match[0]
        return match[0].replace("<script", "<script defer", 1)

    text = _SCRIPT.sub(script, text)
    text = re.sub(r'[ \t]*<link rel="preload" as="script"[^>]*>\n?', "", text)
    if "togglebutton.js" not in text:
        text = re.sub(r"[ \t]*<script>(?:let|var) toggle\w+ = [^<]*</script>\n?", "", text)
    # Three parts of the theme each say how wide the page is.
    before, viewport, after = text.partition('<meta name="viewport"')
    return before + viewport + re.sub(r'[ \t]*<meta name="viewport"[^>]*>\n?', "", after)


def sized_images(text: str, path: Path) -> str:
    """Return a page whose images keep their place while they load, those further down on demand."""
    article = text.find("<article")
    count = 0

    def image(match: re.Match[str]) -> str:
        nonlocal count
        given = match["attributes"]
        source = re.search(r'src="([^"?]+)', given)
        file = path.parent / source[1] if source else path
        extra = ""
        if source and file.is_file() and not re.search(r"\b(?:width|height)=|height:", given):
            width, height = _size(file)
            extra = f' width="{width}" height="{height}"' if width else ""
        if match.start() > article >= 0:
            count += 1
            if count > 1 and "loading=" not in given:
                extra += ' loading="lazy"'
        return f"<img{given}{extra} />" if extra else match[0]

    return _IMAGE.sub(image, text)


@cache
def _size(file: Path) -> tuple[int, int]:
    """Return width and height of an image in pixels, zeros where it does not say."""
    if file.suffix != ".svg":
        with Image.open(file) as image:
            return image.size
    root = ElementTree.parse(file).getroot()
    units = {"pt": 4 / 3, "px": 1.0, "": 1.0}
    sizes = []
    for name in ("width", "height"):
        given = re.fullmatch(r"([\d.]+)(pt|px|)", root.get(name, ""))
        sizes.append(round(float(given[1]) * units[given[2]]) if given else 0)
    return sizes[0], sizes[1]


def named(text: str) -> str:
    """Return a page on which whatever can be used or is read aloud has the right name and role."""
    # The arrow that unfolds the pages below a page in the side bar.
    text = re.sub(
        r'(<a class="(?:current )?reference internal"[^>]*>)((?:(?!</a>).)*)'
        r"(</a>\s*<details[^>]*>\s*<summary)>",
        lambda m: f'{m[1]}{m[2]}{m[3]} aria-label="Pages below {_plain(m[2])}">',
        text,
        flags=re.S,
    )
    # A name that differs from the text that is shown cannot be spoken to a voice control.
    text = text.replace(' aria-label="Toggle hidden content"', "")
    text = re.sub(
        r"<button[^>]*\b(?:search-button-field|theme-switch-button)\b.*?</button>",
        lambda m: _without_second_names(m[0]),
        text,
        flags=re.S,
    )
    text = re.sub(
        r'<div id="pst-primary-sidebar" class="([^"]*)">',
        r'<div id="pst-primary-sidebar" class="\1" role="complementary" aria-label="Book">',
        text,
    )
    # Entries of a list; the role that Sphinx gives them is deprecated.
    text = text.replace(' role="doc-biblioentry"', ' role="listitem"')
    # The corner of a table heads nothing.
    return re.sub(r'<th class="[^"]*\bhead\b[^"]*">\s*(?:<p>\s*</p>)?\s*</th>', "<td></td>", text)


def _without_second_names(button: str) -> str:
    """Return a button that shows its own name, or icons without a name of theirs."""
    if "search-button-field" in button:
        return re.sub(r' aria-label="[^"]*"', "", button, count=1)
    return re.sub(r'(<i\b[^>]*?) title="[^"]*"', r"\1", button)


def described(text: str) -> str:
    """Return a page with a description for search engines: how its text begins."""
    article = re.search(r"<article\b.*?</h1>(.*?)</article>", text, re.S)
    if article is None or '<meta name="description"' in text:
        return text
    parts = re.findall(r"<(p|li)\b([^>]*)>(.*?)</\1>", article[1], re.S)
    shown = " ".join(_plain(part) for _, given, part in parts if "class=" not in given)
    if not shown:
        return text
    if len(shown) > _MAX_DESCRIPTION:
        shown = shown[:_MAX_DESCRIPTION].rsplit(" ", 1)[0].rstrip(",;:") + " …"
    meta = f'    <meta name="description" content="{shown}" />\n'
    return text.replace("<title>", f"{meta.strip()}\n    <title>", 1)


def _plain(markup: str) -> str:
    """Return the text of markup on one line, fit for an attribute."""
    markup = re.sub(r"<(script|style|mjx-assistive-mml)\b.*?</\1>", "", markup, flags=re.S)
    text = entities.unescape(re.sub(r"<[^>]+>", "", markup))
    return entities.escape(" ".join(text.split()))
