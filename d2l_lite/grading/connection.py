"""The judge's side of a fork server: its process, and requests with their answers."""

import base64
import contextlib
import json
import os
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from d2l_lite.grading import filters, launching
from d2l_lite.grading.server import CLOSE, MAX_MESSAGE
from d2l_lite.grading.tiers import SandboxError, Tier

#: Loading the libraries can take this long on a slow disk; a request is answered far sooner.
START_SECONDS = 60.0
ANSWER_SECONDS = 30.0
CLOSE_SECONDS = 2.0


class Process:
    """A running fork server and the socket to it.

    The thread that starts the process stays until its end: the kernel ends a child that was
    started with `--die-with-parent` together with the thread that started it.
    """

    _failure: BaseException | None = None

    def __init__(self, words: Sequence[str], theirs: socket.socket, judge: int) -> None:
        self._errors = os.memfd_create("errors")
        self._started = threading.Event()
        self._popen: subprocess.Popen[bytes] | None = None
        self._said: str | None = None
        self._descriptors = (theirs.fileno(), judge)
        self._thread = threading.Thread(target=self._run, args=(list(words),), daemon=True)
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self.close()
            raise SandboxError(f"the sandbox could not be started: {self._failure}")

    def _run(self, words: list[str]) -> None:
        """Start the program and wait for its end."""
        try:
            self._popen = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                env=launching.ENVIRONMENT,
                pass_fds=self._descriptors,
                cwd="/",
                start_new_session=True,
            )
        except BaseException as error:  # short of memory, for instance: the judge waits to be told
            self._failure = error
        finally:
            self._started.set()
        if self._popen is not None:
            self._popen.wait()

    def close(self) -> str:
        """Return what the program said at its end; its control socket must be closed before."""
        if self._said is None:
            self._thread.join(CLOSE_SECONDS)
            if self._thread.is_alive() and self._popen is not None:
                self._popen.kill()
                self._thread.join()
            size = os.fstat(self._errors).st_size
            said = os.pread(self._errors, 2000, max(0, size - 2000))
            self._said = said.decode(errors="replace").strip()
            os.close(self._errors)
        return self._said


class Server:
    """The judge's side of a fork server: requests and answers, one after another."""

    def __init__(self, tier: Tier, config: dict[str, Any], readable: Sequence[str]) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        self._broken = False
        judge = os.pidfd_open(os.getpid())
        try:
            descriptors = (theirs.fileno(), judge)
            words = launching.command(tier, readable=readable, descriptors=descriptors)
            self._process = Process(words, theirs, judge)
        except BaseException:
            self._control.close()
            raise
        finally:
            theirs.close()
            os.close(judge)
        self._prepare(tier, config)

    def _prepare(self, tier: Tier, config: dict[str, Any]) -> None:
        """Tell the server what is wanted, and wait until it has loaded that."""
        try:
            program = filters.build(hold_group=not config["namespaces"])
            self._control.settimeout(START_SECONDS)
            self._exchange({**config, "filter": base64.b64encode(program).decode()})
        except BaseException as error:
            said = self.close()
            if isinstance(error, OSError):
                why = said.splitlines()[-1] if said else str(error)
                raise SandboxError(f"the sandbox {tier.value!r} did not start: {why}") from None
            raise
        self._control.settimeout(ANSWER_SECONDS)

    def _exchange(self, request: Mapping[str, Any], *descriptors: int) -> dict[str, Any]:
        """Return the answer to a request, or raise OSError where the server is gone."""
        message = json.dumps(request).encode()
        with self._lock:
            if self._broken:
                raise ConnectionResetError("the sandbox's server did not answer before")
            self._broken = True
            socket.send_fds(self._control, [message], descriptors)
            answer = self._control.recv(MAX_MESSAGE)
            self._broken = not answer
        if not answer:
            raise ConnectionResetError("the sandbox's server ended")
        decoded: dict[str, Any] = json.loads(answer)
        return decoded

    def ask(self, request: Mapping[str, Any], *descriptors: int) -> dict[str, Any]:
        """Return the answer to a request.

        Raises:
            OSError: The server is gone.
            SandboxError: The server could not do it.
        """
        answer = self._exchange(request, *descriptors)
        if "error" in answer:
            raise SandboxError(f"a worker could not be started: {answer['error']}")
        return answer

    def close(self) -> str:
        """Return what the server said at its end, after which none of its workers lives."""
        with contextlib.suppress(OSError):
            self._control.send(CLOSE)
        self._control.close()
        return self._process.close()
