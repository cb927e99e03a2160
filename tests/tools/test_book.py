"""The program that builds the HTML, and the book's Sphinx extension."""

import os
import stat
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools import book, sphinx_book


def fake_npm(folder: Path, script: str) -> str:
    """Write an executable that stands in for npm, and return its path."""
    path = folder / "npm"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.fixture
def packed(tmp_path):
    """A package archive of the layout of MathJax's, with one file that must not be kept."""
    content = tmp_path / "content" / "package" / "es5"
    for name in ("tex-chtml.js", "output/chtml/fonts/woff-v2/A.woff", "node-main.js"):
        (content / name).parent.mkdir(parents=True, exist_ok=True)
        (content / name).write_text(name)
    archive = tmp_path / "mathjax.tgz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(content.parent, "package")
    return archive


@pytest.fixture
def target(tmp_path, monkeypatch):
    monkeypatch.setattr(book, "MATHJAX", tmp_path / "extra" / "mathjax")
    return tmp_path / "extra" / "mathjax"


def test_mathjax_is_unpacked_once_and_only_what_pages_load(tmp_path, packed, target, monkeypatch):
    npm = fake_npm(
        tmp_path, f'while [ "$1" != --pack-destination ]; do shift; done; cp {packed} $2'
    )
    monkeypatch.setattr(book.shutil, "which", lambda name: npm)
    assert book.vendor_mathjax()
    names = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert names == {"tex-chtml.js", "output/chtml/fonts/woff-v2/A.woff", "VERSION"}
    os.remove(npm)
    assert book.vendor_mathjax(), "the second build must not ask npm again"


@pytest.mark.parametrize(
    ("script", "reason"),
    [(None, "npm was not found"), ("echo 'npm error network' >&2; exit 1", "npm error network")],
)
def test_without_npm_one_line_says_so_and_the_book_still_builds(
    tmp_path, target, monkeypatch, capsys, script, reason
):
    npm = script and fake_npm(tmp_path, script)
    monkeypatch.setattr(book.shutil, "which", lambda name: npm)
    assert not book.vendor_mathjax()
    (line,) = capsys.readouterr().out.splitlines()
    assert reason in line
    assert "Install npm" in line
    assert not target.exists()


def configured(monkeypatch, url):
    monkeypatch.setattr(sphinx_book, "address", lambda: url)
    config = SimpleNamespace(html_extra_path=[], html_theme_options={}, mathjax_path="")
    sphinx_book.configure(None, config)
    return config.html_theme_options


def test_no_button_points_anywhere_while_the_address_is_empty(monkeypatch):
    options = configured(monkeypatch, "")
    assert "repository_url" not in options


def test_buttons_follow_the_address(monkeypatch):
    options = configured(monkeypatch, "https://example.org/someone/book.git")
    assert options["repository_url"] == "https://example.org/someone/book"
