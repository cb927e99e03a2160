"""The channel: frames arrive whole or not at all, on time or not at all, whatever the peer does."""

import contextlib
import json
import math
import os
import random
import signal
import socket
import struct
import threading
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from d2l_lite.grading import channel as module
from d2l_lite.grading.channel import (
    Channel,
    ClosedError,
    LateError,
    ProtocolError,
    TooLargeError,
)

QUICK = settings(
    deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow], database=None
)
MIB = 1 << 20


class Replay:
    """A socket from which bytes come in pieces of given sizes, and which notes what it gets."""

    def __init__(self, data=b"", sizes=(1 << 30,)):
        self.data, self.sizes, self.count, self.taken = data, sizes, 0, bytearray()
        self.largest = 0

    def settimeout(self, seconds):
        assert seconds is None or 0 < seconds < math.inf

    def recv_into(self, buffer):
        size = min(self.sizes[self.count % len(self.sizes)], len(buffer), len(self.data))
        self.largest = max(self.largest, len(buffer))
        self.count += 1
        buffer[:size], self.data = self.data[:size], self.data[size:]
        return size

    def sendall(self, data, flags=0):
        self.taken += data


def frame(message, parts=(), **change):
    """A frame by the letter of its description, with fields of the header replaced."""
    text = message if isinstance(message, bytes) else json.dumps(message).encode()
    table = b"".join(struct.pack("<Q", len(part)) for part in parts)
    body = change.pop("table", table) + text + b"".join(parts)
    fields = {"magic": b"d2lg", "version": 1, "reserved": 0, "text": len(text)}
    fields |= {"count": len(parts), "total": len(body)} | change
    return struct.pack("<4sHHIIQ", *fields.values()) + body


def received(data, *, max_bytes=MIB, sizes=(1 << 30,)):
    """The first frame of a stream of bytes."""
    message, parts = Channel(Replay(data, sizes), max_bytes=max_bytes).receive()
    return message, [bytes(part) for part in parts]


@pytest.fixture
def pair():
    """Two connected channels and their sockets."""
    one, other = socket.socketpair()
    with one, other:
        yield Channel(one, max_bytes=64 * MIB), Channel(other, max_bytes=64 * MIB), one, other


