"""A cage for graders that have none: attacks on them must not reach the machine they run on.

The peers run the learner's code with the rights of whoever grades. So they are put, with the
attack, into namespaces of their own: no network, no other processes, a private `/tmp`, of the disk
only the system's programs, a user without rights, limits on memory, processes and files.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

USER = 61_234
PROCESSES, FILE_BYTES, ADDRESS_BYTES, TMP_BYTES = 400, 256 << 20, 8 << 30, 384 << 20
#: What of the machine the caged processes see, read-only; links such as `/lib` stay links.
SYSTEM = ("/usr", "/etc", "/bin", "/lib", "/lib64", "/sbin")
OPEN = ("/tmp", "/var/tmp", "/dev/shm")


def available() -> str:
    """Return why there is no cage here; empty where there is one."""
    missing = [one for one in ("bwrap", "setpriv", "prlimit") if shutil.which(one) is None]
    if missing:
        return f"{', '.join(missing)} must be installed (Debian: bubblewrap, util-linux)"
    if os.geteuid() != 0:
        return "it must be root, to run what is caged as another user"
    command = [*cage(Path("/usr"), readable=[]), "true"]
    run = subprocess.run(command, capture_output=True, text=True)
    return run.stderr.strip() if run.returncode else ""


def cage(folder: Path, *, readable: Sequence[Path]) -> tuple[str, ...]:
    """Return what stands before a command that runs caged.

    Args:
        folder: The one folder that it may write to.
        readable: Folders that it may read, beside the system's own.

    Returns:
        The beginning of the command.
    """
    words = ["bwrap", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    words += ["--die-with-parent", "--new-session", "--proc", "/proc", "--dev", "/dev"]
    for name in filter(os.path.exists, SYSTEM):
        link = Path(name).is_symlink()
        words += ["--symlink", os.readlink(name), name] if link else ["--ro-bind", name, name]
    for name in OPEN:
        words += ["--perms", "1777", "--size", str(TMP_BYTES), "--tmpfs", name]
    for path in [*readable, folder]:
        for parent in list(reversed(path.parents))[1:]:
            if str(parent) not in OPEN and not str(parent).startswith(SYSTEM):
                words += ["--perms", "0755", "--dir", str(parent)]
        words += ["--bind" if path == folder else "--ro-bind", str(path), str(path)]
    words += ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    words += ["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
    words += ["prlimit", f"--nproc={PROCESSES}", f"--fsize={FILE_BYTES}", f"--as={ADDRESS_BYTES}"]
    return (*words, "--core=0", "--")


def hand_over(folder: Path) -> None:
    """Give everything below a folder to the caged user."""
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, USER, USER, follow_symlinks=False)
