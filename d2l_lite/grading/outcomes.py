"""What grading finds: results of cases and of questions, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """One graded question: its points (all or nothing) and its hints by key."""

    name: str
    points: int
    hints: Mapping[str, str]


@dataclass(frozen=True)
class CaseResult:
    """What one case found.

    `status` is `passed`, `failed` (a wrong result), `error` (the code raised), `unfinished` or
    `missing` (a name). The texts are for learners; empty where they do not apply. Of a `hidden`
    case learners are told that it failed, and its hint.
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
    stopped: bool = False


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
