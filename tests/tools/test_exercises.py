"""Exercise sets from their sources: what is generated, and every gate on a planted fault."""

import ast
import os
import shutil
from pathlib import Path

import pytest

from d2l_lite.grading import proving, rules
from d2l_lite.grading.cells import SourceError
from d2l_lite.grading.source import assigned_names, solution_text, stub_text
from d2l_lite.grading.writing import dumps, write_notebook
from tools import exercises
from tools.building import Plan
from tools.exercise_source import read_source, slugs, source_path
from tools.pages import inputs, read_notebook
from tools.repository import ROOT

EXAMPLE = Path(__file__).with_name("example_exercise.md").read_text(encoding="utf-8")
PLAN = Plan(jobs=1)


@pytest.fixture
def source(tmp_path):
    """Write a text as the source of the set `example`, and return what was read."""

    def write(text=EXAMPLE):
        path = source_path(tmp_path, "example")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return read_source(path)

    return write


def planted(old, new):
    """The example with one fault."""
    assert old in EXAMPLE
    return EXAMPLE.replace(old, new, 1)


def line_of(text):
    """The number of the first line of the example that holds a text."""
    return next(n for n, line in enumerate(EXAMPLE.splitlines(), 1) if text in line)


# What is generated


def test_stubs_keep_what_stands_outside_the_markers(source):
    questions = source().questions
    assert stub_text(questions["mse"]).endswith(
        '0-d tensor."""\n    raise NotImplementedError("mse: your code here")'
    )
    assert stub_text(questions["best_lr"]) == (
        "H = torch.tensor([[2.0, 0.0], [0.0, 4.0]])\nbest_lr = ...  # your code here"
    )
    stub = stub_text(questions["Linear"])
    assert stub.count('        raise NotImplementedError("Linear: your code here")') == 2
    assert "super().__init__()" in stub
    assert "self.weight" not in stub


def test_solutions_lose_only_their_markers(source):
    cell = source().questions["mse"]
    kept = [line for line in cell.source.splitlines() if "###" not in line]
    assert solution_text(cell).splitlines() == kept


def test_assigned_names_are_public_and_in_order():
    code = "a, (b, *c) = 1, (2, 3)\n_hidden = 1\nd: int = 4\na = 5\nx.y = 6\nz[0] = 7"
    assert assigned_names(code) == ["a", "b", "c", "d"]


def test_the_student_notebook_holds_no_solution_no_hidden_case_and_nothing_of_the_grading(source):
    student, _ = exercises.pages(ROOT, source())
    text = dumps(inputs(student))
    assert not student.executed
    for secret in ("return ((y_hat", "eigvalsh", "against_torch", "by_hand", "SOLUTION"):
        assert secret in EXAMPLE
        assert secret not in text
    metadata = [dict(cell.metadata) for cell in inputs(student).cells]
    assert all(set(one) <= {"tags"} for one in metadata)
    assert "points" not in str(metadata)


def test_a_check_stands_behind_each_question_and_the_summary_at_the_end(source):
    for page in exercises.pages(ROOT, source()):
        cells = [cell.source for cell in page.cells]
        for name, start in (("mse", "def mse"), ("best_lr", "H ="), ("Linear", "class Linear")):
            index = next(i for i, text in enumerate(cells) if text.startswith(start))
            assert cells[index + 1] == f'check("{name}")'
        assert cells[-1] == "check.all()"
        assert "setup" in page.cells[0].tags


def test_only_the_student_notebook_is_a_page_of_the_book(source):
    student, solution = exercises.pages(ROOT, source())
    assert student.cells[1].source.startswith("(ex-example)=\n# Exercises: example\n")
    assert solution.cells[1].source.startswith("# Exercises: example (solutions)\n")


def test_the_visible_module_holds_visible_cases_points_and_hints_alone(source):
    text = exercises.visible_text(source())
    for shown in ("by_hand", "layer_shape", "points=3", "Divide by the number of examples"):
        assert shown in text
    for secret in ("against_torch", "layer_random", "stable_hidden", "nn.Parameter", "SOLUTION"):
        assert secret in EXAMPLE
        assert secret not in text
    names = {}
    exec(compile(text, "visible", "exec"), names)
    assert [question.name for question in names["QUESTIONS"]] == ["mse", "best_lr", "Linear"]


