"""The proof of an exercise set: stubs score nothing, solutions everything, mistakes get hints.

It runs the author's own code in this process, which is trusted; learners' code never comes here.
"""

import contextlib
import io
import traceback
from collections.abc import Iterator
from typing import Any

from d2l_lite.grading.cases import ExerciseSet, Question
from d2l_lite.grading.cells import Cell, SourceError
from d2l_lite.grading.generating import preload
from d2l_lite.grading.modules import mark_hidden, new_module
from d2l_lite.grading.outcomes import QuestionResult
from d2l_lite.grading.rules import faults
from d2l_lite.grading.running import run_question
from d2l_lite.grading.source import (
    ExerciseSource,
    SourceCell,
    hints_of,
    stub_text,
    without_magics,
)

#: Hidden inputs are drawn fresh by the judge, so the references must hold for every seed.
SEEDS = (0, 1, 2)


def prove(source: ExerciseSource, *, book: bool = False) -> list[str]:
    """Return what a set does not prove; nothing where all is well.

    Every stub must score nothing, every solution everything for several seeds of the hidden
    cases, and every planted mistake must fail the visible cases and bring up its hint.

    Args:
        source: The set.
        book: Whether it must keep the rules of the book as well.

    Returns:
        One line a fault, with file and line.
    """
    if found := faults(source, book=book):
        return found
    try:
        return [
            f"{source.shown}:{line}: {text}"
            for proof in (_prove_stubs, _prove_solutions, _prove_mistakes)
            for line, text in proof(source)
        ]
    except SourceError as error:
        return [str(error)]


def exercise_set(source: ExerciseSource, *, hidden: bool) -> ExerciseSet:
    """Return the set of a source with its visible cases, and the hidden ones where asked.

    Args:
        source: The set's source.
        hidden: Whether hidden cases belong to it.

    Returns:
        The set, ready to run.
    """
    names = vars(new_module(f"cases_of_{source.slug}"))
    for cell in source.of("visible", "hidden") if hidden else source.of("visible"):
        before = set(names)
        _execute(source, cell, names, text=cell.source)
        if cell.role == "hidden":
            mark_hidden(names, set(names) - before)
    names["PRELOAD"] = preload(source)
    names["QUESTIONS"] = [
        Question(name, cell.metadata["points"], hints_of(cell))
        for name, cell in source.questions.items()
    ]
    return ExerciseSet.from_names(source.slug, names)


def _execute(source: ExerciseSource, cell: Cell, names: dict[str, Any], *, text: str) -> None:
    """Execute a cell in a namespace, with the line numbers of its source."""
    plain = without_magics(text).replace(source.use_line, "")
    try:
        exec(compile("\n" * (cell.line - 1) + plain, str(source.path), "exec"), names)
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__)[1:]]
        raise SourceError(
            f"{source.shown}:{lines[0] if lines else cell.line}: "
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
    names = vars(new_module("__exercise__"))
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in source.of("code", "question"):
            text = cell.source if solved or cell.role == "code" else stub_text(cell)
            _execute(source, cell, names, text=text)
        if then is not None:
            _execute(source, then, names, text=then.source)
    return names


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
    visible, every = (exercise_set(source, hidden=hidden) for hidden in (False, True))
    for cell in source.of("mistake"):
        names = names_after(source, solved=True, then=cell)
        cases = visible if visible.of(cell.question) else every
        result = run_question(cases, cell.question, namespace=names)
        if result.passed:
            kind = "visible case" if cases is visible else "case"
            yield cell.line, f"the mistake in {cell.question!r} passes every {kind}"
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
