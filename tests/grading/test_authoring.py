"""Authoring: what is made of one text source, for instructors without this repository."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from d2l_lite.grading import cells, generating, proving, rules, source
from d2l_lite.grading.authoring import author
from d2l_lite.grading.cells import SourceError, setup_cell
from d2l_lite.grading.checker import read_set
from d2l_lite.grading.notebooks import read_notebook
from d2l_lite.grading.source import read_source

SAMPLE = Path(__file__).parent / "sample" / "averages.md"
TEXT = SAMPLE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Student notebook, solution notebook and tests of the sample."""
    return author(SAMPLE, tmp_path_factory.mktemp("made") / "new" / "folder")


@pytest.fixture
def written(tmp_path):
    """Write a source that was changed in places; return its path."""

    def write(*changes, name="averages.md"):
        text = TEXT
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def code(path):
    return list(read_notebook(path).cells)


def run_notebook(path, *, replaced=()):
    """What a notebook prints that is run as plain Python, outside this repository."""
    text = "\n".join(code(path))
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new, 1)
    command = [sys.executable, "-c", text]
    done = subprocess.run(command, capture_output=True, text=True, cwd=path.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout


# What is made


def test_three_files_are_made_and_named_after_the_source(made):
    assert [path.name for path in made] == [
        "averages.ipynb",
        "averages.solution.ipynb",
        "averages.tests.py",
    ]
    assert {path.name for path in made[0].parent.iterdir()} == {path.name for path in made}


def test_the_notebooks_are_valid_and_not_run(made):
    import nbformat

    for path in made[:2]:
        notebook = nbformat.read(path, 4)
        nbformat.validate(notebook)
        assert not any(cell.get("outputs") for cell in notebook.cells)
    assert "Run all cells to see" in made[1].read_text(encoding="utf-8")


def test_nothing_secret_reaches_the_student_notebook(made):
    student, solution, tests = (path.read_text(encoding="utf-8") for path in made)
    for secret in ("rng.standard_normal", "between_extremes", "weighted_exactly"):
        assert secret in tests
        assert secret not in student
        assert secret not in solution
    for secret in ("powers.sum(axis=1", "1 / variances)\\n", "SOLUTION", "mistake", "hidden"):
        assert secret in TEXT.replace("\n", "\\n")
        assert secret not in student.replace("mistakes=", "").replace("source_hidden", "")
    assert "powers.sum(axis=1" in solution
    metadata = [cell["metadata"] for cell in json.loads(student)["cells"]]
    assert all(set(one) <= {"tags", "jupyter"} for one in metadata)


def test_tests_hold_all_cases_and_their_settings(made):
    names = {}
    exec(compile(made[2].read_text(encoding="utf-8"), "tests", "exec"), names)
    assert (names["PRELOAD"], names["PAGE"]) == (["numpy"], "")
    assert set(names["HIDDEN"]) == {
        "random_scores",
        "shifted_scores",
        "random_values",
        "between_extremes",
        "empty_window",
        "weighted_exactly",
    }
    assert [one.points for one in names["QUESTIONS"]] == [2, 3, 1]


def test_the_student_notebook_checks_itself_without_any_other_file(made):
    shown = run_notebook(made[0])
    assert shown.startswith(
        "Checks for averages: softmax (2 points), moving_average (3 points), best (1 point)."
    )
    assert shown.count("not written yet") >= 3
    assert re.search(r"total +0 of 6 points\s*$", shown)


def test_an_answer_gets_its_points_in_the_notebook(made):
    stub = 'raise NotImplementedError("softmax: your code here")'
    answer = "return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)"
    shown = run_notebook(made[0], replaced=[(stub, f"np.seterr(all='ignore'); {answer}")])
    assert "Subtract each row's maximum first" in shown
    answer = answer.replace("(scores)", "(scores - scores.max(axis=1, keepdims=True))")
    shown = run_notebook(made[0], replaced=[(stub, answer)])
    assert "softmax: 2 of 2 points" in shown
    assert re.search(r"total +2 of 6 points\s*$", shown)


def test_the_solution_notebook_gets_all_points(made):
    assert re.search(r"total +6 of 6 points\s*$", run_notebook(made[1]))


def test_making_it_again_changes_no_file(made):
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in made]
    assert author(SAMPLE, made[0].parent) == made
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in made] == before


def test_what_is_made_does_not_depend_on_where_the_source_lies(made, written, tmp_path):
    again = author(written(), tmp_path / "out")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in made]


def test_page_and_requirement_are_passed_on(tmp_path):
    options = {"page": 'https://example.org/a?b="c"', "requirement": "d2l-lite==0.1"}
    student, _, tests = author(SAMPLE, tmp_path, proved=False, **options)
    assert 'PAGE = "https://example.org/a?b=\\"c\\""' in tests.read_text(encoding="utf-8")
    first = json.loads(student.read_text(encoding="utf-8"))["cells"][0]
    assert "".join(first["source"]) == setup_cell(requirement="d2l-lite==0.1").source
    assert '%pip install -q "d2l-lite==0.1"' in "".join(first["source"])


