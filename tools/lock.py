"""Write `requirements.txt` from the environment in use: `python -m tools.lock`."""

import re
import subprocess
import sys
from pathlib import Path

HEADER = """\
# The pinned environment that builds and tests the book: `make lock` writes this file from the
# environment in use. The package itself has loose ranges instead: see pyproject.toml.
"""


def pinned(frozen: str) -> str:
    """Return the text of `requirements.txt` for the output of `pip freeze`.

    The package itself is left out, and so are local version labels such as `+cpu`, so that a
    machine with a GPU gets the build that fits it.
    """
    lines = [line for line in frozen.splitlines() if re.match(r"[\w.\[\]-]+==", line)]
    return HEADER + "".join(f"{re.sub(r'[+].*', '', line)}\n" for line in lines)


def main() -> int:
    """Write the file and return 0."""
    command = [sys.executable, "-m", "pip", "freeze", "--exclude", "d2l-lite"]
    frozen = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    Path("requirements.txt").write_text(pinned(frozen), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
