"""What reports show of a record: cleaned texts, cases apart by who may see them, an example."""

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from d2l_lite.grading.outcomes import CaseResult
from d2l_lite.grading.wording import SEQUENCE, plural

#: Longer texts are cut. The judge cuts most texts earlier; a report does not rely on that.
MAX_TEXT = 1_000
MAX_LINES = 20
MAX_NAME = 120
MAX_NOTES = 20
_TEXTS = ("title", "status", "message", "called", "got", "want", "place", "printed")
MARKS = {"passed": "✓", "failed": "✗"}
# Escape sequences of terminals go; what else cannot be seen, or turns the order of a line around,
# is written as Python writes it. More than three accents on one letter would cover other lines.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff0-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
_ACCENTS = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
_MANY_ACCENTS = re.compile(f"([{_ACCENTS}]{{3}})[{_ACCENTS}]+")
_SHAPE = re.compile(r"shape \(([\d, ]*)\)")
_NUMBER = re.compile(r"(?<![\w.])\d+\.?\d*(?:e[+-]?\d+)?")
_SAFE = re.compile(r"[a-z0-9](?:[a-z0-9_-]|\.(?=[a-z0-9])){0,59}")
_HASHED = re.compile(r".*-[0-9a-f]{12}")
#: Names that Windows keeps for devices.
_RESERVED = re.compile(r"(?:con|prn|aux|nul|(?:com|lpt)[0-9])(?:\..*)?")


def shown(text: object, limit: int = MAX_TEXT) -> str:
    """Return a text of a record as reports show it: what is unseen made visible, long ones cut.

    Args:
        text: Anything that stands in a record; None is an empty text.
        limit: Characters that are kept.

    Returns:
        The text, at most `MAX_LINES` lines of it; a last line says how much was cut.
    """
    whole = "" if text is None else text if isinstance(text, str) else str(text)
    if len(whole) <= limit and whole.isascii() and whole.isprintable():
        return whole
    kept = whole[:limit].replace("\r\n", "\n")
    kept = _UNSEEN.sub(_escape, SEQUENCE.sub("", kept))[: 2 * limit]
    lines = _MANY_ACCENTS.sub(r"\1", kept).split("\n")
    kept = "\n".join(lines[:MAX_LINES])
    if len(whole) > limit or len(lines) > MAX_LINES:
        kept += f" … (cut: the text has {len(whole):,} characters)"
    return kept


def _escape(found: re.Match[str]) -> str:
    """Return a character as Python writes it: a backslash, `u` and four digits."""
    return ascii(found[0])[1:-1]


def line(text: object, limit: int = MAX_NAME) -> str:
    """Return a text of a record in one line."""
    return " ".join(shown(text, limit).split())


def stem(name: str) -> str:
    """Return a file name without ending for a learner: safe everywhere, and no other's.

    Lower-case ASCII letters, digits, `_`, `-` and single dots stay as they are. Any other name, and
    one that looks as if it had been changed, gets a hash of its own; so two names that differ in
    case or in a slash never meet.

    Args:
        name: The learner's name.

    Returns:
        The file name.
    """
    if _SAFE.fullmatch(name) and not _HASHED.fullmatch(name) and not _RESERVED.fullmatch(name):
        return name
    plain = re.sub(r"[^a-z0-9]+", "-", name[:200].lower()).strip("-")[:40]
    key = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{plain or 'learner'}-{key}"


def extent(case: CaseResult) -> int:
    """Return how many values stand in the calls of a case; an array cut short counts in full."""
    shapes = [[int(n) for n in re.findall(r"\d+", dims)] for dims in _SHAPE.findall(case.called)]
    rest = _SHAPE.sub("", case.called)
    return sum(map(math.prod, shapes)) + len(_NUMBER.findall(rest))


def _size(case: CaseResult) -> tuple[bool, int, int, int]:
    """Return by what the smallest failing example is chosen."""
    return (not case.called, extent(case), case.called.count("\n"), len(case.called))


@dataclass(frozen=True)
class QuestionView:
    """One question of a record. `visible` are the cases that learners may see."""

    name: str
    points: float
    of: float
    status: str
    hints: tuple[str, ...]
    visible: tuple[CaseResult, ...]
    hidden: tuple[CaseResult, ...]

    @cached_property
    def failed(self) -> tuple[CaseResult, ...]:
        """The visible cases that did not pass."""
        return tuple(one for one in self.visible if one.status != "passed")

    @property
    def hidden_failed(self) -> int:
        """How many hidden cases did not pass: all that a learner is told of them."""
        return sum(one.status != "passed" for one in self.hidden)

    @cached_property
    def example(self) -> CaseResult | None:
        """The smallest failing visible example.

        Smallest is the one whose calls hold the fewest values; then the one with the shortest
        story, counted in lines and characters; then the first. An example that shows no call comes
        after those that do.
        """
        return min(self.failed, key=_size, default=None)

    @property
    def mark(self) -> str:
        """A sign beside the words for the state."""
        return MARKS.get(self.status, "○")

    @property
    def kind(self) -> str:
        """The class of the style sheet for the state."""
        return self.status if self.status in MARKS else "open"


