"""Write notebooks: the same cells give the same bytes, and no file is ever half written."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from d2l_lite.grading.cells import SETUP_TAG, Cell, digest
from d2l_lite.grading.replacing import replace_file

#: The library is not typed.
_nbformat: Any = nbformat
#: A cell that asks the reader a question; its code, which holds the answers, is folded.
QUIZ_TAG = "quiz"
#: What a notebook says of itself; versions are left out, since they change without its content.
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "pygments_lexer": "ipython3",
    },
}


def blank_notebook(name: str, cells: Iterable[Cell]) -> NotebookNode:
    """Return a notebook without outputs.

    An id depends on the name, the cell's kind and text, and its position among equal cells, so a
    new cell changes no other id. The set-up cell's id does not depend on its text.
    """
    seen: Counter[str] = Counter()
    nodes = []
    for cell in cells:
        content = SETUP_TAG if SETUP_TAG in cell.tags else f"{cell.kind}\n{cell.source}"
        seen[content] += 1
        node: dict[str, Any] = {
            "id": digest([name, content, seen[content]])[:12],
            "cell_type": cell.kind,
            "metadata": _metadata(cell),
            "source": cell.source,
        }
        if cell.kind == "code":
            node |= {"execution_count": None, "outputs": []}
        nodes.append(node)
    whole = {"cells": nodes, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    made: NotebookNode = _nbformat.from_dict(json.loads(json.dumps(whole)))
    return made


def _metadata(cell: Cell) -> dict[str, Any]:
    """Return what the notebook says of a cell: of a quiz also that JupyterLab folds its code."""
    if QUIZ_TAG not in cell.tags:
        return dict(cell.metadata)
    return {**cell.metadata, "jupyter": {**cell.metadata.get("jupyter", {}), "source_hidden": True}}


def dumps(notebook: NotebookNode) -> str:
    """Return the text of a notebook as it is committed: sorted keys, one space, a last newline."""
    return str(_nbformat.v4.writes(notebook)).rstrip("\n") + "\n"


def write_notebook(notebook: NotebookNode, path: Path) -> bool:
    """Write a notebook whole or not at all; return whether the file's content changed."""
    require_valid(notebook, path)
    return write_whole(dumps(notebook), path)


def write_whole(text: str, path: Path) -> bool:
    """Write a file whole or not at all; return whether its content changed."""
    content = text.encode()
    if path.is_file() and path.read_bytes() == content:
        return False
    replace_file(path, content, mode=0o644)
    return True


def require_valid(notebook: NotebookNode, path: Path) -> None:
    """Raise `ValueError` for a notebook that is not a valid one of format 4.5."""
    version = (notebook.get("nbformat"), notebook.get("nbformat_minor"))
    if version != (4, 5):
        raise ValueError(f"{path.name} must be of notebook format 4.5, got {version}")
    for error in _nbformat.validator.iter_validate(notebook, version=4, version_minor=5):
        raise ValueError(f"{path.name} is no valid notebook: {error.message[:200]}")
