"""This project's own batch command, measured from outside: seconds, memory, points."""

import json
import os
import re
import shutil
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.grading_process import Run, run_command
from tests.grading.crowd import Entry, write
from tools.repository import ROOT

PROGRAM = (sys.executable, "-m", "d2l_lite.grading")
TIMEOUT = 1800.0
#: The first part of a batch, in which judges still grow to their size, is not a trend.
WARM_UP = 0.25


@dataclass(frozen=True)
class Batch:
    """A batch: how long it took, what was graded, how its judges grew.

    `seconds` of the whole command, `each` of every submission as its record says, `wrong` how many
    learners did not get the points that they have earned, `growth` bytes that the judge which grew
    most gained from the first quarter to the end, `memory` the peak of the whole tree in bytes.
    """

    seconds: float
    count: int
    each: tuple[float, ...]
    wrong: int
    growth: float
    memory: int
    tier: str

    @property
    def rate(self) -> float:
        """Submissions a second."""
        return self.count / self.seconds


def call(*words: str | Path, **options: float) -> Run:
    """Return what a command of the grader did; end the program where it failed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "D2L_LITE_OFFLINE": "1"}
    options = {"timeout": TIMEOUT} | options
    run = run_command([*PROGRAM, *words], folder=ROOT, environment=environment, **options)
    if run.status:
        raise SystemExit(f"{' '.join(map(str, words))} ended with {run.status}:\n{run.output}")
    return run


@dataclass(frozen=True)
class Ours:
    """An assignment that is graded here, in one tier."""

    source: Path
    folder: Path
    tier: str

    @property
    def tests(self) -> Path:
        """The file that grades, made of the source."""
        return self.folder / "made" / f"{self.source.stem}.tests.py"

    def prepare(self) -> None:
        """Make the tests, once for all tiers."""
        if not self.tests.exists():
            call("author", self.source, "--out", self.tests.parent)

    def cold(self, entry: Entry, *, watch: float = 0.0) -> tuple[Run, bool]:
        """Return the run of a command for one submission, and whether it got its points."""
        folder, out = self.folder / "one", self.folder / "one-out"
        for path in (folder, out):
            shutil.rmtree(path, ignore_errors=True)
        write([entry], folder, self.source.stem)
        run = self._grade(folder, out, jobs=1, watch=watch)
        return run, not wrong_points(out, [entry])

    def batch(self, entries: Sequence[Entry], *, jobs: int, watch: float = 0.0) -> Batch:
        """Return what grading many submissions gave; the results stay for `resume`."""
        folder, out = self.folder / "many", self.folder / "many-out"
        for path in (folder, out):
            shutil.rmtree(path, ignore_errors=True)
        write(entries, folder, self.source.stem)
        run = self._grade(folder, out, jobs=jobs, watch=watch)
        records = read_records(out)
        each = tuple(float(one["seconds"]) for one in records.values())
        wrong = len(wrong_points(out, entries))
        tiers = "/".join(sorted({one["tier"] for one in records.values()}))
        return Batch(run.seconds, len(entries), each, wrong, growth(run), run.memory, tiers)

    def resume(self, *, jobs: int) -> float:
        """Return the seconds of the same command again, which finds nothing to do."""
        return self._grade(self.folder / "many", self.folder / "many-out", jobs=jobs).seconds

    def _grade(self, folder: Path, out: Path, *, jobs: int, watch: float = 0.0) -> Run:
        """Return the run of a batch."""
        words = ["grade", folder, "--tests", self.tests, "--out", out, "--jobs", str(jobs)]
        return call(*words, "--tier", self.tier, watch=watch)


def read_records(out: Path) -> dict[str, dict]:
    """Return the last record of every learner."""
    lines = (out / "results.jsonl").read_text(encoding="utf-8").splitlines()
    return {one["learner"]: one for one in map(json.loads, lines)}


def wrong_points(out: Path, entries: Sequence[Entry]) -> list[str]:
    """Return the learners whose points are not those that their submissions are worth."""
    found, wrong = read_records(out), []
    for entry in entries:
        questions: Mapping[str, dict] = found.get(entry.learner, {}).get("questions", {})
        if {name: one["points"] for name, one in questions.items()} != entry.points:
            wrong.append(entry.learner)
    return wrong


def growth(run: Run) -> float:
    """Return the bytes that the process which grew most gained, of those that lived all along.

    Workers come and go; what lives from the first quarter to the end are the judges and servers.
    """
    lasting = [
        course
        for course in run.courses.values()
        if course[-1][0] - course[0][0] > 0.8 * run.seconds
    ]
    gains = []
    for course in lasting:
        kept = [point for point in course if point[0] > WARM_UP * run.seconds]
        third = max(1, len(kept) // 3)
        sizes = [size for _, size in kept]
        gains.append(statistics.median(sizes[-third:]) - statistics.median(sizes[:third]))
    return max(gains, default=0.0)


def tiers() -> dict[str, str]:
    """Return which tiers work here, and what the others lack, as `probe` says."""
    run = run_command([*PROGRAM, "probe"], folder=ROOT, environment=dict(os.environ))
    return dict(re.findall(r"^(bubblewrap|other-uid|plain)\b[:\s]*(.*)$", run.output, re.M))
