"""The program that looks for what readers with a screen reader or a keyboard would stumble over.

It is axe-core, from npm, at a pinned version. Its script is fetched once, into `build/`.
"""

from pathlib import Path

from tools.npm import fetch

ROOT = Path(__file__).resolve().parent.parent
VERSION = "4.14.1"
FOLDER = ROOT / "build" / "axe"
NAME = "axe.min.js"


def script() -> str:
    """Return axe-core's script, fetched from npm the first time.

    Raises:
        RuntimeError: npm is missing, or did not give the package.
    """
    if reason := fetch("axe-core", VERSION, folder=FOLDER, keep=(NAME,)):
        raise RuntimeError(f"axe-core {VERSION} could not be fetched: {reason}")
    return (FOLDER / NAME).read_text(encoding="utf-8")
