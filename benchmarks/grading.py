"""What grading costs and what it is worth: this project beside otter-grader and nbgrader.

    python -m benchmarks.grading [--quick] [--peers DIR] [--install] [--attacks N]

The same submissions, drawn from a seed and of known worth, go to every grader. The peers have
environments of their own below `--peers`, which `--install` creates; one that is not there is left
out. `--attacks N` also puts about N attacks on each grader, on the peers in a cage.
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import grading_attacks, grading_sandbox, machine
from benchmarks.grading_ours import Batch, Ours, tiers
from benchmarks.grading_peers import PEERS, Nbgrader, Otter, install
from benchmarks.grading_process import Run, in_lanes
from benchmarks.grading_report import Cold, Found, report
from d2l_lite.grading.source import ExerciseSource
from d2l_lite.grading.tiers import Tier
from tests.grading.attacks.corpus import ATTACKS
from tests.grading.crowd import Crowd, Entry
from tools.repository import ROOT

RESULT = Path(__file__).parent / "results" / "grading.md"
SOURCES = {
    "NumPy": ROOT / "tests" / "grading" / "sample" / "averages.md",
    "PyTorch": ROOT / "exercises" / "source" / "mlp.md",
}
JOBS, SEED = 2, 0


@dataclass(frozen=True)
class Plan:
    """How much is measured; `--quick` gives numbers in minutes that are no more than a hint."""

    cold: int = 7
    peers: int = 12
    batch: int = 1000
    torch_cold: int = 5
    torch_batch: int = 100


QUICK = Plan(cold=3, peers=6, batch=60, torch_cold=2, torch_batch=10)


def note(text: str) -> None:
    """Say on stderr how far the measurement is."""
    print(text, file=sys.stderr, flush=True)


def cold_of_ours(ours: Ours) -> Callable[[Entry, float], tuple[Run, bool]]:
    """Return what grades one submission with a command of ours."""
    ours.prepare()
    return lambda entry, watch: ours.cold(entry, watch=watch)


def cold_of_peer(peer: Otter | Nbgrader) -> Callable[[Entry, float], tuple[Run, bool]]:
    """Return what grades one submission with a command of a peer."""
    peer.folder.mkdir(parents=True)
    peer.prepare()

    def grade(entry: Entry, watch: float) -> tuple[Run, bool]:
        peer.submit(entry.learner, entry.pieces)
        run = peer.grade_one(entry.learner, watch=watch)
        return run, peer.points().get(entry.learner) == entry.points

    return grade


def in_turns(
    graders: dict[str, Callable[[Entry, float], tuple[Run, bool]]], entries: Sequence[Entry]
) -> dict[str, Cold]:
    """Return every grader's runs; they take turns, so that a busy machine slows all alike.

    The first submission is graded once more, to see how much memory that takes.
    """
    found = {name: Cold() for name in graders}
    for number, entry in enumerate(entries):
        for name in list(graders) if number % 2 else reversed(list(graders)):
            run, right = graders[name](entry, 0.0)
            found[name].add(run, entry, right=right)
        note(f"cold {number + 1}/{len(entries)}")
    for name, grade in graders.items():
        found[name].memory = grade(entries[0], 0.05)[0].memory
    return found


def rate_of_peer(
    kind: type[Otter] | type[Nbgrader],
    environment: Path,
    *,
    folder: Path,
    source: ExerciseSource,
    entries: Sequence[Entry],
) -> float:
    """Return the submissions a second that a peer grades on two lanes."""
    lanes = []
    for lane in range(JOBS):
        peer = kind(environment, folder / f"lane-{lane}", source)
        peer.folder.mkdir(parents=True)
        peer.prepare()
        for entry in entries[lane::JOBS]:
            peer.submit(entry.learner, entry.pieces)
        lanes.append(peer.grade_all)
    return len(entries) / in_lanes(lanes)


def numpy_side(found: Found, work: Path, plan: Plan, *, peers: Path, names: Sequence[str]) -> None:
    """Measure the NumPy assignment: every tier and every peer."""
    crowd = Crowd(SOURCES["NumPy"], seed=SEED)
    entries = crowd.draw(plan.peers)
    graders = {f"ours, {t}": cold_of_ours(Ours(SOURCES["NumPy"], work, t)) for t in names}
    kinds = {name: kind for name, kind in PEERS.items() if (peers / name).is_dir()}
    for name, kind in kinds.items():
        peer = kind(peers / name, work / name, crowd.source)
        graders[peer.name] = cold_of_peer(peer)
    found.cold = in_turns(graders, entries if kinds else entries[: plan.cold])
    for name, kind in kinds.items():
        label, folder = kind.pins[0].replace("==", " "), work / f"{name}-lanes"
        found.rates[label] = rate_of_peer(
            kind, peers / name, folder=folder, source=crowd.source, entries=entries
        )
        note(f"{label}: {found.rates[label]:.2f} submissions a second")
    for tier in names:
        found.batches["NumPy", tier] = batch_of(Ours(SOURCES["NumPy"], work, tier), plan.batch)
        found.rates[f"ours, {tier}"] = found.batches["NumPy", tier][0].rate


def batch_of(ours: Ours, count: int) -> tuple[Batch, float]:
    """Return a batch of ours, and the seconds of the same command with nothing left to do."""
    ours.prepare()
    batch = ours.batch(Crowd(ours.source, seed=SEED).draw(count), jobs=JOBS, watch=0.5)
    resume = statistics.median(ours.resume(jobs=JOBS) for _ in range(3))
    note(f"{ours.source.stem}, {ours.tier}: {count} in {batch.seconds:.1f} s")
    return batch, resume


def torch_side(found: Found, work: Path, plan: Plan, *, names: Sequence[str]) -> None:
    """Measure a PyTorch assignment of the book: every tier."""
    source = SOURCES["PyTorch"]
    entries = Crowd(source, seed=SEED).draw(plan.torch_cold)
    graders = {tier: cold_of_ours(Ours(source, work, tier)) for tier in names}
    found.torch = in_turns(graders, entries)
    for tier in names:
        found.batches["PyTorch", tier] = batch_of(Ours(source, work, tier), plan.torch_batch)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the report, print it, and return 1 where a goal is missed."""
    options = parsed(arguments)
    if options.install:
        install(options.peers, {name: kind.pins for name, kind in PEERS.items()})
    plan, found, load = QUICK if options.quick else Plan(), Found(), os.getloadavg()[0]
    works = {name for name, words in tiers().items() if "trusted" in words}
    names = [tier.value for tier in Tier if tier.value in works and tier.value in options.tier]
    if not names:
        raise SystemExit("No tier works here whose scores can be trusted: run the grader's probe")
    with tempfile.TemporaryDirectory(prefix="d2l-grading-") as folder:
        work = Path(folder)
        work.chmod(0o755)
        if options.attacks:
            attacked(found, work / "attacks", options=options, tier=Tier(names[0]))
        numpy_side(found, work / "numpy", plan, peers=options.peers, names=names)
        torch_side(found, work / "torch", plan, names=names)
    text = report(found, conditions(load, plan, quick=options.quick))
    RESULT.write_text(text, encoding="utf-8")
    print(text)
    return int("| MISSED" in text)


