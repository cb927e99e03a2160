"""The learner's side of a border: operations on names and objects, and plain copies of results.

`check` performs in the notebook's own process, the judge in a confined one. Both use this module,
so both see the same values and the same words for an error.
"""

import itertools
import linecache
import math
import operator
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from d2l_lite.grading.codec import Reference
from d2l_lite.grading.deadlines import TimeUpError
from d2l_lite.grading.reprs import is_tensor
from d2l_lite.grading.wording import clean

MAX_ITEMS = 10_000
MAX_DEPTH = 8
MAX_ELEMENTS = 50_000_000
_PRIMITIVES = (bool, int, float, complex, str, bytes, type(None))
_ITERATORS: tuple[Any, ...] = (types.GeneratorType, map, zip, filter, range)
_VIEWS: tuple[Any, ...] = (type({}.keys()), type({}.values()), type({}.items()))
_NO_TENSORS = (
    "A PyTorch tensor came back, and this exercise does without PyTorch. "
    "A number or a NumPy array was expected."
)
OPERATORS = ("add", "sub", "mul", "truediv", "matmul", "pow")


class LearnerError(Exception):
    """What the learner's code raised, as words: class, message, line; or why it did not get there.

    `kind` is `error`; `missing` or `unfinished` where a name or an answer is not there yet;
    `stopped` where the code was ended from outside, so that nothing more can be asked of it.
    """

    def __init__(
        self, message: str, *, place: str = "", kind: str = "error", bases: Iterable[str] = ()
    ) -> None:
        super().__init__(message)
        self.message, self.place, self.kind = message, place, kind
        self.bases: tuple[str, ...] = tuple(bases)

    @property
    def unfinished(self) -> bool:
        """Whether a name or an answer is not there yet, rather than wrong."""
        return self.kind in ("missing", "unfinished")

    @classmethod
    def from_exception(
        cls, error: BaseException, namespace: Mapping[str, object]
    ) -> "LearnerError":
        """Return the description of an exception from the code of a namespace."""
        name = _name(type(error))
        if isinstance(error, NotImplementedError):
            found = cls(
                "Not written yet: this still raises NotImplementedError.", kind="unfinished"
            )
        else:
            found = cls(clean(f"{name}: {_message(error)}".removesuffix(": ")))
        found.place = _place(error.__traceback__, namespace)
        found.bases = tuple(map(_name, type(error).__mro__))
        return found


def _name(kind: type) -> str:
    """Return the name of a class; one whose own class refuses to tell it gets none."""
    try:
        return str(kind.__name__)
    except Exception:
        return "an exception without a name"


def _message(error: BaseException) -> str:
    """Return an exception's message; a `__str__` that fails gives an empty one."""
    try:
        return str(error)
    except Exception:
        return ""


def _place(traceback: types.TracebackType | None, namespace: Mapping[str, object]) -> str:
    """Return `mse, line 3: return y_hatt - y`: the innermost line that the learner wrote."""
    frames = []
    while traceback is not None:
        frames.append((traceback.tb_frame, traceback.tb_lineno))
        traceback = traceback.tb_next
    own = [pair for pair in frames if pair[0].f_globals is namespace]
    if not own:
        return ""
    frame, number = own[-1]
    line = linecache.getline(frame.f_code.co_filename, number).strip()
    name = frame.f_code.co_name
    return f"{name}, line {number}" + (f": {clean(line, 120)}" if line else "")


