"""Make an exercise set from its text source: student and solution notebook, visible cases, proof.

`python -m tools.exercises prove linear_regression` shows that stubs score nothing, solutions
everything, and that each planted mistake fails with its hint. `python -m tools.notebooks build`
and `check` cover exercise sets as well as chapters.
"""

import argparse
import contextlib
import io
import json
import sys
import traceback
import types
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from d2l_lite.grading.cases import ExerciseSet, Question
from d2l_lite.grading.cells import Cell, SourceError, setup_cell
from d2l_lite.grading.running import QuestionResult, run_question
from tools.building import Plan, build_pages
from tools.dependencies import package_hash
from tools.exercise_source import (
    ExerciseSource,
    SourceCell,
    faults,
    read_source,
    slugs,
    solution_text,
    source_path,
    stub_text,
    without_magics,
)
from tools.gates import orphans, page_faults
from tools.pages import Page, requirements_hash
from tools.repository import ROOT, address

CHECK_TAG = "check"
#: Hidden inputs are drawn fresh by the judge, so the references must hold for every seed.
SEEDS = (0, 1, 2)


def visible_text(source: ExerciseSource) -> str:
    """Return the module of a set's visible cases, as it is committed in the package."""
    head = (
        f'"""Visible cases of the exercise set `{source.slug}`.\n\n'
        f"Generated from exercises/source/{source.slug}.md by tools/exercises.py: edit that file.\n"
        '"""\n\nfrom d2l_lite.grading.cases import Question'
    )
    cells = [cell.source.strip("\n") for cell in source.of("visible")]
    return "\n\n\n".join([head, *cells, _questions_text(source)]) + "\n"


def _questions_text(source: ExerciseSource) -> str:
    """Return the questions of a set as Python: names, points, hints."""
    lines = ["QUESTIONS = ("]
    for name, cell in source.questions.items():
        lines += ["    Question(", f"        name={_quoted(name)},"]
        lines += [f"        points={cell.metadata['points']},", "        hints={"]
        hints = cell.metadata["hints"].items()
        lines += [f"            {_quoted(key)}: {_quoted(text.strip())}," for key, text in hints]
        lines += ["        },", "    ),"]
    return "\n".join([*lines, ")"])


def _quoted(text: str) -> str:
    """Return a string as Python writes it, with double quotes."""
    return json.dumps(text, ensure_ascii=False)


def page_cells(source: ExerciseSource, *, solved: bool) -> Iterator[Cell]:
    """Yield the cells of the student or the solution notebook, the set-up cell left out.

    Args:
        source: The set.
        solved: Whether questions come with their solution or as stubs.

    Yields:
        The cells; behind each question the one that checks it, at the end the summary.
    """
    tags = {"tags": [CHECK_TAG, "nbval-check-output"] if solved else [CHECK_TAG]}
    for cell in source.of("markdown", "raw", "code", "question"):
        text = cell.source
        if cell.role == "question":
            text = solution_text(cell) if solved else stub_text(cell)
        elif solved:
            text = as_solution(text)
        yield Cell(cell.kind, text, cell.notebook_metadata, cell.line)
        if cell.role == "question":
            yield Cell("code", f'check("{cell.question}")', tags)
    yield Cell("code", "check.all()", tags)


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
            _write_text(visible_path(root, slug), visible_text(source))
            to_build += pages(root, source)
    return failures + build_pages(to_build, plan)


def _read(root: Path, slug: str) -> tuple[ExerciseSource | None, list[str]]:
    """Return a set's source, or None, and what is wrong with it."""
    try:
        source = read_source(source_path(root, slug))
    except SourceError as error:
        return None, [str(error)]
    return source, faults(source)


def _write_text(path: Path, text: str) -> None:
    """Write a file, unless it holds this text already."""
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


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


def as_solution(text: str) -> str:
    """Return a page's first cell for its solutions, which are no page of the book: no label."""
    if not text.startswith("(ex-"):
        return text
    heading, *rest = text.partition("\n")[2].lstrip("\n").split("\n")
    return "\n".join([f"{heading} (solutions)", *rest])


