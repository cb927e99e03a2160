"""Run cases against a submission; printing, warnings and random state are caught."""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from d2l_lite.grading.cases import Case, ExerciseSet, MismatchError
from d2l_lite.grading.catching import quiet, seeded
from d2l_lite.grading.comparing import NOTHING
from d2l_lite.grading.deadlines import TimeUpError, time_limit
from d2l_lite.grading.outcomes import CaseResult, Question, QuestionResult
from d2l_lite.grading.performing import LearnerError
from d2l_lite.grading.reprs import short
from d2l_lite.grading.submission import Handle, LocalSide, Recorder, Side, Submission
from d2l_lite.grading.tiers import SandboxError
from d2l_lite.grading.wording import clean

SEED = 0
#: Seconds that one call of the learner's code may take, where its case says nothing else.
CALL_SECONDS = 10.0
#: A whole case may take so many times as long as one of its calls.
CALLS_A_CASE = 4


def run_question(
    exercises: ExerciseSet,
    name: str,
    *,
    namespace: Mapping[str, object] | None = None,
    seed: int = SEED,
    make_side: Callable[[Case], Side] | None = None,
    call_seconds: float = CALL_SECONDS,
) -> QuestionResult:
    """Return what the cases of one question find.

    Args:
        exercises: The set.
        name: Name of the question.
        namespace: The learner's names, where their code runs in this process.
        seed: Seed of the random state and of the generators that cases ask for.
        make_side: Called with each case, returns the side on which the learner's code runs.
        call_seconds: How long one call may take, where its case says nothing else.

    Returns:
        The result, one entry a case; where the learner's code had to be stopped, cases that would
        have come after it are left out.
    """
    question = exercises.questions[name]

    def make_local(case: Case) -> Side:
        seconds = case.seconds or call_seconds
        allowed = exercises.torch_allowed
        return LocalSide(
            namespace or {}, seconds=seconds, cpu=case.cpu, seed=seed, torch_allowed=allowed
        )

    results: list[CaseResult] = []
    for case in exercises.of(name):
        side = (make_side or make_local)(case)
        limit = CALLS_A_CASE * (case.seconds or call_seconds)
        results.append(run_case(case, side, seed=seed, seconds=limit))
        _require_known_hint(results[-1], question)
        if results[-1].stopped:
            break
    return QuestionResult(question, tuple(results))


def _require_known_hint(found: CaseResult, question: Question) -> None:
    """Raise where a case names a hint that its question does not have."""
    if found.hint is not None and found.hint not in question.hints:
        raise ValueError(
            f"hint of question {question.name!r} must be one of {sorted(question.hints)}, "
            f"got {found.hint!r} in the case {found.title!r}; correct its name there"
        )


def run_case(case: Case, side: Side, *, seed: int = SEED, seconds: float = math.inf) -> CaseResult:
    """Return what one case finds.

    Args:
        case: The case.
        side: Where the learner's code runs.
        seed: Seed of the random state and of the generators that the case asks for.
        seconds: How long it may take once the side is ready, in case a result of the learner's
            keeps it busy.

    Returns:
        The result.
    """
    recorder = Recorder()
    submission = Submission(side, recorder)
    with quiet() as output, seeded(seed):
        try:
            side.begin()
            with time_limit(seconds, case.title):
                found = _outcome(case, submission, recorder=recorder, seed=seed)
        except LearnerError as error:
            found = _raised(error, case, called="")
        except TimeUpError:
            message = f"Checking took more than {seconds:g} s. Is a result much too large?"
            late = LearnerError(message, kind="stopped")
            found = _raised(late, case, called=recorder.last())
        except SandboxError:  # no fault of the learner's: there is no result
            raise
        except Exception as error:  # what came back cannot even be put into words
            message = f"The result could not be used: {type(error).__name__}."
            found = {"status": "failed", "message": message}
    return CaseResult(case.title, printed=output(), hidden=case.hidden, **found)


def _outcome(
    case: Case, submission: Submission, *, recorder: Recorder, seed: int
) -> dict[str, Any]:
    """Return the fields of a case's result that depend on how it ended."""
    try:
        case.function(submission, **_generators(case.function, seed))
    except MismatchError as failure:
        index = recorder.find(failure.got)
        value = failure.got if failure.got is not ... or index < 0 else recorder.calls[index][1]
        found = _failed(failure.message, value, called=recorder.story(index))
        hint = None if value is None else failure.hint or case.hint  # None has its own message
        return found | {"want": failure.want, "recognized": failure.recognized, "hint": hint}
    except LearnerError as error:
        return _raised(error, case, called=recorder.last())
    except SandboxError:
        raise
    except Exception as error:
        value = recorder.calls[-1][1] if recorder.calls else ...
        return _failed(_unusable(error, value), value, called=recorder.last())
    return {"status": "passed"}


def _raised(error: LearnerError, case: Case, *, called: str) -> dict[str, Any]:
    """Return the fields of a case that the learner's code did not get through.

    There is no result to give a hint for; an error that a typical mistake raises has its own.
    """
    stopped = error.kind == "stopped"
    names = () if error.unfinished else error.bases
    hint = next((key for key, name in case.errors.items() if name in names), None)
    return {
        "status": "error" if stopped else error.kind,
        "message": error.message,
        "place": error.place,
        "called": called,
        "hint": hint,
        "recognized": hint is not None,
        "stopped": stopped,
    }


def _failed(message: str, value: Any, *, called: str) -> dict[str, Any]:
    """Return the fields of a wrong result."""
    got = "" if value is ... else short(value)
    return {"status": "failed", "message": message, "called": called, "got": got}


def _unusable(error: Exception, value: Any) -> str:
    """Return why a case stumbled over a result that it could not use."""
    if value is None:
        return NOTHING
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
