"""The attacks of `tests/grading/attacks/` on graders that run the learner's code as themselves.

Each attack is graded in a cage of its own, beside a classmate who has points already. What is
counted is what its learner would have gained, and what others would have lost.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Queue

from benchmarks.grading_peers import PEERS, Nbgrader, Otter, base_prefix
from benchmarks.grading_sandbox import cage, hand_over
from d2l_lite.grading.tiers import Tier
from tests.grading.attacks.shooting import Outcome, Range, Session
from tests.grading.attacks.submission import GUARD, Attack, base, cells_of, filled, solutions
from tests.grading.crowd import Piece

BASE, CLASSMATE, ATTACKER = "arrays", "alice", "mallory"
#: Seconds after which a grader counts as hung, and bytes above which it is stopped.
HUNG, MOST_BYTES = 90.0, 6 << 30
CELL_SECONDS = 10
FILES = ("results.jsonl", "grades.csv", "other.ipynb", "arrays.md")
#: What became of an attack, the worst first; the last is as it should be.
VERDICTS: Mapping[str, str] = {
    "touched": "a classmate's grade changed or was lost",
    "stolen": "points for a wrong answer",
    "unlimited": "went past every limit and was graded as right",
    "hung": "did not end, or had to be stopped from outside",
    "no grade": "no grade was produced, honest points are lost",
    "lost": "honest answers beside the attack lost their points",
    "damage": "something outside was written, changed or reached",
    "odd": "the judge grew, or the attack ended for another reason than it should",
    "clean": "a clean verdict",
}


@dataclass(frozen=True)
class Shot:
    """What became of one attack."""

    attack: Attack
    verdict: str
    seconds: float
    points: Mapping[str, float] | None


def pieces_of(attack: Attack) -> list[Piece]:
    """Return an attack's cells, each with the question that it answers.

    The guard that keeps attacks from harming a machine is left out: the cage does that.
    """
    honest = {text: key for key, text in solutions(BASE).items() if key != attack.question}
    own = list(attack.code)
    found = []
    for text in cells_of(attack):
        question = honest.get(text, "")
        if text in own and text == own[-1]:
            question = attack.question
        found.append(Piece("code", text.replace(GUARD, ""), question))
    return found


class Target:
    """A grader in a cage, with an assignment and a classmate's grade; a copy for each attack."""

    def __init__(self, environment: Path, work: Path, kind: type[Otter] | type[Nbgrader]) -> None:
        self.readable = [environment, base_prefix(environment)]
        self.words = {"KEY": "0123456789abcdef" * 2, "JUDGE": "2", "BYSTANDER": "999999"}
        self.words |= {"PORT": "9", "SOCKET": "/tmp/socket", "MARK": "atkmark", "OTHERUID": "12345"}
        source = base(BASE)
        cells = tuple(replace(c, source=filled(c.source, self.words)) for c in source.cells)
        self.full = {name: cell.metadata["points"] for name, cell in source.questions.items()}
        self.peer = kind(environment, work / kind.__name__, replace(source, cells=cells))
        self.peer.folder.mkdir(parents=True)
        for name in FILES:
            path = self.peer.folder / "vault" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"vault-{self.words['KEY']}\n", encoding="utf-8")
        (self.peer.folder / "open").mkdir(mode=0o777)
        (self.peer.folder / "nbgrader_config.py").write_text(
            f"c = get_config()\nc.ExecutePreprocessor.timeout = {CELL_SECONDS}\n"
            f"c.Execute.timeout = {CELL_SECONDS}\n",
            encoding="utf-8",
        )
        self.peer.prepare()
        imports = Piece("code", "import math\nimport numpy as np")
        answers = [Piece("code", text, name) for name, text in solutions(BASE).items()]
        self.peer.submit(CLASSMATE, [imports, *answers])
        self.peer.grade_one(CLASSMATE)
        if self.peer.points().get(CLASSMATE) != self.full:
            raise SystemExit(f"{self.peer.name}: an honest classmate must get full points first")

    def shoot(self, attack: Attack, lane: Path) -> Shot:
        """Return what becomes of an attack; it works on a copy in the folder `lane`."""
        shutil.rmtree(lane, ignore_errors=True)
        shutil.copytree(self.peer.folder, lane, symlinks=True)
        words = self.words | {"OPEN": str(lane / "open"), "VAULT": str(lane / "vault")}
        hand = Path(tempfile.mkdtemp(dir=lane.parent))
        prefix = (
            *cage(lane, readable=self.readable),
            "env",
            f"D2L_LITE_VAULT=vault-{words['KEY']}",
        )
        peer = replace(self.peer, folder=lane, prefix=prefix)
        peer.submit(ATTACKER, [replace(p, text=filled(p.text, words)) for p in pieces_of(attack)])
        self._make(attack, peer.notebook(ATTACKER), hand)
        hand_over(lane)
        run = peer.grade_one(ATTACKER, timeout=HUNG, watch=0.25, most=MOST_BYTES)
        found = peer.points()
        shutil.rmtree(hand, ignore_errors=True)
        stopped = run.status is None or run.memory > MOST_BYTES
        ends = {"stopped": stopped, "failed": bool(run.status)}
        verdict = self._verdict(attack, found, **ends, harm=harmed(lane, words["KEY"]))
        return Shot(attack, verdict, run.seconds, found.get(ATTACKER))

    def _make(self, attack: Attack, notebook: Path, folder: Path) -> None:
        """Put what an attack makes of the whole file in the notebook's place."""
        if attack.make is None:
            return
        made = attack.make(notebook.read_text(encoding="utf-8"), folder)
        notebook.unlink()
        if not os.path.lexists(made):  # what is handed in is nothing
            return
        if made.is_symlink() or not made.is_file():
            shutil.move(made, notebook)
        else:
            shutil.copyfile(made, notebook)

    def _verdict(
        self,
        attack: Attack,
        found: Mapping[str, Mapping[str, float]],
        *,
        stopped: bool,
        failed: bool,
        harm: bool,
    ) -> str:
        """Return the worst that an attack did."""
        got, want = found.get(ATTACKER), attack.points(self.full)
        if found.get(CLASSMATE) != self.full:
            return "touched"
        if got and attack.kind != "malformed" and sum(got.values()) > sum(want.values()):
            return "unlimited" if attack.kind == "exhaust" else "stolen"
        if stopped:
            return "hung"
        if attack.status == "graded" and (got is None or failed):
            return "no grade"
        if attack.status == "graded" and any((got or {}).get(q, 0) < want[q] for q in want):
            return "lost"
        return "damage" if harm else "clean"


