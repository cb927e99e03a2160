"""The rules that an exercise set's source must keep, each with the line on which it is broken.

Those of the book ask for more than a set needs to be graded: conceptual questions with folded
answers, at least three graded ones, visible and hidden cases and a typical mistake for each.
"""

import ast
import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from d2l_lite.grading.casetext import functions_of, hint_faults, questions_of
from d2l_lite.grading.source import (
    ALL_FIELDS,
    BEGIN,
    END,
    ROLES,
    ExerciseSource,
    SourceCell,
    assigned_names,
    solution_text,
    stub_text,
    without_magics,
)

Fault = tuple[int, str]
FIELDS: Mapping[str, tuple[str, ...]] = {
    "question": ("question", "points", "hints"),
    "mistake": ("question", "hint"),
}
MIN_QUESTIONS = 3
MIN_CONCEPTUAL = 3
#: What may have been meant as a marker; a solution behind it would reach the learners.
NEAR_MARKER = re.compile(r"^\s*#+\s*(begin|end)\W*solution", re.I)
FOLDED = re.compile(
    r"^<details>\n<summary>[^\n]+</summary>\n\n(?:(?!</?details>).)+?\n\n</details>$", re.M | re.S
)


def faults(source: ExerciseSource, *, book: bool = False) -> list[str]:
    """Return what is wrong with a source, one line each: file, line, rule, what was found.

    Args:
        source: The set.
        book: Whether it must keep the rules of the book as well.

    Returns:
        The faults; none where it is well-formed.
    """
    found = [*_cell_faults(source), *_question_faults(source), *_use_faults(source, book)]
    if book:
        found += [*_book_faults(source)]
    if not found:
        found = [*_case_faults(source), *_coverage_faults(source, book)]
    return [f"{source.shown}:{line}: {text}" for line, text in sorted(set(found))]


def _cell_faults(source: ExerciseSource) -> Iterator[Fault]:
    """Yield faults of single cells: tags, fields, markers, syntax."""
    for cell in source.cells:
        if cell.kind != "code":
            continue
        yield from ((cell.line, text) for text in _tag_faults(cell))
        try:
            tree = ast.parse(without_magics(cell.source))
        except SyntaxError as error:
            yield cell.line + (error.lineno or 1) - 1, f"a cell must be Python: {error.msg}"
        else:
            yield from _marker_faults(cell)
            if cell.role not in ("visible", "hidden") and any(
                map(questions_of, functions_of(tree))
            ):
                yield cell.line, "cases belong into a cell with the tag visible or hidden"


def _tag_faults(cell: SourceCell) -> Iterator[str]:
    """Yield faults of a cell's tags and fields; a slip here could show learners a hidden case."""
    tags = cell.metadata.get("tags", [])
    ours = [tag for tag in tags if tag in ROLES]
    if len(ours) > 1:
        yield f"a cell must have at most one of the tags {ROLES}, got {ours}"
    for tag in tags:
        near = difflib.get_close_matches(str(tag).lower().rstrip("s"), ROLES, n=1, cutoff=0.8)
        if tag not in ROLES and near:
            yield f"tag {tag!r} is close to {near[0]!r}; correct it, or choose another"
    fields = {name for name in ALL_FIELDS if name in cell.metadata}
    wanted = set(FIELDS.get(cell.role, ()))
    if fields != wanted:
        yield (
            f"a cell with the role {cell.role!r} must have the fields {sorted(wanted)}, "
            f"got {sorted(fields)}"
        )


