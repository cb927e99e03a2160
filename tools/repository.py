"""The repository's address, which stands in one place: `[tool.d2l-lite]` of pyproject.toml.

`python -m tools.repository set URL` writes it there and brings everything derived from it up to
date: the set-up cells of the committed notebooks, the package's metadata and the citation file.
Nothing is run, and no notebook becomes stale. An empty URL takes all of it back, to the byte.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import tomllib

from d2l_lite.grading.cells import SETUP_TAG, setup_cell
from d2l_lite.grading.writing import dumps
from tools.pages import read_notebook

ROOT = Path(__file__).resolve().parent.parent
SCHEMES = ("https", "ssh", "file")
#: Where notebooks with a set-up cell lie.
FOLDERS = ("chapters", "exercises", "exercises/solutions")
_PLAIN = re.compile(r"[A-Za-z0-9._~:/@%+-]+")
_SETTING = re.compile(r'(^\[tool\.d2l-lite\]\nrepository = )"[^"\n]*"', re.M)
_HEAD = re.compile(r"^(?:#[^\n]*\n)*\[tool\.d2l-lite\]\n", re.M)
_URLS = re.compile(r'^\[project\.urls\]\nRepository = "[^"\n]*"\n\n', re.M)
_CITED = re.compile(r"^repository-code:[^\n]*\n", re.M)


def address(root: Path = ROOT) -> str:
    """Return where the repository lies, or an empty string while nobody has said so."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    return str(settings["tool"]["d2l-lite"]["repository"])


def valid_address(url: str) -> str:
    """Return an address without surrounding blanks and closing slashes, if git can clone it.

    Args:
        url: such as `https://example.org/someone/book`; empty stands for "not known".

    Raises:
        ValueError: another form of address, or one with a password in it.
    """
    url = url.strip().rstrip("/")
    try:
        parts = urlsplit(url if _PLAIN.fullmatch(url) else "")
    except ValueError:
        parts = urlsplit("")
    has_host = bool(parts.hostname) or parts.scheme == "file"
    if url and not (parts.scheme in SCHEMES and has_host and parts.path.strip("/")):
        raise ValueError(
            f"the address must look like https://host/owner/repository (or ssh://…, file://…), "
            f"got {url!r}"
        )
    if parts.password or (parts.username and parts.scheme == "https"):
        raise ValueError("the address is published, so it must not hold a user name or password")
    return url


def set_address(root: Path, url: str) -> list[Path]:
    """Write the address and everything derived from it; return the files that changed.

    Args:
        root: the top folder of the book.
        url: the address, or an empty string to take it back.

    Raises:
        ValueError: the address is not one, or a file cannot be understood; nothing is written.
    """
    url = valid_address(url)
    texts = dict(_updated(root, url))
    changed = [path for path, text in texts.items() if text != path.read_text(encoding="utf-8")]
    for path in changed:
        path.write_text(texts[path], encoding="utf-8")
    return changed


def _updated(root: Path, url: str) -> Iterator[tuple[Path, str]]:
    """Yield each derived file with the text that belongs to an address."""
    # Only addresses of the web are links; the others serve tests and private copies.
    link = url.removesuffix(".git") if url.startswith("https://") else ""
    project = root / "pyproject.toml"
    yield project, project_text(project.read_text(encoding="utf-8"), url, link)
    citation = root / "CITATION.cff"
    if citation.is_file():
        yield citation, citation_text(citation.read_text(encoding="utf-8"), link)
    for folder in FOLDERS:
        for path in sorted((root / folder).glob("*.ipynb")):
            yield path, notebook_text(path, url)


def project_text(text: str, url: str, link: str) -> str:
    """Return the text of pyproject.toml with an address, and a link to it where it is one."""
    text, found = _SETTING.subn(lambda match: f'{match[1]}"{url}"', text)
    if found != 1:
        raise ValueError(
            "pyproject.toml must hold [tool.d2l-lite] followed by one line `repository = …`, "
            f"found {found} of them"
        )
    text = _URLS.sub("", text)
    block = f'[project.urls]\nRepository = "{link}"\n\n' if link else ""
    return _HEAD.sub(lambda match: block + match[0], text)


def citation_text(text: str, link: str) -> str:
    """Return the text of CITATION.cff with a link to the repository as its last line."""
    return _CITED.sub("", text) + (f'repository-code: "{link}"\n' if link else "")


def notebook_text(path: Path, url: str) -> str:
    """Return the text of a notebook with the set-up cell of an address."""
    notebook = read_notebook(path)
    for cell in notebook.cells:
        if SETUP_TAG in cell.metadata.get("tags", []):
            cell.source = setup_cell(url).source
    return dumps(notebook)


def main(arguments: list[str] | None = None, *, root: Path = ROOT) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.repository", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    setter = commands.add_parser("set", help="set the address, or clear it with an empty one")
    setter.add_argument("url", metavar="URL")
    commands.add_parser("show", help="print the address")
    options = parser.parse_args(arguments)
    if options.command == "show":
        print(address(root))
        return 0
    try:
        changed = set_address(root, options.url)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    for path in changed:
        print(f"wrote {path.relative_to(root).as_posix()}")
    print(f"The repository's address is {address(root) or 'not set'}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
