"""Style sheets of the built pages: one file, without what no page can use."""

import pytest

from tools import styles
from tools.rendered import BookError

NAMES = styles.Names(frozenset({"card", "main", "tooltip-inner"}), ("bs-tooltip-",))


@pytest.mark.parametrize(
    ("css", "kept"),
    [
        (".card{color:red}", ".card{color:red}"),
        (".gone{color:red}", ""),
        (".card,.gone p{color:red}", ".card{color:red}"),
        (".card.gone{color:red}", ""),
        ("#main>p{color:red}", "#main>p{color:red}"),
        ("#none{color:red}", ""),
        ("p:not(.gone){color:red}", "p:not(.gone){color:red}"),
        ("html[data-theme=dark] .card{color:red}", "html[data-theme=dark] .card{color:red}"),
        (".bs-tooltip-end{color:red}", ".bs-tooltip-end{color:red}"),
        ("@media print{.card{color:red}.gone{x:y}}", "@media print{.card{color:red}}"),
        ("@media print{.gone{color:red}}", ""),
        ("@font-face{font-family:x}", "@font-face{font-family:x}"),
        ("@keyframes turn{from{top:0}}", "@keyframes turn{from{top:0}}"),
        ('a{content:"} .gone{"}', 'a{content:"} .gone{"}'),
    ],
)
def test_a_selector_goes_when_its_class_or_id_is_nowhere(css, kept):
    assert styles.purged(css, NAMES).replace("\n", "") == kept


@pytest.fixture
def site(tmp_path):
    """A built book of two pages with two style sheets, of which one imports a third."""
    static = tmp_path / "_static"
    (static / "styles").mkdir(parents=True)
    (tmp_path / "chapters").mkdir()
    (static / "basic.css").write_text("p{margin:0}")
    (static / "styles" / "theme.css").write_text(
        '@import "../basic.css";.card{color:red}.gone{x:y}'
    )
    (static / "book.css").write_text(
        ".card{color:blue;background:url(../vendor/a.png)}.made-by-script{x:y}.b{x:url(data:x)}"
    )
    (static / "page.js").write_text('x.classList.add("made-by-script")')
    for page, up in (("index.html", ""), ("chapters/one.html", "../")):
        links = "".join(
            f'<link rel="stylesheet" href="{up}_static/{name}?v=1" />\n'
            for name in ("styles/theme.css", "book.css", "mathematics.css")
        )
        (tmp_path / page).write_text(f'<head>{links}</head><p class="card b">')
    return tmp_path


def test_pages_share_one_sheet_with_everything_in_its_order(site):
    styles.apply(site)
    (made,) = (site / "_static").glob("site-*.css")
    text = made.read_text()
    order = ["p{margin:0}", ".card{color:red}", ".card{color:blue", ".made-by-script"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert ".gone" not in text
    assert "@import" not in text
    assert 'url("../vendor/a.png")' in text
    assert "url(data:x)" in text
    page = (site / "chapters" / "one.html").read_text()
    assert page.count("stylesheet") == 2, "mathematics stays by itself"
    assert f'href="../_static/{made.name}"' in page
    assert page.index(made.name) < page.index("mathematics.css")


def test_the_sheet_of_the_last_build_goes(site):
    (site / "_static" / "site-0000000000.css").write_text("")
    styles.apply(site)
    assert len(list((site / "_static").glob("site-*.css"))) == 1


def test_a_sheet_that_is_not_there_is_named(site):
    (site / "_static" / "book.css").unlink()
    with pytest.raises(BookError, match=r"there is no style sheet \S*_static/book\.css"):
        styles.apply(site)
