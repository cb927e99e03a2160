"""Records as a batch writes them, made by the judge's own types, for the tests of reports."""

import json
from dataclasses import asdict

from d2l_lite.grading.cases import Question
from d2l_lite.grading.outcomes import CaseResult, QuestionResult

SECRET = "SECRET-42"
HINT = "Divide by the number of examples."
#: One text with everything that must not get through: markup, ends of elements, an entity, quotes,
#: a formula, escape sequences, control characters, an override of direction, a lone surrogate.
EVIL = (
    "=1+1</style></script><script>window.flag=1</script><img src=x onerror='window.flag=1'>"
    '<a href="javascript:window.flag=1">"\'&lt;\x1b[31m\x07\x00\u202e\u2066\ud800$x$`<b>`'
)
POINTS = {"mse": 2, "ridge": 2, "minibatches": 3}


def case(title, status="passed", **texts):
    return CaseResult(title, status, **texts)


def hidden(status="passed", **texts):
    found = dict.fromkeys(("message", "called", "got", "want", "place", "printed"), SECRET)
    return CaseResult(f"title {SECRET}", status, hidden=True, **(found | texts))


def question(name, *cases):
    return QuestionResult(Question(name, POINTS[name], {"mean": HINT, "evil": EVIL}), cases)


FAILED = question(
    "mse",
    case(
        "A hundred errors", "failed", called="mse(tensor(shape (100,), [1., 2., ..., 3., 4.]))",
        message="One number differs.", got="tensor(7.)", want="tensor(8.)", hint="mean",
    ),
    case("Two errors, 1 and 3: `(1 + 9) / 2`", "failed", called="mse(tensor([1., 3.]))",
         message="Twice as much came back.", got="tensor(10.)", want="tensor(5.)", hint="mean",
         recognized=True, printed="loss 10.0"),
    case("No error at all"),
    hidden("failed"),
    hidden(),
)  # fmt: skip
PASSED = question("ridge", case("By hand"), hidden())
OPEN = question(
    "minibatches",
    case("Seven in threes", "unfinished", message="Not written yet: `minibatches` is still `...`."),
    hidden("unfinished"),
)


def graded(learner, *questions, tier="bubblewrap", notes=(), **changed):
    """Return the record of a submission that was graded."""
    found = {
        one.question.name: {
            "points": one.points,
            "of": one.question.points,
            "status": one.status,
            "digest": "d" * 64,
            "hints": [one.question.hints[key] for key in one.hints],
            "cases": [asdict(case) for case in one.cases],
        }
        for one in questions
    }
    points = sum(one["points"] for one in found.values())
    changed = {"tier": tier, "trusted": tier != "plain", "notes": list(notes)} | changed
    return _record(learner, "graded", points=points, questions=found, **changed)


def ungraded(learner, status, message):
    """Return the record of a submission that was not graded."""
    nothing = {"points": 0, "status": status, "digest": "d" * 64, "hints": [], "cases": []}
    failed = status == "infrastructure"
    questions = {} if failed else {name: nothing | {"of": of} for name, of in POINTS.items()}
    points = None if failed else 0
    return _record(learner, status, message=message, points=points, questions=questions)


def _record(learner, status, **changed):
    """Return a record as it comes back from `results.jsonl`, with what reports add to it."""
    found = {
        "learner": learner, "file": f"{learner}/linear_regression.ipynb",
        "set": "linear_regression",
        "notebook": "0" * 64, "tests": "4f1d2c" + "0" * 58, "seed": 123, "tier": "bubblewrap",
        "trusted": True, "status": status, "message": "", "choice": "", "remark": "",
        "notes": [], "points": 0,
        "of": sum(POINTS.values()), "seconds": 0.41, "cpu_seconds": 0.3, "peak_memory": 1 << 20,
        "time": "2026-11-21T17:00:00Z", "questions": {},
    }  # fmt: skip
    return json.loads(json.dumps(found | changed))


FULL = graded("ada", *(question(name, case("By hand"), hidden()) for name in POINTS))
MIXED = graded("grace", FAILED, PASSED, OPEN, notes=("Cell 4 was stopped after 30 s.",))
NOTHING = graded(
    "nobody",
    *(question(n, case("x", "missing", message=f"`{n}` is not defined.")) for n in POINTS),
)
UNREADABLE = ungraded("mallory", "unreadable", "The file is no notebook: JSON ends early.")
CHOSEN = graded(
    "chris", question("mse", case("By hand")), choice="2 notebooks: 'a' counts, 'b' does not.",
    remark="Not on the roster.", message="A message.", notes=("A note.",),
)  # fmt: skip
BROKEN = ungraded("turing", "infrastructure", "The sandbox could not be started: disk full.")
ABSENT = ungraded("empty", "missing", "No notebook: the folder holds no file *.ipynb.")
PLAIN = graded("peter", FAILED, PASSED, OPEN, tier="plain")
ONLY_HIDDEN = graded("henry", question("mse", case("By hand"), hidden("failed", hint="mean")))


def poisoned(value, text, *, keep=("status", "set", "time")):
    """Return a record in which every text, names of questions included, has `text` before it."""
    if isinstance(value, str):
        return text + value
    if isinstance(value, list):
        return [poisoned(item, text, keep=keep) for item in value]
    if isinstance(value, dict):
        return {
            (text + key if isinstance(item, dict) and "cases" in item else key): item
            if key in keep
            else poisoned(item, text, keep=keep)
            for key, item in value.items()
        }
    return value


HOSTILE = poisoned(graded("eve", FAILED, PASSED, OPEN, notes=("note",)), EVIL) | {"trusted": False}
HUGE = poisoned(graded("huge", FAILED, PASSED, OPEN, notes=("note",)), "A" * 1_000_000)
EVERYONE = [
    FULL, MIXED, NOTHING, UNREADABLE, BROKEN, ABSENT, PLAIN, ONLY_HIDDEN, HOSTILE, HUGE
]  # fmt: skip
