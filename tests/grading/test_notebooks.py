"""Learners' notebooks: what is read of them, what is said of odd ones, and what is refused."""

import functools
import hashlib
import json
import os
import random
import socket
import stat
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d2l_lite.grading import files, notebooks
from d2l_lite.grading.cells import setup_cell
from d2l_lite.grading.notebooks import NotebookError, read_notebook

ROOT = Path(__file__).resolve().parent.parent.parent
REAL = sorted((ROOT / "exercises").rglob("*.ipynb"))
SECONDS = 5.0  # far above what any small notebook takes


def cell(source, kind="code", **fields):
    return {"cell_type": kind, "metadata": {}, "source": source, **fields}


def notebook(*cells, **fields):
    return {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5, **fields}


def read(content, **options):
    return read_notebook(json.dumps(content).encode(), **options)


def refusal(content, **options):
    """The message for bytes or a file that cannot be read; it is bounded and says what helps."""
    with pytest.raises(NotebookError) as caught:
        read_notebook(content, **options)
    message = str(caught.value)
    assert len(message) < 400
    assert message[0].isupper()
    assert message.count(". ") >= 1, "what was found, then what helps"
    assert message.endswith(".")
    return message


# What is read


def test_code_cells_come_in_order_with_the_digest_of_the_bytes():
    content = notebook(cell("# Title", "markdown"), cell("a = 1"), cell(["b = 2\n", "c = 3"]))
    data = json.dumps(content).encode()
    found = read_notebook(data)
    assert found.cells == ("a = 1", "b = 2\nc = 3")
    assert found.digest == hashlib.sha256(data).hexdigest()
    assert (found.notes, found.numbers) == ((), (1, 2))


