"""Run cases against a submission; printing, warnings and random state are caught."""

import contextlib
import inspect
import io
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from d2l_lite.grading.cases import Case, ExerciseSet, MismatchError, Question
from d2l_lite.grading.reprs import clean, short
from d2l_lite.grading.submission import Handle, LearnerError, Recorder, Submission

SEED = 0
MAX_PRINTED = 600
MAX_WARNINGS = 3


@dataclass(frozen=True)
class CaseResult:
    """What one case found.

    `status` is `passed`, `failed` (a wrong result), `error` (the code raised), `unfinished` or
    `missing` (a name). The texts are for learners; empty where they do not apply. Of a `hidden`
    case learners are told only that it failed.
    """

    title: str
    status: str
    message: str = ""
    called: str = ""
    got: str = ""
    want: str = ""
    place: str = ""
    hint: str | None = None
    recognized: bool = False
    printed: str = ""
    hidden: bool = False


@dataclass(frozen=True)
class QuestionResult:
    """What the cases of one question found; its points are all or nothing."""

    question: Question
    cases: tuple[CaseResult, ...]

    @property
    def passed(self) -> bool:
        """Whether every case passed."""
        return bool(self.cases) and all(one.status == "passed" for one in self.cases)

    @property
    def points(self) -> int:
        """All the question's points, or none."""
        return self.question.points if self.passed else 0

    @property
    def status(self) -> str:
        """`passed`, `failed`, or why there is nothing to check yet: `missing`, `unfinished`."""
        found = {one.status for one in self.cases}
        if self.passed or (len(found) == 1 and found <= {"missing", "unfinished"}):
            return found.pop()
        return "failed"

    @property
    def hints(self) -> tuple[str, ...]:
        """Keys of the hints that the failed cases call for, each once.

        Where a result was recognized as that of a typical mistake, its hint stands alone.
        """
        hinted = [one for one in self.cases if one.hint]
        recognized = [one for one in hinted if one.recognized]
        return tuple(dict.fromkeys(one.hint for one in recognized or hinted if one.hint))


def run_question(
    exercises: ExerciseSet,
    name: str,
    *,
    namespace: Mapping[str, object],
    seed: int = SEED,
    make_submission: Callable[..., Any] = Submission,
) -> QuestionResult:
    """Return what the cases of one question find in a namespace.

    Args:
        exercises: The set.
        name: Name of the question.
        namespace: The learner's names.
        seed: Seed of the random state and of the generators that cases ask for.
        make_submission: Called with namespace and recorder, returns what the cases see as `s`.

    Returns:
        The result, one entry a case.
    """
    question = exercises.questions[name]
    results = []
    for case in exercises.of(name):
        recorder = Recorder()
        submission = make_submission(namespace, recorder)
        results.append(run_case(case, submission, recorder=recorder, seed=seed))
    for one in results:
        if one.hint is not None and one.hint not in question.hints:
            raise ValueError(
                f"hint of question {name!r} must be one of {sorted(question.hints)}, "
                f"got {one.hint!r} in the case {one.title!r}; correct its name there"
            )
    return QuestionResult(question, tuple(results))


def run_case(case: Case, submission: Any, *, recorder: Recorder, seed: int = SEED) -> CaseResult:
    """Return what one case finds.

    Args:
        case: The case.
        submission: What it sees as `s`.
        recorder: Where `submission` notes its calls.
        seed: Seed of the random state and of the generators that the case asks for.

    Returns:
        The result.
    """
    with _quiet() as output, _seeded(seed):
        found = _outcome(case, submission, recorder=recorder, seed=seed)
    return CaseResult(case.title, printed=output(), hidden=case.hidden, **found)


def _outcome(case: Case, submission: Any, *, recorder: Recorder, seed: int) -> dict[str, Any]:
    """Return the fields of a case's result that depend on how it ended."""
    try:
        case.function(submission, **_generators(case.function, seed))
    except MismatchError as failure:
        index = recorder.find(failure.got)
        value = failure.got if failure.got is not ... or index < 0 else recorder.calls[index][1]
        found = _failed(failure.message, value, case, called=recorder.story(index))
        found |= {"want": failure.want, "recognized": failure.recognized}
        return found | ({} if value is None or not failure.hint else {"hint": failure.hint})
    except LearnerError as error:
        hint = None if error.unfinished else case.hint
        called = recorder.story(len(recorder.calls) - 1)
        texts = {"message": error.message, "place": error.place, "called": called}
        return {"status": error.kind, "hint": hint, **texts}
    except Exception as error:
        called = recorder.story(len(recorder.calls) - 1)
        value = recorder.calls[-1][1] if recorder.calls else ...
        return _failed(_unusable(error, value), value, case, called=called)
    return {"status": "passed"}


def _failed(message: str, value: Any, case: Case, *, called: str) -> dict[str, Any]:
    """Return the fields of a wrong result; None has its own message and needs no hint."""
    got = "" if value is ... else short(value)
    hint = None if value is None else case.hint
    return {"status": "failed", "message": message, "called": called, "got": got, "hint": hint}


def _unusable(error: Exception, value: Any) -> str:
    """Return why a case stumbled over a result that it could not use."""
    if value is None:
        return "None came back. Did you forget `return`?"
    if isinstance(value, Handle):
        return f"An object of type {Handle._described(value)} came back, a value was expected."
    return clean(f"The result could not be used: {type(error).__name__}: {error}")


def _generators(function: Callable[..., None], seed: int) -> dict[str, Any]:
    """Return the generators that a case asks for by the names `generator` and `rng`."""
    wanted = inspect.signature(function).parameters
    found: dict[str, Any] = {}
    if "generator" in wanted:
        import torch

        found["generator"] = torch.Generator().manual_seed(seed)
    if "rng" in wanted:
        found["rng"] = np.random.default_rng(seed)
    return found


@contextlib.contextmanager
def _quiet() -> Iterator[Callable[[], str]]:
    """Return a context that catches printing and warnings, and a function that gives them back."""
    printed = io.StringIO()
    with (
        warnings.catch_warnings(record=True) as caught,
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        warnings.simplefilter("always")

        def output() -> str:
            words = [f"{one.category.__name__}: {one.message}" for one in caught]
            text = printed.getvalue() + "\n".join(list(dict.fromkeys(words))[:MAX_WARNINGS])
            return clean(text.strip("\n"), MAX_PRINTED)

        yield output


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Return a context with seeded random state, which is put back afterwards."""
    torch = sys.modules.get("torch")
    python, legacy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    with contextlib.ExitStack() as stack:
        if torch is not None:
            devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
            stack.enter_context(torch.random.fork_rng(devices))
            torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)
