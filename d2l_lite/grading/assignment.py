"""An assignment as the judge needs it: cases with expected values, and digests of what they test.

It is read from the `<name>.tests.py` that authoring makes, or from the `.md` source itself. Both
are the instructor's own code and run in this process.
"""

import ast
import hashlib
import json
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d2l_lite.grading.cases import Case, ExerciseSet, Question
from d2l_lite.grading.casetext import (
    functions_of,
    hint_faults,
    preload_faults,
    preload_of,
    questions_of,
)
from d2l_lite.grading.modules import mark_hidden, new_module

ENDING = ".tests.py"
#: What a tests file says about itself; no question's outcome depends on it.
SETTINGS = ("PRELOAD", "PAGE", "HIDDEN", "QUESTIONS")


class AssignmentError(ValueError):
    """An assignment that cannot be used; the message has one line a fault, with file and line."""


@dataclass(frozen=True)
class Assignment:
    """What the judge grades with.

    Args:
        exercises: questions and all cases; hidden ones are marked.
        digest: SHA-256 of the text of the tests.
        digests: one of each question: its points, hints and cases, and all that cases share.
        preload: what the sandbox imports before any learner's code.
        page: where feedback links to; empty where nobody has said so.
    """

    exercises: ExerciseSet
    digest: str
    digests: Mapping[str, str]
    preload: tuple[str, ...] = ("numpy",)
    page: str = ""


def load_assignment(path: Path | str) -> Assignment:
    """Return the assignment of a file.

    Args:
        path: `<name>.tests.py`, or the text source `<name>.md`, which needs jupytext.

    Returns:
        The assignment.

    Raises:
        AssignmentError: The file does not exist, cannot be run, or is not consistent.
    """
    path = Path(path)
    if not path.is_file():
        raise AssignmentError(
            f"{path}: there is no such file; give a file <name>{ENDING} or its source <name>.md"
        )
    if path.suffix == ".md":
        return _from_source(path)
    if path.suffix != ".py":
        raise AssignmentError(
            f"{path}: an assignment must end in {ENDING} or .md, got {path.suffix or 'no ending'!r}"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AssignmentError(f"{path}: cannot be read as text in UTF-8: {error}") from error
    tree = _parsed(text, path)
    names = _executed(tree, path)
    slug = path.name.removesuffix(ENDING).removesuffix(".py")
    return _assignment(text, tree, _exercises(slug, tree, names, path), names)


def _from_source(path: Path) -> Assignment:
    """Return the assignment of a text source."""
    from d2l_lite.grading.cells import SourceError
    from d2l_lite.grading.generating import grading_text
    from d2l_lite.grading.proving import exercise_set
    from d2l_lite.grading.rules import faults
    from d2l_lite.grading.source import read_source

    try:
        source = read_source(path)
        if found := faults(source):
            raise AssignmentError("\n".join(found))
        exercises = exercise_set(source, hidden=True)
    except SourceError as error:
        raise AssignmentError(str(error)) from error
    text = grading_text(source)
    tree = ast.parse(text)
    return _assignment(text, tree, exercises, _literals(tree))


def _assignment(
    text: str, tree: ast.Module, exercises: ExerciseSet, names: Mapping[str, Any]
) -> Assignment:
    """Return the assignment of a set and the settings that stand beside it."""
    return Assignment(
        exercises,
        hashlib.sha256(text.encode()).hexdigest(),
        _digests(tree, exercises),
        preload_of(text),
        names.get("PAGE", ""),
    )


def _literals(tree: ast.Module) -> dict[str, Any]:
    """Return the settings of a generated module without running it."""
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id in SETTINGS[:3]
    }


