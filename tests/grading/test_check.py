"""Checks of exercises: what passes, what each typical failure says, and that nothing leaks."""

import inspect
import linecache
import random
import re
import sys
import warnings
import xml.etree.ElementTree as ET
from itertools import count

import numpy as np
import pytest
import torch

from d2l_lite.grading import (
    Question,
    case,
    close,
    equal,
    holds,
    raises,
    rendering,
    running,
    visible,
)
from d2l_lite.grading.cases import ExerciseSet, MismatchError
from d2l_lite.grading.checker import Check, UnknownNameError, load_set
from d2l_lite.grading.codec import Reference
from d2l_lite.grading.comparing import Rule, difference
from d2l_lite.grading.reprs import short
from d2l_lite.grading.running import run_case, run_question
from d2l_lite.grading.submission import Handle, LearnerError, Submission

NUMBERS = count()


@case("mse", hint="mean")
def by_hand(s):
    """Two errors, 1 and 3: (1 + 9) / 2 = 5"""
    got = s.mse(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 5.0]))
    close(got, torch.tensor(5.0), mistakes={"half": torch.tensor(2.5)})


@case("mse", hint="mean")
def against_torch(s, generator):
    """Random vectors against torch.nn.functional.mse_loss"""
    a, b = torch.randn(2, 17, generator=generator)
    close(s.mse(a, b), torch.nn.functional.mse_loss(a, b))


QUESTIONS = (
    Question("mse", 2, {"mean": "Divide by the number `n` of <examples>.", "half": "No factor."}),
)
MSE = ExerciseSet.from_names("demo", globals())
GOOD = "def mse(y_hat, y):\n    return ((y_hat - y) ** 2).mean()\n"


def names_of(code):
    """Execute a learner's code as a notebook does: its lines can be shown later."""
    name = f"<cell {next(NUMBERS)}>"
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    names = {}
    exec(compile(code, name, "exec"), names)
    return names


def checked(code):
    return run_question(MSE, "mse", namespace=names_of(code))


def submission_of(code):
    return Submission(names_of(code))


def question_of(function, hints=("h",), **kwargs):
    """A set of one question `q` with one case, made of a plain function."""
    one = case("q", **kwargs)(function)
    questions = [Question("q", 1, dict.fromkeys(hints, "A hint."))]
    return ExerciseSet.from_names("one", {"QUESTIONS": questions, "one": one})


def result_of(function, code, **kwargs):
    return run_question(question_of(function, **kwargs), "q", namespace=names_of(code))


# What a learner sees


def test_a_right_answer_gets_all_points():
    result = checked(GOOD)
    assert (result.status, result.points) == ("passed", 2)
    assert rendering.as_text(result) == (
        "mse: 2 of 2 points (2 of 2 cases passed)\n"
        "  ✓ Two errors, 1 and 3: (1 + 9) / 2 = 5\n"
        "  ✓ Random vectors against torch.nn.functional.mse_loss"
    )


def test_a_wrong_answer_is_shown_with_call_result_expectation_difference_and_hint():
    lines = rendering.as_text(checked("def mse(a, b):\n    return ((a - b) ** 2).sum()")).split(
        "\n"
    )
    assert lines[:6] == [
        "mse: 0 of 2 points (0 of 2 cases passed)",
        "  ✗ Two errors, 1 and 3: (1 + 9) / 2 = 5",
        "      called:       mse(tensor([1., 2.]), tensor([2., 5.]))",
        "      came back:    tensor(10.)",
        "      expected:     tensor(5.)",
        "      result:       The value differs by 5: got 10, expected 5.",
    ]
    assert lines[-1] == "  hint:         Divide by the number `n` of <examples>."


