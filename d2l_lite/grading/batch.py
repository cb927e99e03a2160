"""Grade a class: what is done already stays, everything else is sent to judges and recorded.

One process reads submissions, as many as are being graded and no more, and writes the records.
What counts as done: the same notebook, the same tests, the same seed, and no failure of ours.
"""

import hashlib
import itertools
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path

from d2l_lite.grading.collecting import HandedIn, ReadError, read, stamp_of
from d2l_lite.grading.desks import Spec
from d2l_lite.grading.files import FileError
from d2l_lite.grading.lanes import Lanes
from d2l_lite.grading.progress import Progress
from d2l_lite.grading.results import Record, record, untested
from d2l_lite.grading.store import Run, Seen, Store

#: Seconds between two looks at judges that do not come back.
POLL = 0.5
#: After so many failures of the infrastructure in a row, the next one would fail as well.
MAX_FAILURES = 10
DIED = (
    "The judge's own process ended twice while it graded this notebook; nothing that a notebook "
    "does should cause that. Nobody else is touched. Grade again to try once more."
)
LATE = (
    "The judge did not come back within {:.0f} s, and was ended; nothing that a notebook does "
    "should cause that. Nobody else is touched. Grade again to try once more."
)


class StoppedError(Exception):
    """A batch that stopped, since what failed would fail for everyone."""


@dataclass
class Flight:
    """A notebook that is being graded, and what its record needs besides the result."""

    handed: HandedIn
    data: bytes
    facts: Record
    questions: list[str] | None
    kept: Record
    slot: int = -1
    since: float = 0.0
    tries: int = 0
    late: bool = False