@contextlib.contextmanager
def beside(function):
    """Run a function in a thread; its end is awaited."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(60)
        assert not thread.is_alive()


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), 1 << 63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
MESSAGES = st.dictionaries(st.text(max_size=5), PLAIN, max_size=4)
PARTS = st.lists(st.binary(max_size=30) | st.just(bytes(70_000)), max_size=5)


# Frames


@QUICK
@given(MESSAGES, PARTS, st.lists(st.integers(1, 9) | st.just(10**6), min_size=1, max_size=5))
def test_a_frame_arrives_whole_in_whatever_pieces_it_comes(message, parts, sizes):
    peer = Replay()
    Channel(peer, max_bytes=MIB).send(message, parts)
    if sum(map(len, parts)) > 1000:
        sizes = [size * 1000 for size in sizes]
    found, came = received(bytes(peer.taken), sizes=sizes)
    assert found == message
    assert repr(found) == repr(message)
    assert came == parts


@QUICK
@given(MESSAGES, st.lists(st.binary(max_size=30), max_size=4))
def test_frames_are_as_described(message, parts):
    assert received(frame(message, parts)) == (message, parts)
    peer = Replay()
    Channel(peer, max_bytes=MIB).send(message, parts)
    text = json.dumps(message, separators=(",", ":")).encode()
    assert bytes(peer.taken) == frame(text, parts)


def test_nothing_is_read_beyond_a_frame():
    peer = Replay(frame({"a": 1}, [b"xy"]) + frame({"b": 2}) + b"rest")
    channel = Channel(peer, max_bytes=MIB)
    assert channel.receive()[0] == {"a": 1}
    assert peer.data.startswith(b"d2lg")
    assert channel.receive()[0] == {"b": 2}
    assert peer.data == b"rest"


def test_parts_cannot_be_written_to():
    _, (part,) = Channel(Replay(frame({}, [b"abc"])), max_bytes=MIB).receive()
    with pytest.raises(TypeError):
        part[0] = 1


def test_a_large_frame_arrives(pair):
    one, other, *_ = pair
    data = random.Random(1).randbytes(20 * MIB)
    parts = [data, b"", b"small", data[:MIB]]
    with beside(lambda: one.send({"n": 1}, parts, deadline=time.monotonic() + 60)):
        message, came = other.receive(deadline=time.monotonic() + 60)
    assert message == {"n": 1}
    assert [bytes(part) for part in came] == parts


DEEP = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
MANY = b'{"a":[' + b"0," * (module.MAX_MARKS + 1) + b"0]}"
HUGE = 1 << 62


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (frame({}, magic=b"HTTP"), "does not start like a frame"),
        (frame({}, version=2), "does not start like a frame"),
        (frame({}, reserved=1), "does not start like a frame"),
        (frame({}, total=HUGE), "may have 33,554,432 bytes, this one claims 4,611,686"),
        (frame({}, total=2**64 - 1), "may have 33,554,432 bytes"),
        (frame({}, total=32 * MIB + 1), "may have 33,554,432 bytes"),
        (frame({}, count=2**32 - 1), "cannot have"),
        (frame({}, text=2**32 - 1), "cannot have"),
        (frame({}, count=1), "cannot have"),
        (frame({}, text=3), "cannot have"),
        (frame({}, [b"a"], total=8), "cannot have"),
        (frame({"a": 1}, text=2), "do not add up"),
        (frame({}, [b"abc"], table=struct.pack("<Q", 2)), "do not add up"),
        (frame({}, [b"abc"], table=struct.pack("<Q", 2**64 - 1)), "do not add up"),
        (frame({}, [b"abc", b""], table=struct.pack("<QQ", 2**63, 2**63 + 3)), "do not add up"),
        (frame(b'{"a":' + b" " * module.MAX_JSON + b"1}"), "cannot have"),
        (frame(b"", [b"a"]), "no valid JSON"),
        (frame(b"{"), "no valid JSON"),
        (frame(b"{} {}"), "no valid JSON"),
        (frame(b"\xff{}"), "no valid JSON: 'utf-8'"),
        (frame('{"a":1}'.encode("utf-16")), "no valid JSON: 'utf-8'"),
        (frame(b"\xef\xbb\xbf{}"), "no valid JSON"),
        (frame(b"{'a': 1}"), "no valid JSON"),
        (frame(b"[]"), "must be a JSON object, got a list"),
        (frame(b"null"), "must be a JSON object, got a NoneType"),
        (frame(b'"d"'), "must be a JSON object, got a str"),
        (frame(b'{"a":NaN}'), "NaN is not JSON"),
        (frame(b'{"a":[-Infinity]}'), "-Infinity is not JSON"),
        (frame(b'{"a":1e999}'), "a number is too large"),
        (frame(b'{"a":' + b"9" * 21 + b"}"), "an integer is too long"),
        (frame(b'{"a":' + b"9" * 4_000_000 + b"}"), "an integer is too long"),
        (frame(b'{"a":1,"a":1}'), "a key occurs twice"),
        (frame(b'{"b":{"a":1,"\\u0061":2}}'), "a key occurs twice"),
        (frame(DEEP), "no valid JSON: maximum recursion depth"),
        (frame(MANY), "at most 2,000,000 items"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_frame_that_lies_is_refused_and_ends_the_channel(data, words):
    channel = Channel(Replay(data), max_bytes=32 * MIB)
    with pytest.raises(ProtocolError, match=words):
        channel.receive()
    with pytest.raises(ProtocolError, match=f"cannot be used any more: .*{words}"):
        channel.receive()
    with pytest.raises(ProtocolError, match="cannot be used any more"):
        channel.send({})


@pytest.mark.parametrize("sent", [0, 10, 3 * MIB])
def test_a_length_that_lies_costs_no_memory(sent):
    peer = Replay(frame({}, total=900 * MIB)[:24] + bytes(sent))
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        with pytest.raises(ClosedError):
            Channel(peer, max_bytes=1024 * MIB).receive()
        assert tracemalloc.get_traced_memory()[1] - before < 1.2 * MIB + 6 * sent
    finally:
        tracemalloc.stop()
    assert peer.largest <= MIB


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":[' + b"[]," * 990_000 + b"0]}",
        b'{"a":[' + b'{"a":1},' * 280_000 + b"0]}",
        b'{"a":[' + b'"ab",' * 1_990_000 + b"0]}",
        b'{"a":"' + "é😀".encode() * 2_000_000 + b'"}',
    ],
    ids=["lists", "objects", "strings", "wide text"],
)
def test_json_takes_a_bounded_amount_of_memory_and_time(text):
    data = frame(text)
    tracemalloc.start()
    started = time.process_time()
    try:
        received(data, max_bytes=32 * MIB)
        assert time.process_time() - started < 60
        assert tracemalloc.get_traced_memory()[1] < 250 * MIB
    finally:
        tracemalloc.stop()


# What is too large to send


@pytest.mark.parametrize(
    ("message", "parts", "words"),
    [
        ({}, [bytes(MIB)], "may have 1,048,576 bytes, this one has 1,048,586"),
        ({"a": "x" * module.MAX_JSON}, [], "this one has 16,777,224"),
        ({"a": [0] * (module.MAX_MARKS + 1)}, [], "2,000,000 items in its JSON"),
        ({}, [b""] * (module.MAX_PARTS + 1), "65,536 parts"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_other_side_would_refuse_is_not_sent(message, parts, words):
    peer = Replay(frame({"still": "here"}))
    limit = MIB if parts == [bytes(MIB)] else 64 * MIB
    channel = Channel(peer, max_bytes=limit)
    with pytest.raises(TooLargeError, match=words):
        channel.send(message, parts)
    assert not peer.taken
    channel.send({})
    assert channel.receive()[0] == {"still": "here"}


def test_the_limits_themselves_are_allowed(pair):
    one, other, *_ = pair
    count = module.MAX_PARTS
    with beside(lambda: one.send({"a": [0] * (module.MAX_MARKS - 10)}, [b"x"] * count)):
        message, parts = other.receive()
    assert len(message["a"]) == module.MAX_MARKS - 10
    assert len(parts) == count
    body = 64 * MIB - 8 - 2
    with beside(lambda: one.send({}, [bytes(body)])):
        assert other.receive()[1][0].nbytes == body


@pytest.mark.parametrize("message", [{"a": math.nan}, {"a": math.inf}])
def test_numbers_that_are_not_json_are_not_sent(message):
    peer = Replay()
    with pytest.raises(ValueError, match="not JSON compliant"):
        Channel(peer, max_bytes=MIB).send(message)
    assert not peer.taken


# Time


def test_silence_ends_at_the_deadline(pair):
    channel = pair[0]
    started = time.monotonic()
    with pytest.raises(LateError, match="the deadline passed"):
        channel.receive(deadline=started + 0.2)
    assert 0.15 < time.monotonic() - started < 20
    with pytest.raises(ProtocolError, match="any more: the deadline passed"):
        channel.receive()


def test_a_peer_that_dribbles_ends_at_the_deadline(pair):
    channel, _, _, sock = pair
    stop = threading.Event()

    def dribble():
        for byte in frame({"a": "x" * 2_000}):
            if stop.wait(0.02):
                return
            sock.send(bytes([byte]))

    with beside(dribble):
        started = time.monotonic()
        with pytest.raises(LateError):
            channel.receive(deadline=started + 0.5)
        assert 0.4 < time.monotonic() - started < 20
        stop.set()


def test_a_peer_that_does_not_read_ends_at_the_deadline(pair):
    channel = pair[0]
    started = time.monotonic()
    with pytest.raises(LateError):
        channel.send({}, [bytes(20 * MIB)], deadline=started + 0.3)
    assert 0.25 < time.monotonic() - started < 20
    with pytest.raises(ProtocolError, match="any more: the deadline passed"):
        channel.send({})


def test_a_peer_that_reads_slowly_ends_at_the_deadline(pair):
    channel, _, _, sock = pair
    stop = threading.Event()

    def sip():
        while not stop.wait(0.02):
            sock.recv(20_000)

    with beside(sip):
        started = time.monotonic()
        with pytest.raises(LateError):
            channel.send({}, [bytes(70_000)] * 200, deadline=started + 0.5)
        assert 0.4 < time.monotonic() - started < 20
        stop.set()


@pytest.mark.parametrize("deadline", [-1.0, 0.0, math.nan])
def test_a_deadline_in_the_past_is_late_at_once(pair, deadline):
    with pytest.raises(LateError):
        pair[0].receive(deadline=deadline)
    with pytest.raises(LateError):
        pair[1].send({}, deadline=deadline)


@pytest.mark.parametrize("deadline", [None, math.inf, 1e300])
def test_there_may_be_no_deadline(pair, deadline):
    one, other, *_ = pair
    one.send({"a": 1}, deadline=deadline)
    assert other.receive(deadline=deadline)[0] == {"a": 1}


# Ends


def test_a_peer_that_is_gone(pair):
    one, _, _, sock = pair
    sock.close()
    with pytest.raises(ClosedError, match="closed the connection"):
        one.receive()


def test_a_peer_that_goes_in_the_middle_of_a_frame(pair):
    one, _, _, sock = pair
    sock.send(frame({"a": 1}, [b"abc"])[:-1])
    sock.close()
    with pytest.raises(ClosedError, match="closed the connection"):
        one.receive()


def test_a_peer_that_goes_while_it_is_sent_to(pair):
    one, _, _, sock = pair
    sock.close()
    with pytest.raises(ClosedError, match=r"the connection failed: .*Broken pipe"):
        one.send({})
    with pytest.raises(ProtocolError, match="cannot be used any more"):
        one.send({})


def test_a_socket_that_was_closed_here(pair):
    one, _, sock, _ = pair
    sock.close()
    with pytest.raises(ClosedError, match="the connection failed"):
        one.receive()


# Signals


@pytest.fixture
def interrupt():
    """A function that sends this thread a signal; and what handles it."""
    handlers = {"do": lambda: None}
    before = signal.signal(signal.SIGUSR1, lambda *_: handlers["do"]())
    main = threading.get_ident()
    yield lambda: signal.pthread_kill(main, signal.SIGUSR1), handlers
    signal.signal(signal.SIGUSR1, before)


def test_signals_disturb_neither_direction(pair, interrupt):
    one, other, *_ = pair
    data = os.urandom(5 * MIB)
    seen = []
    interrupt[1]["do"] = lambda: seen.append(1)

    def peer():
        for _ in range(20):
            time.sleep(0.01)
            interrupt[0]()
        message, parts = other.receive()
        for _ in range(20):
            time.sleep(0.01)
            interrupt[0]()
        other.send(message, parts)

    with beside(peer):
        one.send({"a": 1}, [data], deadline=time.monotonic() + 60)
        message, (part,) = one.receive(deadline=time.monotonic() + 60)
    assert message == {"a": 1}
    assert part == data
    assert len(seen) > 10


def test_an_exception_in_the_middle_of_a_frame_ends_the_channel(pair, interrupt):
    channel, _, _, sock = pair
    sock.send(frame({"a": 1})[:-1])

    def stop():
        raise KeyboardInterrupt

    interrupt[1]["do"] = stop

    def later():
        time.sleep(0.2)
        interrupt[0]()

    with beside(later), pytest.raises(KeyboardInterrupt):
        channel.receive(deadline=time.monotonic() + 20)
    with pytest.raises(ProtocolError, match="interrupted by KeyboardInterrupt"):
        channel.receive(deadline=time.monotonic() + 1)


# Fuzzing


def spoil(data, chance):
    """Change bytes of a stream: flip bits, cut, insert, repeat and move pieces."""
    data = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 6])):
        start, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        kind = chance.randrange(7)
        if kind == 0 and data:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del data[start:]
        elif kind == 2:
            del data[start : min(end, start + 9)]
        elif kind == 3:
            data[start:start] = data[start:end]
        elif kind == 4:
            data[start:start] = chance.randbytes(chance.choice([1, 8, 40]))
        elif kind == 5 and len(data) > 24:
            at = chance.choice([4, 6, 8, 12, 16, 24])
            data[at : at + 4] = struct.pack("<I", chance.choice([0, 1, 2**16, 2**31, 2**32 - 1]))
        else:
            data[-1:] = chance.choice([b"}", b"]", b'"', b"\0", b""])
    return bytes(data)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_spoiled_is_refused_or_a_frame(seed):
    chance = random.Random(seed)
    streams = [
        frame({"value": ["array", "float64", [2], 0], "printed": "é"}, [bytes(16)]),
        frame({}) + frame({"a": [1, 2.5, None, True, {"b": "c"}]}, [b"a", b"", b"bc"]),
        frame({"error": {"message": "m", "bases": ["ValueError"]}}, []),
    ]
    counts = {"frames": 0, "refused": 0}
    tracemalloc.start()
    try:
        for _ in range(700):
            data = spoil(chance.choice(streams), chance)
            if chance.random() < 0.1:
                data = chance.randbytes(chance.randrange(200))
            channel = Channel(Replay(data, [chance.choice([1, 7, 1000])]), max_bytes=MIB)
            with contextlib.suppress(ProtocolError):
                for _ in range(50):
                    message, parts = channel.receive()
                    counts["frames"] += 1
                    assert type(message) is dict
                    assert sum(part.nbytes for part in parts) <= len(data)
            counts["refused"] += 1
        assert tracemalloc.get_traced_memory()[1] < 6 * MIB
    finally:
        tracemalloc.stop()
    assert counts["refused"] == 700
    assert counts["frames"] > 50


@QUICK
@given(st.binary(max_size=300))
def test_any_bytes_behind_a_right_header_are_refused_or_a_frame(body):
    data = struct.pack("<4sHHIIQ", b"d2lg", 1, 0, len(body), 0, len(body)) + body
    with contextlib.suppress(ProtocolError):
        assert type(received(data)[0]) is dict


# Speed: bounds that hold on a busy machine, too


def test_small_messages_and_large_arrays_are_quick(pair):
    one, other, *_ = pair
    rounds, array = 300, np.zeros(5_000_000)

    def echo():
        for _ in range(rounds + 1):
            other.send(*other.receive())

    with beside(echo):
        times = []
        for _ in range(rounds):
            started = time.perf_counter()
            one.send({"do": "ask"}, [b"x"])
            one.receive()
            times.append(time.perf_counter() - started)
        started = time.perf_counter()
        one.send({}, [array.tobytes()])
        one.receive()
        assert time.perf_counter() - started < 20
    assert sorted(times)[rounds // 20] < 20e-3  # a lost wake-up costs 40 ms and more
