"""Read an exercise set's text source: its cells, what each is for, and a question's two faces.

The source is MyST text with a jupytext header. A code cell carries at most one of the tags below;
cells without one go to the student and to the solution notebook as they are.

- `question` (with `question`, `points`, `hints`): the learner's cell, with the solution between
  `### BEGIN SOLUTION` and `### END SOLUTION`.
- `visible`: cases that learners can run and read.
- `hidden`: cases that stay in the source.
- `mistake` (with `question`, `hint`): a typical wrong solution and the hint it must bring up.
"""

import ast
import contextlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from d2l_lite.grading.cells import Cell, SourceError, read_cells

ROLES = ("question", "visible", "hidden", "mistake")
ALL_FIELDS = ("question", "points", "hints", "hint")
BEGIN = re.compile(r"^( *)### BEGIN SOLUTION *$")
END = re.compile(r"^ *### END SOLUTION *$")


@dataclass(frozen=True)
class SourceCell(Cell):
    """One cell of a source; `role` is its kind, or one of the tags above."""

    role: str = "markdown"

    @property
    def question(self) -> str:
        """Name of the question that the cell belongs to."""
        return str(self.metadata.get("question", ""))

    @property
    def notebook_metadata(self) -> dict[str, Any]:
        """What the notebooks keep of the cell's metadata: nothing of the grading's own."""
        kept = {key: value for key, value in self.metadata.items() if key not in ALL_FIELDS}
        tags = [tag for tag in kept.pop("tags", []) if tag not in ROLES]
        return kept | ({"tags": tags} if tags else {})


@dataclass(frozen=True)
class ExerciseSource:
    """An exercise set as it was written; messages name it as `shown`."""

    path: Path
    cells: tuple[SourceCell, ...]
    shown: str

    @property
    def slug(self) -> str:
        """Name of the set."""
        return self.path.stem

    @property
    def use_line(self) -> str:
        """The call by which a notebook chooses the checks of this set."""
        return f'check.use("{self.slug}")'

    @property
    def page(self) -> str:
        """Address of the set's page within the book; empty for a set that is no page of it."""
        labelled = self.cells and self.cells[0].source.startswith("(ex-")
        return f"exercises/{self.slug}.html" if labelled else ""

    def of(self, *roles: str) -> list[SourceCell]:
        """Return the cells of these roles in order."""
        return [cell for cell in self.cells if cell.role in roles]

    @cached_property
    def questions(self) -> dict[str, SourceCell]:
        """The learner's cells by the name of their question."""
        return {cell.question: cell for cell in self.of("question")}


def read_source(path: Path, *, shown: str = "") -> ExerciseSource:
    """Return the cells of a source file.

    Args:
        path: The file.
        shown: How messages name it; by its path where it is empty.

    Returns:
        The source.

    Raises:
        SourceError: The file does not exist, is a notebook, or cannot be read as MyST text.
    """
    shown = shown or str(path)
    if not path.is_file():
        raise SourceError(f"{shown}: there is no such file; name the .md source of an exercise set")
    if path.suffix == ".ipynb":
        raise SourceError(f"{shown}: is a notebook; name the .md source that it was made from")
    cells = (SourceCell(**vars(cell), role=_role(cell)) for cell in read_cells(path))
    return ExerciseSource(path, tuple(cells), shown)


def _role(cell: Cell) -> str:
    """Return what a cell is for; several of our tags in one cell are a fault."""
    if cell.kind != "code":
        return cell.kind
    return next((tag for tag in ROLES if tag in cell.tags), "code")


def hints_of(cell: SourceCell) -> dict[str, str]:
    """Return a question's hints by key."""
    return {key: text.strip() for key, text in cell.metadata["hints"].items()}


def without_magics(text: str) -> str:
    """Return code with IPython's own lines blank, so that it is Python and keeps its numbering.

    What is Python already is left as it is: there, such a line goes on with an expression.
    """
    with contextlib.suppress(SyntaxError):
        ast.parse(text)
        return text
    return re.sub(r"^[ \t]*[%!].*$", "", text, flags=re.M)


def solution_text(cell: SourceCell) -> str:
    """Return a question's cell with its solution, without the markers."""
    lines = cell.source.splitlines()
    return "\n".join(line for line in lines if not (BEGIN.match(line) or END.match(line)))


def stub_text(cell: SourceCell) -> str:
    """Return a question's cell for learners: every solution replaced by a stub.

    A block inside a function becomes `raise NotImplementedError(...)`; a block at the left margin
    becomes `name = ...` for every name that it assigns.
    """
    lines: list[str] = []
    block: list[str] | None = None
    indent = ""
    for line in cell.source.splitlines():
        if begin := BEGIN.match(line):
            block, indent = [], begin[1]
        elif END.match(line):
            lines += _stub(block or [], indent, cell.question)
            block = None
        elif block is None:
            lines.append(line)
        else:
            block.append(line)
    return "\n".join(lines)


def _stub(block: list[str], indent: str, question: str) -> list[str]:
    """Return the lines that stand in for one block of a solution."""
    if indent:
        return [f'{indent}raise NotImplementedError("{question}: your code here")']
    return [f"{name} = ...  # your code here" for name in assigned_names("\n".join(block))]


def assigned_names(code: str) -> list[str]:
    """Return the public names that a piece of code assigns at the left margin, in order."""
    names: list[str] = []
    for statement in ast.parse(code).body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names += [
                node.id
                for target in targets
                for node in ast.walk(target)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            ]
    return [name for name in dict.fromkeys(names) if not name.startswith("_")]
