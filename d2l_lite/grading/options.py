"""The options of the command line, and the help that teaches them."""

import argparse
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from d2l_lite.grading.collecting import COLUMN, LAYOUTS
from d2l_lite.grading.tiers import Limits, Tier

#: Seconds or megabytes; the system's calls take no number of any size, and none is infinite.
MAX_NUMBER = 10_000_000
PROGRAM = "python -m d2l_lite.grading"
TESTS = "<set>.tests.py, or the source <set>.md"
EXIT_CODES = """\
exit codes:
  0    done; every submission has a result (learners without a notebook have 0 points), or --limit
       left the rest
  1    nothing was done, or the batch stopped: wrong use, tests or folder unusable, disk full
  2    done, but some notebooks could not be read: they have 0 points, and the reports say why
  3    some submissions have no result since the grading itself failed; run the same command again
  130  interrupted; run the same command again to go on
"""
FIRST_STEPS = f"""\
first steps of an instructor:
  {PROGRAM} probe
  {PROGRAM} author mlp.md --out made/
  {PROGRAM} grade submissions/ --tests made/mlp.tests.py --out results/
"""
GRADE = f"""\
Grade the notebook of every learner: SUBMISSIONS holds alice.ipynb, or a folder alice/ with one
notebook in it. The output folder gets results.jsonl (a record a line: the truth), gradebook.csv,
and a page of feedback for each learner below feedback/.

Whatever ends the batch, the same command goes on where it was: what has a result is not graded
again, unless the notebook or the tests have changed. Where something was stopped or left out, other
limits grade it again. Learner code runs confined; the tier is
written into every record. `{PROGRAM} probe` shows what works on this machine.
"""
REGRADE = """\
Grade a batch again after a correction of its tests. With --changed, only those questions are
graded whose own tests, points or hints are not what they were, and the others keep their results.
New records are appended; the last one of a learner counts.
"""
CHECK = """\
Show what the tests find in one notebook. This is a self-check: nothing is recorded, and a tier
without isolation is good enough, so use it on a notebook that you trust.
"""
PROBE = """\
Try on this machine what each tier of isolation promises: attempts to read a secret file, to reach
the network, to see other processes and so on. A tier works if every attempt is stopped.
"""
AUTHOR = """\
Make from one text source the learners' notebook (to give out), the solution notebook, and the tests
with their hidden cases (to keep). The set is run first: stubs must score nothing, solutions
everything, and every planted mistake must bring up its hint.
"""


class _Parser(ArgumentParser):
    """Wrong use exits with 1: 2 says that some notebooks could not be read."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(1, f"{self.prog}: {message}\n")


def parser() -> ArgumentParser:
    """Return the parser of the command line."""
    whole = _Parser(
        prog=PROGRAM,
        description="Check, grade and report exercise notebooks.",
        epilog=f"{FIRST_STEPS}\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subs = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _check_parser(_sub(subs, "check", "self-check one notebook", CHECK))
    _author_parser(_sub(subs, "author", "make notebooks and tests from one text source", AUTHOR))
    _grade_parser(_sub(subs, "grade", "grade a folder of submissions", GRADE))
    _regrade_parser(_sub(subs, "regrade", "grade again after a correction of the tests", REGRADE))
    _report_parser(_sub(subs, "report", "write gradebook and feedback from results anew"))
    _sub(subs, "probe", "show which tiers of isolation work here", PROBE)
    return whole


def _sub(subs: Any, name: str, short: str, long: str = "") -> ArgumentParser:
    """Return the parser of one command."""
    made: ArgumentParser = subs.add_parser(
        name,
        help=short,
        description=long or f"{short[0].upper()}{short[1:]}.",
        epilog=EXIT_CODES if name in ("grade", "regrade") else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return made


def _positive(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a type of arguments: numbers above 0 that the system can take."""

    def parsed(text: str) -> Any:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"must be above 0, got {text}")
        if value > MAX_NUMBER:
            raise argparse.ArgumentTypeError(f"must be at most {MAX_NUMBER}, got {text}")
        return value

    parsed.__name__ = f"number ({kind.__name__})"
    return parsed


def _seed(text: str) -> int:
    """Return a seed that every generator of random numbers takes."""
    value = int(text)
    if not 0 <= value < 1 << 64:
        raise argparse.ArgumentTypeError(f"must be at least 0 and less than 2**64, got {text}")
    return value


def _absolute(text: str) -> Path:
    """Return a path that stays right in another working directory."""
    return Path(text).resolve()


class _Limit(argparse.Action):
    """Collects limits under their own names; megabytes become bytes."""

    def __call__(self, parser: Any, namespace: Namespace, values: Any, option: Any = None) -> None:
        scale = 1 << 20 if self.metavar == "MB" else 1
        namespace.limits = {**namespace.limits, self.dest.removeprefix("limit_"): values * scale}


