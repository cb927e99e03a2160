"""What a worker does to itself before it runs a learner's code: namespaces, limits, privileges.

Only the standard library: Python 3.11 has none of these calls, so they go through ctypes. The
order matters. Mounts need capabilities, user and group change while capabilities are left, the
number of processes is limited for the new user, and the filter of system calls comes last.
"""

import contextlib
import ctypes
import os
import resource
import signal
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from d2l_lite.grading import landlock
from d2l_lite.grading.kernel import call

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
#: The worker's own namespaces; that of processes is made by the server, before it forks.
NAMESPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 0x20, 0x1000, 0x4000, 1 << 18
_SAFE = MS_NOSUID | MS_NODEV

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP = 1, 4, 22, 24
PR_SET_SECUREBITS, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 28, 36, 38, 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
SECCOMP_MODE_FILTER = 2
#: Root gets no capabilities back by running a program, and none of these bits can be unset.
SECUREBITS = 0b101111
CAPABILITY_VERSION = 0x20080522

#: Address space beyond the memory limit: threads reserve much of it and touch little.
ADDRESS_SLACK = 8 << 30
MAX_FILES = 128
#: What any process may change: where there is no `/dev/shm` of its own, it is this machine's.
SHARED = ("/dev/shm", "/dev/null", "/dev/zero", "/dev/full")
#: Numbers of what a worker keeps open: its socket, and until it is confined a pipe on which it says
#: that it is, or why not, and the folder `/proc` of before.
SOCKET_FD, STATUS_FD, PROC_FD = 3, 4, 5


def new_pid_namespace(own: int) -> None:
    """Let the next fork be process 1 of a namespace of its own.

    Args:
        own: Open descriptor of this process's own namespace of processes.
    """
    call("setns", own, CLONE_NEWPID)
    call("unshare", CLONE_NEWPID)


def _mount(source: str, target: str, kind: str | None, *, flags: int, data: str = "") -> None:
    """Mount a file system, or name the place where that failed."""
    words = [None if one is None else one.encode() for one in (source, target, kind)]
    try:
        call("mount", *words, flags, data.encode() or None)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror} ({kind or 'bind'} on {target})") from None


def private_mounts(disk: int, kept: Iterable[str]) -> None:
    """Give this process `/proc` of its own processes, and a fresh `/tmp` and `/dev/shm`.

    Args:
        disk: Bytes that `/tmp` and `/dev/shm` may hold together.
        kept: What stays to be seen of those that were there before.
    """
    held = {path: os.open(path, os.O_PATH) for path in kept if os.path.exists(path)}
    _mount("none", "/", None, flags=MS_REC | MS_PRIVATE)
    _mount("proc", "/proc", "proc", flags=_SAFE | MS_NOEXEC | MS_RDONLY)
    entries = max(64, disk // 16384)
    _mount("tmpfs", "/tmp", "tmpfs", flags=_SAFE, data=f"size={disk},nr_inodes={entries},mode=755")
    for name, target in (("shm", "/dev/shm"), ("tmp", "/tmp")):
        os.mkdir(f"/tmp/{name}")
        os.chmod(f"/tmp/{name}", 0o1777)
        _mount(f"/tmp/{name}", target, None, flags=MS_BIND)
    _show_again(held)


def _show_again(held: Mapping[str, int]) -> None:
    """Show folders and files of before at their places, in folders that can never be written.

    Without a file system of their own, those would belong to the user who makes them here: where
    no root is about, that is the learner's.
    """
    frames = {_frame(path) for path in held} - set(held)
    for frame in frames:
        os.mkdir(frame)
        _mount("tmpfs", frame, "tmpfs", flags=_SAFE, data="size=1m,mode=755")
    for path, descriptor in held.items():
        is_folder = os.path.isdir(f"/proc/self/fd/{descriptor}")
        os.makedirs(path if is_folder else os.path.dirname(path), exist_ok=True)
        if not is_folder:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o444))
        _mount(f"/proc/self/fd/{descriptor}", path, None, flags=MS_BIND | MS_REC)
        os.close(descriptor)
    for frame in frames:
        _mount("none", frame, None, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | _SAFE)


def _frame(path: str) -> str:
    """Return the first folder of a path below `/tmp` or `/dev/shm`."""
    return "/".join(path.split("/")[: 3 if path.startswith("/tmp/") else 4])


def enter_user_namespace(uid: int) -> None:
    """Become a user of a namespace of users of its own, in which processes are counted apart.

    Args:
        uid: Number of the user inside; outside, it stays who it was.
    """
    outside, group = os.getuid(), os.getgid()
    call("unshare", CLONE_NEWUSER)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {outside} 1"),
        ("gid_map", f"{uid} {group} 1"),
    ):
        descriptor = os.open(f"self/{name}", os.O_WRONLY, dir_fd=PROC_FD)
        os.write(descriptor, text.encode())
        os.close(descriptor)


