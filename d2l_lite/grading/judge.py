"""The judge: grades a notebook against an assignment, by values that come out of a confined worker.

Expected values, hidden cases and points stay in this process. What a learner's notebook does can
cost its own points and nobody else's; where the confinement itself fails, the result says
`infrastructure`, and never zero points.
"""

import importlib
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from d2l_lite.grading.assignment import Assignment
from d2l_lite.grading.cases import Case
from d2l_lite.grading.notebooks import NotebookError, read_notebook
from d2l_lite.grading.outcomes import QuestionResult
from d2l_lite.grading.remote import RemoteSide, Session
from d2l_lite.grading.running import run_question
from d2l_lite.grading.sandbox import Limits, Sandbox, SandboxError, Tier, open_sandbox

#: A machine that was short of something for a moment gets a second chance.
ATTEMPTS = 2


@dataclass(frozen=True)
class SubmissionResult:
    """What the judge found in one notebook.

    `status` is `graded`; `unreadable`, where there is no notebook to grade; or `infrastructure`,
    where grading failed for a reason that is not the learner's. `message` says why. `notes` tell
    the learner what happened to cells. Memory is in bytes, of the worker with all its processes.
    """

    status: str
    message: str
    questions: tuple[QuestionResult, ...]
    notes: tuple[str, ...]
    tier: str
    seconds: float
    cpu_seconds: float = 0.0
    peak_memory: int = 0

    @property
    def points(self) -> int:
        """Points of all questions together."""
        return sum(one.points for one in self.questions)


class Judge:
    """Grades notebooks one after another; its sandbox stays warm between them.

    Args:
        assignment: Questions and cases.
        tier: How learner code is confined; the best that works here where it is None.
        limits: What one submission may use.
        seed: Seed of hidden inputs. The same for all of a class is fair; a new one for each batch
            means that nobody can know them.
        sandbox: One that was opened already, with its tier and limits; the judge closes it.

    Raises:
        SandboxError: The tier does not work on this machine.
    """

    def __init__(
        self,
        assignment: Assignment,
        *,
        tier: Tier | None = None,
        limits: Limits | None = None,
        seed: int = 0,
        sandbox: Sandbox | None = None,
    ) -> None:
        self._assignment, self._seed = assignment, seed
        if sandbox is None:
            sandbox = open_sandbox(assignment.preload, tier=tier, limits=limits)
        if "torch" in assignment.preload:  # answers may be tensors, even where no case makes one
            importlib.import_module("torch")
        self._sandbox, self._limits, self.tier = sandbox, sandbox.limits, sandbox.tier

    def __enter__(self) -> "Judge":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the sandbox."""
        self._sandbox.close()

    def grade(
        self, notebook: bytes | Path, *, questions: Collection[str] | None = None
    ) -> SubmissionResult:
        """Return what the judge finds; nothing that a submission does raises here.

        Args:
            notebook: The learner's notebook, as bytes or as a path.
            questions: Names of the questions to grade; all where it is None.

        Returns:
            The result.
        """
        start = time.monotonic()
        try:
            found = read_notebook(notebook)
        except NotebookError as error:
            return self._failed("unreadable", str(error), start)
        failure = ""
        for _ in range(ATTEMPTS):
            try:
                cells = dict(zip(found.numbers, found.cells, strict=True))
                with Session(self._sandbox, cells, self._limits) as session:
                    results = self._run(session, questions)
            except SandboxError as error:
                failure = str(error)
            except Exception as error:  # a fault of ours must never be a learner's zero
                failure = f"{type(error).__name__}: {error}"
            else:
                notes = (*found.notes, *session.notes)
                used = (time.monotonic() - start, session.cpu_seconds, session.peak_memory)
                return SubmissionResult("graded", "", results, notes, self.tier.value, *used)
        return self._failed("infrastructure", failure, start)

    def _failed(self, status: str, message: str, start: float) -> SubmissionResult:
        return SubmissionResult(status, message, (), (), self.tier.value, time.monotonic() - start)

    def _run(
        self, session: Session, questions: Collection[str] | None
    ) -> tuple[QuestionResult, ...]:
        """Return the results of the questions."""
        exercises, torch = self._assignment.exercises, "torch" in self._assignment.preload

        def make_side(case: Case) -> RemoteSide:
            return RemoteSide(
                session, case, seed=self._seed, limits=self._limits, torch_allowed=torch
            )

        seconds = self._limits.call
        return tuple(
            run_question(
                exercises, name, seed=self._seed, make_side=make_side, call_seconds=seconds
            )
            for name in exercises.questions
            if questions is None or name in questions
        )