def test_hidden_cases_see_the_helpers_of_visible_ones(source):
    everything = proving.exercise_set(source(), hidden=True)
    visible = proving.exercise_set(source(), hidden=False)
    assert (len(everything.cases), len(visible.cases)) == (6, 3)


# Proofs


def test_the_example_is_proved(source, tmp_path):
    source()
    assert exercises.prove(tmp_path, "example") == []


#: Faults of the proof that tests/grading/test_authoring.py does not plant for any set.
PROOFS = {
    "a solution that is wrong": (
        "return ((y_hat - y) ** 2).mean()\n    ### END",
        "return ((y_hat - y) ** 2).sum()\n    ### END",
        "the solution of 'mse' fails (seed 0): failed; Two errors, 1 and 3",
    ),
    "a reference that holds for one seed only": (
        "close(s.mse(a, b), torch.nn.functional.mse_loss(a, b))",
        "close(s.mse(a, b), s.mse(a, b) + float(torch.rand(1, generator=generator) > 0.5))",
        "the solution of 'mse' fails (seed",
    ),
    "a stub that gives the answer": (
        "    ### BEGIN SOLUTION\n    return ((y_hat - y) ** 2).mean()\n",
        "    if n := 1:\n        return (y_hat - y).pow(2).mean()\n"
        "    ### BEGIN SOLUTION\n    n += 1\n",
        "the stub of 'mse' must be unfinished, got passed",
    ),
    "a case that cannot be defined": (
        "def against_torch(s",
        "@nothing\ndef against_torch(s",
        "a cell must run, got NameError: name 'nothing' is not defined",
    ),
}


@pytest.mark.parametrize("fault", PROOFS)
def test_a_planted_fault_fails_the_proof(fault, source, tmp_path):
    old, new, words = PROOFS[fault]
    source(planted(old, new))
    found = exercises.prove(tmp_path, "example")
    assert len(found) == 1
    assert found[0].startswith("exercises/source/example.md:")
    assert words in found[0]


#: Faults of the format, and of the rules of the book, that it does not plant either.
FORMATS = {
    "two tags": ("tags: [hidden]", "tags: [hidden, visible]", "at most one of the tags"),
    "a field that is missing": ("points: 2\n", "", "must have the fields"),
    "a field too many": ("tags: [hidden]\n", "tags: [hidden]\npoints: 1\n", "must have the fields"),
    "points that are no number": ("points: 2", "points: two", "points must be a whole number"),
    "points that are nothing": ("points: 2", "points: 0", "points must be a whole number"),
    "hints without text": (
        "  bound: The largest stable step is 2 divided by the LARGEST eigenvalue.",
        "  bound: ''",
        "hints must be texts",
    ),
    "no markers": (
        "### BEGIN SOLUTION\nbest_lr = 2 / torch.linalg.eigvalsh(H)[-1].item()\n### END SOLUTION",
        "best_lr = 0.5",
        "### BEGIN SOLUTION … ### END SOLUTION in pairs",
    ),
    "an open marker": ("    ### END SOLUTION\n", "", "in pairs"),
    "markers elsewhere": (
        "import torch\n\nfrom d2l_lite.grading import check",
        "### BEGIN SOLUTION\nimport torch\n### END SOLUTION\nfrom d2l_lite.grading import check",
        "markers belong into a question's cell",
    ),
    "a signature inside the markers": (
        "H = torch.tensor([[2.0, 0.0], [0.0, 4.0]])\n### BEGIN SOLUTION\n",
        "### BEGIN SOLUTION\ndef helper():\n    return 1\nH = torch.ones(1)\n",
        "must be outside",
    ),
    "a mistake without question": ("question: mse\nhint: half", "question: m\nhint: half", "'m'"),
    "a mistake without hint": ("question: mse\nhint: half", "question: mse\nhint: hlf", "'hlf'"),
    "a mistaken value with a hint that is not there": (
        'mistakes={"half": ',
        'mistakes={"halves": ',
        "must be one of ['half', 'mean'], got 'halves'",
    ),
    "a question without visible case": (
        'tags: [visible]\n---\n@case("best_lr")',
        'tags: [hidden]\n---\n@case("best_lr")',
        "question 'best_lr' needs at least one visible case",
    ),
    "a question without hidden case": (
        'tags: [hidden]\n---\n@case("best_lr")',
        'tags: [visible]\n---\n@case("best_lr")',
        "question 'best_lr' needs at least one hidden case",
    ),
    "two cases of one name": ("def stable_hidden", "def stable", "got 'stable' again"),
    "a question without mistake": (
        "tags: [mistake]\nquestion: best_lr\nhint: bound",
        "tags: [mistake]\nquestion: mse\nhint: half",
        "question 'best_lr' needs at least one planted mistake",
    ),
    "two questions of one name": (
        "question: best_lr\npoints",
        "question: mse\npoints",
        "a name of its own",
    ),
    "no label": ("(ex-example)=\n", "", "the first cell must be (ex-example)="),
    "an answer that is not folded": (
        "<summary>Answer</summary>\n\n",
        "<summary>Answer</summary>\n",
        "2 of 3 are",
    ),
}


