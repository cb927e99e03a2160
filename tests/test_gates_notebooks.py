"""Each gate of the notebooks is seen red: a fault is planted in a book that is in order."""

import base64
import json
import shutil
import subprocess
import sys
from dataclasses import replace

import nbformat
import pytest

from d2l_lite import data
from d2l_lite.grading import writing
from tests.tools import tiny_book
from tools import gates, notebooks, pages

SOURCE = "chapters/source/tiny.md"
NOTEBOOK = "chapters/tiny.ipynb"


def test_a_book_in_order_has_no_fault(book):
    assert notebooks.check(book) == []


def edited(change, *, keep_record=True):
    """Return a fault that changes the notebook; with `keep_record` False it is also covered up."""

    def plant(root):
        path = root / NOTEBOOK
        notebook = tiny_book.read(path)
        change(notebook)
        if not keep_record:
            notebook.metadata["d2l_lite"]["outputs"] = pages.outputs_hash(notebook)
        path.write_text(writing.dumps(notebook), encoding="utf-8")

    return plant


def covered(change):
    return edited(change, keep_record=False)


def text(path, old, new):
    return lambda root: tiny_book.replace(root / path, old, new)


def set_last(**values):
    """Return a change of the last cell, which prints nothing and returns 3.0."""
    return lambda notebook: notebook.cells[-1].update(values)


def output(kind, **values):
    return [nbformat.v4.new_output(kind, **values)]


def shown(mime, content):
    return set_last(outputs=output("display_data", data={mime: content}))


def swap_counts(notebook):
    one, two = notebook.cells[-1], notebook.cells[-2]
    one.execution_count, two.execution_count = two.execution_count, one.execution_count


def change_id(notebook):
    notebook.cells[1].id = "by-hand"


def double_id(notebook):
    notebook.cells[2].id = notebook.cells[1].id


def add_cell(notebook):
    notebook.cells.append(nbformat.v4.new_markdown_cell("More.", id="more"))


def drop_output(notebook):
    notebook.cells[5].outputs = []


def change_metadata(notebook):
    notebook.metadata["widgets"] = {"state": {}}


def change_tags(notebook):
    notebook.cells[5].metadata = {}


def change_setup(notebook):
    notebook.cells[0].source = "%pip install something"


def no_record(notebook):
    del notebook.metadata["d2l_lite"]


def save_elsewhere(root):
    """Write the same notebook as another program would, on one line."""
    path = root / NOTEBOOK
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8"))), encoding="utf-8")


