"""The generator: what is made from a text source, what is run, what a failure says."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import pytest

from d2l_lite.grading import writing
from d2l_lite.grading.cells import SourceError, read_cells
from tests.tools import tiny_book
from tests.tools.tiny_book import CHAPTER, HEADER, cell
from tools import building, kernels, notebooks, pages, profiles
from tools.building import Plan, build_pages, reason_to_run
from tools.kernels import environment, normalized
from tools.pages import inputs

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def no_kernel(monkeypatch):
    """Make every run of a kernel an error."""

    def refuse(*arguments, **options):
        raise AssertionError("nothing must be run")

    monkeypatch.setattr(building, "execute", refuse)


def page_of(tmp_path, text):
    root = tiny_book.make(tmp_path, tiny=text)
    return notebooks.chapter_page(root, "tiny")


# From text to cells.


def test_cells_keep_text_tags_and_line(tmp_path):
    page = page_of(tmp_path, CHAPTER)
    kinds = [one.kind for one in page.cells]
    assert kinds == ["code", "markdown", "code", "code", "markdown", "code", "code"]
    assert [one.tags for one in page.cells][:4] == [
        ["setup", "remove-cell"],
        [],
        ["parameters"],
        ["define"],
    ]
    lines = page.source.read_text().splitlines()
    for one in page.cells[1:]:
        assert lines[one.line - 1] == one.source.splitlines()[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# Only text\n", "holds no code cell"),
        ("\n```{code-cell} ipython3\n\n```\n", "an empty code cell"),
        (cell("a = 1") + "\n````{note}\n```{code-cell}\nb = 2\n```\n````\n", "nested in text"),
        (cell("---\ntags: [a\n---\nb = 2"), "jupytext cannot read it"),
    ],
)
def test_a_source_that_cannot_become_a_notebook_is_an_error(tmp_path, text, message):
    path = tmp_path / "x.md"
    path.write_text(HEADER + text)
    with pytest.raises(SourceError, match=message) as raised:
        read_cells(path)
    assert str(path) in str(raised.value)


def test_a_source_without_header_is_an_error(tmp_path):
    path = tmp_path / "x.md"
    path.write_text(CHAPTER)
    with pytest.raises(SourceError, match="jupytext header"):
        read_cells(path)


def test_two_generations_agree_to_the_byte(tmp_path):
    one = writing.dumps(inputs(page_of(tmp_path / "a", CHAPTER)))
    assert one == writing.dumps(inputs(page_of(tmp_path / "b", CHAPTER)))


def test_ids_follow_content_so_a_new_cell_changes_no_other(tmp_path):
    old = [one.id for one in inputs(page_of(tmp_path / "a", CHAPTER)).cells]
    text = CHAPTER.replace("\nMore text.", cell("new = 1") + "\nMore text.")
    new = [one.id for one in inputs(page_of(tmp_path / "b", text)).cells]
    assert len(new) == len(old) + 1
    assert [one for one in new if one in old] == old


def test_equal_cells_and_equal_pages_have_ids_of_their_own(tmp_path):
    root = tiny_book.make(tmp_path, one=cell("a = 1") * 3, two=cell("a = 1") * 3)
    ids = [
        node.id
        for slug in ("one", "two")
        for node in inputs(notebooks.chapter_page(root, slug)).cells
    ]
    assert len(ids) == len(set(ids)) == 8


def test_the_code_of_a_quiz_is_folded_and_of_no_other_cell(tmp_path):
    quiz = cell(":tags: [quiz, remove-input]\n\na = 1")
    own = cell("---\ntags: [quiz]\njupyter: {outputs_hidden: false}\n---\nb = 2")
    made = inputs(page_of(tmp_path, CHAPTER + quiz + own)).cells
    assert [one.metadata.get("jupyter") for one in made[-2:]] == [
        {"source_hidden": True},
        {"outputs_hidden": False, "source_hidden": True},
    ]
    assert made[-2].metadata.tags == ["quiz", "remove-input"]
    assert all("jupyter" not in one.metadata for one in made[:-2])


# What is run again.


def test_nothing_is_run_again_when_nothing_changed(book, no_kernel, capsys):
    before = tiny_book.notebook(book).stat().st_mtime_ns
    assert notebooks.build(book) == []
    assert tiny_book.notebook(book).stat().st_mtime_ns == before
    assert "fresh   chapters/tiny" in capsys.readouterr().out


def test_new_text_and_tags_reach_the_notebook_without_a_run(book, no_kernel):
    outputs = pages.outputs_hash(tiny_book.read(tiny_book.notebook(book)))
    tiny_book.replace(tiny_book.source(book), "A line of text.", "Another line.")
    tiny_book.replace(tiny_book.source(book), "[define]", "[define, hide-input]")
    assert notebooks.check(book) != []
    assert notebooks.build(book) == []
    assert notebooks.check(book) == []
    made = tiny_book.read(tiny_book.notebook(book))
    assert "Another line." in made.cells[1].source
    assert pages.outputs_hash(made) == outputs


@pytest.mark.parametrize(
    ("path", "old", "new", "reason"),
    [
        ("chapters/source/tiny.md", "root(9)", "root(4)", "code changed"),
        ("d2l_lite/data.py", "one = 1", "one = 2", "package changed"),
        ("requirements.txt", "2", "3", "requirements changed"),
        ("chapters/tiny.ipynb", "12.0", "13.0", "outputs were edited"),
        (
            "chapters/tiny.ipynb",
            '"execution_count": 4,',
            '"execution_count": 9,',
            "outputs were edited",
        ),
        ("chapters/tiny.ipynb", '"nbformat": 4', '"nbformat": 3', "unreadable notebook"),
    ],
)
def test_what_makes_a_run_necessary(book, path, old, new, reason):
    assert reason_to_run(notebooks.chapter_page(book, "tiny")) == ""
    tiny_book.replace(book / path, old, new)
    assert reason_to_run(notebooks.chapter_page(book, "tiny")) == reason


def test_a_covered_up_fault_is_mended_by_the_remedy_that_the_check_names(book):
    made = tiny_book.read(tiny_book.notebook(book))
    made.cells[-1].execution_count = None
    made.metadata["d2l_lite"]["outputs"] = pages.outputs_hash(made)
    writing.write_notebook(made, tiny_book.notebook(book))
    (fault,) = notebooks.check(book)
    assert "was not run; run `python -m tools.notebooks build tiny`" in fault
    assert notebooks.main(["build", "tiny"], root=book) == 0
    assert notebooks.check(book) == []


# What a run leaves.


def test_a_run_records_what_it_needed(built):
    record = tiny_book.read(tiny_book.notebook(built)).metadata["d2l_lite"]
    hashes = notebooks.chapter_page(built, "tiny").hashes()
    assert {key: record[key] for key in hashes} == hashes
    assert record["python"] == sys.version.split()[0]
    assert record["device"] == "cpu"
    assert 0.2 <= record["seconds"] < 60
    assert 20 < record["peak_memory_mb"] < 2000
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", record["date"])


def test_outputs_and_counts_are_those_of_a_run_in_order(built):
    cells = pages.code_cells(tiny_book.read(tiny_book.notebook(built)))
    assert [one.execution_count for one in cells] == [1, 2, 3, 4, 5]
    assert cells[3].outputs[0].text == "12.0\n"
    assert cells[4].outputs[0].data == {"text/plain": "3.0"}


def test_a_second_run_differs_in_measurements_alone(book):
    def stable():
        made = tiny_book.read(tiny_book.notebook(book))
        for key in ("seconds", "peak_memory_mb", "date"):
            del made.metadata["d2l_lite"][key]
        return writing.dumps(made)

    before = stable()
    assert notebooks.build(book, plan=Plan(force=True)) == []
    assert stable() == before


SURROUNDINGS = """
import json, os
keys = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "PYTHONHASHSEED", "SOURCE_DATE_EPOCH", "MPLBACKEND")
print(json.dumps({"env": [os.environ[key] for key in keys], "files": os.listdir()}))
"""


def test_a_kernel_starts_alone_with_fixed_seeds_and_its_share_of_the_cores(tmp_path):
    page = page_of(tmp_path, cell(SURROUNDINGS))
    (tmp_path / "chapters" / "data.csv").write_text("1")
    made = kernels.execute(page, inputs(page), threads=1)
    seen = json.loads(made.cells[-1].outputs[0].text)
    backend = "module://matplotlib_inline.backend_inline"
    assert seen == {"env": ["1", "passive", "0", "0", backend], "files": []}


def test_neighboring_pieces_of_a_stream_become_one():
    def stream(name, text):
        return nbformat.v4.new_output("stream", name=name, text=text)

    shown = nbformat.v4.new_output("display_data", data={"text/plain": "x"})
    made = normalized(
        [stream("stdout", "a"), stream("stdout", "b\n"), shown, stream("stdout", "c")]
    )
    assert [one.get("text") for one in made] == ["ab\n", None, "c"]


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("1 %\r50 %\r100 %\ndone\n", "100 %\ndone\n"),
        ("line\r\nnext\r\n", "line\nnext\n"),
        ("100 %\r", "100 %"),
        ("plain\n", "plain\n"),
    ],
)
def test_a_line_that_was_written_over_is_stored_as_last_seen(text, stored):
    (made,) = normalized([nbformat.v4.new_output("stream", name="stdout", text=text)])
    assert made.text == stored


# Sharing out the cores.


@pytest.mark.parametrize(
    ("cores", "jobs", "processes", "threads"),
    [(2, None, 2, 1), (2, 1, 1, 2), (2, 8, 2, 1), (16, 3, 3, 5), (1, None, 1, 1), (4, 0, 4, 1)],
)
def test_processes_times_threads_stay_within_the_cores(
    monkeypatch, cores, jobs, processes, threads
):
    monkeypatch.setattr(building, "cores", lambda: cores)
    plan = Plan(jobs)
    assert (plan.processes, plan.threads) == (processes, threads)
    assert plan.processes * plan.threads <= cores


def test_every_numeric_library_gets_the_same_share(tmp_path):
    made = environment(3, tmp_path)
    assert {made[key] for key in made if key.endswith("_NUM_THREADS")} == {"3"}
    assert len([key for key in made if key.endswith("_NUM_THREADS")]) >= 3


def test_pages_run_at_the_same_time_up_to_the_number_of_jobs(tmp_path, monkeypatch):
    monkeypatch.setattr(building, "cores", lambda: 2)
    running, most = set(), []

    def pretend(page, notebook, **options):
        running.add(page.name)
        time.sleep(0.2)
        most.append(len(running))
        running.discard(page.name)
        raise kernels.PageError("pretended")

    monkeypatch.setattr(building, "execute", pretend)
    root = tiny_book.make(tmp_path, **{f"c{i}": cell("a = 1") for i in range(5)})
    all_pages = [notebooks.chapter_page(root, f"c{i}") for i in range(5)]
    assert len(build_pages(all_pages, Plan())) == 5
    assert max(most) == 2


# Failures.

HOSTILE = {
    "good": cell("print(1)"),
    "raises": CHAPTER + cell("first = 1\nroot(-first)"),
    "syntax": "\n# Title\n" + cell("fine = 1\nfor in range(3):"),
    "slow": cell("import time\ntime.sleep(100)"),
    "dead": cell("import os") + cell("os._exit(3)"),
    "noisy": cell("import warnings\nwarnings.warn('beware')"),
    "address": cell("print(object())"),
    "widget": cell("import ipywidgets\nipywidgets.IntSlider()"),
    "private": cell("import tempfile\nprint(tempfile.gettempdir() + '/x')"),
    "huge": cell("print('x' * 10)"),
}
#: Chapter to number of the cell, line of the source that is named, and the reason.
EXPECTED = {
    "raises": (8, "root(-first)", "ValueError: x must not be negative, got -1 (raised in"),
    "syntax": (3, "for in range(3):", "SyntaxError: invalid syntax"),
    "slow": (2, "import time", "did not finish within 8 s"),
    "dead": (3, "os._exit(3)", "the kernel died"),
    "noisy": (2, "import warnings", "writes to stderr ("),
    "address": (2, "print(object())", "shows a memory address (at 0x"),
    "widget": (2, "import ipywidgets", "stores a widget"),
    "private": (2, "import tempfile", "shows a path of one machine (/"),
}


def line_of(root, slug, text):
    """Return how a message names the line of a source that holds a text."""
    lines = tiny_book.source(root, slug).read_text().splitlines()
    (number,) = [number for number, line in enumerate(lines, 1) if text in line]
    return f"chapters/source/{slug}.md line {number}"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A book of failing chapters around a good one, built once: its folder and the messages."""
    root = tiny_book.make(tmp_path_factory.mktemp("hostile"), **HOSTILE)
    for slug in HOSTILE:
        tiny_book.notebook(root, slug).write_text("committed before")
    return root, notebooks.build(root, plan=Plan(timeout=8))


