"""The judge: the same verdicts as in the notebook, and points only for values that are right."""

import re
from dataclasses import replace

import pytest

from d2l_lite.grading.assignment import load_assignment
from d2l_lite.grading.judge import Judge
from d2l_lite.grading.proving import exercise_set, names_after
from d2l_lite.grading.running import run_question
from d2l_lite.grading.sandbox import Limits, SandboxError, Tier
from d2l_lite.grading.source import read_source, stub_text
from tests.grading.attacks import submission
from tests.grading.available import reason_against
from tools.exercise_source import slugs as all_slugs
from tools.exercise_source import source_path
from tools.repository import ROOT

SAMPLE = ROOT / "tests" / "grading" / "sample" / "averages.md"
QUICK = Limits(cell=3.0, call=2.0, submission=20.0, memory=256 << 20)
#: For what a limit other than time must end, however busy the machine.
PATIENT = replace(QUICK, cell=30.0, call=20.0, submission=120.0)


def notebook(*cells):
    """A learner's notebook, as bytes."""
    return submission.notebook(cells).encode()


HONEST = {
    "softmax": "import numpy as np\ndef softmax(scores):\n"
    "    powers = np.exp(scores - scores.max(axis=1, keepdims=True))\n"
    "    return powers / powers.sum(axis=1, keepdims=True)",
    "moving_average": "def moving_average(x, k):\n    if not 1 <= k <= len(x):\n"
    "        raise ValueError(k)\n    return np.convolve(x, np.full(k, 1 / k), mode='valid')",
    "best": "measured = np.array([2.0, 3.0, 2.5, 4.0])\n"
    "variances = np.array([0.5, 1.0, 0.25, 2.0])\n"
    "best = np.average(measured, weights=1 / variances)",
}
FULL = {"softmax": 2, "moving_average": 3, "best": 1}


@pytest.fixture(scope="module", params=list(Tier), ids=lambda tier: tier.value)
def judge(request):
    if why := reason_against(request.param):
        pytest.skip(why)
    with Judge(load_assignment(SAMPLE), tier=request.param, limits=QUICK, seed=5) as made:
        yield made


def points(result):
    assert result.status == "graded", result.message
    return {one.question.name: one.points for one in result.questions}


def graded(judge, *cells, **answers):
    return judge.grade(notebook(*(HONEST | answers).values(), *cells))


def test_honest_answers_get_all_points(judge):
    result = graded(judge)
    assert points(result) == FULL
    assert result.notes == ()
    assert result.tier == judge.tier.value
    assert result.cpu_seconds > 0


def test_an_empty_notebook_gets_none(judge):
    result = judge.grade(notebook("1 + 1"))
    assert points(result) == dict.fromkeys(FULL, 0)
    assert {one.status for one in result.questions} == {"missing"}


ENDINGS = {
    "loop": ("while True: pass", "Stopped after 3 s"),
    "exit": ("import os; os._exit(3)", "ended its own process (exit 3)"),
    "crash": ("import ctypes; ctypes.string_at(0)", "signal 11"),
    "abort": ("import os; os.abort()", "ended its own process"),
    "error": ("1 / 0", "ZeroDivisionError"),
    "leave": ("import sys; sys.exit()", "SystemExit"),
    "syntax": ("def broken(:", "SyntaxError"),
}


@pytest.mark.parametrize("way", ENDINGS)
def test_a_cell_that_ends_badly_costs_itself_alone(judge, way):
    cell, words = ENDINGS[way]
    result = judge.grade(notebook(HONEST["softmax"], cell, *HONEST.values()))
    assert points(result) == FULL
    assert len(result.notes) == 1
    assert result.notes[0].startswith("Cell 2 ")
    assert words in result.notes[0]


@pytest.mark.parametrize(
    ("body", "cases"),
    [("while True: pass", 1), ("import os; os._exit(0)", 1), ("return f(x, k)", 5)],
)
def test_a_call_that_ends_badly_costs_its_question_alone(judge, body, cases):
    """No worker is started for more cases of a question whose first one ended its worker."""
    answer = f"def moving_average(x, k):\n    {body}\nf = moving_average"
    result = graded(judge, moving_average=answer)
    assert points(result) == FULL | {"moving_average": 0}
    assert len(result.questions[1].cases) == cases


