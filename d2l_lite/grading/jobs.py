"""A worker as the fork server knows it: what its tree of processes uses, and how it is ended."""

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterator, Mapping
from typing import Any

from d2l_lite.grading.watching import Watch, Watchdog, read_process

DISK_SECONDS = 0.25
#: Where any user may write, beside a worker's own folder.
OPEN_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
MAX_ENTRIES = 8192
_EXITING = 0x4
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
        done, status = _already_over(self.pid)
        if not done:
            dog.look([self.watch])
            self.watch.memory(self._limits["memory"])
            os.kill(self.pid, signal.SIGKILL)
        if not self._namespaces:
            self._end_others(dog)
        _, status, usage = os.wait4(self.pid, 0)
        own = usage.ru_utime + usage.ru_stime
        self._cpu = max(own, self.watch.cpu_seconds())
        self._reason = _described(status) if done else reason
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
            clean_up(self.watch.uid, self.folder)
            self._wait_for_others(dog)
        else:
            self._end_group(dog)
            remove(self.folder)
        with contextlib.suppress(OSError):
            os.rmdir(self.folder)

    def _wait_for_others(self, dog: Watchdog) -> None:
        """Wait until no process of the tree lives; all have got their last signal."""
        for _ in range(200):
            dog.look([self.watch])
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
            dog.look([self.watch])
            if set(self.watch.members) <= {self.pid}:
                return
            time.sleep(0.001)


def _already_over(pid: int) -> tuple[bool, int]:
    """Return whether a child ended by itself or is about to, and leave it to be waited for."""
    done = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if done is not None:
        return True, done.si_status
    process = read_process(pid)
    return process is None or bool(process.flags & _EXITING), 0


def _described(status: int) -> str:
    """Return the words for a status of `wait`."""
    code = os.waitstatus_to_exitcode(status)
    if code == 0:
        return ""
    return f"exit {code}" if code > 0 else f"signal {-code}"


def clean_up(uid: int, folder: str) -> None:
    """End every process of a user and remove its files, with the rights of that user.

    Who does this has another real user, so that the processes to be ended cannot stop it.

    Args:
        uid: The user: a worker's own.
        folder: Its folder.
    """
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid + CLEANERS, uid, uid + CLEANERS)
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, signal.SIGKILL)
            remove(*left_behind(uid), *(f"{folder}/{name}" for name in os.listdir(folder)))
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
    """Remove files and folders of any depth; what is inside a folder goes, too."""
    if paths:
        words = ["rm", "-rf", "--one-file-system", "--", *paths]
        pid = os.posix_spawnp("rm", words, {"PATH": "/usr/bin:/bin"})
        os.waitpid(pid, 0)


def _sizes(top: str) -> Iterator[int]:
    """Yield the bytes of a file, or of all below a folder; too many or too deep are too much."""
    with contextlib.suppress(OSError):
        yield (
            os.lstat(top).st_blocks * 512
        )  # a file that lies by itself has no folder to be seen in
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
