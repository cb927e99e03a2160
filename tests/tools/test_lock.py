"""The pinned environment: what notebooks run with, and what only builds and tests the book."""

import pytest

from tools import lock
from tools.pages import requirements_hash
from tools.repository import ROOT

FROZEN = "-e /somewhere\nmatplotlib==3.1\nmypy==2.0\nnumpy==1.9\ntorch==2.13.0+cpu\n"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "requirements.txt").write_text(lock.pinned(FROZEN))
    return tmp_path


def replaced(root, old, new):
    path = root / "requirements.txt"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_pins_carry_no_local_label_and_no_place():
    text = lock.pinned(FROZEN)
    assert "torch==2.13.0\n" in text
    assert "somewhere" not in text


@pytest.mark.parametrize(("pin", "counts"), [("numpy==1.9", True), ("mypy==2.0", False)])
def test_only_what_notebooks_run_with_makes_their_outputs_stale(root, pin, counts):
    before = requirements_hash(root)
    replaced(root, pin, pin + ".1")
    assert (requirements_hash(root) != before) is counts


def test_what_chapters_import_stands_in_the_first_part():
    first, found, rest = (ROOT / "requirements.txt").read_text().partition(lock.BOOK_PINS)
    assert found
    for name in ("ipykernel", "matplotlib", "numpy", "scikit-learn", "scipy", "torch"):
        assert f"\n{name}==" in first
    for name in ("jupyter-book", "mypy", "pytest"):
        assert f"\n{name}==" in rest