BODIES = {
    "return (y_hat - y) ** 2": "Wrong shape: (2,) came back, () (a single number) was expected.",
    "((y_hat - y) ** 2).mean()": "None came back. Did you forget `return`?",
    "return ((y_hat - y) ** 2).mean().double()": "Wrong dtype: float64 came back, float32 was",
    "return ((y_hat - y) ** 2).mean().numpy()": "a NumPy array came back, a PyTorch tensor was",
    "return ((y_hat - y) ** 2).mean().item()": "a value of type float came back, a PyTorch tensor",
    "return [((y_hat - y) ** 2).mean()]": "a value of type list came back, a PyTorch tensor was",
    "return type('Box', (), {})()": "an object of type Box came back, a PyTorch tensor",
    "return (y_hat - y).mean() * float('nan')": "The value is NaN.",
    "return (y_hat - y).mean() * float('inf')": "The value is infinite.",
    "return (y_hat - z) ** 2": "in your code: mse, line 2: return (y_hat - z) ** 2",
    "return y_hat @ y[:-1]": "in your code: mse, line 2: return y_hat @ y[:-1]",
    "return torch.nn.MSELoss(reduction=3)(y_hat, y)": "in your code: mse, line 2: return torch",
    "return mse(y_hat, y)": "RecursionError",
    "raise SystemExit(3)": "SystemExit: 3",
    "raise KeyError": "KeyError",
    "return torch.zeros(1).expand(10 ** 12)": "at most 50000000 elements, got 1000000000000",
    "return (i for i in iter(int, 1))": "an iterator may give at most 10000 items",
    "...": "None came back",
    "return ...": "This is still `...`: not written yet.",
}


@pytest.mark.parametrize("body", BODIES)
def test_each_typical_failure_has_its_own_words(body):
    result = checked(f"def mse(y_hat, y):\n    {body}\nimport torch")
    assert result.points == 0
    assert result.status == "failed"
    assert BODIES[body] in rendering.as_text(result)
    assert BODIES[body].split(": ")[-1].replace("`", "") in plain_text(rendering.as_html(result))


UNANSWERED = {
    "def mse(y_hat, y):\n    raise NotImplementedError('mse: your code here')": "not written yet",
    "mse = ...": "not written yet",
    "mean_squared_error = 1": "not defined yet",
}


@pytest.mark.parametrize("code", UNANSWERED)
def test_without_an_answer_one_line_says_so_and_no_hint_is_given(code):
    result = checked(code)
    text = rendering.as_text(result)
    assert text.startswith(f"mse: {UNANSWERED[code]}, 0 of 2 points\n")
    assert "hint" not in text
    assert "✗" not in text
    assert len(text.splitlines()) <= 3


def test_a_missing_name_says_what_to_do():
    assert "`mse` is not defined. Run the cell" in rendering.as_text(checked("pass"))


def test_the_mistake_that_gives_this_value_brings_up_its_own_hint_alone():
    result = checked("def mse(a, b):\n    return ((a - b) ** 2).mean() / 2")
    assert result.hints == ("half",)
    assert "hint:         No factor." in rendering.as_text(result)


def test_points_are_all_or_nothing():
    code = "def mse(a, b):\n    return ((a - b) ** 2).mean() if len(a) == 2 else a.sum()"
    result = checked(code)
    assert [one.status for one in result.cases] == ["passed", "failed"]
    assert result.points == 0


def test_summary_shows_points_so_far():
    results = [checked(GOOD), checked("mse = ..."), checked("pass"), checked("mse = 3")]
    assert rendering.summary_text(results) == (
        "question  points\n"
        "mse       2 of 2         passed\n"
        "mse       0 of 2         not written yet\n"
        "mse       0 of 2         not defined yet\n"
        "mse       0 of 2         failed\n"
        "total     2 of 8 points"
    )
    assert "2 of 8 points" in plain_text(rendering.summary_html(results))


# The page


def plain_text(markup):
    """The text of HTML that must be well formed."""
    return "".join(ET.fromstring(f"<div>{markup}</div>").itertext())


def test_nothing_of_the_learner_becomes_markup_or_mathematics():
    evil = "<script>alert(1)</script><b>&$x$\x1b[31m`<i>`"
    code = f"def mse(a, b):\n    print({evil!r})\n    raise ValueError({evil!r})"
    markup = rendering.as_html(checked(code))
    root = ET.fromstring(markup)
    assert {node.tag for node in root.iter()} <= {"div", "span", "strong", "em", "code"}
    assert "<script>alert(1)</script><b>&$x$<i>" in plain_text(markup)
    assert "\x1b" not in markup
    assert not re.search(r"\$[^<]", markup)


