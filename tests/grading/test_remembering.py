"""A probe that held is remembered for a day, and forgotten where anything has changed."""

import os
import time

import pytest

from d2l_lite.grading import probes, remembering
from d2l_lite.grading.probes import Probe, choose
from d2l_lite.grading.sandbox import SandboxError, Tier

HELD = {"start": "", "open a socket": ""}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if remembering._path("plain") is None:
        pytest.skip("this system does not tell when it was started")
    probes._probed.cache_clear()
    yield tmp_path / "d2l_lite"
    probes._probed.cache_clear()


@pytest.fixture
def probed(monkeypatch):
    """The tiers that were probed by attempts; all of them hold."""
    seen = []

    def probe(tier):
        seen.append(tier)
        return Probe(tier, True, HELD)

    monkeypatch.setattr(probes, "probe", probe)
    return seen


def again():
    probes._probed.cache_clear()
    return choose(Tier.PLAIN)


def test_a_probe_that_held_is_not_made_again(probed):
    assert again() is again() is Tier.PLAIN
    assert probed == [Tier.PLAIN]


def test_a_probe_that_failed_is_made_again(monkeypatch):
    seen = []
    monkeypatch.setattr(
        probes, "probe", lambda t: seen.append(t) or Probe(t, False, {"start": "no"})
    )
    for _ in range(2):
        with pytest.raises(SandboxError, match="start: no"):
            again()
    assert len(seen) == 2


def test_a_check_that_fails_once_is_made_again(monkeypatch):
    """A busy machine can refuse a process for a moment."""
    found = [Probe(Tier.PLAIN, False, {"start": "", "a": "b"}), Probe(Tier.PLAIN, True, HELD)]
    monkeypatch.setattr(probes, "probe", lambda tier: found.pop(0))
    assert again() is Tier.PLAIN


CHANGES = {
    "a day later": lambda path: os.utime(path, (0, time.time() - 90_000)),
    "from the future": lambda path: os.utime(path, (0, time.time() + 90_000)),
    "writable for all": lambda path: path.chmod(0o666),
    "torn": lambda path: path.write_text('{"start"'),
    "something else": lambda path: path.write_text("[]"),
    "not the user's": lambda path: os.chown(path, 12345, -1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_cannot_be_trusted_is_not_used(probed, cache, change):
    again()
    (path,) = cache.iterdir()
    try:
        CHANGES[change](path)
    except PermissionError:
        pytest.skip("only root can give a file away")
    again()
    assert len(probed) == 2


@pytest.mark.parametrize("fact", ["geteuid", "readlink"])
def test_another_user_or_container_probes_anew(probed, monkeypatch, fact):
    again()
    old = getattr(os, fact)
    changed = {"geteuid": lambda: old() + 1, "readlink": lambda path: "another"}
    monkeypatch.setattr(os, fact, changed[fact])
    again()
    assert len(probed) == 2


def test_a_changed_grader_probes_anew(probed, monkeypatch):
    again()
    old = remembering._state
    monkeypatch.setattr(remembering, "_state", lambda path: old(path) + "1")
    again()
    assert len(probed) == 2


def test_where_nothing_can_be_written_each_process_probes(probed, cache, monkeypatch):
    cache.parent.joinpath("file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent / "file"))
    again()
    again()
    assert len(probed) == 2


def test_what_cannot_be_put_in_place_leaves_nothing(probed, cache, monkeypatch):
    def replace(*_):
        raise OSError("no room")

    monkeypatch.setattr(os, "replace", replace)
    again()
    assert list(cache.iterdir()) == []


def test_what_is_never_recalled_again_is_removed(probed, cache, monkeypatch):
    again()
    (old,) = cache.iterdir()
    os.utime(old, (0, time.time() - 90_000))
    changed = remembering._state
    monkeypatch.setattr(remembering, "_state", lambda path: changed(path) + "1")
    again()
    (new,) = cache.iterdir()
    assert new != old
