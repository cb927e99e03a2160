"""Exercise checks for learners: `from d2l_lite.grading import check`.

Names load their module when they are first asked for: the command line starts without NumPy.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from d2l_lite.grading.cases import (
        Case,
        MismatchError,
        Question,
        case,
        close,
        equal,
        holds,
        raises,
    )
    from d2l_lite.grading.checker import Check, check

__all__ = [
    "Case",
    "Check",
    "MismatchError",
    "Question",
    "case",
    "check",
    "close",
    "equal",
    "holds",
    "raises",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = "checker" if name.lower() == "check" else "cases"
        globals()[name] = getattr(importlib.import_module(f"{__name__}.{home}"), name)
        return globals()[name]

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
