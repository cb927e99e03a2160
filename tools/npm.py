"""Packages from npm, fetched once while the book is built and never committed."""

import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path


def fetch(package: str, version: str, *, folder: Path, keep: tuple[str, ...]) -> str:
    """Return why files of a package do not lie in a folder, or an empty string when they do.

    Args:
        package: name of the package.
        version: its exact version; another one that lies in the folder is replaced.
        folder: where its files go, and a file `VERSION`.
        keep: beginnings of the paths of the files to keep, relative to the package.
    """
    marker = folder / "VERSION"
    wanted = f"{package}@{version} {' '.join(keep)}"
    if marker.is_file() and marker.read_text() == wanted:
        return ""
    npm = shutil.which("npm")
    if npm is None:
        return "npm was not found"
    with tempfile.TemporaryDirectory() as scratch:
        reason = _pack(npm, f"{package}@{version}", Path(scratch))
        if not reason:
            shutil.rmtree(folder, ignore_errors=True)
            reason = _unpack(next(Path(scratch).glob("*.tgz")), folder, keep)
    if not reason:
        marker.write_text(wanted)
    return reason


def _pack(npm: str, package: str, folder: Path) -> str:
    """Return why npm did not put an archive of the package into the folder, or an empty string."""
    command = [npm, "pack", package, "--silent", "--pack-destination", str(folder)]
    packed = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if packed.returncode or len(list(folder.glob("*.tgz"))) != 1:
        lines = (packed.stderr or packed.stdout).strip().splitlines()
        return f"npm pack failed: {lines[-1] if lines else 'no message'}"
    return ""


def _unpack(archive: Path, folder: Path, keep: tuple[str, ...]) -> str:
    """Put the wanted files of an archive into a folder, and return which are not in it."""
    folder.mkdir(parents=True, exist_ok=True)
    lacking = set(keep)
    with tarfile.open(archive) as packed:
        for member in packed.getmembers():
            name = member.name.partition("/")[2]
            if member.isfile() and name.startswith(keep):
                member.name = name
                packed.extract(member, folder, filter="data")
                lacking -= {beginning for beginning in keep if name.startswith(beginning)}
    return f"the package lacks {', '.join(sorted(lacking))}" if lacking else ""
