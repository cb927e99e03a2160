"""`with time_limit(10, "mse"):` ends Python code that takes too long, in whichever thread it runs.

A signal would reach the main thread alone, and not on Windows. Here one sleeping thread watches all
blocks; when the time of one is up, it asks the interpreter to raise `TimeUpError` in the block's
thread, before its next Python instruction. This stops loops written in Python, and where the code
caught the error (`except:`) and goes on, it is raised again and again.

What it cannot stop: one long call of C code, such as the product of two huge matrices,
`time.sleep(1000)` or `sum(itertools.count())`, since the error waits until the call returns; and a
loop that does all its work within a `try` whose `except:` catches everything and goes on. Only the
end of the process stops these. The error may strike anywhere, so a lock or a file that the block
holds should be held by a `with` statement.
"""

import functools
import math
import os
import threading
import time
import weakref
from collections.abc import Callable
from types import TracebackType

#: Seconds after which an error that the block swallowed is raised again.
REPEAT = 0.25


class TimeUpError(BaseException):
    """The time of a `time_limit` block is up.

    Like `KeyboardInterrupt` it is no `Exception`: the code that is stopped must not mistake it for
    an error of its own, and learners often write `except Exception:`.
    """

    def __reduce__(self) -> tuple[type["TimeUpError"], tuple[object, ...]]:
        """Return how to copy it: the class of one raised by a watch exists for that block alone."""
        return TimeUpError, self.args


def time_limit(seconds: float, what: str) -> "TimeLimit":
    """Return a context that raises `TimeUpError` in its block once the time is up.

    Blocks may be nested; the error is raised in the outermost whose time is up. A block that ended
    in time is never disturbed afterwards, and neither is what follows it. Where the time was up
    before the block ended, the `with` statement raises the error even if the block swallowed it.

    Args:
        seconds: Wall-clock time that the block may take; `inf` for no limit.
        what: What runs in the block, for the message.

    Returns:
        The context, for one use: write the call into the `with` statement itself.

    Raises:
        ValueError: The time is not a positive number.
    """
    if not seconds > 0:
        raise ValueError(
            f"the limit of {what!r} must be a positive number of seconds, got {seconds!r}; "
            "give inf for no limit"
        )
    return TimeLimit(seconds, what)


class TimeLimit:
    """A block with a limit; made by `time_limit`.

    The watch knows it by a weak reference only. An error that strikes before `__exit__` can tell
    the watch leaves a limit that nobody holds, and it is forgotten.
    """

    def __init__(self, seconds: float, what: str) -> None:
        self._seconds = seconds
        self._message = f"{what} was stopped after {seconds:g} s"
        self._fired = False
        self._due = math.inf
        self._raised: list[weakref.ref[BaseException]] = []

    def __enter__(self) -> None:
        self._due = time.monotonic() + self._seconds
        _watch.add(self)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        outer = None
        while True:  # the error can strike here as well, at most until `remove` is through
            try:
                _watch.remove(self)
                break
            except TimeUpError as late:
                outer = None if self._is_mine(late) else late
        if outer is not None:
            raise outer
        if self._fired and (kind is None or issubclass(kind, Exception)):
            raise TimeUpError(self._message)

    def _is_mine(self, error: BaseException) -> bool:
        """Return whether an error was raised for this block, rather than for one around it."""
        return any(one() is error for one in self._raised)

    def _fire(self, thread: int, now: float) -> None:
        """Raise the error in the block's thread, unless the one raised before still travels."""
        self._due = now + REPEAT
        if not any(one() is not None for one in self._raised):
            self._fired = True
            _raise_in(thread, _error_class(self._message, self._raised))


def _error_class(message: str, raised: list[weakref.ref[BaseException]]) -> type[TimeUpError]:
    """Return a class whose errors have a message and are noted: a thread is sent a class only."""

    def init(self: TimeUpError) -> None:
        BaseException.__init__(self, message)
        raised.append(weakref.ref(self))

    return type("TimeUpError", (TimeUpError,), {"__init__": init, "__module__": __name__})


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Let an error be raised in a thread; None takes back the one that is still on its way."""
    send, nothing = _interpreter()
    send(thread, nothing if error is None else error)


@functools.cache
def _interpreter() -> tuple[Callable[..., int], object]:
    """Return the interpreter's function that raises an error in a thread, and its NULL."""
    import ctypes

    prototype = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_ulong, ctypes.py_object)
    return prototype(("PyThreadState_SetAsyncExc", ctypes.pythonapi)), ctypes.py_object()


class _Watch:
    """The thread that watches all blocks; it starts with the first one and sleeps when it can.

    An error may strike in these methods, too. Hence plain locks, which C code takes and gives back
    in one piece (a `Condition` does not), and an order of steps that can be broken off anywhere.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._alarm = threading.Lock()  # its release wakes the thread
        self._alarm.acquire()
        self._blocks: dict[int, list[weakref.ref[TimeLimit]]] = {}
        self._wakes = -math.inf  # when the thread looks next by itself
        self._thread: threading.Thread | None = None

    def add(self, limit: TimeLimit) -> None:
        """Watch a block of the current thread."""
        thread = threading.get_ident()
        with self._lock:
            around = [one for one in self._blocks.get(thread, ()) if one() is not None]
            self._blocks[thread] = [*around, weakref.ref(limit)]
            self._look_by(limit._due)

    def remove(self, limit: TimeLimit) -> None:
        """Forget a block of the current thread, those within it, and the error on its way."""
        thread = threading.get_ident()
        with self._lock:
            found = [one() for one in self._blocks.get(thread, ())]
            if limit not in found:
                return
            around = found[: found.index(limit)]
            if any(one is not None and one._fired for one in found):
                _raise_in(thread, None)
                self._again(around)
            del self._blocks[thread][len(around) :]
            if not around:
                del self._blocks[thread]

    def _again(self, limits: list[TimeLimit | None]) -> None:
        """Let the watch look at once at the limits whose error may have been taken back."""
        for limit in limits:
            if limit is not None and limit._fired:
                limit._due = time.monotonic()
                self._look_by(limit._due)

    def _look_by(self, moment: float) -> None:
        """Wake the thread if it would sleep beyond a moment; start it if there is none."""
        if self._thread is None:
            _interpreter()  # here: a fork while another thread imports would leave half a module
            self._thread = threading.Thread(target=self._run, name="time limits", daemon=True)
            self._thread.start()
        if moment < self._wakes:
            if self._alarm.locked():
                self._alarm.release()
            self._wakes = moment

    def _run(self) -> None:
        """Sleep until the next block is due, and end it."""
        while True:
            with self._lock:
                self._wakes = self._look(time.monotonic())
            rest = max(self._wakes - time.monotonic(), 0)
            self._alarm.acquire(timeout=min(rest, threading.TIMEOUT_MAX))

    def _look(self, now: float) -> float:
        """Raise what is due, and return when the next block is."""
        due = math.inf
        for thread, blocks in self._blocks.items():
            limits = [limit for limit in (one() for one in blocks) if limit is not None]
            late = [limit for limit in limits if limit._due <= now]
            for limit in late[1:]:
                limit._due = now + REPEAT
            if late:
                late[0]._fire(thread, now)
            due = min([due, *(limit._due for limit in limits)])
        return due


_watch = _Watch()


def _start_anew() -> None:
    """Forget all blocks: the watch's thread does not live on in a forked process."""
    global _watch
    _watch = _Watch()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)
