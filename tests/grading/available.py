"""Which tiers of isolation this machine has; one that starts must hold all that it promises."""

import os
import shutil

import pytest

from d2l_lite.grading import probes
from d2l_lite.grading.sandbox import Tier


def reason_against(tier: Tier) -> str:
    """Return why this machine cannot have a tier; empty where it can."""
    if tier is Tier.OTHER_UID and os.geteuid() != 0:
        return "only root can give workers a user of their own"
    if tier is Tier.BUBBLEWRAP and shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    return probes._probed(tier).checks["start"]


def trusted_tier() -> Tier:
    """Return the strongest tier whose scores can be trusted; skip the test where there is none."""
    reasons = {tier: reason_against(tier) for tier in Tier if tier.trusted}
    found = [tier for tier, reason in reasons.items() if not reason]
    if not found:
        pytest.skip("; ".join(reasons.values()))
    return found[0]
