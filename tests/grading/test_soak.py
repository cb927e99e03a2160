"""A thousand submissions, one in twenty of them hostile: every honest learner gets what is due."""

import csv
import os
import subprocess
import sys

import pytest

from tests.grading.attacks.corpus import ATTACKS
from tests.grading.attacks.shooting import Range
from tests.grading.available import trusted_tier
from tests.grading.crowd import Crowd, from_corpus, write
from tools.repository import ROOT

SOURCE = ROOT / "tests" / "grading" / "attacks" / "arrays.md"
COUNT = 1000
LIMITS = ("--timeout", "20", "--cell-timeout", "2", "--call-timeout", "1", "--memory", "256")
PROGRAM = (sys.executable, "-m", "d2l_lite.grading")


def run(*words):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [*PROGRAM, *map(str, words)]
    found = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert found.returncode in (0, 2), found.stdout + found.stderr


def gradebook(out):
    with open(out / "gradebook.csv", encoding="utf-8-sig", newline="") as file:
        return {row["learner"]: row for row in csv.DictReader(file)}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_thousand_submissions_with_hostile_ones_among_them(tmp_path):
    tier = trusted_tier().value
    crowd, aims = Crowd(SOURCE, seed=1), Range()
    try:
        corpus = [one for one in ATTACKS if one.base == "arrays"]
        attacks = from_corpus(corpus, crowd.points, aims.words)
        entries = crowd.draw(COUNT, attacks=attacks[:: max(1, len(attacks) // 50)])
        write(entries, tmp_path / "submissions", "arrays")
        run("author", SOURCE, "--out", tmp_path / "made", "--unproved")
        tests = tmp_path / "made" / "arrays.tests.py"
        words = ("--tests", tests, "--out", tmp_path / "out", "--tier", tier, *LIMITS)
        run("grade", tmp_path / "submissions", *words)
    finally:
        aims.close()
    rows = gradebook(tmp_path / "out")
    assert len(rows) == COUNT
    assert sum(entry.kind == "hostile" for entry in entries) == COUNT // 20
    for entry in entries:
        row = rows[entry.learner]
        got = {name: int(row[name]) for name in crowd.points}
        if entry.kind == "hostile":
            assert all(got[name] <= entry.points[name] for name in got), (entry.attack, got)
        else:
            assert (row["status"], got) == ("graded", dict(entry.points)), entry.kind
