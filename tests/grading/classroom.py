"""A class of submissions for the fake judge, graded by the command line."""

import json
import signal
import subprocess
import sys

from d2l_lite.grading.cli import main
from d2l_lite.grading.results import latest, read_results
from tests.grading.fakes import PARTS, TESTS


def heed_interrupts():
    """Undo what a shell does to commands in the background: they ignore a Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Classroom:
    """Folders `in` and `out`, and `tests.json` beside them."""

    def __init__(self, root):
        self.root, self.log = root, root / "log"
        self.folder, self.out, self.tests = root / "in", root / "out", root / "tests.json"
        self.folder.mkdir()
        self.give(TESTS)

    def give(self, tests):
        self.tests.write_text(json.dumps(tests))

    def hand_in(self, **notebooks):
        for learner, text in notebooks.items():
            text = f"{text}\nlog {self.log}\n"
            (self.folder / f"{learner}.ipynb").write_text(text)

    def words(self, *more):
        return [
            "grade",
            str(self.folder),
            "--tests",
            str(self.tests),
            "--out",
            str(self.out),
            *more,
        ]

    def grade(self, *more, parts=PARTS):
        return main(self.words(*more), parts=parts)

    def regrade(self, *more):
        return main(["regrade", str(self.out), "--tests", str(self.tests), *more], parts=PARTS)

    def start(self, *more):
        """A process group of its own, as a terminal's command is, to be killed."""
        command = [sys.executable, "-m", "tests.grading.fakes", *self.words(*more)]
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=heed_interrupts,
        )

    @property
    def records(self):
        return list(read_results(self.out)) if self.out.exists() else []

    @property
    def latest(self):
        return {one["learner"]: one for one in latest(self.records)}

    @property
    def points(self):
        return {learner: one["points"] for learner, one in self.latest.items()}

    @property
    def times_graded(self):
        return len(self.log.read_text().split()) if self.log.exists() else 0
