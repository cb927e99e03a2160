"""A worker as the fork server knows it: what its tree of processes uses, and how it is ended."""

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterator, Mapping
from typing import Any

from d2l_lite.grading.watching import Watch, Watchdog

DISK_SECONDS = 0.25
#: Where any user may write, beside a worker's own folder.
OPEN_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
MAX_ENTRIES = 8192
#: Added to the number of a worker's user, this is the user who ends its processes.
CLEANERS = 1000


class Job:
    """One worker.

    Args:
        pid: Its first process.
        watch: What its tree uses.
        config: What the judge asked of the server.
        folder: Its own folder; empty where it has a private `/tmp`.
    """

    def __init__(self, pid: int, watch: Watch, config: Mapping[str, Any], folder: str) -> None:
        self.pid, self.watch, self.folder = pid, watch, folder
        self.pidfd = os.pidfd_open(pid)
        self.over = False
        self._limits = config["limits"]
        self._namespaces = bool(config["namespaces"])
        self._reason = ""
        self._cpu = 0.0
        self._next_disk = 0.0

    def exceeded(self) -> str:
        """Return which limit the tree exceeds; empty where it keeps all of them."""
        if self.watch.memory(self._limits["memory"]) > self._limits["memory"]:
            return "memory"
        if self.watch.processes > self._limits["processes"]:
            return "processes"
        if self.folder and time.monotonic() > self._next_disk:
            used = sum(_sizes(self.folder))
            if self.watch.uid is not None:
                used += sum(sum(_sizes(path)) for path in left_behind(self.watch.uid))
            self._next_disk = time.monotonic() + DISK_SECONDS
            if used > self._limits["disk"]:
                return "disk"
        return ""

    def wait(self, seconds: float) -> None:
        """Wait for the end of the first process, for a short time at most."""
        if not self.over:
            select.select([self.pidfd], [], [], seconds)

    def end(self, reason: str, dog: Watchdog) -> None:
        """End every process of the worker and remove its files.

        Args:
            reason: Why, where it did not end by itself.
            dog: Finds what its tree holds.
        """
        if self.over:
            return
        done = _is_over(self.pid)
        if not done:
            dog.look()
            self.watch.memory(self._limits["memory"])
            os.kill(self.pid, signal.SIGKILL)
        if not self._namespaces:
            self._end_others(dog)
        _, status, usage = os.wait4(self.pid, 0)
        own = usage.ru_utime + usage.ru_stime
        self._cpu = max(own, self.watch.cpu_seconds())
        ours = not done and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        self._reason = reason if ours else _described(status)
        dog.remove(self.watch)
        os.close(self.pidfd)
        self.over = True

    def ending(self) -> dict[str, Any]:
        """Return how it ended, for the judge."""
        cpu = round(self.cpu(), 4)
        return {"reason": self._reason, "cpu_seconds": cpu, "peak_memory": self.watch.peak}

    def cpu(self) -> float:
        """Return the processor time of the tree, in seconds."""
        return max(self._cpu, self.watch.cpu_seconds())

    def _end_others(self, dog: Watchdog) -> None:
        """End what the first process left, and remove the folder."""
        if self.watch.uid is not None:
            kill_all_of(self.watch.uid)
            self._wait_for_others(dog)
            remove(self.folder, *left_behind(self.watch.uid))
        else:
            self._end_group(dog)
            remove(self.folder)

    def _wait_for_others(self, dog: Watchdog) -> None:
        """Wait until no process of the tree lives; all have got their last signal."""
        for _ in range(200):
            dog.look()
            if not any(one.alive for one in self.watch.members.values()):
                return
            time.sleep(0.002)

    def _end_group(self, dog: Watchdog) -> None:
        """End every process that is known to descend from the first one, until none is left."""
        for _ in range(100):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            others = [pid for pid in self.watch.members if pid != self.pid]
            for pid in others:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            dog.look()
            if set(self.watch.members) <= {self.pid}:
                return
            time.sleep(0.001)


def _is_over(pid: int) -> bool:
    """Return whether a child has ended, and leave it to be waited for."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _described(status: int) -> str:
    """Return the words for a status of `wait`."""
    code = os.waitstatus_to_exitcode(status)
    if code == 0:
        return ""
    return f"exit {code}" if code > 0 else f"signal {-code}"


def kill_all_of(uid: int) -> None:
    """End every process of a user: a worker's own.

    Who does this has another real user, so that the processes to be ended cannot stop it.
    """
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid + CLEANERS, uid, uid + CLEANERS)
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def left_behind(uid: int) -> list[str]:
    """Return what belongs to a user in the folders where any user may write."""
    found = []
    for top in OPEN_FOLDERS:
        for name in os.listdir(top) if os.path.isdir(top) else ():
            with contextlib.suppress(OSError):
                if os.lstat(f"{top}/{name}").st_uid == uid:
                    found.append(f"{top}/{name}")
    return found


def remove(*paths: str) -> None:
    """Remove files and folders of any depth, with the rights of this process.

    A worker's user may have closed its folders to itself. No link is followed, and once no process
    of that user lives, nothing can be put in the place of what is removed.
    """
    if paths:
        words = ["rm", "-rf", "--one-file-system", "--", *paths]
        pid = os.posix_spawnp("rm", words, {"PATH": "/usr/bin:/bin"})
        os.waitpid(pid, 0)


def _sizes(top: str) -> Iterator[int]:
    """Yield the bytes of a file, or of all below a folder; too many or too deep are too much."""
    with contextlib.suppress(OSError):
        # A file that lies by itself has no folder to be seen in.
        yield os.lstat(top).st_blocks * 512
    folders, seen = [top], 0
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    seen += 1
                    if seen > MAX_ENTRIES:
                        yield 1 << 60
                        return
                    yield entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
        except OSError:
            yield 1 << 60
