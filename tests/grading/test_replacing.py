"""A file that is replaced: what stands there is whole, with the permissions asked for."""

import os
import stat

import pytest

from d2l_lite.grading.replacing import replace_file


@pytest.fixture
def umask():
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_folders_are_made_and_nothing_else_lies_there(tmp_path):
    path = tmp_path / "a" / "b" / "c.txt"
    for content in (b"one, which is long", b"two"):
        replace_file(path, content, durable=True)
        assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("mode", "left"), [(0o666, 0o640), (0o600, 0o600)])
def test_permissions_are_those_asked_for_without_what_new_files_shall_not_have(
    tmp_path, umask, mode, left
):
    path = tmp_path / "a"
    path.touch(0o777)
    replace_file(path, b"", mode=mode)
    assert stat.S_IMODE(path.stat().st_mode) == left


def test_where_it_cannot_be_moved_into_its_place_nothing_is_left(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        replace_file(tmp_path / "a", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
