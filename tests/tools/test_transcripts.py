"""Pages whose commands are run: what is run, what is written, what is compared."""

import os
import textwrap
import time

import pytest

from tests import browser
from tools import transcripts
from tools.shell import Shell, TranscriptError
from tools.transcripts import FOLDER, differences, missing, pages, read_blocks, rerun, treat


def page(text):
    """A page without the indentation of a test; ' stands for the fence's backquote."""
    return textwrap.dedent(text).lstrip("\n").replace("'''", "```")


def outputs(text):
    return [list(block.lines) for block in read_blocks(rerun(page(text))[0]) if block.kind]


def test_outputs_of_commands_are_written_below_them_and_stale_ones_removed():
    text = page("""
        Prose stays.

        '''console
        $ echo one; echo two >&2
        stale
        $ true
        $ printf 'a\\tb'
        '''

        More prose.
    """)
    new, left = rerun(text)
    body = ["$ echo one; echo two >&2", "one", "two", "$ true", "$ printf 'a\\tb'", "a\tb"]
    assert new.splitlines() == ["Prose stays.", "", "```console", *body, "```", "", "More prose."]
    assert left == []
    assert rerun(new)[0] == new


def test_commands_share_an_empty_folder_and_one_shell():
    text = """
        '''{code-block} python
        :caption: deep/hello.py

        print("hello")
        '''

        '''console
        $ find . -type f
        $ name=deep; cd $name
        $ python hello.py
        $ pwd
        '''
    """
    lines = ["$ find . -type f", "./deep/hello.py", "$ name=deep; cd $name"]
    lines += ["$ python hello.py", "hello", "$ pwd", f"{FOLDER}/deep"]
    assert outputs(text)[1] == lines


def test_a_command_of_several_lines_is_one():
    assert outputs("""
        '''console
        $ echo a \\
            b
        stale
        '''
    """) == [["$ echo a \\", "    b", "a b"]]


def test_a_terminal_shows_the_last_state_of_a_line_and_no_marks():
    assert outputs("""
        '''console
        $ printf '1 of 2\\r2 of 2\\nd\\357\\273\\277one   \\n\\n'
        '''
    """)[0][1:] == ["2 of 2", "done"]


def test_a_command_may_fail_only_where_its_code_is_shown():
    assert outputs("""
        '''console
        $ (exit 3)
        $ echo $?
        '''
    """) == [["$ (exit 3)", "$ echo $?", "3"]]
    with pytest.raises(TranscriptError, match=r"line 1: the command 'false' failed with exit code"):
        rerun("```console\n$ false\n```\n")


CELLS = """
    '''python
    def double(x):
        return 2 * x


    print(double(4))
    '''

    '''text
    stale
    '''

    '''python
    import inspect
    '''

    '''python
    print(inspect.getsource(double).splitlines()[1].strip(), __name__)
    '''

    '''text
    '''
"""


def test_cells_share_their_names_and_their_lines_can_be_shown():
    blocks = outputs(CELLS)
    assert (blocks[1], blocks[4]) == (["8"], ["return 2 * x __main__"])


def test_what_a_cell_prints_must_have_a_place():
    text = "```python\nprint(1)\n```\n\n```console\n$ true\n```\n"
    with pytest.raises(TranscriptError, match="line 5: the cell above printed '1'"):
        rerun(text)
    with pytest.raises(TranscriptError, match="the last cell printed '1'"):
        rerun("```python\nprint(1)\n```\n")


def test_a_cell_that_fails_is_said_with_its_traceback():
    with pytest.raises(TranscriptError, match=r"(?s)a cell failed:.*ZeroDivisionError"):
        rerun("```python\n1 / 0\n```\n")


def test_other_fences_are_left_alone():
    text = page("""
        '''{code-block} console
        $ rm -rf nothing
        '''

        ''''markdown
        '''console
        $ exit
        '''
        ''''

        '''text
        no output of a cell
        '''
    """)
    assert rerun(text) == (text, [])


