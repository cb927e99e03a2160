"""A submission's cells: what an honest notebook may do, and what none gets to know."""

import subprocess
import sys

import pytest

from d2l_lite.grading.assignment import load_assignment
from d2l_lite.grading.checker import read_set
from d2l_lite.grading.judge import Judge
from d2l_lite.grading.running import run_question
from d2l_lite.grading.sandbox import Limits, Tier
from tests.grading.attacks.submission import notebook
from tests.grading.available import reason_against

ADD_ONE = "def f(x):\n    return x + 1"
HEAD = """
from d2l_lite.grading.cases import Question, case, close
PAGE = ""
QUESTIONS = (Question(name="f", points=1, hints={}), Question(name="g", points=1, hints={}))
"""
ADDS = """
PRELOAD = ["numpy"]
HIDDEN = []

@case("f")
def one_more(s):
    "One more"
    close(s.f(1.0), 2.0)

@case("g")
def one_more_again(s):
    "One more"
    close(s.f(2.0), 3.0)
"""
#: As where a cell of the set's notebook imports PyTorch, and no case does.
ADDS_TENSORS = ADDS.replace('["numpy"]', '["numpy", "torch"]')
HELD_OUT = """
import torch
PRELOAD = ["numpy", "torch"]
HIDDEN = ["held_out"]

@case("f")
def held_out(s, generator):
    "Labels of new examples stay here"
    X = torch.randn(40, 3, generator=generator)
    y = torch.randint(0, 2, (40,), generator=generator)
    close(s.predict(X[20:]), y[20:])

@case("g")
def there(s):
    "Something is there"
    s.predict
"""


@pytest.fixture(scope="module")
def tier():
    """The best tier that works here."""
    return next(one for one in Tier if not reason_against(one))


def grade(tmp_path, tier, cells, *, cases=ADDS, **limits):
    """Return what a judge of the given cases finds, with short limits."""
    path = tmp_path / "adds.tests.py"
    path.write_text(HEAD + cases)
    usual = {"cell": 20.0, "call": 10.0, "submission": 60.0}
    with Judge(load_assignment(path), tier=tier, limits=Limits(**usual | limits), seed=9) as judge:
        return judge.grade(notebook(cells).encode())


def points(result):
    assert result.status == "graded", result.message
    return [one.points for one in result.questions]


def test_cells_take_nothing_from_the_time_of_a_case(tmp_path, tier):
    """Five times a second is more than the four calls of a second that a case may take."""
    slow = ["import time\ntime.sleep(1)"] * 5
    assert points(grade(tmp_path, tier, [*slow, ADD_ONE], call=1.0)) == [1, 1]


def test_a_notebook_that_uses_up_its_time_is_told_so(tmp_path, tier):
    slow = ["import time\ntime.sleep(1)"] * 5
    result = grade(tmp_path, tier, [*slow, ADD_ONE], submission=3.0)
    assert points(result) == [0, 0]
    assert "The 3 s for this notebook are used up" in " ".join(
        [*result.notes, *(case.message for one in result.questions for case in one.cases)]
    )


@pytest.mark.parametrize("source", ["torch.initial_seed()", "int(np.random.get_state()[1][0])"])
def test_hidden_inputs_cannot_be_drawn_again_from_the_random_state(tmp_path, tier, source):
    thief = (
        "import numpy as np\nimport torch\n"
        "def predict(X):\n"
        f"    generator = torch.Generator().manual_seed({source})\n"
        "    torch.randn(40, 3, generator=generator)\n"
        "    return torch.randint(0, 2, (40,), generator=generator)[20:]"
    )
    assert points(grade(tmp_path, tier, [thief], cases=HELD_OUT))[0] == 0


def test_the_random_state_is_the_same_for_everybody(tmp_path, tier):
    cell = (
        "import numpy as np\nseen = []\ndef f(x):\n    seen.append(np.random.rand())\n    return x"
    )
    texts = []
    for _ in range(2):
        result = grade(tmp_path, tier, [cell + " + seen[0]"])
        texts.append(result.questions[0].cases[0].message)
    assert texts[0] == texts[1]
    assert "differs" in texts[0]


