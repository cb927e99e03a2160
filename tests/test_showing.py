"""Shown source is the source, whole and in order, highlighted with stable bytes."""

import html
import inspect
import re

import pytest

import d2l_lite.showing as module
from d2l_lite.showing import Source, show_source


def text_of(page):
    """Return what a browser shows of the code."""
    code = re.search(r"<pre>(.*)</pre>", page, re.S).group(1)
    return html.unescape(re.sub(r"<[^>]+>", "", code))


class Sample:
    """A class whose method is indented."""

    def method(self):
        return "<b> & 'quotes'"


@pytest.mark.parametrize("obj", [show_source, Source, module], ids=["function", "class", "module"])
def test_the_page_shows_the_source_and_nothing_else(obj):
    shown = show_source(obj)
    assert str(shown) == repr(shown) == inspect.getsource(obj)
    assert text_of(shown._repr_html_()).strip() == inspect.getsource(obj).strip()


def test_a_method_is_dedented_and_its_markup_escaped():
    shown = show_source(Sample.method)
    assert str(shown) == "def method(self):\n    return \"<b> & 'quotes'\"\n"
    page = shown._repr_html_()
    assert 'aria-label="Source of Sample.method"' in page
    assert "<b>" not in page
    assert text_of(page) == str(shown)


def test_keywords_strings_and_names_are_marked_and_colored_in_both_themes():
    page = show_source(Sample.method)._repr_html_()
    assert '<span class="k">def</span>' in page
    assert '<span class="nf">method</span>' in page
    styled = {name for group in re.findall(r":is\(([^)]*)\)", page) for name in group.split(", ")}
    marked = set(re.findall(r'<span class="(\w+)">', show_source(module)._repr_html_()))
    assert {f".{name}" for name in marked} <= styled
    light, dark = (
        set(re.findall(r"(--\w+):", block)) for block in re.findall(r"{([^}]*--back:[^}]*)}", page)
    )
    assert light == dark


def test_text_and_background_are_told_apart_in_both_themes():
    def luminance(color):
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    blocks = re.findall(r"{([^}]*--back:[^}]*)}", show_source(module)._repr_html_())
    assert len(blocks) == 2
    for block in blocks:
        colors = dict(re.findall(r"--(\w+): (#\w{6})", block))
        back = luminance(colors.pop("back"))
        assert len(colors) == 6
        for name, color in colors.items():
            light, dark = sorted([back, luminance(color)], reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, name


def test_the_page_is_the_same_each_time():
    assert show_source(module)._repr_html_() == show_source(module)._repr_html_()
    assert not re.search(r"0x[0-9a-f]{6}|/d2l_lite/", show_source(show_source)._repr_html_())


@pytest.mark.parametrize(
    ("obj", "kind"), [(3, "int"), (len, "builtin_function_or_method"), ("text", "str")]
)
def test_what_has_no_python_source_is_refused_with_a_remedy(obj, kind):
    with pytest.raises(TypeError, match=rf"written in Python, got .* of type {kind}; for a value"):
        show_source(obj)
