"""The crowd is worth what it says: its answers are run in this process, without any judge."""

import contextlib
import io
import json
import warnings
from collections import Counter

import nbformat
import pytest

from d2l_lite.grading.proving import exercise_set
from d2l_lite.grading.running import run_question
from d2l_lite.grading.source import without_magics
from tests.grading import crowd_answers
from tests.grading.attacks.corpus import ATTACKS
from tests.grading.crowd import SHARES, Attack, Crowd, from_corpus, notebook_bytes, write
from tests.processes import distinct_outputs
from tools.exercise_source import source_path
from tools.repository import ROOT

SOURCES = [source_path(ROOT, "mlp"), *sorted((ROOT / "tests/grading/sample").glob("*.md"))]
ATTACK = Attack("boom", lambda pieces: b"boom")


@pytest.fixture(scope="module", params=SOURCES, ids=lambda path: path.stem)
def crowd(request):
    return Crowd(request.param)


def names_after(pieces):
    """Run cells as a notebook does that goes on after an error."""
    names = {"__name__": "__main__"}
    for piece in pieces:
        if piece.kind == "code" and not piece.text.startswith(("check", "help")):
            lines = without_magics(piece.text).splitlines()
            text = "\n".join(line for line in lines if "check" not in line)
            with contextlib.suppress(Exception, SystemExit):
                exec(compile(text, "<cell>", "exec"), names)
    return names


def test_every_submission_is_worth_what_it_says(crowd):
    cases = exercise_set(crowd.source, hidden=True)
    made = Counter()
    for entry in crowd.draw(120):
        # What an answer is worth depends on its question and on how it was made: twice is enough.
        asked = [one for one, form in entry.answers.items() if made[one, form] < 2]
        made.update(entry.answers.items())
        if not asked:
            continue
        stream = io.StringIO()
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(stream),
            contextlib.redirect_stderr(stream),
        ):
            warnings.simplefilter("ignore")
            names = names_after(entry.pieces)
            got = {one: run_question(cases, one, namespace=names).points for one in asked}
        assert got == {one: entry.points[one] for one in asked}, (entry.learner, entry.answers)
    forms = {form.split(", ")[-1] for _, form in made}
    wanted = {one.__name__ for one in (*crowd_answers.QUIET, *crowd_answers.NOISY)}
    wanted |= {one.__name__ for one in crowd_answers.WRONG}
    assert wanted | {"mistake", "stub", "corrected", "spoiled"} <= forms


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(crowd):
    path = crowd.source.path
    one, same = crowd.draw(30, attacks=[ATTACK]), Crowd(path).draw(30, attacks=[ATTACK])
    assert one == same
    assert [e.notebook for e in Crowd(path, seed=1).draw(30)] != [e.notebook for e in one]


def test_the_bytes_do_not_depend_on_the_process():
    program = (
        "import hashlib\n"
        "from pathlib import Path\n"
        "from tests.grading.crowd import Crowd\n"
        f"crowd = Crowd(Path({str(SOURCES[0])!r}))\n"
        "files = b''.join(entry.notebook for entry in crowd.draw(40))\n"
        "print(hashlib.sha256(files).hexdigest())\n"
    )
    assert len(distinct_outputs(program)) == 1


def test_kinds_come_in_their_shares_with_one_in_twenty_hostile(crowd):
    found = Counter(entry.kind for entry in crowd.draw(200, attacks=[ATTACK]))
    assert found.pop("hostile") == 10
    assert all(abs(found[kind] - 1.9 * share) <= 1 for kind, share in SHARES.items())
    assert sum(found.values()) == 190
    assert Counter(entry.kind for entry in crowd.draw(200))["hostile"] == 0


def test_hostile_submissions_take_turns_and_claim_no_points(crowd):
    other = Attack("cells", lambda pieces: notebook_bytes(pieces))
    found = [e for e in crowd.draw(80, attacks=[ATTACK, other]) if e.kind == "hostile"]
    assert [e.attack for e in found] == ["boom", "cells"] * 2
    assert all(entry.points is None for entry in found)
    assert found[0].notebook == b"boom"


def test_attacks_of_the_corpus_bring_the_points_that_they_may_get():
    source = ROOT / "tests/grading/attacks/arrays.md"
    crowd = Crowd(source)
    corpus = [one for one in ATTACKS if one.base == "arrays"]
    attacks = from_corpus(corpus, crowd.points, {"MARK": "found-again"})
    assert len(attacks) == sum(one.make is None for one in corpus) > 100
    found = [entry for entry in crowd.draw(100, attacks=attacks) if entry.kind == "hostile"]
    assert len(found) == 5
    for entry in found:
        one = next(one for one in corpus if one.name == entry.attack)
        assert entry.points == one.points(crowd.points)
        texts = {"".join(c["source"]) for c in json.loads(entry.notebook)["cells"]}
        assert one.code[-1].replace("@MARK@", "found-again") in texts


def test_texts_differ_from_learner_to_learner(crowd):
    full = [e for e in crowd.draw(100) if e.points == crowd.points]
    assert len(full) >= 50
    assert len({tuple(piece.text for piece in entry.pieces) for entry in full}) == len(full)


def test_files_are_notebooks_that_hold_the_cells(crowd, tmp_path):
    entries = crowd.draw(20)
    write(entries, tmp_path, "work")
    for entry in entries:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            path = tmp_path / entry.learner / "work.ipynb"
            notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
            nbformat.validate(notebook)
        assert [cell.source for cell in notebook.cells] == [piece.text for piece in entry.pieces]


def test_a_set_whose_questions_use_each_other_is_refused(tmp_path):
    text = (
        SOURCES[0]
        .read_text(encoding="utf-8")
        .replace("return (budget - q) // (d + 1 + q)", "return num_pieces(d, q, budget)")
    )
    (tmp_path / "mlp.md").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"stand alone, but \['widest_hidden'\]"):
        Crowd(tmp_path / "mlp.md")
