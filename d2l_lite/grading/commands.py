"""The commands `grade` and `regrade`: what a batch is asked for, and what it says in the end."""

import contextlib
import hashlib
import json
import os
import secrets
import sys
from argparse import Namespace
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from d2l_lite.grading.batch import Batch
from d2l_lite.grading.collecting import HandedIn, collect, same_name
from d2l_lite.grading.desks import Spec, describe_tests
from d2l_lite.grading.lanes import Lanes, ProcessLanes, dask_lanes
from d2l_lite.grading.progress import Progress
from d2l_lite.grading.results import SetInfo, latest, read_results
from d2l_lite.grading.store import Run, Store, load_run, require_run, save_run, telling
from d2l_lite.grading.tiers import SandboxError, Tier
from d2l_lite.grading.views import line
from d2l_lite.grading.wording import count, did_you_mean

PLAIN = """\
WARNING: tier plain gives no isolation. A notebook can read the tests, change its own score and
those of others, and delete your files. Every record says "trusted": false. Use it on notebooks
that you trust, never for grades."""
MAX_LISTED = 10
#: How statuses besides `graded` are said.
WORDS = {
    "unreadable": "unreadable (0 points)",
    "missing": "without a notebook (0 points)",
    "infrastructure": "not graded, by a failure of the infrastructure (no points yet)",
    "left": "not graded yet",
}
UNLISTED, GONE = "Not on the roster.", "No longer among the submissions."
#: What `run.json` remembers of the command line.
REMEMBERED = ("roster", "layout", "book", "title")


class UsageError(ValueError):
    """What was asked for cannot be done; the message says what can."""


def grade(args: Namespace) -> int:
    """Return the exit code of grading a folder of submissions.

    Args:
        args: The parsed command line.

    Returns:
        0, 2 or 3: see the help of the command line.
    """
    tests = _tests_text(args.tests)
    folder, out = args.submissions.resolve(), args.out.resolve()
    if out == folder or folder in out.parents:
        raise UsageError(f"--out must lie outside of the submissions, got {out} below {folder}")
    with Store(out) as store, contextlib.closing(_Judges(args)) as judges:
        started = load_run(out)
        run = _plan(args, started)
        spec = _spec(args, run, tests)
        run = replace(run, info=_info(started, spec, judges=judges))
        found = _found(args, run)
        run = replace(run, added=_added(found, store.seen))
        everyone = _only(args.only, found) if args.only else found
        save_run(out, run)
        progress = Progress(len(everyone))
        batch = _batch(args, run, spec, store=store, progress=progress, judges=judges)
        try:
            batch.grade(everyone, limit=args.limit)
        except BaseException:  # whatever ends it, what is there is kept
            progress.close()
            _tell_rest(args, batch.counts(everyone))
            raise
        progress.close()
        _report(store, run)
        return _tell(args, store, everyone, batch.counts(everyone))


def regrade(args: Namespace) -> int:
    """Return the exit code of grading the notebooks of a batch by other tests.

    Args:
        args: The parsed command line.

    Returns:
        0, 2 or 3: see the help of the command line.
    """
    run = require_run(args.results)
    submissions = Path(args.submissions or run.submissions)
    if not submissions.is_dir():
        raise UsageError(
            f"the submissions of this batch lay in {submissions}, which is not there any more; "
            "say where they are with --submissions"
        )
    as_before = dict.fromkeys(("tier", "seed", *REMEMBERED))
    places = {"submissions": submissions, "out": args.results}
    return grade(Namespace(**{**vars(args), **as_before, **places}))


