"""Where numbers came about: the processor, the system, how busy it was, versions of packages."""

import importlib.metadata
import os
import platform
from pathlib import Path


def processor() -> str:
    """Return the processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def described(load: float) -> str:
    """Return processor, system and load in one line.

    Args:
        load: The load average before anything was measured.

    Returns:
        The line, without a period at its end.
    """
    loads = f"load average {load:.1f} before, {os.getloadavg()[0]:.1f} after"
    system = f"{platform.system()} {platform.release()}"
    return f"{processor()}, {os.cpu_count()} cores, {system}, {loads}"


def versions(**packages: str) -> str:
    """Return the versions of Python and of packages, each given as `Name="distribution"`."""
    found = [f"{name} {importlib.metadata.version(one)}" for name, one in packages.items()]
    return ", ".join([f"Python {platform.python_version()}", *found])