HONEST = Attack("none", "malformed", "softmax", (solutions()["softmax"],), earns=("softmax",))


def harmed(lane: Path, key: str) -> bool:
    """Return whether an attack wrote what it had no business with."""
    kept = dict.fromkeys(FILES, f"vault-{key}\n")
    vault = lane / "vault"
    try:
        found = {path.name: path.read_text(encoding="utf-8")[:100] for path in vault.iterdir()}
    except OSError:
        return True
    return found != kept or any((lane / "open").iterdir())


def chosen(attacks: Sequence[Attack], most: int) -> list[Attack]:
    """Return attacks of every class, evenly, on the assignment that both peers have."""
    fit = [one for one in attacks if one.base == BASE]
    if most >= len(fit):
        return fit
    kinds = {kind: [one for one in fit if one.kind == kind] for kind in {a.kind: 0 for a in fit}}
    found = []
    for many in kinds.values():
        count = max(1, round(most * len(many) / len(fit)))
        found += [many[index * len(many) // count] for index in range(count)]
    return found


def shots(target: Target, attacks: Sequence[Attack], lanes: int) -> Iterator[Shot]:
    """Yield what becomes of every attack, some at the same time."""
    free: Queue[Path] = Queue()
    for number in range(lanes):
        free.put(target.peer.folder.parent / f"lane-{target.peer.folder.name}-{number}")

    def one(attack: Attack) -> Shot:
        lane = free.get()
        try:
            return target.shoot(attack, lane)
        finally:
            free.put(lane)

    with ThreadPoolExecutor(lanes) as pool:
        for shot in pool.map(one, attacks):
            print(f"{target.peer.name}: {shot.verdict}: {shot.attack.name}", file=sys.stderr)
            yield shot


def on_ours(attacks: Sequence[Attack], tier: Tier) -> list[Shot]:
    """Return what becomes of the attacks in our judge, as its own tests see it."""
    aims = Range()
    session = Session(aims, tier, BASE)
    found = []
    try:
        if fault := session.honest():
            raise SystemExit(f"before any attack {fault}")
        for attack in attacks:
            with tempfile.TemporaryDirectory() as folder:
                outcome = session.shoot(attack, Path(folder))
            found.append(Shot(attack, of_ours(attack, outcome), outcome.seconds, outcome.points))
            print(f"ours: {found[-1].verdict}: {attack.name} {outcome.faults}", file=sys.stderr)
    finally:
        session.close()
        aims.close()
    return found


def of_ours(attack: Attack, outcome: Outcome) -> str:
    """Return the worst that an attack did to our judge; any fault at all is not clean."""
    if outcome.touched:
        return "touched"
    if outcome.stolen:
        return "unlimited" if attack.kind == "exhaust" else "stolen"
    if outcome.late:
        return "hung"
    if outcome.status != attack.status:
        return "no grade"
    if outcome.lost:
        return "lost"
    if outcome.harm:
        return "damage"
    return "odd" if outcome.faults else "clean"


def on_peers(
    peers: Path, attacks: Sequence[Attack], *, lanes: int, work: Path
) -> dict[str, list[Shot]]:
    """Return what becomes of the attacks at each peer that is installed."""
    found = {}
    for name, kind in PEERS.items():
        if (peers / name).is_dir():
            target = Target(peers / name, work, kind)
            if (control := target.shoot(HONEST, work / "control")).verdict != "clean":
                raise SystemExit(f"{target.peer.name}: in the cage an honest one was {control}")
            found[target.peer.name] = list(shots(target, attacks, lanes))
    return found