@pytest.mark.parametrize("slug", EXPECTED)
def test_a_failure_names_chapter_cell_line_and_reason(hostile, slug):
    root, messages = hostile
    number, text, reason = EXPECTED[slug]
    (message,) = [one for one in messages if one.startswith(f"chapters/{slug},")]
    assert re.match(rf"chapters/{slug}, cell {number} \(`[^`]+`\), ", message)
    assert f", {line_of(root, slug, text)}: {reason}" in message
    assert "\n" not in message


def test_a_failure_also_names_the_line_that_raised(hostile):
    root, messages = hostile
    (message,) = [one for one in messages if one.startswith("chapters/raises,")]
    assert message.endswith(f"(raised in {line_of(root, 'raises', 'raise ValueError')})")


@pytest.mark.parametrize("slug", EXPECTED)
def test_a_failed_chapter_leaves_its_notebook_as_it_was(hostile, slug):
    root, _ = hostile
    assert tiny_book.notebook(root, slug).read_text() == "committed before"


def test_the_other_chapters_go_on(hostile):
    root, messages = hostile
    assert len(messages) == len(EXPECTED)
    for slug in ("good", "huge"):
        assert len(tiny_book.read(tiny_book.notebook(root, slug)).cells) == 2
    leftovers = [path.name for path in (root / "chapters").iterdir() if path.name[0] == "."]
    assert leftovers == []


