"""Read a file that somebody else made: a regular one below a known folder, and nothing else."""

import contextlib
import os
import stat
from pathlib import Path

PIECE = 1 << 20
KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFREG: "a file",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
#: A pipe that took the file's place after it was looked at must not make the reader wait.
_FILE = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
_FILE |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)


class FileError(ValueError):
    """A file that is not read; the message says what it is, what was expected, and helps."""


def read_regular(path: Path, *, max_bytes: int, root: Path | None = None) -> bytes:
    """Return the content of a regular file; links are never followed.

    Args:
        path: The file.
        max_bytes: Largest size, in bytes.
        root: Trusted folder; with it no folder between it and the file may be a link either.

    Returns:
        The content.

    Raises:
        FileError: It is no regular file, not below `root`, too large, or cannot be read.
    """
    try:
        with contextlib.ExitStack() as stack:
            handle = _opened(path, root, stack)
            return _content(handle, max_bytes)
    except OSError as error:
        raise FileError(
            f"The file cannot be read: {error.strerror or type(error).__name__}. A regular file "
            "with permission to read it was expected."
        ) from None


def _opened(path: Path, root: Path | None, stack: contextlib.ExitStack) -> int:
    """Return the open file, found folder by folder from a trusted one."""
    if "\0" in str(path):
        raise FileError("The file's name holds a null character. Rename the file.")
    if root is None:
        return _open(str(path), stat.S_IFREG, None, stack)
    try:
        *folders, name = (root / path).relative_to(root).parts
    except ValueError:
        folders, name = [], ".."
    if ".." in (*folders, name):
        raise FileError(f"The file must lie below {root}, got {path}. Move it there.")
    place = os.open(root, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    stack.callback(os.close, place)
    for folder in folders:
        place = _open(folder, stat.S_IFDIR, place, stack)
    return _open(name, stat.S_IFREG, place, stack)


def _open(name: str, wanted: int, place: int | None, stack: contextlib.ExitStack) -> int:
    """Return an open file or folder; it is looked at before, so that no device is ever opened."""
    _require(os.stat(name, dir_fd=place, follow_symlinks=False), wanted)
    handle = os.open(name, _FOLDER if wanted == stat.S_IFDIR else _FILE, dir_fd=place)
    stack.callback(os.close, handle)
    _require(os.fstat(handle), wanted)
    return handle


def _require(found: os.stat_result, wanted: int) -> None:
    """Raise unless what was found is of the wanted kind."""
    kind = stat.S_IFMT(found.st_mode)
    if kind != wanted:
        where = "The file" if wanted == stat.S_IFREG else "A folder on the way to the file"
        raise FileError(
            f"{where} is {KINDS.get(kind, 'of an unknown kind')}, {KINDS[wanted]} was expected. "
            "Hand in the file itself."
        )


def _content(handle: int, max_bytes: int) -> bytes:
    """Return what an open file holds; what it says of its size is not relied on."""
    content = bytearray()
    size = os.fstat(handle).st_size
    while size <= max_bytes and (piece := os.read(handle, PIECE)):
        content += piece
        size = max(size, len(content))
    if size > max_bytes:
        raise FileError(
            f"The file has {size} bytes or more, at most {max_bytes} are read. Clear the outputs "
            "of the notebook, save it, and hand it in again."
        )
    return bytes(content)
