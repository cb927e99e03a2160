"""Confined workers for the judge: what the other parts of the grader use of them."""

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
    "probe",
]
