"""Mathematics that is set while the book is built."""

import base64
import io
import re
import shutil

import pytest
from fontTools.ttLib import TTFont

from tools import mathematics
from tools.rendered import BookError

HEAD = (
    '<head><script>window.MathJax = {"tex": {"macros": {"R": "\\\\mathbb{R}"}}}</script>\n'
    '<script defer="defer" src="https://cdn.example/mathjax@3/es5/tex-mml-chtml.js"></script></head>'
)
NUMBERED = (
    '<div class="math notranslate nohighlight" id="equation-one">\n'
    '<span class="eqno">(1)<a class="headerlink" href="#equation-one">#</a></span>'
    r"\[\frac{a}{b} &lt; 1\]</div>"
)


def kinds(page):
    return [(one.tex, one.display) for one in mathematics.formulas(page)]


def test_formulas_that_sphinx_marks_are_found():
    page = rf'<h2>On <span class="math notranslate">\(x &amp; y\)</span></h2>{NUMBERED}'
    assert kinds(page) == [("x & y", False), (r"\frac{a}{b} < 1", True)]
    bare = r'<div class="math amsmath">\begin{align}a &amp;= b\end{align}</div>'
    assert kinds(bare) == [(r"\begin{align}a &= b\end{align}", True)]


def test_formulas_in_outputs_are_found_and_nowhere_else():
    page = (
        r"<p>\(not marked\) and $5$</p>"
        '<div class="output text_html"><div class="d2l-quiz" aria-label="\\(attribute\\) > $a$">'
        r"<p>Is \(a &lt; b\) or $c^2$ for $5 or $6?</p><script>const a = '\(script\)';</script>"
        r"<code>\(code\)</code></div>\[d\]</div><p>\(after\)</p>"
    )
    assert kinds(page) == [("a < b", False), ("c^2", False), ("d", True)]


def test_a_formula_that_is_marked_inside_an_output_is_set_once():
    quiz = r'<div class="output text_html">Is <span class="math notranslate">\(a\)</span>?</div>'
    assert kinds(quiz) == [("a", False)]


node = pytest.mark.skipif(
    shutil.which("node") is None or not mathematics.MATHJAX.is_dir(),
    reason="node or MathJax is missing: `make book` fetches MathJax where npm is installed",
)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Return a function that sets a page and returns its text."""
    monkeypatch.setattr(mathematics, "CACHE", tmp_path / "cache")

    def write(body):
        (tmp_path / "html" / "_static").mkdir(parents=True, exist_ok=True)
        (tmp_path / "html" / "chapters").mkdir(exist_ok=True)
        page = tmp_path / "html" / "chapters" / "one.html"
        page.write_text(f"<html>{HEAD}<body>{body}</body></html>")
        mathematics.apply(tmp_path / "html")
        return page.read_text()

    return write


@node
def test_a_page_holds_set_formulas_with_mathml_and_no_script(site):
    page = site(rf'<span class="math">\(x \in \R\)</span>{NUMBERED}')
    assert page.count("<mjx-container") == 2
    assert page.count("<math xmlns") == 2
    assert r"\(" not in page
    assert "mathjax@3" not in page
    assert "window.MathJax" not in page
    assert '<link rel="stylesheet" type="text/css" href="../_static/mathematics.css?v=' in page
    assert '<span class="eqno">(1)<a class="headerlink" href="#equation-one">#</a></span>' in page
    assert '<mi mathvariant="double-struck">R</mi>' in page, "macros of the configuration hold"


@node
def test_the_style_sheet_draws_every_character_of_every_formula(site, tmp_path):
    page = site(r'<span class="math">\(x + \mathbf{y}\)</span>')
    sheet = (tmp_path / "html" / mathematics.SHEET).read_text()
    families = re.findall(r"font-family: (MJXTEX[\w-]*); src: url\(\"data:[^,]*,([^\"]+)", sheet)
    held = {
        name: set(TTFont(io.BytesIO(base64.b64decode(data))).getBestCmap())
        for name, data in families
    }
    assert set(held) == {"MJXTEX", "MJXTEX-I", "MJXTEX-B"}
    assert ord("x") in held["MJXTEX-I"]
    assert ord("+") in held["MJXTEX"]
    assert ord("y") in held["MJXTEX-B"]
    for name in re.findall(r'<mjx-c class="(mjx-c\w+)', page):
        assert f"mjx-c.{name}" in sheet
    assert len(sheet) < 40_000
    assert "fonts/" not in sheet, "nothing is fetched besides the sheet"


@node
def test_an_error_of_tex_names_page_and_formula(site):
    with pytest.raises(BookError, match=r"chapters/one: .*'\\\\nowhere\{x\}' \(Undefined control"):
        site(r'<span class="math">\(\nowhere{x}\)</span>')


@node
def test_what_was_set_before_is_not_set_again(site, monkeypatch):
    body = r'<span class="math">\(x\)</span>'
    first = site(body)
    with monkeypatch.context() as patch:
        patch.setattr(mathematics.subprocess, "run", None)
        assert site(body) == first
    others = [site(body.replace("x", letter)) for letter in "yz"]
    assert first not in others
    with monkeypatch.context() as patch:
        patch.setattr(mathematics.subprocess, "run", None)
        assert [site(body.replace("x", letter)) for letter in "xyz"] == [first, *others]


@node
def test_the_oldest_of_what_was_set_goes(site, monkeypatch, tmp_path):
    monkeypatch.setattr(mathematics, "KEPT", 1)
    for letter in "xy":
        site(f'<span class="math">\\({letter}\\)</span>')
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_without_node_the_reason_says_so(monkeypatch):
    monkeypatch.setattr(mathematics.shutil, "which", lambda name: None)
    assert mathematics.vendor() == "node was not found"


@node
def test_a_formula_in_a_line_keeps_its_punctuation(site):
    a, b, c = (f'<span class="math notranslate">\\({name}\\)</span>' for name in "abc")
    text = re.sub(r"<mjx-container.*?</mjx-container>", "@", site(f"<p>If {a} ({b}), {c}.</p>"))
    assert "If @ " in re.sub(r"</?span[^>]*>", "", text)
    held = re.findall(r'<span class="held">(.*?[^>])</span>(?=[ <])', text)
    assert [re.sub(r"<[^>]*>", "", one) for one in held] == ["(@),", "@."]
