"""What a process without namespaces may read and write, by the kernel's Landlock (5.13 and later).

Needs no privileges. From Landlock 6 on, a process inside cannot signal one outside, either.
"""

import os
import struct
import sys
from collections.abc import Iterable

from d2l_lite.grading.kernel import call

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1
#: Execute, read a file, list a folder.
_READ = 0b1101
#: What rules can give or take for a file that is no folder: execute, write, read, truncate, ioctl.
_OF_FILES = 0b111 | 1 << 14 | 1 << 15
#: How many rights to files each version of Landlock knows; later ones know the last number.
_RIGHTS = (13, 14, 15, 15, 16)
_SCOPE_SOCKETS_AND_SIGNALS = 0b11


def version() -> int:
    """Return the version of the kernel's Landlock; 0 where there is none."""
    try:
        return call("syscall", _CREATE, None, 0, _VERSION)
    except OSError:
        return 0


def rules(readable: Iterable[str], writable: Iterable[str]) -> int:
    """Return a set of rules as a descriptor; -1 where the kernel has no Landlock.

    Args:
        readable: Files and folders that may be read; those that do not exist are left out.
        writable: Those that may be changed, too.

    Returns:
        An open descriptor.

    Raises:
        OSError: The kernel refused a rule.
    """
    found = version()
    if not found:
        return -1
    known = (1 << _RIGHTS[min(found, len(_RIGHTS)) - 1]) - 1
    words = struct.pack("=QQQ", known, 0, _SCOPE_SOCKETS_AND_SIGNALS)
    size = 24 if found >= 6 else 8
    made = call("syscall", _CREATE, words[:size], size, 0)
    for paths, rights in ((readable, _READ), (writable, known)):
        for path in paths:
            _allow(made, path, rights)
    return made


def _allow(made: int, path: str, rights: int) -> None:
    """Add a rule for one path, if it exists."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return
    try:
        if not os.path.isdir(path):
            rights &= _OF_FILES
        call("syscall", _ADD, made, _PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0)
    finally:
        os.close(descriptor)


def enter(made: int) -> None:
    """Hold this process and its children to a set of rules; needs `no_new_privs`."""
    call("syscall", _RESTRICT, made, 0)
    os.close(made)


def hidden(folders: Iterable[str]) -> list[str]:
    """Return the folders that lie below one that other users may not enter."""
    found = []
    for folder in folders:
        parents = folder.split("/")[1:-1]
        above = ["/" + "/".join(parents[: index + 1]) for index in range(len(parents))]
        if any(not os.stat(path).st_mode & 0o001 for path in above if os.path.exists(path)):
            found.append(folder)
    return found


def redirect(folder: str) -> None:
    """Let Python load modules of a folder through an open descriptor of it, which goes with forks.

    Python of root's home, say, stays usable for another user. Only for use under rules: through
    the descriptor, what lies beside the folder could be reached as well.

    Args:
        folder: Its path as the import path holds it.
    """
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    os.set_inheritable(descriptor, True)
    place = f"/proc/self/fd/{descriptor}"
    lists = [sys.path]
    lists += [
        path
        for one in list(sys.modules.values())
        if isinstance(path := getattr(one, "__path__", None), list)
    ]
    for paths in lists:
        for index, path in enumerate(paths):
            if path == folder or path.startswith(f"{folder}/"):
                paths[index] = place + path[len(folder) :]
    sys.path_importer_cache.clear()
