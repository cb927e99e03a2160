"""Where the sources of the book's exercise sets lie, and which there are."""

from pathlib import Path

from d2l_lite.grading.cells import SourceError
from d2l_lite.grading.source import ExerciseSource
from d2l_lite.grading.source import read_source as read_file


def source_path(root: Path, slug: str) -> Path:
    """Return where the source of a set lies."""
    return root / "exercises" / "source" / f"{slug}.md"


def slugs(root: Path) -> list[str]:
    """Return the names of all exercise sets that have a source."""
    return sorted(path.stem for path in (root / "exercises" / "source").glob("*.md"))


def read_source(path: Path) -> ExerciseSource:
    """Return the source of a set of the book.

    Args:
        path: The file.

    Returns:
        The source.

    Raises:
        SourceError: The file does not exist, or it cannot be read as MyST text.
    """
    shown = f"exercises/source/{path.name}"
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in path.parent.glob("*.md"))) or "none"
        raise SourceError(f"{shown}: there is no such exercise set; the sets are {known}")
    return read_file(path, shown=shown)
