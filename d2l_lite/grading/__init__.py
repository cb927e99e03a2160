"""Exercise checks for learners: `from d2l_lite.grading import check`; a judge for instructors.

The rooms of this folder. A module may import from its own room and from those named behind it; the
middle says what the room is for.

words: plain data, texts, and files that hold them; without any library []
    outcomes, replacing, tiers, wording
wire: values between two processes, one of which may be hostile []
    channel, codec, decoding, encoding, nodes
check: cases, and how they run against names: all that a learner needs [words, wire]
    cases, catching, checker, comparing, deadlines, modules, performing, rendering, reprs, running,
    submission, visible
sandbox: processes that can do no harm, and the proof of it [words]
    attempts, confine, connection, filters, jobs, kernel, landlock, launching, probes, remembering,
    sandbox, server, watching, workers
authoring: from one text source to notebooks and tests [words, check]
    authoring, casetext, cells, generating, proving, rules, source, writing
judge: one notebook graded, by values out of a sandbox [words, wire, check, sandbox, authoring]
    assignment, files, judge, notebooks, remote, worker
reports: what learners and instructors get to see [words, check]
    feedback, gradebook, gradescope, overview, pages, reports, views
batch: a class graded, and the command line [words, check, sandbox, authoring, judge, reports]
    batch, cli, collecting, commands, desks, lanes, options, progress, results, store

Names load their module when they are first asked for: the command line starts without NumPy.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from d2l_lite.grading.cases import (
        Case,
        MismatchError,
        Question,
        case,
        close,
        equal,
        holds,
        raises,
    )
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

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = "checker" if name.lower() == "check" else "cases"
        globals()[name] = getattr(importlib.import_module(f"{__name__}.{home}"), name)
        return globals()[name]

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
