"""Pages whose commands are run, so that what stands below a command is what it printed.

A page is read from top to bottom, in an empty folder:

- a fence `console` holds commands behind `$ ` and what they printed;
- a fence `python` is a cell, as in a notebook; what it printed follows in a fence `text`;
- a fence `{code-block}` whose `:caption:` is a name is a file of this name, written there.

`python -m tools.transcripts build` writes the outputs into the pages. `python -m tools.transcripts
check` compares them, except for times, sizes and hashes. A line `% needs: docker` before a fence
leaves it as it is where that program or module is missing, and so does the line `% varies` when
pages are compared. Other fences, such as `{code-block} console` without a caption, are not run.
"""

import argparse
import difflib
import functools
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tools.shell import TIMEOUT, Shell, TranscriptError, environment

ROOT = Path(__file__).resolve().parent.parent
#: The script that runs the cells of a page, in a folder where nothing of this project can be found.
PERFORM = Path(__file__).with_name("perform.py")
#: How the folder is called on the page.
FOLDER = "/home/ada/course"
_FENCE = re.compile(r"^(`{3,})(\S.*)?$")
_MARK = re.compile(r"^% (needs: \S+|varies)\b")
_VARIES = re.compile(
    r"\d{4}-\d\d-\d\dT[\d:.]+Z?|\b[0-9a-f]{12,}\b|\b\d[\d.,]*(?= ?(?:ms|s|seconds|kB|MB|GB)\b)"
    r"|\b(?:bubblewrap|other-uid)\b"
)


@dataclass(frozen=True)
class Block:
    """A fence of a page: the lines from `start` (its opening) to `end` (behind its closing)."""

    start: int
    end: int
    kind: str
    lines: tuple[str, ...]
    name: str = ""
    needs: str = ""
    varies: bool = False


def read_blocks(text: str) -> list[Block]:
    """Return the fences of a page, in order.

    Args:
        text: The page.

    Returns:
        The fences. Their kind is `console`, `python`, `text`, `file`, or empty for all others.

    Raises:
        TranscriptError: A fence is not closed.
    """
    lines, at = text.splitlines(), 0
    found: list[Block] = []
    marks: list[str] = []
    while at < len(lines):
        opening = _FENCE.match(lines[at])
        if opening is None:
            mark = _MARK.match(lines[at])
            marks = [*marks, mark[1]] if mark else marks if not lines[at].strip() else []
            at += 1
            continue
        end = next((k for k in range(at + 1, len(lines)) if lines[k] == opening[1]), None)
        if end is None:
            raise TranscriptError(f"line {at + 1}: this fence is not closed")
        block = _block(at, (opening[2] or "").strip(), tuple(lines[at + 1 : end]))
        needs = [mark.removeprefix("needs: ") for mark in marks if mark != "varies"]
        block = replace(block, needs=" ".join(needs), varies="varies" in marks)
        found.append(_as_output(block, found) if block.kind == "text" else block)
        at, marks = end + 1, []
    return found


def _as_output(block: Block, before: Sequence[Block]) -> Block:
    """Return a fence `text` as the output of the cell right above it, or as one of the others."""
    if before and before[-1].kind == "python" and block.start - before[-1].end <= 1:
        return replace(block, needs=before[-1].needs)
    return replace(block, kind="")


def _block(start: int, info: str, lines: tuple[str, ...]) -> Block:
    """Return a fence by its first line and what stands in it."""
    end, kind, name = start + len(lines) + 2, info, ""
    if info.startswith("{code-block}"):
        options = [line for line in lines if re.match(r":[\w-]+:", line)]
        captions = [line for line in options if line.startswith(":caption: ")]
        name = captions[0].removeprefix(":caption: ").strip("\"'` ") if captions else ""
        lines = lines[len(options) :]
        lines = lines[1:] if options and lines and not lines[0] else lines
        kind = "file" if name else ""
    known = ("console", "python", "text", "file")
    return Block(start, end, kind if kind in known else "", lines, name)


