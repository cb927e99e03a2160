"""The submission `s` that cases call: copies go in, plain copies come back, objects stay.

Nothing but values crosses the border between a case and the learner's code, so the same cases run
against the names of a notebook (`check`) and against a confined process (the judge).
"""

import copy
import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from d2l_lite.grading.catching import LearnerState
from d2l_lite.grading.codec import Reference
from d2l_lite.grading.deadlines import TimeUpError, time_limit
from d2l_lite.grading.performing import (
    OPERATORS,
    LearnerError,
    Performer,
    each,
    require_cpu,
    stopped,
)
from d2l_lite.grading.reprs import is_tensor, short
from d2l_lite.grading.wording import clean

MAX_STORY = 5


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

    def last(self) -> str:
        """Return the text of the last call, empty where there was none."""
        return self.story(len(self.calls) - 1)


class Side(Protocol):
    """The side of the border on which the learner's code runs."""

    def begin(self) -> None:
        """Make ready for a case, before its time starts to count."""
        ...

    def ask(self, operation: str, operands: list[Any], named: dict[str, Any]) -> Any:
        """Return what `Performer.perform` gives there; operands may hold references."""
        ...


class LocalSide:
    """The learner's names in this very process: what `check` asks.

    Args:
        namespace: The names.
        seconds: How long one operation may take by the clock; infinity for ever.
        cpu: How many seconds of processor time it may use; None for any.
        seed: Seed of the random state in which a case finds the learner's code.
        torch_allowed: Whether tensors may come back.
    """

    def __init__(
        self,
        namespace: Mapping[str, object],
        *,
        seconds: float = math.inf,
        cpu: float | None = None,
        seed: int = 0,
        torch_allowed: bool = True,
    ) -> None:
        self._performer = Performer(namespace, torch_allowed=torch_allowed)
        self._seconds, self._cpu = seconds, cpu
        self._random = LearnerState(seed)

    def begin(self) -> None:
        """Everything is there already."""

    def ask(self, operation: str, operands: list[Any], named: dict[str, Any]) -> Any:
        """Return what an operation gives on copies of its operands."""
        inside = [self._copied(operand) for operand in operands]
        words = {name: self._copied(operand) for name, operand in named.items()}
        start = time.process_time()
        try:
            with self._random.in_force(), time_limit(self._seconds, "your code"):
                found = self._performer.perform(operation, inside, words)
        except TimeUpError:
            raise stopped(self._seconds) from None
        require_cpu(time.process_time() - start, self._cpu)
        return found

    def _copied(self, value: Any) -> Any:
        """Return what the learner's code gets for an operand: a copy, or the object itself."""
        if isinstance(value, Reference):
            return self._performer.resolve(value)
        if is_tensor(value):
            return value.detach().clone().requires_grad_(value.requires_grad)
        if isinstance(value, list | tuple | dict):
            return each(value, lambda item, _: self._copied(item))
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(value, torch.Generator):
            return torch.Generator(value.device).set_state(value.get_state())
        return copy.deepcopy(value)