def test_colors_are_those_of_marks_and_edges_so_that_dark_pages_stay_readable():
    for code in (GOOD, "mse = ...", "def mse(a, b):\n    return a"):
        markup = rendering.as_html(checked(code)) + rendering.summary_html([checked(code)])
        colored = re.findall(r'style="([^"]*#[^"]*)"[^>]*>(.)', markup)
        assert colored
        for style, first in colored:
            assert "border-left" in style or first in "✓✗"
        assert "background:" not in markup.replace("background:none", "")


# What costs nothing


def test_printing_and_warnings_cost_nothing_and_are_shown(capsys):
    code = "import sys, warnings\n" + GOOD.replace(
        "    return",
        "    print('seen', y.shape)\n    print('x' * 10**6, file=sys.stderr)\n"
        "    warnings.warn('careful')\n    return",
    )
    before = list(warnings.filters)
    result = checked(code)
    assert result.points == 2
    assert capsys.readouterr() == ("", "")
    assert warnings.filters == before
    text = rendering.as_text(result)
    assert "your code printed: seen torch.Size([2])" in text
    assert len(text) < 3000
    assert "careful" in rendering.as_text(
        checked("import warnings\ndef mse(a, b):\n    warnings.warn('careful')\n    return 1")
    )


def test_changing_an_argument_in_place_is_harmless():
    code = "def mse(a, b):\n    return a.sub_(b).pow_(2).mean()"
    assert checked(code).points == 2

    def twice(s):
        x, table, deep = torch.ones(3), np.ones(3), [torch.ones(2), {"a": torch.ones(2)}]
        s.spoil(x, table, deep)
        close(x, torch.ones(3))
        close(table, np.ones(3))
        close(deep, [torch.ones(2), {"a": torch.ones(2)}])

    spoil = (
        "def spoil(x, table, deep):\n    x.zero_(); table *= 0\n    deep[0].zero_()\n"
        "    deep[1]['a'].zero_(); deep.append(1)"
    )
    assert result_of(twice, spoil).passed


def test_random_state_is_the_same_in_every_check_and_untouched_by_it():
    code = "import random, torch, numpy as np\n" + GOOD.replace(
        "    return",
        "    print(random.random(), np.random.rand(), torch.rand(1).item())\n    return",
    )
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    expected = (random.random(), np.random.rand(), torch.rand(1).item())
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    first = checked(code)
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == expected
    second = checked(code)
    assert first.cases[0].printed == second.cases[0].printed != ""


@pytest.mark.parametrize("draw", [random.random, np.random.rand, lambda: torch.rand(1).item()])
def test_what_a_case_draws_changes_nothing_for_the_learner(draw):
    """As in the judge, where the two are different processes."""
    seen = []

    def drawing(s):
        """Before and after"""
        seen.append([draw(), s.f(), draw()])

    def not_drawing(s):
        """Only after"""
        seen.append([None, s.f(), draw()])

    for function in (drawing, not_drawing, drawing):
        run_question(question_of(function), "q", namespace={"f": draw})
    assert seen[0] == seen[2]
    assert seen[0][1] == seen[1][1]
    assert seen[0][0] == seen[1][2]


def test_cases_get_generators_by_seed():
    seen = []

    def draws(s, generator, rng):
        seen.append((torch.rand(1, generator=generator).item(), rng.random()))

    exercises = question_of(draws)
    for seed in (0, 0, 1):
        run_question(exercises, "q", namespace={}, seed=seed)
    assert seen[0] == seen[1] != seen[2]
    assert seen[0][1] == np.random.default_rng(0).random()


def test_an_interruption_by_the_user_ends_the_check():
    with pytest.raises(KeyboardInterrupt):
        checked("def mse(a, b):\n    raise KeyboardInterrupt")


# The border

ENGINE = """
class Scalar:
    def __init__(self, data):
        self.data, self.grad, self.children = data, 0.0, ()
    def __mul__(self, other):
        other = other if isinstance(other, Scalar) else Scalar(other)
        out = Scalar(self.data * other.data)
        out.children = ((self, other.data), (other, self.data))
        return out
    __rmul__ = __mul__
    def __neg__(self):
        return self * -1.0
    def __getitem__(self, index):
        return self.data + index
    def __eq__(self, other):
        return True
    def __bool__(self):
        return True
    def backward(self, gradient=1.0):
        self.grad += gradient
        for child, slope in self.children:
            child.backward(gradient * slope)
def product(a, b):
    return a * b
"""


