"""Read an exercise set's text source: its cells, what each is for, and every fault in them.

The source is MyST text with a jupytext header. A code cell carries at most one of the tags below;
cells without one go to the student and to the solution notebook as they are.

- `question` (with `question`, `points`, `hints`): the learner's cell, with the solution between
  `### BEGIN SOLUTION` and `### END SOLUTION`.
- `visible`: cases that learners can run and read.
- `hidden`: cases that stay in the source.
- `mistake` (with `question`, `hint`): a typical wrong solution and the hint it must bring up.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from d2l_lite.grading.cells import Cell, SourceError, read_cells

ROLES = ("question", "visible", "hidden", "mistake")
FIELDS: Mapping[str, tuple[str, ...]] = {
    "question": ("question", "points", "hints"),
    "mistake": ("question", "hint"),
}
ALL_FIELDS = ("question", "points", "hints", "hint")
MIN_QUESTIONS = 3
MIN_CONCEPTUAL = 3
BEGIN = re.compile(r"^( *)### BEGIN SOLUTION *$")
END = re.compile(r"^ *### END SOLUTION *$")
FOLDED = re.compile(
    r"^<details>\n<summary>[^\n]+</summary>\n\n(?:(?!</?details>).)+?\n\n</details>$", re.M | re.S
)


@dataclass(frozen=True)
class SourceCell(Cell):
    """One cell of a source; `role` is its kind, or one of the tags above."""

    role: str = "markdown"

    @property
    def question(self) -> str:
        """Name of the question that the cell belongs to."""
        return str(self.metadata.get("question", ""))

    @property
    def notebook_metadata(self) -> dict[str, Any]:
        """What the notebooks keep of the cell's metadata: nothing of the grading's own."""
        kept = {key: value for key, value in self.metadata.items() if key not in ALL_FIELDS}
        tags = [tag for tag in kept.pop("tags", []) if tag not in ROLES]
        return kept | ({"tags": tags} if tags else {})


@dataclass(frozen=True)
class ExerciseSource:
    """An exercise set as it was written."""

    path: Path
    cells: tuple[SourceCell, ...]

    @property
    def slug(self) -> str:
        """Name of the set."""
        return self.path.stem

    def of(self, *roles: str) -> list[SourceCell]:
        """Return the cells of these roles in order."""
        return [cell for cell in self.cells if cell.role in roles]

    @cached_property
    def questions(self) -> dict[str, SourceCell]:
        """The learner's cells by the name of their question."""
        return {cell.question: cell for cell in self.of("question")}


def source_path(root: Path, slug: str) -> Path:
    """Return where the source of a set lies."""
    return root / "exercises" / "source" / f"{slug}.md"


def slugs(root: Path) -> list[str]:
    """Return the names of all exercise sets that have a source."""
    return sorted(path.stem for path in (root / "exercises" / "source").glob("*.md"))


def read_source(path: Path) -> ExerciseSource:
    """Return the cells of a source file.

    Args:
        path: The file.

    Returns:
        The source.

    Raises:
        SourceError: The file does not exist, or it cannot be read as MyST text.
    """
    if not path.is_file():
        known = ", ".join(sorted(found.stem for found in path.parent.glob("*.md"))) or "none"
        raise SourceError(
            f"exercises/source/{path.name}: there is no such exercise set; the sets are {known}"
        )
    cells = (SourceCell(**vars(cell), role=_role(cell)) for cell in read_cells(path))
    return ExerciseSource(path, tuple(cells))


def _role(cell: Cell) -> str:
    """Return what a cell is for; several of our tags in one cell are left to `faults`."""
    if cell.kind != "code":
        return cell.kind
    return next((tag for tag in ROLES if tag in cell.tags), "code")


def without_magics(text: str) -> str:
    """Return code with IPython's own lines blank, so that it is Python and keeps its numbering."""
    return re.sub(r"^[ \t]*[%!].*$", "", text, flags=re.M)


def solution_text(cell: SourceCell) -> str:
    """Return a question's cell with its solution, without the markers."""
    lines = cell.source.splitlines()
    return "\n".join(line for line in lines if not (BEGIN.match(line) or END.match(line)))


def stub_text(cell: SourceCell) -> str:
    """Return a question's cell for learners: every solution replaced by a stub.

    A block inside a function becomes `raise NotImplementedError(...)`; a block at the left margin
    becomes `name = ...` for every name that it assigns.
    """
    lines: list[str] = []
    block: list[str] | None = None
    indent = ""
    for line in cell.source.splitlines():
        if begin := BEGIN.match(line):
            block, indent = [], begin[1]
        elif END.match(line):
            lines += _stub(block or [], indent, cell.question)
            block = None
        elif block is None:
            lines.append(line)
        else:
            block.append(line)
    return "\n".join(lines)


def _stub(block: list[str], indent: str, question: str) -> list[str]:
    """Return the lines that stand in for one block of a solution."""
    if indent:
        return [f'{indent}raise NotImplementedError("{question}: your code here")']
    return [f"{name} = ...  # your code here" for name in assigned_names("\n".join(block))]


def assigned_names(code: str) -> list[str]:
    """Return the public names that a piece of code assigns at the left margin, in order."""
    names: list[str] = []
    for statement in ast.parse(code).body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names += [
                node.id
                for target in targets
                for node in ast.walk(target)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            ]
    return [name for name in dict.fromkeys(names) if not name.startswith("_")]


