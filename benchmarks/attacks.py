"""What becomes of hostile and broken submissions: a verdict for each, in every tier there is.

    python -m benchmarks.attacks [--tier TIER] [--only TEXT] [--output FILE]

Each submission of `tests/grading/attacks/` is graded between two honest classmates. It was *held*
if it got exactly what its honest answers earn, in time, and left no trace outside. The exit status
is 1 if one was not.
"""

import argparse
import faulthandler
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine
from d2l_lite.grading.sandbox import Tier, probe
from tests.grading.attacks.corpus import ATTACKS
from tests.grading.attacks.shooting import Outcome, Range, Session
from tests.grading.attacks.submission import KINDS, Attack

RESULT = Path(__file__).parent / "results" / "attacks.md"
#: Seconds after which a judge that does not come back is reported by its own stack.
HUNG = 180
MEANING = {
    "tamper": "changes the process in which it runs",
    "read": "looks for tests, secrets and others' work",
    "escape": "leaves its worker",
    "exhaust": "uses up time, memory, processes, disk",
    "forge": "forges what the worker sends",
    "malformed": "is broken or wrong",
}


@dataclass(frozen=True)
class Verdict:
    """What became of one attack in one tier; `outcome` is None where it was not run."""

    attack: Attack
    tier: Tier
    outcome: Outcome | None

    @property
    def text(self) -> str:
        """What the table says."""
        if self.outcome is None:
            return "not run"
        if self.outcome.stolen:
            return f"**{self.outcome.stolen} stolen**"
        return "**fault**" if self.outcome.faults else f"held, {self.outcome.seconds:.1f} s"


def shoot(tier: Tier, attacks: Iterable[Attack]) -> list[Verdict]:
    """Return the verdicts of a tier; the honest classmates are checked on the way."""
    found, sessions, targets = [], {}, Range()
    try:
        for one in attacks:
            outcome = None
            if tier.value not in one.not_in:
                faulthandler.dump_traceback_later(HUNG, exit=True)
                if one.base not in sessions:
                    sessions[one.base] = Session(targets, tier, one.base)
                with tempfile.TemporaryDirectory() as folder:
                    outcome = sessions[one.base].shoot(one, Path(folder))
            found.append(Verdict(one, tier, outcome))
            print(f"{tier.value:10}  {found[-1].text:12}  {one.kind}: {one.name}", file=sys.stderr)
    finally:
        faulthandler.cancel_dump_traceback_later()
        for session in sessions.values():
            session.close()
        targets.close()
    return found


def totals(verdicts: Sequence[Verdict]) -> Iterable[str]:
    """Yield the rows that sum up each class and tier."""
    yield "| class | what it does | tier | run | held | stolen | classmates touched | longest |"
    yield "|---|---|---|--:|--:|--:|--:|--:|"
    for kind in KINDS:
        for tier in dict.fromkeys(one.tier for one in verdicts):
            mine = [one for one in verdicts if (one.attack.kind, one.tier) == (kind, tier)]
            ran = [one.outcome for one in mine if one.outcome is not None]
            if ran:
                held = sum(not one.faults for one in ran)
                stolen = sum(one.stolen > 0 for one in ran)
                touched = sum(bool(one.touched) for one in ran)
                longest = max(one.seconds for one in ran)
                yield (
                    f"| {kind} | {MEANING[kind]} | {tier.value} | {len(ran)} | {held} | {stolen} "
                    f"| {touched} | {longest:.1f} s |"
                )


def rows(verdicts: Sequence[Verdict]) -> Iterable[str]:
    """Yield one row for each attack, and below the table what was wrong and what was not run."""
    tiers = list(dict.fromkeys(one.tier for one in verdicts))
    yield "| class | attack | " + " | ".join(tier.value for tier in tiers) + " |"
    yield "|---|---" + "|---" * len(tiers) + "|"
    by_attack: dict[str, dict[Tier, str]] = {}
    kinds = {one.attack.name: one.attack.kind for one in verdicts}
    for one in verdicts:
        by_attack.setdefault(one.attack.name, {})[one.tier] = one.text
    for name, texts in by_attack.items():
        yield f"| {kinds[name]} | {name} | " + " | ".join(texts.values()) + " |"
    yield ""
    for one in verdicts:
        if one.outcome is not None and one.outcome.faults:
            faults = "; ".join(one.outcome.faults)
            yield f"- {one.tier.value}, {one.attack.name}: {faults}."
    reasons = dict.fromkeys(
        (one.tier.value, one.attack.not_in[one.tier.value])
        for one in verdicts
        if one.outcome is None
    )
    yield from (f"- Not run in {tier}: {reason}." for tier, reason in reasons)


def report(verdicts: Sequence[Verdict], seconds: float, conditions: Sequence[str]) -> str:
    """Return the page of results; `conditions` are lines that say where they came about."""
    ran = [one.outcome for one in verdicts if one.outcome is not None]
    touched = sum(bool(one.touched) for one in ran)
    lines = [
        "# Hostile and broken submissions",
        "",
        *(f"- {line}." for line in conditions),
        f"- {len({one.attack.name for one in verdicts})} submissions, {len(ran)} gradings, each "
        f"between two honest classmates, in {seconds:.0f} s.",
        f"- Stolen: {sum(one.stolen > 0 for one in ran)}. Classmates touched: {touched}. Not held "
        f"in another way: {sum(bool(one.faults) and not one.stolen for one in ran)}.",
        "",
        *totals(verdicts),
        "",
        "## Each of them",
        "",
        *rows(verdicts),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tier", choices=[tier.value for tier in Tier])
    parser.add_argument("--only", default="", help="part of the name of an attack or a class")
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args()
    attacks = [one for one in ATTACKS if options.only in f"{one.kind}: {one.name}"]
    verdicts: list[Verdict] = []
    missing, load, started = [], os.getloadavg()[0], time.monotonic()
    for tier in Tier:
        if options.tier in (None, tier.value):
            found = probe(tier)
            if found.ok:
                verdicts += shoot(tier, attacks)
            else:
                failed = "; ".join(f"{key}: {text}" for key, text in found.checks.items() if text)
                missing.append(f"Not available here: {tier.value} ({failed})")
    conditions = [machine.described(load), machine.versions(NumPy="numpy"), *missing]
    text = report(verdicts, time.monotonic() - started, conditions)
    options.output.write_text(text, encoding="utf-8")
    print(text.split("## Each")[0])
    return int(any(one.outcome is not None and one.outcome.faults for one in verdicts))


if __name__ == "__main__":
    sys.exit(main())
