"""What was handed in: one notebook for each learner below a folder, and why where there is none.

A learner's notebook is `alice.ipynb`, or lies in the folder `alice`. Symbolic links are never
followed, and nothing is opened that is not a regular file.
"""

import csv
import os
import re
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from d2l_lite.grading.files import FileError, read_regular
from d2l_lite.grading.notebooks import MAX_BYTES

#: How deep below a learner's folder a notebook may lie: archives often wrap a folder in a folder.
MAX_DEPTH = 4
#: Files changed less than so many seconds before they were read may change once more unnoticed.
YOUNG_SECONDS = 2.0
COLUMN = "learner"
SKIPPED = {"__MACOSX", "__pycache__"}
#: How downloads of learning platforms name what a learner handed in.
LAYOUTS = {
    "plain": r"(?P<learner>.+)",
    "canvas": r"(?P<learner>[^_]+)(?:_LATE)?_(?P<id>\d+)_\d+_(?P<file>.+)",
    "moodle": r"(?P<learner>.+)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)_?(?P<file>.*)",
}
#: Why something in the folder is not looked at.
NO_NOTEBOOK, MISNAMED = "they are no notebooks", "their names are not as {} writes them"
#: So many files are named in a message.
MAX_NAMES = 5


class CollectError(ValueError):
    """The folder, or the roster, cannot be graded; the message says what to do."""


class ReadError(Exception):
    """A notebook that was there could not be read: a failure that is not the learner's."""


@dataclass(frozen=True)
class HandedIn:
    """What one learner handed in.

    `status` is empty where there is a notebook; otherwise `unreadable`, `missing`, or
    `infrastructure` where its folder could not be read; `message` says why. `file` is the path
    below the folder, as records name it. `choice` says which of several notebooks counts. `listed`
    is whether the learner stands on the roster, if there is one.
    """

    learner: str
    file: str = ""
    status: str = ""
    message: str = ""
    choice: str = ""
    listed: bool = True


@dataclass(frozen=True)
class Found:
    """A file or folder that may be a learner's: its path, and the name that was handed in."""

    learner: str
    name: str
    entry: "os.DirEntry[str]"


def collect(
    folder: Path,
    slug: str,
    *,
    layout: str = "plain",
    roster: Path | None = None,
    ignored: Callable[[str, str], None] = lambda why, name: None,
) -> list[HandedIn]:
    """Return what every learner handed in, by learner.

    Args:
        folder: Holds `alice.ipynb`, or `alice/` with a notebook in it.
        slug: Name of the exercise set; of several notebooks, `<slug>.ipynb` counts.
        layout: Key of `LAYOUTS`: who named the files.
        roster: CSV file with the column `learner`; who is not in the folder is added as `missing`.
        ignored: Called with why something belongs to nobody, as the end of a sentence about
            several of its kind, and with its name.

    Returns:
        One entry for each learner.

    Raises:
        CollectError: The folder or the roster cannot be read, or two names differ only in case or
            in how Unicode writes them.
    """
    groups: dict[str, list[Found]] = {}
    for entry in _entries(folder, top=True):
        if not _may_be_handed_in(entry):
            ignored(NO_NOTEBOOK, entry.name)
        elif found := _of_learner(entry, layout):
            groups.setdefault(found.learner, []).append(found)
        else:
            ignored(MISNAMED.format(layout.capitalize()), entry.name)
    spelled = _unmistakable(groups, str(folder))
    everyone = [_chosen(learner, groups[learner], folder, slug) for learner in groups]
    if roster is not None:
        names = _unmistakable(_roster(roster), str(roster))
        renamed = {spelled[key]: name for key, name in names.items() if key in spelled}
        everyone = [
            replace(
                one, learner=renamed.get(one.learner, one.learner), listed=one.learner in renamed
            )
            for one in everyone
        ]
        absent = [name for key, name in names.items() if key not in spelled]
        everyone += [_missing(name, "", "Nothing was handed in.") for name in absent]
    return sorted(everyone, key=lambda one: one.learner)


def same_name(name: str) -> str:
    """Return what two spellings of one name share: neither case nor Unicode form counts."""
    folded = unicodedata.normalize("NFD", name).casefold()
    return unicodedata.normalize("NFC", folded)


def _unmistakable(names: Iterable[str], where: str) -> dict[str, str]:
    """Return names by what they share with other spellings; two of one name are refused."""
    found: dict[str, str] = {}
    for name in names:
        other = found.setdefault(same_name(name), name)
        if other != name:
            raise CollectError(
                f"learners in {where} must differ in more than case or Unicode form, got "
                f"{other!a} and {name!a}; rename one of them. Nothing was graded"
            )
    return found


def _entries(folder: Path | str, *, top: bool = False) -> list["os.DirEntry[str]"]:
    """Return what lies in a folder, by name, without what is hidden."""
    try:
        with os.scandir(folder) as entries:
            names = [one for one in entries if one.name[0] != "." and one.name not in SKIPPED]
    except OSError as error:
        if not top:
            raise ReadError(f"The folder could not be read: {error.strerror}.") from None
        raise CollectError(
            f"submissions must be a folder with a notebook or a folder for each learner, got "
            f"{str(folder)!r}: {error.strerror}"
        ) from None
    return sorted(names, key=lambda one: one.name)


def _is_notebook(entry: "os.DirEntry[str]") -> bool:
    """Return whether the name is that of a notebook."""
    return entry.name.lower().endswith(".ipynb")


def _may_be_handed_in(entry: "os.DirEntry[str]") -> bool:
    """Return whether this is a notebook or a folder; a link might be one."""
    return _is_notebook(entry) or entry.is_symlink() or entry.is_dir(follow_symlinks=False)


