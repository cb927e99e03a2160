"""The submission `s` that cases call: copies go in, plain copies come back, objects stay.

Nothing but values crosses the border between a case and the learner's code, so the same cases can
later be run against a process of its own.
"""

import copy
import itertools
import linecache
import math
import operator
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from d2l_lite.grading.reprs import clean, is_tensor, short

MAX_ITEMS = 10_000
MAX_DEPTH = 8
MAX_STORY = 5
MAX_ELEMENTS = 50_000_000
_PRIMITIVES = (bool, int, float, complex, str, bytes, type(None))
_ITERATORS: tuple[Any, ...] = (types.GeneratorType, map, zip, filter, range)
_VIEWS: tuple[Any, ...] = (type({}.keys()), type({}.values()), type({}.items()))


class LearnerError(Exception):
    """What the learner's code raised, as words: class, message, line; or a name that is missing."""

    def __init__(self, message: str, *, place: str = "", kind: str = "error") -> None:
        super().__init__(message)
        self.message, self.place, self.kind = message, place, kind
        self.bases: tuple[str, ...] = ()

    @property
    def unfinished(self) -> bool:
        """Whether a name or an answer is not there yet, rather than wrong."""
        return self.kind in ("missing", "unfinished")

    @classmethod
    def from_exception(
        cls, error: BaseException, namespace: Mapping[str, object]
    ) -> "LearnerError":
        """Return the description of an exception from the code of a namespace."""
        name = type(error).__name__
        if isinstance(error, NotImplementedError):
            found = cls(
                "Not written yet: this still raises NotImplementedError.", kind="unfinished"
            )
        else:
            found = cls(clean(f"{name}: {_message(error)}".removesuffix(": ")))
        found.place = _place(error.__traceback__, namespace)
        found.bases = tuple(base.__name__ for base in type(error).__mro__)
        return found


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


@dataclass
class Recorder:
    """What a case has called so far, and what came back; `Ellipsis` where nothing did."""

    calls: list[tuple[str, Any]] = field(default_factory=list)

    def add(self, text: str, result: Any = ...) -> None:
        """Note one call or look-up and its result."""
        self.calls.append((text, result))

    def find(self, value: Any) -> int:
        """Return the index of the last call that gave this very object; else of the last call."""
        for index in reversed(range(len(self.calls))):
            result = self.calls[index][1]
            parts = result if isinstance(result, list | tuple) else ()
            if result is value or any(part is value for part in parts):
                return index
        return len(self.calls) - 1

    def story(self, index: int) -> str:
        """Return the text of a call; with objects about, those that led to it as well."""
        calls = self.calls[: index + 1]
        if not any(isinstance(result, Handle) for _, result in calls):
            calls = calls[-1:]
        return "\n".join(text for text, _ in calls[-MAX_STORY:])


class Submission:
    """The learner's names, as cases see them: `s.mse(y_hat, y)`, `s.value("theta")`."""

    def __init__(self, namespace: Mapping[str, object], recorder: Recorder | None = None) -> None:
        self._namespace = namespace
        self._recorder = recorder or Recorder()

    def __getattr__(self, name: str) -> "Handle":
        if name.startswith("__"):
            raise AttributeError(name)
        return Handle(self._find(name), name, self)

    def value(self, name: str) -> Any:
        """Return a plain copy of what a name of the notebook holds.

        Args:
            name: The name.

        Returns:
            The copy; a handle where it is not a plain value.

        Raises:
            LearnerError: The name does not exist, or holds `...`.
        """
        found = self._find(name)
        return self._run(lambda: found, name)

    def build(self, expression: str) -> "Handle":
        """Return a handle of what an expression of ours gives on the learner's side.

        Args:
            expression: Python, `"lambda x: x ** 3"`; it may use `torch`, `np` and `math`.

        Returns:
            The handle, to be passed as an argument.
        """
        names = {"np": np, "math": math, "torch": sys.modules.get("torch")}
        return Handle(eval(expression, names), f"({expression})", self)

    def _find(self, name: str) -> Any:
        """Return what a name holds, or raise the message for one that is not there."""
        if name not in self._namespace:
            message = f"`{name}` is not defined. Run the cell that defines it, and keep its name."
            raise LearnerError(message, kind="missing")
        if self._namespace[name] is Ellipsis:
            raise LearnerError(f"Not written yet: `{name}` is still `...`.", kind="unfinished")
        return self._namespace[name]

    def _run(self, call: Callable[[], Any], text: str) -> Any:
        """Return the plain result of a piece of learner code; its exceptions become words."""
        try:
            result = _plain(call(), text, self)
        except (KeyboardInterrupt, LearnerError):
            raise
        except BaseException as error:
            self._recorder.add(text)
            raise LearnerError.from_exception(error, self._namespace) from None
        self._recorder.add(text, result)
        return result