def _marker_faults(cell: SourceCell) -> Iterator[Fault]:
    """Yield faults of the markers around a solution."""
    marks = [
        (cell.line + offset, "begin" if BEGIN.match(line) else "end")
        for offset, line in enumerate(cell.source.splitlines())
        if BEGIN.match(line) or END.match(line)
    ]
    kinds = [kind for _, kind in marks]
    for offset, line in enumerate(cell.source.splitlines()):
        if NEAR_MARKER.match(line) and not (BEGIN.match(line) or END.match(line)):
            yield (
                cell.line + offset,
                f"a marker is `### BEGIN SOLUTION` or `### END SOLUTION`, got {line.strip()!r}",
            )
    if cell.role != "question":
        yield from ((line, "solution markers belong into a question's cell") for line, _ in marks)
    elif not kinds or kinds != ["begin", "end"] * (len(kinds) // 2):
        yield cell.line, "a question needs ### BEGIN SOLUTION … ### END SOLUTION in pairs"
    else:
        yield from _stub_faults(cell)


def _stub_faults(cell: SourceCell) -> Iterator[Fault]:
    """Yield faults of what a learner would get."""
    stub = stub_text(cell)
    try:
        tree = ast.parse(stub)
    except SyntaxError as error:
        yield cell.line, f"the stub must be Python: {error.msg}: {error.text}"
        return
    kept = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    whole = ast.parse(solution_text(cell)).body
    names = {node.name for node in whole if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    if names - kept:
        yield cell.line, f"the lines `def` and `class` of {sorted(names - kept)} must be outside"
    if stub == solution_text(cell) or not (kept or assigned_names(stub)):
        yield cell.line, "a stub must define or assign a name; the markers enclose nothing of use"


def _question_faults(source: ExerciseSource) -> Iterator[Fault]:
    """Yield faults of questions and of the mistakes planted for them."""
    cells = source.of("question")
    if not cells:
        yield 1, "a set needs at least one graded question: a code cell with the tag question"
    for name, number in Counter(cell.question for cell in cells).items():
        if number > 1 or not name.isidentifier():
            line = source.questions[name].line
            yield line, f"a question needs a name of its own that Python accepts, got {name!r}"
    for cell in cells:
        points, hints = cell.metadata.get("points"), cell.metadata.get("hints")
        if type(points) is not int or points < 1:
            yield cell.line, f"points must be a whole number of at least 1, got {points!r}"
        if not isinstance(hints, dict) or not hints or not all(map(_is_text, hints.values())):
            yield cell.line, f"hints must be texts by key, at least one, got {hints!r}"
    yield from _mistake_faults(source)


def _mistake_faults(source: ExerciseSource) -> Iterator[Fault]:
    """Yield every planted mistake whose question or hint does not exist."""
    for cell in source.of("mistake"):
        question = source.questions.get(cell.question)
        hints = question.metadata.get("hints") if question else {}
        if isinstance(hints, dict) and cell.metadata.get("hint") not in hints:
            yield (
                cell.line,
                (
                    f"a mistake must name a question and one of its hints, got {cell.question!r} "
                    f"and {cell.metadata.get('hint')!r}"
                ),
            )


def _is_text(value: object) -> bool:
    """Return whether a value is a string with something in it."""
    return isinstance(value, str) and bool(value.strip())


def _use_faults(source: ExerciseSource, book: bool) -> Iterator[Fault]:
    """Yield faults of the name, and of the line that chooses the checks, which may be left out."""
    if not re.fullmatch(r"[\w-]+", source.slug):
        yield 1, f"a set's name must be of letters, digits, - and _, got {source.slug!r}; rename it"
    found = [cell for cell in source.of("code") if "check.use(" in cell.source]
    right = [cell for cell in found if source.use_line in cell.source]
    if len(right) != 1 and (book or found):
        yield (
            found[0].line if found else 1,
            f"one cell without our tags must call {source.use_line}",
        )


def _book_faults(source: ExerciseSource) -> Iterator[Fault]:
    """Yield faults of what only the book asks for: label, folded answers, numbers of things."""
    label = f"(ex-{source.slug.replace('_', '-')})="
    first = source.cells[0] if source.cells else None
    if first is None or not re.match(rf"{re.escape(label)}\n+# \S", first.source):
        yield 1, f"the first cell must be {label} and the title, `# …`"
    prose = "\n\n".join(cell.source for cell in source.of("markdown"))
    folded = len(FOLDED.findall(prose))
    if folded < MIN_CONCEPTUAL or folded != prose.count("<details"):
        yield (
            1,
            f"a set needs at least {MIN_CONCEPTUAL} answers folded as <details>, <summary>…"
            f"</summary>, blank line, answer, blank line, </details>; {folded} of "
            f"{prose.count('<details')} are",
        )
    cells = source.of("question")
    if len(cells) < MIN_QUESTIONS:
        yield 1, f"a set needs at least {MIN_QUESTIONS} graded questions, got {len(cells)}"
    mistaken = {cell.question for cell in source.of("mistake")}
    for cell in cells:
        if cell.question not in mistaken:
            yield cell.line, f"question {cell.question!r} needs at least one planted mistake"


def _case_faults(source: ExerciseSource) -> Iterator[Fault]:
    """Yield faults of the cases: names that stand twice, questions and hints that do not exist."""
    hints = {name: cell.metadata["hints"] for name, cell in source.questions.items()}
    names: Counter[str] = Counter()
    for cell in source.of("visible", "hidden"):
        for function in functions_of(ast.parse(cell.source)):
            names[function.name] += 1
            line = cell.line + function.lineno - 1
            if names[function.name] > 1:
                yield line, f"a name may be used once among the cases, got {function.name!r} again"
            yield from ((line, text) for text in hint_faults(hints, function))


def _coverage_faults(source: ExerciseSource, book: bool) -> Iterator[Fault]:
    """Yield every question without a case; in the book it needs a visible and a hidden one."""
    kinds = [("visible",), ("hidden",)] if book else [("visible", "hidden")]
    for roles in kinds:
        covered = {
            question
            for cell in source.of(*roles)
            for function in functions_of(ast.parse(cell.source))
            for question in questions_of(function)
        }
        for name, cell in source.questions.items():
            if name not in covered:
                words = " or ".join(roles)
                yield cell.line, f"question {name!r} needs at least one {words} case"
