"""What every chapter has: its anatomy and rhythm, each seen missing in a planted text."""

import ast
import re
import statistics
from pathlib import Path

import pytest

from d2l_lite.grading.cells import Cell, read_cells

SOURCES = Path(__file__).resolve().parents[2] / "chapters" / "source"
MIN_WORDS, MAX_WORDS = 1800, 3500
MAX_CELL_LINES, MAX_CLASS_LINES, MAX_MEDIAN_LINES = 15, 20, 7
MAX_LINE = 88
MIN_COMPARED_CELLS = 3
MAX_SUMMARY_LINES = 5
MIN_QUIZZES, MAX_QUIZZES = 2, 4
QUIZ_TAGS = {"quiz", "remove-input"}
#: Sections that ask nothing: a quiz stands where its question arises.
CLOSING = re.compile(r"Limits|Roads not taken|Summary|Exercises|References")
FOLDED = {"hide-input", "hide-cell", "remove-cell", "remove-input"}
NOT_WORDS = re.compile(
    r"\$\$.*?\$\$|\$[^$]*\$|```.*?```|^:::.*?$|^:\w+:.*?$|\{\w[\w:]*\}", re.M | re.S
)


def prose(cells: tuple[Cell, ...]) -> str:
    return "\n\n".join(cell.source for cell in cells if cell.kind == "markdown")


def words(cells: tuple[Cell, ...]) -> int:
    """Return the number of words of the prose, formulas and markup left out."""
    return len(re.findall(r"\w[\w’'-]*", NOT_WORDS.sub(" ", prose(cells))))


def visible(cells: tuple[Cell, ...]) -> list[Cell]:
    return [cell for cell in cells if cell.kind == "code" and not FOLDED & set(cell.tags)]


def lines(cell: Cell) -> int:
    return sum(1 for line in cell.source.splitlines() if line.strip())


def long_cells(cells: tuple[Cell, ...]) -> list[str]:
    faults = []
    for cell in visible(cells):
        limit = MAX_CLASS_LINES if re.search(r"^class ", cell.source, re.M) else MAX_CELL_LINES
        if lines(cell) > limit:
            faults.append(f"line {cell.line}: {lines(cell)} lines ({cell.title})")
        faults += [f"line {cell.line}: {x}" for x in cell.source.splitlines() if len(x) > MAX_LINE]
    return faults


def figures_without_text(cells: tuple[Cell, ...]) -> list[str]:
    """Return the cells with a figure that lacks caption, name or alt text."""
    faults = []
    for cell in cells:
        shown = cell.metadata.get("mystnb", {})
        if "figure" in shown or "image" in shown:
            figure, image = shown.get("figure", {}), shown.get("image", {})
            if not (figure.get("caption") and figure.get("name") and image.get("alt")):
                faults.append(f"line {cell.line}: {cell.title}")
    return faults


def summary(cells: tuple[Cell, ...]) -> list[str]:
    found = re.search(r"^## Summary\n(.*?)(?=^## )", prose(cells), re.M | re.S)
    return re.findall(r"^(?:[-*]|\d+\.) ", found[1], re.M) if found else []


def quiz_calls(cell: Cell) -> list[ast.Call]:
    """Return the calls of `d2l.quiz` in a code cell; magics are no Python, and hold none."""
    if cell.kind != "code" or "quiz(" not in cell.source:
        return []
    calls = (node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call))
    return [call for call in calls if ast.unparse(call.func) == "d2l.quiz"]


def computed_answers(cells: tuple[Cell, ...]) -> list[ast.expr]:
    """Return what the chapter's quizzes give as `answer=`, where something is called for it."""
    calls = [call for cell in cells for call in quiz_calls(cell)]
    given = [word.value for call in calls for word in call.keywords if word.arg == "answer"]
    return [value for value in given if any(isinstance(n, ast.Call) for n in ast.walk(value))]


def misplaced_quizzes(cells: tuple[Cell, ...]) -> list[str]:
    """Return quizzes that share a cell or a section, end the chapter, or lack their tags."""
    faults, heading, used = [], "", set()
    for cell in cells:
        if cell.kind == "markdown":
            heading = [heading, *re.findall(r"^##+ (.+)$", cell.source, re.M)][-1]
        calls = quiz_calls(cell)
        if calls or "quiz" in cell.tags:
            if len(calls) != 1 or not set(cell.tags) >= QUIZ_TAGS:
                faults.append(f"line {cell.line}: one quiz a cell, tagged {sorted(QUIZ_TAGS)}")
            if not heading or heading in used or CLOSING.match(heading):
                faults.append(f"line {cell.line}: a quiz of its own section, got {heading!r}")
            used.add(heading)
    return faults


