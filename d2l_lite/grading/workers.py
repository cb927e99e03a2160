"""Confined workers for the judge: a fork server, fresh workers of it, and what holds them."""

import os
import select
import shutil
import socket
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType

from d2l_lite.grading import jobs, launching
from d2l_lite.grading.connection import Server
from d2l_lite.grading.tiers import Ending, Limits, SandboxError, Tier

ENTRY = "d2l_lite.grading.worker:serve"


class Worker:
    """A fresh confined process that runs a learner's code; `socket` leads to it."""

    def __init__(self, sandbox: "Sandbox", server: Server, uid: int) -> None:
        self._sandbox, self._server, self._uid = sandbox, server, uid
        self._lock = threading.Lock()
        self._ending: Ending | None = None
        self.socket, theirs = socket.socketpair()
        request = {"do": "start", "uid": uid, "processes": sandbox._process_limit()}
        try:
            self._job = server.ask(request, theirs.fileno())["job"]
        except BaseException:
            self.socket.close()
            raise
        finally:
            theirs.close()

    def cpu_seconds(self) -> float:
        """Return the processor time that the worker's whole tree of processes has used."""
        if self._ending is not None:
            return self._ending.cpu_seconds
        try:
            return float(self._server.ask({"do": "cpu", "job": self._job})["cpu"])
        except OSError:
            return 0.0

    def _has_hung_up(self) -> bool:
        """Return whether no process of the worker holds its end of the socket any more."""
        poll = select.poll()
        try:
            poll.register(self.socket, 0)
        except ValueError:
            return False
        return bool(poll.poll(0))

    def kill(self) -> Ending:
        """End the worker, where it still lives, and return how it ended.

        Returns:
            Its ending; the same one for every further call.
        """
        with self._lock:
            if self._ending is None:
                try:
                    request = {"do": "kill", "job": self._job, "leaving": self._has_hung_up()}
                    answer = self._server.ask(request)
                    self._ending = Ending(**answer)
                except OSError:
                    self._sandbox._end_without_server(self._uid)
                    self._ending = Ending("killed", 0.0, 0)
                self.socket.close()
                self._sandbox._forget(self, self._uid)
            return self._ending


class Sandbox:
    """A running fork server of one tier; a context manager.

    Args:
        tier: How workers are confined.
        preload: Modules to load before workers are forked.
        limits: What a submission may use.
        readable: Further files and folders that workers may read.
        entry: What a worker runs, `module:function`; the function takes the worker's socket.

    Raises:
        SandboxError: The tier cannot be had here; the message says what is missing.
    """

    def __init__(
        self,
        tier: Tier,
        *,
        preload: Sequence[str] = ("numpy",),
        limits: Limits = Limits(),  # noqa: B008 - immutable
        readable: Sequence[Path] = (),
        entry: str = ENTRY,
    ) -> None:
        self.tier, self.limits = Tier(tier), limits
        self._preload, self._entry = tuple(preload), entry
        self._readable = tuple(Path(path).resolve() for path in readable)
        self._own_users = os.geteuid() == 0 and self.tier is not Tier.PLAIN
        self._check_privileges()
        self._users = launching.Users()
        self._folder = "" if self.tier is Tier.BUBBLEWRAP else tempfile.mkdtemp(prefix="d2l-lite-")
        if self._folder:
            os.chmod(self._folder, 0o711)
        self._process_id = os.getpid()
        self._lock = threading.Lock()
        self._workers: set[Worker] = set()
        self._server: Server | None = None
        try:
            self._server = self._launch()
        except BaseException:
            self.close()
            raise

    def _check_privileges(self) -> None:
        """Raise SandboxError where the tier needs root and this process is not root."""
        if self.tier is Tier.OTHER_UID and not self._own_users:
            raise SandboxError(
                "the tier 'other-uid' needs root, to give workers a user of their own; "
                f"got user {os.geteuid()}; run as root or install bubblewrap"
            )

    def _launch(self) -> Server:
        """Return a new server."""
        namespaces = self.tier is Tier.BUBBLEWRAP
        paths = launching.import_paths(("numpy", *self._preload))
        readable = [*map(str, self._readable), *paths]
        config = {
            "tier": self.tier.value,
            "namespaces": namespaces,
            "users": namespaces and not self._own_users,
            "limits": asdict(self.limits),
            "cpu": int(2 * self.limits.submission) + 1,
            "preload": self._preload,
            "entry": self._entry,
            "folder": self._folder,
            "paths": paths,
            "readable": [*launching.readable(), *readable],
            "kept": launching.below_private([*launching.python_paths(), *readable]),
            "hidden": launching.hidden_paths(paths) if self.tier is Tier.OTHER_UID else [],
        }
        return Server(self.tier, config, readable)

    def start(self) -> Worker:
        """Return a fresh worker.

        Raises:
            SandboxError: It could not be confined, or the server ended and cannot be restarted.
        """
        if self._process_id != os.getpid():
            raise SandboxError(
                "a sandbox belongs to the process that made it, got one that was forked from it; "
                "make a sandbox in every process"
            )
        with self._lock:
            if self._server is None:
                raise SandboxError("the sandbox is closed; make a new one")
            uid = self._users.take() if self._own_users else launching.INNER_UID
            try:
                worker = self._begin(uid)
            except BaseException:
                self._users.give_back(uid)
                raise
            self._workers.add(worker)
            return worker

    def _begin(self, uid: int) -> Worker:
        """Return a worker; a server that ended is restarted once."""
        assert self._server is not None
        try:
            return Worker(self, self._server, uid)
        except OSError:
            self._server.close()
            self._purge()
            self._server = self._launch()
        try:
            return Worker(self, self._server, uid)
        except OSError as error:
            raise SandboxError(f"the sandbox's server ended twice: {error}") from None

    def _purge(self) -> None:
        """End what workers of a server that died may have left, where no namespace did."""
        for worker in self._workers:
            self._end_without_server(worker._uid)
        for name in os.listdir(self._folder) if os.path.isdir(self._folder) else ():
            shutil.rmtree(f"{self._folder}/{name}", ignore_errors=True)

    def _end_without_server(self, uid: int) -> None:
        """End every process of a worker's user and remove its files, where no namespace did."""
        if self.tier is Tier.OTHER_UID:
            launching.kill_user(uid)
            jobs.remove(*jobs.left_behind(uid))

    def _process_limit(self) -> int | None:
        """Return how many processes the kernel is told to grant to a worker's user."""
        if self._own_users:
            return self.limits.processes
        if self.tier is Tier.BUBBLEWRAP:
            return self.limits.processes if launching.counts_by_namespace() else None
        return None

    def _forget(self, worker: Worker, uid: int) -> None:
        """Take back what an ended worker held."""
        self._workers.discard(worker)
        self._users.give_back(uid)

    def close(self) -> None:
        """End the server and every worker, and remove what they left."""
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.close()
        for worker in list(self._workers):
            worker.kill()
        self._purge()
        self._users.close()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