class Handle:
    """An object that stays on the learner's side: call it, look up attributes, ask for `.value()`.

    A handle is not a value: it refuses comparison, truth, length and iteration, since the answer
    would come from the learner's own class.
    """

    __slots__ = ("_owner", "_path", "_target")
    __hash__ = None  # type: ignore[assignment]
    #: Without this, `array * handle` would be a loop over the array's elements.
    __array_ufunc__ = None
    _owner: Submission
    _path: str
    _target: Any

    def __init__(self, target: Any, path: str, owner: Submission) -> None:
        for name, item in (("_target", target), ("_path", path), ("_owner", owner)):
            object.__setattr__(self, name, item)

    def __getattr__(self, name: str) -> "Handle":
        if name.startswith("__"):
            raise AttributeError(name)
        path = f"{self._path}.{name}"
        try:
            return Handle(getattr(self._target, name), path, self._owner)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._owner._recorder.add(path)
            raise LearnerError.from_exception(error, self._owner._namespace) from None

    def __setattr__(self, name: str, value: Any) -> None:
        text = f"{self._path}.{name} = {_argument_text(value)}"
        self._owner._run(lambda: setattr(self._target, name, _to_learner(value)), text)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the plain result of a call with copies of the arguments."""
        inside = [_to_learner(arg) for arg in args]
        named = {name: _to_learner(arg) for name, arg in kwargs.items()}
        words = [_argument_text(arg) for arg in args]
        words += [f"{name}={_argument_text(arg)}" for name, arg in kwargs.items()]
        text = f"{self._path}({', '.join(words)})"
        return self._owner._run(lambda: self._target(*inside, **named), text)

    def __neg__(self) -> Any:
        return self._owner._run(lambda: -self._target, f"(-{self._path})")

    def __getitem__(self, key: Any) -> Any:
        inside = _to_learner(key)
        text = f"{self._path}[{_argument_text(key)}]"
        return self._owner._run(lambda: self._target[inside], text)

    def value(self) -> Any:
        """Return a plain copy of the object; a handle where it is not a plain value."""
        return self._owner._run(lambda: self._target, self._path)

    def _described(self) -> str:
        """Return the name of the type of the object behind the handle."""
        return clean(type(self._target).__name__, 60)


def _argument_text(value: Any) -> str:
    """Return how an argument is written in a message: handles by their origin."""
    return clean(value._path) if isinstance(value, Handle) else short(value)


def _operator(name: str, sign: str, *, swapped: bool = False) -> Callable[[Handle, Any], Any]:
    """Return a method that applies an operator on the learner's side."""
    apply = getattr(operator, name)

    def method(self: Handle, other: Any) -> Any:
        inside = _to_learner(other)
        pair = (inside, self._target) if swapped else (self._target, inside)
        words = [self._path, _argument_text(other)][:: -1 if swapped else 1]
        return self._owner._run(lambda: apply(*pair), f"({words[0]} {sign} {words[1]})")

    return method


def _refusal(name: str) -> Callable[..., Any]:
    """Return a method that says why a handle does not do this."""

    def method(self: Handle, *_: object) -> Any:
        raise TypeError(
            f"a handle refuses {name}: {self._path} is an object on the learner's side; "
            "ask for a plain value with .value() or a call first"
        )

    return method


for _name, _sign in {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "matmul": "@", "pow": "**"
}.items():  # fmt: skip
    setattr(Handle, f"__{_name}__", _operator(_name, _sign))
    setattr(Handle, f"__r{_name}__", _operator(_name, _sign, swapped=True))
for _name in (
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "bool",
    "len",
    "iter",
    "contains",
    "float",
    "int",
):
    setattr(Handle, f"__{_name}__", _refusal(f"__{_name}__"))
for _name in ("index", "complex", "array"):
    setattr(Handle, f"__{_name}__", _refusal(f"__{_name}__"))


def _map(value: Any, change: Callable[[Any, Any], Any]) -> Any:
    """Return a list, tuple or dict with every item changed; a named tuple becomes a plain one."""
    if isinstance(value, dict):
        return {key: change(item, key) for key, item in value.items()}
    items = [change(item, index) for index, item in enumerate(value)]
    return tuple(items) if isinstance(value, tuple) else items


def _to_learner(value: Any) -> Any:
    """Return what the learner's code gets for an argument: copies, or the object of a handle."""
    if isinstance(value, Handle):
        return value._target
    if is_tensor(value):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if isinstance(value, list | tuple | dict):
        return _map(value, lambda item, _: _to_learner(item))
    if callable(value):
        raise TypeError(
            f"a function cannot cross to the learner's side, got {value!r}; use s.build(text)"
        )
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Generator):
        return torch.Generator(value.device).set_state(value.get_state())
    return copy.deepcopy(value)


def _plain(value: Any, path: str, owner: Submission, depth: int = 0) -> Any:
    """Return a detached plain copy of a result, or a handle where it is an object."""
    if is_tensor(value):
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
        return _map(value, lambda item, key: _plain(item, f"{path}[{key!r}]", owner, depth + 1))
    return Handle(value, path, owner)


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
