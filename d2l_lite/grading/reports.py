"""Everything that is written from the results of a batch: gradebook, pages, exports.

    DIR/index.html                     the class, for its instructor
    DIR/gradebook.csv                  a row for each learner, a column for each question
    DIR/summary.json                   statistics, and which page is whose
    DIR/feedback/<name>.html           one page for each learner
    DIR/gradescope/<name>/results.json the same for Gradescope
    DIR/reports.json                   what was written, so that what no longer holds is removed

Where the results are of several sets, each has a folder of its own.
"""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from d2l_lite.grading.feedback import feedback_page
from d2l_lite.grading.gradebook import ClassStatistics, class_statistics, gradebook
from d2l_lite.grading.gradescope import gradescope
from d2l_lite.grading.overview import overview_page
from d2l_lite.grading.pages import checked_book, sets_page
from d2l_lite.grading.replacing import replace_file
from d2l_lite.grading.views import View, line, stem, views

MANIFEST = "reports.json"
Content = Callable[[], bytes]


def write_reports(
    out: Path, records: Sequence[Mapping[str, Any]], *, book: str = "", title: str = ""
) -> list[Path]:
    """Write all reports of a batch; the same bytes for the same results.

    Each file is complete or not there at all, also when writing is interrupted: it is made beside
    its place and moved there. Reports can be made again at any time, so they are not forced onto
    the disk one by one. Files of an earlier call that are no longer part of the reports (a learner
    who was taken out) are removed; files of others are never touched.

    Args:
        out: The folder; made where it is missing.
        records: Lines of `results.jsonl`; the last one of each learner and set counts. In addition
            they may say which of several notebooks counts (`choice`), and what only instructors
            are to know (`remark`).
        book: Address of the book, to which pages link; a relative one is relative to `out`. Empty
            for no links.
        title: What the work is called; the name of its set where it is empty.

    Returns:
        The files, in the order in which they were written.

    Raises:
        ValueError: The address of the book is none.
        OSError: A file cannot be written.
    """
    book, title = checked_book(book), line(title)
    made = dict(_all_files(views(records), book, title))
    old = _manifest(out)
    # Should this be interrupted, what it wrote so far is known to the next call.
    replace_file(out / MANIFEST, _json({"files": sorted({*old, *made})}))
    for name, content in made.items():
        replace_file(out / name, content())
    _remove(out, set(old) - made.keys())
    replace_file(out / MANIFEST, _json({"files": sorted(made)}))
    return [out / name for name in (*made, MANIFEST)]


def _all_files(found: Sequence[View], book: str, title: str) -> Iterator[tuple[str, Content]]:
    """Yield path and content of each report; with several sets in a folder for each."""
    sets = {slug: list(group) for slug, group in groupby(found, lambda view: view.slug)}
    if len(sets) <= 1:
        yield from _files(found, book, title)
        return
    for slug, group in sets.items():
        for name, content in _files(group, _deeper(book), title):
            yield f"{stem(slug)}/{name}", content
    folders = [(slug, stem(slug)) for slug in sets]
    yield "index.html", lambda: sets_page(folders, title).encode()


def _files(group: Sequence[View], book: str, title: str) -> Iterator[tuple[str, Content]]:
    """Yield path and content of each report of one set; contents are made one at a time."""
    facts = class_statistics(group)
    for view in group:
        yield f"feedback/{view.stem}.html", partial(_feedback, view, _deeper(book), title)
        if view.score is not None:
            yield f"gradescope/{view.stem}/results.json", partial(_gradescope, view)
    yield "gradebook.csv", lambda: gradebook(group)
    yield "summary.json", lambda: _json(_summary(group, facts))
    yield "index.html", lambda: overview_page(group, facts, book=book, title=title).encode()


def _feedback(view: View, book: str, title: str) -> bytes:
    return feedback_page(view, book=book, title=title).encode()


def _gradescope(view: View) -> bytes:
    return json.dumps(gradescope(view)).encode()


def _deeper(book: str) -> str:
    """Return the address of the book as pages one folder deeper need it."""
    relative = book and ":" not in book and not book.startswith("/")
    return f"../{book}" if relative else book


def _summary(group: Sequence[View], facts: ClassStatistics) -> dict[str, Any]:
    """Return statistics and scores for programs; names stand as they were given."""
    learners = [
        {
            "learner": view.key,
            "points": view.score,
            "of": view.of,
            "status": view.status,
            "trusted": view.trusted,
            "feedback": f"feedback/{view.stem}.html",
        }
        for view in group
    ]
    questions = [{**asdict(one), "share_full": round(one.share, 4)} for one in facts.questions]
    return asdict(facts) | {"questions": questions, "scores": learners}


def _json(content: object) -> bytes:
    """Return JSON in ASCII, which holds any text, lone surrogates included."""
    return (json.dumps(content, indent=1) + "\n").encode()


def _manifest(out: Path) -> list[str]:
    """Return what an earlier call wrote; nothing where that is not known."""
    try:
        names = json.loads((out / MANIFEST).read_bytes())["files"]
        return [name for name in names if isinstance(name, str) and _inside(name)]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _inside(name: str) -> bool:
    """Return whether a name of the manifest is that of a report, and not of a file elsewhere."""
    parts = PurePosixPath(name).parts
    return (
        bool(parts)
        and ".." not in parts
        and not name.startswith("/")
        and (parts[-1] in _FIXED or "feedback" in parts[:-1])
    )


_FIXED = ("index.html", "gradebook.csv", "summary.json", "results.json")


def _remove(out: Path, names: set[str]) -> None:
    """Remove files that are no longer part of the reports, and folders that this empties."""
    for name in sorted(names):
        path = out / name
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
        for folder in path.relative_to(out).parents:
            with contextlib.suppress(OSError):
                if folder.parts:
                    (out / folder).rmdir()
