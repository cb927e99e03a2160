"""The gradebook of a class as CSV, and its statistics."""

import csv
import io
import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from d2l_lite.grading.views import QuestionView, View, line

MAX_HINTS = 5
MAX_FAILURES = 10
# What a spreadsheet takes for a formula: such a sign first in a cell, also after blanks or quotes,
# also in its full-width form; and after a separator, where a program splits at another one than we.
_FORMULA = re.compile(r"""(^|[;|,])([\s'"]*)(?=[=+\-@＝＋－＠])""")
_LAST = ("total", "of", "status", "tier", "notes")


def question_names(views: Sequence[View]) -> list[str]:
    """Return the names of all questions, each once, in the order of the set."""
    return list(dict.fromkeys(one.name for view in views for one in view.questions))


def gradebook(views: Sequence[View]) -> bytes:
    r"""Return the gradebook: a row for each learner, a column for each question.

    It is UTF-8 with a byte order mark, since Excel takes a file without one for the local code page
    and spoils names; pandas and the import pages of learning platforms skip the mark, and so does
    `encoding="utf-8-sig"`. Lines end in `\r\n`, cells hold no line breaks. A text that a
    spreadsheet would take for a formula gets an apostrophe before it. Where grading itself failed,
    the points are empty: that is no zero.

    Args:
        views: The records of one set, by learner.

    Returns:
        The file; the same bytes for the same results.
    """
    names = question_names(views)
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow([_cell(name) for name in ("learner", *names, *_LAST)])
    writer.writerows(_row(view, names) for view in views)
    return b"\xef\xbb\xbf" + file.getvalue().encode()


def _row(view: View, names: Sequence[str]) -> list[str]:
    """Return one row."""
    points = {one.name: f"{one.points:g}" for one in view.questions}
    found = [points.get(name, "") if view.score is not None else "" for name in names]
    total = "" if view.score is None else f"{view.score:g}"
    texts = [view.status, view.tier, _notes(view)]
    return [_cell(view.learner), *found, total, f"{view.of:g}", *map(_cell, texts)]


def _notes(view: View) -> str:
    """Return everything that is to be known about a row, in one line."""
    trust = () if view.trusted else ("Self-check only: the score is not protected.",)
    return " ".join(line(text, 600) for text in (*trust, *view.told))


def _cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return _FORMULA.sub(r"\1'\2", text)


@dataclass(frozen=True)
class QuestionStatistics:
    """How a class did on one question. `hints` and `failures` are counted in learners."""

    name: str
    of: float
    learners: int
    mean: float
    full: int
    without_answer: int
    hints: tuple[tuple[str, int], ...]

    @property
    def share(self) -> float:
        """The share of learners with full points."""
        return self.full / self.learners if self.learners else 0.0


@dataclass(frozen=True)
class Failure:
    """A case that learners fail; `hidden` ones are not to be shown to them."""

    question: str
    title: str
    hidden: bool
    learners: int


@dataclass(frozen=True)
class ClassStatistics:
    """How a class did. Means are over those whose notebooks were graded."""

    learners: int
    statuses: dict[str, int]
    tiers: dict[str, int]
    trusted: bool
    of: float
    mean: float
    median: float
    questions: tuple[QuestionStatistics, ...]
    failures: tuple[Failure, ...]


def class_statistics(views: Sequence[View]) -> ClassStatistics:
    """Return the statistics of one set.

    Args:
        views: The records of the set.

    Returns:
        The statistics.
    """
    graded = [view for view in views if view.graded]
    totals = [view.points for view in graded]
    return ClassStatistics(
        learners=len(views),
        statuses=dict(sorted(Counter(view.status for view in views).items())),
        tiers=dict(sorted(Counter(view.tier for view in views).items())),
        trusted=all(view.trusted for view in views),
        of=max((view.of for view in views), default=0),
        mean=statistics.fmean(totals) if totals else 0.0,
        median=statistics.median(totals) if totals else 0.0,
        questions=tuple(_question(name, graded) for name in question_names(views)),
        failures=_failures(graded),
    )


def _question(name: str, views: Sequence[View]) -> QuestionStatistics:
    """Return the statistics of one question."""
    found = [one for view in views for one in view.questions if one.name == name]
    hints = Counter(text for one in found for text in dict.fromkeys(one.hints))
    return QuestionStatistics(
        name=name,
        of=max((one.of for one in found), default=0),
        learners=len(found),
        mean=statistics.fmean(one.points for one in found) if found else 0.0,
        full=sum(one.status == "passed" for one in found),
        without_answer=sum(one.status in ("missing", "unfinished") for one in found),
        hints=tuple(_commonest(hints, MAX_HINTS)),
    )


def _failures(views: Sequence[View]) -> tuple[Failure, ...]:
    """Return the cases that most learners with an answer fail."""
    counts = Counter(
        (one.name, case.title, case.hidden)
        for view in views
        for one in view.questions
        if one.status == "failed"
        for case in _failed(one)
    )
    commonest = _commonest(counts, MAX_FAILURES)
    return tuple(Failure(name, title, hid, number) for (name, title, hid), number in commonest)


def _failed(one: QuestionView) -> list[Any]:
    """Return the cases of a question that did not pass, hidden ones as well."""
    return [*one.failed, *(case for case in one.hidden if case.status != "passed")]


def _commonest(counts: Counter[Any], most: int) -> list[tuple[Any, int]]:
    """Return the commonest keys, by count and then by key, so that ties do not depend on order."""
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:most]
