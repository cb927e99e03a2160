"""What holds for every test: one thread a process, no window, no way to the outside."""

import os
import shutil
import socket
import time
from pathlib import Path

import pytest

os.environ["MPLBACKEND"] = "agg"
os.environ["D2L_LITE_OFFLINE"] = "1"
LOOPBACK = ("127.", "localhost", "::1", "0.0.0.0")
SEEN = Path(__file__).resolve().parent.parent / "build" / "seen"


def pytest_configure(config):
    config.started = time.time()


def pytest_collection_modifyitems(items):
    """A test that looks at a page has a second try, which the summary tells of.

    Browser and test are two processes on a machine that may be busy: what one frame of the screen
    decides can fail once. A fault of the page fails twice.
    """
    for item in items:
        if "browser" in item.fixturenames:
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_terminal_summary(terminalreporter, config):
    """Show the tables of what the browser saw: those who test on several cores do not print."""
    for path in sorted(SEEN.glob("*.md")):
        if path.stat().st_mtime > config.started:
            terminalreporter.write_line(f"\n{path.read_text(encoding='utf-8')}")


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Two test processes with two threads each would fight over two cores."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch):
    """A test that reaches for the network in this process fails, whether there is one or not.

    Programs that a test starts are not held back, nor are look-ups of names.
    """
    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))


def _guarded(method):
    """Return a method of sockets whose last argument is an address, for loopback alone."""

    def guarded(self, *given):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = str(given[-1][0])
            if not host.startswith(LOOPBACK):
                raise PermissionError(f"tests connect to loopback only, not to {host}")
        return method(self, *given)

    return guarded


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The tiny book, run once."""
    from tests.tools import tiny_book
    from tools import notebooks

    root = tiny_book.make(tmp_path_factory.mktemp("built"))
    assert notebooks.build(root) == []
    return root


@pytest.fixture
def book(built, tmp_path):
    """A copy of the tiny book, to be spoiled."""
    return shutil.copytree(built, tmp_path / "book")