def test_a_set_of_pytorch_preloads_it(written, tmp_path):
    path = written(("import numpy as np\n\nfrom", "import numpy as np\nimport torch\n\nfrom"))
    *_, tests = author(path, tmp_path / "out", proved=False)
    assert 'PRELOAD = ["numpy", "torch"]' in tests.read_text(encoding="utf-8")


def test_check_and_the_proof_know_as_the_judge_does_whether_answers_may_be_tensors(written):
    imported = ("import numpy as np\n\nfrom", "import numpy as np\nimport torch\n\nfrom")
    for changes, allowed in (((), False), ((imported,), True)):
        found = read_source(written(*changes))
        checked = read_set("averages", generating.visible_text(found))
        proved = proving.exercise_set(found, hidden=True)
        assert (checked.torch_allowed, proved.torch_allowed) == (allowed, allowed)


def test_quotes_and_backslashes_in_cases_survive_the_way_into_the_notebook(written, tmp_path):
    odd = r"""Two equal scores: \alpha '''quoted''' \n and a \\ backslash"""
    path = written(
        ('    """Two equal scores in each row: every weight is 1/2"""', f'    r"""{odd}"""')
    )
    student, *_ = author(path, tmp_path / "out")
    names = {}
    exec(next(text for text in code(student) if "VISIBLE_CASES" in text), names)
    assert names["VISIBLE_CASES"] == generating.visible_text(read_source(path))
    assert odd in names["VISIBLE_CASES"]


def test_a_set_without_check_has_no_cells_that_check(written, tmp_path):
    path = written(('\nfrom d2l_lite.grading import check\n\ncheck.use("averages")\n', ""))
    student, *_ = author(path, tmp_path / "out")
    assert "check" not in "\n".join(code(student))


def test_a_question_with_hidden_cases_alone_is_not_checked_in_the_notebook(written, tmp_path):
    path = written(
        ('tags: [visible]\n---\n@case("best")', 'tags: [hidden]\n---\n@case("best")'),
    )
    student, _, tests = author(path, tmp_path / "out")
    shown = run_notebook(student)
    assert "best" not in shown
    assert re.search(r"total +0 of 5 points\s*$", shown)
    assert 'name="best"' in tests.read_text(encoding="utf-8")


# Proofs and faults

PROOFS = {
    "a wrong solution": (
        "    return powers / powers.sum(axis=1, keepdims=True)\n    ### END",
        "    return powers / powers.sum()\n    ### END",
        "the solution of 'softmax' fails (seed 0)",
    ),
    "a stub that gives the answer": (
        "### BEGIN SOLUTION\nbest = np.average(measured, weights=1 / variances)",
        "best = np.average(measured, weights=1 / variances)\n### BEGIN SOLUTION\nother = 1",
        "the stub of 'best' must be unfinished, got passed",
    ),
    "a mistake that is none": (
        "best = (measured / variances).sum()\n",
        "best = np.average(measured, weights=1 / variances)\n",
        "the mistake in 'best' passes every visible case",
    ),
    "a mistake with another hint": (
        "question: best\nhint: norm",
        "question: best\nhint: weights",
        "must bring up the hint 'weights', got ['norm']",
    ),
    "a cell that fails": (
        "measured = np.array(",
        "measured = np.aray(",
        "a cell must run, got AttributeError",
    ),
}


@pytest.mark.parametrize("fault", PROOFS)
def test_what_is_not_proved_is_not_written(fault, written, tmp_path):
    old, new, words = PROOFS[fault]
    path = written((old, new))
    with pytest.raises(SourceError) as caught:
        author(path, tmp_path / "out")
    assert words in str(caught.value)
    assert re.match(rf"{re.escape(str(path))}:\d+: ", str(caught.value))
    assert not (tmp_path / "out").exists()


def test_the_sample_is_proved():
    assert proving.prove(read_source(SAMPLE)) == []


def test_hidden_cases_prove_a_mistake_where_there_are_no_visible_ones(written):
    path = written(
        ('tags: [visible]\n---\n@case("best")', 'tags: [hidden]\n---\n@case("best")'),
        ("question: best\nhint: norm", "question: best\nhint: weights"),
    )
    (found,) = proving.prove(read_source(path))
    assert "must bring up the hint 'weights', got ['norm']" in found


