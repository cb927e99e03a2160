"""A batch: what is graded, what is done already, and what stays when something dies."""

import csv
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
import tracemalloc
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace

import pytest

from d2l_lite.grading import batch, commands, lanes
from d2l_lite.grading.batch import Batch
from d2l_lite.grading.cli import main
from d2l_lite.grading.collecting import HandedIn
from d2l_lite.grading.desks import Spec, grade
from d2l_lite.grading.lanes import ProcessLanes, SharedLanes
from d2l_lite.grading.progress import Progress
from d2l_lite.grading.results import SetInfo, untested
from d2l_lite.grading.store import Run, Store
from d2l_lite.grading.tiers import SandboxError
from tests.grading.classroom import Classroom
from tests.grading.fakes import OPENER, PARTS, TESTS
from tests.pace import cpu_seconds_of_a_million_steps
from tests.processes import descendants, survivors, wait_until

BOTH = "answer one\nanswer two"


def fresh(found):
    """Records without what differs from one run to the next."""
    return {k: {**v, "time": 0, "stamp": 0} for k, v in found.items()}


# What is graded


def test_everyone_gets_points_and_a_second_run_grades_nobody(room, threads, capsys):
    room.hand_in(alice=BOTH, bob="answer two", carol="")
    assert room.grade() == 0
    assert room.points == {"alice": 5, "bob": 3, "carol": 0}
    assert "3 learners: 3 graded (mean 2.67 points)." in capsys.readouterr().out
    before = room.records
    assert room.grade() == 0
    assert room.records == before
    assert room.times_graded == 3


def test_a_changed_notebook_is_graded_again_and_no_other(room, threads):
    room.hand_in(alice="answer one", bob="answer one")
    room.grade()
    room.hand_in(alice=BOTH)
    room.grade()
    assert room.points == {"alice": 5, "bob": 2}
    assert [one["learner"] for one in room.records].count("alice") == 2
    assert len(room.records) == 3


def test_a_file_that_only_moved_keeps_its_result(room, threads):
    room.hand_in(alice="answer one")
    room.grade()
    (room.folder / "alice").mkdir()
    (room.folder / "alice.ipynb").rename(room.folder / "alice" / "x.ipynb")
    room.grade()
    assert room.times_graded == 1


def test_files_are_read_again_unless_nothing_about_them_changed(room, threads, monkeypatch):
    monkeypatch.setattr("d2l_lite.grading.collecting.YOUNG_SECONDS", -1.0)
    room.hand_in(alice="answer one")
    room.grade()
    read = []
    real = batch.read
    monkeypatch.setattr(batch, "read", lambda *args: read.append(1) or real(*args))
    room.grade()
    assert read == []
    room.grade("--rehash")
    assert read == [1]
    os.utime(room.folder / "alice.ipynb", (1, 1))
    room.grade()
    assert read == [1, 1]
    assert room.times_graded == 1


def test_what_needs_no_judge_is_recorded_once(room, threads, capsys):
    room.hand_in(alice="answer one", dave="unreadable")
    (room.folder / "bob").mkdir()
    (room.folder / "carol.ipynb").symlink_to(room.tests)
    roster = room.root / "class.csv"
    roster.write_text("learner\nalice\nzoe\n")
    for _ in range(2):
        assert room.grade("--roster", str(roster)) == 2
    assert len(room.records) == 5
    found = {k: (v["status"], v["points"], v["of"]) for k, v in room.latest.items()}
    assert found == {
        "alice": ("graded", 2, 5),
        "bob": ("missing", 0, 5),
        "carol": ("unreadable", 0, 5),
        "dave": ("unreadable", 0, 5),
        "zoe": ("missing", 0, 5),
    }
    out = capsys.readouterr().out
    assert (
        "1 graded (mean 2 points), 2 unreadable (0 points), 2 without a notebook (0 points)" in out
    )
    assert "unreadable: carol: A symbolic link" in out
    (room.folder / "zoe.ipynb").write_text("answer two")
    room.grade()
    assert room.points["zoe"] == 3


