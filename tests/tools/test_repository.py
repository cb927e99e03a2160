"""One address in one place, all that is derived from it, the set-up cell in a bare environment."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
import tomllib
import yaml

from d2l_lite.grading import cells
from tests.tools import tiny_book
from tools import notebooks, repository
from tools.repository import address, set_address, valid_address

ROOT = Path(__file__).resolve().parents[2]
URL = "https://example.org/someone/book"
#: Runs the cell in a file as a notebook does, then says from where the package comes.
RUN_CELL = """
import pathlib, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
result = shell.run_cell(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
if not result.success:
    sys.exit(f"{type(result.error_in_exec).__name__}: {result.error_in_exec}")
import d2l_lite
print("imported from", d2l_lite.__file__)
"""


@pytest.fixture
def book(book):
    """The tiny book, with a student and a solution notebook beside its chapter."""
    for folder in ("exercises", "exercises/solutions"):
        (book / folder).mkdir()
        shutil.copy(tiny_book.notebook(book), book / folder / "tiny.ipynb")
    return book


def contents(root):
    """Return the bytes of every file of a book."""
    return {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def setup_sources(root):
    """Return the text of the first cell of every notebook."""
    return [tiny_book.read(path).cells[0].source for path in sorted(root.rglob("*.ipynb"))]


# The address and what follows from it.


def test_setting_and_clearing_gives_every_byte_back(book):
    before = contents(book)
    names = [path.relative_to(book).as_posix() for path in set_address(book, URL)]
    assert names == [
        "pyproject.toml",
        "CITATION.cff",
        "chapters/tiny.ipynb",
        "exercises/tiny.ipynb",
        "exercises/solutions/tiny.ipynb",
    ]
    assert contents(book) != before
    assert len(set_address(book, "")) == 5
    assert contents(book) == before


def test_everything_that_is_derived_names_the_address(book):
    set_address(book, URL + ".git/")
    assert address(book) == URL + ".git"
    project = tomllib.loads((book / "pyproject.toml").read_text())
    assert project["project"] == {"name": "tiny", "version": "1", "urls": {"Repository": URL}}
    assert project["tool"]["other"] == {"key": 1}
    assert yaml.safe_load((book / "CITATION.cff").read_text())["repository-code"] == URL
    for source in setup_sources(book):
        assert f'%pip install -q "git+{URL}.git"' in source


def test_another_address_leaves_nothing_of_the_first(book):
    set_address(book, URL)
    set_address(book, "https://example.net/another")
    texts = b"".join(contents(book).values())
    assert b"example.org" not in texts
    assert texts.count(b"https://example.net/another") == 6


def test_no_notebook_becomes_stale(book, monkeypatch):
    for folder in ("exercises", "exercises/solutions"):
        shutil.rmtree(book / folder, ignore_errors=True)
    set_address(book, URL)
    assert notebooks.check(book) == []
    monkeypatch.setattr("tools.building.execute", None)
    assert notebooks.build(book) == []
    set_address(book, "")
    assert notebooks.check(book) == []


def test_setting_the_same_address_again_writes_nothing(book):
    set_address(book, URL)
    assert set_address(book, URL) == []


def test_an_address_outside_the_web_is_no_link(book):
    set_address(book, "file:///tmp/some/book")
    assert "urls" not in tomllib.loads((book / "pyproject.toml").read_text())["project"]
    assert "repository-code" not in (book / "CITATION.cff").read_text()
    assert all("git+file:///tmp/some/book" in source for source in setup_sources(book))


def test_a_book_without_citation_file_or_notebooks_is_fine(tmp_path):
    (tmp_path / "pyproject.toml").write_text(tiny_book.PROJECT)
    assert set_address(tmp_path, URL) == [tmp_path / "pyproject.toml"]


def test_the_settings_of_this_book_can_be_set_and_cleared(tmp_path):
    for name in ("pyproject.toml", "CITATION.cff"):
        shutil.copy(ROOT / name, tmp_path / name)
    set_address(tmp_path, "")
    before = contents(tmp_path)
    set_address(tmp_path, URL)
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text())
    assert project["project"]["urls"] == {"Repository": URL}
    assert project["project"]["dependencies"]
    set_address(tmp_path, "")
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", ""),
        (" https://example.org/a/b/ ", "https://example.org/a/b"),
        ("https://example.org/a/b.git", "https://example.org/a/b.git"),
        ("ssh://git@example.org/a/b", "ssh://git@example.org/a/b"),
        ("file:///a/b", "file:///a/b"),
    ],
)
def test_addresses_that_git_and_pip_take(given, kept):
    assert valid_address(given) == kept


@pytest.mark.parametrize(
    "url",
    [
        "example.org/a/b",
        "http://example.org/a/b",
        "git@example.org:a/b.git",
        "https://example.org",
        "https:///a/b",
        "file://",
        'https://example.org/a"b',
        "https://example.org/a b",
        "https://example.org/a\nb",
        "https://example.org/a/b#egg=c",
        "https://example.org/a/b?c",
        "https://someone:secret@example.org/a/b",
        "https://token@example.org/a/b",
        "https://[::1/a",
    ],
)
def test_another_address_is_refused_and_nothing_is_written(book, url):
    before = contents(book)
    with pytest.raises(ValueError, match="address"):
        set_address(book, url)
    assert contents(book) == before


def test_a_file_that_cannot_be_understood_stops_before_anything_is_written(book):
    (book / "exercises" / "tiny.ipynb").write_text("{")
    before = contents(book)
    with pytest.raises(ValueError, match="no notebook"):
        set_address(book, URL)
    assert contents(book) == before
    (book / "pyproject.toml").write_text("[tool.d2l-lite]\nother = 1\n")
    with pytest.raises(ValueError, match="repository"):
        set_address(book, URL)


def test_the_command_says_what_it_wrote(book, capsys):
    assert repository.main(["set", URL], root=book) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "wrote exercises/solutions/tiny.ipynb",
        f"The repository's address is {URL}.",
    ]
    assert repository.main(["set", "nowhere"], root=book) == 1
    assert "got 'nowhere'" in capsys.readouterr().err
    assert repository.main(["show"], root=book) == 0
    assert capsys.readouterr().out == f"{URL}\n"
    assert repository.main(["set", ""], root=book) == 0
    assert capsys.readouterr().out.endswith("The repository's address is not set.\n")


# The set-up cell where the package is missing.


def run(*command, cwd=None):
    """Run a command and return what it wrote, or fail with it."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """A folder that links to every installed library, except the package of this book."""
    folder = tmp_path_factory.mktemp("libraries")
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith(("d2l_lite", "__editable__", "_virtualenv", "distutils-")):
            (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture
def bare(tmp_path, libraries):
    """The Python of a new environment that has the book's libraries, and not its package."""
    folder = tmp_path / "bare"
    venv.create(folder)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(f"{libraries}\n")
    return folder / "bin" / "python"


def run_cell(python, url, folder):
    """Run the set-up cell of an address in an environment; return the finished process."""
    path = folder / "cell.txt"
    path.write_text(cells.setup_cell(url).source, encoding="utf-8")
    surroundings = {
        **os.environ,
        "IPYTHONDIR": str(folder / "ipython"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        # Build with the setuptools that PyTorch needs anyway, instead of fetching another; and take
        # nothing else from a registry. (To pip, "no isolation: 0" means: do not isolate.)
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_NO_INDEX": "1",
    }
    command = [str(python), "-c", RUN_CELL, str(path)]
    return subprocess.run(
        command, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=250
    )


def copy_of_the_package(folder):
    """Copy what the package is built from, as it stands in the working tree."""
    folder.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "d2l_lite", folder / "d2l_lite", ignore=ignored)
    return folder


@pytest.fixture(scope="module")
def repository_url(tmp_path_factory):
    """The address of a git repository on this machine that holds the package."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder = copy_of_the_package(tmp_path_factory.mktemp("git") / "book")
    who = ["-c", "user.name=Someone", "-c", "user.email=someone@example.org"]
    run("git", "init", "-q", "-b", "main", cwd=folder)
    run("git", "add", ".", cwd=folder)
    run("git", *who, "commit", "-q", "-m", "The package", cwd=folder)
    return folder.as_uri()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of the package, built here."""
    folder = tmp_path_factory.mktemp("wheel")
    source = copy_of_the_package(folder / "source")
    pip = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation")
    run(*pip, "--no-index", "-w", str(folder), str(source))
    (path,) = folder.glob("*.whl")
    return path


def installed(python):
    """Return the names in the site-packages of an environment, versions left out."""
    (site,) = python.parents[1].glob("lib/python*/site-packages")
    return {path.name.split("-")[0] for path in site.iterdir()} - {"libraries.pth"}


@pytest.mark.slow
def test_without_an_address_the_cell_says_how_to_install(bare, tmp_path):
    done = run_cell(bare, "", tmp_path)
    assert done.returncode == 1
    assert "ModuleNotFoundError: d2l_lite is not installed" in done.stderr
    assert "`python -m pip install .`" in done.stderr
    assert installed(bare) == set()


@pytest.mark.slow
def test_with_an_address_the_cell_installs_the_package_and_nothing_else(
    bare, tmp_path, repository_url
):
    done = run_cell(bare, repository_url, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    where = Path(done.stdout.strip().splitlines()[-1].removeprefix("imported from "))
    assert where.is_relative_to(tmp_path / "bare")
    assert installed(bare) == {"d2l_lite"}
    again = run_cell(bare, "https://nowhere.invalid/a/b", tmp_path)
    assert again.stdout == f"imported from {where}\n", "what is installed is not installed again"


@pytest.mark.slow
@pytest.mark.parametrize("url", ["", "https://nowhere.invalid/a/b"])
def test_with_the_wheel_installed_the_cell_does_nothing(bare, tmp_path, wheel, url):
    run(str(bare), "-m", "pip", "install", "-q", "--no-index", str(wheel), cwd=tmp_path)
    done = run_cell(bare, url, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"imported from {tmp_path / 'bare'}")
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.slow
def test_the_wheel_holds_the_package_alone_and_all_of_it(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert {name.split("/")[0] for name in names} == {"d2l_lite"}
    tracked = run("git", "ls-files", "d2l_lite", cwd=ROOT).split()
    assert set(tracked) <= names
