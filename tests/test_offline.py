"""What keeps tests from the network is seen to do so, and lets them reach this machine."""

import socket

import pytest

OUTSIDE = ("192.0.2.1", 9)  # an address that stands for documentation, and leads nowhere


@pytest.mark.parametrize(
    "reach",
    [
        lambda one: one.connect(OUTSIDE),
        lambda one: one.connect_ex(OUTSIDE),
        lambda one: one.sendto(b"hello", OUTSIDE),
        lambda one: one.sendto(b"hello", 0, OUTSIDE),
    ],
)
def test_no_socket_reaches_outside(reach):
    with socket.socket(type=socket.SOCK_DGRAM) as one, pytest.raises(PermissionError) as caught:
        reach(one)
    assert "loopback only, not to 192.0.2.1" in str(caught.value)


def test_this_machine_is_reached():
    with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as two:
        one.bind(("127.0.0.1", 0))
        two.sendto(b"hello", one.getsockname())
        assert one.recv(5) == b"hello"