def exercise_set(source: ExerciseSource, *, hidden: bool) -> ExerciseSet:
    """Return the set of a source with its visible cases, and the hidden ones where asked.

    Args:
        source: The set's source.
        hidden: Whether hidden cases belong to it.

    Returns:
        The set, ready to run.
    """
    names: dict[str, Any] = {"__name__": f"cases_of_{source.slug}"}
    for cell in source.of("visible", "hidden") if hidden else source.of("visible"):
        _execute(source, cell, names, text=cell.source)
    names["QUESTIONS"] = [
        Question(name, cell.metadata["points"], cell.metadata["hints"])
        for name, cell in source.questions.items()
    ]
    return ExerciseSet.from_names(source.slug, names)


def _execute(source: ExerciseSource, cell: Cell, names: dict[str, Any], *, text: str) -> None:
    """Execute a cell in a namespace, with the line numbers of its source."""
    plain = without_magics(text).replace(f'check.use("{source.slug}")', "")
    try:
        exec(compile("\n" * (cell.line - 1) + plain, str(source.path), "exec"), names)
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__)[1:]]
        raise SourceError(
            f"exercises/source/{source.path.name}:{lines[0] if lines else cell.line}: "
            f"a cell must run, got {type(error).__name__}: {error}"
        ) from error


def names_after(
    source: ExerciseSource, *, solved: bool, then: SourceCell | None = None
) -> dict[str, Any]:
    """Return the names of a notebook that ran from top to bottom, its checks left out.

    Args:
        source: The set.
        solved: Whether the solutions stand in it, or the stubs.
        then: A cell to run on top of it: a planted mistake.

    Returns:
        The names.
    """
    module = types.ModuleType("__exercise__")
    names = vars(module)
    sys.modules["__exercise__"] = module
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in source.of("code", "question"):
            text = cell.source if solved or cell.role == "code" else stub_text(cell)
            _execute(source, cell, names, text=text)
        if then is not None:
            _execute(source, then, names, text=then.source)
    return names


def prove(root: Path, slug: str) -> list[str]:
    """Return what a set does not prove; nothing where all is well.

    Every stub must score nothing, every solution everything for several seeds of the hidden
    cases, and every planted mistake must fail the visible cases and bring up its hint.

    Args:
        root: Root of the repository.
        slug: Name of the set.

    Returns:
        One line a fault, with file and line.
    """
    source, found = _read(root, slug)
    if source is None or found:
        return found
    try:
        return [
            f"exercises/source/{source.path.name}:{line}: {text}"
            for proof in (_prove_stubs, _prove_solutions, _prove_mistakes)
            for line, text in proof(source)
        ]
    except SourceError as error:
        return [str(error)]


def _prove_stubs(source: ExerciseSource) -> Iterator[tuple[int, str]]:
    """Yield every stub that scores points, or that is not recognized as unfinished."""
    names = names_after(source, solved=False)
    cases = exercise_set(source, hidden=True)
    for name, cell in source.questions.items():
        result = run_question(cases, name, namespace=names)
        if result.status != "unfinished":
            yield cell.line, f"the stub of {name!r} must be unfinished, got {_summary(result)}"


def _prove_solutions(source: ExerciseSource) -> Iterator[tuple[int, str]]:
    """Yield every solution that fails a case."""
    names = names_after(source, solved=True)
    cases = exercise_set(source, hidden=True)
    for name, cell in source.questions.items():
        for seed in SEEDS:
            result = run_question(cases, name, namespace=names, seed=seed)
            if not result.passed:
                yield cell.line, f"the solution of {name!r} fails (seed {seed}): {_summary(result)}"
                break


def _prove_mistakes(source: ExerciseSource) -> Iterator[tuple[int, str]]:
    """Yield every planted mistake that passes, or fails without its hint."""
    cases = exercise_set(source, hidden=False)
    for cell in source.of("mistake"):
        names = names_after(source, solved=True, then=cell)
        result = run_question(cases, cell.question, namespace=names)
        if result.passed:
            yield cell.line, f"the mistake in {cell.question!r} passes every visible case"
        elif cell.metadata["hint"] not in result.hints:
            yield (
                cell.line,
                (
                    f"the mistake in {cell.question!r} must bring up the hint "
                    f"{cell.metadata['hint']!r}, got {list(result.hints)}: {_summary(result)}"
                ),
            )


def _summary(result: QuestionResult) -> str:
    """Return the state of a question and its first failed case in one line."""
    failed = [one for one in result.cases if one.status != "passed"]
    detail = f"; {failed[0].title}: {failed[0].message} {failed[0].place}" if failed else ""
    return result.status + detail


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
