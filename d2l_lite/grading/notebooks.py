"""Read a learner's notebook: nothing in it is trusted, and everything that can be read is kept.

A file that cannot be read at all is a `NotebookError`; whatever is odd but readable becomes a note.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d2l_lite.grading.cells import is_setup
from d2l_lite.grading.files import FileError, read_regular

MAX_BYTES = 20 << 20
#: Small containers cost thirty times their text in memory, so their number has a limit, too.
MAX_BRACKETS = 500_000
MAX_CELLS = 10_000
MAX_NOTES = 20
AGAIN = "Open it in Jupyter, save it, and hand in the saved .ipynb file."
#: All that is read of a notebook; other keys are dropped while it is parsed.
KEYS = frozenset(
    [
        "cells",
        "worksheets",
        "cell_type",
        "source",
        "input",
        "code",
        "nbformat",
        "metadata",
        "language_info",
        "kernelspec",
        "language",
        "name",
    ]
)
TEXT_KEYS = ("source", "input", "code")  # formats 3 and 2 have `input`, format 1 has `code`
#: Known cells without code of the formats 1 to 4.
OTHER_CELLS = ("markdown", "raw", "heading", "text", "html", "plaintext")
MARKS = (  # of 32 bits first: that of UTF-16 is their beginning
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
#: How files start that are handed in by mistake.
MISTAKEN = (
    (rb"PK\x03\x04", "a ZIP archive"),
    (rb"\x1f\x8b", "a compressed archive"),
    (rb"%PDF", "a PDF"),
    (rb"\s*<(!DOCTYPE|html|\?xml)", "a web page"),
    (rb"\s*<{7} ", "a file with an unresolved merge conflict"),
    (rb"version https://git-lfs", "a pointer of Git LFS"),
)


class NotebookError(ValueError):
    """A notebook that cannot be read; the message says what was found, expected, and helps.

    `digest` is the SHA-256 of the file's bytes, empty where they could not be read.
    """

    def __init__(self, message: str, *, digest: str = "") -> None:
        super().__init__(message)
        self.digest = digest


@dataclass(frozen=True)
class Notebook:
    """The code of a notebook.

    Args:
        cells: sources of the code cells in order, without empty ones and our own set-up cell.
        digest: SHA-256 of the file's bytes.
        notes: what was odd about it, as sentences for the learner.
        numbers: of each entry of `cells`, which code cell of the notebook it is, counted from 1.
    """

    cells: tuple[str, ...]
    digest: str
    notes: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()


def read_notebook(
    source: bytes | str | Path, *, max_bytes: int = MAX_BYTES, root: Path | None = None
) -> Notebook:
    """Return the code cells of a notebook of format 1 to 4.

    Args:
        source: The notebook's bytes, or its file. Symbolic links, named pipes and devices are
            refused, and none of them is opened.
        max_bytes: Size from which on it is refused.
        root: Trusted folder; no folder between it and the file may be a symbolic link either.

    Returns:
        The notebook.

    Raises:
        NotebookError: It cannot be read.
    """
    data = _content(source, max_bytes, root)
    digest = hashlib.sha256(data).hexdigest()
    notes: list[str] = []
    try:
        top = _parsed(_text(data, notes))
        found = list(_code(_cells(top, notes), notes))
    except NotebookError as error:
        error.digest = digest
        raise
    _note_language(top, notes)
    if not found:
        notes.append("The notebook holds no code, so no question has an answer.")
    numbers, cells = zip(*found, strict=True) if found else ((), ())
    if len(notes) > MAX_NOTES:
        notes[MAX_NOTES:] = [f"There are {len(notes) - MAX_NOTES} more remarks of this kind."]
    return Notebook(cells, digest, tuple(notes), numbers)


def _content(source: bytes | str | Path, max_bytes: int, root: Path | None) -> bytes:
    """Return a notebook's bytes, of which there are some and not too many."""
    if isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
        if len(data) > max_bytes:
            raise NotebookError(
                f"The notebook has {len(data)} bytes, at most {max_bytes} are read. Clear its "
                "outputs, save it, and hand it in again."
            )
    else:
        try:
            data = read_regular(Path(source), max_bytes=max_bytes, root=root)
        except FileError as error:
            raise NotebookError(str(error)) from None
    if not data.strip(b"\0 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise NotebookError(f"The file is empty, a notebook was expected. {AGAIN}")
    return data


def _text(data: bytes, notes: list[str]) -> str:
    """Return the text of a notebook; bytes that are no UTF-8 are replaced, with a note."""
    for start, what in MISTAKEN:
        if re.match(start, data, re.I):
            raise NotebookError(f"The file is {what}, a notebook was expected. {AGAIN}")
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), "utf-8-sig")
    if encoding == "utf-8-sig" and 0 in data[:2]:  # ASCII in 16 bits, without a mark
        encoding = "utf-16-be" if data[0] == 0 else "utf-16-le"
    if encoding != "utf-8-sig":
        notes.append(
            f"The file is written in {encoding.upper()}, a notebook must be UTF-8. It was read "
            "all the same."
        )
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        notes.append(
            f"Byte {error.start + 1} of the file is not {encoding.upper().removesuffix('-SIG')}. "
            "What could not be read was replaced by \N{REPLACEMENT CHARACTER}."
        )
        return data.decode(encoding, errors="replace")


