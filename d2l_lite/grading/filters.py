"""The filter of system calls: what no exercise needs, and what a sandbox could be left with."""

import errno
import functools
import importlib
import os
import struct
from typing import Any

from d2l_lite.grading.tiers import SandboxError

#: Newer system calls than those this list was made from are not there, as on an old kernel.
NEWEST = 456
#: New namespaces, and children that would be the server's, for `clone`.
_CLONE_FLAGS = 0x7E028080
_PR_SET_PDEATHSIG = 1
_MAP_SHARED_ANONYMOUS = 0x21
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
#: What is refused, one line a reason.
DENIED = {
    "network": "socket connect bind listen accept accept4",
    "namespaces": "unshare setns chroot pivot_root",
    "mounts": """mount umount2 mount_setattr move_mount open_tree fsopen fsconfig fsmount
        fspick""",
    "other processes": """ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd
        process_madvise process_mrelease migrate_pages move_pages""",
    "keys": "add_key request_key keyctl",
    "the kernel's own doors": """bpf perf_event_open userfaultfd io_uring_setup io_uring_enter
        io_uring_register io_setup io_submit fanotify_init lookup_dcookie uselib vmsplice
        personality modify_ldt syslog acct quotactl quotactl_fd nfsservctl""",
    "memory that nobody counts": """memfd_create memfd_secret shmget shmat shmctl shmdt msgget
        msgsnd msgrcv msgctl semget semop semctl semtimedop mq_open mq_unlink remap_file_pages""",
    "files by number": "open_by_handle_at name_to_handle_at",
    "the machine": """kexec_load kexec_file_load init_module finit_module delete_module
        create_module reboot swapon swapoff settimeofday clock_settime clock_adjtime adjtimex
        sethostname setdomainname iopl ioperm vhangup""",
}
#: These would leave the group of processes by which a worker without namespaces is ended.
GROUPS = "setsid setpgid"


@functools.cache
def build(*, hold_group: bool) -> bytes:
    """Return the filter as the kernel takes it.

    Args:
        hold_group: Whether processes may not leave their group either.

    Returns:
        Instructions, 8 bytes each.

    Raises:
        SandboxError: The library for filters is missing.
    """
    try:
        library = importlib.import_module("pyseccomp")
    except (ImportError, OSError, RuntimeError) as error:
        raise SandboxError(
            f"the filter of system calls needs pyseccomp and libseccomp, got {error}; "
            'run `pip install ".[grading]"` in a checkout of the book, and install libseccomp2'
        ) from None
    made = library.SyscallFilter(library.ALLOW)
    names = " ".join(DENIED.values()) + (f" {GROUPS}" if hold_group else "")
    for name in names.split():
        _refuse(library, made, name)
    _add_conditions(library, made)
    descriptor = os.memfd_create("filter")
    with os.fdopen(descriptor, "rb") as file:
        made.export_bpf(file)
        file.seek(0)
        return _refuse_newer() + file.read()


def _refuse(
    library: Any, made: Any, name: str, number: int = errno.EPERM, *conditions: Any
) -> None:
    """Refuse a system call, where this machine has one of this name."""
    try:
        made.add_rule(library.ERRNO(number), name, *conditions)
    except (OSError, ValueError):
        if library.resolve_syscall(library.Arch.NATIVE, name) >= 0:
            raise


def _add_conditions(library: Any, made: Any) -> None:
    """Refuse what depends on arguments; `clone3` hides them, so the C library must use `clone`."""
    _refuse(library, made, "clone3", errno.ENOSYS)
    for flag in (1 << bit for bit in range(32) if _CLONE_FLAGS >> bit & 1):
        _refuse(library, made, "clone", errno.EPERM, library.Arg(0, library.MASKED_EQ, flag, flag))
    shared = library.Arg(3, library.MASKED_EQ, _MAP_SHARED_ANONYMOUS, _MAP_SHARED_ANONYMOUS)
    _refuse(library, made, "mmap", errno.ENOMEM, shared)
    signal = library.Arg(0, library.EQ, _PR_SET_PDEATHSIG)
    _refuse(library, made, "prctl", errno.EPERM, signal)
    for request in (_TIOCSTI, _TIOCLINUX):
        word = library.Arg(1, library.MASKED_EQ, 0xFFFFFFFF, request)
        _refuse(library, made, "ioctl", errno.EPERM, word)


def _refuse_newer() -> bytes:
    """Return the instructions that come first: load the number, compare, refuse as unknown."""
    return b"".join(
        struct.pack("=HBBI", *one)
        for one in (
            (0x20, 0, 0, 0),
            (0x25, 0, 1, NEWEST),
            (0x06, 0, 0, 0x00050000 | errno.ENOSYS),
        )
    )
