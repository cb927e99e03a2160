"""Records and the folder that holds them: nothing torn, nothing lost, one batch at a time."""

import itertools
import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest

from d2l_lite.grading import results, store
from d2l_lite.grading.cases import Question
from d2l_lite.grading.outcomes import CaseResult, QuestionResult
from d2l_lite.grading.results import OutputError, SetInfo, latest, outcome, read_results, record
from d2l_lite.grading.store import Run, Store, load_run, save_run
from d2l_lite.grading.tiers import Tier

INFO = SetInfo("mlp", "s", "t", {"one": "d1", "two": "d2"}, {"one": 2, "two": 3})
FACTS = {
    "learner": "zoë",
    "file": "zoë.ipynb",
    "notebook": "n",
    "seed": 7,
    "limits": {"cell": 3.0},
    "stamp": [1, 2],
}
CASES = (
    CaseResult("Fine", "passed"),
    CaseResult("Wrong", "failed", "differs", got="\udc80", want="2", hint="h", hidden=True),
)


def judged(status="graded", tier="bubblewrap"):
    passed = QuestionResult(Question("one", 2, {}), CASES[:1])
    failed = QuestionResult(Question("two", 3, {"h": "A hint."}), CASES)
    return SimpleNamespace(
        status=status,
        message="",
        questions=(passed, failed) if status == "graded" else (),
        notes=("A note.",),
        tier=tier,
        seconds=0.123456,
        cpu_seconds=0.1,
        peak_memory=5,
    )


def made(learner="zoë", **changes):
    found = outcome(judged(**changes), INFO.digests)
    return record(FACTS | {"learner": learner}, found, INFO)


def test_a_record_holds_what_the_judge_found():
    found = json.loads(json.dumps(made()))
    moment = found.pop("time")
    assert len(moment) == 20
    assert moment.endswith("Z")
    questions = found.pop("questions")
    assert found == FACTS | {
        "set": "mlp", "tests": "t", "page": "", "tier": "bubblewrap", "trusted": True,
        "status": "graded", "message": "", "notes": ["A note."], "points": 2, "of": 5,
        "seconds": 0.1235,
        "cpu_seconds": 0.1, "peak_memory": 5,
    }  # fmt: skip
    assert list(questions) == ["one", "two"]
    two = questions["two"]
    assert [case.pop("status") for case in two["cases"]] == ["passed", "failed"]
    assert two["cases"][1]["hidden"] is True
    assert two["cases"][1]["got"] == "\udc80"
    facts = ("points", "of", "status", "digest", "hints")
    assert [two[key] for key in facts] == [0, 3, "failed", "d2", ["A hint."]]


def test_only_isolated_tiers_are_trusted():
    trust = {tier.value: made(tier=tier.value)["trusted"] for tier in Tier}
    assert trust == {"bubblewrap": True, "other-uid": True, "plain": False}
    assert made(tier="of a later version")["trusted"] is False


def test_an_unreadable_notebook_has_zero_points_and_a_failure_of_ours_has_none():
    unreadable = made(status="unreadable")
    assert (unreadable["points"], unreadable["of"]) == (0, 5)
    assert [one["of"] for one in unreadable["questions"].values()] == [2, 3]
    failed = made(status="infrastructure")
    assert (failed["points"], failed["of"], failed["questions"]) == (None, 5, {})


def test_the_last_record_of_a_learner_and_set_holds():
    records = [
        {"learner": "b", "set": "x", "points": 1},
        {"learner": "a", "set": "x", "points": 2},
        {"learner": "b", "set": "y", "points": 3},
        {"learner": "b", "set": "x", "points": 4},
    ]
    assert [one["points"] for one in latest(records)] == [2, 4, 3]


