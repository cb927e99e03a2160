"""Exercise checks for learners: `from d2l_lite.grading import check`."""

from d2l_lite.grading.cases import Case, MismatchError, Question, case, close, equal, holds, raises
from d2l_lite.grading.checker import Check, check

__all__ = [
    "Case",
    "Check",
    "MismatchError",
    "Question",
    "case",
    "check",
    "close",
    "equal",
    "holds",
    "raises",
]
