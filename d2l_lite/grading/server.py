"""The fork server: loads libraries once, forks a confined worker for every submission, watches it.

Run by path in a process of its own, inside what `launching` made. It is trusted and runs no
learner's code. It listens to the judge alone, and ends with it.
"""

import base64
import fcntl
import gc
import importlib
import importlib.util
import json
import os
import select
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

SAMPLE_SECONDS = 0.025
CONFINE_SECONDS = 10.0
#: How long a worker that closed its socket may take to end by itself, so that it can be said how.
LEAVING_SECONDS = 0.2
MAX_MESSAGE = 1 << 17
#: What a library loads late: the first optimizer of PyTorch would load it, in every worker anew.
COMPANIONS = {"torch": "torch._dynamo"}
#: What a judge says that ends in order; from any other, its folder is left to be removed.
CLOSE = b"close"


def load_package() -> None:
    """Make this file's package known by its folder, whatever the import path holds."""
    folder = Path(__file__).resolve().parent.parent
    spec = importlib.util.spec_from_file_location(
        folder.name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"package {folder.name!r} cannot be loaded from {folder}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[folder.name] = module
    spec.loader.exec_module(module)


class Server:
    """Answers the judge's requests, and ends what uses too much.

    Args:
        control: Descriptor of the socket to the judge.
        judge: Descriptor of the judge's process.
    """

    def __init__(self, control: int, judge: int) -> None:
        self._control = socket.socket(fileno=control)
        self._judge = judge
        self._next_sample = 0.0
        self._jobs: dict[int, Any] = {}
        self._config: dict[str, Any] = json.loads(self._control.recv(MAX_MESSAGE))

    def prepare(self) -> None:
        """Load the libraries and tell the judge; its end, even now, is this process's end."""
        fcntl.fcntl(self._control, fcntl.F_SETOWN, os.getpid())
        flags = fcntl.fcntl(self._control, fcntl.F_GETFL)
        fcntl.fcntl(self._control, fcntl.F_SETFL, flags | os.O_ASYNC)
        sys.path += self._config["paths"]
        load_package()
        tempfile.tempdir = "/tmp"  # a library may ask, while there is no folder to write to
        for name in self._config["preload"]:
            importlib.import_module(name)
            if name in COMPANIONS:
                importlib.import_module(COMPANIONS[name])
        tempfile.tempdir = None
        module, _, name = self._config["entry"].partition(":")
        self._serve = getattr(importlib.import_module(module), name)
        from d2l_lite.grading import confine, kernel, watching

        self._dog = watching.Watchdog()
        if self._config["namespaces"]:
            self._namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        elif self._config["tier"] == "plain":
            kernel.call("prctl", confine.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        fcntl.fcntl(self._control, fcntl.F_SETFL, flags)
        gc.collect()
        gc.freeze()
        self._baseline = watching.anonymous(os.getpid())
        self._answer({"ready": True})

    def run(self) -> Callable[[], None] | None:
        """Serve until the judge is gone; returns in a worker, too, with what it does next."""
        from d2l_lite.grading import jobs

        message: bytes | None = None
        while message not in (b"", CLOSE):
            message, descriptors = self._wait()
            if message and message != CLOSE:
                work = self._handle(json.loads(message), descriptors)
                if work is not None:
                    return work
        for job in self._jobs.values():
            job.end("killed", self._dog)
        if self._config["folder"] and message != CLOSE:
            jobs.remove(self._config["folder"])
        return None

    def _wait(self) -> tuple[bytes | None, list[int]]:
        """Watch the workers until a request comes or a short time is over.

        Returns:
            The request, None without one, empty where the judge is gone; and its descriptors.
        """
        living = [job for job in self._jobs.values() if not job.over]
        poll = select.poll()
        for descriptor in (self._control.fileno(), self._judge, *(job.pidfd for job in living)):
            poll.register(descriptor, select.POLLIN)
        ready = {one for one, _ in poll.poll(SAMPLE_SECONDS * 1000 if living else None)}
        if self._judge in ready:
            return b"", []
        for job in living:
            if job.pidfd in ready:
                job.end("", self._dog)
        if time.monotonic() >= self._next_sample:
            self._watch()
            self._next_sample = time.monotonic() + SAMPLE_SECONDS
        if self._control.fileno() in ready:
            return socket.recv_fds(self._control, MAX_MESSAGE, 1)[:2]
        return None, []

    def _answer(self, message: Mapping[str, Any]) -> None:
        """Tell the judge."""
        self._control.sendall(json.dumps(message).encode())

    def _watch(self) -> None:
        """Look at all workers, and end those that use too much."""
        living = [job for job in self._jobs.values() if not job.over]
        if living:
            self._dog.look()
        for job in living:
            reason = job.exceeded()
            if reason:
                job.end(reason, self._dog)

    def _handle(self, request: dict[str, Any], descriptors: list[int]) -> Callable[[], None] | None:
        """Do what the judge asks for; returns a function in a forked worker only."""
        if request["do"] == "start":
            work = self._start(request, descriptors[0])
            if work is None:
                os.close(descriptors[0])
            return work
        job = self._jobs.get(request["job"])
        if job is None:
            self._answer({"cpu": 0.0})
        elif request["do"] == "kill":
            if request["leaving"]:
                job.wait(LEAVING_SECONDS)
            job.end("killed", self._dog)
            del self._jobs[request["job"]]
            self._answer(job.ending())
        else:
            self._watch()
            self._answer({"cpu": job.cpu()})
        return None

    def _start(self, request: dict[str, Any], sock: int) -> Callable[[], None] | None:
        """Fork a worker and wait until it is confined; what fails is told to the judge."""
        status, theirs = os.pipe()
        try:
            pid, fault = self._fork(request), ""
        except OSError as error:
            pid, fault = -1, str(error)
        if pid == 0:
            return self._in_worker(request, (sock, theirs))  # raises nothing
        os.close(theirs)
        begun = pid > 0
        self._answer(self._begun(pid, request, _read_all(status)) if begun else {"error": fault})
        os.close(status)
        return None

    def _fork(self, request: dict[str, Any]) -> int:
        """Return the number of a new worker, which has a folder; 0 in the worker itself."""
        from d2l_lite.grading import confine

        folder = self._make_folder(request)
        try:
            if self._config["namespaces"]:
                confine.new_pid_namespace(self._namespace)
            return os.fork()
        except OSError:
            if folder:
                os.rmdir(folder)
            raise

    def _begun(self, pid: int, request: Mapping[str, Any], said: bytes) -> dict[str, Any]:
        """Return the answer about a forked worker; one that is not confined is ended."""
        from d2l_lite.grading import jobs, watching

        uid = request["uid"] if self._config["tier"] == "other-uid" else None
        folder = "" if self._config["namespaces"] else request["folder"]
        job = jobs.Job(pid, watching.Watch(pid, self._baseline, uid), self._config, folder)
        self._dog.add(job.watch)
        if said == b"ok":
            self._jobs[pid] = job
            return {"job": pid}
        job.end("killed", self._dog)
        return {"error": said.decode(errors="replace") or f"it ended by {job.ending()['reason']}"}

    def _make_folder(self, request: dict[str, Any]) -> str:
        """Return a folder of the worker's own; empty where it has a private `/tmp`."""
        request["folder"] = "/tmp"
        if self._config["namespaces"]:
            return ""
        folder = f"{self._config['folder']}/{time.monotonic_ns()}"
        os.mkdir(folder, 0o700)
        if self._config["tier"] == "other-uid":
            os.chown(folder, request["uid"], request["uid"])
        request["folder"] = folder
        return folder

    def _in_worker(
        self, request: dict[str, Any], descriptors: tuple[int, int]
    ) -> Callable[[], None]:
        """Leave everything of the server behind, and return what the worker does next."""
        from d2l_lite.grading import confine

        try:
            self._control.detach()
            proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
            sock, status = descriptors
            kept = {confine.SOCKET_FD: sock, confine.STATUS_FD: status, confine.PROC_FD: proc}
            confine.keep_only(kept)
        except BaseException:
            os._exit(120)
        config, serve = self._config, self._serve
        request["filter"] = base64.b64decode(config["filter"])
        return lambda: work(config, request, serve)


def _read_all(descriptor: int) -> bytes:
    """Return what a worker says of how it confined itself; a silent one gets some seconds."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return os.read(descriptor, 4096) if poll.poll(CONFINE_SECONDS * 1000) else b"it took too long"


def work(
    config: Mapping[str, Any], request: Mapping[str, Any], serve: Callable[[socket.socket], None]
) -> None:
    """Confine this process, say so, and serve the judge until the end."""
    from d2l_lite.grading import confine

    try:
        os.setsid()
        confine.reset_signals()
        os.umask(0o022)
        os.environ.update(HOME=request["folder"], TMPDIR=request["folder"])
        confine.confine(config, request)
    except BaseException as error:
        os.write(confine.STATUS_FD, f"{type(error).__name__}: {error}".encode()[:4000])
        os._exit(120)
    os.write(confine.STATUS_FD, b"ok")
    os.close(confine.STATUS_FD)
    gc.enable()
    serve(socket.socket(fileno=confine.SOCKET_FD))


def main() -> None:
    """Run the server; a worker ends here, too, with its own exit status."""
    server = Server(*map(int, sys.argv[1:3]))
    server.prepare()
    worker = server.run()
    del server
    if worker is None:
        os._exit(0)
    code = 1
    try:
        worker()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    finally:
        os._exit(code & 0xFF)


if __name__ == "__main__":
    main()
