"""The corpus: every hostile or broken submission, by class."""

from tests.grading.attacks import escape, exhaust, forge, malformed, reading, tamper

MODULES = {
    "tamper": tamper,
    "read": reading,
    "escape": escape,
    "exhaust": exhaust,
    "forge": forge,
    "malformed": malformed,
}
ATTACKS = tuple(one for module in MODULES.values() for one in module.ATTACKS)