class Batch:
    """Grades what was handed in and is not done yet.

    Args:
        store: The open output folder.
        run: How this batch is graded.
        folder: The folder of the submissions.
        open_lanes: Returns judges; called when the first one is needed.
        spec: What judges are made of.
        changed: Whether questions keep their result where their own tests did not change.
        rehash: Whether files are read even where size, times and inode say that they are the same.
        progress: Told when the first judge starts, and after every submission that is done.
    """

    def __init__(
        self,
        store: Store,
        run: Run,
        folder: Path,
        *,
        open_lanes: Callable[[], Lanes],
        spec: Spec,
        changed: bool = False,
        rehash: bool = False,
        progress: Progress,
    ) -> None:
        self._store, self._run, self._folder, self._spec = store, run, folder, spec
        self._open_lanes, self._progress = open_lanes, progress
        self._changed, self._rehash = changed, rehash
        self._free: list[int] = []
        self._flying: dict[Future[Record], Flight] = {}
        self._again: deque[Flight] = deque()
        self._failures = 0
        self._looked_at: set[str] = set()
        #: Records that this batch has added.
        self.added = 0

    def grade(self, everyone: Sequence[HandedIn], *, limit: int | None = None) -> None:
        """Grade what is not done yet; each result is recorded as it comes.

        Args:
            everyone: What was handed in.
            limit: Largest number of notebooks that are sent to a judge; no limit where it is None.

        Raises:
            OutputError: A record cannot be written; those before it are kept.
            StoppedError: The infrastructure fails again and again.
        """
        flights = itertools.islice(self._flights(everyone), limit)
        first = next(flights, None)
        if first is not None:
            lanes, ended = self._open_lanes(), False
            self._free = list(range(lanes.slots))
            self._progress.start()
            try:
                self._fly(itertools.chain([first], flights), lanes)
                ended = True
            finally:
                lanes.close(kill=not ended)
        self._store.sync()

    def _fly(self, flights: Iterator[Flight], lanes: Lanes) -> None:
        """Keep every slot busy until there is nothing left."""
        while True:
            while self._free and (flight := self._next(flights)):
                flight.slot, flight.since = self._free.pop(), time.monotonic()
                task = (flight.data, flight.questions)
                self._flying[lanes.submit(flight.slot, self._spec, *task)] = flight
            if not self._flying:
                return
            done, _ = wait(self._flying, timeout=POLL, return_when=FIRST_COMPLETED)
            for future in done:
                flight = self._flying.pop(future)
                self._land(flight, future, lanes)
                self._free.append(flight.slot)
            self._end_late_ones(lanes)

    def _next(self, flights: Iterator[Flight]) -> Flight | None:
        """Return what is graded next: first what is tried once more."""
        return self._again.popleft() if self._again else next(flights, None)

    def _flights(self, everyone: Sequence[HandedIn]) -> Iterator[Flight]:
        """Yield what needs a judge; what needs none is recorded on the way.

        Whose grading failed before comes last, so that it cannot keep the others waiting.
        """
        seen = self._store.seen
        failed = {name for name in seen if seen[name].status == "infrastructure"}
        for handed in sorted(everyone, key=lambda one: one.learner in failed):
            flight = self._flight(handed)
            if flight is None:
                self._progress.step()
            else:
                yield flight

    def _flight(self, handed: HandedIn) -> Flight | None:
        """Return what is to be sent to a judge; None where this learner's record stands."""
        self._looked_at.add(handed.learner)
        seen = self._store.seen.get(handed.learner)
        stamp = stamp_of(self._folder / handed.file) if not handed.status else ()
        same = seen is not None and bool(stamp) and seen.stamp == stamp and not self._rehash
        if seen and same and self._done(seen, seen.notebook):
            return None
        handed, data = self._read(handed)
        if handed.status:
            self._without_judge(handed, seen)
            return None
        digest = hashlib.sha256(data).hexdigest()
        if seen and self._done(seen, digest):
            return None
        if stamp != stamp_of(self._folder / handed.file):
            stamp = ()
        return self._asking(handed, data, self._facts(handed, digest, stamp), seen)

    def _read(self, handed: HandedIn) -> tuple[HandedIn, bytes]:
        """Return the bytes of a notebook, or the entry with the reason why there are none."""
        try:
            return handed, b"" if handed.status else read(handed, self._folder)
        except FileError as error:
            return replace(handed, status="unreadable", message=str(error)), b""
        except ReadError as error:
            return replace(handed, status="infrastructure", message=str(error)), b""

    def _asking(
        self, handed: HandedIn, data: bytes, facts: Record, seen: Seen | None
    ) -> Flight | None:
        """Return which questions a judge is asked; none where all of them are as they were."""
        usable = seen and self._changed and not self._limits_may_help(seen)
        previous = self._store.read(seen.offset) if seen and usable else {}
        same = previous and (previous["status"], previous["notebook"], previous["seed"]) == (
            "graded",
            facts["notebook"],
            self._run.seed,
        )
        if not same:
            return Flight(handed, data, facts, None, {})
        digests, questions = self._run.info.digests, previous["questions"]
        kept = {k: v for k, v in questions.items() if v["digest"] == digests.get(k)}
        asked = [name for name in self._run.info.points if name not in kept]
        if asked:
            return Flight(handed, data, facts, asked, kept)
        self._add(record(facts, previous | {"questions": kept}, self._run.info))
        return None

    def _facts(self, handed: HandedIn, digest: str, stamp: tuple[int, ...]) -> Record:
        """Return the part of a record that does not come from a judge."""
        names = {"learner": handed.learner, "file": handed.file, "notebook": digest}
        run = self._run
        return names | {"seed": run.seed, "limits": dict(run.limits), "stamp": list(stamp)}

    def _done(self, seen: Seen, digest: str) -> bool:
        """Return whether a learner's last record is what grading this notebook would give."""
        mine = (digest, self._run.info.digest, self._run.seed)
        again = seen.status == "infrastructure" or self._limits_may_help(seen)
        return not again and (seen.notebook, seen.tests, seen.seed) == mine

    def _limits_may_help(self, seen: Seen) -> bool:
        """Return whether something was stopped or left out under limits that are others now."""
        return seen.cut and seen.limits != self._run.limits

    def _without_judge(self, handed: HandedIn, seen: Seen | None) -> None:
        """Record what needs no judge, unless the same stands there already."""
        if seen and seen.message == handed.message and self._done(seen, ""):
            return
        found = untested(handed.status, handed.message, self._run.tier)
        self._add(record(self._facts(handed, "", ()), found, self._run.info))

    def _add(self, found: Record) -> None:
        """Write a record."""
        self._store.append(found)
        self.added += 1

    def _land(self, flight: Flight, future: "Future[Record]", lanes: Lanes) -> None:
        """Record what came back, or try once more where a judge died."""
        try:
            found = future.result()
        except BrokenExecutor:
            lanes.replace(flight.slot)
            flight.tries += 1
            if flight.tries < 2 and not self._is_late(flight, 0.0):
                self._again.append(flight)
                return
            late = flight.late or self._is_late(flight, 0.0)
            found = self._failed(LATE.format(self._spec.seconds) if late else DIED)
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            found = self._failed(f"Grading failed, for no fault of the notebook. {text}")
        found["questions"] = flight.kept | found["questions"]
        self._add(record(flight.facts, found, self._run.info))
        self._progress.step()
        self._count_failures(found)

    def _failed(self, message: str) -> Record:
        """Return the result of a notebook whose judge failed."""
        return untested("infrastructure", message, self._run.tier)

    def _count_failures(self, found: Record) -> None:
        """Raise where one failure of the infrastructure follows another."""
        self._failures = self._failures + 1 if found["status"] == "infrastructure" else 0
        if self._failures >= MAX_FAILURES:
            raise StoppedError(
                f"stopped after {self._failures} failures of the infrastructure in a row, the last "
                f"one: {found['message']} Once this is mended, the same command goes on from here"
            )

    def _is_late(self, flight: Flight, grace: float) -> bool:
        """Return whether a judge should have come back by now."""
        return time.monotonic() - flight.since >= self._spec.seconds + grace

    def _end_late_ones(self, lanes: Lanes) -> None:
        """Kill judges whose own watchdog did not end them."""
        for flight in self._flying.values():
            if not flight.late and self._is_late(flight, lanes.grace):
                flight.late = True
                lanes.replace(flight.slot)

    def counts(self, everyone: Sequence[HandedIn]) -> Counter[str]:
        """Return how many of the learners have a record of each status; `left` are without one.

        Args:
            everyone: What was handed in.

        Returns:
            Numbers by status.
        """
        seen = ((one, self._store.seen.get(one.learner)) for one in everyone)
        return Counter(
            last.status if last and self._holds(one, last) else "left" for one, last in seen
        )

    def _holds(self, handed: HandedIn, seen: Seen) -> bool:
        """Return whether a record is about what was handed in last."""
        if seen.tests != self._run.info.digest:
            return False
        if handed.learner in self._looked_at or handed.status or seen.status == "infrastructure":
            return True
        stamp = stamp_of(self._folder / handed.file)
        if stamp and stamp == seen.stamp:
            return True
        return seen.notebook == hashlib.sha256(self._read(handed)[1]).hexdigest()