def test_objects_stay_on_the_learners_side_as_handles():
    s = submission_of(ENGINE)
    a, b = s.Scalar(2.0), s.Scalar(5.0)
    c = -(3 * (a * b))
    assert isinstance(c, Handle)
    c.backward()
    assert (a.grad.value(), b.grad.value(), c.data.value()) == (-15.0, -6.0, -30.0)
    assert s.product(a, b).data.value() == 10.0
    assert a[1] == 3.0
    assert (np.float64(4.0) * a).data.value() == 8.0
    a.data = 7.0
    assert a.data.value() == 7.0


COMPARISONS = {
    "==": lambda a: a == 1,
    "!=": lambda a: a != 1,
    "<": lambda a: a < 1,
    "bool": bool,
    "len": len,
    "float": float,
    "int": int,
    "iter": list,
    "in": lambda a: 1 in a,
    "hash": hash,
    "array": np.asarray,
    "index": lambda a: [1, 2][a],
    "close": lambda a: torch.allclose(torch.ones(1), a),
}


@pytest.mark.parametrize("way", COMPARISONS)
def test_a_handle_refuses_comparison(way):
    handle = submission_of(ENGINE).Scalar(1.0)
    with pytest.raises(TypeError):
        COMPARISONS[way](handle)


def test_an_object_that_equals_everything_is_the_wrong_type():
    def compare(s):
        close(s.Scalar(1.0), torch.tensor(1.0))

    result = result_of(compare, ENGINE)
    assert "an object of type Scalar came back" in result.cases[0].message

    def careless(s):
        assert s.Scalar(1.0) == 3

    result = result_of(careless, ENGINE)
    assert result.points == 0
    assert "An object of type Scalar came back" in result.cases[0].message


def test_modules_are_handles_whose_parameters_can_be_set_and_read():
    code = "import torch\nclass Net(torch.nn.Sequential):\n    pass\n"
    s = submission_of(code + "def make():\n    return Net(torch.nn.Linear(3, 2))")
    m, weight = s.make(), torch.arange(6.0).reshape(2, 3)
    m.load_state_dict({"0.weight": weight, "0.bias": torch.ones(2)})
    x = torch.ones(4, 3)
    assert torch.equal(m(x), x @ weight.T + 1)
    assert torch.equal(m[0].weight.value(), weight)
    assert [tuple(p.shape) for p in m.parameters()] == [(2, 3), (2,)]
    assert not any(p.requires_grad for p in m.parameters())


def test_values_come_back_as_detached_plain_copies():
    class Sub(torch.Tensor):
        __eq__ = lambda self, other: True  # noqa: E731
        __hash__ = None

    kept = {"t": torch.ones(2, requires_grad=True), "a": np.ones(2).view(np.matrix)}
    sub = torch.zeros(2).as_subclass(Sub)
    s = Submission({"kept": kept, "f": lambda: (sub, range(3), {"k": [1, 2.5, "s", None]})})
    value = s.value("kept")
    assert type(value["a"]) is np.ndarray
    assert not value["t"].requires_grad
    value["t"][0] = 7.0
    assert kept["t"][0] == 1.0
    got = s.f()
    assert type(got[0]) is torch.Tensor
    assert got[1:] == ([0, 1, 2], {"k": [1, 2.5, "s", None]})


def test_arguments_keep_their_gradient_flag_and_generators_their_state():
    s = submission_of(
        "import torch\ndef f(x, generator):\n"
        "    return x.requires_grad, torch.rand(2, generator=generator)"
    )
    generator = torch.Generator().manual_seed(3)
    flag, drawn = s.f(torch.ones(1, requires_grad=True), generator=generator)
    assert flag is True
    assert torch.equal(drawn, torch.rand(2, generator=generator))


def test_functions_are_built_on_the_learners_side():
    s = submission_of("def slope(f, x):\n    return (f(x + 1e-6) - f(x - 1e-6)) / 2e-6")
    assert s.slope(s.build("lambda x: math.exp(x)"), 0.0) == pytest.approx(1.0)
    with pytest.raises(TypeError, match=r"a function cannot cross .* use s\.build"):
        s.slope(abs, 0.0)