@pytest.fixture(params=sorted(path.stem for path in SOURCES.glob("*.md")))
def chapter(request):
    return request.param, read_cells(SOURCES / f"{request.param}.md")


def test_one_sitting(chapter):
    assert MIN_WORDS <= words(chapter[1]) <= MAX_WORDS


def test_cells_do_one_thing_and_fit_the_page(chapter):
    assert long_cells(chapter[1]) == []
    assert statistics.median(map(lines, visible(chapter[1]))) <= MAX_MEDIAN_LINES


def test_the_first_code_cell_holds_the_parameters(chapter):
    assert "parameters" in next(cell for cell in chapter[1] if cell.kind == "code").tags


def test_outputs_are_compared(chapter):
    compared = [cell for cell in chapter[1] if "nbval-check-output" in cell.tags]
    assert len(compared) >= MIN_COMPARED_CELLS


def test_every_figure_has_caption_name_and_alt_text(chapter):
    assert figures_without_text(chapter[1]) == []


def test_readers_check_themselves_along_the_way(chapter):
    asked = sum(len(quiz_calls(cell)) for cell in chapter[1])
    assert MIN_QUIZZES <= asked <= MAX_QUIZZES
    assert misplaced_quizzes(chapter[1]) == []
    assert computed_answers(chapter[1]), "a chapter has a numeric quiz whose answer is computed"


def test_anatomy(chapter):
    slug, cells = chapter
    text, code = prose(cells), "\n".join(cell.source for cell in cells if cell.kind == "code")
    assert f"(sec-{slug.replace('_', '-')})=" in text
    assert "Predict before you run" in text
    assert "explore(" in code, "a chapter has at least one explorable"
    assert f"exercises/{slug}" in text or f"ex-{slug.replace('_', '-')}" in text
    assert text.count("<details>") + text.count("{dropdown}") >= 2, "two open questions"
    headings = re.findall(r"^## (.+)$", text, re.M)
    assert headings[-3:] == ["Summary", "Exercises", "References"]
    assert any(heading.startswith("Limits") for heading in headings)
    assert 1 <= len(summary(cells)) <= MAX_SUMMARY_LINES


def planted(source="x = 1", **metadata):
    return (Cell("code", source, metadata, 1),)


def test_planted_faults_are_seen():
    assert len(long_cells(planted("x = 1\n" * (MAX_CELL_LINES + 1)))) == 1
    assert long_cells(planted("x = 1\n" * (MAX_CELL_LINES + 1), tags=["hide-input"])) == []
    assert len(long_cells(planted("x = " + "1" * MAX_LINE))) == 1
    figure = {"figure": {"caption": "What", "name": "fig-what"}}
    assert len(figures_without_text(planted(mystnb=figure))) == 1
    assert figures_without_text(planted(mystnb=figure | {"image": {"alt": "That"}})) == []
    text = Cell("markdown", "Two words. $a + b$ {term}`three`\n\n$$ c = d $$")
    assert words((text,)) == 3
    assert len(summary((Cell("markdown", "## Summary\n- one\n- two\n\n## References\n"),))) == 2


def quizzes(*headings, tags=("quiz", "remove-input"), code="d2l.quiz('Words are asked.')"):
    """Return a chapter with a section and a quiz for each heading."""
    for heading in headings:
        yield Cell("markdown", f"Text.\n\n### {heading}\n\nText.")
        yield Cell("code", code, {"tags": list(tags)}, 1)


def test_planted_quizzes_are_counted_and_seen_misplaced():
    good = tuple(quizzes("One", "Two"))
    assert sum(len(quiz_calls(cell)) for cell in good) == 2
    assert misplaced_quizzes(good) == []
    assert words(good) == words(tuple(cell for cell in good if cell.kind == "markdown"))
    for fault in (
        quizzes("One", "One"),
        quizzes("Summary"),
        quizzes("Limits, and roads not taken"),
        quizzes("One", tags=["quiz"]),
        quizzes("One", tags=["remove-input"]),
        quizzes("One", code="d2l.quiz('a'), d2l.quiz('b')"),
        quizzes("One", code="x = 1"),
        tuple(quizzes("One"))[1:],
    ):
        assert len(misplaced_quizzes(tuple(fault))) == 1
    assert quiz_calls(Cell("code", "%pip install quiz")) == []
    assert quiz_calls(Cell("markdown", "d2l.quiz('a')")) == []
    for answer, computed in (("4", False), ("2 + 2", False), ("slope(x)[0]", True)):
        cells = tuple(quizzes("One", code=f"d2l.quiz('', answer={answer})"))
        assert bool(computed_answers(cells)) == computed