def test_an_unreadable_source_stops_only_its_own_chapter(tmp_path, no_kernel):
    root = tiny_book.make(tmp_path, broken="# Text\n", other=CHAPTER)
    first, second = notebooks.build(root)
    assert "holds no code cell" in first
    assert second == "chapters/other: AssertionError: nothing must be run"


def test_a_kernel_with_a_package_from_elsewhere_is_refused(tmp_path, monkeypatch):
    page = page_of(tmp_path / "book", cell("import d2l_lite"))
    for folder in (tmp_path / "book", tmp_path / "elsewhere"):
        (folder / "d2l_lite").mkdir(parents=True, exist_ok=True)
        (folder / "d2l_lite" / "__init__.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "elsewhere"))
    with pytest.raises(kernels.PageError, match=r"imported d2l_lite from .*elsewhere.* not from"):
        kernels.execute(page, inputs(page))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "book"))
    kernels.execute(page, inputs(page))


@pytest.mark.slow
def test_an_interrupt_stops_kernels_and_leaves_notebooks_whole(tmp_path):
    text = (
        "import os, pathlib, time\npathlib.Path({!r}).write_text(str(os.getpid()))\ntime.sleep(99)"
    )
    root = tiny_book.make(tmp_path, slow=cell(text.format(str(tmp_path / "pid"))))
    tiny_book.notebook(root, "slow").write_text("committed before")
    program = "import sys; from pathlib import Path; from tools.notebooks import main; "
    program += f"sys.exit(main(['build'], root=Path({str(root)!r})))"
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (tmp_path / "pid").is_file() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Interrupted" in said
    assert b"Traceback" not in said
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert tiny_book.notebook(root, "slow").read_text() == "committed before"


