"""otter-grader and nbgrader: the same assignment in their formats, the same submissions.

Both are installed into environments of their own. Their tests are made from the same cases as ours,
as an instructor would write them there: calls on the notebook's own names, compared with
`numpy.testing`; all of a question's cases stand in one test, since its points are all or nothing.
"""

import contextlib
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.grading_process import Run, run_command
from d2l_lite.grading.source import ExerciseSource
from tests.grading.attacks.submission import document, new_cell
from tests.grading.crowd import Piece

ASSIGNMENT, NOTEBOOK = "work", "work.ipynb"
TIMEOUT = 300.0
#: What the cases call, in the terms of the peers: plain assertions.
SHIM = """\
import contextlib

import numpy as np

CASES = []


def case(question, **options):
    return lambda function: CASES.append((question, function)) or function


def close(got, want, *, rtol=None, atol=None, check_dtype=True, **options):
    if isinstance(want, dict):
        assert sorted(got) == sorted(want)
        for key in want:
            close(got[key], want[key], rtol=rtol, atol=atol)
    elif isinstance(want, (list, tuple)):
        assert len(got) == len(want)
        for one, other in zip(got, want):
            close(one, other, rtol=rtol, atol=atol)
    elif isinstance(want, str):
        assert got == want
    else:
        assert np.shape(got) == np.shape(want)
        if isinstance(want, np.ndarray) and check_dtype:
            assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=rtol or 1e-7, atol=atol or 1e-8)


def equal(got, want, **options):
    np.testing.assert_equal(got, want)


def holds(condition, message, **options):
    assert condition, message


@contextlib.contextmanager
def raises(error, **options):
    try:
        yield
    except Exception as found:
        assert error in [base.__name__ for base in type(found).__mro__]
    else:
        raise AssertionError(f"{error} expected")


class Names:
    def __init__(self, names):
        self.__dict__["names"] = names

    def __getattr__(self, name):
        return self.names[name]

    def build(self, expression):
        return eval(expression, {"np": np})


def run_cases(question, names):
    for name, function in CASES:
        if name == question:
            code = function.__code__
            wanted = code.co_varnames[:code.co_argcount]
            given = {"rng": np.random.default_rng(0)} if "rng" in wanted else {}
            function(Names(names), **given)
"""


OTTER_TEST = """\
OK_FORMAT = False
name = "{question}"
points = {points}

from otter.test_files import test_case

{cases}

@test_case(hidden=True, points={points})
def test_{question}(env):
    run_cases("{question}", env)
"""
READ_GRADES = """\
import json
from nbgrader.api import Gradebook
with Gradebook("sqlite:///gradebook.db") as gradebook:
    found = {
        one.student.id: {g.cell.name: g.score for book in one.notebooks for g in book.grades}
        for one in gradebook.assignment_submissions("work")
    }
print(json.dumps(found))
"""


def mark(name: str, *, points: int | None = None) -> dict[str, Any]:
    """Return nbgrader's marks: of an answer's cell, or of the test that is worth points."""
    tests = points is not None
    marks = {"grade": tests, "grade_id": name, "locked": tests, "schema_version": 3}
    marks |= {"solution": not tests, "task": False}
    return marks | ({"points": points} if tests else {})


def write_notebook(path: Path, cells: Iterable[Mapping[str, Any]]) -> None:
    """Write a notebook of format 4.5."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document(cells)), encoding="utf-8")


def test_text(source: ExerciseSource) -> str:
    """Return the cases of a set, visible and hidden, as Python without this project's package."""
    cells = [cell.source for cell in source.of("visible", "hidden")]
    text = re.sub(r"^from d2l_lite.*\n", "", "\n\n".join(cells) + "\n", flags=re.M)
    text = re.sub(r"\bs\.value\((\"\w+\"|'\w+')\)", r"s.names[\1]", text)
    return f"{SHIM}\n\n{text.replace('.value()', '')}"


def without_checks(text: str) -> str:
    """Return a cell without the lines that call this project's own checks."""
    return "\n".join(line for line in text.splitlines() if not re.search(r"\bcheck\b", line))


def base_prefix(environment: Path) -> Path:
    """Return the folder of the Python that an environment was made of."""
    text = (environment / "pyvenv.cfg").read_text(encoding="utf-8")
    return Path(re.search(r"^home = (.+)$", text, re.M)[1]).parent


def install(peers: Path, pins: Mapping[str, Sequence[str]]) -> None:
    """Create an environment for each peer and install its pinned packages."""
    for name, packages in pins.items():
        python = peers / name / "bin" / "python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", peers / name], check=True)
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, *packages], check=True)