def test_an_error_in_a_property_or_an_attribute_is_the_learners():
    s = submission_of("class A:\n    @property\n    def p(self):\n        return 1 / 0\na = A()")
    with pytest.raises(LearnerError, match="ZeroDivisionError") as caught:
        _ = s.a.p
    assert caught.value.place == "p, line 4: return 1 / 0"
    with pytest.raises(LearnerError, match="AttributeError"):
        s.a.missing()


def test_the_calls_that_led_to_a_result_are_told_with_objects_and_only_then():
    def story(s):
        a = s.Scalar(2.0)
        c = a * a
        c.backward()
        close(a.grad.value(), 5.0)

    called = result_of(story, ENGINE).cases[0].called
    assert called.splitlines() == [
        "Scalar(2.0)",
        "(Scalar(2.0) * Scalar(2.0))",
        "(Scalar(2.0) * Scalar(2.0)).backward()",
        "Scalar(2.0).grad",
    ]

    def first_of_two(s):
        one = s.f(torch.ones(1))
        s.f(torch.zeros(1))
        close(one, torch.zeros(1))

    case_result = result_of(first_of_two, "def f(x):\n    return x").cases[0]
    assert case_result.called == "f(tensor([1.]))"


# Comparisons


@pytest.mark.parametrize("seed", range(20))
def test_tensors_are_close_exactly_where_numpy_says_so(seed):
    rng = np.random.default_rng(seed)
    want = rng.standard_normal((3, 4))
    got = want + rng.standard_normal((3, 4)) * 10.0 ** rng.integers(-10, -2, (3, 4))
    rtol, atol = 10.0 ** rng.integers(-8, -3, 2)
    text = difference(torch.tensor(got), torch.tensor(want), Rule(rtol, atol))
    wrong = ~np.isclose(got, want, rtol=rtol, atol=atol)
    assert bool(text) == wrong.any()
    if text:
        place = np.unravel_index(np.argmax(np.where(wrong, abs(got - want), -1)), got.shape)
        assert text.startswith(f"{wrong.sum()} of 12 values differ")
        assert f"at [{place[0]}, {place[1]}]" in text


DIFFERENCES = [
    (5, 5, ""),
    (61705, 61706, "The value differs by 1: got 61705, expected 61706."),
    (np.float32(0.1), 0.1, ""),
    (torch.tensor(0.1), 0.1, ""),
    (torch.ones(1), 1.0, "Wrong shape: (1,) came back, a single number was expected."),
    (True, 1.0, "Wrong type: a value of type bool came back, a number was expected."),
    (1, True, "Wrong type: a value of type int came back, True or False was expected."),
    (torch.tensor(True), True, ""),
    (np.bool_(False), True, "False came back, True was expected."),
    ("a", "a", ""),
    ("a", "b", "'a' came back, 'b' was expected."),
    (None, None, ""),
    ((1, 2), [1, 2], ""),
    ([1], (1, 2), "Wrong length: 1 came back, 2 was expected."),
    ([1.0, [2.0]], [1.0, [3.0]], "Item [1]: Item [0]: The value differs by 1"),
    ({"a": 1}, {"a": 1, "b": 2}, "Wrong keys: missing ['b']."),
    ({"a": 1.0}, {"a": 2.0}, "Key 'a': The value differs by 1"),
    (float("nan"), float("nan"), ""),
    (float("inf"), float("inf"), ""),
    (float("inf"), 1.0, "The value is infinite."),
    (10**400, 1.0, "came back, 1.0 was expected."),
    (torch.tensor([1.0, float("nan")]), torch.ones(2), "1 of 2 values are NaN at [1]."),
    (torch.tensor([float("nan"), 1.0]), torch.tensor([float("nan"), 1.0]), ""),
    (torch.empty(0), torch.empty(0), ""),
    (np.array([object()]), np.ones(1), "Wrong dtype: object came back, float64 was expected."),
    (torch.ones(2, dtype=torch.bfloat16), torch.ones(2, dtype=torch.bfloat16), ""),
    (torch.tensor([1 + 1j]), torch.tensor([1 + 2j]), "The value differs by 1: got 1+1j"),
    (torch.tensor([1, 2]), torch.tensor([1, 3]), "1 of 2 values differ"),
]