def _parsed(text: str, path: Path) -> ast.Module:
    """Return the syntax tree of tests."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        message = getattr(error, "msg", str(error))
        raise AssignmentError(f"{path}:{line}: tests must be Python: {message}") from error


def _executed(tree: ast.Module, path: Path) -> dict[str, Any]:
    """Return the names that tests define."""
    names = vars(new_module("d2l_lite_tests"))
    try:
        exec(compile(tree, str(path), "exec"), names)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(path)]
        hint = ""
        if isinstance(error, ModuleNotFoundError):
            hint = f"; install what provides {error.name!r} for the Python that grades"
        raise AssignmentError(
            f"{path}:{lines[-1] if lines else 1}: tests must run, got "
            f"{type(error).__name__}: {error}{hint}"
        ) from error
    return names


def _exercises(slug: str, tree: ast.Module, names: dict[str, Any], path: Path) -> ExerciseSet:
    """Return the set that tests define, if it is consistent."""
    faults = list(_setting_faults(names))
    if not faults:
        mark_hidden(names, names.get("HIDDEN", ()))
        faults = [*preload_faults(tree), *_case_faults(tree, names)]
    if faults:
        raise AssignmentError("\n".join(f"{path}:{line}: {text}" for line, text in faults))
    return ExerciseSet.from_names(slug, names)


def _setting_faults(names: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield faults of the settings and of the questions."""
    questions = names.get("QUESTIONS", ())
    if not isinstance(questions, list | tuple) or not questions:
        yield 1, "QUESTIONS must be a tuple of at least one Question, and is missing or empty"
        return
    if not all(isinstance(one, Question) for one in questions):
        yield 1, f"QUESTIONS must hold Question(name, points, hints) alone, got {questions!r:.200}"
        return
    for name, number in Counter(one.name for one in questions).items():
        if number > 1:
            yield 1, f"a question's name must stand once, got {name!r} {number} times"
    for one in questions:
        if type(one.points) is not int or one.points < 1:
            yield 1, f"points of {one.name!r} must be a whole number of 1 or more: {one.points!r}"
    hidden, page = names.get("HIDDEN", ()), names.get("PAGE", "")
    if not isinstance(hidden, list | tuple | set):
        yield 1, f"HIDDEN must be a tuple of names, got {hidden!r:.200}"
        return
    for name in hidden:
        if not (isinstance(name, str) and isinstance(names.get(name), Case)):
            yield 1, f"HIDDEN must name cases of this file, got {name!r:.200}"
    if not isinstance(page, str):
        yield 1, f"PAGE must be a text, got {page!r:.200}"


def _case_faults(tree: ast.Module, names: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield faults of the cases: names that stand twice, questions and hints that do not exist."""
    questions = {one.name: one for one in names["QUESTIONS"]}
    hints = {name: one.hints for name, one in questions.items()}
    seen: set[str] = set()
    for function in functions_of(tree):
        if questions_of(function) and function.name in seen:
            text = f"a case's name must stand once, got {function.name!r} again; rename one of them"
            yield function.lineno, text
        seen.add(function.name)
        yield from ((function.lineno, text) for text in hint_faults(hints, function))
    cases = [one for one in names.values() if isinstance(one, Case)]
    for name in questions:
        if not any(case.question == name for case in cases):
            yield 1, f"question {name!r} needs at least one case"
    literal = {name for function in functions_of(tree) for name in questions_of(function)}
    for case in cases:
        if case.question not in questions and case.question not in literal:
            text = f"a case must name one of the questions {sorted(questions)}"
            yield case.function.__code__.co_firstlineno, f"{text}, got {case.question!r}"


def _digests(tree: ast.Module, exercises: ExerciseSet) -> dict[str, str]:
    """Return the digest of each question: comments and the layout of code do not count."""
    owners = {case.function.__name__: case for case in exercises.cases}
    shared, own = [], {name: list[str]() for name in exercises.questions}
    for node in tree.body:
        if _is_setting(node):
            continue
        case = owners.get(node.name) if isinstance(node, ast.FunctionDef) else None
        if case is None:
            shared.append(ast.dump(node))
        else:
            own[case.question].append(f"{ast.dump(node)} hidden={case.hidden}")
    return {
        name: hashlib.sha256(
            json.dumps([question.points, dict(question.hints), own[name], shared]).encode()
        ).hexdigest()
        for name, question in exercises.questions.items()
    }


def _is_setting(node: ast.stmt) -> bool:
    """Return whether a statement is the docstring or a setting."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(isinstance(one, ast.Name) and one.id in SETTINGS for one in targets)