def _tests_text(path: Path) -> str:
    """Return the tests as text."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"--tests must be a file of tests in UTF-8, got {path}: {error}") from None


class _Judges:
    """The judges of a batch, opened when the first of them is needed."""

    def __init__(self, args: Namespace) -> None:
        self._args = args
        self._lanes: Lanes | None = None

    def open(self) -> Lanes:
        """Return where the judges run."""
        if self._lanes is None:
            args = self._args
            self._lanes = (
                dask_lanes(args.dask) if args.dask else ProcessLanes(args.jobs or _cores())
            )
        return self._lanes

    def describe(self, spec: Spec, source: str) -> SetInfo:
        """Return the facts of the tests; where a judge of this machine is needed, it loads them."""
        if self._args.load is not None:
            return SetInfo.of(self._args.load(self._args.tests), source)
        lanes = self.open()
        if isinstance(lanes, ProcessLanes):
            return lanes.describe(spec, source)
        return describe_tests(spec, source)

    def close(self) -> None:
        """End the judges, if there are any."""
        if self._lanes is not None:
            self._lanes.close()


def _info(started: Run | None, spec: Spec, *, judges: _Judges) -> SetInfo:
    """Return the facts of the tests; they are loaded only where their text is new."""
    source = hashlib.sha256(spec.tests.encode()).hexdigest()
    if started is not None and started.info.source == source:
        return started.info
    info = judges.describe(spec, source)
    if started is not None and started.info.set != info.set:
        raise UsageError(
            f"this batch is about the set {started.info.set!r}, the tests are those of "
            f"{info.set!r}; give another folder with --out"
        )
    if started is not None and started.info.digest != info.digest:
        print("The tests have changed: what was graded by the old ones is graded again.")
    return info


def _plan(args: Namespace, started: Run | None) -> Run:
    """Return how this batch is graded: as it was started, and as it is asked for now."""
    given: dict[str, Any] = {
        name: str(getattr(args, name)) for name in REMEMBERED if getattr(args, name)
    }
    given |= {"tests": str(args.tests.resolve()), "submissions": str(args.submissions.resolve())}
    if started is None:
        seed = secrets.randbits(63) if args.seed is None else args.seed
        started = Run(seed=seed, info=SetInfo("", "", "", {}, {}), tier=_tier(args), **given)
    for name, word in (("seed", "inputs"), ("tier", "scores")):
        asked, before = getattr(args, name), getattr(started, name)
        if asked is not None and asked != before:
            raise UsageError(
                f"this batch was started with --{name} {before}, {asked} would mix two kinds of "
                f"{word}; leave --{name} out, or give another folder with --out"
            )
    if started.tier == Tier.PLAIN.value:
        print(PLAIN, file=sys.stderr)
    limits = {**started.limits, **args.limits}
    return replace(started, limits=limits, **given)


def _tier(args: Namespace) -> str:
    """Return the tier of a new batch; on a cluster each machine chooses its own, never plain."""
    if args.dask or args.tier == Tier.PLAIN.value:
        return args.tier or ""
    chosen = args.choose(Tier(args.tier) if args.tier else None)
    if not chosen.trusted:
        raise SandboxError(
            "only tier plain works here: no isolation, and scores that nobody can trust. "
            "`python -m d2l_lite.grading probe` shows what is missing (often: install bubblewrap). "
            "To grade notebooks that you trust, say so: --tier plain"
        )
    return str(chosen.value)


def _found(args: Namespace, run: Run) -> list[HandedIn]:
    """Return what was handed in, after saying what was not looked at."""
    ignored = defaultdict[str, list[str]](list)
    found = collect(
        args.submissions.resolve(),
        run.info.set,
        layout=run.layout,
        roster=Path(run.roster) if run.roster else None,
        ignored=lambda why, name: ignored[why].append(name),
    )
    for why, names in ignored.items():
        print(f"Not looked at, since {why}: {_listed(names)}", file=sys.stderr)
    if not found:
        raise UsageError(
            f"{args.submissions} must hold at least one submission: alice.ipynb, or alice/ with "
            "a notebook in it; it holds none"
        )
    return found


def _listed(names: Sequence[str]) -> str:
    """Return the first few names, and how many more there are."""
    words, more = ", ".join(map(ascii, names[:MAX_LISTED])), len(names) - MAX_LISTED
    return words + f" and {more} more" * (more > 0)


def _added(found: Sequence[HandedIn], seen: Mapping[str, object]) -> dict[str, dict[str, str]]:
    """Return what reports add to records, by learner, after saying of whom."""
    choices = {one.learner: one.choice for one in found if one.choice}
    guests = [one.learner for one in found if not one.listed]
    gone = sorted(seen.keys() - {one.learner for one in found})
    for text, names in (
        ("Of several notebooks one counts, see notes and feedback", list(choices)),
        ("Not on the roster", guests),
        ("No longer among the submissions, but still in the gradebook", gone),
    ):
        if names:
            print(f"{text}: {_listed(names)}", file=sys.stderr)
    remarks = dict.fromkeys(guests, UNLISTED) | dict.fromkeys(gone, GONE)
    return {
        name: {"choice": choices.get(name, ""), "remark": remarks.get(name, "")}
        for name in choices | remarks
    }


def _only(wanted: Sequence[str], found: Sequence[HandedIn]) -> list[HandedIn]:
    """Return the submissions of some learners."""
    known = {same_name(one.learner): one for one in found}
    for name in wanted:
        if same_name(name) not in known:
            guess = did_you_mean(name, [one.learner for one in found])
            raise UsageError(f"--only must name a learner with a submission, got {name!r}.{guess}")
    return [known[key] for key in dict.fromkeys(map(same_name, wanted))]


def _spec(args: Namespace, run: Run, tests: str) -> Spec:
    """Return what the judges of a batch are made of."""
    return Spec(
        name=str(args.tests),
        tests=tests,
        tier=run.tier,
        seed=run.seed,
        limits=tuple(sorted(run.limits.items())),
        **args.spec,
    )


def _batch(
    args: Namespace, run: Run, spec: Spec, *, store: Store, progress: Progress, judges: _Judges
) -> Batch:
    """Return the batch, ready to grade."""
    return Batch(
        store,
        run,
        args.submissions.resolve(),
        open_lanes=judges.open,
        spec=spec,
        changed=args.changed,
        rehash=args.rehash,
        progress=progress,
    )


def _cores() -> int:
    """Return how many processors this process may use."""
    usable = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))
    return len(usable(0))


def _report(store: Store, run: Run) -> None:
    """Write reports where there are new results."""
    added = hashlib.sha256(json.dumps(run.added).encode()).hexdigest()
    wanted = [store.size, run.book, run.title, added]
    if list(run.reported) != wanted:
        write_all(store.folder, run)
        save_run(store.folder, replace(run, reported=wanted))


def write_all(folder: Path, run: Run) -> int:
    """Return the number of learners for whom reports were written from the results in a folder."""
    from d2l_lite.grading.reports import write_reports

    with telling(folder):
        records = [
            {**one, **run.added.get(one["learner"], {})} for one in latest(read_results(folder))
        ]
        write_reports(folder, records, book=run.book, title=run.title)
    return len(records)


def _tell_rest(args: Namespace, counts: Counter[str]) -> None:
    """Say what is kept of a batch that ends early, and how to go on."""
    done = counts.total() - counts["left"]
    print(
        f"{done} of {count(counts.total(), 'learner')} have a result, "
        f"which is kept. To go on, run the same command again:\n  {args.command_line}",
        file=sys.stderr,
    )


def _tell(args: Namespace, store: Store, everyone: Sequence[HandedIn], counts: Counter[str]) -> int:
    """Return the exit code, after saying what was found and where it stands."""
    found = [store.seen[one.learner] for one in everyone if one.learner in store.seen]
    points = [one.points for one in found if one.status == "graded" and one.points is not None]
    mean = f" (mean {sum(points) / len(points):.3g} points)" if points else ""
    words = [f"{counts['graded']} graded{mean}"]
    words += [f"{counts[key]} {text}" for key, text in WORDS.items() if counts[key]]
    print(f"{count(len(everyone), 'learner')}: {', '.join(words)}.")
    for status in ("unreadable", "infrastructure"):
        names = [one.learner for one in everyone if _status(store, one) == status]
        for name in names[:MAX_LISTED]:
            print(f"  {status}: {line(name)}: {line(store.seen[name].message, 200)}")
        if len(names) > MAX_LISTED:
            print(f"  {status}: and {len(names) - MAX_LISTED} more")
    if counts["left"]:
        print(f"To grade the rest, leave out --limit:\n  {args.command_line}")
    print(f"Results: {store.folder} (index.html, gradebook.csv, feedback/, results.jsonl)")
    return 3 if counts["infrastructure"] else 2 if counts["unreadable"] else 0


def _status(store: Store, handed: HandedIn) -> str:
    """Return the status of a learner's last record; empty where there is none."""
    seen = store.seen.get(handed.learner)
    return seen.status if seen else ""
