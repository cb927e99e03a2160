"""What a piece of learner code prints, warns and draws at random is caught, capped and put back."""

import contextlib
import hashlib
import io
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from d2l_lite.grading.wording import MAX_PRINTED, clean

MAX_WARNINGS = 3
#: What is kept of a flood, before control characters are taken out of it.
_MAX_KEPT = 20_000


class _Capped(io.StringIO):
    """A text stream that keeps its beginning and forgets the rest."""

    def write(self, text: str) -> int:
        """Keep what still fits, and return the length of all of it."""
        room = _MAX_KEPT - self.tell()
        if room > 0:
            super().write(text[:room])
        return len(text)

    def close(self) -> None:
        """Stay open: code that calls `sys.stdout.close()` keeps its result."""


@contextlib.contextmanager
def quiet() -> Iterator[Callable[[], str]]:
    """Return a context that catches printing and warnings, and a function that gives them back."""
    printed = _Capped()
    with (
        warnings.catch_warnings(record=True) as caught,
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        warnings.simplefilter("always")

        def output() -> str:
            words = [f"{one.category.__name__}: {one.message}" for one in caught]
            text = printed.getvalue() + "\n".join(list(dict.fromkeys(words))[:MAX_WARNINGS])
            return clean(text.strip("\n"), MAX_PRINTED)

        yield output


def learner_seed(seed: int) -> int:
    """Return the seed of the random state that learner code finds.

    Any code can read back what its generators were seeded with. From this number nobody finds the
    one that hidden inputs are drawn with.
    """
    return int.from_bytes(hashlib.sha256(f"learner {seed}".encode()).digest()[:4], "big")


def seed_everything(seed: int) -> None:
    """Seed the random state of Python, NumPy and, where it is loaded, PyTorch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)


class LearnerState:
    """The random state that learner code finds in this process, apart from that of the cases.

    As in a process of its own, what a case draws changes nothing there, and the other way round.

    Args:
        seed: Seed of hidden inputs, from which `learner_seed` makes another one.
    """

    def __init__(self, seed: int) -> None:
        with seeded(learner_seed(seed)):
            self._state = _random_state()

    @contextlib.contextmanager
    def in_force(self) -> Iterator[None]:
        """Return a context in which this state goes on; the present one is put back afterwards."""
        outside = _random_state()
        _set_random_state(self._state)
        try:
            yield
        finally:
            self._state = _random_state()
            _set_random_state(outside)


def _random_state() -> tuple[Any, ...]:
    """Return the state of Python's, NumPy's and, where it is loaded, PyTorch's generator."""
    torch = sys.modules.get("torch")
    return random.getstate(), np.random.get_state(), torch and torch.get_rng_state()


def _set_random_state(state: tuple[Any, ...]) -> None:
    """Set what `_random_state` returned."""
    random.setstate(state[0])
    np.random.set_state(state[1])
    if state[2] is not None:
        sys.modules["torch"].set_rng_state(state[2])


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Return a context with seeded random state, which is put back afterwards."""
    torch = sys.modules.get("torch")
    python, legacy = random.getstate(), np.random.get_state()
    with contextlib.ExitStack() as stack:
        if torch is not None:
            devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
            stack.enter_context(torch.random.fork_rng(devices))
        seed_everything(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)