class Performer:
    """Performs operations on the names of a namespace and on the objects that these led to.

    Results are plain copies; an object that is no plain value stays here, and a `Reference`
    stands for it. Where the learner's code raises, a `LearnerError` says so in words, as it does
    where a tensor comes back and `torch_allowed` is false.
    """

    def __init__(self, namespace: Mapping[str, object], *, torch_allowed: bool = True) -> None:
        self.namespace, self._torch_allowed = namespace, torch_allowed
        self._objects: list[object] = []

    def perform(self, operation: str, operands: list[Any], named: dict[str, Any]) -> Any:
        """Return what an operation gives.

        Args:
            operation: `name`, `known`, `build`, or one that works on objects: `get`, `set`, `call`,
                `item`, `neg`, `value` and the operators.
            operands: What it works on, as the learner's code will see it.
            named: Keyword arguments of a call.

        Returns:
            Plain values, with a `Reference` for each object in them.

        Raises:
            LearnerError: The name is not there, or the learner's code raised.
        """
        if operation == "name":
            return self.refer(self._find(*operands))
        if operation == "build":
            names = {"np": np, "math": math, "torch": sys.modules.get("torch")}
            return self.refer(eval(operands[0], names))
        try:
            if operation == "known":
                return self._plain(self._find(*operands))
            result = _OPERATIONS[operation](*operands, **named)
            return self.refer(result) if operation == "get" else self._plain(result)
        except (KeyboardInterrupt, LearnerError, TimeUpError):
            raise
        except BaseException as error:
            raise LearnerError.from_exception(error, self.namespace) from None

    def resolve(self, reference: Reference) -> object:
        """Return the object that a reference stands for.

        Raises:
            LookupError: There is no such object.
        """
        if not 0 <= reference.id < len(self._objects):
            raise LookupError(f"there is no object {reference.id}")
        return self._objects[reference.id]

    def refer(self, thing: object) -> Reference:
        """Return a reference to an object, which is kept from now on."""
        self._objects.append(thing)
        return Reference(len(self._objects) - 1, clean(type(thing).__name__, 60))

    def _find(self, name: str) -> Any:
        """Return what a name holds, or raise the message for one that is not there."""
        if name not in self.namespace:
            message = f"`{name}` is not defined. Run the cell that defines it, and keep its name."
            raise LearnerError(message, kind="missing")
        if self.namespace[name] is Ellipsis:
            raise LearnerError(f"Not written yet: `{name}` is still `...`.", kind="unfinished")
        return self.namespace[name]

    def _plain(self, value: Any, depth: int = 0) -> Any:
        """Return a detached plain copy of a result, or a reference where it is an object."""
        if is_tensor(value):
            if not self._torch_allowed:
                raise LearnerError(_NO_TENSORS)
            _refuse_huge(value.numel())
            return value.detach().as_subclass(sys.modules["torch"].Tensor).cpu().clone()
        if isinstance(value, np.ndarray):
            _refuse_huge(value.size)
            return np.array(value)
        if type(value) in _PRIMITIVES or value is Ellipsis or isinstance(value, np.generic):
            return value
        if isinstance(value, _ITERATORS + _VIEWS):
            value = _listed(value)
        if type(value) is set and all(type(item) in _PRIMITIVES for item in value):
            return set(value)
        keys = list(value) if isinstance(value, dict) else []
        simple = all(type(key) in (*_PRIMITIVES, tuple) for key in keys)
        if isinstance(value, list | tuple | dict) and simple and depth < MAX_DEPTH:
            return each(value, lambda item, _: self._plain(item, depth + 1))
        return self.refer(value)


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "get": getattr,
    "set": setattr,
    "call": lambda function, /, *args, **named: function(*args, **named),
    "item": operator.getitem,
    "neg": operator.neg,
    "value": lambda thing: thing,
    **{name: getattr(operator, name) for name in OPERATORS},
}


def stopped(seconds: float) -> LearnerError:
    """Return the error of learner code that was stopped by the clock."""
    return LearnerError(f"Stopped after {seconds:g} s. Does a loop never end?", kind="stopped")


def require_cpu(used: float, limit: float | None) -> None:
    """Raise where a call used more seconds of processor time than its case allows."""
    if limit is not None and used > limit:
        raise LearnerError(
            f"It used {used:.1f} s of processor time, at most {limit:g} s are allowed."
        )


def each(value: Any, change: Callable[[Any, Any], Any]) -> Any:
    """Return a list, tuple or dict with every item changed; a named tuple becomes a plain one."""
    if isinstance(value, dict):
        return {key: change(item, key) for key, item in value.items()}
    items = [change(item, index) for index, item in enumerate(value)]
    return tuple(items) if isinstance(value, tuple) else items


def _refuse_huge(size: int) -> None:
    """Raise for an array that is too large to copy."""
    if size > MAX_ELEMENTS:
        raise ValueError(f"a result may have at most {MAX_ELEMENTS} elements, got {size}")


def _listed(items: Iterable[Any]) -> list[Any]:
    """Return the items of an iterator, which must end."""
    listed = list(itertools.islice(items, MAX_ITEMS + 1))
    if len(listed) > MAX_ITEMS:
        raise ValueError(
            f"an iterator may give at most {MAX_ITEMS} items, got more; end it earlier"
        )
    return listed