def test_a_kernel_that_was_just_starting_runs_no_cell_after_an_interrupt(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels, "_STOPPED", threading.Event())
    page = page_of(tmp_path, cell("a = 1"))
    kernels.stop_all()
    with pytest.raises(kernels.PageError, match=r"cell 1 .*: interrupted"):
        kernels.execute(page, inputs(page))


# Profiles.


def test_a_profile_runs_below_build_and_leaves_the_committed_notebook(book):
    before = tiny_book.notebook(book).read_bytes()
    assert notebooks.build_profile(book, "fast") == []
    made = tiny_book.read(book / "build" / "profiles" / "fast" / "tiny.ipynb")
    injected = next(
        one for one in made.cells if "injected-parameters" in one.metadata.get("tags", [])
    )
    assert injected.source == "# Parameters of the profile fast\ncount = 2"
    assert made.cells.index(injected) == 3
    assert made.cells[6].outputs[0].text == "8.0\n"
    assert tiny_book.notebook(book).read_bytes() == before
    assert notebooks.check(book) == []


def test_the_default_profile_has_the_chapters_own_parameters(book):
    page = notebooks.chapter_page(book, "tiny")
    (made,) = notebooks.profile_pages({"default": {}}, "default", {"tiny": page})
    assert made.cells == page.cells
    assert made.target == book / "build" / "profiles" / "default" / "tiny.ipynb"


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("fast: {}", "quick", "no profile is called 'quick'; profiles.yml has: fast"),
        (
            "fast: {tiny: {size: 1}}",
            "fast",
            "profiles.yml, profile fast: tiny has no parameter 'size'; it has: count",
        ),
        (
            "fast: {large: {count: 1}}",
            "fast",
            "profiles.yml, profile fast: no chapter 'large'; there are: tiny",
        ),
        ("fast: 3", "fast", "profiles.yml must map profiles to chapters to parameters to values"),
    ],
)
def test_an_unknown_profile_chapter_or_parameter_is_named_with_the_known_ones(
    book, no_kernel, text, name, message
):
    (book / "profiles.yml").write_text(text)
    assert notebooks.build_profile(book, name) == [message]


