"""The last step of a build: what pages load, and what their parts are called."""

import pytest
from PIL import Image

from tools import finishing


def scripts(body, tmp_path):
    """Return what is left of the scripts that extensions add to a page."""
    (tmp_path / "documentation_options.js").write_text("const DOCUMENTATION_OPTIONS = {};")
    names = [need.script for need in finishing.NEEDS]
    head = "".join(f'<script src="{name}?v=1"></script>\n' for name in names)
    page = (
        '<head><meta name="viewport" content="a"/><meta name="viewport" content="b" />'
        '<script src="documentation_options.js?v=2"></script>\n'
        '<script>let toggleHintShow = \'Click\';</script><link rel="preload" as="script" href="a">'
        f'{head}<script defer src="late.js"></script><script src="ours.js"></script></head>'
        f"<body>{body}</body>"
    )
    return finishing.with_light_scripts(page, tmp_path / "index.html")


def test_a_page_loses_scripts_that_have_nothing_to_do(tmp_path):
    page = scripts("<p>text</p>", tmp_path)
    assert not any(need.script in page for need in finishing.NEEDS)
    assert "toggleHintShow" not in page
    assert "preload" not in page
    assert page.count("viewport") == 1


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ('<div class="sd-tab-set">', {"design-tabs.js"}),
        ('<div class="admonition dropdown">', {"togglebutton.js"}),
        ('<div class="toggle">', {"togglebutton.js"}),
        (
            '<div class="cell highlight-python"><div class="highlight">',
            {"clipboard.min.js", "copybutton.js"},
        ),
        ('<div id="search-results">', {"searchtools.js", "language_data.js", "searchindex.js"}),
        ('<button class="dropdown-toggle sidebar-toggle">', set()),
    ],
)
def test_a_page_keeps_scripts_that_it_needs(tmp_path, body, names):
    page = scripts(body, tmp_path)
    kept = {need.script for need in finishing.NEEDS if need.script in page}
    assert kept == names
    assert ("toggleHintShow" in page) == ("togglebutton.js" in names)


def test_no_script_holds_the_page_up(tmp_path):
    page = scripts('<div class="highlight">', tmp_path)
    assert "<script>const DOCUMENTATION_OPTIONS = {};</script>" in page
    assert page.count("<script defer") == page.count("src=") == 4


def test_images_keep_their_place_and_later_ones_wait(tmp_path):
    Image.new("L", (30, 20)).save(tmp_path / "a.png")
    (tmp_path / "b.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="36pt"/>'
    )
    page = (
        '<img src="a.png" alt="logo"/><article><img src="a.png" style="width: 15px;" />'
        '<img src="b.svg" alt="b" /><img src="a.png" width="3" /><img src="gone.png" /></article>'
    )
    assert finishing.sized_images(page, tmp_path / "index.html") == (
        '<img src="a.png" alt="logo" width="30" height="20" />'
        '<article><img src="a.png" style="width: 15px;" width="30" height="20" />'
        '<img src="b.svg" alt="b" width="96" height="48" loading="lazy" />'
        '<img src="a.png" width="3" loading="lazy" />'
        '<img src="gone.png" loading="lazy" /></article>'
    )


def test_parts_of_the_theme_have_names_and_roles():
    page = finishing.named(
        '<a class="current reference internal" href="#">1. Rules &amp; <em>more</em></a>'
        "<details><summary>"
        '<summary aria-label="Toggle hidden content">Show</summary>'
        '<button class="btn search-button-field" title="Search" aria-label="Search">Search K'
        '</button><button class="btn theme-switch-button" aria-label="Color mode">'
        '<i class="a" title="Light"></i></button>'
        '<div id="pst-primary-sidebar" class="bar"><div class="citation" role="doc-biblioentry">'
        '<th class="head"></th><th class="head"><p>x</p></th>'
    )
    assert '<summary aria-label="Pages below 1. Rules &amp; more">' in page
    assert "<summary>Show</summary>" in page
    assert '<button class="btn search-button-field" title="Search">Search K' in page
    assert (
        '<button class="btn theme-switch-button" aria-label="Color mode"><i class="a"></i>' in page
    )
    assert 'class="bar" role="complementary" aria-label="Book"' in page
    assert '<div class="citation" role="listitem">' in page
    assert '<td></td><th class="head"><p>x</p></th>' in page


def test_a_description_is_how_the_page_begins():
    text = " ".join(f"word{i}" for i in range(100))
    page = (
        '<title>T</title><article><h1>T</h1><p class="facts">3 minutes</p>'
        f'<p>Of <b>"x"</b> &amp; y.</p><ul><li>{text}</li></ul></article>'
    )
    made = finishing.described(page)
    description = made.split('content="')[1].split('"')[0]
    assert description.startswith("Of &quot;x&quot; &amp; y. word0 word1")
    assert description.endswith(" …")
    assert len(description) <= 175
    assert finishing.described(made) == made, "a page that has one keeps it"
