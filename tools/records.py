"""What the built book says of its notebooks, read from the notebooks alone and never typed.

Minutes to read, what a run took and on what, how many cells, figures and questions there are, and
the explorables that the outputs hold. Nothing is run.
"""

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.exercise_source import read_source, source_path
from tools.pages import RECORD

Notebook = dict[str, Any]

WORDS_PER_MINUTE = 180
#: A line of code takes about as long to take in as so many words.
WORDS_PER_CODE_LINE = 8
FOLDED = {"remove-cell", "remove-input", "hide-input", "hide-cell"}
#: What a run leaves in a notebook's metadata for the reader.
MEASURED = ("date", "device", "numpy", "peak_memory_mb", "python", "seconds", "threads", "torch")
_LABEL = "Explorable: "
_ID = re.compile(r'id="(d2l-[0-9a-f]+)"')
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.M)


@dataclass(frozen=True)
class Stored:
    """An explorable as a notebook holds it, the id of its element, and the heading above it."""

    html: str
    png: str
    anchor: str
    heading: str


@dataclass(frozen=True)
class Run:
    """A notebook that was run: its page, whose parameters it took, and what the run measured.

    The profile is `default` for a notebook's own parameters, and `injected` for any others.
    """

    docname: str
    is_solution: bool
    profile: str
    record: dict[str, Any]


def read(path: Path) -> Notebook:
    """Return a notebook as JSON."""
    notebook: Notebook = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def tags(cell: dict[str, Any]) -> set[str]:
    """Return the tags of a cell."""
    return set(cell["metadata"].get("tags", []))


def text(parts: str | list[str]) -> str:
    """Return a text that a notebook may store as lines."""
    return "".join(parts)


def reading_minutes(notebook: Notebook) -> int:
    """Return the minutes that a notebook takes to read, at least 1.

    The code of a quiz is folded, yet its text is read.
    """
    words = 0
    for cell in notebook["cells"]:
        source = text(cell["source"])
        if cell["cell_type"] == "markdown" or "quiz" in tags(cell):
            words += len(source.split())
        elif not FOLDED & tags(cell):
            words += WORDS_PER_CODE_LINE * sum(1 for line in source.splitlines() if line.strip())
    return max(1, math.ceil(words / WORDS_PER_MINUTE))


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it needs one."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def facts(notebook: Notebook) -> list[str]:
    """Return what stands below a chapter's title: minutes to read, seconds it took to run."""
    found = [f"{counted(reading_minutes(notebook), 'minute')} to read"]
    record = notebook["metadata"].get(RECORD, {})
    if "seconds" in record:
        found.append(f"ran in {max(1, round(record['seconds']))} s on {record['device']}")
    return found


def exercise_facts(root: Path, slug: str) -> list[str]:
    """Return what stands below the title of an exercise set: its questions and their points."""
    points = question_points(root, slug)
    return [counted(len(points), "question"), counted(sum(points), "point")]


def question_points(root: Path, slug: str) -> list[int]:
    """Return the points of each question of an exercise set."""
    questions = read_source(source_path(root, slug)).questions
    return [cell.metadata["points"] for cell in questions.values()]


def explorables(notebook: Notebook) -> dict[str, Stored]:
    """Return the explorables of a notebook's outputs by their labels."""
    found, heading = {}, ""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            heading = [heading, *_HEADING.findall(text(cell["source"]))][-1]
        for output in cell.get("outputs", []):
            data = {kind: text(part) for kind, part in output.get("data", {}).items()}
            label = data.get("text/plain", "")
            if label.startswith(_LABEL) and (anchor := _ID.search(data.get("text/html", ""))):
                stored = Stored(data["text/html"], data["image/png"], anchor[1], heading)
                found[label.removeprefix(_LABEL)] = stored
    return found


def runs(root: Path, docnames: Iterable[str]) -> list[Run]:
    """Return the runs behind these pages: of a chapter itself, of an exercise set's solutions.

    Raises:
        ValueError: a notebook does not say what its run took.
    """
    found = []
    for docname in docnames:
        folder, _, slug = docname.partition("/")
        is_solution = folder == "exercises"
        path = root / ("exercises/solutions" if is_solution else folder) / f"{slug}.ipynb"
        if folder not in ("chapters", "exercises") or not path.is_file():
            continue
        notebook = read(path)
        record = notebook["metadata"].get(RECORD, {})
        if missing := [key for key in MEASURED if key not in record]:
            name = path.relative_to(root).as_posix()
            raise ValueError(
                f"{name} must record its run, but lacks {', '.join(missing)}; run `make notebooks`"
            )
        injected = any("injected-parameters" in tags(cell) for cell in notebook["cells"])
        found.append(Run(docname, is_solution, "injected" if injected else "default", record))
    return found


def counts(root: Path, docnames: Iterable[str]) -> dict[str, int]:
    """Return numbers about the book by name: of its chapters, cells, figures, questions, …."""
    docnames = list(docnames)
    notebooks = [read(root / f"{name}.ipynb") for name in docnames if name.startswith("chapters/")]
    cells = [cell for notebook in notebooks for cell in notebook["cells"]]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    sets = [name.partition("/")[2] for name in docnames if name.startswith("exercises/")]
    points = [number for slug in sets for number in question_points(root, slug)]
    records = [run.record for run in runs(root, docnames)]
    return {
        "chapters": len(notebooks),
        "code cells": sum(1 for cell in code if cell["execution_count"]),
        "compared cells": sum(1 for cell in code if "nbval-check-output" in tags(cell)),
        "explorables": sum(len(explorables(notebook)) for notebook in notebooks),
        "figures": sum(1 for cell in code if "figure" in cell["metadata"].get("mystnb", {})),
        "points": sum(points),
        "questions": len(points),
        "seconds": round(sum(record["seconds"] for record in records)),
        "slowest seconds": round(max(record["seconds"] for record in records)),
    }
