"""A judge that obeys the notebook, for tests of everything around it.

A notebook is text: `answer mse` passes a question, and other words make the judge sleep, die, hang
or fail. Tests are JSON: points and a digest for each question.
"""

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

from d2l_lite.grading.cases import Question
from d2l_lite.grading.cli import Parts, main
from d2l_lite.grading.outcomes import CaseResult, QuestionResult
from d2l_lite.grading.tiers import SandboxError, Tier

OPENER = "tests.grading.fakes:open_fake"
TESTS = {"set": "demo", "questions": {"one": [2, "d1"], "two": [3, "d2"]}}


def load_fake(path):
    return from_text(Path(path).read_text())


def from_text(text):
    facts = json.loads(text)
    questions = {
        name: Question(name, points, {"hint": f"Hint of {name}."})
        for name, (points, _) in facts["questions"].items()
    }
    return SimpleNamespace(
        exercises=SimpleNamespace(slug=facts["set"], questions=questions),
        digest=hashlib.sha256(text.encode()).hexdigest(),
        digests={name: digest for name, (_, digest) in facts["questions"].items()},
        page="",
    )


def open_fake(spec):
    if spec.tests.startswith("broken"):
        raise SandboxError("no sandbox here")
    assignment = from_text(spec.tests)
    return FakeJudge(assignment, spec), assignment.digests


class FakeJudge:
    def __init__(self, assignment, spec):
        self.assignment, self.spec = assignment, spec

    def close(self):
        pass

    def grade(self, notebook, *, questions=None):
        words = [line.split() for line in notebook.decode().splitlines() if line.split()]
        found = {"status": "graded", "message": "", "notes": ()}
        for word, *rest in words:
            if word in ACTIONS:
                found |= ACTIONS[word](*rest) or {}
        answered = {rest[0] for word, *rest in words if word == "answer"}
        results = [
            QuestionResult(question, (self.case(name in answered),))
            for name, question in self.assignment.exercises.questions.items()
            if questions is None or name in questions
        ]
        found["questions"] = tuple(results) if found["status"] == "graded" else ()
        costs = {"seconds": 0.01, "cpu_seconds": 0.01, "peak_memory": 1}
        return SimpleNamespace(**found, **costs, tier=self.spec.tier or "bubblewrap")

    def case(self, passed):
        seen = f"seed {self.spec.seed}"
        if passed:
            return CaseResult("Case", "passed", got=seen)
        return CaseResult("Case", "failed", "wrong", got=seen, hint="hint")


def die(*marker):
    if not marker or not Path(*marker).exists():
        for path in marker:
            Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)


def log(path):
    with open(path, "a") as file:
        file.write(f"{os.getpid()}\n")


ACTIONS = {
    "sleep": lambda seconds: time.sleep(float(seconds)),
    "die": die,
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "raise": lambda: (_ for _ in ()).throw(RuntimeError("a fault of ours")),
    "unreadable": lambda: {"status": "unreadable", "message": "No JSON. Hand it in again."},
    "shout": lambda: {"status": "unreadable", "message": "\x1b[2J\x1b]0;pwned\x07"},
    "infrastructure": lambda: {"status": "infrastructure", "message": "The sandbox is gone."},
    "note": lambda text: {"notes": (text,)},
    "log": log,
}
PARTS = Parts(
    load=load_fake,
    choose=lambda wanted: wanted or Tier.BUBBLEWRAP,
    spec={"opener": OPENER, "patience": 5.0},
)

if __name__ == "__main__":
    sys.exit(main(parts=PARTS))
