"""What counts as handed in, and what is said where nothing does."""

import os
import time
import unicodedata

import pytest

from d2l_lite.grading import collecting
from d2l_lite.grading.collecting import (
    NO_NOTEBOOK,
    CollectError,
    ReadError,
    collect,
    read,
    stamp_of,
)
from d2l_lite.grading.files import FileError


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "in"
    made.mkdir()
    return made


def put(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode("utf-8", "surrogateescape"))


def files(folder, **kwargs):
    return {one.learner: one.file for one in collect(folder, "mlp", **kwargs)}


def log(said):
    return lambda why, name: said.append((why, name))


def test_notebooks_lie_in_the_folder_or_in_a_folder_each(folder):
    put(folder, "alice.ipynb", "bob/solution.ipynb", "carol/week 3/x.IPYNB", "dan/mlp.ipynb")
    put(folder, "dan/scratch.ipynb", "dan/data/deeper.ipynb", "eve/notes.txt", "eve/mlp.ipynb")
    assert files(folder) == {
        "alice": "alice.ipynb",
        "bob": "bob/solution.ipynb",
        "carol": "carol/week 3/x.IPYNB",
        "dan": "dan/mlp.ipynb",
        "eve": "eve/mlp.ipynb",
    }
    assert [read(one, folder) for one in collect(folder, "mlp")][:2] == [
        b"alice.ipynb",
        b"bob/solution.ipynb",
    ]


def test_what_is_hidden_or_made_by_programs_is_nobodys(folder):
    put(folder, ".hidden.ipynb", ".ipynb_checkpoints/alice-checkpoint.ipynb", "__MACOSX/._a.ipynb")
    put(folder, "alice/.ipynb_checkpoints/mlp-checkpoint.ipynb", "alice/mlp.ipynb")
    put(folder, "alice/._mlp.ipynb", "grades.csv", "bob.zip")
    assert files(folder, ignored=log(said := [])) == {"alice": "alice/mlp.ipynb"}
    assert said == [(NO_NOTEBOOK, "bob.zip"), (NO_NOTEBOOK, "grades.csv")]


def test_of_several_notebooks_the_one_with_the_sets_name_counts(folder):
    put(folder, "alice/a.ipynb", "alice/b.ipynb", "bob.ipynb", "bob/x.ipynb")
    put(folder, "carol/one/mlp.ipynb", "carol/two/mlp.ipynb")
    alice, bob, carol = collect(folder, "mlp")
    assert (alice.status, bob.status, carol.status) == ("unreadable",) * 3
    assert "'alice/a.ipynb', 'alice/b.ipynb'. One is expected" in alice.message
    assert "name it mlp.ipynb" in alice.message
    assert "'bob/x.ipynb', 'bob.ipynb'" in bob.message
    assert "'carol/one/mlp.ipynb', 'carol/two/mlp.ipynb'" in carol.message
    put(folder, "alice/mlp.ipynb", "bob/mlp.ipynb", "dan/mlp.ipynb")
    for name in "abcdef":
        put(folder, f"carol/{name}.ipynb")
    put(folder, "carol/mlp.ipynb", "carol/deeper/mlp.ipynb")
    alice, bob, carol, dan = collect(folder, "mlp")
    assert (alice.file, alice.status, alice.choice) == (
        "alice/mlp.ipynb",
        "",
        "3 notebooks were handed in: 'alice/mlp.ipynb' counts, 'alice/a.ipynb', 'alice/b.ipynb' do "
        "not. One is expected.",
    )
    assert "'bob/mlp.ipynb' counts, 'bob/x.ipynb', 'bob.ipynb' do not." in bob.choice
    assert carol.choice.startswith("7 notebooks were handed in: 'carol/mlp.ipynb' counts, 'carol/a")
    assert "'carol/e.ipynb', … do not." in carol.choice
    assert dan.choice == ""