@pytest.mark.parametrize(("got", "want", "words"), DIFFERENCES, ids=lambda value: short(value)[:30])
def test_differences_in_words(got, want, words):
    text = difference(got, want, Rule())
    assert words in text
    assert bool(words) == bool(text)


def test_float32_noise_is_close_and_a_percent_is_not():
    a, b = torch.randn(2, 50, 50, generator=torch.Generator().manual_seed(0))
    want = (a.double() @ b.double()).float()
    close(a @ b, want)
    with pytest.raises(MismatchError):
        close(a @ b * 1.01, want)
    close((a @ b).double(), want, check_dtype=False)
    with pytest.raises(MismatchError):
        equal(a @ b + 1e-6, a @ b)


def test_a_required_error_is_recognized_by_its_base_and_nothing_else_will_do():
    def must_raise(s):
        with raises("ArithmeticError"):
            s.f(0)

    assert result_of(must_raise, "def f(x):\n    return 1 / x").passed
    quiet = result_of(must_raise, "def f(x):\n    return x").cases[0]
    assert quiet.message == "No error was raised, ArithmeticError was expected."
    other = result_of(must_raise, "def f(x):\n    raise KeyError(x)")
    assert other.cases[0].status == "error"

    def any_runtime_error(s):
        with raises("RuntimeError"):
            s.f(0)

    stub = result_of(any_runtime_error, "def f(x):\n    raise NotImplementedError")
    assert stub.status == "unfinished"


def test_a_property_that_does_not_hold_says_what_was_expected():
    def property_case(s):
        holds(s.f(2) > 0, "The result must be positive.", hint="h")

    result = result_of(property_case, "def f(x):\n    return -x")
    assert (result.cases[0].message, result.hints) == ("The result must be positive.", ("h",))
    assert result.cases[0].got == "-2"


def test_a_result_that_a_case_cannot_use_is_a_failure_and_not_a_crash():
    def uses(s):
        close(s.f().sum(), torch.tensor(1.0))

    assert (
        "'list' object has no attribute"
        in result_of(uses, "def f():\n    return [1]", hint="h").cases[0].message
    )
    result = result_of(uses, "def f():\n    pass", hint="h")
    assert "forget `return`" in result.cases[0].message
    assert result.hints == ()


NOTHING_CAME_BACK = {
    "an error": "def f():\n    raise ValueError('x')",
    "an endless loop": "def f():\n    while True: pass",
    "what cannot be called": "f = 1",
    "nothing to compare": "def f():\n    return 'x'",
}


@pytest.mark.parametrize("way", NOTHING_CAME_BACK)
def test_where_nothing_was_compared_there_is_no_hint(way):
    def compares(s):
        close(s.f() + 1, 2)

    result = result_of(compares, NOTHING_CAME_BACK[way], hint="h", seconds=0.2)
    assert (result.status, result.hints) == ("failed", ())
    assert result_of(compares, "def f():\n    return 2", hint="h").hints == ("h",)


def test_an_error_that_a_typical_mistake_raises_brings_up_its_own_hint_alone():
    def compares(s):
        close(s.f(), 1)

    settings = {"hints": ("h", "lookup"), "hint": "h", "errors": {"lookup": "LookupError"}}
    assert result_of(compares, "def f():\n    return {}[1]", **settings).hints == ("lookup",)
    assert result_of(compares, "def f():\n    return 1 / 0", **settings).hints == ()
    stub = "def f():\n    raise NotImplementedError"
    named = settings | {"errors": {"lookup": "RuntimeError"}}
    assert result_of(compares, stub, **named).hints == ()


def test_a_hint_or_a_question_that_does_not_exist_is_an_error_of_the_author():
    with pytest.raises(ValueError, match=r"hint of question 'q' must be one of \['h'\], got 'no'"):
        result_of(lambda s: holds(False, "no"), "", hint="no")
    names = {"QUESTIONS": [Question("q", 1, {})], "one": case("p")(lambda s: None)}
    with pytest.raises(ValueError, match=r"must belong to one of \['q'\], got 'p'"):
        ExerciseSet.from_names("x", names)


