"""The judge's end of a confined worker: sends cells and operations, takes values and nothing else.

Whatever the learner's code does to its process costs that code its own points: a cell or a call
that hangs or crashes is left out, a fresh worker runs the other cells, and grading goes on.
"""

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from d2l_lite.grading.cases import Case
from d2l_lite.grading.catching import learner_seed
from d2l_lite.grading.channel import (
    MAX_JSON,
    MAX_PARTS,
    Channel,
    LateError,
    ProtocolError,
    TooLargeError,
)
from d2l_lite.grading.codec import CodecError, Reference, decode, encode
from d2l_lite.grading.performing import LearnerError, require_cpu, stopped
from d2l_lite.grading.sandbox import Ending, Limits, Sandbox, SandboxError, Worker
from d2l_lite.grading.wording import MAX_PRINTED, clean

#: A submission that ends its process more often than this is not started again.
MAX_WORKERS = 10
#: Seconds within which a fresh worker must say that it is there.
START_SECONDS = 30.0
#: What a frame may hold beside its binary parts.
_OVERHEAD = MAX_JSON + 8 * MAX_PARTS
#: How many cells that failed, and characters of each, are searched for a name that is missing.
_MAX_BLAMED, _MAX_SEARCHED = 20, 20_000
_KINDS = ("error", "missing", "unfinished")
_REASONS = {
    "memory": "Your code needed more memory than the {memory:.0f} MiB it may use",
    "processes": "Your code started more than {processes} processes or threads",
    "disk": "Your code wrote more than the {disk:.0f} MiB it may write",
}


class Session:
    """One submission while it is graded: its worker, and a new one where the code ends that.

    Args:
        sandbox: Where workers come from.
        cells: Code cells of the notebook by their numbers, in order.
        limits: What the submission may use.
    """

    def __init__(self, sandbox: Sandbox, cells: Mapping[int, str], limits: Limits) -> None:
        self._sandbox, self._cells, self._limits = sandbox, cells, limits
        self._left_out: set[int] = set()
        self._end = time.monotonic() + limits.submission
        self._worker: Worker | None = None
        self._channel: Channel | None = None
        self._workers = 0
        self.notes: dict[str, None] = {}
        self._failed: dict[int, None] = {}
        self.cpu_seconds, self.peak_memory = 0.0, 0

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def run_cells(self) -> None:
        """Bring up a worker that has run every cell that can be run."""
        while self._channel is None:
            self._start()
            for number, source in self._cells.items():
                if number not in self._left_out and not self._run_cell(number, source):
                    self._left_out.add(number)
                    break

    def _run_cell(self, number: int, source: str) -> bool:
        """Return whether the worker lives on after a cell; an exception is noted."""
        message = {"do": "cell", "number": number}
        parts = [source.encode("utf-8", "surrogatepass")]
        try:
            reply, _ = self._exchange(message, parts, seconds=self._limits.cell)
            _raise_error(reply)
        except TooLargeError as error:
            self._failed[number] = None
            self.notes[f"Cell {number} was left out: {error}."] = None
        except LearnerError as error:
            self._failed[number] = None
            if error.kind == "stopped":
                self.notes[f"Cell {number} was left out. {error.message}"] = None
                return False
            words = f"Cell {number} did not run to its end. {error.message}"
            self.notes[words + (f" ({error.place})" if error.place else "")] = None
        return True

    def ask(
        self, message: dict[str, Any], parts: Sequence[bytes], *, seconds: float
    ) -> tuple[dict[str, Any], Sequence[memoryview]]:
        """Return the worker's reply, from a fresh worker where the last one was stopped.

        Args:
            message: What to do.
            parts: Its binary parts.
            seconds: How long it may take.

        Returns:
            The reply and its binary parts, unchecked but for their frame.

        Raises:
            LearnerError: The learner's code had to be stopped.
            SandboxError: No worker could be started, or a fault of ours kept us from asking it.
        """
        self.run_cells()
        try:
            return self._exchange(message, parts, seconds=seconds)
        except (OSError, TooLargeError) as error:
            raise SandboxError(f"a worker could not be asked: {error}") from None

    def failed_cell(self, name: str) -> int | None:
        """Return the first cell that defines a name and did not run to its end, if there is one."""
        for number in list(self._failed)[:_MAX_BLAMED]:
            lines = self._cells[number][:_MAX_SEARCHED].splitlines()
            if any(_defines(line, name) for line in lines):
                return number
        return None

    def used_cpu(self) -> float:
        """Return the seconds of processor time that the present worker has used."""
        return 0.0 if self._worker is None else self._worker.cpu_seconds()

    def _exchange(
        self, message: dict[str, Any], parts: Sequence[bytes], *, seconds: float
    ) -> tuple[dict[str, Any], Sequence[memoryview]]:
        """Send a message and return the reply; a worker that gives none is stopped."""
        assert self._channel is not None
        now, token = time.monotonic(), os.urandom(8).hex()
        try:
            deadline = min(now + seconds, self._end)
            self._channel.send({**message, "token": token}, parts, deadline=deadline)
            reply, sent = self._channel.receive(deadline=deadline)
            while reply.get("token") != token:  # the learner's own: it must not answer what follows
                reply, sent = self._channel.receive(deadline=deadline)
        except TooLargeError:  # what we send; a reply that is too large breaks the connection
            raise
        except LateError:
            self._stop()
            raise self._late(seconds) from None
        except ProtocolError as error:
            raise LearnerError(self._words(self._stop(), error), kind="stopped") from None
        except BaseException:  # half a message may be on its way
            self._stop()
            raise
        return reply, sent

    def _late(self, seconds: float) -> LearnerError:
        """Return the error of code that took too long, by itself or with all that came before."""
        if time.monotonic() < self._end:
            return stopped(seconds)
        whole = self._limits.submission
        return LearnerError(f"The {whole:g} s for this notebook are used up.", kind="stopped")

    def _words(self, ending: Ending, error: ProtocolError) -> str:
        """Return how a worker ended that did not answer."""
        reason = ending.reason
        if reason in _REASONS:
            used = {name: getattr(self._limits, name) / 2**20 for name in ("memory", "disk")}
            return _REASONS[reason].format(processes=self._limits.processes, **used) + "."
        if reason.startswith(("exit", "signal")):
            return f"Your code ended its own process ({reason})."
        return f"Your code broke the connection to the grader ({error})."

    def _start(self) -> None:
        """Start a worker and wait until it is there."""
        if self._workers >= MAX_WORKERS or time.monotonic() >= self._end:
            message = "Your code was stopped too often, or for too long, to go on."
            raise LearnerError(message, kind="stopped")
        self._workers += 1
        self._worker = self._sandbox.start()
        channel = Channel(self._worker.socket, max_bytes=self._limits.reply + _OVERHEAD)
        try:
            channel.receive(deadline=time.monotonic() + START_SECONDS)
        except ProtocolError as error:
            ending = self._stop()
            raise SandboxError(f"a worker did not start: {ending.reason or error}") from None
        self._channel = channel

    def _stop(self) -> Ending:
        """Stop the worker, if there is one, and return how it ended."""
        self._channel = None
        if self._worker is None:
            return Ending("", 0.0, 0)
        ending = self._worker.kill()
        self._worker = None
        self.cpu_seconds += ending.cpu_seconds
        self.peak_memory = max(self.peak_memory, ending.peak_memory)
        return ending