def faults(source: ExerciseSource) -> list[str]:
    """Return what is wrong with a source, one line each: file, line, rule, what was found."""
    found = [*_cell_faults(source), *_question_faults(source), *_page_faults(source)]
    if not found:
        found = [*_case_faults(source)]
    return [
        f"exercises/source/{source.path.name}:{line}: {text}" for line, text in sorted(set(found))
    ]


Fault = tuple[int, str]


def _cell_faults(source: ExerciseSource) -> Iterator[Fault]:
    """Yield faults of single cells: tags, fields, markers, syntax."""
    for cell in source.cells:
        if cell.role in ("markdown", "raw"):
            continue
        ours = [tag for tag in cell.tags if tag in ROLES]
        if len(ours) > 1:
            yield cell.line, f"a cell must have at most one of the tags {ROLES}, got {ours}"
        fields = {name for name in ALL_FIELDS if name in cell.metadata}
        wanted = set(FIELDS.get(cell.role, ()))
        if fields != wanted:
            yield (
                cell.line,
                (
                    f"a cell with the role {cell.role!r} must have the fields {sorted(wanted)}, "
                    f"got {sorted(fields)}"
                ),
            )
        try:
            ast.parse(without_magics(cell.source))
        except SyntaxError as error:
            yield cell.line + (error.lineno or 1) - 1, f"a cell must be Python: {error.msg}"
        else:
            yield from _marker_faults(cell)


def _marker_faults(cell: SourceCell) -> Iterator[Fault]:
    """Yield faults of the markers around a solution."""
    marks = [
        (cell.line + offset, "begin" if BEGIN.match(line) else "end")
        for offset, line in enumerate(cell.source.splitlines())
        if BEGIN.match(line) or END.match(line)
    ]
    kinds = [kind for _, kind in marks]
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
    if len(cells) < MIN_QUESTIONS:
        yield 1, f"a set needs at least {MIN_QUESTIONS} graded questions, got {len(cells)}"
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
        if not any(other.question == cell.question for other in source.of("mistake")):
            yield cell.line, f"question {cell.question!r} needs at least one planted mistake"
    yield from _mistake_faults(source)


def _mistake_faults(source: ExerciseSource) -> Iterator[Fault]:
    """Yield every planted mistake whose question or hint does not exist."""
    for cell in source.of("mistake"):
        question = source.questions.get(cell.question)
        hints = question.metadata.get("hints", {}) if question else {}
        if cell.metadata.get("hint") not in hints:
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


def _page_faults(source: ExerciseSource) -> Iterator[Fault]:
    """Yield faults of the page: label, folded answers, the line that chooses the checks."""
    label = f"(ex-{source.slug.replace('_', '-')})="
    first = source.cells[0] if source.cells else None
    if first is None or not re.match(rf"{re.escape(label)}\n+# \S", first.source):
        yield 1, f"the first cell must be {label} and the title, `# …`"
    prose = "\n\n".join(cell.source for cell in source.of("markdown"))
    folded = len(FOLDED.findall(prose))
    if folded < MIN_CONCEPTUAL or folded != prose.count("<details"):
        yield (
            1,
            (
                f"a set needs at least {MIN_CONCEPTUAL} answers folded as <details>, <summary>…"
                f"</summary>, blank line, answer, blank line, </details>; {folded} of "
                f"{prose.count('<details')} are"
            ),
        )
    wanted = f'check.use("{source.slug}")'
    if sum(wanted in cell.source for cell in source.of("code")) != 1:
        yield 1, f"one cell without our tags must call {wanted}"


def _case_faults(source: ExerciseSource) -> Iterator[Fault]:
    """Yield faults of the cases: which questions they cover, and the hints they name."""
    covered: dict[str, set[str]] = {"visible": set(), "hidden": set()}
    names: Counter[str] = Counter()
    for cell in source.of("visible", "hidden"):
        for function in ast.parse(cell.source).body:
            if not isinstance(function, ast.FunctionDef):
                continue
            names[function.name] += 1
            line = cell.line + function.lineno - 1
            if names[function.name] > 1:
                yield line, f"a name may be used once among the cases, got {function.name!r} again"
            for question in _questions_of(function):
                covered[cell.role].add(question)
                yield from ((line, text) for text in _hint_faults(source, question, function))
    for role, questions in covered.items():
        for name, cell in source.questions.items():
            if name not in questions:
                yield cell.line, f"question {name!r} needs at least one {role} case"


def _questions_of(function: ast.FunctionDef) -> list[str]:
    """Return the questions named in a function's `@case(...)`."""
    return [
        str(call.args[0].value)
        for call in function.decorator_list
        if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Constant)
    ]


def _hint_faults(source: ExerciseSource, question: str, function: ast.FunctionDef) -> Iterable[str]:
    """Return faults of the question and the hints that a case names."""
    if question not in source.questions:
        return [f"a case must name a question of the set, got {question!r}"]
    known = source.questions[question].metadata["hints"]
    keys: list[ast.expr | None] = []
    for node in ast.walk(function):
        for keyword in node.keywords if isinstance(node, ast.Call) else []:
            if keyword.arg == "hint":
                keys.append(keyword.value)
            elif keyword.arg == "mistakes" and isinstance(keyword.value, ast.Dict):
                keys += keyword.value.keys
    names = [key.value for key in keys if isinstance(key, ast.Constant) and key.value is not None]
    return [
        f"a hint of question {question!r} must be one of {sorted(known)}, got {name!r}"
        for name in names
        if name not in known
    ]