@dataclass(frozen=True)
class Peer:
    """A grader in an environment of its own, with one assignment below `folder`."""

    environment: Path
    folder: Path
    source: ExerciseSource
    #: What stands before each command, where it runs in a cage.
    prefix: tuple[str, ...] = ()

    #: Packages with their versions; the first is the grader itself.
    pins = ("",)

    @property
    def name(self) -> str:
        """Name and version."""
        return self.pins[0].replace("==", " ")

    def variables(self) -> dict[str, str]:
        """Return the environment variables of its commands; nothing is read from this user."""
        home = self.folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        path = f"{self.environment / 'bin'}:{os.defpath}"
        fixed = {"OMP_NUM_THREADS": "1", "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
        return fixed | {"PATH": path, "HOME": str(home), "JUPYTER_PLATFORM_DIRS": "0"}

    def call(self, program: str, *arguments: str | Path, **options: float) -> Run:
        """Return what a program of the grader did in the folder of the assignment."""
        return run_command(
            [*self.prefix, self.environment / "bin" / program, *arguments],
            folder=self.folder,
            environment=self.variables(),
            **{"timeout": TIMEOUT} | options,
        )

    def notebook(self, learner: str) -> Path:
        """Return where a submission lies."""
        return self.folder / "submitted" / learner / NOTEBOOK

    def must(self, *command: str) -> Run:
        """Return what a command did; end the program where it failed."""
        run = self.call(*command)
        if run.status:
            raise SystemExit(f"{self.name}: {' '.join(map(str, command))} failed:\n{run.output}")
        return run


class Otter(Peer):
    """`otter run`, a command for each notebook: what `otter grade` does inside its container."""

    pins = ("otter-grader==7.0.0", "numpy==2.4.6", "jupytext==1.19.6", "ipykernel==7.4.0")

    def prepare(self) -> None:
        """Write the tests and make the archive that grades."""
        tests = self.folder / "tests"
        tests.mkdir(parents=True, exist_ok=True)
        for question, cell in self.source.questions.items():
            points = cell.metadata["points"]
            text = OTTER_TEST.format(question=question, points=points, cases=test_text(self.source))
            (tests / f"{question}.py").write_text(text, encoding="utf-8")
        self.must("otter", "generate", "-t", str(tests), "-o", str(self.folder / "autograder.zip"))

    def submit(self, learner: str, pieces: Iterable[Piece]) -> None:
        """Write a submission: the learner's cells as they are."""
        cells = [new_cell(one.kind, without_checks(one.text)) for one in pieces]
        write_notebook(self.notebook(learner), cells)
        (self.folder / "results" / learner).mkdir(parents=True, exist_ok=True)

    def grade_one(self, learner: str, **options: float) -> Run:
        """Return what grading one submission took."""
        results = self.folder / "results" / learner
        results.mkdir(parents=True, exist_ok=True)
        command = [
            "run",
            self.notebook(learner),
            "-a",
            self.folder / "autograder.zip",
            "-o",
            results,
        ]
        return self.call("otter", *command, "--no-logo", **options)

    def grade_all(self) -> None:
        """Grade every submission, one after the other."""
        for folder in sorted((self.folder / "submitted").iterdir()):
            self.grade_one(folder.name)

    def points(self) -> dict[str, dict[str, float]]:
        """Return the points of every question by learner; those without a result are left out."""
        found = {}
        for path in sorted((self.folder / "results").glob("*/results.json")):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                if not stat.S_ISREG(path.lstat().st_mode):
                    continue  # nothing of ours: a submission put it there
                tests = json.loads(path.read_text(encoding="utf-8"))["tests"]
                names = {one["name"].split()[0]: float(one.get("score", 0)) for one in tests}
                found[path.parent.name] = {q: names.get(q, 0.0) for q in self.source.questions}
        return found


class Nbgrader(Peer):
    """`nbgrader autograde`: tests in locked cells, the hidden ones put back when it grades."""

    pins = ("nbgrader==0.9.6", "numpy==2.4.6", "ipykernel==7.4.0")

    def prepare(self) -> None:
        """Write the source notebook and release it."""
        cells = []
        for cell in self.source.of("markdown", "code", "question"):
            kind = "markdown" if cell.role == "markdown" else "code"
            if cell.role == "question":
                cells.append(new_cell("code", cell.source, nbgrader=mark(cell.question)))
                cells.append(self._test_cell(cell.question, hidden=True))
            else:
                cells.append(new_cell(kind, without_checks(cell.source)))
        write_notebook(self.folder / "source" / ASSIGNMENT / NOTEBOOK, cells)
        self.must("nbgrader", "generate_assignment", ASSIGNMENT, "--force")

    def _test_cell(self, question: str, *, hidden: bool) -> dict[str, Any]:
        """Return the locked cell that gives the points; learners do not see what it does."""
        points = self.source.questions[question].metadata["points"]
        text = f"# Tests of {question}"
        if hidden:
            call = f"run_cases({question!r}, globals())"
            tests = f"{test_text(self.source)}\n\n{call}"
            text += f"\n### BEGIN HIDDEN TESTS\n{tests}\n### END HIDDEN TESTS"
        return new_cell("code", text, nbgrader=mark(f"test_{question}", points=points))

    def submit(self, learner: str, pieces: Iterable[Piece]) -> None:
        """Write a submission: the released notebook with the learner's answers and extra cells."""
        cells = []
        for one in pieces:
            marks = {"nbgrader": mark(one.question)} if one.question else {}
            cells.append(new_cell(one.kind, without_checks(one.text), **marks))
            if one.question:
                cells.append(self._test_cell(one.question, hidden=False))
        write_notebook(self.notebook(learner), cells)

    def notebook(self, learner: str) -> Path:
        """Return where a submission lies."""
        return self.folder / "submitted" / learner / ASSIGNMENT / NOTEBOOK

    def grade_one(self, learner: str, **options: float) -> Run:
        """Return what grading one submission took."""
        return self.call("nbgrader", "autograde", ASSIGNMENT, "--student", learner, **options)

    def grade_all(self) -> None:
        """Grade every submission in one command, which is nbgrader's way."""
        self.call("nbgrader", "autograde", ASSIGNMENT)

    def points(self) -> dict[str, dict[str, float]]:
        """Return the points of every question by learner; those without a result are left out."""
        run = self.call("python", "-c", READ_GRADES)
        with contextlib.suppress(ValueError, IndexError):
            found = json.loads(run.output.splitlines()[-1])
            return {
                learner: {
                    name: float(one.get(f"test_{name}") or 0) for name in self.source.questions
                }
                for learner, one in found.items()
            }
        return {}


PEERS: Mapping[str, type[Otter] | type[Nbgrader]] = {"otter": Otter, "nbgrader": Nbgrader}