@pytest.mark.parametrize("path", REAL, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_books_notebooks_are_read_as_nbformat_reads_them(path):
    import nbformat

    want = [one.source for one in nbformat.read(path, 4).cells if one.cell_type == "code"]
    found = read_notebook(path)
    assert found.notes == ()
    assert list(found.cells) == [text for text in want if text != setup_cell().source]
    assert len(want) - len(found.cells) == 1


def test_empty_cells_are_left_out_and_the_others_keep_their_numbers():
    found = read(notebook(cell(""), cell("a = 1"), cell(" \n"), cell([]), cell("b = 2")))
    assert (found.cells, found.numbers, found.notes) == (("a = 1", "b = 2"), (2, 5), ())


@pytest.mark.parametrize(
    "made", [setup_cell(), setup_cell("https://example.org/a/b"), setup_cell(requirement="x==1")]
)
def test_our_set_up_cell_is_left_out_where_it_is_unchanged(made):
    assert read(notebook(cell(made.source), cell("a = 1"))).cells == ("a = 1",)
    changed = f"{made.source}\nb = 2"
    assert read(notebook(cell(changed))).cells == (changed,)
    assert read(notebook(cell(f"{made.source}\n\n"))).cells == ()


def test_magics_are_left_to_whoever_runs_the_cell():
    assert read(notebook(cell("%%bash\nls"), cell("%pip list"))).cells == (
        "%%bash\nls",
        "%pip list",
    )


def test_ids_are_of_no_account():
    cells = [cell("a = 1", id="x"), cell("b = 2", id="x"), cell("c = 3", id=7), cell("d = 4")]
    found = read(notebook(*cells))
    assert (len(found.cells), found.notes) == (4, ())


def test_thousands_of_cells_are_read():
    found = read(notebook(*[cell(f"a = {number}") for number in range(9_000)]))
    assert found.cells[-1] == "a = 8999"


@pytest.mark.parametrize("version", [1, 2, 3])
def test_old_formats_are_read_with_a_note(version):
    key = {1: "code", 2: "input", 3: "input"}[version]
    cells = [
        {"cell_type": "heading", "level": 1, "source": "Title"},
        {"cell_type": "code", key: "a = 1", "language": "python", "outputs": []},
    ]
    inner = {"cells": cells} if version == 1 else {"worksheets": [{"cells": cells}, {}]}
    found = read({"nbformat": version, "metadata": {"name": ""}, **inner})
    assert found.cells == ("a = 1",)
    assert found.notes == (
        f"The notebook is of the old format {version}. It was read all the same.",
    )


def test_old_notebooks_of_nbformat_itself_are_read():
    from nbformat import v3

    sheet = v3.new_worksheet(cells=[v3.new_code_cell(input="a = 1"), v3.new_text_cell("html", "")])
    text = v3.writes_json(v3.new_notebook(worksheets=[sheet]))
    assert read_notebook(text.encode()).cells == ("a = 1",)


ENCODED = {
    "utf-8 with a mark": ("utf-8-sig", ""),
    "utf-16 with a mark": ("utf-16", "UTF-16"),
    "utf-16 without": ("utf-16-le", "UTF-16-LE"),
    "utf-16, swapped": ("utf-16-be", "UTF-16-BE"),
    "utf-32": ("utf-32", "UTF-32"),
}


@pytest.mark.parametrize("case", ENCODED)
def test_other_encodings_are_read_with_a_note(case):
    encoding, named = ENCODED[case]
    text = json.dumps(notebook(cell("name = 'Zoë 深'")), ensure_ascii=False)
    found = read_notebook(text.encode(encoding))
    assert found.cells == ("name = 'Zoë 深'",)
    assert [note.split(",")[0] for note in found.notes] == (
        [f"The file is written in {named}"] if named else []
    )


def test_bytes_that_are_no_utf8_are_replaced():
    data = json.dumps(notebook(cell("a = 'Zoë'")), ensure_ascii=False).encode("latin-1")
    found = read_notebook(data)
    assert found.cells == ("a = 'Zo\N{REPLACEMENT CHARACTER}'",)
    assert found.notes[0].startswith(f"Byte {data.index(0xEB) + 1} of the file is not UTF-8.")


def test_what_python_cannot_hold_is_taken_out():
    found = read(notebook(cell("a\0 = 1"), cell("b = '\ud800'"), cell("c = '😀'")))
    assert found.cells == ("a = 1", "b = '\N{REPLACEMENT CHARACTER}'", "c = '😀'")
    assert [note[:11] for note in found.notes] == ["Code cell 1", "Code cell 2"]


def test_control_characters_in_strings_are_read():
    data = json.dumps(notebook(cell("a = 1\n\tb"))).replace("\\n\\t", "\n\t").encode()
    assert read_notebook(data).cells == ("a = 1\n\tb",)


ODD = {
    "a cell that is none": (["x"], "Cell 2 is neither code nor text. It was left out."),
    "an unknown kind": (cell("x", "prompt"), "Cell 2 is neither code nor text."),
    "no kind": ({"source": "x"}, "Cell 2 is neither code nor text."),
    "no source": ({"cell_type": "code"}, "Code cell 2 has a source that is no text."),
    "a number as source": (cell(7), "Code cell 2 has a source that is no text."),
    "numbers among the lines": (cell(["", 7, None]), "Code cell 2 has a source that is no text."),
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_cell_costs_nothing_but_itself(case):
    odd, words = ODD[case]
    found = read(notebook(cell("a = 1"), odd, cell("b = 2")))
    assert found.cells == ("a = 1", "b = 2")
    assert len(found.notes) == 1
    assert found.notes[0].startswith(words)


@pytest.mark.parametrize("version", [None, "4", 5, 4.0, True, 10**30])
def test_a_format_that_is_none_is_read_as_if_it_were(version):
    found = read(notebook(cell("a = 1"), nbformat=version))
    assert found.cells == ("a = 1",)
    assert found.notes == ("The notebook's format must be 4. It was read as if it were.",)


@pytest.mark.parametrize("cells", [[], [cell("words", "markdown")], [cell(""), cell("\n")]])
def test_a_notebook_without_code_says_so(cells):
    found = read(notebook(*cells))
    assert found.cells == ()
    assert found.notes == ("The notebook holds no code, so no question has an answer.",)


def test_another_language_is_noted():
    found = read(notebook(cell("x <- 1"), metadata={"language_info": {"name": "R"}}))
    assert "not written in Python" in found.notes[0]
    kernel = {"kernelspec": {"language": "python"}, "language_info": {"name": "ipython"}}
    assert read(notebook(cell("a = 1"), metadata=kernel)).notes == ()


def test_notes_do_not_pile_up():
    found = read(notebook(cell("a = 1"), *[cell("", "odd")] * 500))
    assert len(found.notes) == notebooks.MAX_NOTES + 1
    assert found.notes[-1] == f"There are {500 - notebooks.MAX_NOTES} more remarks of this kind."


# What is refused

BROKEN = {
    "nothing": (b"", "The file is empty"),
    "blanks": (b" \n\t ", "The file is empty"),
    "a mark alone": (b"\xef\xbb\xbf", "The file is empty"),
    "zeros": (bytes(5000), "The file is empty"),
    "a cut notebook": (b'{"cells": [', "no valid JSON at line 1, column 12"),
    "a wrong third line": (b'{\n"cells":\n oops}', "no valid JSON at line 3, column 2"),
    "a second object": (b"{}{}", "no valid JSON at line 1, column 3: Extra data"),
    "a program": (b"import numpy as np\n", "no valid JSON at line 1, column 1"),
    "a list": (b"[1, 2]", "The file holds a list, a notebook is a JSON object"),
    "a number": (b"7", "The file holds a number"),
    "null": (b"null", "The file holds null"),
    "an object": (b'{"a": 1}', "`cells` must be a list, got nothing"),
    "cells in an object": (b'{"cells": {}}', "`cells` must be a list, got "),
    "cells in a text": (b'{"cells": "a = 1"}', "`cells` must be a list, got a text"),
    "deep lists": (b"[" * 200_000, "nested too deeply"),
    "deep objects": (b'{"cells":' * 200_000, "nested too deeply"),
    "deep lists that end": (b"[" * 90_000 + b"]" * 90_000, "nested too deeply"),
    "many lists": (b'{"cells": [' + b"[]," * 600_000 + b"[]]}", "600003 lists and objects"),
    "many cells": (b'{"cells": [' + b"0," * 20_000 + b"0]}", "20001 cells"),
    "a huge number": (b'{"cells": ' + b"9" * 3_000_000 + b"}", "got a number"),
    "an archive": (b"PK\x03\x04...", "a ZIP archive"),
    "a web page": (b"\n<!doctype html><html></html>", "a web page"),
    "a PDF": (b"%PDF-1.7", "a PDF"),
    "a conflict": (b"<<<<<<< HEAD\n{}", "merge conflict"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_content_is_refused_at_once_with_its_reason(case):
    content, words = BROKEN[case]
    begun = time.perf_counter()
    assert words in refusal(content)
    assert time.perf_counter() - begun < SECONDS


def test_a_refusal_carries_the_digest_of_what_was_read(tmp_path):
    with pytest.raises(NotebookError) as caught:
        read_notebook(b"[1]")
    assert caught.value.digest == hashlib.sha256(b"[1]").hexdigest()
    with pytest.raises(NotebookError) as caught:
        read_notebook(tmp_path / "none.ipynb")
    assert caught.value.digest == ""


def test_size_counts_for_bytes_and_files(tmp_path):
    data = json.dumps(notebook(cell("a = 1"))).encode()
    path = tmp_path / "a.ipynb"
    path.write_bytes(data)
    for source in (data, path):
        assert read_notebook(source, max_bytes=len(data)).cells == ("a = 1",)
        assert f"at most {len(data) - 1} are read" in refusal(source, max_bytes=len(data) - 1)


def test_what_a_file_says_of_its_size_is_not_relied_on(monkeypatch, tmp_path):
    path = tmp_path / "a.ipynb"
    path.write_bytes(b"x" * 3_000_000)
    true = os.fstat

    def lying(handle):
        found = list(true(handle))
        found[stat.ST_SIZE] = 0
        return os.stat_result(found)

    monkeypatch.setattr(files.os, "fstat", lying)
    assert "at most 1500000 are read" in refusal(path, max_bytes=1_500_000)


def test_a_sparse_giant_is_refused_without_being_read(tmp_path):
    path = tmp_path / "giant.ipynb"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    begun = time.perf_counter()
    assert "bytes or more" in refusal(path)
    assert time.perf_counter() - begun < SECONDS


# Files


@pytest.fixture
def handed_in(tmp_path):
    """A folder of submissions with one good notebook, beside a secret."""
    root = tmp_path / "submissions"
    (root / "alice").mkdir(parents=True)
    good = json.dumps(notebook(cell("a = 1")))
    (root / "alice" / "a.ipynb").write_text(good)
    (tmp_path / "secret.ipynb").write_text(good)
    return root


def link_to_file(root):
    (root / "alice" / "x.ipynb").symlink_to(root / "alice" / "a.ipynb")


def link_to_itself(root):
    (root / "alice" / "x.ipynb").symlink_to("x.ipynb")


def link_to_nothing(root):
    (root / "alice" / "x.ipynb").symlink_to("nothing")


def link_to_endless_device(root):
    (root / "alice" / "x.ipynb").symlink_to("/dev/zero")


def pipe(root):
    os.mkfifo(root / "alice" / "x.ipynb")


def folder(root):
    (root / "alice" / "x.ipynb").mkdir()


def unix_socket(root):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(root / "alice" / "x.ipynb"))


SPECIAL = {
    link_to_file: "a symbolic link",
    link_to_itself: "a symbolic link",
    link_to_nothing: "a symbolic link",
    link_to_endless_device: "a symbolic link",
    pipe: "a named pipe",
    folder: "a folder",
    unix_socket: "a socket",
}


@pytest.mark.parametrize("make", SPECIAL, ids=lambda make: make.__name__)
@pytest.mark.parametrize("with_root", [False, True])
def test_only_regular_files_are_read(make, with_root, handed_in, monkeypatch):
    monkeypatch.chdir(handed_in)
    make(handed_in)
    options = {"root": handed_in} if with_root else {}
    begun = time.perf_counter()
    message = refusal(handed_in / "alice" / "x.ipynb", **options)
    assert message.startswith(f"The file is {SPECIAL[make]}, a file was expected.")
    assert time.perf_counter() - begun < SECONDS


def test_devices_are_refused_and_not_opened(monkeypatch):
    monkeypatch.setattr(files.os, "open", lambda *_, **__: pytest.fail("opened"))
    assert "The file is a device" in refusal(Path("/dev/zero"))


def test_a_pipe_that_takes_the_files_place_does_not_hang(handed_in, monkeypatch):
    path = handed_in / "alice" / "x.ipynb"
    os.mkfifo(path)
    true = os.stat
    good = handed_in / "alice" / "a.ipynb"
    monkeypatch.setattr(files.os, "stat", lambda *_, **__: true(good))
    assert "The file is a named pipe" in refusal(path)


def test_a_link_that_takes_the_files_place_is_not_followed(handed_in, monkeypatch):
    link_to_file(handed_in)
    true = os.stat
    good = handed_in / "alice" / "a.ipynb"
    monkeypatch.setattr(files.os, "stat", lambda *_, **__: true(good))
    assert "cannot be read" in refusal(handed_in / "alice" / "x.ipynb")


def test_folders_below_the_root_may_not_be_links(handed_in):
    (handed_in / "bob").symlink_to(handed_in / "alice")
    (handed_in / "eve").symlink_to(handed_in.parent)
    assert read_notebook(handed_in / "alice/a.ipynb", root=handed_in).cells == ("a = 1",)
    assert read_notebook(Path("alice/a.ipynb"), root=handed_in).cells == ("a = 1",)
    for path in ("bob/a.ipynb", "eve/secret.ipynb"):
        message = refusal(handed_in / path, root=handed_in)
        assert message.startswith("A folder on the way to the file is a symbolic link")


def test_the_root_itself_may_be_a_link(handed_in):
    link = handed_in.parent / "link"
    link.symlink_to(handed_in)
    assert read_notebook(link / "alice/a.ipynb", root=link).cells == ("a = 1",)


@pytest.mark.parametrize(
    "path", ["../secret.ipynb", "alice/../../secret.ipynb", "/etc/hostname", "."]
)
def test_no_path_leads_out_of_the_root(handed_in, path):
    assert f"must lie below {handed_in}" in refusal(handed_in / path, root=handed_in)


@pytest.mark.parametrize("path", ["none.ipynb", "alice/none.ipynb", "a" * 5000, "alice/a.ipynb/b"])
@pytest.mark.parametrize("with_root", [False, True])
def test_a_file_that_cannot_be_opened_says_why(handed_in, path, with_root):
    message = refusal(handed_in / path, **({"root": handed_in} if with_root else {}))
    assert "The file cannot be read: " in message or "is a file, a folder was expected" in message


def test_a_name_with_a_null_character_is_refused(tmp_path):
    assert "null character" in refusal(tmp_path / "a\0b.ipynb")
    assert "null character" in refusal(tmp_path / "a\0b.ipynb", root=tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_file_without_permission_is_refused(tmp_path):
    path = tmp_path / "a.ipynb"
    path.write_text("{}")
    path.chmod(0)
    assert "Permission denied" in refusal(path)


def test_no_file_stays_open(handed_in):
    before = set(os.listdir("/proc/self/fd"))
    for path in ("alice/a.ipynb", "alice/none.ipynb", "alice"):
        try:
            read_notebook(handed_in / path, root=handed_in)
        except NotebookError:
            continue
    assert set(os.listdir("/proc/self/fd")) == before


# Whatever comes: a notebook or a NotebookError, soon

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(sorted(notebooks.KEYS)), inner, max_size=5)
    ),
    max_leaves=25,
)


def survives(data):
    """Read bytes; check the bounds of whatever comes back."""
    begun = time.perf_counter()
    try:
        found = read_notebook(data)
    except NotebookError:
        found = None
    if found is not None:
        assert len(found.cells) == len(found.numbers)
        assert len(found.notes) <= notebooks.MAX_NOTES + 1
        for text in (*found.cells, *found.notes):
            assert "\0" not in text
            text.encode("utf-8")
    assert time.perf_counter() - begun < SECONDS


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes(data):
    survives(data)


@given(JSON)
@settings(max_examples=300, deadline=None)
def test_any_json_of_a_notebooks_own_words(value):
    survives(json.dumps(value).encode())


@given(st.lists(st.text() | st.lists(st.text())), st.sampled_from(["utf-8", "utf-16", "utf-32"]))
@settings(max_examples=150, deadline=None)
def test_any_text_comes_back_as_it_was(sources, encoding):
    found = read_notebook(
        json.dumps(notebook(*map(cell, sources)), ensure_ascii=False).encode(encoding)
    )
    joined = ["".join(text).replace("\0", "") for text in sources]
    assert list(found.cells) == [text for text in joined if text.strip()]


def mutate(data, chance):
    """Return the bytes of a notebook with one to eight random injuries."""
    data = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(data) + 1)
        end = place + chance.choice((1, 1, 2, 10, 300))
        injury = chance.choice(INJURIES)
        data[place : end if chance.random() < 0.7 else place] = injury
        if chance.random() < 0.1:
            del data[place:]
        if chance.random() < 0.1:
            data += data[place:]
    return bytes(data[:400_000])


INJURIES = (
    b"", b"\0", b"\xff", b"\xff\xfe", b"\xed\xa0\x80", b"\\", b"\\ud800", b'"', b"\n", b",",
    b":", b"]", b"}", b"[]", b"{}", b"null", b"NaN", b"-", b"1e999", b"9" * 5000, b"[" * 3000,
    b"{" * 3000, b'"cells":', b'"source":7,', b'"cell_type": "code",', b'"worksheets": [',
    b'"nbformat": 1e400,',
)  # fmt: skip


@functools.cache
def real_notebooks():
    return [path.read_bytes() for path in REAL if path.parent.name == "exercises"]


@pytest.mark.parametrize("seed", range(20))
def test_injured_notebooks(seed):
    chance = random.Random(seed)
    read_well = 0
    for _ in range(40):
        data = mutate(chance.choice(real_notebooks()), chance)
        survives(data)
        try:
            read_well += bool(read_notebook(data).cells)
        except NotebookError:
            continue
    assert read_well < 40, "no injury did any harm"
