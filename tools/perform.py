"""Run the cells of a page that stand on the standard input, and write what each printed.

It is started as a script, and knows nothing but the standard library and what the cells import.
"""

import contextlib
import io
import json
import linecache
import sys
import traceback
from collections.abc import Sequence
from typing import Any


def perform(cells: Sequence[str]) -> list[str]:
    """Return what cells print that are run one after another, as a notebook runs them."""
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = []
    for number, cell in enumerate(cells, start=1):
        place = f"<cell {number}>"
        linecache.cache[place] = (len(cell), None, cell.splitlines(keepends=True), place)
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            exec(compile(cell, place, "exec"), names)
        printed.append(output.getvalue())
    return printed


def main() -> int:
    """Return 0 after writing what the cells printed; 1 after the traceback of one that failed."""
    try:
        found = perform(json.load(sys.stdin))
    except Exception:
        traceback.print_exc()
        return 1
    json.dump(found, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
