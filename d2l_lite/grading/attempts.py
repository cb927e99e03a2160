"""Attempts to break out, for probes: they run inside a worker, as a learner's code would.

Each returns what it got hold of, in words; an empty text means that the sandbox held.
"""

import contextlib
import ctypes
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_CLONE_NEWUSER = 0x10000000


def serve(sock: socket.socket) -> None:
    """Run pieces of Python that come over the socket, and send back the value of `result`."""
    with sock.makefile("rwb") as file:
        for line in file:
            names: dict[str, object] = {"result": None}
            try:
                exec(json.loads(line), names)
                answer = {"result": names["result"]}
            except Exception as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            file.write(json.dumps(answer, default=repr).encode() + b"\n")
            file.flush()


def read_private(facts: Mapping[str, Any]) -> str:
    """Try to read a file that the judge keeps for itself."""
    with contextlib.suppress(OSError):
        Path(facts["secret"]).read_text(encoding="utf-8")
        return "a private file of the judge was read"
    return ""


def write_outside(facts: Mapping[str, Any]) -> str:
    """Try to write where the judge's and the system's files are."""
    places = [Path(facts["secret"]).parent, *map(Path, (sys.prefix, "/", "/etc", "/usr", "/proc"))]
    written = []
    for place in (Path(__file__).parent, *places):
        with contextlib.suppress(OSError):
            (place / "d2l-lite-probe").write_text("x", encoding="utf-8")
            (place / "d2l-lite-probe").unlink()
            written.append(str(place))
    return f"files were written in {', '.join(written)}" if written else ""


def connect(facts: Mapping[str, Any]) -> str:
    """Try to reach a server of the judge's, and to make sockets of several families."""
    made = []
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK):
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM):
            made.append(family.name)
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", facts["port"]), timeout=0.2).close()
        made.append("a connection to the judge's machine")
    return f"sockets were made: {', '.join(made)}" if made else ""


def see_processes(facts: Mapping[str, Any]) -> str:
    """Try to look into the judge, and into any process that is not the worker's own."""
    others = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    seen = []
    for pid in {*others, facts["judge"]} - {os.getpid()}:
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/environ").read_bytes()
            seen.append(str(pid))
    return f"the environment of processes {', '.join(seen[:5])} was read" if seen else ""


def signal_judge(facts: Mapping[str, Any]) -> str:
    """Try whether a signal would reach the judge."""
    if facts["judge"] != os.getpid():
        with contextlib.suppress(OSError):
            os.kill(facts["judge"], 0)
            return "the judge could be killed"
    return ""


def gain_privileges(facts: Mapping[str, Any]) -> str:
    """Try to become root, to make a namespace, and to call what is filtered; read what is left."""
    got = [] if os.getuid() else ["the user is root"]
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(_CLONE_NEWUSER) == 0:
        got.append("a namespace of users was made")
    with contextlib.suppress(OSError):
        os.setuid(0)
        got.append("root was regained")
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    for line in status:
        name, _, value = line.partition(":\t")
        if name in ("CapPrm", "CapEff", "CapBnd", "CapAmb") and int(value, 16):
            got.append(f"{name} is {value}")
        if (name == "NoNewPrivs" and value != "1") or (name == "Seccomp" and value != "2"):
            got.append(f"{name} is {value}")
    return ", ".join(got)


def write_large(facts: Mapping[str, Any]) -> str:
    """Try to write a file above the limit into the worker's folder, and into shared memory."""
    filled = []
    for folder in dict.fromkeys((os.environ["TMPDIR"], "/dev/shm")):
        path = Path(folder) / f"d2l-lite-probe-{os.getpid()}"
        with contextlib.suppress(OSError):
            path.write_bytes(bytes(facts["disk"] + 4096))
            filled.append(folder)
        with contextlib.suppress(OSError):
            path.unlink()
    return f"more than the limit was written in {', '.join(filled)}" if filled else ""


def allocate(facts: Mapping[str, Any]) -> str:
    """Try to get more memory than the limit in one piece."""
    with contextlib.suppress(MemoryError):
        bytearray(facts["memory"] * 2)
        return "more memory than the limit was granted in one piece"
    return ""


def import_late(facts: Mapping[str, Any]) -> str:
    """Import what was not loaded before: a worker without the library is of no use."""
    try:
        import colorsys  # noqa: F401
        import cProfile  # noqa: F401
    except ImportError as error:
        return f"Python's own library cannot be read: {error}"
    return ""


def fork_many(facts: Mapping[str, Any]) -> str:
    """Try to have more processes than the limit."""
    started = []
    with contextlib.suppress(OSError):
        for _ in range(facts["processes"] + 4):
            pid = os.fork()
            if pid == 0:
                time.sleep(30)
                os._exit(0)
            started.append(pid)
    for pid in started:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    many = len(started) > facts["processes"]
    return f"{len(started)} processes were started" if many else ""


def fill_disk(facts: Mapping[str, Any]) -> str:
    """Try to write several files that are together above the limit."""
    try:
        for number in range(4):
            path = Path(os.environ["TMPDIR"]) / f"d2l-lite-probe-{number}"
            path.write_bytes(bytes(facts["disk"] // 2))
    except OSError:
        return ""
    time.sleep(2)
    return "files above the limit stayed for two seconds"


def hoard(facts: Mapping[str, Any]) -> str:
    """Try to hold more memory than the limit in several processes together."""
    for _ in range(3):
        if os.fork() == 0:
            held = bytearray(os.urandom(4096)) * (facts["memory"] * 2 // 3 // 4096)
            time.sleep(2)
            os._exit(len(held) & 1)
    time.sleep(2)
    return "more memory than the limit was held for two seconds"


def outlive(facts: Mapping[str, Any]) -> str:
    """Leave a process behind that has no parent and a session of its own, and a closed folder."""
    if os.fork() == 0:
        with contextlib.suppress(OSError):
            os.setsid()
        if os.fork() == 0:
            time.sleep(30)
        os._exit(0)
    os.wait()
    for folder in ("/tmp", "/dev/shm"):
        with contextlib.suppress(OSError):
            place = Path(folder) / facts["name"]
            place.mkdir()
            (place / "file").write_text("x", encoding="utf-8")
            place.chmod(0)
    return ""


def find_left_behind(facts: Mapping[str, Any]) -> str:
    """Look for the folder that the worker before left."""
    found = [place for place in ("/tmp", "/dev/shm") if (Path(place) / facts["name"]).exists()]
    return f"a folder of the worker before was found in {', '.join(found)}" if found else ""


HARMLESS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "read a private file": read_private,
    "write outside its folder": write_outside,
    "open a socket": connect,
    "see other processes": see_processes,
    "signal the judge": signal_judge,
    "gain privileges": gain_privileges,
    "write a large file": write_large,
    "allocate at once": allocate,
    "load Python's library": import_late,
}
