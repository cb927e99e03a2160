"""Cells of a text source: how they are read, and the one that every generated notebook begins with.

The source is MyST text with a jupytext header, a format that opens in Jupyter as a notebook.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SETUP_TAG = "setup"
_INSTALL = """\
# Installs the book's helper package where it is missing, as on a hosted notebook service.
import importlib.util

if importlib.util.find_spec("d2l_lite") is None:
    %pip install -q "{requirement}"\
"""
_EXPLAIN = """\
# The book's helper package must be installed once.
import importlib.util

if importlib.util.find_spec("d2l_lite") is None:
    raise ModuleNotFoundError(
        "d2l_lite is not installed. Open a terminal in your checkout of the book, run "
        "`python -m pip install .` with the Python of this notebook, then restart the kernel."
    )\
"""


class SourceError(ValueError):
    """A text source that cannot be turned into a notebook."""


@dataclass(frozen=True)
class Cell:
    """A cell of a source: its kind (`code`, `markdown` or `raw`), text, metadata and place.

    `line` is the line of the source, counted from 1, on which its text starts; 0 is a cell that
    was inserted by a program.
    """

    kind: str
    source: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    line: int = 0

    @property
    def tags(self) -> list[str]:
        """Its tags, in the order written."""
        return list(self.metadata.get("tags", []))

    @property
    def title(self) -> str:
        """Its first line that is not blank, shortened: how messages name it."""
        first = next((line for line in self.source.splitlines() if line.strip()), "")
        return first if len(first) <= 60 else first[:57] + "..."


def missing(error: ImportError) -> str:
    """Return what to do about a library that only authors of notebooks need."""
    name = (error.name or str(error)).partition(".")[0]
    return (
        f"the module {name} is missing, which reads and writes notebooks; install it with "
        '`pip install ".[grading]"` in a checkout of the book'
    )


def read_cells(path: Path) -> tuple[Cell, ...]:
    """Return the cells of a text source, without the set-up cell.

    Args:
        path: MyST text with a jupytext header.

    Raises:
        SourceError: the header is missing, the text holds no code, or a code cell is empty or not
            closed.
    """
    text, notebook = _parsed(path)
    header = notebook.metadata.get("jupytext", {}).get("text_representation", {})
    if header.get("format_name") != "myst":
        raise SourceError(
            f"{path}: must start with a jupytext header with `format_name: myst`, got "
            f"{header.get('format_name')!r}; copy the header of another source, such as the one on "
            "the page `Grading a class`"
        )
    lines = text.splitlines()
    starts = notebook.metadata["source_map"]
    cells = tuple(
        _cell(node, start, lines) for node, start in zip(notebook.cells, starts, strict=True)
    )
    _require_code(path, cells)
    return cells


def _parsed(path: Path) -> tuple[str, Any]:
    """Return the text of a source and the notebook that jupytext makes of it."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SourceError(f"{path}: must be UTF-8: {error}; save it as such") from error
    try:
        from jupytext.myst import myst_to_notebook

        notebook = myst_to_notebook(text, add_source_map=True)
    except ImportError as error:
        raise SourceError(missing(error)) from error
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise SourceError(f"{path}: jupytext cannot read it: {reason}") from error
    return text, notebook


def _cell(node: Any, start: int, lines: list[str]) -> Cell:
    """Return a parsed cell with the line on which its text, not its options, starts."""
    first = node.source.split("\n", 1)[0]
    while start < len(lines) and lines[start] != first:
        start += 1
    metadata = json.loads(json.dumps(node.metadata))
    return Cell(node.cell_type, node.source, metadata, start + 1)


def _require_code(path: Path, cells: Sequence[Cell]) -> None:
    if not any(cell.kind == "code" for cell in cells):
        raise SourceError(
            f"{path}: holds no code cell; a page of text alone stays a .md file of the book"
        )
    for cell in cells:
        if cell.kind == "code" and not cell.source.strip():
            raise SourceError(f"{path}, line {cell.line}: an empty code cell; remove it")
        if cell.kind == "markdown" and "```{code-cell}" in cell.source:
            raise SourceError(
                f"{path}, after line {cell.line}: a code cell is nested in text or not closed"
            )


def setup_cell(address: str = "", *, requirement: str = "") -> Cell:
    """Return the first code cell of every notebook.

    Args:
        address: where the book's repository lies, empty while nobody knows. With an address the
            cell installs the package where it is missing; without one it says how to.
        requirement: what pip installs instead, as it is written on its command line.
    """
    wanted = requirement or (f"git+{address}" if address else "")
    source = _INSTALL.format(requirement=wanted) if wanted else _EXPLAIN
    return Cell("code", source, {"tags": [SETUP_TAG, "remove-cell"]})


def is_setup(source: str) -> bool:
    """Return whether a cell is the one above, unchanged; where the package is, it does nothing."""
    start, _, end = _INSTALL.partition("{requirement}")
    text = source.strip()
    middle = text.removeprefix(start).removesuffix(end)
    return text == _EXPLAIN or (text == f"{start}{middle}{end}" and "\n" not in middle)


def digest(value: Any) -> str:
    """Return the SHA-256 of a value that JSON can write, as hexadecimal text."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