def test_what_needs_a_missing_program_stays_as_it_is_and_is_said():
    text = "% needs: no-such-program\n```console\n$ no-such-program\nits output\n```\n"
    assert rerun(text) == (text, ["line 2: not run, since no-such-program is missing"])
    text = "% needs: no_such_module\n```python\nprint(1)\n```\n\n```text\n1\n```\n"
    new, left = rerun(text)
    assert new == text
    assert len(left) == 2


@pytest.mark.parametrize("name", ["bash", "json"])
def test_programs_and_modules_that_are_there_are_found(name):
    assert missing(name) == ""
    assert missing(f"{name} no-such-program") == "no-such-program"


def test_pages_differ_in_what_was_printed_but_not_in_times_and_hashes():
    line = "{} graded in {} s at {}, {} MB, tests {}"
    old = line.format(5, "1.25", "2026-11-21T17:26:26Z", 500, "0123456789abcdef")
    same = line.format(5, "12", "2027-01-02T03:04:05Z", "1,024", "fedcba9876543210")
    other = same.replace("5 graded", "6 graded")
    fence = "```console\n$ grade\n{}\n```\n"
    assert differences(fence.format(old), fence.format(same)) == []
    found = differences(fence.format(old), fence.format(other))
    assert found[0] == "line 1: a new run gives other lines"
    assert [text[:5] for text in found[1:]] == ["  -5 ", "  +6 "]
    varied = "% varies\n" + fence
    assert differences(varied.format(old), varied.format(other)) == []


def test_a_page_is_checked_and_mended(tmp_path, capsys):
    path = tmp_path / "page.md"
    path.write_text("```console\n$ echo new\nold\n```\n", encoding="utf-8")
    assert treat(path, write=False) == [
        "page.md: line 1: a new run gives other lines",
        "page.md:   -old",
        "page.md:   +new",
    ]
    assert transcripts.main(["check", str(path)]) == 1
    assert transcripts.main(["build", str(path)]) == 0
    assert transcripts.main(["check", str(path)]) == 0
    assert "Every page shows what its commands print." in capsys.readouterr().out


def test_broken_pages_are_said(tmp_path):
    path = tmp_path / "page.md"
    for text, words in {
        "text\n```console\n$ true\n": "page.md: line 2: this fence is not closed",
        "```console\noutput\n```\n": "page.md: line 2: a command must come first, `$ …`",
    }.items():
        path.write_text(text, encoding="utf-8")
        assert treat(path, write=True) == [words]
        assert path.read_text(encoding="utf-8") == text


def test_a_shell_ends_with_all_that_it_started(tmp_path):
    with Shell(tmp_path) as shell:
        text, status = shell.run("sleep 1000 > /dev/null & echo $!")
        assert status == 0
        pid = int(text)
        os.kill(pid, 0)
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            if file.read().split()[2] == "Z":
                return
        time.sleep(0.05)
    pytest.fail("a process of the shell lives on")


def test_a_shell_refuses_commands_that_hang_or_end_it(tmp_path):
    with Shell(tmp_path) as shell, pytest.raises(TranscriptError, match="takes too long"):
        shell.run("sleep 5", timeout=0.2)
    with Shell(tmp_path) as shell, pytest.raises(TranscriptError, match="ended the shell"):
        shell.run("exit 3")


def test_commands_see_this_python_and_nothing_of_the_users_taste(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONSTARTUP", "x")
    monkeypatch.setenv("SECRET_TOKEN", "x")
    with Shell(tmp_path) as shell:
        seen = shell.run("env; python -c 'import d2l_lite, sys; print(sys.prefix)'")[0]
    assert transcripts.sys.prefix in seen.splitlines()
    assert "x" not in [line.partition("=")[2] for line in seen.splitlines()]


def test_the_book_has_pages_of_both_kinds():
    assert {"exercises.md", "grading.md"} <= {path.name for path in pages()}


@pytest.mark.slow
@pytest.mark.parametrize("path", pages(), ids=lambda path: path.stem)
def test_every_page_shows_what_its_commands_print(path, capsys):
    assert treat(path, write=False) == []
    if left := capsys.readouterr().err:
        browser.missing(left)
