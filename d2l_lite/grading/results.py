"""What a batch has found: the records of `results.jsonl`, which is append-only and the truth.

A record is one line. Whatever is killed, whenever: complete lines stay, a torn last one is dropped,
and a batch that is started again goes on from there.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from d2l_lite.grading.tiers import Tier

RESULTS = "results.jsonl"
Record = dict[str, Any]
#: The tiers, also that of a notebook which no judge saw, whose records can be trusted.
TRUSTED = {"", *(tier.value for tier in Tier if tier.trusted)}


class OutputError(Exception):
    """The output folder cannot be read, written or locked; the message says what to do."""


@dataclass(frozen=True)
class SetInfo:
    """What reports and resuming need to know of the tests, without importing them.

    `source` is the hash of the file's bytes, `digest` that of the tests, `digests` and `points` go
    by question, and feedback links to `page`.
    """

    set: str
    source: str
    digest: str
    digests: Mapping[str, str]
    points: Mapping[str, int]
    page: str = ""

    @classmethod
    def of(cls, assignment: Any, source: str) -> "SetInfo":
        """Return the facts of a loaded assignment whose file has the hash `source`."""
        exercises = assignment.exercises
        points = {name: question.points for name, question in exercises.questions.items()}
        digests = dict(assignment.digests)
        return cls(exercises.slug, source, assignment.digest, digests, points, assignment.page)


def outcome(result: Any, digests: Mapping[str, str]) -> Record:
    """Return the part of a record that the judge determines.

    Args:
        result: A `SubmissionResult`.
        digests: Digest of the tests of each question.

    Returns:
        Plain values, by the names of a record.
    """
    names = ("status", "message", "seconds", "cpu_seconds", "peak_memory")
    found = {name: getattr(result, name) for name in names}
    questions = {
        one.question.name: {
            "points": one.points,
            "of": one.question.points,
            "status": one.status,
            "digest": digests.get(one.question.name, ""),
            "hints": [one.question.hints[key] for key in one.hints],
            "cases": [asdict(case) for case in one.cases],
        }
        for one in result.questions
    }
    return found | {"notes": list(result.notes), "tier": result.tier, "questions": questions}


def untested(status: str, message: str, tier: str) -> Record:
    """Return the part of a record that the judge determines, where no judge saw a notebook."""
    costs = {"seconds": 0.0, "cpu_seconds": 0.0, "peak_memory": 0}
    texts = {"status": status, "message": message, "notes": [], "tier": tier}
    return texts | costs | {"questions": {}}


def record(facts: Mapping[str, Any], found: Mapping[str, Any], info: SetInfo) -> Record:
    """Return a record: one line of `results.jsonl`.

    Where nothing was graded, every question is there with 0 points; only a failure of the
    infrastructure gives no points at all (None), since it says nothing about the learner.

    Args:
        facts: `learner`, `file`, `notebook` (hash), `seed`, `limits`, `stamp`.
        found: What `outcome` or `untested` returned.
        info: The tests.

    Returns:
        The record.
    """
    failed = found["status"] == "infrastructure"
    questions = {
        name: found["questions"].get(name) or _nothing(name, found["status"], info)
        for name in ({} if failed else info.points)
    }
    points = None if failed else sum(one["points"] for one in questions.values())
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        **{key: facts[key] for key in ("learner", "file")},
        "set": info.set,
        "notebook": facts["notebook"],
        "tests": info.digest,
        "page": info.page,
        "seed": facts["seed"],
        "tier": found["tier"],
        "limits": facts["limits"],
        "trusted": found["tier"] in TRUSTED,
        **{key: found[key] for key in ("status", "message", "notes")},
        "points": points,
        "of": sum(info.points.values()),
        **{key: round(found[key], 4) for key in ("seconds", "cpu_seconds", "peak_memory")},
        "time": now,
        "stamp": facts["stamp"],
        "questions": questions,
    }


def _nothing(name: str, status: str, info: SetInfo) -> Record:
    """Return the entry of a question that was not graded."""
    points = {"points": 0, "of": info.points[name], "digest": info.digests.get(name, "")}
    return points | {
        "status": "missing" if status == "graded" else status,
        "hints": [],
        "cases": [],
    }


def complete_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield offset and bytes of every complete line; a torn last one is left out."""
    offset = 0
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield offset, line
            offset += len(line)


def read_results(path: Path) -> Iterator[Record]:
    """Yield every record, oldest first; a torn last line is dropped.

    Args:
        path: `results.jsonl`, or its folder.

    Yields:
        Records.

    Raises:
        OutputError: A complete line is no record.
    """
    path = path / RESULTS if path.is_dir() else path
    for number, (_, line) in enumerate(complete_lines(path), 1):
        yield parsed(line, path, number)


def parsed(line: bytes, path: Path, number: int) -> Record:
    """Return the record of a line."""
    with contextlib.suppress(ValueError):
        found = json.loads(line)
        if isinstance(found, dict) and {"learner", "set", "status"} <= found.keys():
            return found
    raise OutputError(
        f"line {number} of {path} must be a record, starts with {line[:40]!r}; something else "
        "wrote to this file: restore it, or delete this line and its learner is graded again"
    )


def latest(records: Iterable[Record]) -> list[Record]:
    """Return what holds: the last record of each learner and set, by learner.

    Args:
        records: Records, oldest first.

    Returns:
        One record for each learner and set.
    """
    last = {(one["learner"], one["set"]): one for one in records}
    return [last[key] for key in sorted(last)]
