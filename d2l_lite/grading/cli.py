"""The command line `python -m d2l_lite.grading`."""

import os
import shlex
import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from d2l_lite.grading import commands
from d2l_lite.grading.batch import StoppedError
from d2l_lite.grading.options import PROGRAM, parser
from d2l_lite.grading.results import OutputError
from d2l_lite.grading.store import require_run, save_run
from d2l_lite.grading.tiers import Limits, SandboxError, Tier
from d2l_lite.grading.wording import count


def _choose(wanted: Tier | None) -> Tier:
    """Return the best tier that works here, or the wanted one."""
    from d2l_lite.grading.probes import choose

    return choose(wanted)


@dataclass(frozen=True)
class Parts:
    """What the commands are made of, where a test needs another judge.

    `load` returns the assignment of a file; where it is None, a judge's process loads the tests.
    `spec` has other values for fields of `Spec`: which judge is opened, how long it may take.
    """

    load: Callable[[Path], Any] | None = None
    choose: Callable[[Tier | None], Tier] = _choose
    spec: Mapping[str, Any] = field(default_factory=dict)


def main(argv: Sequence[str] | None = None, *, parts: Parts | None = None) -> int:
    """Return the exit code of a command line.

    Args:
        argv: The words after the program's name; those of this process where it is None.
        parts: What the commands are made of.

    Returns:
        The exit code; the help lists them.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    parts = parts or Parts()
    try:
        args = parser().parse_args(words)
    except SystemExit as end:
        return int(end.code or 0)
    args.command_line = f"{PROGRAM} {shlex.join(words)}"
    args.load, args.choose, args.spec = parts.load, parts.choose, dict(parts.spec)
    return _guarded(args)


def _guarded(args: Namespace) -> int:
    """Return the exit code of a command; what goes wrong is said in a sentence."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return COMMANDS[args.command](args)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    except (StoppedError, SandboxError) as error:
        print(f"{PROGRAM} {args.command}: {error}", file=sys.stderr)
        return 3
    except (OutputError, ValueError, ModuleNotFoundError, OSError) as error:
        print(f"{PROGRAM} {args.command}: {error}", file=sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGTERM, before)


def check(args: Namespace) -> int:
    """Return the exit code of a self-check of one notebook, after showing what it found."""
    from d2l_lite.grading.assignment import load_assignment
    from d2l_lite.grading.judge import Judge
    from d2l_lite.grading.rendering import as_text, summary_text

    tier = Tier(args.tier) if args.tier else args.choose(None)
    limits = Limits(**args.limits)
    with Judge(load_assignment(args.tests), tier=tier, limits=limits, seed=args.seed) as judge:
        found = judge.grade(args.notebook)
    print(f"Self-check of {args.notebook} (tier {found.tier}): nothing is recorded.")
    for text in (*found.notes, *map(as_text, found.questions)):
        print(f"\n{text}")
    if found.status != "graded":
        print(f"{found.status}: {found.message}", file=sys.stderr)
        return 3 if found.status == "infrastructure" else 2
    print(f"\n{summary_text(found.questions)}")
    return 0


def author(args: Namespace) -> int:
    """Return the exit code of making notebooks and tests from a text source."""
    from d2l_lite.grading import authoring

    # The proof runs on one core, as the judge's workers do: threads of small matrices only wait.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    settings = {"page": args.page, "requirement": args.requirement, "proved": not args.unproved}
    made = authoring.author(args.source, args.out, **settings)
    for path, use in zip(made, ("to give out", "to keep", "to keep"), strict=True):
        print(f"{path} ({use})")
    return 0


def report(args: Namespace) -> int:
    """Return the exit code of writing all reports of a batch anew."""
    run = require_run(args.results)
    run = replace(run, book=args.book or run.book, title=args.title or run.title)
    number = commands.write_all(args.results, run)
    save_run(args.results, run)
    print(f"Reports on {count(number, 'learner')}: {args.results / 'index.html'}")
    return 0


def probe(args: Namespace) -> int:
    """Return 0 where a tier works whose scores can be trusted, else 3, after showing the probes."""
    from d2l_lite.grading.probes import probe as probe_tier

    trusted = False
    for tier in Tier:
        found = probe_tier(tier)
        trusted |= found.ok and tier.trusted
        use = "scores can be trusted" if tier.trusted else "for self-checks only"
        print(f"{tier.value}: {f'works ({use})' if found.ok else 'does not work'}")
        for name, seen in found.checks.items():
            print(f"  {'✗' if seen else '✓'} {name}{': ' if seen else ''}{seen}")
    return 0 if trusted else 3


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "check": check,
    "author": author,
    "grade": commands.grade,
    "regrade": commands.regrade,
    "report": report,
    "probe": probe,
}
