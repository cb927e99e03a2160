"""Icons of the built pages: the theme's own fonts, cut down to what pages and scripts really draw.

The theme draws its icons with a script of 1.5 MB that holds every icon there is. Its style sheet
names the same icons in web fonts, so that the script is not needed: here the pages lose it, the
fonts keep only the icons in use, and they move into the style sheet.
"""

import base64
import difflib
import io
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

from tools.rendered import BookError, pages

SHEET = Path("_static/styles/pydata-sphinx-theme.css")
SCRIPT = "fontawesome.js"
FONTS = Path("_static/vendor/fontawesome/webfonts")
#: The font of each style, and the classes that ask for it.
STYLES = {
    "fa-solid-900": ("fa", "fas", "fa-solid"),
    "fa-regular-400": ("far", "fa-regular"),
    "fa-brands-400": ("fab", "fa-brands"),
}
_STYLE_OF = {name: style for style, names in STYLES.items() for name in names}
_NAMED = re.compile(r'((?:\.fa-[\w-]+:before,?)+)\{content:"([^"]*)"\}')
_CLASSES = re.compile(r"""["']([^"'<>{}()]*\bfa[srb]?[ -][^"'<>{}()]*)["']""")
_FACE = re.compile(r"url\(\.\./vendor/fontawesome/webfonts/([\w-]+)\.woff2\)[^;}]*")
#: Code points that stand for icons, as style sheets write them.
_PRIVATE = re.compile(r"\\(f[0-9a-f]{3})\b|([\uf000-\uf8ff])")
#: Where the theme's style sheet expects the picture that the script made of an icon.
_PICTURES = {
    r"\bsvg(?=\.fa-)": "",
    r"(?<=form\.bd-search )svg\b": "i",
    r"(?<=search-button-field>:not\()svg\b": "i",
}
#: Rules that the theme has for characters, and that never met the pictures its script made.
_LOOK = """
.sidebar-secondary-item i[class*="fa-"]{padding-right:0}
.prev-next-area i[class*="fa-"]{font-size:1em}
#pst-search-dialog form.bd-search i.fa-solid{position:static}
.theme-switch-button i.theme-switch{font-size:1em;line-height:1.25}
"""


def apply(html: Path) -> list[str]:
    """Cut the icons of a built book down to those in use.

    Args:
        html: the folder of the built book; pages, style sheet and fonts in it are changed.

    Returns:
        The names of the icons that pages and scripts ask for, sorted.

    Raises:
        BookError: a page or script asks for an icon that the theme does not have.
    """
    sheet = (html / SHEET).read_text(encoding="utf-8")
    icons = _icons(sheet)
    used = _used(html, icons, sheet)
    names = {name for own in used.values() for name in own}
    sheet = _NAMED.sub(
        lambda rule: rule[0] if names & set(re.findall(r"fa-[\w-]+", rule[1])) else "", sheet
    )
    for pattern, element in _PICTURES.items():
        sheet = re.sub(pattern, element, sheet)
    drawn = _drawn_by_sheets(html, sheet)
    faces = {
        style: _face(html / FONTS / f"{style}.ttf", {n: icons[n] for n in used[style]}, drawn)
        for style in STYLES
    }
    sheet = _FACE.sub(lambda face: faces[face[1]], sheet)
    (html / SHEET).write_text(sheet + _LOOK, encoding="utf-8")
    _without_script(html)
    return sorted(names)


def _icons(sheet: str) -> dict[str, int]:
    """Return the code point of every icon by its class."""
    icons = {}
    for names, text in _NAMED.findall(sheet):
        code = re.fullmatch(r"\\([0-9a-f]+) ?", text)
        for name in re.findall(r"fa-[\w-]+", names):
            icons[name] = int(code[1], 16) if code else ord(text[-1])
    return icons


def _used(html: Path, icons: dict[str, int], sheet: str) -> dict[str, set[str]]:
    """Return the names of the icons that pages and scripts ask for, by style."""
    modifiers = set(_STYLE_OF) | (set(re.findall(r"\.(fa-[\w-]+)", sheet)) - set(icons))
    used: dict[str, set[str]] = defaultdict(set)
    for path, classes in _class_lists(html):
        style = next((_STYLE_OF[name] for name in classes if name in _STYLE_OF), None)
        wanted = {name for name in classes if name.startswith("fa-")} - modifiers
        for name in sorted(wanted - set(icons)):
            near = difflib.get_close_matches(name, icons, 3)
            hint = f"; nearest: {', '.join(near)}" if near else ""
            raise BookError(f"{path.relative_to(html)}: the theme has no icon {name!r}{hint}")
        if style:
            used[style] |= wanted
    return used


def _class_lists(html: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield every list of classes in pages and scripts that may name an icon."""
    scripts = [path for path in (html / "_static").rglob("*.js") if path.name != SCRIPT]
    for path in [*pages(html), *sorted(scripts)]:
        for classes in sorted(set(_CLASSES.findall(path.read_text(encoding="utf-8")))):
            yield path, classes.split()


def _drawn_by_sheets(html: Path, sheet: str) -> set[int]:
    """Return the code points that style sheets draw by themselves, as beside admonitions."""
    others = [path for path in (html / "_static").rglob("*.css") if path.name != SHEET.name]
    texts = [sheet, *(path.read_text(encoding="utf-8") for path in others)]
    found = (pair for text in texts for pair in _PRIVATE.findall(text))
    return {int(escaped, 16) if escaped else ord(character) for escaped, character in found}


def _face(path: Path, named: dict[str, int], drawn: set[int]) -> str:
    """Return the source of a font face: a font with these characters alone, where it has them."""
    font = TTFont(path)
    there = set(font.getBestCmap())
    for name, code in sorted(named.items()):
        if code not in there:
            styles = " or ".join(STYLES[path.stem])
            raise BookError(f"{name!r} is asked for as {styles}, and {path.name} does not hold it")
    # Style sheets draw with the solid and the brands font alone.
    codes = set(named.values()) | (drawn & there if path.stem != "fa-regular-400" else set())
    if not codes:
        return 'local("")'
    cutter = subset.Subsetter(subset.Options(hinting=False, layout_features=[]))
    cutter.populate(unicodes=codes)
    cutter.subset(font)
    font.flavor, made = "woff", io.BytesIO()
    font.save(made)
    data = base64.b64encode(made.getvalue()).decode()
    return f'url("data:font/woff;base64,{data}") format("woff")'


def _without_script(html: Path) -> None:
    """Take the icon script and the whole fonts out of the book, and say icons are decoration."""
    for path in pages(html):
        text = path.read_text(encoding="utf-8")
        text = re.sub(rf"\s*<script\b[^>]*/{re.escape(SCRIPT)}[^>]*></script>", "", text)
        text = re.sub(r'<i (class="[^"]*\bfa[srb]?[ -])', r'<i aria-hidden="true" \1', text)
        path.write_text(text, encoding="utf-8")
    for path in [*(html / FONTS).glob("fa-*"), *(html / "_static/scripts").glob(f"{SCRIPT}*")]:
        path.unlink()
