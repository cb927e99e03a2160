"""Modules made of an author's text: trusted code, run in this process."""

import sys
import types
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from d2l_lite.grading.cases import Case


def new_module(name: str) -> types.ModuleType:
    """Return an empty module that the classes defined in it can find by its name."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    return module


def mark_hidden(names: dict[str, Any], chosen: Iterable[str]) -> None:
    """Make the cases among the chosen names hidden ones; learners are not told what these do."""
    for name in chosen:
        if isinstance(names[name], Case):
            names[name] = replace(names[name], hidden=True)
