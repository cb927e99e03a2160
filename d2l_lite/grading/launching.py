"""How the fork server is started in each tier: the command, what it may read, and its users."""

import contextlib
import importlib.util
import os
import shutil
import site
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path

from d2l_lite.grading import jobs, landlock
from d2l_lite.grading.tiers import SandboxError, Tier

PACKAGE = Path(__file__).resolve().parent.parent
SERVER = PACKAGE / "grading" / "server.py"
#: What Python calls the folders of its own modules and of those that are installed.
LIBRARIES = ("stdlib", "platstdlib", "purelib", "platlib")
#: What programs need of the system, read-only.
SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32", "/nix/store"),
    *("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime"),
    "/sys/kernel/mm/transparent_hugepage",  # the C library looks here before it takes large pages
)
DEVICES = ("null", "zero", "full", "random", "urandom")
#: What the server needs to confine its workers, inside its own namespaces.
CAPABILITIES = ("SYS_ADMIN", "SETUID", "SETGID", "SETPCAP", "SYS_PTRACE", "KILL")
#: Large pages make a fork of a process with much memory several times faster.
ENVIRONMENT = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",
    "USER": "learner",
    "LOGNAME": "learner",
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "MPLBACKEND": "Agg",
    "D2L_LITE_OFFLINE": "1",
}
#: The worker's user inside a namespace of users of its own.
INNER_UID = 1000
FIRST_UID, LAST_UID = 61_500_000, 61_500_999


def import_paths(modules: Sequence[str]) -> list[str]:
    """Return the folders of modules that an isolated Python would not find, such as a user's own.

    Args:
        modules: Their names; the file of none of them is run.

    Returns:
        Folders, each once.
    """
    standard = {*map(sysconfig.get_path, LIBRARIES)}
    standard |= set(site.getsitepackages())
    found = []
    for name in modules:
        spec = importlib.util.find_spec(name.partition(".")[0])
        if spec is None:
            raise SandboxError(f"module {name!r} must be installed to be preloaded, got none")
        if spec.has_location and spec.origin is not None:
            folder = Path(spec.origin).parent
            found.append(str(folder.parent if spec.submodule_search_locations else folder))
    return [path for path in dict.fromkeys(found) if path not in standard]


