"""The report on grading as Markdown: goals, tiers, peers, attacks."""

import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmarks.grading_attacks import VERDICTS, Shot
from benchmarks.grading_ours import Batch
from benchmarks.grading_process import Run
from tests.grading.crowd import Entry

MAX_COLD_SECONDS = {"NumPy": 0.4, "PyTorch": 1.5}
MIN_RATE, MAX_SECONDS_OF_1000, MAX_RESUME_SECONDS = 7.0, 180.0, 0.5
#: What a judge may grow by while it grades 1,000 submissions and still count as flat, in megabytes.
MAX_GROWTH_MB = 10.0
MB = 1e6


@dataclass
class Cold:
    """One grader on submissions in commands of their own."""

    runs: list[Run] = field(default_factory=list)
    right: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    memory: int = 0

    @property
    def seconds(self) -> float:
        """Median of the clock."""
        return statistics.median(run.seconds for run in self.runs)

    @property
    def cpu(self) -> float:
        """Median of the CPU time."""
        return statistics.median(run.cpu for run in self.runs)

    def add(self, run: Run, entry: Entry, *, right: bool) -> None:
        """Note a run, and what kind of learner did not get what they have earned."""
        self.runs.append(run)
        self.right += right
        if not right:
            self.lost[entry.kind] += 1


@dataclass
class Found:
    """All that was measured."""

    cold: dict[str, Cold] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    torch: dict[str, Cold] = field(default_factory=dict)
    batches: dict[tuple[str, str], tuple[Batch, float]] = field(default_factory=dict)
    shots: dict[str, list[Shot]] = field(default_factory=dict)


def goal(what: str, value: float, limit: str, *, met: bool) -> str:
    """Return a row of the table of goals."""
    return f"| {what} | {value:.3g} | {limit} | {'met' if met else 'MISSED'} |"


def goals(found: Found) -> list[str]:
    """Return the table of goals: what was measured in every tier."""
    lines = ["| what | measured | goal | |", "|---|--:|--:|---|"]
    for kind, colds in (("NumPy", found.cold), ("PyTorch", found.torch)):
        for name, cold in colds.items():
            if kind == "PyTorch" or name.startswith("ours"):
                limit = MAX_COLD_SECONDS[kind]
                tier = name.removeprefix("ours, ")
                what = f"{kind}, {tier}: seconds of a whole command for one submission"
                lines.append(goal(what, cold.seconds, f"≤ {limit:g}", met=cold.seconds <= limit))
    for (kind, tier), (batch, resume) in found.batches.items():
        name = f"{kind}, {tier}"
        if kind == "NumPy":
            seconds, growth = 1000 / batch.rate, 1000 * batch.growth / batch.count / MB
            lines += [
                goal(f"{name}: submissions a second, two jobs", batch.rate, f"≥ {MIN_RATE:g}",
                     met=batch.rate >= MIN_RATE),
                goal(f"{name}: seconds of 1,000 submissions{of(batch.count)}", seconds,
                     f"≤ {MAX_SECONDS_OF_1000:g}", met=seconds <= MAX_SECONDS_OF_1000),
                goal(f"{name}: MB that a judge grows by in 1,000 submissions{of(batch.count)}",
                     growth, f"≤ {MAX_GROWTH_MB:g}", met=growth <= MAX_GROWTH_MB),
                goal(f"{name}: seconds of a resume with nothing to do", resume,
                     f"≤ {MAX_RESUME_SECONDS:g}", met=resume <= MAX_RESUME_SECONDS),
            ]  # fmt: skip
        lines.append(goal(f"{name}: learners of {batch.count} with other points than earned",
                          batch.wrong, "0", met=batch.wrong == 0))  # fmt: skip
    return lines


def of(count: int) -> str:
    """Return a remark where fewer than 1,000 were graded."""
    return "" if count == 1000 else f" (from {count})"


