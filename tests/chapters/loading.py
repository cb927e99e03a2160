"""The definitions of a chapter, loaded from its text source without running its experiments."""

import ast
import types
from pathlib import Path
from typing import Any

import jupytext

SOURCES = Path(__file__).resolve().parents[2] / "chapters" / "source"


def _wanted(cell: Any) -> list[ast.stmt]:
    """Return the statements to run: all of a `define` cell, only the imports of another."""
    tree = ast.parse(cell.source)
    if "define" in cell.metadata.get("tags", []):
        return tree.body
    return [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]


def load_definitions(slug: str) -> dict[str, Any]:
    """Return the names that a chapter's imports and its cells tagged `define` bind.

    Args:
        slug: file name of the chapter's source, without the ending.

    Returns:
        Name to object, as after running only those statements, in order. The names live in a
        module of their own, so two calls share nothing.

    Raises:
        FileNotFoundError: the chapter has no source.
        ValueError: no cell of the chapter is tagged `define`.
    """
    path = SOURCES / f"{slug}.md"
    cells = [cell for cell in jupytext.read(path).cells if cell.cell_type == "code"]
    if not any("define" in cell.metadata.get("tags", []) for cell in cells):
        raise ValueError(f"{path} must tag at least one code cell `define`, got none")
    module = types.ModuleType(f"definitions_of_{slug}")
    for number, cell in enumerate(cells):
        tree = ast.Module(body=_wanted(cell), type_ignores=[])
        exec(compile(tree, f"{path.name}, code cell {number}", "exec"), module.__dict__)
    return module.__dict__