def test_the_last_record_holds_also_where_the_clock_went_back(tmp_path, monkeypatch):
    years = itertools.count(2030, -1)
    clock = SimpleNamespace(now=lambda zone: SimpleNamespace(strftime=lambda _: f"{next(years)}"))
    monkeypatch.setattr(results, "datetime", clock)
    with Store(tmp_path) as folder:
        folder.append(made() | {"points": 1})
        folder.append(made() | {"points": 4})
    found = list(read_results(tmp_path))
    assert [one["time"] for one in found] == ["2030", "2029"]
    assert [one["points"] for one in latest(found)] == [4]


@pytest.mark.parametrize("keep", [1, 30, -1])
def test_a_torn_last_line_is_dropped_and_overwritten(tmp_path, keep):
    with Store(tmp_path) as folder:
        folder.append(made("a"))
        start = folder.size
        folder.append(made("b"))
    path = tmp_path / "results.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:start] + whole[start:][:keep])
    assert [one["learner"] for one in read_results(path)] == ["a"]
    with Store(tmp_path) as folder:
        assert set(folder.seen) == {"a"}
        folder.append(made("c"))
    assert [one["learner"] for one in read_results(path)] == ["a", "c"]
    assert path.read_bytes().count(b"\n") == 2


def test_zeros_that_a_power_cut_leaves_are_dropped(tmp_path):
    with Store(tmp_path) as folder:
        folder.append(made("a"))
    with (tmp_path / "results.jsonl").open("ab") as file:
        file.write(bytes(100))
    with Store(tmp_path) as folder:
        folder.append(made("b"))
    assert [one["learner"] for one in read_results(tmp_path)] == ["a", "b"]


