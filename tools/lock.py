"""Write `requirements.txt` from the environment in use: `python -m tools.lock`."""

import re
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.pages import BOOK_PINS

HEADER = """\
# The pinned environment that builds and tests the book: `make lock` writes this file from the
# environment in use. The package itself has loose ranges instead: see pyproject.toml.
"""
NOTEBOOKS = """\

# What notebooks run with: a change here makes every stored output stale.
"""
#: What a chapter's cells may import, or run in; all that these need comes along.
ROOTS = ("d2l-lite", "ipykernel", "ipywidgets", "nbclient")


def pinned(frozen: str, *, roots: Iterable[str] = ROOTS) -> str:
    """Return the text of `requirements.txt` for the output of `pip freeze`.

    The package itself is left out, and so are local version labels such as `+cpu`, so that a
    machine with a GPU gets the build that fits it. What notebooks run with stands first, apart
    from the tools that build and test the book.
    """
    names = needed(roots)
    lines = [re.sub(r"[+].*", "", line) for line in frozen.splitlines()]
    pins = [line for line in lines if re.match(r"[\w.\[\]-]+==", line)]
    first = [line for line in pins if canonicalize_name(line.partition("==")[0]) in names]
    rest = [line for line in pins if line not in first]
    return HEADER + NOTEBOOKS + _text(first) + BOOK_PINS + _text(rest)


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def needed(roots: Iterable[str]) -> set[str]:
    """Return the normalized names of installed packages and of all that they need."""
    found, waiting = set[str](), {canonicalize_name(root) for root in roots}
    while waiting:
        name = waiting.pop()
        found.add(name)
        try:
            wanted = [Requirement(line) for line in requires(name) or []]
        except PackageNotFoundError:
            continue
        here = [one for one in wanted if not one.marker or one.marker.evaluate({"extra": ""})]
        waiting |= {canonicalize_name(one.name) for one in here} - found
    return found


def main() -> int:
    """Write the file and return 0."""
    command = [sys.executable, "-m", "pip", "freeze", "--exclude", "d2l-lite"]
    frozen = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    Path("requirements.txt").write_text(pinned(frozen), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
