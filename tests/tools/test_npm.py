"""Packages that are fetched from npm while the book is built."""

import os
import stat
import tarfile

import pytest

from tools import npm


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Return a function that puts a shell script in npm's place."""

    def stand_in(script):
        path = tmp_path / "npm"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(npm.shutil, "which", lambda name: str(path))
        return path

    return stand_in


@pytest.fixture
def packing(tmp_path):
    """A script that delivers an archive with three files."""
    content = tmp_path / "content" / "package"
    for name in ("es5/core.js", "es5/output/A.woff", "es5/other.js"):
        (content / name).parent.mkdir(parents=True, exist_ok=True)
        (content / name).write_text(name)
    with tarfile.open(tmp_path / "packed.tgz", "w:gz") as file:
        file.add(content, "package")
    return (
        f'while [ "$1" != --pack-destination ]; do shift; done; cp {tmp_path}/packed.tgz "$2/a.tgz"'
    )


def test_a_package_is_fetched_once_and_only_what_is_wanted(tmp_path, program, packing):
    folder, keep = tmp_path / "vendor", ("es5/core", "es5/output/")
    path = program(packing)
    assert npm.fetch("thing", "1.0.0", folder=folder, keep=keep) == ""
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {"es5/core.js", "es5/output/A.woff", "VERSION"}
    os.remove(path)
    assert npm.fetch("thing", "1.0.0", folder=folder, keep=keep) == "", "npm is not asked again"


def test_another_version_replaces_what_is_there(tmp_path, program, packing):
    folder = tmp_path / "vendor"
    program(packing)
    npm.fetch("thing", "1.0.0", folder=folder, keep=("es5/other",))
    npm.fetch("thing", "1.0.1", folder=folder, keep=("es5/core",))
    assert sorted(path.name for path in (folder / "es5").iterdir()) == ["core.js"]


def test_a_package_that_lacks_a_wanted_file_is_not_taken(tmp_path, program, packing):
    folder = tmp_path / "vendor"
    program(packing)
    for _ in range(2):
        reason = npm.fetch("thing", "1.0.0", folder=folder, keep=("es5/core", "LICENSE"))
        assert reason == "the package lacks LICENSE"


def test_the_reason_is_npms_own(tmp_path, program, monkeypatch):
    folder = tmp_path / "vendor"
    program("echo 'npm error network' >&2; exit 1")
    assert "npm error network" in npm.fetch("thing", "1.0.0", folder=folder, keep=("",))
    monkeypatch.setattr(npm.shutil, "which", lambda name: None)
    assert npm.fetch("thing", "1.0.0", folder=folder, keep=("",)) == "npm was not found"
    assert not folder.exists()
