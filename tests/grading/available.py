"""Which tiers of isolation this machine has; one that starts must hold all that it promises."""

import os
import shutil

from d2l_lite.grading import probes
from d2l_lite.grading.sandbox import Tier


def missing(tier: Tier) -> str:
    """Return why this machine cannot have a tier; empty where it can."""
    if tier is Tier.OTHER_UID and os.geteuid() != 0:
        return "only root can give workers a user of their own"
    if tier is Tier.BUBBLEWRAP and shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    return probes._probed(tier).checks["start"]
