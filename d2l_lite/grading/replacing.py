"""Write a file whole or not at all: whoever reads it finds the old content or the new one."""

import contextlib
import os
import secrets
from pathlib import Path


def replace_file(path: Path, content: bytes, *, mode: int = 0o666, durable: bool = False) -> None:
    """Write a file beside its place and move it there; folders are made where they are missing.

    Args:
        path: The file.
        content: Its bytes.
        mode: Its permissions, of which those are taken away that new files shall not have here.
        durable: Whether to wait until it is safe from a power cut.

    Raises:
        OSError: It cannot be written; what was there stays, and nothing lies beside it.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        try:
            _write(draft, content, mode, durable)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(draft, content, mode, durable)
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def _write(path: Path, content: bytes, mode: int, durable: bool) -> None:
    """Write a new file."""
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        file.write(content)
        if durable:
            file.flush()
            os.fsync(file.fileno())
