"""The command line: what it asks for, what it says, and the whole way with the real judge."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from d2l_lite.grading.cli import main
from d2l_lite.grading.progress import Progress
from d2l_lite.grading.results import latest, read_results
from d2l_lite.grading.store import load_run
from d2l_lite.grading.tiers import SandboxError, Tier
from tests.grading.available import trusted_tier
from tests.grading.classroom import Classroom
from tests.grading.fakes import PARTS, TESTS
from tests.processes import command_line, descendants, survivors, wait_until

SAMPLE = Path(__file__).parent / "sample" / "averages.md"
BOTH = "answer one\nanswer two"


# How it is used


@pytest.mark.parametrize("command", ["", "check", "author", "grade", "regrade", "report", "probe"])
def test_help_teaches(command, capsys):
    assert main([*command.split(), "--help"]) == 0
    said = capsys.readouterr().out
    assert "usage: python -m d2l_lite.grading" in said
    if command in ("", "grade", "regrade"):
        assert "3    some submissions have no result since the grading itself failed" in said
    if command == "grade":
        assert "SUBMISSIONS holds alice.ipynb, or a folder alice/ with one" in said
        assert "(usually 120)" in said
    if command == "check":
        assert "(default: the best that works)" in said
        assert "(default: 0;" in said


WRONG = [
    ([], "the following arguments are required: COMMAND"),
    (["grad"], "invalid choice: 'grad'"),
    (["grade", "x"], "the following arguments are required: --out, --tests"),
    (["grade", "x", "--out", "o", "--tests", "t", "--jobs", "0"], "must be above 0, got 0"),
    (["grade", "x", "--out", "o", "--tests", "t", "--timeout", "-1"], "must be above 0, got -1"),
    (["grade", "x", "--out", "o", "--tests", "t", "--timeout", "inf"], "at most 10000000, got inf"),
    (["grade", "x", "--out", "o", "--tests", "t", "--seed", "-1"], "must be at least 0"),
    (["regrade", "x", "--tests", "t", "--memory", "99999999"], "at most 10000000, got 99999999"),
    (["grade", "x", "--out", "o", "--tests", "t", "--memory", "x"], "--memory"),
    (
        ["grade", "x", "--out", "o", "--tests", "t", "--dask", "a", "--jobs", "1"],
        "not allowed with",
    ),
    (["grade", "x", "--out", "o", "--tests", "none.py"], "--tests must be a file of tests"),
    (["report", "none"], "none must be the output folder of a batch"),
    (["regrade", "none", "--tests", "t"], "none must be the output folder of a batch"),
    (["check", "none.ipynb", "--tests", "none.py"], "none.py: there is no such file"),
    (["author", "none.md", "--out", "o"], "none.md"),
]


@pytest.mark.parametrize(("words", "message"), WRONG)
def test_wrong_use_exits_with_one_and_says_what_is_right(
    words, message, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 1
    assert message in capsys.readouterr().err


def test_tests_that_are_none_are_named_as_they_were_given(room, capsys, monkeypatch):
    monkeypatch.chdir(room.root)
    room.hand_in(alice=BOTH)
    room.tests = Path("in", "..", "tests.json")
    assert room.grade("--jobs", "1", parts=replace(PARTS, load=None)) == 1
    assert "grade: in/../tests.json: an assignment must end in" in capsys.readouterr().err


def test_what_is_not_looked_at_is_named_with_the_true_reason(room, threads, capsys):
    room.hand_in(alice_101_9001_demo=BOTH, odd=BOTH)
    for number in range(12):
        (room.folder / f"n{number:02}.pdf").write_text("")
    assert room.grade("--layout", "canvas") == 0
    assert capsys.readouterr().err.splitlines() == [
        "Not looked at, since they are no notebooks: "
        + ", ".join(f"'n{number:02}.pdf'" for number in range(10))
        + " and 2 more",
        "Not looked at, since their names are not as Canvas writes them: 'odd.ipynb'",
    ]
    assert room.points == {"alice_101": 5}


def test_what_cannot_be_graded_is_refused_before_anything_is_written(room, capsys):
    assert room.grade() == 1
    assert "must hold at least one submission" in capsys.readouterr().err
    room.hand_in(alice=BOTH)
    room.out = room.folder / "results"
    assert room.grade() == 1
    assert "--out must lie outside of the submissions" in capsys.readouterr().err
    assert not room.out.exists()


def test_a_batch_goes_on_as_it_was_started(room, threads, capsys):
    room.hand_in(alice=BOTH)
    assert room.grade("--seed", "5", "--timeout", "7", "--title", "Week 3") == 0
    assert room.grade("--seed", "6") == 1
    assert "started with --seed 5, 6 would mix two kinds of inputs" in capsys.readouterr().err
    assert room.grade("--tier", "other-uid") == 1
    assert "started with --tier bubblewrap" in capsys.readouterr().err
    assert room.grade("--memory", "50", "--seed", "5") == 0
    run = load_run(room.out)
    assert (run.seed, run.title, run.tier) == (5, "Week 3", "bubblewrap")
    assert run.limits == {"submission": 7.0, "memory": 50 << 20}
    room.give(TESTS | {"set": "other"})
    assert room.grade() == 1
    assert "this batch is about the set 'demo', the tests are those of 'other'" in (
        capsys.readouterr().err
    )


def test_each_batch_draws_its_own_seed(tmp_path, threads):
    seeds = set()
    for name in "abc":
        (tmp_path / name).mkdir()
        room = Classroom(tmp_path / name)
        room.hand_in(alice=BOTH)
        room.grade()
        seeds |= {load_run(room.out).seed, room.latest["alice"]["seed"]}
    assert len(seeds) == 3
    assert max(seeds) >= 1 << 40, "all seeds of 31 bits can be tried in minutes"


def test_the_plain_tier_must_be_asked_for_and_is_warned_of(room, threads, capsys):
    room.hand_in(alice=BOTH)
    parts = replace(PARTS, choose=lambda wanted: wanted or Tier.PLAIN)
    assert room.grade(parts=parts) == 3
    assert "only tier plain works here" in capsys.readouterr().err
    assert room.records == []
    for _ in range(2):
        assert room.grade("--tier", "plain", parts=parts) == 0
        assert "WARNING: tier plain gives no isolation" in capsys.readouterr().err
    assert [(one["tier"], one["trusted"]) for one in room.records] == [("plain", False)]


def test_a_tier_that_does_not_work_is_said_and_nothing_is_graded(room, threads, capsys):
    def choose(wanted):
        raise SandboxError(f"{wanted.value} does not hold: open a socket")

    room.hand_in(alice=BOTH)
    assert room.grade("--tier", "bubblewrap", parts=replace(PARTS, choose=choose)) == 3
    assert "bubblewrap does not hold: open a socket" in capsys.readouterr().err
    assert room.times_graded == 0


def test_nothing_to_do_imports_no_tests_and_chooses_no_tier(room, threads):
    room.hand_in(alice=BOTH)
    room.grade()
    page = room.out / "index.html"
    before = page.stat().st_mtime_ns

    def never(*_):
        raise AssertionError

    assert room.grade(parts=replace(PARTS, load=never, choose=never)) == 0
    assert page.stat().st_mtime_ns == before


def test_nothing_to_do_is_quick_since_little_is_imported(room, threads):
    room.hand_in(alice=BOTH)
    room.grade()
    program = (
        "import sys, time; from tests.grading.fakes import PARTS, main\n"
        "assert main(sys.argv[1:], parts=PARTS) == 0\n"
        "print([name for name in ('torch', 'IPython', 'nbformat', 'tqdm', 'distributed',"
        " 'd2l_lite.grading.judge', 'd2l_lite.grading.reports') if name in sys.modules])"
    )
    command = [sys.executable, "-c", program, *room.words()]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[]"


def test_reports_that_a_crash_prevented_are_made_up_for(room, threads):
    room.hand_in(alice=BOTH)
    room.grade()
    (room.out / "index.html").unlink()
    room.hand_in(bob="unreadable")
    assert room.grade() == 2
    assert (room.out / "index.html").exists()
    run = json.loads((room.out / "run.json").read_text()) | {"reported": [1, "", ""]}
    (room.out / "run.json").write_text(json.dumps(run))
    (room.out / "index.html").unlink()
    room.grade()
    assert (room.out / "index.html").exists()


def test_reports_are_written_anew_with_another_title(room, threads, capsys):
    room.hand_in(alice=BOTH)
    room.grade()
    assert main(["report", str(room.out), "--title", "Week <4>"]) == 0
    assert "Reports on 1 learner: " in capsys.readouterr().out
    assert "Week &lt;4&gt;" in (room.out / "index.html").read_text()


def test_submissions_that_moved_are_named(room, threads, capsys):
    room.hand_in(alice=BOTH)
    room.grade()
    room.folder = room.folder.rename(room.root / "moved")
    room.give(TESTS | {"questions": {"one": [9, "d9"], "two": [3, "d2"]}})
    assert room.regrade() == 1
    assert "say where they are with --submissions" in capsys.readouterr().err
    assert room.regrade("--submissions", str(room.folder)) == 0
    assert room.points == {"alice": 12}


def test_what_learners_write_cannot_command_the_terminal(room, threads, capsys):
    (room.folder / "a\x1b[2Jb\n.ipynb").symlink_to("x")
    room.hand_in(carol="shout")
    assert room.grade() == 2
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "unreadable: ab" in said


# How far it is


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("bar", [True, False])
def test_a_terminal_shows_progress(monkeypatch, bar):
    if not bar:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    stream = Terminal()
    progress = Progress(3, stream)
    progress.step()
    assert stream.getvalue() == ""
    progress.start()
    progress.step()
    progress.step()
    progress.close()
    said = stream.getvalue()
    assert said.endswith("\n")
    assert ("3/3" if bar else "2 of 3 learners") in said


def test_elsewhere_it_is_quiet():
    stream = io.StringIO()
    progress = Progress(1, stream)
    progress.start()
    progress.step()
    progress.close()
    assert stream.getvalue() == ""


# With the real judge


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The sample assignment, as `author` makes it."""
    folder = tmp_path_factory.mktemp("made")
    assert main(["author", str(SAMPLE), "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def tier():
    return trusted_tier().value


@pytest.fixture
def real(made, tmp_path, tier):
    """A class with a perfect, an empty, a broken and a missing submission."""
    room = Classroom(tmp_path)
    room.tests = made / "averages.tests.py"
    shutil.copy(made / "averages.solution.ipynb", room.folder / "alice.ipynb")
    (room.folder / "bob").mkdir()
    shutil.copy(made / "averages.ipynb", room.folder / "bob")
    (room.folder / "carol.ipynb").write_text("{")
    (room.folder / "dave").mkdir()
    return room


def test_the_whole_way_to_a_gradebook(real, tier, capsys):
    assert main(real.words("--jobs", "1", "--tier", tier)) == 2
    assert real.points == {"alice": 6, "bob": 0, "carol": 0, "dave": 0}
    found = real.latest
    status = {name: one["status"] for name, one in found.items()}
    assert list(status.values()) == ["graded", "graded", "unreadable", "missing"]
    assert all(one["trusted"] and one["tier"] == tier for one in found.values())
    assert any(case["hidden"] for case in found["alice"]["questions"]["softmax"]["cases"])
    assert (real.out / "feedback" / "alice.html").exists()
    book = (real.out / "gradebook.csv").read_text()
    assert [line.split(",")[0] for line in book.splitlines() if "," in line][1:5] == list(found)
    before = real.records
    assert main(real.words()) == 2
    assert real.records == before
    assert "2 graded (mean 3 points), 1 unreadable" in capsys.readouterr().out


def test_after_a_correction_of_one_question_the_others_keep_their_results(real, tier):
    main(real.words("--jobs", "1", "--tier", tier))
    before = real.latest["alice"]["questions"]
    text, found = re.subn(r'(name="best",\s*points=)1,', r"\g<1>5,", real.tests.read_text())
    assert found == 1
    corrected = real.root / "averages.tests.py"
    corrected.write_text(text)
    real.tests = corrected
    words = ["regrade", str(real.out), "--tests", str(corrected), "--changed", "--jobs", "1"]
    assert main(words) == 2
    after = real.latest["alice"]
    assert (after["points"], after["of"]) == (10, 10)
    assert after["questions"]["softmax"] == before["softmax"]
    assert after["questions"]["best"]["digest"] != before["best"]["digest"]
    assert after["questions"]["moving_average"]["digest"] == before["moving_average"]["digest"]


def test_check_shows_one_notebook(made, tier, capsys):
    notebook = made / "averages.solution.ipynb"
    words = ["--tests", str(made / "averages.tests.py"), "--tier", tier]
    assert main(["check", str(notebook), *words]) == 0
    said = capsys.readouterr().out
    assert f"Self-check of {notebook} (tier {tier}): nothing is recorded." in said
    assert "total           6 of 6 points" in said
    (made / "broken.ipynb").write_text("{")
    assert main(["check", str(made / "broken.ipynb"), *words]) == 2
    assert "unreadable: " in capsys.readouterr().err


def test_probe_shows_what_was_tried(tier, capsys):
    assert main(["probe"]) == 0
    said = capsys.readouterr().out
    assert f"{tier}: works (scores can be trusted)" in said
    assert "open a socket" in said
    assert "(for self-checks only)" in said


@pytest.mark.parametrize("target", ["batch", "judge"])
def test_no_sandbox_outlives_a_kill(real, tier, target):
    notebook = json.loads((real.folder / "alice.ipynb").read_text())
    notebook["cells"][-1] |= {"cell_type": "code", "outputs": [], "execution_count": None}
    notebook["cells"][-1]["source"] = "import time; time.sleep(2)"
    for name in ("eve", "fay"):
        (real.folder / f"{name}.ipynb").write_text(json.dumps(notebook))
    command = [sys.executable, "-m", "d2l_lite.grading", *real.words("--jobs", "1", "--tier", tier)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        path = real.out / "results.jsonl"
        wait_until(lambda: path.exists() and len(path.read_bytes().splitlines()) >= 4)
        wait_until(lambda: len(descendants(process.pid)) >= 5)
        below = descendants(process.pid) - {process.pid}
        lines = {pid: command_line(pid) for pid in below}
        (judge,) = (pid for pid, line in lines.items() if b"spawn_main" in line)
        os.kill(process.pid if target == "batch" else judge, signal.SIGKILL)
        assert survivors(pid for pid, line in lines.items() if b"tracker" not in line) == set()
        said = process.stdout.read()
    if target == "judge":
        assert process.returncode == 2, said
    assert main(real.words()) == 2
    names = [one["learner"] for one in read_results(real.out)]
    assert sorted(names) == ["alice", "bob", "carol", "dave", "eve", "fay"]
    assert {one["points"] for one in latest(read_results(real.out))} == {6, 0}
