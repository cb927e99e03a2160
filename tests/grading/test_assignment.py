"""Loading an assignment: its cases, what it asks of the sandbox, its digests, and its faults."""

import subprocess
import sys
from pathlib import Path

import pytest

from d2l_lite.grading.assignment import AssignmentError, load_assignment
from d2l_lite.grading.authoring import author
from d2l_lite.grading.proving import names_after
from d2l_lite.grading.running import run_question
from d2l_lite.grading.source import read_source

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "tests" / "grading" / "sample" / "averages.md"
SETS = sorted((ROOT / "exercises" / "source").glob("*.md"))
TEXT = '''"""A small file of tests, written by hand."""

import numpy as np

from d2l_lite.grading import Question, case, close


def reference(x):
    return 2 * np.asarray(x)  # doubled


@case("double", hint="twice")
def of_three(s):
    """Three doubled"""
    close(s.double(3), 6, mistakes={"square": 9})


@case("double")
def drawn(s, rng):
    x = rng.standard_normal(3)
    close(s.double(x), reference(x))


@case("answer")
def known(s):
    close(s.value("answer"), 42)


HIDDEN = ("drawn",)
QUESTIONS = (
    Question("double", 2, {"twice": "Two times.", "square": "That is the square."}),
    Question("answer", 1, {"deep": "Think."}),
)
'''


@pytest.fixture
def load(tmp_path):
    """Load tests that were changed in places."""

    def written(*changes, text=TEXT, name="small.tests.py"):
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return load_assignment(path)

    return written


# What is loaded