FAULTS = {
    "no question": (
        [
            (f"tags: [question]\nquestion: {name}", f"tags: [hidden]\nquestion: {name}")
            for name in ("softmax", "moving_average", "best")
        ],
        "at least one graded question",
    ),
    "a hidden case under a mistyped tag": (
        [("tags: [hidden]", "tags: [hiden]")],
        "tag 'hiden' is close to 'hidden'",
    ),
    "a tag in capitals": ([("tags: [hidden]", "tags: [Hidden]")], "tag 'Hidden' is close to"),
    "a tag in the plural": ([("tags: [hidden]", "tags: [mistakes]")], "is close to 'mistake'"),
    "a tag that is no list": (
        [("tags: [hidden]", "tags: hidden")],
        "jupytext cannot read it: 'hidden' is not of type 'array'",
    ),
    "a case in a plain cell": (
        [("tags: [hidden]", "tags: []")],
        "cases belong into a cell with the tag visible or hidden",
    ),
    "a marker in small letters": (
        [("    ### BEGIN SOLUTION\n    powers", "    ### begin solution\n    powers")],
        "a marker is `### BEGIN SOLUTION` or `### END SOLUTION`, got '### begin solution'",
    ),
    "a question without case": (
        [
            ('tags: [visible]\n---\n@case("best")', 'tags: [visible]\n---\n@case("softmax")'),
            ('@case("best", hint="weights")', '@case("softmax")'),
        ],
        "question 'best' needs at least one visible or hidden case",
    ),
    "a case of no question": (
        [('@case("best", hint="weights")', '@case("bst", hint="weights")')],
        "a case must name a question of the set, got 'bst'",
    ),
    "an unknown hint": (
        [('@case("best", hint="weights")', '@case("best", hint="weight")')],
        "must be one of ['norm', 'weights'], got 'weight'",
    ),
    "an unknown hint of an error": (
        [('@case("best", hint="weights")', '@case("best", errors={"weight": "KeyError"})')],
        "must be one of ['norm', 'weights'], got 'weight'",
    ),
    "the checks of another set": (
        [('check.use("averages")', 'check.use("average")')],
        'must call check.use("averages")',
    ),
    "no Python": ([("def softmax(scores):", "def softmax(scores:")], "a cell must be Python"),
    "no header": ([("format_name: myst", "format_name: percent")], "format_name: myst"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_line_and_nothing_is_written(fault, written, tmp_path):
    changes, words = FAULTS[fault]
    path = written(*changes)
    with pytest.raises(SourceError) as caught:
        author(path, tmp_path / "out", proved=False)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_the_book_asks_for_more():
    found = rules.faults(read_source(SAMPLE), book=True)
    assert len(found) == 2
    assert rules.faults(read_source(SAMPLE)) == []


def test_a_name_must_fit_into_a_call(written, tmp_path):
    path = written(name='a "b".md')
    with pytest.raises(SourceError, match="must be of letters, digits"):
        author(path, tmp_path / "out")


def test_a_notebook_is_no_source_and_a_source_without_header_is_told_where_one_stands(tmp_path):
    for name, words in (("a.ipynb", r"a\.ipynb: is a notebook; name the \.md source"),
                        ("a.md", "the page `Grading a class`")):  # fmt: skip
        (tmp_path / name).write_text("# Text\n")
        with pytest.raises(SourceError, match=words):
            author(tmp_path / name, tmp_path / "out")


def test_a_source_that_is_not_there_says_so(tmp_path):
    with pytest.raises(SourceError, match=r"none\.md: there is no such file"):
        author(tmp_path / "none.md", tmp_path)


def test_a_source_that_is_no_text_says_so(tmp_path):
    path = tmp_path / "a.md"
    path.write_bytes(TEXT.encode("utf-16"))
    with pytest.raises(SourceError, match=r"a\.md: must be UTF-8"):
        author(path, tmp_path)


@pytest.mark.parametrize("name", ["jupytext", "nbformat"])
def test_a_library_that_is_missing_is_named_with_the_command_that_installs_it(
    name, monkeypatch, tmp_path
):
    for loaded in list(sys.modules):
        if loaded.split(".")[0] == name or loaded == "d2l_lite.grading.writing":
            monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SourceError) as caught:
        author(SAMPLE, tmp_path / "out", proved=False)
    assert f"the module {name} is missing" in str(caught.value)
    assert 'pip install ".[grading]"' in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_only_authoring_needs_what_reads_and_writes_notebooks():
    folder = Path(cells.__file__).parent
    heavy = {"jupytext", "nbformat"}
    found = {
        path.name
        for path in folder.glob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        )
        if name and name.split(".")[0] in heavy
    }
    assert found == {"writing.py"}


def test_pages_of_the_book_have_an_address_and_others_none():
    assert read_source(SAMPLE).page == ""
    root = Path(__file__).resolve().parents[2]
    assert read_source(root / "exercises/source/mlp.md").page == "exercises/mlp.html"


def test_hints_lose_surrounding_blanks():
    cell = source.SourceCell("code", "", {"hints": {"a": " b\n"}}, role="question")
    assert source.hints_of(cell) == {"a": "b"}
