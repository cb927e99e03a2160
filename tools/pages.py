"""A page of the book: a text source, and the notebook that is generated from it.

Everything here is a pure function of the files: giving cells their ids, the notebook without
outputs, and the hashes that tell whether stored outputs still hold.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from d2l_lite.grading.cells import SETUP_TAG, Cell, digest
from d2l_lite.grading.writing import blank_notebook, require_valid

#: The library is not typed.
_nbformat: Any = nbformat
#: The key of a notebook's metadata under which its hashes and measurements are recorded.
RECORD = "d2l_lite"
#: Heads the part of `requirements.txt` that no notebook's output depends on.
BOOK_PINS = """\

# What builds and tests the book.
"""


@dataclass(frozen=True)
class Page:
    """A notebook to generate.

    Args:
        root: the top folder of the book.
        name: path of the notebook below `root`, without ending: `chapters/linear_regression`.
        source: the text that it is generated from.
        cells: its cells, the set-up cell included.
        package: hash of the part of `d2l_lite` that its outputs depend on.
        requirements: hash of the pinned environment.
        executed: whether it is committed with outputs.
    """

    root: Path
    name: str
    source: Path
    cells: tuple[Cell, ...]
    package: str = ""
    requirements: str = ""
    executed: bool = True

    @property
    def slug(self) -> str:
        """The last part of its name, which chapters, exercises and tests share."""
        return self.name.rsplit("/", 1)[-1]

    @property
    def target(self) -> Path:
        """The notebook's file."""
        return self.root / f"{self.name}.ipynb"

    @property
    def remedy(self) -> str:
        """The command that makes its notebook anew."""
        return f"run `python -m tools.notebooks build {self.slug}`"

    def hashes(self) -> dict[str, str]:
        """Return the hashes that a run of this page records.

        `source` covers every cell but the set-up cell; `code` what the kernel is given of them.
        """
        cells = [cell for cell in self.cells if SETUP_TAG not in cell.tags]
        return {
            "source": digest([[c.kind, c.source, dict(c.metadata)] for c in cells]),
            "code": digest([c.source for c in cells if c.kind == "code"]),
            "package": self.package,
            "requirements": self.requirements,
        }


def inputs(page: Page) -> NotebookNode:
    """Return the notebook of a page without outputs: what two generations share to the byte."""
    return blank_notebook(page.name, page.cells)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the code cells of a notebook, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs_hash(notebook: NotebookNode) -> str:
    """Return the hash of the outputs and execution counts of all code cells."""
    return digest([[cell.execution_count, cell.outputs] for cell in code_cells(notebook)])


def requirements_hash(root: Path) -> str:
    """Return the hash of the pins that notebooks run with; tools of the book have no part in it."""
    path = root / "requirements.txt"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return digest(text.partition(BOOK_PINS)[0])


def read_notebook(path: Path) -> NotebookNode:
    """Return the notebook of a file as it stands; raise `ValueError` if it is not of format 4.5.

    Nothing is repaired on the way, so that a check sees what was stored.
    """
    text = path.read_text(encoding="utf-8")
    try:
        notebook: NotebookNode = _nbformat.v4.reads(text)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path.name} is no notebook: {error}") from error
    require_valid(notebook, path)
    return notebook
