"""How far a batch is, on a terminal; nothing elsewhere."""

import importlib
import sys
import time
from typing import Any, TextIO

#: Seconds between two lines where there is no bar.
INTERVAL = 1.0


class Progress:
    """Counts learners, and shows the count on a terminal once `start` was called.

    A bar where tqdm is installed, else a line that is written anew.
    """

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self.total, self.done = total, 0
        self._stream = stream or sys.stderr
        self._bar: Any = None
        self._shown = float("-inf")
        self._started = False

    def start(self) -> None:
        """Show from now on how far the batch is."""
        self._started = self._stream.isatty()
        if self._started:
            try:
                tqdm: Any = importlib.import_module("tqdm")
            except ModuleNotFoundError:
                return
            self._bar = tqdm.tqdm(total=self.total, unit="learner", file=self._stream)
            self._bar.update(self.done)

    def step(self) -> None:
        """Count one more learner."""
        self.done += 1
        if self._bar is not None:
            self._bar.update()
        elif self._started and time.monotonic() - self._shown >= INTERVAL:
            self._shown = time.monotonic()
            self._stream.write(f"\r{self.done} of {self.total} learners")
            self._stream.flush()

    def close(self) -> None:
        """Leave the terminal's line."""
        if self._bar is not None:
            self._bar.close()
        elif self._started:
            self._stream.write("\n")
        self._started, self._bar = False, None
