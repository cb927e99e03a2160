"""Grades attacks one after another, each between two honest classmates, and sees what they did.

A `Range` sets up what there is to steal and to harm, and can tell afterwards whether it was: a
folder that everybody may write to, an instructor's folder (0700) with tests and results, a process
beside the judge, and listeners on the loopback interface and in the file system.
"""

import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from d2l_lite.grading.assignment import load_assignment
from d2l_lite.grading.judge import Judge, SubmissionResult
from d2l_lite.grading.sandbox import Limits, Tier
from tests.grading.attacks.submission import HERE, Attack, cells_of, filled, notebook, solutions
from tests.processes import alive

#: Small, so that attacks which run into a limit do so soon.
LIMITS = Limits(
    cell=2.0,
    call=1.0,
    submission=15.0,
    memory=256 << 20,
    processes=32,
    disk=32 << 20,
    reply=16 << 20,
)
#: Training takes longer.
LIMITS_OF = {"arrays": LIMITS, "tensors": replace(LIMITS, cell=3.0, call=2.0)}
#: The judge's own memory may grow so much while it grades one attack, in bytes.
MAX_JUDGE_GROWTH = 400 << 20
BASES = ("arrays", "tensors")
FILES = {
    "results.jsonl": '{"learner": "alice", "points": 12, "note": "vault-@KEY@"}\n',
    "grades.csv": "learner,points\nalice,12\nbob,vault-@KEY@\n",
    "other.ipynb": '{"cells": [], "key": "vault-@KEY@"}',
}