class Submission:
    """The learner's names, as cases see them: `s.mse(y_hat, y)`, `s.value("theta")`.

    Args:
        side: Where the learner's code runs; names stand for this process.
        recorder: Where calls are noted.
    """

    def __init__(self, side: Side | Mapping[str, object], recorder: Recorder | None = None) -> None:
        self._side = LocalSide(side) if isinstance(side, Mapping) else side
        self._recorder = recorder or Recorder()

    def __getattr__(self, name: str) -> "Handle":
        if name.startswith("__"):
            raise AttributeError(name)
        return Handle(self._side.ask("name", [name], {}), name, self)

    def value(self, name: str) -> Any:
        """Return a plain copy of what a name of the notebook holds.

        Args:
            name: The name.

        Returns:
            The copy; a handle where it is not a plain value.

        Raises:
            LearnerError: The name does not exist, or holds `...`.
        """
        return self._run(name, "known", [name])

    def build(self, expression: str) -> "Handle":
        """Return a handle of what an expression of ours gives on the learner's side.

        Args:
            expression: Python, `"lambda x: x ** 3"`; it may use `torch`, `np` and `math`.

        Returns:
            The handle, to be passed as an argument.
        """
        return Handle(self._side.ask("build", [expression], {}), f"({expression})", self)

    def _run(
        self,
        text: str,
        operation: str,
        operands: list[Any],
        named: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the result of an operation on the learner's side, which is noted as `text`."""
        inside = [_bare(operand) for operand in operands]
        words = {name: _bare(operand) for name, operand in (named or {}).items()}
        try:
            result = self._wrapped(self._side.ask(operation, inside, words), text)
        except LearnerError as error:
            if not error.unfinished or operation != "known":
                self._recorder.add(text)
            raise
        self._recorder.add(text, result)
        return result

    def _wrapped(self, value: Any, path: str) -> Any:
        """Return a result with a handle in place of each reference."""
        if isinstance(value, Reference):
            return Handle(value, path, self)
        if isinstance(value, list | tuple | dict):
            return each(value, lambda item, key: self._wrapped(item, f"{path}[{key!r}]"))
        return value


def _bare(value: Any) -> Any:
    """Return an operand with a reference in place of each handle; a function cannot cross."""
    if isinstance(value, Handle):
        return value._reference
    if isinstance(value, list | tuple | dict):
        return each(value, lambda item, _: _bare(item))
    if callable(value):
        raise TypeError(
            f"a function cannot cross to the learner's side, got {value!r}; use s.build(text)"
        )
    return value


class Handle:
    """An object that stays on the learner's side: call it, look up attributes, ask for `.value()`.

    A handle is not a value: it refuses comparison, truth, length and iteration, since the answer
    would come from the learner's own class.
    """

    __slots__ = ("_owner", "_path", "_reference")
    __hash__ = None  # type: ignore[assignment]
    #: Without this, `array * handle` would be a loop over the array's elements.
    __array_ufunc__ = None
    _owner: Submission
    _path: str
    _reference: Reference

    def __init__(self, reference: Reference, path: str, owner: Submission) -> None:
        for name, item in (("_reference", reference), ("_path", path), ("_owner", owner)):
            object.__setattr__(self, name, item)

    def __getattr__(self, name: str) -> "Handle":
        if name.startswith("__"):
            raise AttributeError(name)
        path = f"{self._path}.{name}"
        try:
            return Handle(
                self._owner._side.ask("get", [self._reference, name], {}), path, self._owner
            )
        except LearnerError:
            self._owner._recorder.add(path)
            raise

    def __setattr__(self, name: str, value: Any) -> None:
        text = f"{self._path}.{name} = {_argument_text(value)}"
        self._owner._run(text, "set", [self, name, value])

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the plain result of a call with copies of the arguments."""
        words = [_argument_text(arg) for arg in args]
        words += [f"{name}={_argument_text(arg)}" for name, arg in kwargs.items()]
        text = f"{self._path}({', '.join(words)})"
        return self._owner._run(text, "call", [self, *args], kwargs)

    def __neg__(self) -> Any:
        return self._owner._run(f"(-{self._path})", "neg", [self])

    def __getitem__(self, key: Any) -> Any:
        return self._owner._run(f"{self._path}[{_argument_text(key)}]", "item", [self, key])

    def value(self) -> Any:
        """Return a plain copy of the object; a handle where it is not a plain value."""
        return self._owner._run(self._path, "value", [self])

    def _described(self) -> str:
        """Return the name of the type of the object behind the handle."""
        return self._reference.type_name


def _argument_text(value: Any) -> str:
    """Return how an argument is written in a message: handles by their origin."""
    return clean(value._path) if isinstance(value, Handle) else short(value)


def _operator(name: str, sign: str, *, swapped: bool = False) -> Callable[[Handle, Any], Any]:
    """Return a method that applies an operator on the learner's side."""

    def method(self: Handle, other: Any) -> Any:
        order = -1 if swapped else 1
        pair = [self, other][::order]
        words = [self._path, _argument_text(other)][::order]
        return self._owner._run(f"({words[0]} {sign} {words[1]})", name, pair)

    return method


def _refusal(name: str) -> Callable[..., Any]:
    """Return a method that says why a handle does not do this."""

    def method(self: Handle, *_: object) -> Any:
        raise TypeError(
            f"a handle refuses {name}: {self._path} is an object on the learner's side; "
            "ask for a plain value with .value() or a call first"
        )

    return method


for _name, _sign in zip(OPERATORS, ("+", "-", "*", "/", "@", "**"), strict=True):
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