def test_links_are_never_followed(folder, tmp_path):
    put(tmp_path, "secret/mlp.ipynb")
    for name in ("alice.ipynb", "bob/mlp.ipynb", "dangling.ipynb", "dan/extra.ipynb"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).symlink_to(tmp_path / "secret" / "mlp.ipynb")
    (folder / "carol").symlink_to(tmp_path / "secret")
    (folder / "eve").mkdir()
    (folder / "eve" / "inside").symlink_to(tmp_path / "secret")
    put(folder, "dan/own.ipynb")
    found = {one.learner: one for one in collect(folder, "mlp")}
    for name in ("alice", "bob", "carol", "dangling"):
        assert found[name].status == "unreadable"
        assert "symbolic link: links are not followed" in found[name].message
    assert (found["dan"].status, found["dan"].file) == ("", "dan/own.ipynb")
    assert "'dan/own.ipynb' counts, 'dan/extra.ipynb' does not." in found["dan"].choice
    assert found["eve"].status == "missing"


def test_a_folder_that_becomes_a_link_later_is_not_followed_either(folder, tmp_path):
    put(tmp_path, "secret/mlp.ipynb")
    put(folder, "alice/mlp.ipynb")
    (alice,) = collect(folder, "mlp")
    (folder / "alice").rename(tmp_path / "away")
    (folder / "alice").symlink_to(tmp_path / "secret")
    with pytest.raises(FileError, match="symbolic link"):
        read(alice, folder)


def test_what_is_no_file_is_not_opened(folder):
    os.mkfifo(folder / "alice.ipynb")
    (folder / "bob.ipynb").mkdir()
    found = collect(folder, "mlp")
    assert [one.status for one in found] == ["unreadable"] * 2
    assert all("No regular file" in one.message for one in found)


def test_an_empty_folder_is_a_missing_notebook(folder):
    (folder / "alice").mkdir()
    put(folder, "bob/readme.txt")
    found = collect(folder, "mlp")
    assert [(one.learner, one.status) for one in found] == [
        ("alice", "missing"),
        ("bob", "missing"),
    ]
    assert found[0].message == "No notebook: the folder holds no file *.ipynb."


ODD = [
    "-rf",
    "--help",
    " leading",
    "a\nb",
    "žofie",
    "名前",
    "a'b\"c",
    "*",
    "\\",
    "x" * 200,
    "\udcff",
]


def test_odd_names_are_names(folder):
    put(folder, *(f"{name}.ipynb" for name in ODD))
    found = collect(folder, "mlp")
    assert {one.learner for one in found} == set(ODD)
    assert {read(one, folder) for one in found} == {os.fsencode(f"{name}.ipynb") for name in ODD}


PAIRS = [
    ("Alice.ipynb", "alice.ipynb"),
    ("Alice/mlp.ipynb", "alice.ipynb"),
    (unicodedata.normalize("NFC", "zoë.ipynb"), unicodedata.normalize("NFD", "zoë.ipynb")),
    ("straße.ipynb", "STRASSE.ipynb"),
]


@pytest.mark.parametrize("pair", PAIRS)
def test_names_that_only_look_the_same_are_refused(folder, pair):
    put(folder, *pair, "bob.ipynb")
    with pytest.raises(
        CollectError, match=r"must differ in more than case.*Nothing was graded"
    ) as e:
        collect(folder, "mlp")
    assert all(ascii(name.split("/")[0].removesuffix(".ipynb")) in str(e.value) for name in pair)


def test_everyone_on_the_roster_gets_an_entry(folder, tmp_path):
    put(folder, "alice.ipynb", "guest.ipynb")
    roster = tmp_path / "class.csv"
    roster.write_text('\ufefflearner,mail\nAlice,x\n"Bob, Jr.",y\n\n Bob ,z\nAlice,x\n')
    found = collect(folder, "mlp", roster=roster)
    assert [(one.learner, one.status, one.listed) for one in found] == [
        ("Alice", "", True),
        ("Bob", "missing", True),
        ("Bob, Jr.", "missing", True),
        ("guest", "", False),
    ]
    assert all(one.listed for one in collect(folder, "mlp"))
    assert found[1].message == "Nothing was handed in."
    assert found[0].file == "alice.ipynb"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"name,mail\na,b\n", "must have a column 'learner', has 'name', 'mail'"),
        (b"learner\n\n", "must name at least one learner"),
        (b"", "must name at least one learner"),
        (b"learner\n\xff\n", "must be a CSV file in UTF-8"),
        (b"learner\nbob\nBOB\n", "must differ in more than case"),
    ],
)
def test_a_roster_that_cannot_be_used_is_refused(folder, tmp_path, text, message):
    roster = tmp_path / "class.csv"
    roster.write_bytes(text)
    with pytest.raises(CollectError, match=message):
        collect(folder, "mlp", roster=roster)
    with pytest.raises(CollectError, match="No such file"):
        collect(folder, "mlp", roster=tmp_path / "none.csv")