@dataclass(frozen=True)
class View:
    """One record as reports show it: every text is cleaned and cut, nothing is escaped yet.

    `choice` says which of several notebooks counts; `remark` is for instructors alone.
    """

    key: str
    learner: str
    file: str
    slug: str
    status: str
    message: str
    choice: str
    remark: str
    notes: tuple[str, ...]
    points: float
    of: float
    tier: str
    trusted: bool
    seconds: float
    time: str
    tests: str
    questions: tuple[QuestionView, ...]
    page: str = ""

    @property
    def stem(self) -> str:
        """The file name of the learner's page, without ending."""
        return stem(self.key)

    @property
    def told(self) -> tuple[str, ...]:
        """All that is to be known besides points; learners read it without `remark`."""
        texts = (self.remark, self.message, self.choice, *self.notes)
        return tuple(text for text in texts if text)

    @property
    def graded(self) -> bool:
        """Whether the questions were looked at."""
        return self.status == "graded"

    @property
    def score(self) -> float | None:
        """The points; None where the grading itself failed, which is no zero."""
        return None if self.status == "infrastructure" else self.points


def views(records: Sequence[Mapping[str, Any]]) -> list[View]:
    """Return the views of records by learner; the last record of a learner and set counts.

    Args:
        records: Lines of `results.jsonl`.

    Returns:
        One view for each learner and set, in an order that does not depend on that of the records.
    """
    latest = {(str(one["learner"]), str(one.get("set", ""))): one for one in records}
    made = [_view(one) for one in latest.values()]
    most: dict[str, float] = {}
    for one in made:
        most[one.slug] = max(one.of, most.get(one.slug, 0))
    # A notebook that could not be read may have no questions; the set has its points all the same.
    made = [one if one.of else replace(one, of=most[one.slug]) for one in made]
    return sorted(made, key=lambda one: (one.slug, one.key.casefold(), one.key))


def _view(record: Mapping[str, Any]) -> View:
    """Return the view of one record."""
    questions = tuple(_question(line(n), q) for n, q in (record.get("questions") or {}).items())
    return View(
        key=str(record["learner"]),
        page=line(record.get("page"), 300),
        learner=line(record["learner"]) or "(no name)",
        file=line(record.get("file"), 300),
        slug=line(record.get("set")),
        status=line(record["status"]),
        message=shown(record.get("message")),
        choice=shown(record.get("choice")),
        remark=line(record.get("remark")),
        notes=tuple(shown(note, 600) for note in (record.get("notes") or [])[:MAX_NOTES]),
        points=_number(record.get("points")),
        of=_number(record.get("of")),
        tier=line(record.get("tier"), 40),
        trusted=record.get("trusted") is True,
        seconds=_number(record.get("seconds")),
        time=line(record.get("time"), 40),
        tests=line(str(record.get("tests") or "")[:12]),
        questions=questions,
    )


def _question(name: str, record: Mapping[str, Any]) -> QuestionView:
    """Return the view of one question."""
    cases = [_case(one) for one in record.get("cases") or []]
    return QuestionView(
        name=name,
        points=_number(record.get("points")),
        of=_number(record.get("of")),
        status=line(record.get("status"), 40),
        hints=tuple(shown(text) for text in record.get("hints") or []),
        visible=tuple(one for one in cases if not one.hidden),
        hidden=tuple(one for one in cases if one.hidden),
    )


def _case(record: Mapping[str, Any]) -> CaseResult:
    """Return a case of a record; one that does not say that it is visible is hidden."""
    texts = {name: shown(record.get(name)) for name in _TEXTS}
    return CaseResult(**texts, hidden=record.get("hidden", True) is not False)  # type: ignore[arg-type]


def _number(value: object) -> float:
    """Return a finite number; 0 where there is none."""
    if isinstance(value, int | float) and math.isfinite(value):
        return value
    return 0


def points_text(points: float, of: float) -> str:
    """Return `1 of 2 points`."""
    return f"{points:g} of {of:g} {plural(of, 'point')}"