def test_a_question_without_cases_gives_no_points():
    names = {"QUESTIONS": [Question("q", 1, {})]}
    assert run_question(ExerciseSet.from_names("x", names), "q", namespace={}).points == 0


CHEATS = {
    "a finite number for infinity": (5.0, float("inf")),
    "finite values for infinite ones": (np.ones(2), np.array([np.inf, -np.inf])),
    "minus infinity for infinity": (-np.inf, np.inf),
    "a coarse zero for a small number": (np.float16(0), 0.0005),
    "a coarse tensor for a small number": (torch.tensor(0.0, dtype=torch.bfloat16), 0.004),
}


@pytest.mark.parametrize(("got", "want"), CHEATS.values(), ids=CHEATS)
def test_nothing_is_close_by_its_dtype_or_by_infinity_alone(got, want):
    with pytest.raises(MismatchError):
        close(got, want)


@pytest.mark.parametrize("kind", [int, np.array, torch.tensor], ids=["int", "array", "tensor"])
def test_whole_numbers_beyond_the_precision_of_floats_are_met_exactly(kind):
    equal(kind(2**60), kind(2**60))
    with pytest.raises(
        MismatchError, match=r"got 1152921504606846977, expected 115292150460684697"
    ):
        equal(kind(2**60 + 1), kind(2**60))


def test_an_array_of_many_axes_is_shown_flat():
    """Shown by its corners it would be four million numbers."""
    assert short(np.zeros((2,) * 22, dtype=bool)).endswith("[False, ..., False])")


# Short texts


def test_no_code_of_a_learners_class_runs_for_a_message():
    class Loud:
        def __repr__(self):
            raise AssertionError("ran")

        __str__ = __format__ = __repr__

    assert short([Loud(), {"k": Loud()}]) == "[<Loud>, {'k': <Loud>}]"


def test_long_values_are_cut():
    assert short(10**5000) == "<an integer of 16610 bits>"
    assert short(list(range(1000))) == "[0, 1, 2, 3, 4, 5, 6, 7, … 1000 items]"
    assert len(short("x" * 10**6)) <= 240
    text = short(torch.zeros(64, 1, 28, 28))
    assert "shape (64, 1, 28, 28)" in text
    assert "\n" not in text


def test_arrays_name_the_dtype_where_it_is_not_the_usual_one():
    assert short(torch.tensor([1.0, -2.5])) == "tensor([1., -2.5])"
    assert short(torch.ones(1).double()) == "tensor([1.], dtype=float64)"
    assert short(np.ones(1, np.float32)) == "array([1.], dtype=float32)"
    assert short(np.array([[1, 2]])) == "array([[1, 2]])"


def test_numpy_numbers_read_like_pythons_where_nothing_else_is_meant():
    usual = [np.float64(0.28), np.int64(3), np.bool_(True), 0.28]
    assert short(usual) == "[0.28, 3, True, 0.28]"
    assert short([np.float32(0.5), np.uint8(3)]) == "[float32(0.5), uint8(3)]"


# `check` itself

SET = '''
import torch
from d2l_lite.grading import case, close
from d2l_lite.grading.cases import Question

@case("double", hint="twice")
def double_one(s):
    """Twice one"""
    close(s.double(torch.ones(1)), torch.full((1,), 2.0))

QUESTIONS = (Question("double", 3, {"twice": "Multiply by two."}),)
'''


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """An exercise set `demo_set` in the package."""
    (tmp_path / "demo_set.py").write_text(SET)
    monkeypatch.setattr(visible, "__path__", [*visible.__path__, str(tmp_path)])
    yield tmp_path
    sys.modules.pop(f"{visible.__name__}.demo_set", None)


def test_check_runs_on_given_names_and_prints_where_there_is_no_notebook(demo, capsys):
    check = Check()
    check.use("demo_set", namespace={"double": lambda x: 2 * x})
    check("double")
    check.all()
    assert capsys.readouterr().out == (
        "Checks for demo_set: double (3 points).\n"
        "double: 3 of 3 points (1 of 1 case passed)\n  ✓ Twice one\n"
        "question  points\ndouble    3 of 3         passed\ntotal     3 of 3 points\n"
    )


