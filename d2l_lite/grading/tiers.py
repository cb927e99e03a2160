"""What a sandbox is asked for: its tier, its limits, and how one of its workers ended."""

import math
from dataclasses import dataclass
from enum import Enum


class SandboxError(Exception):
    """The sandbox itself failed: infrastructure, never the learner's fault."""


class Tier(str, Enum):
    """How a worker is confined; the strongest tier first."""

    BUBBLEWRAP = "bubblewrap"
    OTHER_UID = "other-uid"
    PLAIN = "plain"

    @property
    def trusted(self) -> bool:
        """Whether scores of this tier can be trusted; a plain process is for self-checks only."""
        return self is not Tier.PLAIN


@dataclass(frozen=True)
class Limits:
    """What a submission may use: seconds of wall-clock time, bytes, and a number of processes.

    `memory` holds for the worker's whole process tree, beyond what was loaded before; `disk` for
    `/tmp` and `/dev/shm` together, and for the largest file; `reply` for one reply of the worker.
    """

    cell: float = 30.0
    call: float = 10.0
    submission: float = 120.0
    memory: int = 1 << 30
    processes: int = 64
    disk: int = 64 << 20
    reply: int = 64 << 20

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value < math.inf:
                raise ValueError(f"limit {name!r} must be positive and finite, got {value!r}")


@dataclass(frozen=True)
class Ending:
    """How a worker ended.

    `reason` is `memory`, `processes`, `disk` (the watchdog's), `exit 3`, `signal 11` (its own
    end), `killed` (it still lived), or empty where it left without a fault.
    """

    reason: str
    cpu_seconds: float
    peak_memory: int
