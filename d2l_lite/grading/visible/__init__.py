"""Visible cases of each exercise set, generated from `exercises/source`."""

import pkgutil


def set_names() -> list[str]:
    """Return the names of the exercise sets that this package holds."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))
