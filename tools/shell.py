"""A bash that runs one command after another, for pages that show what commands print."""

import contextlib
import os
import re
import secrets
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path

#: Seconds that one command may take.
TIMEOUT = 300.0


class TranscriptError(Exception):
    """A page that cannot be run; the message names file and line."""


class Shell:
    """A bash in a folder of its own, which keeps its state from one command to the next.

    At the end everything that it started is ended as well.
    """

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=environment(folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def __enter__(self) -> "Shell":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()

    def run(self, command: str, *, timeout: float = TIMEOUT) -> tuple[str, int]:
        """Return what a command printed, on both streams, and its exit status.

        Args:
            command: The command, of one line or several.
            timeout: Seconds that it may take.

        Returns:
            The text and the status.

        Raises:
            TranscriptError: It took too long, or it ended the shell.
        """
        assert self._process.stdin is not None
        mark = secrets.token_hex(16)
        end = f"__s=$?; printf '\\n{mark} %d\\n' $__s; (exit $__s)"
        self._process.stdin.write(f"{{ {command}\n}} < /dev/null\n{end}\n".encode())
        self._process.stdin.flush()
        text, status = self._read(mark, time.monotonic() + timeout).rsplit(f"\n{mark} ", 1)
        return text, int(status)

    def _read(self, mark: str, deadline: float) -> str:
        """Return what comes until the line with the mark, that line included."""
        assert self._process.stdout is not None
        seen, output = b"", self._process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while not re.search(rf"\n{mark} \d+\n\Z".encode(), seen):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise TranscriptError("the command takes too long")
                piece = os.read(output, 1 << 16)
                if not piece:
                    raise TranscriptError("the command ended the shell")
                seen += piece
        return seen.decode("utf-8", "replace")


def environment(folder: Path) -> dict[str, str]:
    """Return the variables that commands see: this Python first, nothing of the user's taste."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    kept = {name: os.environ[name] for name in ("SYSTEMROOT", "TMPDIR") if name in os.environ}
    settings = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "COLUMNS": "100", "OMP_NUM_THREADS": "1"}
    return {"PATH": path, "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **kept, **settings}