def test_check_finds_the_names_of_the_module_that_calls_it(demo, capsys):
    names = {"__name__": "learner"}
    exec(
        "from d2l_lite.grading.checker import Check\ncheck = Check()\ncheck.use('demo_set')\n"
        "def double(x):\n    return 3 * x\ncheck('double')\n"
        "def double(x):\n    return 2 * x\ndef inside():\n    check.all()\ninside()",
        names,
    )
    out = capsys.readouterr().out
    assert "double: 0 of 3 points" in out
    assert "total     3 of 3 points" in out


def test_unknown_names_list_the_valid_ones(demo):
    check = Check()
    with pytest.raises(UnknownNameError, match=r"must be chosen before a check.*'demo_set'"):
        check("double")
    with pytest.raises(UnknownNameError, match=r"'demo_set'.*got 'demoset'\. Did you mean 'demo_s"):
        check.use("demoset")
    check.use("demo_set", namespace={})
    with pytest.raises(UnknownNameError, match=r"one of 'double'; got 'duble'\. Did you mean 'do"):
        check("duble")
    with pytest.raises(UnknownNameError, match="got None"):
        check(None)


def test_a_set_is_loaded_whole(demo):
    found = load_set("demo_set")
    assert [one.title for one in found.of("double")] == ["Twice one"]
    assert found.questions["double"].points == 3


NOTEBOOK = [
    "import d2l_lite.grading.visible as v; v.__path__ = [*v.__path__, {folder!r}]\n"
    "from d2l_lite.grading import check\ncheck.use('demo_set')",
    "def double(x):\n    y = 2 * x\n    return yy",
    "check('double')",
    "def double(x):\n    return 2 * x\ncheck('double'); check.all()",
    "names = dict(); exec('def go(check): check(\"double\")', names); names['go'](check)",
    "check('nothing')",
]


def test_in_a_kernel_results_are_text_and_html_with_the_learners_line(demo):
    import nbclient
    import nbformat

    cells = [nbformat.v4.new_code_cell(text.format(folder=str(demo))) for text in NOTEBOOK]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, kernel_name="python3", allow_errors=True).execute()
    first, _, wrong, right, elsewhere, unknown = (cell.outputs for cell in notebook.cells)
    assert first[0].text == "Checks for demo_set: double (3 points).\n"
    data = wrong[0].data
    assert "in your code: double, line 3: return yy" in data["text/plain"]
    assert "NameError" in plain_text(data["text/html"])
    assert [output.output_type for output in right] == ["display_data"] * 2
    assert "3 of 3 points" in right[1].data["text/plain"]
    assert "3 of 3 points" in elsewhere[0].data["text/plain"]
    assert "got 'nothing'" in unknown[0].evalue
    assert len(unknown[0].traceback) == 1


class Elsewhere:
    """A side on which every call gives the same, or fails."""

    def __init__(self, result, failure=None):
        self.result, self.failure = result, failure

    def begin(self):
        if self.failure is not None:
            raise self.failure

    def ask(self, operation, operands, named):
        return Reference(0, "function") if operation == "name" else self.result


def test_a_case_can_be_run_on_another_side():
    """The judge brings its own: the same functions, other code behind `s`."""
    result = run_case(by_hand, Elsewhere(torch.tensor(0.0)))
    assert (result.status, result.got) == ("failed", "tensor(0.)")
    assert result.called.startswith("mse(")


def test_a_side_that_cannot_begin_fails_the_case():
    result = run_case(by_hand, Elsewhere(0.0, LearnerError("Too late.", kind="stopped")))
    assert (result.status, result.message, result.stopped) == ("error", "Too late.", True)


def test_a_result_that_cannot_be_put_into_words_fails_the_case(monkeypatch):
    def speechless(value):
        raise OverflowError(f"no words for {value}")

    monkeypatch.setattr(running, "short", speechless)
    result = run_case(by_hand, Elsewhere(torch.tensor(0.0)))
    assert (result.status, result.stopped) == ("failed", False)
    assert result.message == "The result could not be used: OverflowError."


def test_the_public_functions_of_this_part_are_documented():
    for thing in (close, equal, holds, raises, case, run_question, run_case, load_set):
        assert "Args:" in (inspect.getdoc(thing) or "")