def test_the_check_reads_profiles_too(book):
    (book / "profiles.yml").write_text("gpu: {tiny: {size: 1}}")
    assert notebooks.check(book) == [
        "profiles.yml, profile gpu: tiny has no parameter 'size'; it has: count"
    ]


def test_parameters_are_found_whatever_their_comments_hold(tmp_path):
    text = ":tags: [parameters]\n\na = 1  # a = b = c\nb: int = 2\n\nc = d = [\n    3,\n]"
    page = page_of(tmp_path, cell(text))
    assert profiles.parameters_of(page) == ["a", "b", "c", "d"]


# The command line.


def test_the_command_line_says_what_it_did_and_how_it_ended(book, capsys):
    assert notebooks.main(["build"], root=book) == 0
    assert notebooks.main(["check"], root=book) == 0
    assert "in step" in capsys.readouterr().out
    tiny_book.replace(tiny_book.source(book), "count = 3", "count = 1 / 0")
    assert notebooks.main(["build", "tiny"], root=book) == 1
    said = capsys.readouterr()
    assert "start   chapters/tiny (code changed)\nfailed  chapters/tiny\n" in said.out
    assert "ZeroDivisionError" in said.err
    assert notebooks.main(["check", "tiny"], root=book) == 1


def test_a_finished_chapter_is_one_line_with_seconds_and_memory(book, capsys):
    assert notebooks.main(["build", "--force", "tiny"], root=book) == 0
    assert re.search(r"^done    chapters/tiny: \d+\.\d s, \d+ MB$", capsys.readouterr().out, re.M)


@pytest.mark.parametrize("arguments", [["build", "tyni"], ["check", "tyni"]])
def test_an_unknown_slug_is_named_with_the_known_ones(book, capsys, arguments):
    assert notebooks.main(arguments, root=book) == 1
    said = capsys.readouterr()
    assert said.out + said.err == "nothing is called tyni; there are: tiny\n"