def of_tiers(found: Found) -> list[str]:
    """Return the table of batches: one row an assignment and tier."""
    lines = [
        "| assignment, tier | submissions | a second | s, one submission | s, resume | "
        "MB, all processes | other points |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for (kind, tier), (batch, resume) in found.batches.items():
        each = statistics.median(batch.each)
        lines.append(
            f"| {kind}, {tier} | {batch.count} | {batch.rate:.1f} | {each:.3f} | {resume:.2f} | "
            f"{batch.memory / MB:.0f} | {batch.wrong} |"
        )
    return lines


def of_graders(found: Found) -> list[str]:
    """Return the table of graders side by side on the same NumPy submissions; ours on PyTorch."""
    lines = [
        "| grader | s, cold | CPU s, cold | a second, two lanes | MB, one submission | "
        "learners with the points they earned |",
        "|---|--:|--:|--:|--:|---|",
    ]
    colds = {**found.cold, **{f"ours, {tier}, PyTorch": c for tier, c in found.torch.items()}}
    for name, cold in colds.items():
        rate = f"{found.rates[name]:.2f}" if name in found.rates else "–"
        lines.append(
            f"| {name} | {cold.seconds:.2f} | {cold.cpu:.2f} | {rate} | {cold.memory / MB:.0f} | "
            f"{cold.right} of {len(cold.runs)}{missing(cold)} |"
        )
    return lines


def missing(cold: Cold) -> str:
    """Return which kinds of learners did not get their points."""
    words = [f"{count} {kind}" for kind, count in cold.lost.most_common()]
    return f"; not: {', '.join(words)}" if words else ""


ATTACKS_NOTE = """\
An attack counts once, by the worst that it did. The peers worked in a cage without network, whose
programs could not be written. Nothing is counted against them that they accept in another type than
was asked for. The class `forge` was written against this project's own judge.\
"""


def of_attacks(found: Found) -> list[str]:
    """Return the table of attacks: what became of how many, and which worked at the peers."""
    names = list(found.shots)
    count = len(next(iter(found.shots.values())))
    counted = {name: Counter(shot.verdict for shot in shots) for name, shots in found.shots.items()}
    lines = [f"## {count} attacks and broken submissions", ""]
    lines += [f"| | {' | '.join(names)} |", f"|---|{'--:|' * len(names)}"]
    for verdict, words in reversed(VERDICTS.items()):
        lines.append(f"| {words} | {' | '.join(str(counted[n][verdict]) for n in names)} |")
    lines += ["", *by_class(found), "", ATTACKS_NOTE]
    for name in names:
        lines += ["", f"**{name}**", "", *listed(found.shots[name])]
    return lines


def by_class(found: Found) -> list[str]:
    """Return how many of each class of attacks had a clean verdict."""
    names = list(found.shots)
    kinds = Counter(shot.attack.kind for shot in next(iter(found.shots.values())))
    lines = [f"| class: clean verdicts | attacks | {' | '.join(names)} |"]
    lines.append(f"|---|--:|{'--:|' * len(names)}")
    for kind, count in kinds.items():
        clean = [
            sum(shot.verdict == "clean" for shot in found.shots[name] if shot.attack.kind == kind)
            for name in names
        ]
        lines.append(f"| {kind} | {count} | {' | '.join(map(str, clean))} |")
    return lines


def listed(shots: Iterable[Shot]) -> list[str]:
    """Return a line for each verdict but the clean one: the attacks that ended so."""
    shots = list(shots)
    lines = []
    for verdict, words in VERDICTS.items():
        names = [shot.attack.name for shot in shots if shot.verdict == verdict]
        if names and verdict != "clean":
            lines.append(f"- {words}: {'; '.join(names)}.")
    return lines or ["- All had a clean verdict."]


def report(found: Found, conditions: str) -> str:
    """Return the report.

    Args:
        found: What was measured.
        conditions: A list of lines: machine, versions, how it was measured.
    """
    lines = ["# Grading", "", conditions, "", *goals(found), "", "## Graders side by side", ""]
    lines += [*of_graders(found), "", "## Batches", "", *of_tiers(found), ""]
    if found.shots:
        lines += [*of_attacks(found), ""]
    return "\n".join([*lines, "Written by `python -m benchmarks.grading`.", ""])
