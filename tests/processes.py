"""Processes: a program's output in processes of its own, and who lives below one, by `/proc`."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

#: Seconds that a wait takes at most: what is waited for comes soon, but a busy machine is late.
PATIENCE = 60.0


def distinct_outputs(program: str) -> set[str]:
    """Return what a program prints in two processes that hash strings differently."""
    fixed = {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    return {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, **fixed, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }


def parent_and_start(pid: int) -> tuple[int, int] | None:
    """Return the parent of a process and when it started; None where it ended, as a zombie has."""
    try:
        words = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if words[0] in (b"Z", b"X") else (int(words[1]), int(words[19]))


def alive(pid: int) -> bool:
    """Return whether a process has not ended."""
    return parent_and_start(pid) is not None


def command_line(pid: int) -> bytes:
    """Return the words of a process's command line; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def descendants(root: int) -> set[int]:
    """Return a process and every one below it, those that ended left out."""
    listed = (int(name) for name in os.listdir("/proc") if name.isdigit())
    parents = {pid: found[0] for pid in listed if (found := parent_and_start(pid))}
    below, new = set(), {root} & set(parents)
    while new:
        below |= new
        new = {pid for pid, parent in parents.items() if parent in new} - below
    return below


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until a condition holds; fail where it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "this should have happened by now"
        time.sleep(0.005)


def survivors(pids: Iterable[int], seconds: float = PATIENCE) -> set[int]:
    """Wait until processes have ended, and return those that have not in time."""
    known = {pid: found for pid in pids if (found := parent_and_start(pid))}

    def left() -> set[int]:
        now = {pid: parent_and_start(pid) for pid in known}
        return {pid for pid, found in now.items() if found and found[1] == known[pid][1]}

    end = time.monotonic() + seconds
    while (still := left()) and time.monotonic() < end:
        time.sleep(0.01)
    return still