def _parsed(text: str) -> Any:
    """Return the parts of a notebook that count, from its JSON."""
    brackets = text.count("[") + text.count("{")
    if brackets > MAX_BRACKETS:
        raise NotebookError(
            f"The notebook has {brackets} lists and objects, at most {MAX_BRACKETS} are read. "
            "Clear its outputs, save it, and hand it in again."
        )
    try:
        return json.loads(text, object_hook=_kept, parse_int=_integer, strict=False)
    except json.JSONDecodeError as error:
        raise NotebookError(
            f"The file is no valid JSON at line {error.lineno}, column {error.colno}: {error.msg}. "
            f"A notebook was expected. {AGAIN}"
        ) from None
    except RecursionError:
        raise NotebookError(
            f"The file's lists and objects are nested too deeply for a notebook. {AGAIN}"
        ) from None


def _kept(item: dict[str, Any]) -> dict[str, Any]:
    """Return an object with the keys that count; all that have none share one."""
    return {key: item[key] for key in KEYS & item.keys()} or _NOTHING


_NOTHING: dict[str, Any] = {}


def _integer(digits: str) -> int:
    """Return a whole number; a longer one than any notebook has is 0, and takes no time."""
    return int(digits) if len(digits) < 20 else 0


def _cells(top: Any, notes: list[str]) -> list[Any]:
    """Return the cells of a notebook of any format."""
    if not isinstance(top, dict):
        raise NotebookError(
            f"The file holds {_kind(top)}, a notebook is a JSON object with `cells`. {AGAIN}"
        )
    sheets = top.get("worksheets")
    if isinstance(top.get("cells"), list):
        cells: list[Any] = top["cells"]
    elif isinstance(sheets, list):
        inner = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
        cells = [cell for part in inner if isinstance(part, list) for cell in part]
    else:
        raise NotebookError(
            f"The notebook's `cells` must be a list, got {_kind(top.get('cells', _NOTHING))}. "
            f"{AGAIN}"
        )
    if len(cells) > MAX_CELLS:
        raise NotebookError(
            f"The notebook has {len(cells)} cells, at most {MAX_CELLS} are read. Hand in the "
            "notebook of this assignment alone."
        )
    _note_format(top.get("nbformat"), notes)
    return cells


def _note_format(version: object, notes: list[str]) -> None:
    """Note a format that is not the present one."""
    if type(version) is not int or not 1 <= version <= 4:
        notes.append("The notebook's format must be 4. It was read as if it were.")
    elif version < 4:
        notes.append(f"The notebook is of the old format {version}. It was read all the same.")


def _code(cells: list[Any], notes: list[str]) -> Iterator[tuple[int, str]]:
    """Yield number and source of each code cell that holds something to run."""
    number = 0
    for place, cell in enumerate(cells, start=1):
        kind = cell.get("cell_type") if isinstance(cell, dict) else None
        if kind != "code":
            if kind not in OTHER_CELLS:
                notes.append(f"Cell {place} is neither code nor text. It was left out.")
            continue
        number += 1
        source = _source(cell, f"Code cell {number}", notes)
        if source.strip() and not is_setup(source):
            yield number, source


def _source(cell: Mapping[str, Any], name: str, notes: list[str]) -> str:
    """Return a cell's source as text that Python and the protocol can carry."""
    value = next((cell[key] for key in TEXT_KEYS if key in cell), None)
    lines = value if isinstance(value, list) else [value]
    if not all(isinstance(line, str) for line in lines):
        notes.append(f"{name} has a source that is no text. What is no text was left out.")
    source = "".join(line for line in lines if isinstance(line, str))
    clean = re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", source.replace("\0", ""))
    if clean != source:
        notes.append(f"{name} has characters that no program may hold. They were taken out.")
    return clean


def _note_language(top: Any, notes: list[str]) -> None:
    """Note the language of a notebook that is not Python."""
    metadata = top.get("metadata")
    for key, field in (("kernelspec", "language"), ("language_info", "name")):
        inner = metadata.get(key) if isinstance(metadata, dict) else None
        language = inner.get(field) if isinstance(inner, dict) else None
        if isinstance(language, str) and language and "python" not in language.lower():
            notes.append("The notebook says that it is not written in Python. It was run as such.")
            return


def _kind(value: object) -> str:
    """Return what a JSON value is, as messages name it."""
    if value is _NOTHING:
        return "nothing"
    names = {dict: "an object", list: "a list", str: "a text", type(None): "null", bool: "a truth"}
    return names.get(type(value), "a number")
