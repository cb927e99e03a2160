"""A judge's own process: it keeps one judge warm, and grades what it is sent.

A task holds a notebook's bytes and the tests' text, so that no folder needs to be common to the
machines; what goes back are plain values.
"""

import faulthandler
import functools
import os
import pkgutil
import tempfile
import threading
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d2l_lite.grading.casetext import preload_of
from d2l_lite.grading.results import Record, SetInfo, outcome
from d2l_lite.grading.tiers import Limits, SandboxError, Tier

#: Seconds that a judge may need beyond the limit of a submission: to start, and to give up.
PATIENCE = 60.0


@dataclass(frozen=True)
class Spec:
    """What a judge is made of: the tests as text, and how learner code is confined.

    `name` is the path of the tests as it was given, for messages; `opener` names the function that
    makes the judge and its digests in a process; `tier` is empty where each machine chooses its
    best one.
    """

    name: str
    tests: str
    tier: str
    seed: int
    limits: tuple[tuple[str, float], ...] = ()
    opener: str = "d2l_lite.grading.desks:open_judge"
    patience: float = PATIENCE

    @property
    def seconds(self) -> float:
        """Wall-clock seconds after which a judge is taken for dead."""
        return Limits(**self.as_limits()).submission + self.patience

    def as_limits(self) -> dict[str, Any]:
        """Return the limits that differ from the usual ones, by name."""
        return dict(self.limits)


@dataclass
class Desk:
    """The judge of this process, and what belongs to it."""

    spec: Spec
    judge: Any
    digests: Mapping[str, str]


_DESKS: list[Desk] = []
#: Judges are not shared by threads: a worker with several of them grades one notebook at a time.
_ONE_AT_A_TIME = threading.Lock()


def open_judge(spec: Spec) -> tuple[Any, Mapping[str, str]]:
    """Return a judge for the tests of `spec`, and the digests of the questions.

    Args:
        spec: The tests and the confinement.

    Returns:
        Judge and digests.

    Raises:
        SandboxError: The confinement does not work here.
    """
    with ThreadPoolExecutor(1) as beside:  # it loads the libraries while this process does
        opening = beside.submit(_sandbox, spec)
        try:
            from d2l_lite.grading.judge import Judge

            assignment = _assignment(spec.name, spec.tests)
        except BaseException:
            if opening.exception() is None:
                opening.result().close()
            raise
        judge = Judge(assignment, seed=spec.seed, sandbox=opening.result())
    if not spec.tier and not judge.tier.trusted:
        judge.close()
        raise SandboxError(
            "this machine can only grade without isolation (tier plain), whose scores cannot be "
            "trusted; run `python -m d2l_lite.grading probe` on it to see what is missing"
        )
    return judge, assignment.digests


def _sandbox(spec: Spec) -> Any:
    """Return the sandbox for a judge; what it loads is told from the text of the tests."""
    from d2l_lite.grading.sandbox import open_sandbox

    tier = Tier(spec.tier) if spec.tier else None
    is_python = spec.name.endswith(".py")
    preload = preload_of(spec.tests) if is_python else _assignment(spec.name, spec.tests).preload
    return open_sandbox(preload, tier=tier, limits=Limits(**spec.as_limits()))


@functools.lru_cache(maxsize=1)
def _assignment(name: str, tests: str) -> Any:
    """Return the assignment of a text."""
    from d2l_lite.grading.assignment import AssignmentError, load_assignment

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, Path(name).name)
        path.write_text(tests, encoding="utf-8")
        try:
            return load_assignment(path)
        except AssignmentError as error:
            raise AssignmentError(str(error).replace(str(path), name)) from None


def describe(spec: Spec, source: str) -> SetInfo:
    """Return the facts of the tests, after opening the judge for them.

    Args:
        spec: The judge.
        source: Hash of the tests' text.

    Returns:
        The facts.
    """
    _desk(spec)
    return describe_tests(spec, source)


def describe_tests(spec: Spec, source: str) -> SetInfo:
    """Return the facts of the tests, and open no judge.

    Args:
        spec: The judge that would be made.
        source: Hash of the tests' text.

    Returns:
        The facts.
    """
    return SetInfo.of(_assignment(spec.name, spec.tests), source)


def _desk(spec: Spec) -> Desk:
    """Return the judge of this process; one made of something else is closed first."""
    if not _DESKS or _DESKS[0].spec != spec:
        close_judge()
        judge, digests = pkgutil.resolve_name(spec.opener)(spec)
        _DESKS.append(Desk(spec, judge, digests))
    return _DESKS[0]


def close_judge() -> None:
    """End the judge of this process, and its sandbox."""
    while _DESKS:
        _DESKS.pop().judge.close()


def grade(spec: Spec, notebook: bytes, questions: Collection[str] | None) -> Record:
    """Return the part of a record that the judge of this process determines.

    A judge that does not come back ends with its process, even where it holds every lock of
    Python: whoever waits for it sees a worker that died.

    Args:
        spec: The judge.
        notebook: The notebook.
        questions: Names of the questions to grade; all where it is None.

    Returns:
        Plain values.
    """
    with _ONE_AT_A_TIME, open(os.devnull, "w") as nowhere:
        faulthandler.dump_traceback_later(spec.seconds, exit=True, file=nowhere)
        try:
            desk = _desk(spec)
            return outcome(desk.judge.grade(notebook, questions=questions), desk.digests)
        finally:
            faulthandler.cancel_dump_traceback_later()