@pytest.mark.parametrize("fault", FORMATS)
def test_a_planted_fault_of_the_format_is_named_with_its_line(fault, source, tmp_path):
    old, new, words = FORMATS[fault]
    found = rules.faults(source(planted(old, new)), book=True)
    assert any(words in one for one in found), found
    assert all(one.startswith("exercises/source/example.md:") for one in found)
    assert exercises.prove(tmp_path, "example") == found


def test_too_few_questions_are_a_fault(source):
    start = EXAMPLE.index("## 3. A layer")
    found = rules.faults(source(EXAMPLE[:start]), book=True)
    assert any("at least 3 graded questions, got 2" in one for one in found)


def test_lines_are_those_of_the_file(source):
    cells = source().of("question")
    assert [cell.line for cell in cells] == [
        line_of("def mse(y_hat"),
        line_of("H = torch"),
        line_of("class Linear("),
    ]
    text = planted("return ((y_hat - y) ** 2).sum()", "return ((y_hat - y) ** 2).sum(")
    (found,) = rules.faults(source(text), book=True)
    assert found.startswith(f"exercises/source/example.md:{line_of('** 2).sum()')}: ")


def test_magics_are_no_syntax_errors(source, tmp_path):
    text = planted("import torch\n\nfrom", "%matplotlib inline\nimport torch\n\nfrom")
    source(text)
    assert exercises.prove(tmp_path, "example") == []


def test_an_unknown_set_names_those_there_are(source, tmp_path):
    source()
    with pytest.raises(SourceError, match=r"no such exercise set; the sets are example"):
        read_source(source_path(tmp_path, "exmaple"))
    (found,) = exercises.prove(tmp_path, "exmaple")
    assert "the sets are example" in found


# Building and checking the committed files


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A repository in small, with the example built in it."""
    root = tmp_path_factory.mktemp("repository")
    for name in ("pyproject.toml", "requirements.txt"):
        shutil.copy(ROOT / name, root)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "d2l_lite", root / "d2l_lite", ignore=ignored)
    for module in (root / "d2l_lite" / "grading" / "visible").glob("*.py"):
        if module.stem != "__init__":
            module.unlink()
    path = source_path(root, "example")
    path.parent.mkdir(parents=True)
    path.write_text(EXAMPLE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(root) + os.pathsep + str(ROOT))
        assert exercises.build(root, ["example"], PLAN) == []
    return root


@pytest.fixture
def repository(built, tmp_path):
    """A copy of it, free to be damaged."""
    return shutil.copytree(built, tmp_path / "copy")


def outputs(path):
    """The plain texts that a notebook's checks show, by the source of their cell."""
    return {
        cell.source: [output.data["text/plain"] for output in cell.outputs if "data" in output]
        for cell in read_notebook(path).cells
        if cell.cell_type == "code"
    }


