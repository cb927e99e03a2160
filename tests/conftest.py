"""What holds for every test: one thread a process, no window, and no connection to the outside."""

import os
import socket

import pytest

os.environ["MPLBACKEND"] = "agg"
os.environ["D2L_LITE_OFFLINE"] = "1"
LOOPBACK = ("127.", "localhost", "::1", "0.0.0.0")


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Two test processes with two threads each would fight over two cores."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch):
    """A test that reaches for the network fails, instead of passing only where there is one."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = str(address[0])
            if not host.startswith(LOOPBACK):
                raise PermissionError(f"tests connect to loopback only, not to {host}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