def become(uid: int) -> None:
    """Become an unprivileged user for good: no groups, and no capability can come back.

    Args:
        uid: Number of the user and of its group.
    """
    with contextlib.suppress(PermissionError):
        os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def drop_bounding_set() -> None:
    """Drop every capability from the set that programs could gain; needs CAP_SETPCAP."""
    call("prctl", PR_SET_SECUREBITS, SECUREBITS, 0, 0, 0)
    for capability in range(64):
        try:
            call("prctl", PR_CAPBSET_DROP, capability, 0, 0, 0)
        except OSError as error:
            if error.errno != 22:
                raise
            return


def drop_capabilities() -> None:
    """Drop every capability of this process."""
    call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    call("capset", header, (ctypes.c_uint32 * 6)())


def load_filter(program: bytes) -> None:
    """Let the kernel check every system call of this process and its children.

    Args:
        program: The filter's instructions, 8 bytes each.
    """

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]

    one = Program(len(program) // 8, program)
    call("prctl", PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(one), 0, 0)


def own_sizes() -> tuple[int, int]:
    """Return this process's address space and its writable data, in bytes."""
    sizes = dict(_status_lines())
    return sizes["VmSize"], sizes["VmData"]


def _status_lines() -> Iterator[tuple[str, int]]:
    """Yield the names and bytes of the sizes that the kernel tells about this process."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        for line in file:
            name, _, value = line.partition(":")
            if value.endswith(" kB\n"):
                yield name, int(value[:-3]) * 1024


def limit(limits: Mapping[str, Any], *, processes: int | None, cpu: int) -> None:
    """Set the limits of every process of this worker.

    Args:
        limits: `memory` and `disk` in bytes.
        processes: How many processes and threads its user may have; None sets no limit.
        cpu: Seconds of processor time, a backstop behind the limits of wall-clock time.
    """
    space, data = own_sizes()
    wanted = {
        resource.RLIMIT_AS: space + limits["memory"] + ADDRESS_SLACK,
        resource.RLIMIT_DATA: data + limits["memory"],
        resource.RLIMIT_CPU: cpu,
        resource.RLIMIT_FSIZE: limits["disk"],
        resource.RLIMIT_NOFILE: MAX_FILES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_SIGPENDING: 256,
        resource.RLIMIT_NICE: 0,
        resource.RLIMIT_RTPRIO: 0,
    }
    if processes is not None:
        wanted[resource.RLIMIT_NPROC] = processes
    for name, value in wanted.items():
        hard = resource.getrlimit(name)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(name, (value, value))


def keep_only(descriptors: Mapping[int, int]) -> None:
    """Close every descriptor but those given; standard input and output lead to `/dev/null`.

    Args:
        descriptors: Old number of each to keep, by its new number, from 3 on without a gap.
    """
    moved = {new: os.dup2(old, 100 + new) for new, old in descriptors.items()}
    null = os.open("/dev/null", os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    for new, old in moved.items():
        os.dup2(old, new, inheritable=False)
    os.closerange(3 + len(moved), os.sysconf("SC_OPEN_MAX"))


def reset_signals() -> None:
    """Handle every signal as a new program would, and block none."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGIO):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def _be_first_to_go() -> None:
    """Let the kernel end this process before any other where memory is short."""
    descriptor = os.open("self/oom_score_adj", os.O_WRONLY, dir_fd=PROC_FD)
    os.write(descriptor, b"1000")
    os.close(descriptor)


def _rules(config: Mapping[str, Any], request: Mapping[str, Any]) -> int:
    """Return what this process may read and write, where it has no namespaces; -1 for all."""
    rules = landlock.rules(config["readable"], [request["folder"], *SHARED])
    for path in config["hidden"] if rules >= 0 else ():
        landlock.redirect(path)
    return rules


def confine(config: Mapping[str, Any], request: Mapping[str, Any]) -> None:
    """Confine this process for good: what a worker does between the fork and a learner's code.

    Args:
        config: What the judge asked of the server: `tier`, `namespaces`, `users`, `limits`, `cpu`.
        request: What it asks for this worker: `uid`, `folder`, `filter`, `processes`.

    Raises:
        OSError: A step failed; the worker must not go on.
    """
    rules = -1
    _be_first_to_go()
    if config["namespaces"]:
        call("unshare", NAMESPACES)
        private_mounts(config["limits"]["disk"], config["kept"])
        if config["users"]:
            enter_user_namespace(request["uid"])
    else:
        rules = _rules(config, request)
    os.close(PROC_FD)
    os.chdir(request["folder"])
    limit(config["limits"], processes=request["processes"], cpu=config["cpu"])
    if config["tier"] != "plain" or os.geteuid() == 0:
        drop_bounding_set()
    if config["tier"] != "plain":
        become(request["uid"])
    drop_capabilities()
    call("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)
    call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if rules >= 0:
        landlock.enter(rules)
    load_filter(request["filter"])