def test_memory_costs_the_call_that_took_it(judge):
    answer = "def softmax(scores):\n    kept = []\n    while True: kept.append(bytearray(10**7))"
    with Judge(load_assignment(SAMPLE), tier=judge.tier, limits=PATIENT) as patient:
        result = graded(patient, softmax=HONEST["softmax"] + "\n" + answer)
    assert points(result) == FULL | {"softmax": 0}
    assert "emory" in result.questions[0].cases[0].message


def test_a_warning_and_prints_cost_nothing(judge):
    noisy = HONEST["softmax"] + "\nold = softmax\ndef softmax(scores):\n    import warnings, sys\n"
    noisy += "    warnings.warn('hm'); print('x' * 10**6, file=sys.stderr); return old(scores)"
    assert points(graded(judge, softmax=noisy)) == FULL


def test_magics_are_read(judge):
    cells = [
        "%matplotlib inline",
        "!ls /",
        "%%time\nlater = 3",
        "await __import__('asyncio').sleep(0)",
    ]
    result = graded(judge, *cells, "best = best if later == 3 else None", "?np")
    assert points(result) == FULL
    assert result.notes == ()


def test_learners_see_the_same_messages_as_in_the_notebook(judge):
    wrong = "import numpy as np\ndef softmax(scores):\n    print('hm')\n    return scor"
    found = graded(judge, softmax=wrong).questions[0]
    assert found.cases[0].message == "NameError: name 'scor' is not defined"
    assert found.cases[0].place == "softmax, line 4: return scor"
    assert found.cases[0].printed == "hm"
    assert found.cases[0].called == "softmax(array([[0., 0.], [0., 0.]]))"
    assert [one.hidden for one in found.cases] == [False, False, True, True]


FAILED_CELLS = {
    "no Python": "def softmax(scores)\n    return 1",
    "an error before": "1 / 0\nbest, softmax = 1, max",
    "a crash": "import os\nclass softmax: pass\nos._exit(1)",
}


@pytest.mark.parametrize("way", FAILED_CELLS)
def test_a_name_whose_cell_failed_is_said_to_be_missing_for_that(judge, way):
    broken = judge.grade(notebook("1 / 0", "softmax(1 == 1)", FAILED_CELLS[way]))
    softmax, average, _ = (one.cases[0].message for one in broken.questions)
    assert softmax == "`softmax` is not defined, since cell 3 did not run to its end."
    assert average.startswith("`moving_average` is not defined. Run the cell that defines it")
    assert {one.status for one in broken.questions} == {"missing"}


def test_of_a_cell_that_is_no_python_the_line_is_shown(judge):
    result = judge.grade(notebook("x = 1\ndef softmax(scores)\n    return 1"))
    assert result.notes == (
        "Cell 1 did not run to its end. SyntaxError: expected ':' (line 2: def softmax(scores))",
    )


def test_only_the_questions_that_are_asked_for_are_graded(judge):
    result = judge.grade(notebook(*HONEST.values()), questions=["best"])
    assert points(result) == {"best": 1}


def test_what_is_no_notebook_is_unreadable(judge):
    result = judge.grade(b"{]")
    assert (result.status, result.questions) == ("unreadable", ())
    assert "JSON" in result.message


def test_a_case_that_a_result_keeps_busy_ends(judge, tmp_path):
    text = SAMPLE.read_text().replace(
        "    equal(got.shape, (46,))", "    while len(got) == 46: pass"
    )
    path = tmp_path / "averages.md"
    path.write_text(text)
    with Judge(load_assignment(path), tier=judge.tier, limits=Limits(call=0.5)) as busy:
        result = graded(busy)
    assert points(result) == FULL | {"moving_average": 0}
    assert "Checking took more than 2 s" in result.questions[1].cases[-1].message