class Range:
    """What attacks aim at; made anew for each session, gone after `close`."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="d2l-range-", dir="/var/tmp"))
        self.root.chmod(0o755)
        self.open, self.vault = self.root / "open", self.root / "vault"
        self.open.mkdir()
        self.open.chmod(0o1777)
        self.vault.mkdir(mode=0o700)
        self.mark, key = f"atk{secrets.token_hex(5)}", secrets.token_hex(16)
        self._bystander = subprocess.Popen(["sleep", "3600"], stdin=subprocess.DEVNULL)
        self._listeners = [*self._listen(self.open / "socket", f"\0{self.mark}")]
        self.words = {
            "OPEN": str(self.open),
            "VAULT": str(self.vault),
            "PORT": str(self._listeners[0].getsockname()[1]),
            "SOCKET": str(self.open / "socket"),
            "JUDGE": str(os.getpid()),
            "BYSTANDER": str(self._bystander.pid),
            "MARK": self.mark,
            "KEY": key,
            "OTHERUID": "12345",
        }
        self._previous = os.environ.get("D2L_LITE_VAULT")
        os.environ["D2L_LITE_VAULT"] = f"vault-{key}"
        for name, text in FILES.items():
            (self.vault / name).write_text(filled(text, self.words), encoding="utf-8")
        for name in BASES:
            text = (HERE / f"{name}.md").read_text(encoding="utf-8")
            (self.vault / f"{name}.md").write_text(filled(text, self.words), encoding="utf-8")
        self._kept = self._contents()

    def assignment(self, base: str) -> Path:
        """Return the tests of an assignment, in the instructor's folder."""
        return self.vault / f"{base}.md"

    def _listen(self, path: Path, abstract: str) -> Iterator[socket.socket]:
        """Yield listeners for TCP, UDP on the same port, and two local sockets."""
        tcp = socket.create_server(("127.0.0.1", 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(tcp.getsockname())
        yield from (tcp, udp)
        for address in (str(path), abstract):
            local = socket.socket(socket.AF_UNIX)
            local.bind(address)
            local.listen()
            yield local
        path.chmod(0o777)

    def _contents(self) -> dict[str, bytes]:
        """Return the instructor's files."""
        return {path.name: path.read_bytes() for path in self.vault.iterdir()}

    def harm(self) -> list[str]:
        """Return what was done outside, in words, and repair what the next attack needs."""
        found = [
            f"{path.name} was written" for path in self.open.iterdir() if path.name != "socket"
        ]
        for path in self.open.iterdir():
            if path.name != "socket":
                path.unlink()
        found += [f"a file was left at {path}" for path in self._strays()]
        if self._contents() != self._kept:
            found.append("the instructor's files were changed")
        if self._bystander.poll() is not None:
            found.append("a bystander was killed")
        found += [f"a process lives on: {words}" for words in living(self.mark)]
        found += [f"a message came over the network: {kind}" for kind in self._messages()]
        return found

    def _strays(self) -> Iterator[Path]:
        """Yield marked files in places where anybody, or root alone, may write."""
        package = Path(load_assignment.__code__.co_filename).parents[1]
        for folder in ("/", "/etc", "/usr/local", "/var/tmp", "/root", "/home", "/run", "/opt",
                       "/tmp", "/dev/shm", os.path.dirname(os.__file__), package):  # fmt: skip
            with contextlib.suppress(OSError):
                yield from Path(folder).glob(f"*{self.mark}*")

    def _messages(self) -> Iterator[str]:
        """Yield what arrived at the listeners."""
        names = ("TCP", "UDP", "a local socket", "an abstract socket")
        for name, listener in zip(names, self._listeners, strict=True):
            listener.settimeout(0.0)
            with contextlib.suppress(BlockingIOError):
                while True:
                    if name == "UDP":
                        listener.recv(1 << 16)
                    else:
                        listener.accept()[0].close()
                    yield name

    def close(self) -> None:
        """Take everything down."""
        self._bystander.kill()
        self._bystander.wait()
        for listener in self._listeners:
            listener.close()
        if self._previous is None:
            del os.environ["D2L_LITE_VAULT"]
        else:
            os.environ["D2L_LITE_VAULT"] = self._previous
        shutil.rmtree(self.root, ignore_errors=True)


def living(mark: str) -> Iterator[str]:
    """Yield the command lines and names of processes that carry a mark."""
    for folder in Path("/proc").glob("[0-9]*"):
        if folder.name == str(os.getpid()):
            continue
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes() + (folder / "comm").read_bytes()
            if mark[:15].encode() in words and alive(int(folder.name)):
                yield f"{folder.name} {words[:80]!r}"


@dataclass(frozen=True)
class Outcome:
    """What became of one attack: points by question, and all that is not as it should be.

    `faults` says all of that in words. `stolen` are points beyond those of the honest answers and
    `lost` those that are missing; `harm` was done outside the worker; `touched` is what happened to
    an honest classmate; `late` is whether it took too long, `astray` whether something else ended
    it than what should have.
    """

    points: Mapping[str, int]
    status: str
    seconds: float
    stolen: int
    lost: int
    faults: tuple[str, ...]
    harm: tuple[str, ...]
    touched: str
    late: bool
    astray: bool
    message: str

    @property
    def may_be_slowness(self) -> bool:
        """Whether a busy machine can be the cause: honest work came late, nothing was gained."""
        slow = self.late or self.astray or self.lost or self.touched
        return bool(slow) and not self.stolen and not self.harm


@dataclass
class Session:
    """One judge in one tier for one assignment, and the honest classmate of every attack.

    `patience` multiplies all limits of time.
    """

    range: Range
    tier: Tier
    base: str
    patience: float = 1.0
    judge: Judge = field(init=False)
    full: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        assignment = load_assignment(self.range.assignment(self.base))
        questions = assignment.exercises.questions
        self.full = {name: question.points for name, question in questions.items()}
        limits = LIMITS_OF[self.base]
        clocks = {name: getattr(limits, name) for name in ("cell", "call", "submission")}
        limits = replace(limits, **{name: self.patience * clocks[name] for name in clocks})
        self.judge = Judge(assignment, tier=self.tier, limits=limits, seed=7)
        imports = "import numpy as np\n" + "import torch\n" * (self.base == "tensors")
        self._honest = notebook([imports, *solutions(self.base).values()]).encode()

    def honest(self) -> str:
        """Return what is wrong with an honest classmate's points; empty where nothing is."""
        result = self.judge.grade(self._honest)
        points = points_of(result)
        if result.status == "graded" and points == self.full:
            return ""
        return f"an honest classmate got {points} ({result.status} {result.message})"

    def shoot(self, attack: Attack, folder: Path) -> Outcome:
        """Return what becomes of an attack; an honest classmate comes after it."""
        text = filled(notebook(cells_of(attack)), self.range.words)
        handed: Path | bytes = text.encode("utf-8", "surrogatepass")
        if attack.make is not None:
            handed = attack.make(text, folder)
        before = resident()
        start = time.monotonic()
        result = self.judge.grade(handed)
        seconds = time.monotonic() - start
        time.sleep(attack.wait)
        growth = resident() - before
        return self._outcome(attack, result, seconds=seconds, growth=growth)

    def _outcome(
        self, attack: Attack, result: SubmissionResult, *, seconds: float, growth: int
    ) -> Outcome:
        """Return the outcome of a graded attack, with what is wrong about it."""
        points, want = points_of(result), attack.points(self.full)
        got = {name: points.get(name, 0) for name in self.full}
        harm = self.range.harm()
        late, ending = seconds > self.patience * attack.seconds, described(result)
        astray = bool(attack.never and re.search(attack.never, ending))
        faults = [*harm]
        if got != want:
            faults.append(f"the points should be {want}, are {got}")
        if result.status != attack.status:
            faults.append(f"the status should be {attack.status}, is {result.status}")
        if late:
            faults.append(f"took {seconds:.1f} s, {attack.seconds:g} s are allowed")
        if growth > MAX_JUDGE_GROWTH:
            faults.append(f"the judge's memory grew by {growth >> 20} MiB")
        if astray:
            faults.append(f"it ended for another reason: {ending[:200]}")
        if touched := self.honest():
            faults.append(touched)
        return Outcome(
            points=got,
            status=result.status,
            seconds=seconds,
            stolen=sum(max(0, got[name] - want[name]) for name in want),
            lost=sum(max(0, want[name] - got[name]) for name in want),
            faults=tuple(faults),
            harm=tuple(harm),
            touched=touched,
            late=late,
            astray=astray,
            message=ending,
        )

    def close(self) -> None:
        """End the judge."""
        self.judge.close()


def points_of(result: SubmissionResult) -> dict[str, int]:
    """Return the points of each question of a result."""
    return {one.question.name: one.points for one in result.questions}


def described(result: SubmissionResult) -> str:
    """Return what a result says, for whoever looks for a fault: message, notes, failed cases."""
    words = [result.message, *result.notes]
    for question in result.questions:
        for case in question.cases:
            if case.status != "passed":
                words.append(f"{question.question.name}: {case.status}: {case.message[:300]}")
    return json.dumps([word for word in words if word], indent=1)


def resident() -> int:
    """Return the memory that this process holds, in bytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