def attacked(found: Found, work: Path, *, options: argparse.Namespace, tier: Tier) -> None:
    """Put the attacks on ours, and on the peers where there is a cage for them."""
    work.mkdir()
    attacks = grading_attacks.chosen(ATTACKS, options.attacks)
    found.shots[f"ours, {tier.value}"] = grading_attacks.on_ours(attacks, tier)
    if fault := grading_sandbox.available():
        note(f"no cage for attacks on the peers, so they are left out: {fault}")
        return
    found.shots |= grading_attacks.on_peers(options.peers, attacks, lanes=JOBS, work=work)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.grading",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="few submissions: minutes, a hint")
    parser.add_argument("--install", action="store_true", help="install the peers first")
    parser.add_argument(
        "--peers", type=Path, default=ROOT / "build" / "peers", metavar="DIR",
        help="where the peers' environments are (build/peers)",
    )  # fmt: skip
    parser.add_argument(
        "--attacks", type=int, default=0, metavar="N", help="attacks on each grader"
    )
    parser.add_argument(
        "--tier", action="append", choices=["bubblewrap", "other-uid"],
        help="tiers to measure (those that work)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    options.peers = options.peers.resolve()
    options.tier = options.tier or ["bubblewrap", "other-uid"]
    return options


def conditions(load: float, plan: Plan, *, quick: bool) -> str:
    """Return the list of lines that says where and how the numbers came about."""
    lines = [
        f"{machine.described(load)}. A load above the number of cores slows every grader.",
        f"{machine.versions(NumPy='numpy')}.",
        f"Submissions are drawn with seed {SEED}; their worth is known from what was put in.",
        "Cold: a whole command for one submission, from a fresh interpreter; medians. The graders "
        "took turns, submission by submission.",
        f"Rates: {JOBS} lanes at the same time; nbgrader grades all submissions of a lane in one "
        "command, otter-grader one in each.",
        "Memory: the most that the whole tree of processes held, shared pages counted once.",
    ]
    if quick:
        lines.insert(0, "A quick run of few submissions: a hint, no measurement.")
    return "\n".join(f"- {line}" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
