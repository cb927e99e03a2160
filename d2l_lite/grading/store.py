"""The output folder of a batch: its lock, its settings (`run.json`), its growing results."""

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from d2l_lite.grading.replacing import replace_file
from d2l_lite.grading.results import (
    RESULTS,
    OutputError,
    Record,
    SetInfo,
    complete_lines,
    parsed,
)

RUN, LOCK = "run.json", "batch.lock"
VERSION = 1
#: Records are safe from a power cut after at most this many seconds; from a crash at once.
SYNC_SECONDS = 1.0


@dataclass(frozen=True)
class Run:
    """How a batch is graded: kept in `run.json`, so that it goes on in the same way."""

    seed: int
    tests: str
    submissions: str
    info: SetInfo
    tier: str = ""
    limits: Mapping[str, float] = field(default_factory=dict)
    roster: str = ""
    layout: str = "plain"
    book: str = ""
    title: str = ""
    #: What reports add to a learner's last record: `choice` for all, `remark` for instructors.
    added: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    #: Of what reports were written last: size of `results.jsonl`, address of the book, title,
    #: hash of `added`.
    reported: Sequence[Any] = ()
    version: int = VERSION


def load_run(folder: Path) -> Run | None:
    """Return how the batch of an output folder is graded; None where none was started.

    Args:
        folder: The output folder.

    Returns:
        The settings.

    Raises:
        OutputError: `run.json` is not what this version writes.
    """
    path = folder / RUN
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} must be a batch's settings: {error}; restore it") from None
    version = facts.get("version") if isinstance(facts, dict) else None
    if version != VERSION:
        raise OutputError(
            f"{path} must have version {VERSION}, has {version!r}; grade into a new folder"
        )
    known = {one.name for one in fields(Run)} - {"info"}
    try:
        info = SetInfo(**facts["info"])
        return Run(info=info, **{name: facts[name] for name in known & facts.keys()})
    except (KeyError, TypeError) as error:
        raise OutputError(f"{path} must hold a batch's settings: {error}; restore it") from None


def require_run(folder: Path) -> Run:
    """Return how the batch of an output folder is graded, which must have been started.

    Args:
        folder: The output folder.

    Returns:
        The settings.

    Raises:
        OutputError: There are none, or they are not what this version writes.
    """
    run = load_run(folder)
    if run is None:
        raise OutputError(f"{folder} must be the output folder of a batch: it has no {RUN}")
    return run


def save_run(folder: Path, run: Run) -> None:
    """Write `run.json`, whole or not at all.

    Args:
        folder: The output folder.
        run: The settings.

    Raises:
        OutputError: It cannot be written.
    """
    path = folder / RUN
    with telling(path):
        replace_file(path, json.dumps(asdict(run), indent=1).encode(), durable=True)


@contextlib.contextmanager
def telling(path: Path) -> Iterator[None]:
    """Return a context in which a failure of the file system says what to do about it."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.strerror or error}. Every record so far is kept; "
            "make room or give another folder, then run the same command again"
        ) from error


@dataclass(frozen=True)
class Seen:
    """What is remembered of a learner's last record: enough to know what is done.

    `cut` says whether something was stopped or left out, so that other limits may help.
    """

    offset: int
    status: str
    notebook: str
    tests: str
    seed: int
    stamp: tuple[int, ...]
    message: str
    points: int | None
    limits: Mapping[str, float]
    cut: bool


class Store:
    """The output folder of a running batch: locked, repaired, appended to, and read again.

    Memory holds a few words for each learner, never the records.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / RESULTS
        with telling(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self.seen: dict[str, Seen] = {}
        self.size = 0
        with contextlib.ExitStack() as held:
            held.callback(os.close, _locked(folder / LOCK))
            with telling(self.path):
                self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            held.callback(os.close, self._file)
            for number, (offset, line) in enumerate(complete_lines(self.path), 1):
                self._note(parsed(line, self.path, number), offset)
                self.size = offset + len(line)
            with telling(self.path):
                os.ftruncate(self._file, self.size)
            self._held = held.pop_all()
        self._synced = time.monotonic()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _note(self, found: Record, offset: int) -> None:
        """Remember where the last record of a learner stands."""
        names = ("status", "notebook", "tests", "seed", "message")
        facts = {name: found.get(name, "") for name in names} | {"points": found.get("points")}
        facts |= {"limits": found.get("limits") or {}, "cut": _was_cut(found)}
        stamp = tuple(found.get("stamp") or ())
        self.seen[found["learner"]] = Seen(offset=offset, stamp=stamp, **facts)

    def append(self, found: Record) -> None:
        """Add a record: one write, and none of it stays where not all of it fits.

        Args:
            found: The record.

        Raises:
            OutputError: It cannot be written.
        """
        line = json.dumps(found, separators=(",", ":")).encode() + b"\n"
        with telling(self.path):
            try:
                rest = memoryview(line)
                while rest:
                    rest = rest[os.write(self._file, rest) :]
            except OSError:
                os.ftruncate(self._file, self.size)
                raise
        self._note(found, self.size)
        self.size += len(line)
        if time.monotonic() - self._synced >= SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """Wait until every record is on the disk."""
        with telling(self.path):
            os.fsync(self._file)
        self._synced = time.monotonic()

    def read(self, offset: int) -> Record:
        """Return the record that starts at an offset."""
        with self.path.open("rb") as file:
            file.seek(offset)
            found: Record = json.loads(file.readline())
        return found

    def close(self) -> None:
        """Let another batch write here."""
        self._held.close()


def _was_cut(found: Record) -> bool:
    """Return whether a cell was left out, or a case stopped: by the clock, the memory, the disk."""
    cases = (case for one in found.get("questions", {}).values() for case in one["cases"])
    return bool(found.get("notes")) or any(case.get("stopped") for case in cases)


def _locked(path: Path) -> int:
    """Return a descriptor that holds the lock of an output folder."""
    import fcntl

    with telling(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(descriptor, 100, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise OutputError(
            f"{path.parent} is in use by another batch ({holder or 'process unknown'}); wait "
            "until it has ended, or give another folder with --out"
        ) from None
    with telling(path):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"pid {os.getpid()} on {os.uname().nodename}\n".encode(), 0)
    return descriptor