def shown(text: str, folder: Path) -> list[str]:
    """Return the lines of an output as a terminal shows them; the folder has the page's name."""
    text = text.replace(str(folder.resolve()), FOLDER).replace(str(folder), FOLDER)
    text = text.replace("\ufeff", "")
    lines = [line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def commands(block: Block) -> list[tuple[list[str], list[str]]]:
    """Return the commands of a fence, as lines of the page, and the outputs below them."""
    found: list[tuple[list[str], list[str]]] = []
    for line in block.lines:
        if line.startswith("$ "):
            found.append(([line], []))
        elif found and not found[-1][1] and found[-1][0][-1].endswith("\\"):
            found[-1][0].append(line)
        elif found:
            found[-1][1].append(line)
        elif line:
            raise TranscriptError(f"line {block.start + 2}: a command must come first, `$ …`")
    return found


class Runner:
    """Runs the fences of a page in a folder, and gives each its lines anew."""

    def __init__(self, folder: Path, shell: Shell, outputs: Iterator[str]) -> None:
        self._folder, self._shell, self._outputs = folder, shell, outputs
        self._lines: list[str] = []

    def run(self, block: Block) -> list[str] | None:
        """Return the lines that a fence must have; None where they are not ours to say."""
        if self._lines and block.kind != "text":
            raise TranscriptError(
                f"line {block.start + 1}: the cell above printed {self._lines[0]!r}, and so a "
                "fence `text` must follow it, after at most one empty line"
            )
        if block.kind == "file":
            target = self._folder / block.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("\n".join(block.lines) + "\n", encoding="utf-8")
        elif block.kind == "python":
            self._lines = shown(next(self._outputs), self._folder)
        elif block.kind == "text":
            lines, self._lines = self._lines, []
            return lines
        elif block.kind == "console":
            return self._console(block)
        return None

    def close(self) -> None:
        """Raise where the last cell printed something that stands nowhere."""
        if self._lines:
            raise TranscriptError(
                f"the last cell printed {self._lines[0]!r}; a fence `text` must follow it"
            )

    def _console(self, block: Block) -> list[str]:
        """Return the lines of a fence of commands; one that fails must be followed by its code."""
        lines: list[str] = []
        found = commands(block)
        for index, (words, _) in enumerate(found):
            text, status = self._shell.run("\n".join(words).removeprefix("$ "))
            lines += [*words, *shown(text, self._folder)]
            if status and [follower[0][0] for follower in found[index + 1 :]][:1] != ["$ echo $?"]:
                raise TranscriptError(
                    f"line {block.start + 1}: the command {words[0][2:]!r} failed with exit code "
                    f"{status}; where this is meant, let `$ echo $?` follow. It printed:\n{text}"
                )
        return lines


def missing(needs: str) -> str:
    """Return the first program or module of a list that is not there, or nothing."""
    return next((name for name in needs.split() if not _is_there(name)), "")


@functools.cache
def _is_there(name: str) -> bool:
    """Return whether a program or a module is there; `sandbox` is a tier that can be trusted."""
    if name == "sandbox":
        command = [sys.executable, "-m", "d2l_lite.grading", "probe"]
        return subprocess.run(command, capture_output=True).returncode == 0
    return shutil.which(name) is not None or importlib.util.find_spec(name) is not None


def rerun(text: str) -> tuple[str, list[str]]:
    """Return a page with the outputs of a new run, and what was left out.

    Args:
        text: The page.

    Returns:
        The page, and a line for each fence that was not run since something is missing.

    Raises:
        TranscriptError: A command or a cell failed.
    """
    blocks, left = read_blocks(text), []
    lines = text.splitlines()
    anew: list[tuple[Block, list[str]]] = []
    with tempfile.TemporaryDirectory() as name, Shell(Path(name)) as shell:
        runner = Runner(Path(name), shell, _cells(blocks, Path(name)))
        for block in blocks:
            lack = missing(block.needs)
            if lack:
                left.append(f"line {block.start + 1}: not run, since {lack} is missing")
            elif (found := runner.run(block)) is not None:
                anew.append((block, found))
        runner.close()
    for block, found in reversed(anew):
        lines[block.start + 1 : block.end - 1] = found
    return "\n".join(lines) + "\n", left


def _cells(blocks: Sequence[Block], folder: Path) -> Iterator[str]:
    """Yield what the cells of a page print; they run together, in a process of their own."""
    cells = [block for block in blocks if block.kind == "python" and not missing(block.needs)]
    if not cells:
        return
    done = subprocess.run(
        [sys.executable, "-I", str(PERFORM)],
        input=json.dumps(["\n".join(block.lines) for block in cells]),
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    if done.returncode:
        raise TranscriptError(f"a cell failed:\n{done.stderr}")
    yield from json.loads(done.stdout)


def differences(old: str, new: str) -> list[str]:
    """Return where two runs of a page differ in more than times, sizes and hashes."""
    pairs = zip(read_blocks(old), read_blocks(new), strict=True)
    found: list[str] = []
    for before, after in pairs:
        if before.varies:
            continue
        was, now = ([_VARIES.sub("#", line) for line in one.lines] for one in (before, after))
        changes = list(difflib.unified_diff(was, now, lineterm="", n=0))[2:]
        if changes:
            found.append(f"line {before.start + 1}: a new run gives other lines")
            found += [f"  {line}" for line in changes if not line.startswith("@@")]
    return found


def pages(root: Path = ROOT) -> list[Path]:
    """Return the pages of the book that are transcripts."""
    texts = sorted((root / "chapters").glob("*.md"))
    return [
        path
        for path in texts
        if any(block.kind in ("console", "python") for block in read_blocks(_text(path)))
    ]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def treat(path: Path, *, write: bool) -> list[str]:
    """Return what is wrong with a page, one line each, after running it.

    Args:
        path: The page.
        write: Whether its outputs are written anew instead of compared.

    Returns:
        The faults; what was not run is said on the standard error.
    """
    text = _text(path)
    try:
        new, left = rerun(text)
    except TranscriptError as error:
        return [f"{path.name}: {error}"]
    for line in left:
        print(f"{path.name}: {line}", file=sys.stderr)
    if write:
        path.write_text(new, encoding="utf-8")
        return []
    return [f"{path.name}: {line}" for line in differences(text, new)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.transcripts", description=__doc__)
    parser.add_argument("command", choices=["build", "check"])
    parser.add_argument("pages", nargs="*", type=Path, help="pages; all where none is named")
    options = parser.parse_args(arguments)
    faults = [
        fault
        for path in options.pages or pages()
        for fault in treat(path, write=options.command == "build")
    ]
    print("\n".join(faults) if faults else "Every page shows what its commands print.")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
