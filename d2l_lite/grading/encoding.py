"""From values to nodes; no method of a learner's class is called. The format: `codec.py`."""

import contextlib
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from d2l_lite.grading import nodes
from d2l_lite.grading.nodes import CodecError, Reference


class Encoder:
    """What is written so far, and how much of each limit is left."""

    def __init__(
        self, refer: Callable[[Any], Reference], *, arguments: bool, max_bytes: int
    ) -> None:
        self.refer, self.arguments, self.max_bytes = refer, arguments, max_bytes
        self.parts: list[bytes] = []
        self.items = self.bytes = self.inline = 0

    def node(self, value: Any, depth: int) -> Any:
        """Return the node of a value; types are told by identity, since classes can lie."""
        self.items += 1
        self._require_room(0)
        if depth > nodes.MAX_DEPTH:
            raise CodecError(
                f"a value may be nested at most {nodes.MAX_DEPTH} deep; this one goes deeper "
                "or contains itself"
            )
        kind = type(value)
        if value is None or kind is bool:
            return value
        method = _ENCODERS.get(id(kind), Encoder._other)
        return method(self, value, depth)

    def _require_room(self, count: int, limit: int = nodes.MAX_ITEMS) -> None:
        """Raise where so many items more are too many, before they are copied."""
        if count > limit or self.items + count > nodes.MAX_ITEMS:
            raise CodecError(
                f"a value may have at most {nodes.MAX_ITEMS:,} items in all, and a set or dict "
                f"{nodes.MAX_KEYS:,} keys; send less, or an array"
            )

    def _part(self, size: int, make: Callable[[], bytes]) -> int:
        """Return the index of a new part, made only if its size in bytes fits."""
        self.bytes += size
        if self.bytes > self.max_bytes:
            raise CodecError(
                f"the arrays and texts of a value may take at most {self.max_bytes:,} bytes, "
                f"these take {self.bytes:,} or more"
            )
        if len(self.parts) == nodes.MAX_PARTS:
            raise CodecError(f"a value may have at most {nodes.MAX_PARTS:,} arrays and long texts")
        self.parts.append(make())
        return len(self.parts) - 1

    def _int(self, value: int, _: int) -> Any:
        if -(1 << 63) <= value < 1 << 63:
            return value
        if value.bit_length() > 4 * nodes.MAX_DIGITS:
            raise CodecError(
                f"an int may have at most {4 * nodes.MAX_DIGITS:,} bits, got {value.bit_length():,}"
            )
        return ["int", format(value, "x")]

    def _float(self, value: float, _: int) -> Any:
        return value if math.isfinite(value) else ["float", str(value)]

    def _complex(self, value: complex, depth: int) -> Any:
        return ["complex", self._float(value.real, depth), self._float(value.imag, depth)]

    def _str(self, value: str, _: int) -> Any:
        if (
            len(value) <= nodes.MAX_INLINE
            and self.inline <= nodes.MAX_INLINE_TOTAL
            and not nodes.has_surrogates(value)
        ):
            self.inline += len(value)
            return value
        size = len(value)
        if size <= nodes.MAX_TEXT:
            data = value.encode("utf-8", "surrogatepass")
            size = len(data)
        if size > nodes.MAX_TEXT:
            raise CodecError(f"a text may have at most {nodes.MAX_TEXT:,} bytes, got {size:,}")
        return ["str", self._part(len(data), lambda: data)]

    def _bytes(self, value: bytes, _: int) -> Any:
        return ["bytes", self._part(len(value), lambda: value)]

    def _ellipsis(self, _value: object, _: int) -> Any:
        return ["ellipsis"]

    def _sequence(self, value: Sequence[Any], depth: int) -> Any:
        self._require_room(len(value))
        name = "list" if type(value) is list else "tuple"
        return [name, *[self.node(item, depth + 1) for item in tuple(value)]]

    def _set(self, value: set[Any], depth: int) -> Any:
        self._require_room(len(value), nodes.MAX_KEYS)
        items = tuple(value)
        if not all(id(type(item)) in nodes.PRIMITIVES for item in items):
            return self._reference(value)
        return ["set", *[self.node(item, depth + 1) for item in items]]

    def _dict(self, value: dict[Any, Any], depth: int) -> Any:
        self._require_room(len(value), nodes.MAX_KEYS)
        pairs = tuple(value.items())
        if not all(nodes.is_key(key) for key, _ in pairs):
            return self._reference(value)
        return ["dict", *[self.node(item, depth + 1) for pair in pairs for item in pair]]

    def _slice(self, value: slice, depth: int) -> Any:
        if not self.arguments:
            return self._reference(value)
        ends = (value.start, value.stop, value.step)
        return ["slice", *[self.node(end, depth + 1) for end in ends]]

    def _scalar(self, value: np.generic, _: int) -> Any:
        dtype = nodes.SCALARS[id(type(value))]
        with np.errstate(all="ignore"):
            data = np.asarray(value).astype(dtype.newbyteorder("<")).tobytes()
        return ["scalar", dtype.name, data.hex()]

    def _array(self, value: Any, _: int) -> Any:
        plain = np.ndarray.view(value, np.ndarray)
        dtype = nodes.NARROWED.get(plain.dtype.char) or nodes.DTYPES.get(plain.dtype.name)
        if dtype is None:
            return self._reference(value)
        size = plain.size * dtype.itemsize
        part = self._part(size, lambda: _array_bytes(plain, dtype))
        return ["array", dtype.name, list(plain.shape), part]

    def _other(self, value: Any, depth: int) -> Any:
        """Return the node of an array, tensor or generator; else of a reference."""
        kind, torch, random = type(value), _torch(), sys.modules.get("numpy.random")
        if issubclass(kind, np.ndarray):
            return self._array(value, depth)
        if torch is not None and issubclass(kind, torch.Tensor):
            return self._tensor(value, torch)
        if self.arguments and random is not None and kind is random.Generator:
            name = type(value.bit_generator).__name__
            if name in nodes.BIT_GENERATORS:
                return ["rng", name, self.node(value.bit_generator.state, depth + 1)]
        is_torch_rng = torch is not None and kind is torch.Generator
        if self.arguments and is_torch_rng and value.device.type == "cpu":
            data = value.get_state().numpy().tobytes()
            return ["torch_rng", self._part(len(data), lambda: data)]
        return self._reference(value)

    def _tensor(self, value: Any, torch: Any) -> Any:
        """Return the node of a tensor, with the hooks of its class switched off."""
        with _plain_torch(torch):
            plain = torch.Tensor.detach(value)
            dense = type(plain) is torch.Tensor and _is_dense(plain, torch)
            name = str(plain.dtype).removeprefix("torch.") if dense else ""
            if name in nodes.TENSOR_DTYPES:
                size = plain.numel() * plain.element_size()
                part = self._part(size, lambda: _tensor_bytes(plain, torch))
                needs_grad = torch.Tensor.requires_grad.__get__(value)
                return ["tensor", name, list(plain.shape), part, needs_grad]
        return self._reference(value)

    def _reference(self, value: Any, _: int = 0) -> Any:
        found = value if type(value) is Reference else self.refer(value)
        if type(found) is not Reference:
            raise TypeError(f"refer must return a Reference, got {type(found).__name__}")
        return ["reference", found.id, _short_name(found.type_name)]