def test_what_was_built_passes_the_check_and_shows_full_marks(repository):
    assert exercises.check(repository, ["example"]) == []
    shown = outputs(repository / "exercises" / "solutions" / "example.ipynb")
    assert shown['check("Linear")'][0].startswith("Linear: 3 of 3 points")
    assert shown["check.all()"][0].endswith("total     6 of 6 points")
    student = read_notebook(repository / "exercises" / "example.ipynb")
    assert not any(cell.get("outputs") for cell in student.cells)


def test_building_again_runs_nothing_and_changes_no_byte(repository):
    files = sorted((repository / "exercises").rglob("*.ipynb"))
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in files]
    assert exercises.build(repository, slugs(repository), PLAN) == []
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in files] == before


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def unrun(root):
    path = root / "exercises" / "solutions" / "example.ipynb"
    notebook = read_notebook(path)
    notebook.cells[-1].outputs, notebook.cells[-1].execution_count = [], None
    write_notebook(notebook, path)


GATES = {
    "visible case edited": (
        lambda root: edit(exercises.visible_path(root, "example"), "5.0", "6.0"),
        "d2l_lite/grading/visible/example.py: is not that of its source",
    ),
    "visible module missing": (
        lambda root: exercises.visible_path(root, "example").unlink(),
        "d2l_lite/grading/visible/example.py: is missing",
    ),
    "student notebook edited": (
        lambda root: edit(root / "exercises/example.ipynb", "your code here", "good luck"),
        "exercises/example",
    ),
    "student notebook missing": (
        lambda root: (root / "exercises/example.ipynb").unlink(),
        "exercises/example.ipynb: is missing",
    ),
    "solution notebook not run": (unrun, "was not run"),
    "solution output edited": (
        lambda root: edit(root / "exercises/solutions/example.ipynb", "of 6 points", "of 7 points"),
        "exercises/solutions/example",
    ),
    "solution changed in the source": (
        lambda root: edit(source_path(root, "example"), "[-1].item()", "[1].item()"),
        "changed since",
    ),
    "hint changed in the source": (
        lambda root: edit(source_path(root, "example"), "so that the loss", "so the loss"),
        "d2l_lite/grading/visible/example.py: is not that of its source",
    ),
    "grader changed": (
        lambda root: edit(
            root / "d2l_lite/grading/rendering.py", '"points", "")', '"points!", "")'
        ),
        "d2l_lite changed",
    ),
    "student notebook without source": (
        lambda root: shutil.copy(root / "exercises/example.ipynb", root / "exercises/old.ipynb"),
        "old.ipynb: has no source",
    ),
    "visible module without source": (
        lambda root: exercises.visible_path(root, "old").write_text(""),
        "d2l_lite/grading/visible/old.py: has no source in exercises/source; delete it",
    ),
    "source broken": (
        lambda root: edit(source_path(root, "example"), "points: 2", "points: x"),
        "points must be a whole number",
    ),
}


@pytest.mark.parametrize("gate", GATES)
def test_a_planted_fault_turns_the_check_red(gate, repository):
    damage, words = GATES[gate]
    damage(repository)
    found = exercises.check(repository, slugs(repository))
    assert any(words in one for one in found), found


def test_a_broken_source_builds_nothing_and_says_why(repository):
    edit(source_path(repository, "example"), "points: 2", "points: x")
    path = repository / "exercises" / "example.ipynb"
    before = path.read_bytes()
    (message,) = exercises.build(repository, ["example"], PLAN)
    assert "points must be a whole number" in message
    assert path.read_bytes() == before
    (message,) = exercises.build(repository, ["exmaple"], PLAN)
    assert "the sets are example" in message


def test_the_command_line_says_what_is_proved(monkeypatch, source, tmp_path, capsys):
    source()
    monkeypatch.setattr(exercises, "ROOT", tmp_path)
    assert exercises.main(["prove"]) == 0
    assert capsys.readouterr().out == "example: stubs 0, solutions full, mistakes hinted\n"
    source(planted("points: 2", "points: x"))
    assert exercises.main(["prove", "example"]) == 1
    assert "points must be" in capsys.readouterr().out


def test_the_generated_module_is_python_that_names_its_source(source):
    text = exercises.visible_text(source())
    assert "exercises/source/example.md" in (ast.get_docstring(ast.parse(text)) or "")