def test_a_future_statement_holds_for_the_cells_below(tmp_path, tier):
    cells = ["from __future__ import annotations", "def f(x: Tensor) -> Tensor:\n    return x + 1"]
    assert points(grade(tmp_path, tier, cells)) == [1, 1]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_stream_that_was_closed_costs_nothing(tmp_path, tier, stream):
    cells = ["import sys", f"{ADD_ONE}\nsys.{stream}.close()", f"sys.{stream}.close()\nprint(1)"]
    assert points(grade(tmp_path, tier, cells)) == [1, 1]


def test_an_exception_without_a_name_costs_its_case_alone(tmp_path, tier):
    cell = (
        "class Meta(type):\n    @property\n    def __name__(cls):\n        raise OSError\n"
        "class Odd(Exception, metaclass=Meta):\n    pass\n"
        "def f(x):\n    if x == 1:\n        raise Odd('odd')\n    return x + 1"
    )
    result = grade(tmp_path, tier, [cell])
    assert points(result) == [0, 1]
    assert "odd" in result.questions[0].cases[0].message


def test_what_display_returns_can_be_used(tmp_path, tier):
    cells = ["handle = display(1, display_id=True)\nhandle.update(2)\n" + ADD_ONE]
    assert points(grade(tmp_path, tier, cells)) == [1, 1]


def test_notes_count_all_code_cells(tmp_path, tier):
    result = grade(tmp_path, tier, ["from d2l_lite.grading import check", "", ADD_ONE, "1 / 0"])
    assert points(result) == [1, 1]
    assert [note.split(" did")[0] for note in result.notes] == ["Cell 4"]


@pytest.mark.parametrize("value", ["torch.empty((2**62, 0), dtype=torch.bfloat16)"])
def test_a_shape_that_nobody_can_show_is_wrong_and_no_fault_of_the_grader(tmp_path, tier, value):
    cell = f"import torch\ndef f(x):\n    return [{value}] if x == 1 else x + 1"
    assert points(grade(tmp_path, tier, [cell], cases=ADDS_TENSORS)) == [0, 1]


def test_a_reply_that_does_not_fit_into_a_message_is_said_at_once(tmp_path, tier):
    cell = (
        "import numpy as np\ndef f(x):\n"
        "    return [np.complex128(1j)] * 340_000 if x == 1 else x + 1"
    )
    result = grade(tmp_path, tier, [cell], call=30.0)
    assert points(result) == [0, 1]
    assert "Too much came back" in result.questions[0].cases[0].message


@pytest.mark.parametrize(("cases", "expected"), [(ADDS, 0), (ADDS_TENSORS, 1)])
def test_check_and_the_judge_give_a_tensor_the_same_verdict(tmp_path, tier, cases, expected):
    """Whether it is accepted is said by the set, not by what happens to be loaded here."""
    cell = "import torch\ndef f(x):\n    return torch.tensor(x + 1)"
    names = {}
    exec(cell, names)
    local = run_question(read_set("adds", HEAD + cases), "f", namespace=names)
    result = grade(tmp_path, tier, [cell], cases=cases)
    assert points(result) == [expected] * 2
    assert result.questions[0] == local
    assert expected or "this exercise does without PyTorch" in local.cases[0].message


LOADS = """
import sys
from types import SimpleNamespace
from d2l_lite.grading.assignment import load_assignment
from d2l_lite.grading.judge import Judge
sandbox = SimpleNamespace(tier=None, limits=None)
for path in sys.argv[1:]:
    Judge(load_assignment(path), sandbox=sandbox)
    print("torch" in sys.modules)
"""


def test_a_judge_has_pytorch_before_the_first_call_and_only_where_answers_may_be_tensors(tmp_path):
    paths = [tmp_path / "numbers.tests.py", tmp_path / "tensors.tests.py"]
    for path, cases in zip(paths, (ADDS, ADDS_TENSORS), strict=True):
        path.write_text(HEAD + cases)
    said = subprocess.check_output([sys.executable, "-c", LOADS, *paths], text=True)
    assert said.split() == ["False", "True"]
