"""Comparison of a learner's result with the reference: what differs, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from d2l_lite.grading.reprs import dtype_name, is_tensor, short, to_array, type_name

#: Relative and absolute tolerance by the less precise of the two dtypes.
TOLERANCES = {
    "float64": (1e-7, 1e-8),
    "float32": (1e-4, 1e-5),
    "float16": (1e-2, 1e-3),
    "bfloat16": (2e-2, 1e-2),
    "complex128": (1e-7, 1e-8),
    "complex64": (1e-4, 1e-5),
    "number": (1e-4, 1e-6),
}
#: Results of these may be less precise than the reference; of coarser ones anything small would do.
FINE = ("float64", "float32", "complex128", "complex64", "number")
#: What learners read where a function has no value to give.
NOTHING = "None came back. Did you forget `return`?"


@dataclass(frozen=True)
class Rule:
    """How strictly two values are compared: tolerances (None: by dtype) and the dtype itself."""

    rtol: float | None = None
    atol: float | None = None
    check_dtype: bool = True

    def tolerances(self, want: str, got: str = "") -> tuple[float, float]:
        """Return relative and absolute tolerance for the dtypes of a reference and a result."""
        names = [want, *([got] if got in FINE else [])]
        pairs = [TOLERANCES.get(name, (0.0, 0.0)) for name in names]
        rtol = max(pair[0] for pair in pairs) if self.rtol is None else self.rtol
        atol = max(pair[1] for pair in pairs) if self.atol is None else self.atol
        return rtol, atol


def difference(got: Any, want: Any, rule: Rule) -> str:
    """Return what differs between a result and its reference, or an empty string.

    Args:
        got: What came back.
        want: Tensor, array, number, string, None, or list, tuple or dict of these.
        rule: Tolerances, and whether the dtype counts.

    Returns:
        One or two sentences; empty where both agree.
    """
    if got is None and want is not None:
        return NOTHING
    if got is Ellipsis:
        return "This is still `...`: not written yet."
    if is_tensor(want) or isinstance(want, np.ndarray):
        return _array_difference(got, want, rule)
    if isinstance(want, bool):
        return _bool_difference(got, want)
    if isinstance(want, int | float | complex | np.generic):
        return _number_difference(got, want, rule)
    if isinstance(want, list | tuple):
        return _sequence_difference(got, want, rule)
    if isinstance(want, Mapping):
        return _mapping_difference(got, want, rule)
    if type(got) is not type(want):
        return f"Wrong type: {type_name(got)} came back, {type_name(want)} was expected."
    return "" if got == want else f"{short(got)} came back, {short(want)} was expected."


def _array_difference(got: Any, want: Any, rule: Rule) -> str:
    """Return what differs between arrays: library, shape, dtype, NaN, values, in this order."""
    same_library = is_tensor(got) if is_tensor(want) else isinstance(got, np.ndarray)
    if not same_library:
        return f"Wrong type: {type_name(got)} came back, {type_name(want)} was expected."
    if tuple(got.shape) != tuple(want.shape):
        expected = f"{tuple(want.shape)}" if want.ndim else "() (a single number)"
        return f"Wrong shape: {tuple(got.shape)} came back, {expected} was expected."
    if rule.check_dtype and got.dtype != want.dtype:
        return f"Wrong dtype: {dtype_name(got)} came back, {dtype_name(want)} was expected."
    rtol, atol = rule.tolerances(dtype_name(want), dtype_name(got))
    return _values_difference(to_array(got), to_array(want), rtol=rtol, atol=atol)


def _values_difference(got: Any, want: Any, *, rtol: float, atol: float) -> str:
    """Return where values of equal shape differ, and by how much at most."""
    if got.dtype.kind not in "biufc":
        return f"Wrong dtype: an array of {got.dtype} came back, numbers were expected."
    wrong, gap = _wrong(got, want, rtol=rtol, atol=atol)
    if not wrong.any():
        return ""
    for test, word in ((np.isnan, "NaN"), (np.isinf, "infinite")):
        bad = wrong & test(got)
        if bad.any():
            count = f"{bad.sum()} of {bad.size} values are" if bad.size > 1 else "The value is"
            return f"{count} {word}{_place(np.argwhere(bad)[0])}."
    gap = np.where(wrong, gap, -1.0)
    place = np.unravel_index(int(np.argmax(np.where(np.isnan(gap), np.inf, gap))), gap.shape)
    pair = f"got {_written(got[place])}, expected {_written(want[place])}"
    if gap.size == 1:
        return f"The value differs by {gap[place]:.3g}: {pair}."
    return (
        f"{wrong.sum()} of {wrong.size} values differ; "
        f"the largest difference is {gap[place]:.3g}{_place(place)}: {pair}."
    )


def _wrong(got: Any, want: Any, *, rtol: float, atol: float) -> tuple[Any, Any]:
    """Return which values are wrong, and how far each is from its reference.

    Nothing finite is close to infinity. Without a tolerance values are compared as they are: as
    floats, whole numbers beyond 2**53 would equal their neighbors.
    """
    with np.errstate(all="ignore"):
        same = got == want
        wide = complex if "c" in (got.dtype.kind, want.dtype.kind) else float
        got, want = got.astype(wide), want.astype(wide)
        same = same | (np.isnan(got) & np.isnan(want))
        gap = np.where(same, 0.0, np.abs(got - want))
        near = np.isfinite(want) & (gap <= atol + rtol * np.abs(want))
    return ~same & ~(near & (rtol + atol > 0)), gap


def _written(value: Any) -> str:
    """Return a number of an array: whole ones with every digit."""
    return str(int(value)) if value.dtype.kind in "biu" else f"{value:.6g}"


def _place(index: Any) -> str:
    """Return ` at [1, 0]`, or nothing for a value without axes."""
    return f" at [{', '.join(str(int(i)) for i in index)}]" if len(index) else ""


def _bool_difference(got: Any, want: bool) -> str:
    """Return what differs from True or False; a 0-d boolean tensor or array is one."""
    is_bool = isinstance(got, bool | np.bool_) or (
        (is_tensor(got) or isinstance(got, np.ndarray))
        and got.ndim == 0
        and dtype_name(got) == "bool"
    )
    if not is_bool:
        return f"Wrong type: {type_name(got)} came back, True or False was expected."
    return "" if bool(got) == want else f"{bool(got)} came back, {want} was expected."


def _number_difference(got: Any, want: Any, rule: Rule) -> str:
    """Return what differs from a number; a 0-d tensor or array is one."""
    is_array = is_tensor(got) or isinstance(got, np.ndarray | np.generic)
    if is_array and got.ndim:
        return f"Wrong shape: {tuple(got.shape)} came back, a single number was expected."
    if not is_array and (isinstance(got, bool) or not isinstance(got, int | float | complex)):
        return f"Wrong type: {type_name(got)} came back, a number was expected."
    names = ("number", dtype_name(got)) if is_array else ("number",)
    rtol, atol = rule.tolerances(*names) if not isinstance(want, int) else rule.tolerances("whole")
    one, other = to_array(got), to_array(want)
    if "O" in (one.dtype.kind, other.dtype.kind):  # whole numbers beyond 64 bits
        return "" if got == want else f"{short(got)} came back, {short(want)} was expected."
    return _values_difference(one, other, rtol=rtol, atol=atol)


def _sequence_difference(got: Any, want: Any, rule: Rule) -> str:
    """Return the first difference between sequences; a list and a tuple are equal kinds."""
    if not isinstance(got, list | tuple):
        expected = f"a {type(want).__name__} of {len(want)}"
        return f"Wrong type: {type_name(got)} came back, {expected} was expected."
    if len(got) != len(want):
        return f"Wrong length: {len(got)} came back, {len(want)} was expected."
    for index, (one, other) in enumerate(zip(got, want, strict=True)):
        if text := difference(one, other, rule):
            return f"Item [{index}]: {text}"
    return ""


def _mapping_difference(got: Any, want: Any, rule: Rule) -> str:
    """Return the first difference between dicts: keys, then values."""
    if not isinstance(got, dict):
        return f"Wrong type: {type_name(got)} came back, a dict was expected."
    missing = [key for key in want if key not in got]
    extra = [key for key in got if key not in want]
    if missing or extra:
        words = [f"missing {short(missing)}"] * bool(missing) + [f"extra {short(extra)}"] * bool(
            extra
        )
        return f"Wrong keys: {', '.join(words)}."
    for key, value in want.items():
        if text := difference(got[key], value, rule):
            return f"Key {short(key)}: {text}"
    return ""