def notes(room):
    """The last column of the gradebook, by learner."""
    with (room.out / "gradebook.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["learner"]: row["notes"] for row in csv.DictReader(file)}


def test_of_several_notebooks_everyone_is_told_which_one_counts(room, threads, capsys):
    room.hand_in(alice=BOTH)
    (room.folder / "bob").mkdir()
    room.hand_in(**{"bob/demo": "answer one", "bob/demo_final": BOTH})
    assert room.grade() == 0
    choice = "'bob/demo.ipynb' counts, 'bob/demo_final.ipynb' does not."
    assert choice in notes(room)["bob"]
    assert choice.replace("'", "&#x27;") in (room.out / "feedback" / "bob.html").read_text()
    said = "Of several notebooks one counts, see notes and feedback: 'bob'\n"
    assert capsys.readouterr().err == said
    assert room.grade("--only", "alice") == 0  # what is said of the others stays
    assert choice in notes(room)["bob"]
    before = room.records
    (room.folder / "bob" / "demo_final.ipynb").unlink()
    assert room.grade() == 0
    assert notes(room) == {"alice": "", "bob": ""}
    assert room.records == before


def test_who_is_not_on_the_roster_is_graded_and_named(room, threads, capsys):
    room.hand_in(ada=BOTH, **{"zoe (1)": BOTH})
    roster = room.root / "class.csv"
    roster.write_text("learner\nada\nzoe\n")
    assert room.grade("--roster", str(roster)) == 0
    assert capsys.readouterr().err == "Not on the roster: 'zoe (1)'\n"
    assert room.points == {"ada": 5, "zoe": 0, "zoe (1)": 5}
    assert notes(room)["zoe (1)"] == "Not on the roster."
    assert main(["report", str(room.out)]) == 0
    assert notes(room)["zoe (1)"] == "Not on the roster."
    assert notes(room)["ada"] == ""


def test_a_result_whose_submission_is_gone_is_kept_and_named(room, threads, capsys):
    room.hand_in(ada=BOTH, zoe_smith="answer one")
    room.grade()
    (room.folder / "zoe_smith.ipynb").rename(room.folder / "zoe.ipynb")
    capsys.readouterr()
    assert room.grade() == 0
    said = capsys.readouterr()
    gone = "No longer among the submissions, but still in the gradebook: 'zoe_smith'\n"
    assert said.err == gone
    assert "2 learners: 2 graded" in said.out
    assert notes(room) == {"ada": "", "zoe": "", "zoe_smith": "No longer among the submissions."}
    assert room.points == {"ada": 5, "zoe": 2, "zoe_smith": 2}
    room.hand_in(zoe_smith="answer one")
    room.grade()
    assert set(notes(room).values()) == {""}


def test_a_huge_notebook_is_unreadable_and_not_held_in_memory(room, threads):
    with (room.folder / "alice.ipynb").open("wb") as file:
        file.truncate(10**12)
    assert room.grade() == 2
    assert "at most 20971520 are read" in room.latest["alice"]["message"]


def test_a_failure_of_ours_gives_no_points_and_is_tried_again(room, threads, capsys):
    room.hand_in(alice="infrastructure", bob="raise", carol="answer one")
    assert room.grade() == 3
    assert room.points == {"alice": None, "bob": None, "carol": 2}
    assert "RuntimeError: a fault of ours" in room.latest["bob"]["message"]
    out = capsys.readouterr().out
    assert "2 not graded, by a failure of the infrastructure (no points yet)" in out
    room.hand_in(alice="answer one")
    assert room.grade() == 3
    assert room.points == {"alice": 2, "bob": None, "carol": 2}
    assert sorted(one["learner"] for one in room.records) == ["alice"] * 2 + ["bob"] * 2 + ["carol"]


def test_failures_in_a_row_stop_the_batch_and_do_not_keep_others_waiting(room, threads, capsys):
    room.hand_in(**{f"a{number:02}": "infrastructure" for number in range(30)})
    room.hand_in(**{f"b{number:02}": "answer one" for number in range(5)})
    assert room.grade() == 3
    assert "stopped after 10 failures" in capsys.readouterr().err
    assert 10 <= len(room.records) <= 12
    for _ in range(5):
        assert room.grade() == 3
    assert sum(points == 2 for points in room.points.values()) == 5


def test_limit_and_only_choose_who_is_graded(room, threads, capsys):
    room.hand_in(alice=BOTH, bob=BOTH, carol=BOTH)
    assert room.grade("--limit", "1") == 0
    assert room.points == {"alice": 5}
    assert "2 not graded yet" in capsys.readouterr().out
    assert room.grade("--only", "carol", "--only", "CAROL") == 0
    assert len(room.records) == 2
    assert room.points == {"alice": 5, "carol": 5}
    assert room.grade("--only", "karol") == 1
    assert "got 'karol'. Did you mean 'carol'?" in capsys.readouterr().err
    assert room.grade("--limit", "1") == 0
    assert len(room.points) == 3


def test_what_was_handed_in_again_and_lies_beyond_the_limit_is_left(room, threads, capsys):
    room.hand_in(alice="answer one", bob="answer one", carol="infrastructure", dave=BOTH)
    room.grade()
    room.hand_in(alice=BOTH, bob=BOTH)
    assert room.grade("--limit", "1") == 3
    said = capsys.readouterr().out
    assert "4 learners: 2 graded" in said
    assert "1 not graded, by a failure of the infrastructure" in said
    assert "1 not graded yet" in said


def test_where_nothing_takes_a_notebook_what_is_kept_is_said(room, monkeypatch, capsys):
    def submit(self, slot, spec, *task):
        raise SandboxError("the executor takes nothing any more")

    with ThreadPoolExecutor(1) as executor:
        monkeypatch.setattr(commands, "ProcessLanes", lambda jobs: SharedLanes(executor, 1))
        room.hand_in(alice=BOTH)
        room.grade()
        monkeypatch.setattr(SharedLanes, "submit", submit)
        room.hand_in(bob=BOTH)
        capsys.readouterr()
        assert room.grade() == 3
    said = capsys.readouterr().err
    assert "1 of 2 learners have a result, which is kept." in said
    assert said.endswith("the executor takes nothing any more\n")


def test_other_limits_grade_those_again_of_whom_something_was_stopped(room, threads):
    room.hand_in(alice=f"{BOTH}\nnote stopped", bob=BOTH)
    room.grade()
    for _ in range(2):
        assert room.grade("--call-timeout", "30") == 0
        assert [one["learner"] for one in room.records[2:]] == ["alice"]
    assert room.latest["alice"]["limits"] == {"call": 30.0}
    assert room.grade() == 0  # limits hold until others are given
    assert room.regrade("--changed", "--call-timeout", "60") == 0
    assert [one["learner"] for one in room.records[2:]] == ["alice"] * 2
    assert room.latest["alice"]["limits"] == {"call": 60.0}


# After a correction of the tests


def test_regrading_what_changed_keeps_the_other_questions(room, threads):
    room.hand_in(alice=BOTH, bob="answer two")
    room.grade("--seed", "5")
    before = room.latest
    room.give(TESTS | {"questions": {"one": [4, "new"], "two": [3, "d2"], "three": [1, "d3"]}})
    room.hand_in(carol="answer three")
    assert room.regrade("--changed") == 0
    after = room.latest
    assert room.points == {"alice": 7, "bob": 3, "carol": 1}
    assert list(after["alice"]["questions"]) == ["one", "two", "three"]
    assert after["alice"]["questions"]["two"] == before["alice"]["questions"]["two"]
    assert after["alice"]["of"] == 8
    assert {one["seed"] for one in room.records} == {5}
    assert len(room.records) == 5
    room.regrade("--changed")
    room.grade()
    assert len(room.records) == 5


def test_a_change_that_touches_no_question_is_recorded_without_a_judge(room, threads):
    room.hand_in(alice=BOTH)
    room.grade()
    room.tests.write_text(room.tests.read_text() + "\n")
    room.regrade("--changed")
    assert room.times_graded == 1
    assert [one["points"] for one in room.records] == [5, 5]
    assert len({one["tests"] for one in room.records}) == 2


def test_a_question_that_is_gone_takes_its_points_along(room, threads):
    room.hand_in(alice=BOTH)
    room.grade()
    room.give(TESTS | {"questions": {"two": [3, "d2"]}})
    room.regrade("--changed")
    assert (room.latest["alice"]["points"], room.latest["alice"]["of"]) == (3, 3)


def test_regrading_everything_asks_for_every_question(room, threads):
    room.hand_in(alice=BOTH, bob="unreadable")
    room.grade()
    room.give(TESTS | {"questions": {"one": [4, "new"], "two": [3, "d2"]}})
    assert room.regrade() == 2
    assert room.times_graded == 4
    assert room.points == {"alice": 7, "bob": 0}


def test_a_notebook_that_changed_as_well_is_graded_whole(room, threads):
    room.hand_in(alice="answer two")
    room.grade()
    room.hand_in(alice="answer one")
    room.give(TESTS | {"questions": {"one": [4, "new"], "two": [3, "d2"]}})
    room.regrade("--changed")
    assert room.points == {"alice": 4}


# What dies


def test_a_batch_that_is_killed_goes_on_as_if_nothing_had_happened(tmp_path):
    notebooks = {f"l{n:03}": random.Random(n).choice(["answer one", BOTH, ""]) for n in range(200)}
    for name in ("calm", "killed"):
        (tmp_path / name).mkdir()
    calm, killed = Classroom(tmp_path / "calm"), Classroom(tmp_path / "killed")
    for one in (calm, killed):
        one.log = tmp_path / "log"
        for name, text in notebooks.items():
            # The last ones are slow: on a busy machine the signal comes late.
            one.hand_in(**{name: f"{text}\nsleep {0.05 if name >= 'l150' else 0.004}"})
    assert calm.grade("--seed", "3", "--jobs", "2") == 0
    for target in (40, 100):
        process = killed.start("--seed", "3", "--jobs", "2")
        with process:
            wait_until(lambda target=target: len(lines(killed)) >= target)
            process.send_signal(signal.SIGKILL)
        assert len(lines(killed)) < 200
    with (killed.out / "results.jsonl").open("ab") as file:
        file.write(b'{"learner": "l199", "set": "de')
    with killed.start("--seed", "3", "--jobs", "2") as process:
        said = process.stdout.read()
    assert (process.returncode, said.count("200 learners: 200 graded")) == (0, 1)
    assert len(killed.records) == 200
    assert fresh(killed.latest) == fresh(calm.latest)
    books = [(one.out / "gradebook.csv").read_text().splitlines() for one in (calm, killed)]
    assert len(books[0]) >= 201
    assert books[0] == books[1]


def lines(room):
    path = room.out / "results.jsonl"
    return path.read_bytes().splitlines() if path.exists() else []


def test_judges_end_with_a_batch_that_is_killed(room):
    room.hand_in(alice="", bob="sleep 1000", carol="sleep 1000")
    with room.start("--jobs", "2") as process:
        wait_until(lambda: lines(room))
        below = descendants(process.pid) - {process.pid}
        process.send_signal(signal.SIGKILL)
    assert len(below) >= 2
    assert survivors(below) == set()


def test_a_judge_that_is_killed_costs_nobody_anything(room):
    """From outside, as the kernel does where memory ends; the same notebook is tried once more."""
    room.hand_in(**{f"l{number}": "answer one\nsleep 0.2" for number in range(8)})
    with room.start("--jobs", "2") as process:
        wait_until(lambda: room.times_graded >= 2)
        os.kill(int(room.log.read_text().split()[-1]), signal.SIGKILL)
        assert process.wait() == 0
        process.stdout.read()
    assert set(room.points.values()) == {2}
    assert len(room.records) == 8


def test_a_notebook_that_kills_its_judge_twice_is_an_infrastructure_failure(room, capsys):
    room.hand_in(a=BOTH, b="die", c=BOTH, d=f"die {room.root / 'marker'}\nanswer one", e=BOTH)
    assert room.grade("--jobs", "2") == 3
    assert room.points == {"a": 5, "b": None, "c": 5, "d": 2, "e": 5}
    assert "ended twice while it graded this notebook" in room.latest["b"]["message"]
    assert len(room.records) == 5


@pytest.mark.parametrize(("action", "grace"), [("stop", 2.0), ("sleep 1000", 1000.0)])
def test_a_judge_that_does_not_come_back_is_killed(room, monkeypatch, action, grace):
    """One that is stopped cannot end itself; one that sleeps is ended by its own watchdog."""
    monkeypatch.setattr(lanes.ProcessLanes, "grace", grace)
    room.hand_in(alice=f"log {room.log}\n{action}", bob=BOTH)
    parts = replace(PARTS, spec={"opener": OPENER, "patience": 1.5})
    start = time.monotonic()
    assert room.grade("--jobs", "1", "--timeout", "0.5", parts=parts) == 3
    assert time.monotonic() - start < 60  # the sleep takes a thousand
    assert room.points == {"alice": None, "bob": 5}
    assert "did not come back within 2 s" in room.latest["alice"]["message"]
    assert survivors(map(int, room.log.read_text().split())) == set()


def test_an_interrupted_batch_says_how_to_go_on(room):
    room.hand_in(**{f"l{number}": f"{BOTH}\nsleep 0.3" for number in range(12)})
    with room.start("--jobs", "2") as process:
        wait_until(lambda: len(lines(room)) >= 2)
        judges = [int(pid) for pid in room.log.read_text().split()]
        os.killpg(process.pid, signal.SIGINT)  # a Ctrl-C reaches all that the terminal started
        said = process.stdout.read()
    assert process.returncode == 130
    assert "of 12 learners have a result, which is kept." in said
    assert "Traceback" not in said
    assert f"-m d2l_lite.grading grade {room.folder} --tests" in said
    assert survivors(judges) == set()
    assert room.grade("--jobs", "2") == 0
    assert set(room.points.values()) == {5}
    assert len(room.records) == 12


def test_processes_that_cannot_start_stop_the_batch(room, monkeypatch, capsys):
    monkeypatch.setattr(lanes, "_alone", dying)
    room.hand_in(alice=BOTH)
    assert room.grade("--jobs", "1") == 3
    assert room.points in ({}, {"alice": None})


def dying():
    os._exit(1)


def test_a_tests_file_that_no_judge_opens_is_said_once(room, threads):
    room.hand_in(alice=BOTH)
    parts = replace(PARTS, spec={"opener": "tests.grading.fakes:nothing"})
    assert room.grade(parts=parts) == 3
    assert "AttributeError" in room.latest["alice"]["message"]


# Disks and folders


@pytest.fixture
def tiny_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_stops_the_batch_and_room_lets_it_go_on(room, threads, tiny_disk, capsys):
    room.out = tiny_disk / "out"
    (tiny_disk / "filling").write_bytes(bytes(200 * 1024))
    room.hand_in(**{f"l{number:03}": f"{BOTH}\nnote {'x' * 500}" for number in range(60)})
    assert room.grade() == 1
    said = capsys.readouterr().err
    assert "No space left on device" in said
    assert "have a result, which is kept. To go on, run the same command again" in said
    kept = len(room.records)
    assert 10 < kept < 60
    (tiny_disk / "filling").unlink()
    room.grade()
    assert len(room.records) == 60
    assert set(room.points.values()) == {5}


def test_a_folder_that_cannot_be_written_stops_before_anything_is_graded(room, threads, capsys):
    room.hand_in(alice=BOTH)
    room.out.write_text("a file in the folder's place")
    assert room.grade() == 1
    assert "cannot be written: File exists" in capsys.readouterr().err
    assert room.times_graded == 0


def test_two_batches_at_once_are_refused(room, threads, capsys):
    room.hand_in(alice="sleep 5", bob="sleep 5")
    with room.start() as process:
        wait_until(lambda: (room.out / "run.json").exists())
        assert room.grade() == 1
        assert f"in use by another batch (pid {process.pid} on" in capsys.readouterr().err
        process.send_signal(signal.SIGTERM)
        assert "Interrupted" in process.stdout.read()
    assert process.returncode == 130


# How much is held


class Instant:
    """Lanes that answer at once, and note how much is on its way."""

    slots, grace = 4, 1e9

    def __init__(self):
        self.most, self.peak = 0, 0
        self.seen = itertools.count(1)

    def submit(self, slot, spec, notebook, questions):
        future = Future()
        future.set_result(untested("graded", "", "bubblewrap"))
        if next(self.seen) % 100 == 0:
            self.peak = max(self.peak, tracemalloc.get_traced_memory()[0])
        return future

    def replace(self, slot):
        raise AssertionError

    def close(self, *, kill=False):
        assert not kill


def batch_of(store, folder, open_lanes):
    info = SetInfo("demo", "s", "t", {"one": "d"}, {"one": 1})
    spec = Spec("t", "", "bubblewrap", 1)
    return Batch(
        store,
        Run(1, "t", "in", info, tier="bubblewrap"),
        folder,
        open_lanes=open_lanes,
        spec=spec,
        progress=Progress(0),
    )


def test_memory_does_not_grow_with_the_class_but_for_names(tmp_path, monkeypatch):
    """2,000 notebooks of 20 kB would be 40 MB; what is remembered of each learner is 1 kB."""
    monkeypatch.setattr(batch, "read", lambda handed, folder: bytes(20_000))
    everyone = [HandedIn(f"l{number}", f"l{number}.ipynb") for number in range(2000)]
    instant = Instant()
    with Store(tmp_path / "out") as store:
        tracemalloc.start()
        batch_of(store, tmp_path, lambda: instant).grade(everyone)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(store.seen) == 2000
    assert instant.peak <= peak < 4_000_000


def test_a_batch_costs_milliseconds_a_submission(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(500):
        (tmp_path / "in" / f"l{number}.ipynb").write_bytes(os.urandom(20_000))
    everyone = [HandedIn(f"l{number}", f"l{number}.ipynb") for number in range(500)]
    with Store(tmp_path / "out") as store:
        start = time.process_time()
        batch_of(store, tmp_path / "in", Instant).grade(everyone)
        seconds = time.process_time() - start
    assert seconds / 500 < 0.02 * cpu_seconds_of_a_million_steps()


# Executors


def test_any_executor_grades(room, monkeypatch):
    with ProcessPoolExecutor(1) as executor:
        monkeypatch.setattr(commands, "ProcessLanes", lambda jobs: SharedLanes(executor, 3))
        room.hand_in(alice=BOTH, bob="die", carol=BOTH)
        assert room.grade() == 3
    assert room.points.get("bob") is None


def test_each_process_keeps_its_judge(room):
    room.hand_in(**{f"l{number}": "" for number in range(12)})
    assert room.grade("--jobs", "2") == 0
    assert len(set(room.log.read_text().split())) <= 2


def test_an_idle_process_that_dies_is_replaced():
    spec = Spec("t", json.dumps(TESTS), "bubblewrap", 1, opener=OPENER)
    two = ProcessLanes(1)
    try:
        first = two.submit(0, spec, b"answer one", None).result()
        os.kill(two._lanes[0].process.pid, signal.SIGKILL)
        assert survivors([two._lanes[0].process.pid]) == set()
        time.sleep(0.2)
        assert two.submit(0, spec, b"answer one", None).result() == first
    finally:
        two.close()
    assert two._lanes == {}


def test_a_process_of_other_tests_gets_another_judge():
    spec = Spec("t", json.dumps(TESTS), "bubblewrap", 1, opener=OPENER)
    seen = {
        grade(replace(spec, seed=seed), b"", None)["questions"]["one"]["cases"][0]["got"]
        for seed in (1, 2)
    }
    assert seen == {"seed 1", "seed 2"}


def test_dask_grades_with_two_workers(room):
    pytest.importorskip("distributed")
    room.hand_in(**{f"l{number}": f"{BOTH}\nsleep 0.05" for number in range(12)})
    room.hand_in(odd="raise")
    program = (
        "import sys, distributed\n"
        "if __name__ == '__main__':\n"
        "    with distributed.LocalCluster(n_workers=2, threads_per_worker=2, processes=True,\n"
        "            dashboard_address=None) as cluster:\n"
        "        print(cluster.scheduler_address, flush=True)\n"
        "        sys.stdin.read()\n"
    )
    script = room.root / "cluster.py"
    script.write_text(program)
    command = [sys.executable, str(script)]
    env = os.environ | {"PYTHONPATH": os.getcwd()}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env, cwd=room.root
    ) as cluster:
        address = cluster.stdout.readline().strip()
        with room.start("--dask", address) as process:
            said = process.stdout.read()
        assert process.returncode == 3, said
        cluster.stdin.close()
    assert "12 graded (mean 5 points), 1 not graded" in said
    assert len(set(room.log.read_text().split())) == 2
    assert len(room.records) == 13
