"""Icons of the built pages, on a theme of four icons in the fonts that the real theme brings."""

import base64
import io
import re
import shutil
from pathlib import Path

import pydata_sphinx_theme
import pytest
from fontTools.ttLib import TTFont

from tools import icons
from tools.rendered import BookError

THEME = Path(pydata_sphinx_theme.__file__).parent / "theme" / "pydata_sphinx_theme" / "static"
FACES = "".join(
    f"@font-face{{font-family:{style};src:url(../vendor/fontawesome/webfonts/{style}.woff2) "
    f'format("woff2"),url(../vendor/fontawesome/webfonts/{style}.ttf) format("truetype")}}'
    for style in icons.STYLES
)
RULES = (
    ".fa-lg{font-size:1.25em}"
    r'.fa-sun:before{content:"\f185"}.fa-add:before,.fa-plus:before{content:"\+"}'
    r'.fa-moon:before{content:"\f186"}.fa-xmark:before{content:"\f00d"}'
    r'.fa-github:before{content:"\f09b"}'
    ".search-button-field>:not(svg){display:none}"
)


@pytest.fixture
def site(tmp_path):
    """Return a function that writes a built book with this body and style sheet."""

    def write(body, sheet="", script=""):
        (tmp_path / icons.FONTS).mkdir(parents=True, exist_ok=True)
        for style in icons.STYLES:
            shutil.copy(
                THEME / "vendor/fontawesome/webfonts" / f"{style}.ttf", tmp_path / icons.FONTS
            )
        for name in (icons.SHEET, Path("_static/scripts", icons.SCRIPT)):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / icons.SHEET).write_text(FACES + RULES + sheet)
        (tmp_path / "_static/scripts" / icons.SCRIPT).write_text('"fa-solid fa-moon"')
        (tmp_path / "_static/scripts/theme.js").write_text(script)
        tag = '<script defer src="_static/scripts/fontawesome.js?digest=1"></script>'
        (tmp_path / "index.html").write_text(f"<head>{tag}</head><body>{body}</body>")
        return tmp_path

    return write


def characters(site, style):
    """Return the characters that a font of the finished book holds."""
    sheet = (site / icons.SHEET).read_text()
    face = re.search(
        rf"font-family:{style};src:(?:url\(\"data:font/woff;base64,([^\"]+)|local)", sheet
    )
    if face[1] is None:
        return None
    return set(TTFont(io.BytesIO(base64.b64decode(face[1]))).getBestCmap())


def test_fonts_hold_the_icons_in_use_and_no_other(site):
    book = site('<i class="theme fa-solid fa-sun fa-lg"></i><i class="fas fa-plus"></i>')
    assert icons.apply(book) == ["fa-plus", "fa-sun"]
    assert characters(book, "fa-solid-900") == {0xF185, ord("+")}
    assert characters(book, "fa-regular-400") is None
    sheet = (book / icons.SHEET).read_text()
    assert ".fa-sun:before" in sheet
    assert ".fa-moon:before" not in sheet
    assert len(sheet) < 5000


def test_icons_of_scripts_and_of_style_sheets_stay(site):
    book = site(
        "",
        sheet=r':root{--bell:"\f0f3";--github:"\f09b"}',
        script='x.classList="fa-solid fa-xmark"',
    )
    assert icons.apply(book) == ["fa-xmark"]
    assert characters(book, "fa-solid-900") == {0xF00D, 0xF0F3}
    assert characters(book, "fa-brands-400") == {0xF09B}


def test_each_style_draws_with_its_own_font(site):
    book = site('<i class="fab fa-github"></i><span class="far fa-sun"></span>')
    icons.apply(book)
    assert characters(book, "fa-brands-400") == {0xF09B}
    assert characters(book, "fa-regular-400") == {0xF185}


def test_pages_lose_the_script_and_icons_are_not_read_aloud(site):
    book = site('<i class="fa-solid fa-sun"></i>')
    icons.apply(book)
    page = (book / "index.html").read_text()
    assert icons.SCRIPT not in page
    assert '<i aria-hidden="true" class="fa-solid fa-sun">' in page
    assert not list(book.rglob("fontawesome*.js"))
    assert not list(book.rglob("*.ttf"))
    assert ".search-button-field>:not(i)" in (book / icons.SHEET).read_text()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('<i class="fa-solid fa-sunn"></i>', "index.html: the theme has no icon 'fa-sunn'.*fa-sun"),
        ('<i class="fa-brands fa-sun"></i>', "'fa-sun' is asked for as fab or fa-brands"),
    ],
)
def test_an_icon_that_is_not_there_is_named(site, body, message):
    with pytest.raises(BookError, match=message):
        icons.apply(site(body))


def test_an_icon_that_only_a_script_asks_for_is_missed_too(site):
    with pytest.raises(BookError, match=r"theme\.js: the theme has no icon 'fa-nowhere'"):
        icons.apply(site("", script='x.classList = "fa-solid fa-nowhere"'))
