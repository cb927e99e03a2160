"""Make an assignment from one text source: student notebook, solution notebook, tests.

Tests and solutions hold what learners must not see: keep these two files to yourself.
"""

from collections.abc import Iterator
from pathlib import Path

from d2l_lite.grading.cells import Cell, SourceError, missing, setup_cell
from d2l_lite.grading.generating import grading_text, page_cells, visible_text
from d2l_lite.grading.proving import prove
from d2l_lite.grading.rules import faults
from d2l_lite.grading.source import ExerciseSource, read_source

#: The cell that carries the visible cases to learners who have none of our files.
VISIBLE_TAG = "visible-cases"
_VISIBLE = """\
# The visible cases of this assignment, which `check` runs. Nothing is to be changed here.
VISIBLE_CASES = '''\\
{text}'''\
"""
_UNRUN = "These are the solutions as they were written. Run all cells to see what they show."


def author(
    source_path: Path | str,
    out_dir: Path | str,
    *,
    page: str = "",
    requirement: str = "",
    proved: bool = True,
) -> tuple[Path, ...]:
    """Return the files of an assignment, which are written anew where anything changed.

    Args:
        source_path: The text source, `<name>.md`.
        out_dir: Folder for `<name>.ipynb`, `<name>.solution.ipynb` and `<name>.tests.py`; it is
            made where it does not exist.
        page: Where feedback links to, such as the address of your course page.
        requirement: What the notebooks install with pip where this package is missing, such as
            `d2l-lite==1.0`; where it is empty they ask the learner to install it.
        proved: Whether the set must first be proved by running it: stubs score nothing, solutions
            everything, and mistakes bring up their hints.

    Returns:
        Paths of the student notebook, the solution notebook, which is not run, and the tests.

    Raises:
        SourceError: The source cannot be read, or it is not what it must be; one line a fault.
            Nothing was written.
    """
    source = read_source(Path(source_path))
    if found := prove(source) if proved else faults(source):
        raise SourceError("\n".join(found))
    try:
        from d2l_lite.grading.writing import blank_notebook, write_notebook, write_whole
    except ImportError as error:
        raise SourceError(missing(error)) from error
    folder, made = Path(out_dir), []
    for solved, ending in ((False, ".ipynb"), (True, ".solution.ipynb")):
        made.append(folder / f"{source.slug}{ending}")
        cells = _cells(source, setup_cell(requirement=requirement), solved=solved)
        write_notebook(blank_notebook(made[-1].name, cells), made[-1])
    made.append(folder / f"{source.slug}.tests.py")
    write_whole(grading_text(source, page=page), made[-1])
    return tuple(made)


def _cells(source: ExerciseSource, setup: Cell, *, solved: bool) -> Iterator[Cell]:
    """Yield the cells of a notebook that brings the visible cases along."""
    yield setup
    if solved:
        yield Cell("markdown", _UNRUN)
    for cell in page_cells(source, solved=solved):
        if cell.kind == "code" and source.use_line in cell.source:
            yield _visible_cell(source)
            with_cases = source.use_line.replace(")", ", cases=VISIBLE_CASES)")
            text = cell.source.replace(source.use_line, with_cases)
            cell = Cell("code", text, cell.metadata, cell.line)
        yield cell


def _visible_cell(source: ExerciseSource) -> Cell:
    """Return the cell that holds the module of visible cases as a text, folded in Jupyter."""
    text = visible_text(source).replace("\\", "\\\\").replace("'''", r"\'\'\'")
    metadata = {"tags": [VISIBLE_TAG], "jupyter": {"source_hidden": True}}
    return Cell("code", _VISIBLE.format(text=text), metadata)
