"""Every exercise set of the book: stubs score nothing, solutions everything, mistakes get hints."""

import re
from dataclasses import replace

import pytest

from d2l_lite.grading.checker import load_set
from d2l_lite.grading.proving import exercise_set
from d2l_lite.grading.rules import MIN_QUESTIONS
from tools.exercise_source import read_source, slugs, source_path
from tools.exercises import pages, prove
from tools.kernels import execute
from tools.pages import Page, code_cells, inputs, read_notebook
from tools.repository import ROOT

SETS = slugs(ROOT)


def shown(notebook):
    """The plain text of what each check shows, by the source of its cell."""
    return {
        cell.source: "\n".join(output.data["text/plain"] for output in cell.outputs)
        for cell in code_cells(notebook)
        if re.fullmatch(r'check(\("\w+"\)|\.all\(\))', cell.source)
    }


def page_of(slug, *, executed):
    found: list[Page] = pages(ROOT, read_source(source_path(ROOT, slug)))
    return next(page for page in found if page.executed == executed)


def test_every_chapter_has_a_set_and_every_set_a_chapter():
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    assert sorted(re.findall(r"file: exercises/(\w+)", toc)) == SETS
    assert sorted(path.stem for path in (ROOT / "chapters" / "source").glob("*.md")) == SETS


@pytest.mark.parametrize("slug", SETS)
def test_stubs_score_nothing_solutions_everything_and_mistakes_bring_up_their_hint(slug):
    assert prove(ROOT, slug) == []


@pytest.mark.parametrize("slug", SETS)
def test_the_solution_notebook_shows_full_marks(slug):
    texts = shown(read_notebook(page_of(slug, executed=True).target))
    questions = read_source(source_path(ROOT, slug)).questions
    assert len(questions) >= MIN_QUESTIONS
    for name, cell in questions.items():
        points = cell.metadata["points"]
        assert texts[f'check("{name}")'].startswith(f"{name}: {points} of {points} point")
    total = sum(cell.metadata["points"] for cell in questions.values())
    assert texts["check.all()"].endswith(f"{total} of {total} points")


@pytest.mark.parametrize("slug", SETS)
def test_the_student_notebook_runs_from_top_to_bottom_and_has_no_points_yet(slug):
    page = replace(page_of(slug, executed=False), executed=True)
    texts = shown(execute(page, inputs(page)))
    assert re.search(r"total +0 of \d+ points$", texts["check.all()"])
    assert all("not written yet" in text for cell, text in texts.items() if "(" in cell[:6])


@pytest.mark.parametrize("slug", SETS)
def test_the_package_holds_the_visible_cases_and_not_the_hidden_ones(slug):
    source = read_source(source_path(ROOT, slug))
    packaged = {one.function.__name__ for one in load_set(slug).cases}
    assert packaged == {one.function.__name__ for one in exercise_set(source, hidden=False).cases}
    everything = {one.function.__name__ for one in exercise_set(source, hidden=True).cases}
    hidden = everything - packaged
    assert hidden
    files = [ROOT / "exercises" / f"{slug}.ipynb", *(ROOT / "d2l_lite").rglob("*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    assert not [name for name in hidden if f"def {name}(s" in text]
