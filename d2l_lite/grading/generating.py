"""The texts that are made of an exercise set's source: modules of cases, and cells of notebooks."""

import ast
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from d2l_lite.grading.casetext import functions_of, preload_for, questions_of
from d2l_lite.grading.cells import Cell
from d2l_lite.grading.source import (
    ExerciseSource,
    SourceCell,
    hints_of,
    solution_text,
    stub_text,
    without_magics,
)

CHECK_TAG = "check"
AUTHOR = "python -m d2l_lite.grading author"
_VISIBLE = "Visible cases of the exercise set"
_TESTS = "All cases, hidden ones included and therefore not for learners, of the exercise set"


def visible_text(source: ExerciseSource, *, origin: str = "", by: str = AUTHOR) -> str:
    """Return the module of a set's visible cases and of the questions that have any.

    Args:
        source: The set.
        origin: What the module says to be made of; the name of the source's file by default.
        by: The program that it says to be made by.

    Returns:
        Python, for learners to read.
    """
    cells = [cell.source for cell in source.of("visible")]
    wanted = preload(source)
    if "torch" not in wanted:  # said so that `check` refuses a tensor as the judge does
        cells.insert(0, f"PRELOAD = {json.dumps(wanted)}")
    questions = _questions_text(source, checked(source))
    made = f"Generated from {origin or source.path.name} by {by}: edit that file."
    return _module(f"{_VISIBLE} `{source.slug}`.", made, [*cells, questions])


def preload(source: ExerciseSource) -> list[str]:
    """Return what the code of a set imports of the libraries that answers may use."""
    code = [without_magics(cell.source) for cell in source.cells if cell.kind == "code"]
    return list(preload_for(code))


def grading_text(source: ExerciseSource, *, page: str = "") -> str:
    """Return the module of all cases of a set, from which alone the judge grades.

    Args:
        source: The set.
        page: Where feedback links to; the set's page in the book, if it has one, where it is empty.

    Returns:
        Python: what to load before the learner's code, the page, cases, which of them are hidden,
        and questions.
    """
    hidden = [name for cell in source.of("hidden") for name in _cases_in(cell)]
    settings: Mapping[str, Any] = {
        "PRELOAD": preload(source),
        "PAGE": page or source.page,
        "HIDDEN": hidden,
    }
    lines = "\n".join(
        f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in settings.items()
    )
    cells = [cell.source for cell in source.of("visible", "hidden")]
    questions = _questions_text(source, source.questions)
    made = f"Generated from {source.path.name} by {AUTHOR}: edit that file."
    return _module(f"{_TESTS} `{source.slug}`.", made, [lines, *cells, questions])


def _module(title: str, made: str, parts: Iterable[str]) -> str:
    """Return a generated module."""
    head = f'"""{title}\n\n{made}\n"""\n\nfrom d2l_lite.grading.cases import Question'
    return "\n\n\n".join([head, *(part.strip("\n") for part in parts)]) + "\n"


def _cases_in(cell: SourceCell) -> dict[str, list[str]]:
    """Return the cases that a cell defines, each with its questions."""
    functions = functions_of(ast.parse(cell.source))
    return {one.name: questions_of(one) for one in functions if questions_of(one)}


def checked(source: ExerciseSource) -> set[str]:
    """Return the questions that have visible cases, so that learners can check them."""
    every = [_cases_in(cell) for cell in source.of("visible")]
    return {name for cases in every for names in cases.values() for name in names}


def _questions_text(source: ExerciseSource, chosen: Collection[str]) -> str:
    """Return chosen questions of a set as Python: names, points, hints."""
    lines = ["QUESTIONS = ("]
    for name, cell in source.questions.items():
        if name in chosen:
            lines += ["    Question(", f"        name={_quoted(name)},"]
            lines += [f"        points={cell.metadata['points']},", "        hints={"]
            hints = hints_of(cell).items()
            lines += [f"            {_quoted(key)}: {_quoted(text)}," for key, text in hints]
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
        The cells. Where the set uses `check`: behind each question the one that checks it, at the
        end the summary.
    """
    tags = {"tags": [CHECK_TAG, "nbval-check-output"] if solved else [CHECK_TAG]}
    uses_check = any(source.use_line in cell.source for cell in source.of("code"))
    questions = checked(source) if uses_check else set()
    for cell in source.of("markdown", "raw", "code", "question"):
        text = cell.source
        if cell.role == "question":
            text = solution_text(cell) if solved else stub_text(cell)
        elif solved:
            text = _as_solution(text)
        yield Cell(cell.kind, text, cell.notebook_metadata, cell.line)
        if cell.role == "question" and cell.question in questions:
            yield Cell("code", f'check("{cell.question}")', tags)
    if questions:
        yield Cell("code", "check.all()", tags)


def _as_solution(text: str) -> str:
    """Return a page's first cell for its solutions, which are no page of the book: no label."""
    if not text.startswith("(ex-"):
        return text
    heading, *rest = text.partition("\n")[2].lstrip("\n").split("\n")
    return "\n".join([f"{heading} (solutions)", *rest])
