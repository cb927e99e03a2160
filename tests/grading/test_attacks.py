"""Hostile and broken submissions: none gets more points than its honest answers earn.

Each is graded between two honest classmates in one session. `python -m benchmarks.attacks` writes
the same verdicts as a table.
"""

from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import pytest

from d2l_lite.grading.desks import Spec
from d2l_lite.grading.lanes import ProcessLanes
from d2l_lite.grading.sandbox import Tier
from tests.grading.attacks.corpus import ATTACKS
from tests.grading.attacks.exhaust import UNSTOPPABLE
from tests.grading.attacks.shooting import BASES, Range, Session
from tests.grading.attacks.submission import (
    KINDS,
    WRONG,
    Attack,
    attack,
    cells_of,
    notebook,
    rewarded,
    solutions,
)
from tests.grading.available import reason_against, trusted_tier

MIN_ATTACKS = 75
MIN_A_KIND = 10
#: One attack in so many is tried in the tier without isolation, whose scores nobody trusts.
SAMPLE = 4
#: How many times as long everything may take in the later tries, on a busy machine.
PATIENCE = (4.0, 10.0)
#: Whether the worker is confined at all, asked before anything is tried that could do harm.
CONFINED = attack(
    "escape",
    "is the worker confined?",
    "import os\nwon = os.geteuid() != 0 and not os.access('@VAULT@', os.R_OK)\n" + rewarded(),
    earns=("softmax",),
)


@pytest.fixture(scope="module")
def targets():
    """What attacks aim at."""
    made = Range()
    yield made
    made.close()


def shot(session, one, folders):
    """What becomes of an attack.

    Limits are seconds of a clock. Where a busy machine can be the cause, there is a second try, and
    a third one, with slower clocks.
    """
    for patience in (1.0, *PATIENCE):
        outcome = session(one.base, patience).shoot(one, folders.mktemp("shot"))
        if not outcome.may_be_slowness:
            break
    return outcome


@pytest.fixture(scope="module", params=list(Tier), ids=lambda tier: tier.value)
def sessions(request, targets, tmp_path_factory):
    """One judge for each assignment in a tier that works here."""
    if why := reason_against(request.param):
        pytest.skip(why)
    made: dict[tuple[str, float], Session] = {}

    def session(base: str, patience: float = 1.0) -> Session:
        key = (base, patience)
        if key not in made:
            made[key] = Session(targets, request.param, base, patience)
            assert any(made[key].honest() == "" for _ in range(2))
        return made[key]

    if request.param is not Tier.PLAIN:
        outcome = shot(session, CONFINED, tmp_path_factory)
        assert outcome.faults == (), "nothing else is tried in a worker that is not confined"
    yield request.param, session
    for one in made.values():
        one.close()


def test_the_corpus_is_broad():
    names = [one.name for one in ATTACKS]
    assert len(names) == len(set(names)) >= MIN_ATTACKS
    assert {one.base for one in ATTACKS} == set(BASES)
    for kind in KINDS:
        assert sum(one.kind == kind for one in ATTACKS) >= MIN_A_KIND
    assert {key for one in ATTACKS for key in one.not_in} <= {tier.value for tier in Tier}


@pytest.mark.timeout(240, method="thread")
@pytest.mark.parametrize("one", ATTACKS, ids=lambda one: f"{one.kind}: {one.name}")
def test_an_attack_gets_what_its_honest_answers_earn(sessions, one, tmp_path_factory):
    tier, session = sessions
    if tier.value in one.not_in:
        pytest.skip(one.not_in[tier.value])
    if not tier.trusted and ATTACKS.index(one) % SAMPLE:
        pytest.skip("a tier for self-checks meets a sample here, and all in benchmarks.attacks")
    outcome = shot(session, one, tmp_path_factory)
    assert outcome.stolen == 0, outcome
    assert outcome.faults == (), outcome.message


def test_a_theft_would_be_seen(sessions, tmp_path):
    """The oracle itself: a right answer where none is expected, a file, a slow one."""
    _, session = sessions
    right = Attack("a theft", "tamper", "softmax", (rewarded(won="True"),), seconds=0.0)
    outcome = session("arrays").shoot(right, tmp_path)
    assert outcome.stolen == session("arrays").full["softmax"]
    assert [fault.split()[0] for fault in outcome.faults] == ["the", "took"]
    assert outcome.late
    assert not outcome.may_be_slowness
    assert set(WRONG) >= set(session("arrays").full)


@pytest.mark.timeout(120, method="thread")
def test_a_judge_that_nothing_can_stop_ends_with_its_process(targets):
    """A case that loops in C code over a learner's count: the batch goes on without this judge."""
    tests = targets.assignment("arrays").read_text(encoding="utf-8")
    spec = Spec("arrays.md", tests, trusted_tier().value, 7)
    limits = (("cell", 2.0), ("call", 1.0), ("submission", 2.5))
    strict = replace(spec, limits=limits, patience=4.0)
    honest = notebook(["import numpy as np", *solutions("arrays").values()]).encode()
    lanes = ProcessLanes(1)

    def points(text: bytes, under: Spec = spec) -> int:
        found = lanes.submit(0, under, text, None).result(90)
        return sum(one["points"] for one in found["questions"].values())

    try:
        assert points(honest) == 12
        with pytest.raises(BrokenProcessPool):
            points(notebook(cells_of(UNSTOPPABLE)).encode(), strict)
        assert points(honest) == 12
    finally:
        lanes.close(kill=True)