_ENCODERS: dict[int, Callable[[Encoder, Any, int], Any]] = {
    id(int): Encoder._int,
    id(float): Encoder._float,
    id(complex): Encoder._complex,
    id(str): Encoder._str,
    id(bytes): Encoder._bytes,
    id(type(...)): Encoder._ellipsis,
    id(list): Encoder._sequence,
    id(tuple): Encoder._sequence,
    id(set): Encoder._set,
    id(dict): Encoder._dict,
    id(slice): Encoder._slice,
    id(np.ndarray): Encoder._array,
    id(Reference): Encoder._reference,
}
_ENCODERS |= dict.fromkeys(nodes.SCALARS, Encoder._scalar)


def _short_name(name: str) -> str:
    """Return the name of a type, cut to what a reference may carry."""
    return name[: nodes.MAX_NAME].encode("utf-8", "replace").decode("utf-8")


def _array_bytes(array: np.ndarray, dtype: np.dtype[Any]) -> bytes:
    """Return an array's numbers in C order; a byte of a bool array may hold more than 0 and 1."""
    if dtype.kind == "b":
        array = array.view(np.uint8) != 0
    with np.errstate(all="ignore"):
        return array.astype(dtype.newbyteorder("<"), copy=False).tobytes()


def _torch() -> Any:
    """Return PyTorch where it is loaded."""
    return sys.modules.get("torch")


@contextlib.contextmanager
def _plain_torch(torch: Any) -> Iterator[None]:
    """Return a context in which a tensor's own class has no say."""
    with (
        torch.no_grad(),
        torch._C.DisableTorchFunctionSubclass(),
        torch._C._DisableTorchDispatch(),
    ):
        yield


def _is_dense(tensor: Any, torch: Any) -> bool:
    """Return whether a tensor is an array of numbers in memory; wrappers have a shape alone."""
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_nested:
        return False
    return tensor.device.type != "meta" and (not tensor.numel() or tensor.data_ptr() != 0)


def _tensor_bytes(tensor: Any, torch: Any) -> bytes:
    """Return a tensor's numbers in C order."""
    flat = tensor.cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
    if flat.numel() < 2:  # counts as contiguous with any stride, and may not be viewed as bytes
        flat = flat.new_empty(flat.shape).copy_(flat)
    numbers = flat.view(torch.uint8).numpy()
    return bytes((numbers != 0 if tensor.dtype is torch.bool else numbers).tobytes())
