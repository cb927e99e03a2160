"""What the book costs: seconds and memory of every notebook, of all together, and of the HTML.

Every notebook is run anew below `build/`, as many at once as there are cores and one thread each,
as `make notebooks` does; the committed ones stay as they are.

    python -m benchmarks.book [--recorded] [--jobs N] [--no-html]

`--recorded` runs nothing: it reports what the committed notebooks recorded of their own runs.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import machine
from tools import book, exercises
from tools.building import Plan, build_pages
from tools.exercise_source import read_source, slugs, source_path
from tools.notebooks import chapter_page, chapter_slugs
from tools.pages import RECORD, Page, read_notebook
from tools.repository import ROOT

RESULT = Path(__file__).parent / "results" / "book.md"
SCRATCH = "build/benchmarks"
MAX_CHAPTER_SECONDS = 90
MAX_NOTEBOOKS_SECONDS = 720
MAX_MEMORY_MB = 2000
MAX_HTML_SECONDS = 30


@dataclass(frozen=True)
class Times:
    """Seconds of the whole: all notebooks, the check, the HTML; None is what was not done."""

    notebooks: float | None
    check: float
    html: float | None


def book_pages() -> list[Page]:
    """Return every page that is run: chapters, then solutions of exercise sets."""
    chapters = [chapter_page(ROOT, slug) for slug in chapter_slugs(ROOT)]
    sources = [read_source(source_path(ROOT, slug)) for slug in slugs(ROOT)]
    sets = [page for source in sources for page in exercises.pages(ROOT, source) if page.executed]
    return chapters + sets


def run(pages: Sequence[Page], plan: Plan) -> tuple[list[Page], float]:
    """Run pages below `build/`; return them there, and the seconds all of them took together."""
    copies = [replace(page, name=f"{SCRATCH}/{page.name}") for page in pages]
    began = time.perf_counter()
    failures = build_pages(copies, plan)
    seconds = time.perf_counter() - began
    if failures:
        raise SystemExit("\n".join(failures))
    return copies, seconds


def seconds_of(work: Callable[[], int], what: str) -> float:
    """Return the seconds of something that ends with status 0; end the program if it does not."""
    began = time.perf_counter()
    if work():
        raise SystemExit(f"`{what}` failed: a book that is out of order is not measured")
    return time.perf_counter() - began


def check() -> int:
    """Check all notebooks in a process of its own, as `make check` does; return its status."""
    command = [sys.executable, "-m", "tools.notebooks", "check"]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode


def html() -> int:
    """Build the HTML from the committed notebooks and return the status."""
    with contextlib.redirect_stdout(sys.stderr):
        return book.build()


def report(records: dict[str, dict[str, Any]], times: Times, conditions: str) -> str:
    """Return the report as Markdown.

    Args:
        records: what each notebook's run recorded, by name; chapters start with `chapters/`.
        times: seconds of the whole.
        conditions: a list of lines: machine, versions, how many at once.
    """
    chapters = {name: one for name, one in records.items() if name.startswith("chapters/")}
    slowest = max(chapters, key=lambda name: chapters[name]["seconds"])
    largest = max(chapters, key=lambda name: chapters[name]["peak_memory_mb"])
    total = sum(one["seconds"] for one in chapters.values())
    goals = [
        (f"slowest chapter ({slowest})", chapters[slowest]["seconds"], MAX_CHAPTER_SECONDS, "s"),
        ("all chapters, one after the other", total, None, "s"),
        (f"most memory ({largest})", chapters[largest]["peak_memory_mb"], MAX_MEMORY_MB, "MB"),
        ("all notebooks, as many at once as cores", times.notebooks, MAX_NOTEBOOKS_SECONDS, "s"),
        ("`make check`", times.check, None, "s"),
        ("the HTML, every page anew", times.html, MAX_HTML_SECONDS, "s"),
    ]
    lines = ["# The book", "", conditions, "", "| what | measured | goal | |", "|---|--:|--:|---|"]
    lines += [goal_row(*goal) for goal in goals if goal[1] is not None]
    lines += ["", "| notebook | seconds | peak memory in MB | threads |", "|---|--:|--:|--:|"]
    lines += [
        f"| {name} | {one['seconds']:.1f} | {one['peak_memory_mb']} | {one['threads']} |"
        for name, one in records.items()
    ]
    return "\n".join([*lines, "", "Written by `python -m benchmarks.book`.", ""])


def goal_row(what: str, value: float, goal: float | None, *unit: str) -> str:
    """Return a row of the table of goals."""
    measured = f"| {what} | {value:.1f} {unit[0]} |"
    if goal is None:
        return f"{measured} | |"
    return f"{measured} ≤ {goal:g} {unit[0]} | {'met' if value <= goal else 'NOT met'} |"


def surroundings(load: float, record: dict[str, Any], plan: Plan, *, recorded: bool) -> str:
    """Return the list of lines that says where and how the numbers came about."""
    how = f"{plan.processes} notebooks at once, {plan.threads} thread(s) each; one run, no medians"
    return "\n".join(
        [
            f"- {machine.described(load)}.",
            f"- Python {record['python']}, PyTorch {record['torch']}, NumPy {record['numpy']}, "
            f"device {record['device']}.",
            f"- {'Recorded by the committed notebooks, not run anew' if recorded else how}.",
            "- Seconds are those of the cells, not of starting the kernel. Memory is the kernel's.",
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.book", description=__doc__)
    parser.add_argument("--recorded", action="store_true", help="run nothing, report the records")
    parser.add_argument("--jobs", type=int, metavar="N", help="notebooks at once")
    parser.add_argument("--no-html", action="store_true", help="do not build the HTML")
    options = parser.parse_args(arguments)
    plan, pages, together = Plan(options.jobs, force=True), book_pages(), None
    load = os.getloadavg()[0]
    names = [page.name for page in pages]
    checking = seconds_of(check, "make check")
    if not options.recorded:
        pages, together = run(pages, plan)
    records = {
        name: dict(read_notebook(page.target).metadata[RECORD])
        for name, page in zip(names, pages, strict=True)
    }
    building = None if options.no_html else seconds_of(html, "make book")
    conditions = surroundings(load, records[names[0]], plan, recorded=options.recorded)
    text = report(records, Times(together, checking, building), conditions)
    RESULT.write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
