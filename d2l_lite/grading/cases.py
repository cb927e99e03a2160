"""How an exercise set is written down: questions, cases, and the comparisons that cases make.

A case is a plain function over a *submission* `s`. It calls the learner's code through `s` and
compares what comes back with a reference of its own:

    @case("mse", hint="mean")
    def by_hand(s):
        '''Two errors, 1 and 3: (1 + 9) / 2 = 5'''
        close(s.mse(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 5.0])), torch.tensor(5.0))
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from d2l_lite.grading.comparing import Rule, difference
from d2l_lite.grading.outcomes import Question as Question
from d2l_lite.grading.performing import LearnerError
from d2l_lite.grading.reprs import short


@dataclass(frozen=True)
class Case:
    """One case of a question: a function over a submission, and its hints.

    `hint` is that of a wrong result, `errors` are names of errors by the hints that they call for.
    `seconds` and `cpu` limit each call of the learner's code, by the clock and in seconds of
    processor time; None is the limit of whoever runs the case. A `hidden` case is never shown.
    """

    question: str
    function: Callable[..., None]
    hint: str | None = None
    seconds: float | None = None
    cpu: float | None = None
    hidden: bool = False
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What learners read: the docstring's first line, or the function's name."""
        doc = inspect.getdoc(self.function)
        return doc.splitlines()[0] if doc else self.function.__name__.replace("_", " ")


@dataclass(frozen=True)
class ExerciseSet:
    """The questions of a set and their cases, in the order in which they were written.

    Where `torch_allowed` is false, an answer that is a tensor is refused, whoever runs the cases.
    """

    slug: str
    questions: Mapping[str, Question]
    cases: tuple[Case, ...]
    torch_allowed: bool = True

    @classmethod
    def from_names(cls, slug: str, names: Mapping[str, Any]) -> "ExerciseSet":
        """Return the set that the names of an executed case module hold.

        Args:
            slug: Name of the set.
            names: Globals of the module: `QUESTIONS`, any number of cases, and `PRELOAD` where
                it says which libraries answers may use.

        Returns:
            The set.

        Raises:
            ValueError: A case names a question that the set does not have.
        """
        questions = {question.name: question for question in names["QUESTIONS"]}
        cases = tuple(thing for thing in names.values() if isinstance(thing, Case))
        for one in cases:
            if one.question not in questions:
                raise ValueError(
                    f"case {one.function.__name__!r} must belong to one of {sorted(questions)}, "
                    f"got {one.question!r}; correct the name in its decorator"
                )
        return cls(slug, questions, cases, "torch" in names.get("PRELOAD", ("torch",)))

    def of(self, question: str) -> tuple[Case, ...]:
        """Return the cases of one question."""
        return tuple(one for one in self.cases if one.question == question)


class MismatchError(Exception):
    """A comparison that did not hold: what came back, what was expected, which hint fits."""

    def __init__(
        self, message: str, *, got: Any = ..., want: str = "", hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message, self.got, self.want, self.hint = message, got, want, hint
        self.recognized = False


def case(
    question: str,
    *,
    hint: str | None = None,
    seconds: float | None = None,
    cpu: float | None = None,
    errors: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., None]], Case]:
    """Return a decorator that makes a function over a submission a case of `question`.

    Args:
        question: Name of the question.
        hint: Key of the hint that is shown where something came back, and it is wrong.
        seconds: How long one call of the learner's code may take; by default ten seconds.
        cpu: How many seconds of processor time one call may use, on all cores together.
        errors: Names of errors, or of their bases, that typical mistakes raise, by the key of the
            hint each of them calls for. Without it an error brings up no hint: nothing came back.

    Returns:
        The decorator.
    """
    found = dict(errors or {})
    return lambda function: Case(question, function, hint, seconds, cpu, errors=found)


def close(
    got: Any,
    want: Any,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    check_dtype: bool = True,
    mistakes: Mapping[str, Any] | None = None,
    hint: str | None = None,
) -> None:
    """Return quietly if `got` equals `want` within tolerances; type, shape and dtype count.

    Args:
        got: What came back from the submission.
        want: The reference: tensor, array, number, or list, tuple or dict of these. Where it is a
            Python number, a 0-d tensor and a NumPy number are accepted too; a whole number is met
            exactly.
        rtol: Relative tolerance; by dtype where it is None.
        atol: Absolute tolerance; by dtype where it is None.
        check_dtype: Whether the dtype must be that of `want`.
        mistakes: Values that typical mistakes give, by the key of the hint each of them calls for.
        hint: Key of the hint where no mistake is recognized; the case's own where it is None.

    Raises:
        MismatchError: They differ.
    """
    _compare(got, want, Rule(rtol, atol, check_dtype), mistakes=mistakes, hint=hint)


def equal(
    got: Any, want: Any, *, mistakes: Mapping[str, Any] | None = None, hint: str | None = None
) -> None:
    """Return quietly if `got` equals `want` exactly, whatever the dtype.

    Args:
        got: What came back from the submission.
        want: The reference.
        mistakes: Values that typical mistakes give, by the key of their hint.
        hint: Key of the hint where no mistake is recognized.

    Raises:
        MismatchError: They differ.
    """
    _compare(got, want, Rule(0.0, 0.0, False), mistakes=mistakes, hint=hint)


def _compare(
    got: Any, want: Any, rule: Rule, *, mistakes: Mapping[str, Any] | None, hint: str | None
) -> None:
    """Raise where two values differ, with the hint of the mistake that gives this very value."""
    message = difference(got, want, rule)
    if not message:
        return
    failure = MismatchError(message, got=got, want=short(want), hint=hint)
    for key, wrong in (mistakes or {}).items():
        if not difference(got, wrong, rule):
            failure.hint, failure.recognized = key, True
            break
    raise failure


def holds(condition: bool, message: str, *, hint: str | None = None) -> None:
    """Return quietly if `condition` is true.

    Args:
        condition: The property, computed from plain values.
        message: What was expected, as a sentence.
        hint: Key of the hint where it does not hold; the case's own where it is None.

    Raises:
        MismatchError: The condition is false.
    """
    if not bool(condition):
        raise MismatchError(message, hint=hint)


@contextmanager
def raises(error: str, *, hint: str | None = None) -> Iterator[None]:
    """Return a context in which the learner's code must raise an error.

    Args:
        error: Name of the error's class, or of a base: `"ValueError"`.
        hint: Key of the hint where it does not; the case's own where it is None.

    Raises:
        MismatchError: Nothing, or another error, was raised.
    """
    try:
        yield
    except LearnerError as found:
        if found.unfinished or error not in found.bases:
            raise
    else:
        raise MismatchError(f"No error was raised, {error} was expected.", want=error, hint=hint)
