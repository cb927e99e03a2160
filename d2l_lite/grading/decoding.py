"""From nodes that may be hostile to values: what breaks the format of `codec.py` is refused."""

import ctypes
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from d2l_lite.grading import nodes
from d2l_lite.grading.nodes import CodecError, Reference, has_surrogates

MAX_DIMENSIONS = 64
MAX_ITEMSIZE = 16
_INT64 = range(-(1 << 63), 1 << 63)
_HEX = re.compile(r"[0-9a-f]*")
_HEX_INT = re.compile(r"-?[1-9a-f][0-9a-f]*")
_NOT_FINITE = ("nan", "inf", "-inf")
_UNREADABLE = (ValueError, TypeError, KeyError, OverflowError, RuntimeError)


class Decoder:
    """What was read so far: items and parts."""

    def __init__(
        self,
        parts: Sequence[memoryview | bytes],
        *,
        resolve: Callable[[Reference], object],
        torch_allowed: bool,
        arguments: bool,
    ) -> None:
        self.parts, self.resolve = parts, resolve
        self.torch_allowed, self.arguments = torch_allowed, arguments
        self.used: set[int] = set()
        self.items = 0

    def value(self, node: Any, depth: int) -> Any:
        """Return the value of a node."""
        self.items += 1
        if self.items > nodes.MAX_ITEMS:
            raise CodecError(f"a value may have at most {nodes.MAX_ITEMS:,} items")
        if depth > nodes.MAX_DEPTH:
            raise CodecError(f"a value may be nested at most {nodes.MAX_DEPTH} deep")
        kind = type(node)
        if kind is list:
            return self._tagged(node, depth)
        if node is None or kind is bool or (kind is int and node in _INT64):
            return node
        if kind is float and math.isfinite(node):
            return node
        if kind is str and len(node) <= nodes.MAX_INLINE and not has_surrogates(node):
            return node
        raise CodecError(
            "a node must be null, a boolean, an integer of 64 bits, a finite number, "
            f"a short string or a list, got {_shown(node)}"
        )

    def _tagged(self, node: list[Any], depth: int) -> Any:
        """Return the value of a list: its tag says how many fields of which types follow."""
        tag = node[0] if node else None
        if type(tag) is not str:
            raise CodecError(f"a list must start with its tag, a string, got {_shown(tag)}")
        if tag in _CONTAINERS:
            return _CONTAINERS[tag](self, node, depth)
        if tag not in _LEAVES:
            raise CodecError(f"a list must start with a known tag, got {_shown(tag)}")
        method, fields = _LEAVES[tag]
        if len(node) != len(fields) + 1 or any(
            type(field) is not kind for field, kind in zip(node[1:], fields, strict=True)
        ):
            names = ", ".join(kind.__name__ for kind in fields)
            got = ", ".join(type(field).__name__ for field in node[1:8])
            raise CodecError(f"a node {tag!r} must have the fields ({names}), got ({got})")
        return method(self, *node[1:])

    def _part(self, index: int) -> memoryview:
        """Return a part that no other node uses."""
        if not 0 <= index < len(self.parts):
            raise CodecError(f"a part must be one of {len(self.parts)}, got {_shown(index)}")
        if index in self.used:
            raise CodecError(f"part {index} is used twice; each belongs to one node")
        self.used.add(index)
        return memoryview(self.parts[index]).cast("B")

    # Leaves

    def _int(self, text: str) -> int:
        if len(text) > nodes.MAX_DIGITS + 1 or not _HEX_INT.fullmatch(text):
            raise CodecError(f"an int must be at most {nodes.MAX_DIGITS} hexadecimal digits")
        value = int(text, 16)
        if value in _INT64:
            raise CodecError("an int of 64 bits must be a number, not a text")
        return value

    def _float(self, text: str) -> float:
        if text not in _NOT_FINITE:
            raise CodecError(f"a float's text must be nan, inf or -inf, got {_shown(text)}")
        return float(text)

    def _str(self, index: int) -> str:
        part = self._part(index)
        if part.nbytes > nodes.MAX_TEXT:
            raise CodecError(f"a text may have at most {nodes.MAX_TEXT:,} bytes")
        try:
            return str(part, "utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise CodecError(f"a text must be UTF-8: {error.reason}") from None

    def _bytes(self, index: int) -> bytes:
        return bytes(self._part(index))

    def _ellipsis(self) -> Any:
        return ...

    def _scalar(self, name: str, text: str) -> Any:
        dtype = nodes.DTYPES.get(name)
        if dtype is None or len(text) != 2 * dtype.itemsize or not _HEX.fullmatch(text):
            raise CodecError(f"a scalar must be a dtype and its bytes, got {_shown(name)}")
        return _view(memoryview(bytes.fromhex(text)), dtype).astype(dtype)[0]

    def _array(self, name: str, shape: list[Any], index: int) -> Any:
        dtype = nodes.DTYPES.get(name)
        if dtype is None:
            raise CodecError(f"an array's dtype must be a kind of number, got {_shown(name)}")
        part = self._part(index)
        _check_size(shape, dtype.itemsize, part.nbytes)
        flat = _view(part, dtype) if part.nbytes else np.empty(0, dtype)
        try:
            shaped = flat.reshape(shape)
        except (ValueError, OverflowError):
            raise CodecError("an array cannot have this shape") from None
        return shaped.astype(dtype)

    def _tensor(self, name: str, shape: list[Any], index: int, needs_grad: bool) -> Any:
        torch = self._torch()
        dtype: Any = getattr(torch, name, None) if name in nodes.TENSOR_DTYPES else None
        if type(dtype) is not torch.dtype:
            raise CodecError(f"a tensor's dtype must be a kind of number, got {_shown(name)}")
        if needs_grad and not (dtype.is_floating_point or dtype.is_complex):
            raise CodecError(f"a tensor of {name} cannot require a gradient")
        part = self._part(index)
        _check_size(shape, torch.empty((), dtype=dtype).element_size(), part.nbytes)
        if dtype is torch.bool:
            _check_bool(part)
        try:
            tensor = torch.empty(shape, dtype=dtype)
        except _UNREADABLE:
            raise CodecError("a tensor cannot have this shape") from None
        if part.nbytes:  # by way of NumPy, the tensor could not be resized any more
            source = np.frombuffer(part, np.uint8).ctypes.data
            ctypes.memmove(tensor.data_ptr(), source, part.nbytes)
        return tensor.requires_grad_(needs_grad)

    def _torch(self) -> Any:
        """Return PyTorch, imported where this is allowed."""
        if not self.torch_allowed:
            raise CodecError("a tensor came, but this exercise does without PyTorch")
        import torch

        return torch

    def _reference(self, number: int, type_name: str) -> object:
        known = number in _INT64 and number >= 0 and len(type_name) <= nodes.MAX_NAME
        if not known or has_surrogates(type_name):
            raise CodecError("a reference must be a number from 0 on and the name of a type")
        try:
            return self.resolve(Reference(number, type_name))
        except LookupError:
            raise CodecError(f"there is no object with the number {number}") from None

    def _torch_rng(self, index: int) -> Any:
        self._only_argument("a random generator")
        torch = self._torch()
        part = self._part(index)
        try:
            state = np.frombuffer(part, np.uint8).copy()
            return torch.Generator().set_state(torch.from_numpy(state))
        except _UNREADABLE:
            raise CodecError("a generator cannot have this state") from None

    def _only_argument(self, what: str) -> None:
        """Refuse what the trusted side alone may send."""
        if not self.arguments:
            raise CodecError(f"{what} may be an argument, not a result")

    # Nodes made of nodes

    def _items(self, node: list[Any], depth: int) -> list[Any]:
        """Return the values of the nodes behind a tag."""
        return [self.value(item, depth + 1) for item in node[1:]]

    def _tuple(self, node: list[Any], depth: int) -> tuple[Any, ...]:
        return tuple(self._items(node, depth))

    def _set(self, node: list[Any], depth: int) -> set[Any]:
        items = self._items(node, depth)
        if any(id(type(item)) not in nodes.PRIMITIVES for item in items):
            raise CodecError("a set must hold None, booleans, numbers, texts and bytes only")
        _check_keys(items)
        return set(items)

    def _dict(self, node: list[Any], depth: int) -> dict[Any, Any]:
        items = self._items(node, depth)
        keys = items[::2]
        if len(items) % 2 or not all(nodes.is_key(key) for key in keys):
            raise CodecError(
                "a dict must be pairs of a key and a value; keys are None, booleans, numbers, "
                "texts, bytes, or tuples of them"
            )
        _check_keys(keys)
        return dict(zip(keys, items[1::2], strict=True))

    def _complex(self, node: list[Any], depth: int) -> complex:
        items = self._items(node, depth)
        if [type(item) for item in items] != [float, float]:
            raise CodecError("a complex number must be two floats")
        return complex(*items)

    def _slice(self, node: list[Any], depth: int) -> slice:
        self._only_argument("a slice")
        items = self._items(node, depth)
        if len(items) != 3:
            raise CodecError(f"a slice must be three nodes, got {len(items)}")
        return slice(*items)

    def _rng(self, node: list[Any], depth: int) -> Any:
        self._only_argument("a random generator")
        name = node[1] if len(node) == 3 else None
        if type(name) is not str or name not in nodes.BIT_GENERATORS:
            raise CodecError(f"a bit generator must be known, got {_shown(name)}")
        found, state = getattr(np.random, name)(0), self.value(node[2], depth + 1)
        try:
            found.state = state
        except _UNREADABLE:
            raise CodecError("a generator cannot have this state") from None
        return np.random.Generator(found)


_LEAVES: dict[str, tuple[Callable[..., Any], tuple[type, ...]]] = {
    "int": (Decoder._int, (str,)),
    "float": (Decoder._float, (str,)),
    "str": (Decoder._str, (int,)),
    "bytes": (Decoder._bytes, (int,)),
    "ellipsis": (Decoder._ellipsis, ()),
    "scalar": (Decoder._scalar, (str, str)),
    "array": (Decoder._array, (str, list, int)),
    "tensor": (Decoder._tensor, (str, list, int, bool)),
    "reference": (Decoder._reference, (int, str)),
    "torch_rng": (Decoder._torch_rng, (int,)),
}
_CONTAINERS: dict[str, Callable[[Decoder, list[Any], int], Any]] = {
    "list": Decoder._items,
    "tuple": Decoder._tuple,
    "set": Decoder._set,
    "dict": Decoder._dict,
    "complex": Decoder._complex,
    "slice": Decoder._slice,
    "rng": Decoder._rng,
}


def _shown(value: object) -> str:
    """Return a short text of what came: its type alone where it could be long."""
    if type(value) is str:
        return repr(value[:40])
    if value is None or type(value) in (bool, float) or (type(value) is int and value in _INT64):
        return repr(value)
    return f"a {type(value).__name__}"


def _check_size(shape: list[Any], itemsize: int, size: int) -> None:
    """Raise unless a shape is one, and its elements take up a part exactly."""
    if len(shape) > MAX_DIMENSIONS:
        raise CodecError(f"a shape may have at most {MAX_DIMENSIONS} axes, got {len(shape)}")
    if any(type(length) is not int or not 0 <= length < 1 << 63 for length in shape):
        raise CodecError("the lengths of a shape must be whole numbers from 0 on")
    expected = math.prod(shape) * itemsize
    if expected != size:
        needed = f"{expected:,}" if expected in _INT64 else "far more"
        raise CodecError(f"shape and dtype need {needed} bytes, the part has {size:,}")
    if not size and math.prod(length for length in shape if length) * MAX_ITEMSIZE >= 1 << 63:
        raise CodecError("an empty array cannot have this shape")  # libraries count its strides


def _check_bool(part: memoryview) -> None:
    """Raise where a byte of booleans is neither 0 nor 1."""
    if part.nbytes and np.frombuffer(part, np.uint8).max() > 1:
        raise CodecError("booleans must be bytes 0 and 1")


def _view(part: memoryview, dtype: "np.dtype[Any]") -> Any:
    """Return the numbers of a part that is not empty, without a copy."""
    if dtype.kind == "b":
        _check_bool(part)
    return np.frombuffer(part, dtype.newbyteorder("<"))


def _check_keys(keys: Sequence[Any]) -> None:
    """Raise for keys that are equal, or were chosen to make a set or dict slow."""
    if len(keys) > nodes.MAX_KEYS:
        raise CodecError(f"a set or dict may have at most {nodes.MAX_KEYS:,} keys")
    counts = Counter(hash(key) for key in keys)
    if counts and max(counts.values()) > nodes.MAX_COLLISIONS:
        raise CodecError(f"more than {nodes.MAX_COLLISIONS} keys have the same hash")
    if len(set(keys)) != len(keys):
        raise CodecError("the keys of a set or dict must differ, and some are equal")