def python_paths() -> list[str]:
    """Return what this Python consists of: its program, its libraries, this package."""
    found = [sys.executable, str(PACKAGE)]
    found += [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    for prefix in dict.fromkeys((sys.prefix, sys.base_prefix, sys.exec_prefix)):
        found += [os.path.join(prefix, name) for name in ("bin", "lib", "lib64", "pyvenv.cfg")]
    return found


def readable() -> list[str]:
    """Return what a worker without namespaces may read."""
    devices = [f"/dev/{name}" for name in DEVICES]
    return [*SYSTEM, *python_paths(), "/proc", *devices]


def hidden_paths(paths: Sequence[str]) -> list[str]:
    """Return the folders of modules that other users cannot reach, such as those in root's home.

    Args:
        paths: Folders of modules beside Python's own and this package.
    """
    own = map(sysconfig.get_path, LIBRARIES)
    return landlock.hidden(dict.fromkeys([*own, str(PACKAGE), *paths]))


def command(tier: Tier, *, readable: Sequence[str], descriptors: Sequence[int]) -> list[str]:
    """Return the command that starts the server.

    Args:
        tier: How it is confined.
        readable: Further files and folders that workers may read.
        descriptors: Open descriptors of the socket to the judge and of the judge's process.

    Returns:
        Words of the command.

    Raises:
        SandboxError: A program is missing.
    """
    server = [sys.executable, "-I", str(SERVER), *map(str, descriptors)]
    if tier is not Tier.BUBBLEWRAP:
        return server
    program = shutil.which("bwrap")
    if program is None:
        raise SandboxError(
            "the tier 'bubblewrap' needs the program bwrap, which is not on PATH; "
            "install the package bubblewrap"
        )
    words = [program, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    words += ["--unshare-cgroup-try", "--die-with-parent", "--new-session"]
    if os.geteuid() != 0:
        words += ["--unshare-user", "--uid", str(INNER_UID), "--gid", str(INNER_UID)]
    words += ["--cap-drop", "ALL"]
    for name in CAPABILITIES:
        words += ["--cap-add", f"CAP_{name}"]
    return [*words, *_mounts([*python_paths(), *readable]), "--", *server]


def _mounts(paths: Sequence[str]) -> Iterator[str]:
    """Yield bubblewrap's words for a root that holds what is given, read-only, and nothing else."""
    existing = [Path(path) for path in dict.fromkeys([*SYSTEM, *paths]) if os.path.exists(path)]
    shown = [path for path in existing if not set(path.parents) & set(existing)]
    folders = {parent for path in shown for parent in path.parents} - {Path("/")}
    for folder in sorted(folders | {Path("/tmp"), Path("/dev"), Path("/dev/shm")}):
        if not {folder, *folder.parents} & set(shown):
            # Libraries that the server loads may want to write; workers get a `/tmp` of their own.
            kind = ("--size", "1048576", "--tmpfs") if folder == Path("/tmp") else ("--dir",)
            yield from ("--perms", "0755", *kind, str(folder))
    for path in map(str, shown):
        yield from ("--ro-bind", path, path)
    yield from ("--proc", "/proc")
    for name in DEVICES:
        yield from ("--dev-bind", f"/dev/{name}", f"/dev/{name}")
    yield from ("--symlink", "/proc/self/fd", "/dev/fd")
    yield from ("--remount-ro", "/", "--chdir", "/")


def is_listed(uid: int) -> bool:
    """Return whether an account of this machine has this number."""
    import pwd

    with contextlib.suppress(KeyError):
        return bool(pwd.getpwuid(uid))
    return False


def is_mapped(uid: int) -> bool:
    """Return whether this machine's namespace of users knows a number."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        ranges = [[int(word) for word in line.split()] for line in file]
    return any(first <= uid < first + count for first, _, count in ranges)


def below_private(paths: Sequence[str]) -> list[str]:
    """Return the paths that a worker's own `/tmp` and `/dev/shm` would hide."""
    return [path for path in paths if path.startswith(("/tmp/", "/dev/shm/"))]


def counts_by_namespace() -> bool:
    """Return whether this kernel counts a user's processes in each namespace of users apart."""
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int(minor)) >= (5, 14)


def kill_user(uid: int) -> None:
    """End every process of a user, without any help of the sandbox's server."""
    subprocess.run(
        ["/bin/sh", "-c", "kill -KILL -1"],
        user=uid,
        group=uid,
        extra_groups=[],
        check=False,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


class Users:
    """Numbers of users for workers, each held by one judge of this machine at a time.

    A number is held by a socket with its name, which the kernel gives back whatever happens.
    """

    def __init__(self) -> None:
        self._held: dict[int, socket.socket] = {}
        self._free: list[int] = []
        self._first = FIRST_UID if is_mapped(LAST_UID + jobs.CLEANERS) else 60_000

    def take(self) -> int:
        """Return a number that no other worker has.

        Raises:
            SandboxError: All are taken.
        """
        if self._free:
            return self._free.pop()
        for uid in range(self._first, self._first + jobs.CLEANERS):
            both = (uid, uid + jobs.CLEANERS)
            if uid in self._held or not all(is_mapped(one) and not is_listed(one) for one in both):
                continue
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                sock.bind(f"\0d2l-lite-worker-{uid}")
            except OSError:
                sock.close()
                continue
            self._held[uid] = sock
            return uid
        raise SandboxError(
            f"workers need a user number of their own from {self._first} on, got none that is "
            "free; end other judges on this machine"
        )

    def give_back(self, uid: int) -> None:
        """Take back a number whose worker has ended."""
        if uid in self._held:
            self._free.append(uid)

    def close(self) -> None:
        """Let other judges have the numbers."""
        for sock in self._held.values():
            sock.close()
        self._held, self._free = {}, []