@pytest.mark.parametrize("line", [b"{}\n", b"[1]\n", b"{'a'\n", b"\xff\n"])
def test_a_whole_line_that_is_no_record_is_an_error_with_its_number(tmp_path, line):
    with Store(tmp_path) as folder:
        folder.append(made("a"))
    with (tmp_path / "results.jsonl").open("ab") as file:
        file.write(line)
    with pytest.raises(OutputError, match=r"line 2 of .*results\.jsonl must be a record"):
        list(read_results(tmp_path))
    held = len(os.listdir("/proc/self/fd"))
    for _ in range(2):  # the lock is free again
        with pytest.raises(OutputError, match=r"line 2 of "):
            Store(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == held


@pytest.mark.parametrize("stopped", ["a case", "a cell", ""])
def test_it_is_known_of_whom_something_was_stopped(tmp_path, stopped):
    found = made() | {"notes": ["Cell 2 was left out."] if stopped == "a cell" else []}
    found["questions"]["one"]["cases"][0]["stopped"] = stopped == "a case"
    with Store(tmp_path) as folder:
        folder.append(found)
    with Store(tmp_path) as folder:
        assert folder.seen["zoë"].cut is bool(stopped)


def test_a_record_is_read_again_where_it_stands(tmp_path):
    with Store(tmp_path) as folder:
        for learner in ("a", "b", "a"):
            folder.append(made(learner))
        assert folder.read(folder.seen["b"].offset)["learner"] == "b"
        assert folder.seen["a"].offset > folder.seen["b"].offset
        seen = folder.seen
    with Store(tmp_path) as folder:
        assert folder.seen == seen


def test_two_batches_cannot_write_at_once(tmp_path):
    message = rf"is in use by another batch \(pid {os.getpid()} "
    with Store(tmp_path), pytest.raises(OutputError, match=message):
        Store(tmp_path)
    Store(tmp_path).close()


@pytest.fixture
def small_files():
    """Files of this process may have at most 3,000 bytes: what a full disk does, without one."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, usual[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, usual)


def test_a_record_for_which_there_is_no_room_leaves_nothing(tmp_path, small_files):
    learners = [f"learner {number}" for number in range(20)]
    found = map(made, learners)
    with Store(tmp_path) as folder:
        with pytest.raises(OutputError, match=r"cannot be written: File too large.*make room"):
            list(map(folder.append, found))
        kept = list(folder.seen)
    assert 0 < len(kept) < 20
    path = tmp_path / "results.jsonl"
    assert path.read_bytes().endswith(b"\n")
    assert [one["learner"] for one in read_results(path)] == kept == learners[: len(kept)]


FULL = """
import sys
from pathlib import Path
from d2l_lite.grading.results import OutputError
from d2l_lite.grading.store import Store
with Store(Path(sys.argv[1])) as folder:
    for number in range(10**6):
        try:
            folder.append({"learner": str(number), "set": "x", "status": "graded", "f": "x" * 700})
        except OutputError as error:
            sys.exit(f"{number} {error}")
"""


def test_on_a_full_disk_whole_records_stay(tmp_path):
    """A real one of 64 kB, in a mount namespace that goes with its process."""
    inner = f"mount -t tmpfs -o size=64k none {tmp_path} && {sys.executable} -c '{FULL}' {tmp_path}"
    command = ["unshare", "--mount", "sh", "-c", f"{inner}; tail -c1 {tmp_path}/results.jsonl | od"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unshare" in found.stderr or "mount:" in found.stderr:
        pytest.skip(f"no file system can be mounted here: {found.stderr}")
    assert "No space left on device" in found.stderr
    assert int(found.stderr.split()[0]) > 50
    assert found.stdout.split()[1] == "000012"  # the last byte ends a line


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/out cannot be written: Not a directory"):
        Store(tmp_path / "file" / "out")
    with pytest.raises(OutputError, match=r"file cannot be written: File exists"):
        Store(tmp_path / "file")
    (tmp_path / "out" / "results.jsonl").mkdir(parents=True)
    for _ in range(2):
        with pytest.raises(OutputError, match=r"results.jsonl cannot be written: Is a directory"):
            Store(tmp_path / "out")


def test_settings_come_back_as_they_were_written(tmp_path):
    run = Run(7, "t.py", "in", INFO, tier="bubblewrap", limits={"cell": 3.0}, reported=[1, "", ""])
    assert load_run(tmp_path) is None
    save_run(tmp_path, run)
    assert load_run(tmp_path) == run
    save_run(tmp_path, replace(run, seed=8))
    assert load_run(tmp_path).seed == 8
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


NO_SEED = json.dumps({"version": 1, "info": asdict(INFO), "tests": "t.py", "submissions": "in"})


@pytest.mark.parametrize(
    "text", ["", "[]", '{"version": 99}', '{"version": 1}', '{"version": 1, ', NO_SEED]
)
def test_settings_of_another_kind_are_refused(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(OutputError, match=r"run\.json"):
        load_run(tmp_path)


def test_records_are_forced_to_the_disk_now_and_then(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(store.os, "fsync", synced.append)
    monkeypatch.setattr(store, "SYNC_SECONDS", 1000.0)
    with Store(tmp_path) as folder:
        folder.append(made())
        assert synced == []
        monkeypatch.setattr(store, "SYNC_SECONDS", 0.0)
        folder.append(made())
        assert len(synced) == 1


KILLED = """
import os, sys
from pathlib import Path
from d2l_lite.grading.store import Store
folder = Store(Path(sys.argv[1]))
for number in range(10**6):
    folder.append({"learner": str(number), "set": "x", "status": "graded", "filling": "x" * 5000})
    print(number, flush=True)
"""


def test_what_was_appended_survives_a_kill(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", KILLED, tmp_path], stdout=subprocess.PIPE)
    with process:
        last = [process.stdout.readline() for _ in range(50)][-1]
        process.send_signal(signal.SIGKILL)
        last = (process.stdout.read().splitlines() or [last])[-1]
    found = [int(one["learner"]) for one in read_results(tmp_path)]
    assert found == list(range(len(found)))
    assert found[-1] in (int(last), int(last) + 1)
    Store(tmp_path).close()  # the lock went with the process
