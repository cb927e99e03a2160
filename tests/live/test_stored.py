"""The live form must not be stored: without a kernel its sliders move, and its picture does not."""

from d2l_lite import Curves, explore
from d2l_lite.grading import writing
from tests.tools import tiny_book
from tools import notebooks, pages

NOTEBOOK = "chapters/tiny.ipynb"


def line(slope):
    return Curves({"line": ([0, 1], [0, slope])}, "x", "y")


def bundle(*, live):
    return explore(line, live=live, label="A line", slope=[1, 2])._repr_mimebundle_()


def store(book, data):
    """Put an output in the tiny book as if a run had given it."""
    path = book / NOTEBOOK
    notebook = tiny_book.read(path)
    output = pages._nbformat.v4.new_output("display_data", data=data)
    notebook.cells[-1].outputs = [output]
    notebook.metadata["d2l_lite"]["outputs"] = pages.outputs_hash(notebook)
    path.write_text(writing.dumps(notebook), encoding="utf-8")


def test_a_stored_live_form_makes_the_check_red(book):
    store(book, bundle(live=True))
    faults = notebooks.check(book)
    assert any("stores a widget, which is dead without a kernel" in fault for fault in faults)


def test_the_stored_text_of_a_live_form_alone_is_seen(book):
    store(book, {"text/plain": bundle(live=True)["text/plain"]})
    assert any("stores a widget" in fault for fault in notebooks.check(book))


def test_the_kernel_free_form_may_be_stored(book):
    store(book, bundle(live=False))
    assert notebooks.check(book) == []