def _add_limits(one: ArgumentParser) -> None:
    """Add the limits of one submission."""
    usual = Limits()
    group = one.add_argument_group("limits of one submission")
    number: dict[str, Any] = {"action": _Limit, "default": argparse.SUPPRESS}
    for option, name, text in (
        ("--timeout", "submission", "seconds for all of it"),
        ("--cell-timeout", "cell", "seconds for one cell"),
        ("--call-timeout", "call", "seconds for one call from a test"),
    ):
        more: dict[str, Any] = {"type": _positive(float), "metavar": "S"}
        usually = f"{text} (usually {getattr(usual, name):g})"
        group.add_argument(option, dest=f"limit_{name}", help=usually, **more, **number)
    for option, name, text in (
        ("--memory", "memory", "megabytes of memory, beyond what libraries take"),
        ("--disk", "disk", "megabytes of temporary files"),
    ):
        more = {"type": _positive(int), "metavar": "MB"}
        usually = f"{text} (usually {getattr(usual, name) >> 20})"
        group.add_argument(option, dest=f"limit_{name}", help=usually, **more, **number)
    one.set_defaults(limits={})


def _add_common(one: ArgumentParser) -> None:
    """Add what `grade` and `regrade` have in common."""
    one.add_argument("--tests", type=Path, required=True, metavar="T", help=TESTS)
    where = one.add_mutually_exclusive_group()
    where.add_argument(
        "--jobs", type=_positive(int), metavar="N", help="judges at a time (default: processors)"
    )
    where.add_argument("--dask", metavar="ADDR", help="grade on a Dask cluster: tcp://host:8786")
    one.add_argument(
        "--only", action="append", metavar="LEARNER", help="grade this learner; may be repeated"
    )
    one.add_argument(
        "--limit", type=_positive(int), metavar="N", help="stop after N notebooks, to try it out"
    )
    one.add_argument(
        "--rehash",
        action="store_true",
        help="read every notebook to see whether it changed, also where size, times and inode are "
        "those that the record notes",
    )


def _grade_parser(one: ArgumentParser) -> None:
    """Add the arguments of `grade`."""
    one.add_argument("submissions", type=Path, metavar="SUBMISSIONS", help="the folder")
    one.add_argument("--out", type=Path, required=True, metavar="DIR", help="where results go")
    _add_common(one)
    tiers = [tier.value for tier in Tier]
    one.add_argument(
        "--tier", choices=tiers, help="isolation (default: the best; plain only if asked for)"
    )
    one.add_argument("--seed", type=_seed, metavar="N", help="of hidden inputs (default: drawn)")
    one.add_argument(
        "--roster",
        type=_absolute,
        metavar="CSV",
        help=f"everyone in its column {COLUMN!r} gets a row, those without a submission 0 points",
    )
    one.add_argument(
        "--layout",
        choices=list(LAYOUTS),
        help="how files are named: alice.ipynb (plain), or as Canvas or Moodle download them; "
        "learners are then called by name and number, ann_101",
    )
    one.add_argument("--book", metavar="URL", help="address of the book, for links in feedback")
    one.add_argument("--title", metavar="TEXT", help="what feedback calls this work")
    _add_limits(one)
    one.set_defaults(changed=False)


def _regrade_parser(one: ArgumentParser) -> None:
    """Add the arguments of `regrade`."""
    one.add_argument("results", type=Path, metavar="DIR", help="the output folder of the batch")
    _add_common(one)
    one.add_argument("--changed", action="store_true", help="only questions that have changed")
    one.add_argument(
        "--submissions", type=Path, metavar="DIR", help="where they are now, if they have moved"
    )
    _add_limits(one)


def _check_parser(one: ArgumentParser) -> None:
    """Add the arguments of `check`."""
    one.add_argument("notebook", type=Path, metavar="NOTEBOOK", help="the notebook")
    one.add_argument("--tests", type=Path, required=True, metavar="T", help=TESTS)
    tiers = [tier.value for tier in Tier]
    one.add_argument("--tier", choices=tiers, help="isolation (default: the best that works)")
    one.add_argument(
        "--seed",
        type=_seed,
        default=0,
        metavar="N",
        help="of hidden inputs (default: %(default)s; that of a batch stands in its run.json)",
    )
    _add_limits(one)


def _author_parser(one: ArgumentParser) -> None:
    """Add the arguments of `author`."""
    one.add_argument("source", type=Path, metavar="SOURCE", help="<set>.md")
    one.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write")
    one.add_argument("--page", default="", metavar="URL", help="where feedback links to")
    one.add_argument(
        "--requirement",
        default="",
        metavar="NAME",
        help="what notebooks install where this package is missing: d2l-lite==1.0",
    )
    one.add_argument(
        "--unproved",
        action="store_true",
        help="do not run the set first to see that stubs score nothing and solutions everything",
    )


def _report_parser(one: ArgumentParser) -> None:
    """Add the arguments of `report`."""
    one.add_argument("results", type=Path, metavar="DIR", help="the output folder of a batch")
    one.add_argument("--book", metavar="URL", help="address of the book, for links in feedback")
    one.add_argument("--title", metavar="TEXT", help="what feedback calls this work")
