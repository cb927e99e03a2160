"""Frames over a socket between the judge and a worker, which may lie, stall or stop reading.

A frame is a header (magic, version, reserved 0, length of the JSON, number of parts, length of all
that follows; little-endian), the parts' lengths (64 bits each), a JSON object, and the parts.
"""

import contextlib
import json
import math
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

_HEADER = struct.Struct("<4sHHIIQ")
_MAGIC = b"d2lg"
_VERSION = 1
MAX_JSON = 16 << 20
MAX_PARTS = 1 << 16
#: Commas and brackets of the JSON, an object's brace for six: small things take up to thirty times
#: more memory than their text.
MAX_MARKS = 2_000_000
#: Digits of an integer in the JSON, with its sign: long ones take time that grows as the square.
MAX_DIGITS = 20
_PIECE = 1 << 20
#: A buffer that is full is replaced by one so many times larger.
_GROWTH = 4
#: Pieces that are smaller than this go out together.
_SMALL = 1 << 16
_NO_SIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)
_MAX_WAIT = 1e6


class ProtocolError(Exception):
    """What came is no frame, or the channel broke before."""


class ClosedError(ProtocolError):
    """The other side is gone."""


class LateError(ProtocolError):
    """The deadline passed."""


class TooLargeError(ProtocolError):
    """A message that is too large to send; nothing was sent, and the channel stays usable."""


class Channel:
    """One end of a conversation in frames; for one thread at a time.

    After any error but `TooLargeError` the position in the stream is unknown, so the channel
    refuses all further use.
    """

    def __init__(self, sock: socket.socket, *, max_bytes: int) -> None:
        """Take a connected stream socket.

        Args:
            sock: The socket; its timeout is set anew for every operation.
            max_bytes: Largest frame in either direction, in bytes.
        """
        self._sock = sock
        self._max_bytes = max_bytes
        self._broken = ""

    def send(
        self,
        message: Mapping[str, Any],
        parts: Sequence[bytes | memoryview] = (),
        *,
        deadline: float | None = None,
    ) -> None:
        """Send one frame.

        Args:
            message: What JSON can hold; no NaN, no infinity.
            parts: The binary parts.
            deadline: Value of `time.monotonic()` at which the other side must have taken it all.

        Raises:
            TooLargeError: The frame is larger than the channel allows.
            ClosedError: The other side is gone.
            LateError: The deadline passed.
            ProtocolError: The channel broke before.
        """
        self._check_usable()
        text = json.dumps(message, allow_nan=False, separators=(",", ":")).encode("ascii")
        lengths = [len(part) for part in parts]
        total = 8 * len(parts) + len(text) + sum(lengths)
        self._check_outgoing(text, parts=len(parts), total=total)
        header = _HEADER.pack(_MAGIC, _VERSION, 0, len(text), len(parts), total)
        table = struct.pack(f"<{len(parts)}Q", *lengths)
        with self._breaking():
            for piece in _joined([header + table + text, *parts]):
                self._wait(deadline)
                self._sock.sendall(piece, _NO_SIGNAL)

    def receive(self, *, deadline: float | None = None) -> tuple[dict[str, Any], list[memoryview]]:
        """Return the next frame.

        Args:
            deadline: Value of `time.monotonic()` at which it must have come completely.

        Returns:
            The message and the parts, which cannot be written to.

        Raises:
            ClosedError: The other side is gone.
            LateError: The deadline passed.
            ProtocolError: What came is no frame, or is larger than the channel allows.
        """
        self._check_usable()
        with self._breaking():
            header = self._read(_HEADER.size, deadline)
            magic, version, reserved, text_length, count, total = _HEADER.unpack(header)
            if (magic, version, reserved) != (_MAGIC, _VERSION, 0):
                raise ProtocolError("what came does not start like a frame of this version")
            self._check_incoming(text_length, count=count, total=total)
            body = self._read(total, deadline)
            start = 8 * count
            lengths = struct.unpack(f"<{count}Q", body[:start])
            if start + text_length + sum(lengths) != total:
                raise ProtocolError("the lengths in a frame do not add up to its own")
            message = _parse(bytes(body[start : start + text_length]))
            return message, list(_cut(body, start + text_length, lengths))

    def _check_usable(self) -> None:
        """Raise where an earlier error left the stream in an unknown place."""
        if self._broken:
            raise ProtocolError(f"the channel cannot be used any more: {self._broken}")

    def _check_outgoing(self, text: bytes, *, parts: int, total: int) -> None:
        """Raise for a frame that the other side would refuse."""
        limits = (
            ("bytes", total, self._max_bytes),
            ("bytes of JSON", len(text), MAX_JSON),
            ("items in its JSON", _marks(text), MAX_MARKS),
            ("parts", parts, MAX_PARTS),
        )
        for what, size, limit in limits:
            if size > limit:
                raise TooLargeError(f"a message may have {limit:,} {what}, this one has {size:,}")

    def _check_incoming(self, text_length: int, *, count: int, total: int) -> None:
        """Raise for a header whose frame is too large or cannot be."""
        if total > self._max_bytes:
            raise ProtocolError(
                f"a frame may have {self._max_bytes:,} bytes, this one claims {total:,}"
            )
        if text_length > MAX_JSON or count > MAX_PARTS or 8 * count + text_length > total:
            raise ProtocolError(
                f"a frame of {total:,} bytes cannot have {text_length:,} bytes of JSON "
                f"and {count:,} parts"
            )

    @contextlib.contextmanager
    def _breaking(self) -> Iterator[None]:
        """Return a context that closes the channel to further use when anything goes wrong."""
        try:
            yield
        except ProtocolError as error:
            self._broken = str(error)
            raise
        except TimeoutError:
            self._broken = "the deadline passed"
            raise LateError(self._broken) from None
        except OSError as error:
            self._broken = f"the connection failed: {error}"
            raise ClosedError(self._broken) from None
        except BaseException as error:
            self._broken = f"it was interrupted by {type(error).__name__}"
            raise

    def _wait(self, deadline: float | None) -> None:
        """Give the socket what is left until the deadline."""
        left = None if deadline is None else min(deadline - time.monotonic(), _MAX_WAIT)
        if left is not None and not left > 0:
            raise TimeoutError
        self._sock.settimeout(left)

    def _read(self, size: int, deadline: float | None) -> memoryview:
        """Return exactly so many bytes; memory grows with what came, not with what was claimed."""
        buffer, filled = np.empty(min(size, _PIECE), np.uint8), 0
        while filled < size:
            if filled == buffer.size:
                larger = np.empty(min(size, _GROWTH * filled), np.uint8)
                larger[:filled] = buffer
                buffer = larger
            self._wait(deadline)
            count = self._sock.recv_into(buffer.data[filled : filled + _PIECE])
            if not count:
                raise ClosedError("the other side closed the connection")
            filled += count
        return buffer.data.toreadonly()


