"""Values as JSON nodes and binary parts, in both directions between the judge and a worker.

No pickle: a node says what it is by its tag, and the decoder accepts the tags below and nothing
else. A list always starts with its tag.

| node | value |
|---|---|
| `null`, `true`, `false` | None and the booleans |
| number without a fraction, 64 bits | int |
| other number | float, finite |
| string of at most 256 characters | str without surrogates |
| `["str", part]` | any other str, UTF-8 with surrogates passed through |
| `["int", "-1f"]` | int beyond 64 bits, hexadecimal |
| `["float", "nan" or "inf" or "-inf"]` | float, not finite |
| `["complex", node, node]` | complex: real and imaginary part |
| `["bytes", part]`, `["ellipsis"]` | bytes, Ellipsis |
| `["list", node, …]`, `["tuple", node, …]` | list, tuple |
| `["set", node, …]` | set of None, bool, int, float, complex, str and bytes |
| `["dict", key, node, key, node, …]` | dict in its order; keys are as in a set, or tuples of such |
| `["scalar", dtype, hex]` | NumPy scalar |
| `["array", dtype, shape, part]` | NumPy array |
| `["tensor", dtype, shape, part, requires_grad]` | PyTorch tensor |
| `["reference", id, type name]` | an object that stays on its side |
| `["slice", node, node, node]` | slice (arguments only) |
| `["rng", bit generator, node]`, `["torch_rng", part]` | random generators (arguments only) |

`part` is the index of a binary part, which belongs to one node alone. Arrays and tensors are raw
little-endian numbers in C order. They come back contiguous, in the machine's byte order, writable,
and in memory of their own, so what was shared or viewed before is not afterwards. `longdouble` is
narrowed to float64 and its complex twin to complex128, since its bytes differ between machines;
`longlong` comes back as the usual type of the same width.
Subclasses of arrays and tensors come back as plain ones, a tensor that was computed as a leaf.
Arrays of other kinds (objects, strings, dates, records), sparse, quantized, nested, meta and
complex32 tensors and instances of any other class become references. A random generator continues
its stream; the seed from which NumPy's would spawn others does not cross.
"""

from collections.abc import Callable, Sequence
from typing import Any

from d2l_lite.grading.decoding import Decoder
from d2l_lite.grading.encoding import Encoder
from d2l_lite.grading.nodes import MAX_BYTES, CodecError, Reference

__all__ = ["CodecError", "Reference", "decode", "encode"]


def encode(
    value: object,
    *,
    refer: Callable[[Any], Reference],
    arguments: bool = False,
    max_bytes: int = MAX_BYTES,
) -> tuple[Any, list[bytes]]:
    """Return a value as a JSON node and binary parts; no method of the value's class is called.

    Args:
        value: Any object.
        refer: Asked for every object in it that is not a plain value; may raise TypeError.
        arguments: Whether slices and random generators are values, too.
        max_bytes: The most that all binary parts together may take, in bytes.

    Returns:
        The node and its parts.

    Raises:
        CodecError: The value is too large, too deep or refers to itself.
    """
    encoder = Encoder(refer, arguments=arguments, max_bytes=max_bytes)
    return encoder.node(value, 0), encoder.parts


def decode(
    node: object,
    parts: Sequence[memoryview | bytes],
    *,
    resolve: Callable[[Reference], object],
    torch_allowed: bool = True,
    arguments: bool = False,
) -> Any:
    """Return the value of a node that may come from a hostile side.

    Args:
        node: What `encode` returned, after JSON.
        parts: The binary parts; every one must be used once.
        resolve: Returns the object that a reference stands for; a LookupError refuses it.
        torch_allowed: Whether tensors may occur; PyTorch is imported for the first.
        arguments: Whether slices and random generators may occur. Only for a side that is trusted:
            NumPy does not check a generator's state.

    Returns:
        The value, made of exact built-in types, NumPy and PyTorch objects, and what `resolve` gave.

    Raises:
        CodecError: The node breaks the format or one of its limits.
    """
    decoder = Decoder(parts, resolve=resolve, torch_allowed=torch_allowed, arguments=arguments)
    value = decoder.value(node, 0)
    if len(decoder.used) != len(parts):
        raise CodecError(f"{len(parts)} parts came, {len(decoder.used)} are used; all must be")
    return value
