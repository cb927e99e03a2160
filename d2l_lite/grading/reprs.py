"""Short texts of values for messages: arrays in one line, objects by their type alone."""

import re
import sys
from typing import Any

import numpy as np

from d2l_lite.grading.wording import MAX_CHARACTERS, clean

#: Arrays of more elements than this are shown by their corners and their shape.
MAX_ELEMENTS = 12
MAX_ITEMS = 8
#: Arrays of more axes than this are shown flat: they have 2**axes corners.
MAX_AXES = 6


def is_tensor(value: object) -> bool:
    """Return whether `value` is a PyTorch tensor, without importing PyTorch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def to_array(value: Any) -> np.ndarray:
    """Return the values of a tensor, array or number as a NumPy array; bfloat16 as float32."""
    if not is_tensor(value):
        return np.asarray(value)
    value = value.detach().cpu()
    try:
        return np.asarray(value.numpy())
    except TypeError:
        dense = value.to_dense() if value.layout is not sys.modules["torch"].strided else value
        return np.asarray(dense.float().numpy())


def dtype_name(value: Any) -> str:
    """Return the dtype of a tensor or array as both libraries spell it: `float32`."""
    return str(value.dtype).removeprefix("torch.")


def type_name(value: object) -> str:
    """Return how messages name the type of `value`."""
    if value is None:
        return "None"
    if is_tensor(value):
        return "a PyTorch tensor"
    if isinstance(value, np.ndarray):
        return "a NumPy array"
    if isinstance(value, np.generic):
        return f"a NumPy number ({value.dtype})"
    described = getattr(type(value), "_described", None)
    name = described(value) if described else clean(type(value).__name__, 60)
    return f"an object of type {name}" if described else f"a value of type {name}"


def short(value: object) -> str:
    """Return one line for `value`; no code of a learner's class is run for it."""
    return clean(_text(value, depth=0))


def _text(value: Any, *, depth: int) -> str:
    """Return the text of a value; containers nest three deep."""
    if is_tensor(value) or isinstance(value, np.ndarray):
        return _array_text(value)
    if isinstance(value, np.generic):
        return _scalar_text(value)
    if isinstance(value, str | bytes):
        return repr(value[:MAX_CHARACTERS])
    if value is Ellipsis:
        return "..."
    if value is None or type(value) in (bool, int, float, complex):
        return _number_text(value)
    if type(value) in (list, tuple, set, dict) and depth < 3:
        return _container_text(value, depth=depth + 1)
    described = getattr(type(value), "_described", None)
    return f"<{described(value) if described else clean(type(value).__name__, 60)}>"


def _scalar_text(value: np.generic) -> str:
    """Return the text of a NumPy scalar, with its dtype where that is not the usual one."""
    usual = isinstance(value, np.float64 | np.int64 | np.bool_)
    return repr(value.item()) if usual else f"{dtype_name(value)}({value.item()!r})"


def _number_text(value: Any) -> str:
    """Return the text of a number; integers of thousands of digits are not written out."""
    if type(value) is int and value.bit_length() > 256:
        return f"<an integer of {value.bit_length()} bits>"
    return repr(value)


def _container_text(value: Any, *, depth: int) -> str:
    """Return the text of a list, tuple, set or dict, at most eight items of it."""
    if type(value) is dict:
        items = [
            f"{_text(key, depth=depth)}: {_text(item, depth=depth)}"
            for key, item in list(value.items())[:MAX_ITEMS]
        ]
    else:
        items = [_text(item, depth=depth) for item in list(value)[:MAX_ITEMS]]
    if len(value) > MAX_ITEMS:
        items.append(f"… {len(value)} items")
    brackets = {"list": "[]", "tuple": "()"}.get(type(value).__name__, "{}")
    comma = "," if type(value) is tuple and len(value) == 1 else ""
    return brackets[0] + ", ".join(items) + comma + brackets[1]


def _array_text(value: Any) -> str:
    """Return `tensor([1., 2.])`, with shape and dtype where they cannot be seen."""
    name = "tensor" if is_tensor(value) else "array"
    array = to_array(value)
    if array.dtype.hasobject:
        return f"{name} of Python objects, shape {tuple(array.shape)}"
    text = np.array2string(
        array if array.ndim <= MAX_AXES else array.reshape(-1),
        precision=4,
        threshold=MAX_ELEMENTS,
        edgeitems=2 if array.ndim < 3 else 1,
        separator=", ",
        suppress_small=False,
    )
    text = re.sub(r" +(?=[,\]])|(?<=\[) +", "", re.sub(r"\s+", " ", text))
    usual = "float32" if name == "tensor" else "float64"
    if dtype_name(value) != usual and array.dtype.kind not in "biU":
        text += f", dtype={dtype_name(value)}"
    hides = array.size > MAX_ELEMENTS or not array.size
    return f"{name}({f'shape {tuple(array.shape)}, ' if hides else ''}{text})"