def _joined(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """Return the pieces in order, small ones together."""
    small = bytearray()
    for piece in pieces:
        if len(piece) < _SMALL:
            small += piece
        if small and (len(piece) >= _SMALL or len(small) >= _SMALL):
            yield bytes(small)
            small.clear()
        if len(piece) >= _SMALL:
            yield piece
    if small:
        yield bytes(small)


def _cut(body: memoryview, start: int, lengths: Iterable[int]) -> Iterator[memoryview]:
    """Return the parts, which follow each other from `start` on."""
    for length in lengths:
        yield body[start : start + length]
        start += length


def _marks(text: bytes) -> int:
    """Return an upper bound of the number of items in a JSON text."""
    return text.count(b",") + text.count(b"[") + 6 * text.count(b"{")


def _parse(text: bytes) -> dict[str, Any]:
    """Return the JSON object of a frame; everything that Python would read leniently is refused."""
    if _marks(text) > MAX_MARKS:
        raise ProtocolError(f"the JSON of a frame may have at most {MAX_MARKS:,} items")
    try:
        message = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_refuse,
            parse_float=_float,
            parse_int=_int,
        )
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a frame holds no valid JSON: {error}") from None
    if type(message) is not dict:
        raise ProtocolError(f"a message must be a JSON object, got a {type(message).__name__}")
    return message


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object whose keys differ."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice in an object")
    return found


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _float(text: str) -> float:
    """Return a number, which must be finite."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _int(text: str) -> int:
    """Return a whole number of a bounded length."""
    if len(text) > MAX_DIGITS:
        raise ValueError("an integer is too long")
    return int(text)