class RemoteSide:
    """The learner's names in a worker, for one case.

    Args:
        session: The submission.
        case: The case.
        seed: Seed of hidden inputs.
        limits: What the submission may use.
        torch_allowed: Whether tensors may come back. PyTorch must be loaded then: loading it in
            the middle of a case would take longer than any call may.
    """

    def __init__(
        self, session: Session, case: Case, *, seed: int, limits: Limits, torch_allowed: bool
    ) -> None:
        self._session, self._torch_allowed = session, torch_allowed
        self._seconds = case.seconds or limits.call
        self._cpu = case.cpu
        self._message = {"do": "case", "seed": learner_seed(seed), "max_bytes": limits.reply}
        self._message |= {"torch_allowed": torch_allowed}

    def begin(self) -> None:
        """Bring up a worker that has run the cells, anew where one died between two cases.

        Raises:
            LearnerError: The code had to be stopped too often, or for too long, to go on.
        """
        try:
            self._session.ask(self._message, [], seconds=self._seconds)
        except LearnerError:
            self._session.ask(self._message, [], seconds=self._seconds)

    def ask(self, operation: str, operands: list[Any], named: dict[str, Any]) -> Any:
        """Return what an operation gives in the worker."""
        node, parts = encode([operands, named], refer=_refuse, arguments=True)
        message = {"do": "ask", "operation": operation, "node": node}
        before = self._session.used_cpu() if self._cpu is not None else 0.0
        reply, sent = self._session.ask(message, parts, seconds=self._seconds)
        _print(reply.get("printed"))
        if self._cpu is not None:
            require_cpu(self._session.used_cpu() - before, self._cpu)
        try:
            _raise_error(reply)
        except LearnerError as error:
            raise self._explained(error, operands[0]) from None
        allowed = self._torch_allowed
        try:
            return decode(
                reply.get("value"), sent, resolve=lambda found: found, torch_allowed=allowed
            )
        except CodecError as error:
            raise LearnerError(f"What came back could not be read: {clean(str(error))}") from None

    def _explained(self, error: LearnerError, name: object) -> LearnerError:
        """Return an error; where a name is missing since its cell failed, it says so."""
        is_name = error.kind == "missing" and isinstance(name, str)
        number = self._session.failed_cell(str(name)) if is_name else None
        if number is None:
            return error
        message = f"`{name}` is not defined, since cell {number} did not run to its end."
        return LearnerError(message, kind="missing")


def _defines(line: str, name: str) -> bool:
    """Return whether a line of code seems to define a name, or to assign to it."""
    head = line.partition("(")[0].replace(",", " ").replace(":", " ")
    before, equals, after = head.partition("=")
    words = before.split()
    assigns = bool(equals) and not after.startswith("=")
    return name in words and (assigns or bool({"def", "class"} & set(words)))


def _refuse(thing: object) -> Reference:
    """Return a reference as it is; raise for a value of ours that cannot cross."""
    if isinstance(thing, Reference):
        return thing
    raise TypeError(
        f"a case can send plain values and handles only, got {thing!r}; use s.build(text)"
    )


def _print(text: object) -> None:
    """Print what the learner's code printed, so that it is caught as in a notebook."""
    if isinstance(text, str) and text:
        print(clean(text, MAX_PRINTED))


def _raise_error(reply: Mapping[str, Any]) -> None:
    """Raise the error that a reply tells of, in as far as it is well formed."""
    if "error" not in reply:
        return
    found = reply["error"] if isinstance(reply["error"], dict) else {}
    message, place = (clean(str(found.get(key, ""))[:2000]) for key in ("message", "place"))
    kind, bases = found.get("kind"), found.get("bases")
    names = [str(base)[:100] for base in bases[:50]] if isinstance(bases, list) else []
    raise LearnerError(message, place=place, kind=kind if kind in _KINDS else "error", bases=names)
