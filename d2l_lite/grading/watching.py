"""Watch what workers use: memory, processes and processor time of whole process trees.

Limits of the kernel (`setrlimit`) hold for one process each; a tree of processes is summed here,
from a few small files of `/proc`.
"""

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
#: Reading the exact memory is slow for large processes; it may take this part of the time.
EXACT_SHARE = 0.2


@dataclass(frozen=True)
class Process:
    """What one line of `/proc/PID/stat` says; times in seconds."""

    pid: int
    parent: int
    group: int
    alive: bool
    flags: int
    threads: int
    started: int
    own: float
    dead: float


def read_process(pid: int) -> Process | None:
    """Return what the kernel says about a process, or None where it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            words = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    times = [int(word) / TICKS for word in words[11:15]]
    threads = max(1, int(words[17]))  # a process lives on where its first thread alone has left
    return Process(
        pid,
        parent=int(words[1]),
        group=int(words[2]),
        alive=words[0] not in (b"Z", b"X") or threads > 1,
        flags=int(words[6]),
        threads=threads,
        started=int(words[19]),
        own=times[0] + times[1],
        dead=times[2] + times[3],
    )


def _uid(pid: int) -> int | None:
    """Return a process's user; the owner of its folder in `/proc` can be made to differ."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            line = next(line for line in file if line.startswith(b"Uid:"))
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(line.split()[1])


def anonymous(pid: int) -> int:
    """Return the bytes of memory that a process holds and that come from no file."""
    words = _of_living_thread(pid, "statm").split()
    return (int(words[1]) - int(words[2])) * PAGE if words else 0


def _of_living_thread(pid: int, name: str) -> bytes:
    """Return what a file of `/proc` says of a process's memory; nothing where it is gone.

    The kernel shows no memory of a thread that has left, and the first one may be such.
    """
    said = _content(f"/proc/{pid}/{name}")
    if said.strip(b" 0\n"):
        return said
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        threads = (f"/proc/{pid}/task/{thread}" for thread in os.listdir(f"/proc/{pid}/task"))
        return next(
            (said for one in threads if (said := _content(f"{one}/{name}")).strip(b" 0\n")), b""
        )
    return b""


def _content(path: str) -> bytes:
    """Return the bytes of a file of `/proc`; none where its process is gone."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def exact(pid: int) -> int:
    """Return a process's proportional share of memory that comes from no file, in bytes.

    All that it holds, where its share may not be looked at; 0 where it is gone.
    """
    try:
        lines = [line.split() for line in _of_living_thread(pid, "smaps_rollup").splitlines()]
    except PermissionError:
        return anonymous(pid)
    wanted = (b"Pss_Anon:", b"Pss_Shmem:", b"SwapPss:")
    return sum(int(line[1]) * 1024 for line in lines if line[0] in wanted)


@dataclass
class Watch:
    """What one worker's tree of processes uses.

    `baseline` is the memory that was loaded before the fork; `uid` names the tree where every
    worker has a user of its own, otherwise parents and groups do.
    """

    root: int
    baseline: int
    uid: int | None
    peak: int = 0
    processes: int = 0
    members: dict[int, Process] = field(default_factory=dict)
    _ledger: dict[tuple[int, int], float] = field(default_factory=dict)
    _next_exact: float = 0.0

    def owns(self, process: Process, tree: set[int]) -> bool:
        """Return whether a process belongs to this tree.

        Args:
            process: The process.
            tree: Those known to belong to it.

        Returns:
            Whether it is one of them, a child of one, of their group, or of the worker's user.
        """
        near = {process.pid, process.parent, process.group}
        return not near.isdisjoint(tree) or (self.uid is not None and _uid(process.pid) == self.uid)

    def update(self, found: Iterable[Process]) -> None:
        """Take what a look at the processes found."""
        self.members = {one.pid: one for one in found}
        self.processes = sum(one.threads for one in self.members.values())
        for one in self.members.values():
            self._ledger[one.pid, one.started] = one.own

    def cpu_seconds(self) -> float:
        """Return the processor time of the tree, with that of its processes that ended."""
        living = sum(one.own + one.dead for one in self.members.values())
        return max(living, sum(self._ledger.values()))

    def memory(self, limit: int) -> int:
        """Return the tree's memory beyond the baseline; exact only where it may be too much.

        Args:
            limit: Bytes above which the exact number is asked for.

        Returns:
            Bytes.
        """
        used = sum(map(anonymous, self.members)) - self.baseline
        if used > limit and len(self.members) > 1:
            used = self._exact(limit)
        self.peak = max(self.peak, used)
        return used

    def _exact(self, limit: int) -> int:
        """Return the memory with shared pages counted once; a process that shares keeps `limit`.

        What every process shares with the server was there before: the server's own share of it.
        """
        started = time.monotonic()
        if started < self._next_exact:
            return limit
        before = exact(os.getpid())
        used = sum(max(0, exact(pid) - before) for pid in self.members)
        now = time.monotonic()
        self._next_exact = now + (now - started) / EXACT_SHARE
        return used


class Watchdog:
    """Looks at the processes of all workers at once; what belongs to none is not read again."""

    def __init__(self) -> None:
        self._foreign: set[int] = {os.getpid()}
        self._watches: list[Watch] = []

    def add(self, watch: Watch) -> None:
        """Look at a worker from now on."""
        self._watches.append(watch)

    def remove(self, watch: Watch) -> None:
        """Look at a worker no longer, since it has ended."""
        self._watches.remove(watch)

    def look(self) -> None:
        """Update what every watch knows."""
        listed = {int(name) for name in os.listdir("/proc") if name.isdigit()}
        self._foreign &= listed
        found: dict[int, list[Process]] = {watch.root: [] for watch in self._watches}
        for process, watch in self._assigned(listed):
            if watch is None:
                self._foreign.add(process.pid)
            else:
                found[watch.root].append(process)
        for watch in self._watches:
            watch.update(found[watch.root])

    def _assigned(self, listed: set[int]) -> Iterator[tuple[Process, Watch | None]]:
        """Yield the processes that are not known as foreign, each with its watch."""
        waiting = [one for pid in sorted(listed - self._foreign) if (one := read_process(pid))]
        trees = {watch.root: {watch.root, *watch.members} for watch in self._watches}
        while waiting:
            rest = []
            for process in waiting:
                owner = next((w for w in self._watches if w.owns(process, trees[w.root])), None)
                if owner is None:
                    rest.append(process)
                else:
                    trees[owner.root].add(process.pid)
                    yield process, owner
            if len(rest) == len(waiting):
                yield from ((process, None) for process in rest)
                return
            waiting = rest