def test_downloads_of_platforms_are_understood(folder):
    put(folder, "smithann_101_9001_mlp.ipynb", "smithann_LATE_102_9002_my_work-1.ipynb", "x.ipynb")
    put(folder, "x.pdf", "y/mlp.ipynb")
    assert files(folder, layout="canvas", ignored=log(said := [])) == {
        "smithann_101": "smithann_101_9001_mlp.ipynb",
        "smithann_102": "smithann_LATE_102_9002_my_work-1.ipynb",
    }
    misnamed = "their names are not as Canvas writes them"
    assert said == [(misnamed, "x.ipynb"), (NO_NOTEBOOK, "x.pdf"), (misnamed, "y")]


def test_downloads_of_moodle_are_understood(folder):
    put(folder, "Ann Smith_77_assignsubmission_file/mlp.ipynb")
    put(folder, "Bob O_Neil_78_assignsubmission_file_/x.ipynb")
    put(folder, "Carl_79_assignsubmission_file_mlp.ipynb")
    text = "assignsubmission_onlinetext"  # what a learner typed, besides a file or instead of it
    put(
        folder,
        f"Ann Smith_77_{text}/onlinetext.html",
        f"Cy_80_{text}_/onlinetext.html",
        "Zoe.ipynb",
    )
    found = collect(folder, "mlp", layout="moodle", ignored=log(said := []))
    assert {one.learner: (one.file.partition("/")[2], one.status) for one in found} == {
        "Ann Smith_77": ("mlp.ipynb", ""),
        "Bob O_Neil_78": ("x.ipynb", ""),
        "Carl_79": ("", ""),
        "Cy_80": ("", "missing"),
    }
    assert said == [("their names are not as Moodle writes them", "Zoe.ipynb")]


def test_a_folder_that_is_none_is_refused(tmp_path):
    put(tmp_path, "file")
    with pytest.raises(CollectError, match=r"must be a folder.*No such file"):
        collect(tmp_path / "none", "mlp")
    with pytest.raises(CollectError, match=r"must be a folder.*Not a directory"):
        collect(tmp_path / "file", "mlp")


def test_a_stamp_changes_with_every_change_of_the_file(folder, monkeypatch):
    path = folder / "a.ipynb"
    put(folder, "a.ipynb")
    assert stamp_of(path) == ()  # too young: it may change once more within a tick of the clock
    with monkeypatch.context() as patch:
        patch.setattr(collecting, "YOUNG_SECONDS", -1.0)
        first = stamp_of(path)
        assert first == stamp_of(path) != ()
        moment = os.stat(path).st_mtime_ns
        time.sleep(0.02)
        path.write_bytes(b"b.ipynb")  # of the same length, and its time of change is put back
        os.utime(path, ns=(moment, moment))
        second = stamp_of(path)
        assert second[:2] == first[:2]
        assert second != first
    os.utime(path, (2**33, 2**33))
    assert stamp_of(path) == ()  # from the future: the clock was put back
    assert stamp_of(folder / "none") == ()


def test_a_file_that_vanishes_is_not_the_learners_fault(folder):
    put(folder, "a.ipynb")
    (found,) = collect(folder, "mlp")
    (folder / "a.ipynb").unlink()
    with pytest.raises(ReadError, match="cannot be read: No such file"):
        read(found, folder)
