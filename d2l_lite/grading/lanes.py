"""Where judges run: a process each on this machine, or the workers of any executor."""

import contextlib
import importlib
import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing.connection import wait as wait_for
from typing import Any, Protocol

from d2l_lite.grading.desks import Spec, close_judge, describe, grade
from d2l_lite.grading.results import Record, SetInfo
from d2l_lite.grading.tiers import SandboxError

#: Seconds after a judge's own watchdog until the batch kills its process.
GRACE = 30.0
#: How long a Dask cluster that has just been started may take until a worker is there.
WORKERS_SECONDS = 30
CLOSING = 10.0


class Lanes(Protocol):
    """Where notebooks are sent; each of `slots` takes one at a time.

    `grace` is how many seconds after a judge's own watchdog the batch replaces a slot.
    """

    slots: int
    grace: float

    def submit(self, slot: int, spec: Spec, *task: Any) -> "Future[Record]":
        """Return the future of `grade(spec, *task)`."""

    def replace(self, slot: int) -> None:
        """Kill what runs in a slot, and make it usable again."""

    def close(self, *, kill: bool = False) -> None:
        """End every judge; without waiting for what runs where `kill` is true."""


@dataclass
class Lane:
    """One process with one judge, and all that is in its session."""

    executor: Executor
    process: Any = field(default=None)

    @classmethod
    def start(cls) -> "Lane":
        """Return a lane whose process is starting."""
        before = set(multiprocessing.active_children())
        context = multiprocessing.get_context("spawn")
        lane = cls(ProcessPoolExecutor(1, mp_context=context, initializer=_alone))
        lane.executor.submit(os.getpid)
        new = set(multiprocessing.active_children()) - before
        if not new:
            raise SandboxError("a judge's process ended as soon as it was started")
        lane.process = new.pop()
        return lane

    def kill(self, *, wait: bool = False) -> None:
        """End the process and its session at once, and wait for its executor if `wait` is true.

        The executor's thread closes a pipe through which Python's end wakes it, without a lock: a
        program that ended at the same moment would print a traceback.
        """
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.executor.shutdown(wait=wait, cancel_futures=True)


def _alone() -> None:
    """Make a judge's process a session of its own that ends with the batch.

    A Ctrl-C at the terminal then reaches the batch alone, which decides what ends; and where the
    batch is killed, nobody would tell this process.
    """
    os.setsid()
    # Judges and workers are as many as the cores: more threads than those would only wait.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    """Kill this process and its session when another process has ended."""
    wait_for([sentinel])
    os.killpg(0, signal.SIGKILL)


class ProcessLanes:
    """A process with a warm judge for each slot; where one dies, only its submission is touched."""

    grace = GRACE

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._lanes: dict[int, Lane] = {}

    def describe(self, spec: Spec, source: str) -> SetInfo:
        """Return the facts of the tests, from the first slot's process: its judge is warm then."""
        try:
            found: SetInfo = self._send(0, describe, spec, source).result()
        except BrokenProcessPool as error:
            raise SandboxError(f"a judge's process ended at the start: {error}") from None
        return found

    def submit(self, slot: int, spec: Spec, *task: Any) -> "Future[Record]":
        """Return the future of a notebook's result; the slot's process starts at the first."""
        return self._send(slot, grade, spec, *task)

    def _send(self, slot: int, function: Callable[..., Any], *task: Any) -> "Future[Any]":
        """Return the future of a function's result in the slot's process."""
        for _ in range(2):
            lane = self._lanes.get(slot) or self._lanes.setdefault(slot, Lane.start())
            try:
                return lane.executor.submit(function, *task)
            except BrokenProcessPool:  # it died between two submissions: nobody's fault
                self.replace(slot)
        raise SandboxError("judge processes end as soon as they start; see the messages above")

    def replace(self, slot: int) -> None:
        """Kill the slot's process with all of its session."""
        if lane := self._lanes.pop(slot, None):
            lane.kill()

    def close(self, *, kill: bool = False) -> None:
        """End every judge, and wait a moment for it unless `kill` is true."""
        if not kill:
            with contextlib.suppress(BrokenProcessPool):
                ends = [lane.executor.submit(close_judge) for lane in self._lanes.values()]
                wait(ends, timeout=CLOSING)
        for lane in self._lanes.values():
            lane.kill(wait=True)
            lane.process.join(CLOSING)
        self._lanes.clear()


class SharedLanes:
    """The slots of any executor, one of Dask for instance: what dies there is its own to mend."""

    grace = math.inf

    def __init__(
        self, executor: Executor, slots: int, *, closing: Callable[[], object] = lambda: None
    ) -> None:
        self.slots, self._executor, self._closing = slots, executor, closing
        self._futures: dict[int, Future[Record]] = {}

    def submit(self, slot: int, spec: Spec, *task: Any) -> "Future[Record]":
        """Return the future of a notebook's result."""
        try:
            self._futures[slot] = self._executor.submit(grade, spec, *task)
        except (BrokenExecutor, RuntimeError) as error:
            raise SandboxError(f"the executor takes nothing any more: {error}") from error
        return self._futures[slot]

    def replace(self, slot: int) -> None:
        """Forget what runs in a slot."""
        if future := self._futures.pop(slot, None):
            future.cancel()

    def close(self, *, kill: bool = False) -> None:
        """Let go of the executor, and of the judges that wait in its workers."""
        for slot in list(self._futures):
            self.replace(slot)
        self._closing()


def dask_lanes(address: str) -> SharedLanes:
    """Return the slots of a Dask cluster.

    Args:
        address: Address of its scheduler, `tcp://host:8786`.

    Returns:
        Four slots for each thread of its workers, so that none waits for the network.

    Raises:
        ValueError: There is no cluster at the address, or it has no workers.
        ModuleNotFoundError: `distributed` is not installed.
    """
    try:
        distributed: Any = importlib.import_module("distributed")
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "--dask needs Dask's scheduler: pip install '.[dask]' from a checkout"
        ) from None
    client = _connected(distributed, address)
    threads = sum(client.nthreads().values())

    def closing() -> None:
        with contextlib.suppress(Exception):  # a worker that is gone needs no closing
            client.run(close_judge)
        client.close()

    return SharedLanes(client.get_executor(pure=False), 4 * threads, closing=closing)


def _connected(distributed: Any, address: str) -> Any:
    """Return a client of a Dask cluster that has a worker."""
    try:
        client = distributed.Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"no Dask scheduler answers at {address!r}: {error}") from None
    try:
        client.wait_for_workers(1, timeout=WORKERS_SECONDS)
    except TimeoutError:
        client.close()
        raise ValueError(
            f"the Dask cluster at {address!r} has no workers after {WORKERS_SECONDS} s; "
            f"start at least one: dask worker {address}"
        ) from None
    return client
