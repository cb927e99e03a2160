"""What both directions of the codec share: limits, kinds of numbers, references, errors."""

from dataclasses import dataclass

import numpy as np

MAX_ITEMS = 500_000
MAX_DEPTH = 16
MAX_PARTS = 50_000
#: Hexadecimal digits of an int: about 78,000 decimal ones.
MAX_DIGITS = 1 << 16
#: Bytes of all parts that `encode` makes.
MAX_BYTES = 1 << 30
#: Characters of a str inside the JSON, and of all such together; what is longer becomes a part.
MAX_INLINE = 256
MAX_INLINE_TOTAL = 1 << 18
#: Bytes of one text: a single rare character can make it four times larger in memory.
MAX_TEXT = 16 << 20
MAX_NAME = 200
#: Keys of one set or dict, and those of them with the same hash: numbers can be chosen so that
#: they collide, and then each key is compared with all others.
MAX_KEYS = 50_000
MAX_COLLISIONS = 100

_NARROW = "?bhilqBHILQefdFD"
#: By name; these cross as they are.
DTYPES = {np.dtype(char).name: np.dtype(char) for char in _NARROW}
#: By character: `longdouble` and its complex twin lose their extra bits.
NARROWED = {"g": np.dtype("float64"), "G": np.dtype("complex128")}
#: By identity of the scalar's class.
SCALARS = {id(np.dtype(char).type): DTYPES[np.dtype(char).name] for char in _NARROW}
SCALARS |= {id(np.dtype(char).type): dtype for char, dtype in NARROWED.items()}
TENSOR_DTYPES = {*DTYPES, "bfloat16"}
TENSOR_DTYPES |= {f"float8_{kind}" for kind in ("e4m3fn", "e5m2", "e4m3fnuz", "e5m2fnuz")}
BIT_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")
PRIMITIVES = {id(kind) for kind in (bool, int, float, complex, str, bytes, type(None))}


class CodecError(ValueError):
    """A value that cannot cross, or a node that no value is written as."""


@dataclass(frozen=True)
class Reference:
    """An object that stays on its side: its number there, and the name of its type for messages."""

    id: int
    type_name: str


def has_surrogates(text: str) -> bool:
    """Return whether a text has surrogates; JSON would merge a pair of them."""
    if text.isascii():
        return False
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def is_key(key: object, depth: int = 0) -> bool:
    """Return whether a dict's key is a primitive or a tuple of keys."""
    if type(key) is tuple:
        return depth < MAX_DEPTH and all(is_key(item, depth + 1) for item in key)
    return id(type(key)) in PRIMITIVES
