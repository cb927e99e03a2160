"""The program that builds the HTML, and the book's Sphinx extension."""

from types import SimpleNamespace

import pytest

from tools import book, sphinx_book
from tools.rendered import BookError


@pytest.fixture
def sphinx(monkeypatch):
    """Stand in for Jupyter Book and for the steps after it; return the steps that were taken."""
    steps = []
    ended = SimpleNamespace(returncode=0)
    monkeypatch.setattr(book.subprocess, "run", lambda *_, **__: ended)
    monkeypatch.setattr(book.mathematics, "vendor", lambda: "")
    for step in (book.mathematics, book.icons, book.finishing, book.styles):
        monkeypatch.setattr(step, "apply", lambda html, step=step: steps.append(step.__name__))
    return SimpleNamespace(steps=steps, ended=ended)


def test_a_build_takes_every_step(sphinx, tmp_path):
    assert book.build(output=tmp_path) == 0
    steps = ["tools.mathematics", "tools.icons", "tools.finishing", "tools.styles"]
    assert sphinx.steps == steps


def test_a_fault_in_a_page_fails_the_build_with_its_message(sphinx, tmp_path, monkeypatch, capsys):
    def fault(html):
        raise BookError("index: TeX does not understand 'x'")

    monkeypatch.setattr(book.icons, "apply", fault)
    assert book.build(output=tmp_path) == 1
    assert "not built: index: TeX does not understand 'x'" in capsys.readouterr().out


def test_a_warning_of_sphinx_fails_the_build(sphinx, tmp_path):
    sphinx.ended.returncode = 3
    assert book.build(output=tmp_path) == 3
    assert sphinx.steps == []


def test_without_node_one_line_says_so_and_the_book_still_builds(
    sphinx, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(book.mathematics, "vendor", lambda: "node was not found")
    assert book.build(output=tmp_path) == 0
    line, _ = capsys.readouterr().out.splitlines()
    assert "node was not found" in line
    assert "Install node and npm" in line
    assert "tools.mathematics" not in sphinx.steps


def configured(monkeypatch, url):
    monkeypatch.setattr(sphinx_book, "address", lambda: url)
    config = SimpleNamespace(html_extra_path=[], html_theme_options={})
    sphinx_book.configure(None, config)
    return config.html_theme_options


def test_no_button_points_anywhere_while_the_address_is_empty(monkeypatch):
    options = configured(monkeypatch, "")
    assert "repository_url" not in options


def test_buttons_follow_the_address(monkeypatch):
    options = configured(monkeypatch, "https://example.org/someone/book.git")
    assert options["repository_url"] == "https://example.org/someone/book"
