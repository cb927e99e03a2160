"""Confined workers for the judge: what the other parts of the grader use of them."""

from collections.abc import Sequence

from d2l_lite.grading.probes import Probe, choose, probe
from d2l_lite.grading.tiers import Ending, Limits, SandboxError, Tier
from d2l_lite.grading.workers import Sandbox, Worker

__all__ = [
    "Ending",
    "Limits",
    "Probe",
    "Sandbox",
    "SandboxError",
    "Tier",
    "Worker",
    "choose",
    "open_sandbox",
    "probe",
]


def open_sandbox(
    preload: Sequence[str], *, tier: Tier | None = None, limits: Limits | None = None
) -> Sandbox:
    """Return a sandbox for a judge.

    Args:
        preload: Modules to load before learner code runs.
        tier: How learner code is confined; the best that works here where it is None.
        limits: What one submission may use.

    Returns:
        The sandbox, ready.

    Raises:
        SandboxError: The tier does not work on this machine.
    """
    return Sandbox(choose(tier), preload=preload, limits=limits or Limits())
