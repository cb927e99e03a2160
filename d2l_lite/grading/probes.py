"""Whether a tier holds on this machine, seen by attempts inside its workers."""

import contextlib
import functools
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d2l_lite.grading.remembering import recall, remember
from d2l_lite.grading.tiers import Limits, SandboxError, Tier
from d2l_lite.grading.workers import Sandbox, Worker

ENTRY = "d2l_lite.grading.attempts:serve"
LIMITS = Limits(memory=64 << 20, processes=8, disk=1 << 20, submission=10.0)
ANSWER_SECONDS = 10.0
#: What a process without privileges can promise; its probe is right where these hold.
PLAIN_PROMISES = {"allocate at once", "hoard memory", "load Python's library", "outlive the end"}
#: Attempts to use too much: the function, and how the watchdog names the end of its worker.
GREEDY = {
    "fork many": ("fork_many", "processes"),
    "hoard memory": ("hoard", "memory"),
    "fill the disk": ("fill_disk", "disk"),
}


@dataclass(frozen=True)
class Probe:
    """What the attempts found: an empty text for each check that held, else what was seen."""

    tier: Tier
    ok: bool
    checks: Mapping[str, str]

    @property
    def failures(self) -> str:
        """What was seen where the tier did not hold, in one line."""
        return "; ".join(f"{name}: {seen}" for name, seen in self.checks.items() if seen)


def ask(worker: Worker, source: str) -> Any:
    """Return the value of `result` after a piece of Python ran in a worker of `attempts`.

    Args:
        worker: The worker.
        source: The piece.

    Returns:
        The value, as JSON carries it.

    Raises:
        EOFError: The worker ended.
        RuntimeError: The piece raised.
        TimeoutError: No answer came in time.
    """
    worker.socket.settimeout(ANSWER_SECONDS)
    try:
        worker.socket.sendall(json.dumps(source).encode() + b"\n")
        with worker.socket.makefile("rb") as file:
            line = file.readline()
    except ConnectionError:
        line = b""
    if not line.endswith(b"\n"):
        raise EOFError("the worker ended")
    answer = json.loads(line)
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer["result"]


def _attempt(worker: Worker, name: str, facts: Mapping[str, Any]) -> str:
    """Return what an attempt got hold of; one that could not be made has failed."""
    source = f"from d2l_lite.grading import attempts\nresult = attempts.{name}({dict(facts)!r})"
    try:
        return str(ask(worker, source))
    except (EOFError, OSError, RuntimeError) as error:
        return f"it could not be tried: {error}"


@contextlib.contextmanager
def _bait() -> Iterator[dict[str, Any]]:
    """Return what attempts aim at: a private file, a server, this process."""
    with tempfile.TemporaryDirectory(prefix="d2l-lite-") as folder, socket.socket() as server:
        secret = Path(folder) / "secret"
        secret.write_text("secret", encoding="utf-8")
        server.bind(("127.0.0.1", 0))
        server.listen()
        name = f"{Path(folder).name}-left"
        try:
            yield {
                "secret": str(secret),
                "port": server.getsockname()[1],
                "judge": os.getpid(),
                "name": name,
                "memory": LIMITS.memory,
                "processes": LIMITS.processes,
                "disk": LIMITS.disk,
            }
        finally:
            for left in (Path("/tmp", name), Path("/dev/shm", name)):
                with contextlib.suppress(OSError):
                    left.chmod(0o700)
                    shutil.rmtree(left)


def _harmless(worker: Worker, facts: Mapping[str, Any]) -> dict[str, str]:
    """Return what the attempts found that leave the worker alive."""
    from d2l_lite.grading import attempts

    return {
        title: _attempt(worker, function.__name__, facts)
        for title, function in attempts.HARMLESS.items()
    }


def _outlived(worker: Worker, facts: Mapping[str, Any]) -> str:
    """Return whether something of a worker is alive after its end: it would hold the socket."""
    seen = _attempt(worker, "outlive", facts)
    with worker.socket.dup() as other:
        worker.kill()
        other.settimeout(1.0)
        try:
            left = other.recv(1)
        except TimeoutError:
            return "a process was alive after the end"
        except OSError:
            left = b""
    return seen or ("a process wrote after the end" if left else "")


def _too_much(sandbox: Sandbox, facts: Mapping[str, Any], *, name: str, reason: str) -> str:
    """Return whether an attempt to use too much went through; its end may be the worker's."""
    with _fresh(sandbox) as worker:
        seen = _attempt(worker, name, facts)
        return "" if worker.kill().reason == reason else seen


@contextlib.contextmanager
def _fresh(sandbox: Sandbox) -> Iterator[Worker]:
    """Return a fresh worker for a while."""
    worker = sandbox.start()
    try:
        yield worker
    finally:
        worker.kill()


def _checks(sandbox: Sandbox, facts: Mapping[str, Any]) -> dict[str, str]:
    """Return what every attempt found."""
    with _fresh(sandbox) as worker, _fresh(sandbox) as another:
        checks = _harmless(worker, facts)
        checks["outlive the end"] = _outlived(worker, facts)
        checks["find another's files"] = _attempt(another, "find_left_behind", facts)
    for title, (name, reason) in GREEDY.items():
        checks[title] = _too_much(sandbox, facts, name=name, reason=reason)
    return checks


def probe(tier: Tier) -> Probe:
    """Return whether a tier holds on this machine, found by real attempts.

    Args:
        tier: The tier.

    Returns:
        Every check; a tier that cannot be started fails the check `start`.
    """
    try:
        with _bait() as facts, Sandbox(tier, preload=(), limits=LIMITS, entry=ENTRY) as sandbox:
            checks = {"start": ""} | _checks(sandbox, facts)
    except (SandboxError, OSError) as error:
        checks = {"start": str(error) or type(error).__name__}
    needed = {"start", *PLAIN_PROMISES} if tier is Tier.PLAIN else set(checks)
    return Probe(tier, not any(seen for name, seen in checks.items() if name in needed), checks)


@functools.cache
def _probed(tier: Tier) -> Probe:
    """Return the probe of a tier, made once in a process, and once a day where it held."""
    known = recall(tier.value, time.time())
    if known is not None:
        return Probe(tier, True, known)
    found = probe(tier)
    if not found.ok and not found.checks["start"]:  # perhaps short of something for a moment
        found = probe(tier)
    if found.ok:
        remember(tier.value, found.checks)
    return found


def choose(wanted: Tier | None = None) -> Tier:
    """Return the strongest tier that holds on this machine.

    Args:
        wanted: The only tier to try; None tries all, the strongest first.

    Returns:
        The tier.

    Raises:
        SandboxError: None holds; the message says what was seen.
    """
    tried = []
    for tier in (Tier(wanted),) if wanted else Tier:
        tried.append(_probed(tier))
        if tried[-1].ok:
            return tier
    seen = "; ".join(f"{one.tier.value}: {one.failures}" for one in tried)
    raise SandboxError(f"no sandbox holds on this machine; {seen}")
