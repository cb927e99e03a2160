"""Make an exercise set from its text source: student and solution notebook, visible cases, proof.

`python -m tools.exercises prove linear_regression` shows that stubs score nothing, solutions
everything, and that each planted mistake fails with its hint. `python -m tools.notebooks build`
and `check` cover exercise sets as well as chapters.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from d2l_lite.grading import generating
from d2l_lite.grading.cells import SourceError, setup_cell
from d2l_lite.grading.generating import page_cells
from d2l_lite.grading.proving import prove as prove_source
from d2l_lite.grading.rules import faults
from d2l_lite.grading.source import ExerciseSource
from d2l_lite.grading.writing import write_whole
from tools.building import Plan, build_pages
from tools.dependencies import package_hash
from tools.exercise_source import read_source, slugs, source_path
from tools.gates import orphans, page_faults
from tools.pages import Page, requirements_hash
from tools.repository import ROOT, address


def visible_text(source: ExerciseSource) -> str:
    """Return the module of a set's visible cases, as it is committed in the package."""
    return generating.visible_text(source, origin=source.shown, by="tools/exercises.py")


def pages(root: Path, source: ExerciseSource) -> list[Page]:
    """Return the student page, which is not run, and the solution page, which is."""
    setup = setup_cell(address(root))
    student = (setup, *page_cells(source, solved=False))
    solution = (setup, *page_cells(source, solved=True))
    code = [cell.source for cell in solution[1:] if cell.kind == "code"]
    hashes = (package_hash(root, code, exercise=source.slug), requirements_hash(root))
    return [
        Page(root, f"exercises/{source.slug}", source.path, student, executed=False),
        Page(root, f"exercises/solutions/{source.slug}", source.path, solution, *hashes),
    ]


def visible_path(root: Path, slug: str) -> Path:
    """Return where the module of a set's visible cases lies."""
    return root / "d2l_lite" / "grading" / "visible" / f"{slug}.py"


def build(root: Path, names: Sequence[str], plan: Plan) -> list[str]:
    """Return why exercise sets could not be built; nothing where all were.

    Args:
        root: Root of the repository.
        names: Names of the sets.
        plan: How to run the solution notebooks.

    Returns:
        One message a failure.
    """
    failures: list[str] = []
    to_build: list[Page] = []
    for slug in names:
        source, found = _read(root, slug)
        failures += found
        if source is not None and not found:
            write_whole(visible_text(source), visible_path(root, slug))
            to_build += pages(root, source)
    return failures + build_pages(to_build, plan)


def _read(root: Path, slug: str) -> tuple[ExerciseSource | None, list[str]]:
    """Return a set's source, or None, and what is wrong with it."""
    try:
        source = read_source(source_path(root, slug))
    except SourceError as error:
        return None, [str(error)]
    return source, faults(source, book=True)


def check(root: Path, names: Sequence[str]) -> list[str]:
    """Return what is wrong with the committed files of exercise sets; runs nothing.

    Args:
        root: Root of the repository.
        names: Names of the sets; files without a source are reported where these are all sets.

    Returns:
        One line a fault: sources, notebooks, modules of visible cases.
    """
    found: list[str] = []
    for slug in names:
        source, wrong = _read(root, slug)
        found += wrong
        if source is not None and not wrong:
            found += _visible_faults(root, source)
            found += [fault for page in pages(root, source) for fault in page_faults(page)]
    if set(names) >= set(slugs(root)):
        found += _orphans(root, set(names))
    return found


def _visible_faults(root: Path, source: ExerciseSource) -> list[str]:
    """Return whether the module of visible cases is that of the source."""
    path = visible_path(root, source.slug)
    if path.is_file() and path.read_text(encoding="utf-8") == visible_text(source):
        return []
    state = "is not that of its source" if path.is_file() else "is missing"
    remedy = f"run `python -m tools.notebooks build {source.slug}`"
    return [f"{path.relative_to(root).as_posix()}: {state}; {remedy}"]


def _orphans(root: Path, names: set[str]) -> list[str]:
    """Return a fault for each generated file whose source is gone."""
    folder = root / "exercises"
    modules = sorted(visible_path(root, "").parent.glob("*.py"))
    return [
        *orphans(folder, names),
        *orphans(folder / "solutions", names),
        *(
            f"{path.relative_to(root).as_posix()}: has no source in exercises/source; delete it"
            for path in modules
            if path.stem not in names | {"__init__"}
        ),
    ]


def prove(root: Path, slug: str) -> list[str]:
    """Return what a set does not prove; nothing where all is well.

    Args:
        root: Root of the repository.
        slug: Name of the set.

    Returns:
        One line a fault, with file and line.
    """
    source, found = _read(root, slug)
    return found if source is None or found else prove_source(source, book=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 where every set is proved, else 1, with one line a fault."""
    parser = argparse.ArgumentParser(prog="python -m tools.exercises", description=__doc__)
    parser.add_argument("command", choices=["prove"])
    parser.add_argument("slugs", nargs="*", help="exercise sets; all where none is named")
    chosen = parser.parse_args(arguments)
    return _report(chosen.slugs or slugs(ROOT))


def _report(names: Iterable[str]) -> int:
    """Print what each set proves, and return whether any has a fault."""
    failed = False
    for slug in names:
        found = prove(ROOT, slug)
        print("\n".join(found) if found else f"{slug}: stubs 0, solutions full, mistakes hinted")
        failed |= bool(found)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