def test_a_result_that_is_too_large_costs_its_question_alone(judge):
    for body in ("np.zeros(10**7)", "list(range(10**6))", "'x' * 10**8", "'\\ud800' * 9"):
        answer = HONEST["softmax"] + f"\ndef softmax(scores):\n    return {body}"
        result = graded(judge, softmax=answer)
        assert points(result) == FULL | {"softmax": 0}, body


class Failing:
    """A sandbox that starts a few workers, and then none."""

    def __init__(self, sandbox, count):
        self.sandbox, self.count = sandbox, count

    def start(self):
        self.count -= 1
        if self.count < 0:
            raise SandboxError("no more processes")
        return self.sandbox.start()


def test_a_sandbox_that_fails_is_no_zero(judge, monkeypatch):
    answer = "def softmax(scores):\n    import os; os._exit(1)"
    whole = judge._sandbox
    monkeypatch.setattr(judge, "_sandbox", Failing(judge._sandbox, 1))
    result = graded(judge, softmax=answer)
    assert (result.status, result.message) == ("infrastructure", "no more processes")
    assert result.questions == ()
    monkeypatch.setattr(judge, "_sandbox", Hiccup(whole))
    assert points(graded(judge)) == FULL


class Hiccup:
    """A sandbox that fails once."""

    def __init__(self, sandbox):
        self.sandbox, self.failed = sandbox, False

    def start(self):
        if not self.failed:
            self.failed = True
            raise SandboxError("busy")
        return self.sandbox.start()


def test_a_fault_of_a_case_itself_is_no_zero(judge, tmp_path):
    path = tmp_path / "averages.md"
    path.write_text(
        SAMPLE.read_text().replace('s.value("best"), 19 / 7.5', "s.best(np.zeros(10**8)), 1")
    )
    with Judge(load_assignment(path), tier=judge.tier, limits=PATIENT) as broken:
        result = graded(broken)
    assert result.status == "infrastructure"
    assert "bytes" in result.message


# Every set of the book -------------------------------------------------------------------------


@pytest.mark.parametrize("slug", all_slugs(ROOT))
def test_the_judge_and_check_agree_on_every_set(slug):
    """Stubs, solutions and each planted mistake: the same status, points and hints."""
    source = read_source(source_path(ROOT, slug))
    cases = exercise_set(source, hidden=True)
    assignment = load_assignment(source.path)
    given = source.of("code", "question")
    mistakes = [(True, cell) for cell in source.of("mistake")]
    with Judge(assignment, seed=1) as judge:
        for solved, then in [(False, None), (True, None), *mistakes]:
            names = names_after(source, solved=solved, then=then)
            cells = cells_of(given, solved=solved, then=then)
            questions = [then.question] if then else list(cases.questions)
            result = judge.grade(notebook(*cells), questions=questions)
            assert result.status == "graded", result.message
            for one in result.questions:
                local = run_question(cases, one.question.name, namespace=names, seed=1)
                assert summary(one) == summary(local)
                near = pytest.approx(numbers(local), rel=1e-3, abs=1e-6, nan_ok=True)
                assert numbers(one) == near


def cells_of(given, *, solved, then):
    texts = [cell.source if solved or cell.role == "code" else stub_text(cell) for cell in given]
    return [*texts, *([then.source] if then else [])]


#: A number on its own, not the digits of a name such as `x2` or `float32`.
NUMBER = r"(?<![\w.])-?(?:(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|inf|nan)(?!\w)"


def summary(result):
    cases = [(one.title, one.status, in_words(one), one.hint) for one in result.cases]
    return (result.points, result.status, result.hints, cases)


def in_words(case):
    """Return a case's message and call without their numbers, and the spaces that align these."""
    return [re.sub(rf"\s*{NUMBER}\s*", "#", text) for text in (case.message, case.called)]


def numbers(result):
    """Return the numbers of all messages and calls, which agree nearly.

    Where rows depend on each other, the last bits of sums reach the sixth digit of a solution, and
    they vary with where in memory the terms lie.
    """
    texts = [text for one in result.cases for text in (one.message, one.called)]
    return [float(number) for text in texts for number in re.findall(NUMBER, text)]
