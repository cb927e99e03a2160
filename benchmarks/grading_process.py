"""Commands that are measured: seconds, the peak memory of a whole tree of processes, the output."""

import contextlib
import math
import os
import resource
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.processes import descendants

PERIOD = 0.02  # seconds between two looks at the memory of a tree
MAX_OUTPUT = 20_000


@dataclass(frozen=True)
class Run:
    """What a command did; `status` is None where it was stopped after its time.

    `cpu` is in seconds, of the command and of all it waited for, the kernel's part included.
    `memory` is the peak of the proportional set size of the whole tree in bytes, 0 where it was not
    watched; `courses` holds, for every process seen, pairs of seconds and resident bytes.
    """

    seconds: float
    status: int | None
    output: str
    cpu: float = 0.0
    memory: int = 0
    courses: Mapping[int, Sequence[tuple[float, int]]] = field(default_factory=dict)


def memory_of(processes: Iterable[int]) -> int:
    """Return the bytes that processes hold together; what they share counts once."""
    total = 0
    for one in processes:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{one}/smaps_rollup").read_text(encoding="utf-8").splitlines():
                if line.startswith("Pss:"):
                    total += 1024 * int(line.split()[1])
    return total


def resident(process: int) -> int:
    """Return the bytes of memory that a process holds, what it shares included."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        text = Path(f"/proc/{process}/statm").read_text(encoding="utf-8")
        return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


@dataclass
class Watch:
    """Looks at a process and its children from time to time; above `most` bytes it kills them."""

    process: int
    period: float
    most: float
    peak: int = 0
    courses: dict[int, list[tuple[float, int]]] = field(default_factory=dict)

    def __enter__(self) -> "Watch":
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        if self.period:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self.period:
            self._thread.join()

    def _look(self) -> None:
        """Note what there is, until all is done."""
        began = time.perf_counter()
        while not self._done.wait(self.period):
            processes = descendants(self.process)
            self.peak = max(self.peak, memory_of(processes))
            for one in processes:
                self.courses.setdefault(one, []).append(
                    (time.perf_counter() - began, resident(one))
                )
            if self.peak > self.most:
                kill_group(self.process)


def run_command(
    command: Sequence[str | Path],
    *,
    folder: Path,
    environment: Mapping[str, str],
    timeout: float = 600.0,
    watch: float = 0.0,
    most: float = math.inf,
) -> Run:
    """Return what a command did.

    Args:
        command: Program and arguments.
        folder: Where it runs.
        environment: All of its environment variables.
        timeout: Seconds after which its whole process group is killed.
        watch: Seconds between two looks at its memory; 0 does not look, which costs nothing.
        most: Bytes of memory above which it is killed; it must be watched.

    Returns:
        The run.
    """
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        before = children_cpu()
        with Watch(process.pid, watch, most) as seen:
            status = _status(process, timeout)
        seconds, cpu = time.perf_counter() - began, children_cpu() - before
        output.seek(max(0, output.seek(0, os.SEEK_END) - MAX_OUTPUT))
        text = output.read().decode("utf-8", "replace")
    return Run(seconds, status, text, cpu, seen.peak, seen.courses)


def children_cpu() -> float:
    """Return the seconds of CPU time of all children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _status(process: subprocess.Popen[bytes], timeout: float) -> int | None:
    """Return the status of a process, or None where it had to be killed, with all of its group."""
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return None
    finally:
        kill_group(process.pid)
        process.wait()


def kill_group(process: int) -> None:
    """Kill a process and those of its group; which may have ended by themselves."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)


def in_lanes(work: Sequence[Callable[[], object]]) -> float:
    """Return the seconds that pieces of work take which start at the same time."""
    began = time.perf_counter()
    with ThreadPoolExecutor(len(work)) as lanes:
        for one in [lanes.submit(piece) for piece in work]:
            one.result()
    return time.perf_counter() - began