def test_tests_written_by_hand_are_loaded(load):
    found = load()
    assert found.exercises.slug == "small"
    assert {one.name: one.points for one in found.exercises.questions.values()} == {
        "double": 2,
        "answer": 1,
    }
    assert [(one.title, one.hidden) for one in found.exercises.cases] == [
        ("Three doubled", False),
        ("drawn", True),
        ("known", False),
    ]
    assert (found.preload, found.page) == (("numpy",), "")
    names = {"double": lambda x: 2 * x, "answer": 41}
    points = [run_question(found.exercises, name, namespace=names).points for name in found.digests]
    assert points == [2, 0]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The sample, loaded from its source and from the tests made of it."""
    folder = tmp_path_factory.mktemp("made")
    tests = author(SAMPLE, folder, page="https://example.org/averages")[-1]
    return load_assignment(SAMPLE), load_assignment(tests)


def test_source_and_tests_give_the_same_assignment(both):
    source, tests = both
    assert source.digests == tests.digests
    assert source.preload == tests.preload == ("numpy",)
    assert (source.page, tests.page) == ("", "https://example.org/averages")
    facts = [
        [(one.question, one.title, one.hint, one.hidden) for one in loaded.exercises.cases]
        for loaded in both
    ]
    assert facts[0] == facts[1]
    assert sum(one[-1] for one in facts[0]) == 6
    questions = [loaded.exercises.questions for loaded in both]
    assert questions[0] == questions[1]


def test_the_samples_solutions_pass_its_tests(both):
    names = names_after(read_source(SAMPLE), solved=True)
    for loaded in both:
        for name in loaded.exercises.questions:
            assert run_question(loaded.exercises, name, namespace=names, seed=7).passed


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem)
def test_every_set_of_the_book_is_an_assignment(path):
    found = load_assignment(path)
    assert found.page == f"exercises/{path.stem}.html"
    hidden = {one.question for one in found.exercises.cases if one.hidden}
    visible = {one.question for one in found.exercises.cases if not one.hidden}
    assert hidden == visible == set(found.exercises.questions) == set(found.digests)
    uses_torch = "import torch" in path.read_text(encoding="utf-8")
    assert found.preload == (("numpy", "torch") if uses_torch else ("numpy",))


def test_a_set_of_the_book_can_be_made_outside_it(tmp_path):
    path = ROOT / "exercises" / "source" / "mlp.md"
    *_, tests = author(path, tmp_path, proved=False)
    found, wanted = load_assignment(tests), load_assignment(path)
    assert (found.digest, found.digests, found.page) == (
        wanted.digest,
        wanted.digests,
        "exercises/mlp.html",
    )
    assert found.preload == ("numpy", "torch")


PRELOADS = {
    "torch by its name": ("import numpy as np", "import numpy as np, torch.nn as nn"),
    "torch, a part of it": ("import numpy as np", "import numpy as np\nfrom torch import nn"),
    "torch in a function": ("    return 2 *", "    import torch\n    return 2 *"),
    "a generator of torch": ("def drawn(s, rng):", "def drawn(s, generator, rng=np.random):"),
    "the package": ("import numpy as np", "import numpy as np\nimport d2l_lite as d2l"),
    "by its setting": ("HIDDEN", 'PRELOAD = ("numpy", "torch")\nHIDDEN'),
}


@pytest.mark.parametrize("case", PRELOADS)
def test_pytorch_is_preloaded_where_tests_need_it(case, load):
    assert load(PRELOADS[case]).preload == ("numpy", "torch")


def test_a_setting_decides_what_is_preloaded(load):
    found = load(
        ("import numpy as np", "import numpy as np, torch"),
        ("HIDDEN", 'PRELOAD = ["numpy"]\nHIDDEN'),
    )
    assert found.preload == ("numpy",)


def test_loading_tests_needs_nothing_heavy(tmp_path):
    *_, tests = author(SAMPLE, tmp_path, proved=False)
    code = (
        "from d2l_lite.grading.assignment import load_assignment\n"
        f"load_assignment({str(tests)!r})\n"
        "import sys\nheavy = 'torch IPython jupytext nbformat yaml sklearn matplotlib'.split()\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_classes_of_tests_find_their_module(load):
    shape = "\n\nfrom dataclasses import dataclass\n\n\n@dataclass\nclass Shape:\n    n: 'int'\n"
    assert load(("import numpy as np\n", f"import numpy as np{shape}")).digests


# Digests

UNCHANGED = {
    "a comment": ("# doubled", "# two times"),
    "layout": ("close(s.double(3), 6, mist", "close(\n        s.double(3), 6, mist"),
    "the docstring of the file": ("written by hand", "typed"),
    "the page": ("HIDDEN", 'PAGE = "https://example.org"\nHIDDEN'),
}
OF_DOUBLE = {
    "an expected value": ("close(s.double(3), 6", "close(s.double(3), 7"),
    "a title": ("Three doubled", "Twice three"),
    "points": ('"double", 2', '"double", 3'),
    "a hint": ("Two times.", "Double."),
    "hidden": ('HIDDEN = ("drawn",)', "HIDDEN = ()"),
    "a new case": (
        "HIDDEN",
        '@case("double")\ndef again(s):\n    close(s.double(1), 2)\n\n\nHIDDEN',
    ),
    "a limit": ('@case("double")', '@case("double", seconds=3.0)'),
    "a case that is gone": ('@case("double")\ndef drawn', '@case("answer")\ndef drawn'),
}
OF_ALL = {
    "a helper": ("return 2 *", "return 2.0 *"),
    "an import": ("import numpy as np", "import math\nimport numpy as np"),
    "a constant": ("HIDDEN", "LIMIT = 3\nHIDDEN"),
}


@pytest.mark.parametrize("case", UNCHANGED)
def test_what_no_outcome_depends_on_changes_no_question(case, load):
    before, after = load(), load(UNCHANGED[case])
    assert after.digests == before.digests
    assert after.digest != before.digest


@pytest.mark.parametrize("case", OF_DOUBLE)
def test_a_change_of_one_question_changes_its_digest(case, load):
    before, after = load().digests, load(OF_DOUBLE[case]).digests
    assert after["double"] != before["double"]
    moved = case == "a case that is gone"
    assert (after["answer"] != before["answer"]) is moved


@pytest.mark.parametrize("case", OF_ALL)
def test_a_change_of_what_cases_share_changes_all(case, load):
    before, after = load().digests, load(OF_ALL[case]).digests
    assert all(after[name] != before[name] for name in before)


# Faults

FAULTS = {
    "no question": ("QUESTIONS", "QUESTION", "QUESTIONS must be a tuple of at least one Question"),
    "no list of questions": ("QUESTIONS = (", "QUESTIONS = dict(a=1) or (", "QUESTIONS must be a"),
    "a question that is none": (
        'Question("answer", 1, {"deep": "Think."})',
        '"answer"',
        "QUESTIONS must hold Question",
    ),
    "a question twice": ('Question("answer"', 'Question("double"', "'double' 2 times"),
    "points that are none": ('"answer", 1', '"answer", 0', "points of 'answer' must be a whole"),
    "points in words": ('"answer", 1', '"answer", "one"', "must be a whole number"),
    "a question without case": (
        '@case("answer")\ndef known',
        '@case("double")\ndef known',
        "question 'answer' needs at least one case",
    ),
    "a case of an unknown question": (
        '@case("answer")',
        '@case("anser")',
        "must name a question of the set, got 'anser'",
    ),
    "a made case of an unknown question": (
        "HIDDEN",
        'more = case("ans" + "er")(lambda s: None)\nHIDDEN',
        "must name one of the questions ['answer', 'double'], got 'anser'",
    ),
    "an unknown hint": ('hint="twice"', 'hint="twce"', "['square', 'twice'], got 'twce'"),
    "an unknown mistake": ('{"square": 9}', '{"sqare": 9}', "['square', 'twice'], got 'sqare'"),
    "a name twice": ("def known(s)", "def drawn(s)", "stand once, got 'drawn' again"),
    "an unknown hidden case": ('("drawn",)', '("drawn", "dawn")', "cases of this file, got 'dawn'"),
    "an unknown preload": ("HIDDEN", 'PRELOAD = ("jax",)\nHIDDEN', "got `('jax',)`"),
    "a number of hidden cases": ('("drawn",)', "5", "HIDDEN must be a tuple of names, got 5"),
    "a number of preloads": ("HIDDEN", "PRELOAD = 5\nHIDDEN", ":29: PRELOAD must be written as"),
    "a preload by a name": (
        "HIDDEN",
        'NEEDED = ("numpy",)\nPRELOAD = NEEDED\nHIDDEN',
        ":30: PRELOAD must be written as a tuple of 'numpy' or 'torch', got `NEEDED`",
    ),
    "a page that is no address": ("HIDDEN", "PAGE = 5\nHIDDEN", "PAGE must be a text, got 5"),
    "no Python": ("def known(s):", "def known(s:", ":25: tests must be Python"),
    "a module that is not there": (
        "import numpy as np",
        "import nimpy as np",
        ":3: tests must run, got ModuleNotFoundError: No module named 'nimpy'; install what",
    ),
    "an error": ("HIDDEN", "1 / 0\nHIDDEN", "tests must run, got ZeroDivisionError"),
    "a wrong decorator": ('@case("answer")', "@case()", "tests must run, got TypeError"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_file_and_line(fault, load, tmp_path):
    old, new, words = FAULTS[fault]
    with pytest.raises(AssignmentError) as caught:
        load((old, new))
    assert words in str(caught.value)
    for line in str(caught.value).splitlines():
        place = line.removeprefix(f"{tmp_path / 'small.tests.py'}:")
        assert place.split(":")[0].isdigit(), line


def test_a_null_character_is_a_fault_as_well(load):
    with pytest.raises(AssignmentError, match="tests must be Python"):
        load(text=TEXT + "\0")


def test_every_fault_is_named_at_once(load):
    with pytest.raises(AssignmentError) as caught:
        load(
            ('hint="twice"', 'hint="a"'), ('{"square": 9}', '{"b": 9}'), ("def known", "def drawn")
        )
    assert len(str(caught.value).splitlines()) == 3


def test_a_file_that_is_no_assignment_says_what_is(load, tmp_path):
    with pytest.raises(AssignmentError, match=r"no such file; give a file <name>\.tests\.py"):
        load_assignment(tmp_path / "none.tests.py")
    with pytest.raises(AssignmentError, match=r"no such file"):
        load_assignment(tmp_path)
    with pytest.raises(AssignmentError, match=r"must end in \.tests\.py or \.md, got '\.ipynb'"):
        load(name="a.ipynb")
    (tmp_path / "b.tests.py").write_bytes(TEXT.encode("utf-16"))
    with pytest.raises(AssignmentError, match="cannot be read as text in UTF-8"):
        load_assignment(tmp_path / "b.tests.py")


def test_faults_of_a_source_are_faults_of_the_assignment(load):
    text = SAMPLE.read_text(encoding="utf-8")
    with pytest.raises(AssignmentError, match=r"averages\.md:\d+: .* got 'weight'"):
        load(('"best", hint="weights"', '"best", hint="weight"'), text=text, name="averages.md")
    with pytest.raises(AssignmentError, match=r"averages\.md:\d+: a cell must run, got NameError"):
        load(("def weights(", "ones\n\n\ndef weights("), text=text, name="averages.md")
    with pytest.raises(AssignmentError, match="format_name: myst"):
        load(text="# Only words\n", name="averages.md")


def test_a_source_without_jupytext_names_the_command_that_installs_it(monkeypatch):
    for loaded in list(sys.modules):
        if loaded.split(".")[0] == "jupytext":
            monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, "jupytext", None)
    with pytest.raises(AssignmentError, match=r'pip install "\.\[grading\]"'):
        load_assignment(SAMPLE)