def _of_learner(entry: "os.DirEntry[str]", layout: str) -> Found | None:
    """Return whose file or folder this is; None where its name does not say so."""
    notebook = _is_notebook(entry)
    stem = entry.name[: -len(".ipynb")] if notebook else entry.name
    match = re.fullmatch(LAYOUTS[layout], stem, re.S)
    if match is None:
        return None
    parts = match.groupdict()
    learner = "_".join(part for part in (parts["learner"], parts.get("id")) if part)
    return Found(learner, f"{parts.get('file') or stem}.ipynb" if notebook else "", entry)


def _missing(learner: str, file: str, message: str) -> HandedIn:
    """Return the entry of a learner without a notebook."""
    return HandedIn(learner, file, status="missing", message=message)


def _chosen(learner: str, group: list[Found], folder: Path, slug: str) -> HandedIn:
    """Return the one notebook of a learner that counts, or why there is none."""
    first = _below(folder, group[0].entry)
    try:
        candidates = [one for found in group for one in _notebooks(found)]
    except ReadError as error:
        return HandedIn(learner, first, status="infrastructure", message=str(error))
    if not candidates:
        return _missing(learner, first, "No notebook: the folder holds no file *.ipynb.")
    named = [one for one in candidates if one.name == f"{slug}.ipynb"]
    real = [one for one in candidates if not one.entry.is_symlink()]
    choice = named if len(named) == 1 else real or candidates
    if len(choice) > 1:
        message = (
            f"Several notebooks: {_named(choice, folder)}. One is expected: "
            f"hand in one, or name it {slug}.ipynb."
        )
        return HandedIn(learner, first, status="unreadable", message=message)
    chosen = _regular(learner, choice[0].entry, folder)
    others = [one for one in candidates if one is not choice[0]]
    return replace(chosen, choice=_why(choice, others, folder)) if others else chosen


def _why(choice: Sequence[Found], others: Sequence[Found], folder: Path) -> str:
    """Return what is said about a notebook that counts, and others that do not."""
    return (
        f"{len(others) + 1} notebooks were handed in: {_named(choice, folder)} counts, "
        f"{_named(others, folder)} {'does' if len(others) == 1 else 'do'} not. One is expected."
    )


def _named(found: Sequence[Found], folder: Path) -> str:
    """Return the paths of the first few notebooks."""
    names = ", ".join(ascii(_below(folder, one.entry)) for one in found[:MAX_NAMES])
    return names + ", …" * (len(found) > MAX_NAMES)


def _below(folder: Path, entry: "os.DirEntry[str]") -> str:
    """Return the path of an entry below the folder in which it was found."""
    return entry.path.removeprefix(str(folder)).lstrip("/")


def _regular(learner: str, entry: "os.DirEntry[str]", folder: Path) -> HandedIn:
    """Return the entry of a notebook, which must be a regular file."""
    file = _below(folder, entry)
    if entry.is_symlink():
        message = "A symbolic link: links are not followed. Hand in the notebook itself."
        return HandedIn(learner, file, status="unreadable", message=message)
    if not entry.is_file(follow_symlinks=False):
        message = "No regular file: a notebook is expected. Hand in the notebook itself."
        return HandedIn(learner, file, status="unreadable", message=message)
    return HandedIn(learner, file)


def _notebooks(found: Found, depth: int = 0) -> Iterator[Found]:
    """Yield the notebooks of a learner that lie nearest to the top."""
    if found.name or found.entry.is_symlink():
        yield found
        return
    inside = _entries(found.entry.path)
    notebooks = [one for one in inside if _is_notebook(one)]
    yield from (Found(found.learner, one.name, one) for one in notebooks)
    folders = [one for one in inside if one.is_dir(follow_symlinks=False)]
    if not notebooks and depth < MAX_DEPTH:
        for one in folders:
            yield from _notebooks(Found(found.learner, "", one), depth + 1)


def _roster(path: Path) -> list[str]:
    """Return the names of a roster, each once."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise CollectError(f"the roster must be a CSV file in UTF-8, {path}: {error}") from None
    if rows and COLUMN not in rows[0]:
        columns = ", ".join(map(repr, rows[0]))
        raise CollectError(f"the roster {path} must have a column {COLUMN!r}, has {columns}")
    names = [(row[COLUMN] or "").strip() for row in rows]
    if not any(names):
        raise CollectError(f"the roster {path} must name at least one learner below {COLUMN!r}")
    return list(dict.fromkeys(name for name in names if name))


def stamp_of(path: Path) -> tuple[int, ...]:
    """Return what changes whenever a file is written: size, times and inode; () if too young.

    Args:
        path: The file.

    Returns:
        The stamp. Two equal ones that are not empty mean an unchanged file: a program can set the
        time of the last change of content, but not that of the last change of status.
    """
    try:
        status = os.stat(path, follow_symlinks=False)
    except OSError:
        return ()
    if max(status.st_mtime, status.st_ctime) > time.time() - YOUNG_SECONDS:
        return ()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def read(handed: HandedIn, folder: Path) -> bytes:
    """Return the bytes of a notebook.

    Args:
        handed: What a learner handed in.
        folder: The folder of all submissions; no link below it is followed.

    Returns:
        The bytes.

    Raises:
        FileError: It is too large, or has become something else than a regular file.
        ReadError: It could not be read, for a reason that is not the learner's.
    """
    try:
        return read_regular(Path(handed.file), max_bytes=MAX_BYTES, root=folder)
    except FileError as error:
        if isinstance(error.__context__, OSError):
            raise ReadError(str(error)) from None
        raise