PNG = base64.b64encode(bytes(gates.MAX_IMAGE_BYTES + 1)).decode()
ERROR = output("error", ename="ValueError", evalue="", traceback=[])
LAST = "cell 7 (`import time`): "
RUN = "run `python -m tools.notebooks build tiny`"
STALE = f"changed since it was run; {RUN}"
#: What is planted, and what the check must say of the notebook.
FAULTS = {
    "tampered output": (
        text(NOTEBOOK, "12.0", "13.0"),
        f"its outputs are not those of the recorded run; {RUN}",
    ),
    "removed output": (edited(drop_output), "its outputs are not those of the recorded run"),
    "stale code": (text(SOURCE, "root(16)", "root(25)"), f"{SOURCE} changed since it was"),
    "stale text": (text(SOURCE, "More text", "Text"), f"{SOURCE} changed since it was generated"),
    "stale package": (text("d2l_lite/data.py", "1", "2"), f"d2l_lite {STALE}"),
    "stale environment": (text("requirements.txt", "2", "3"), f"requirements.txt {STALE}"),
    "no record": (edited(no_record), f"{SOURCE} changed since it was generated"),
    "cell not run": (covered(set_last(execution_count=None, outputs=[])), LAST + "was not run"),
    "cells out of order": (covered(swap_counts), LAST + "ran as number 4, not 5"),
    "stored error": (covered(set_last(outputs=ERROR)), LAST + "stores the error ValueError"),
    "stored warning": (
        covered(set_last(outputs=output("stream", name="stderr", text="/x.py:1: Beware\nnext"))),
        LAST + "writes to stderr ('/x.py:1: Beware')",
    ),
    "stored widget": (
        covered(shown(gates.WIDGET_MIME, {"model_id": "1"})),
        LAST + "stores a widget",
    ),
    "stored widget model": (
        covered(shown("text/plain", "OutputModel()")),
        LAST + "stores a widget",
    ),
    "widget state": (edited(change_metadata), "its metadata was changed by hand (widgets)"),
    "animation": (
        covered(shown("text/html", '<div class="anim_controls">')),
        LAST + "stores an animation",
    ),
    "oversize image": (covered(shown("image/png", PNG)), LAST + "stores an image of 120 kB"),
    "oversize drawing": (
        covered(shown("image/svg+xml", "x" * (gates.MAX_IMAGE_BYTES + 1000))),
        LAST + "stores an image of 121 kB, more than 120 kB",
    ),
    "oversize image within a page": (
        covered(shown("text/html", f'<img src="data:image/png;base64,{PNG}">')),
        LAST + "embeds an image of more than 120 kB",
    ),
    "oversize notebook": (
        covered(shown("text/plain", "x" * gates.MAX_NOTEBOOK_BYTES)),
        " kB, more than 1000 kB",
    ),
    "memory address": (
        covered(shown("text/plain", "<f at 0x7f10e3a2b0d0>")),
        LAST + "shows a memory address (at 0x7f10e3a2b0d0)",
    ),
    "path of a machine": (
        covered(shown("text/plain", "saved to /home/someone/x.pt")),
        LAST + "shows a path of one machine (/home/someone)",
    ),
    "changed id": (edited(change_id), "cell 2 (`(sec-tiny)=`): its id was changed by hand"),
    "doubled id": (edited(double_id), "cell 3 (`count = 3`): its id was changed by hand"),
    "edited text": (
        text(NOTEBOOK, "More text.", "Other text."),
        f"cell 5 (`More text.`): its source was changed by hand; edit tiny.md instead, and {RUN}",
    ),
    "edited code": (
        text(NOTEBOOK, "root(16)", "root(17)"),
        "cell 6 (`print(root(16) * count)`): its source was changed by hand",
    ),
    "edited tags": (
        edited(change_tags),
        "cell 6 (`print(root(16) * count)`): its metadata was changed by hand",
    ),
    "edited set-up cell": (edited(change_setup), "its source was changed by hand"),
    "added cell": (edited(add_cell), "has 8 cells, not 7"),
    "missing notebook": (lambda root: (root / NOTEBOOK).unlink(), f"is missing; {RUN}"),
    "no notebook": (lambda root: (root / NOTEBOOK).write_text("{"), "tiny.ipynb is no notebook"),
    "older format": (
        text(NOTEBOOK, '"nbformat_minor": 5', '"nbformat_minor": 4'),
        "of notebook format 4.5",
    ),
    "invalid notebook": (
        text(NOTEBOOK, '"cell_type": "markdown"', '"cell_type": "text"'),
        "no valid",
    ),
    "saved elsewhere": (save_elsewhere, f"was saved by another program; {RUN}"),
}
#: What is several faults at once; every other is one line.
SEVERAL = {"no record", "cells out of order"}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_seen_as_one_line_with_its_remedy(book, fault):
    plant, message = FAULTS[fault]
    plant(book)
    found = notebooks.check(book)
    assert any(message in line for line in found), found
    assert (len(found) > 1) == (fault in SEVERAL), found
    assert all(line.startswith(f"{NOTEBOOK}: ") for line in found)
    assert all("\n" not in line for line in found)
    assert all(RUN in line for line in found if "more than 1000 kB" not in line), found


def test_an_orphan_is_seen(book):
    shutil.copy(book / NOTEBOOK, book / "chapters" / "old.ipynb")
    assert notebooks.check(book) == [
        "chapters/old.ipynb: has no source; delete it, or write source/old.md"
    ]


def test_a_source_that_cannot_be_read_is_seen(book):
    (book / SOURCE).write_text("# Text\n")
    (found,) = notebooks.check(book)
    assert "must start with a jupytext header" in found


def test_a_student_notebook_must_not_store_a_run(book):
    page = replace(notebooks.chapter_page(book, "tiny"), executed=False)
    found = gates.page_faults(page)
    assert len([line for line in found if "stores a run, and must not" in line]) == 5
    writing.write_notebook(pages.inputs(page), page.target)
    assert gates.page_faults(page) == []


def test_a_run_without_the_real_data_is_seen(book, tmp_path, monkeypatch, capsys):
    """The gate knows the notice that the data module really prints."""
    monkeypatch.setenv("D2L_LITE_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert data.load_images("cifar10", "test", num_examples=1).is_stand_in
    notice = capsys.readouterr().out
    assert gates.STAND_IN.search(notice)
    covered(set_last(outputs=output("stream", name="stdout", text=notice)))(book)
    (found,) = notebooks.check(book)
    assert "ran without the real data; run `make data`" in found


def nbval(path):
    """Run nbval as `make run` does and return its exit status and what it said."""
    options = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout", "100"]
    plain = ["-W", "default", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir"]
    command = [sys.executable, "-m", "pytest", *options, *plain, str(path.parent), str(path)]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, timeout=200)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_running_again_sees_a_tampered_output_of_a_compared_cell(book):
    status, said = nbval(book / NOTEBOOK)
    assert status == 0, said
    tiny_book.replace(book / NOTEBOOK, '"12.0', '"13.0')
    status, said = nbval(book / NOTEBOOK)
    assert status == 1, said
    assert "13.0" in said
    assert "1 failed, 4 passed" in said
