"""What a probe found is remembered until the machine, the user or the grader is another one.

A probe costs about as much as grading ten submissions. Only one that held is remembered, in a file
that its user alone can write; who can forge that file could change the grader as well.
"""

import contextlib
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from d2l_lite.grading.replacing import replace_file

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_DAY = 86_400.0


def recall(tier: str, now: float) -> dict[str, str] | None:
    """Return the checks of a tier that held here within a day, or None.

    Args:
        tier: Name of the tier.
        now: The time, in seconds since 1970.
    """
    path = _path(tier)
    try:
        found = path.lstat() if path is not None else None
        if path is None or found is None or found.st_uid != os.geteuid() or found.st_mode & 0o22:
            return None
        if not 0 <= now - found.st_mtime <= _DAY:
            return None
        checks = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(checks, dict):
        return None
    return {str(name): str(seen) for name, seen in checks.items()}


def remember(tier: str, checks: Mapping[str, str]) -> None:
    """Write down the checks of a tier that held; where that fails, the next process probes again.

    Args:
        tier: Name of the tier.
        checks: What `recall` shall return.
    """
    path = _path(tier)
    if path is None:
        return
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_file(path, json.dumps(dict(checks)).encode(), mode=0o600)
        for old in path.parent.glob("probe-*.json"):
            if old.stat().st_mtime < path.stat().st_mtime - _DAY:  # nobody will recall it
                old.unlink()


def _path(tier: str) -> Path | None:
    """Return the file for this tier, machine, user and state of the grader; None where unknown."""
    try:
        facts = [
            _BOOT.read_text(encoding="ascii"),
            os.uname().release,
            str(os.geteuid()),
            sys.executable,
            *map(_state, sorted(Path(__file__).parent.glob("*.py"))),
            *(_state(Path(found)) for found in [shutil.which("bwrap")] if found),
            os.readlink("/proc/self/ns/user"),
        ]
    except (AttributeError, OSError):
        return None
    digest = hashlib.sha256("\n".join([tier, *facts]).encode()).hexdigest()[:32]
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "d2l_lite" / f"probe-{digest}.json"


def _state(path: Path) -> str:
    """Return what changes with a file: its path, size and time."""
    found = path.stat()
    return f"{path} {found.st_size} {found.st_mtime_ns}"
