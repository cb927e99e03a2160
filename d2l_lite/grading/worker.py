"""The confined side of the judge: runs the cells of a notebook and performs what cases ask for.

Learner code lives in this process and can change everything in it. So nothing here decides
anything: what goes out are values that the learner's code could have returned as well, and the
judge trusts no byte of them.
"""

import __future__

import ast
import asyncio
import functools
import inspect
import linecache
import operator
import os
import socket
import sys
import types
from collections.abc import Mapping, Sequence
from typing import Any

import d2l_lite.grading
from d2l_lite.grading.catching import quiet, seed_everything
from d2l_lite.grading.channel import Channel, ClosedError, TooLargeError
from d2l_lite.grading.codec import Reference, decode, encode
from d2l_lite.grading.performing import LearnerError, Performer
from d2l_lite.grading.wording import clean

#: More than this is never sent in either direction.
MAX_BYTES = 1 << 30
#: Flags of `from __future__ import ...`: in a notebook, they hold for the cells below as well.
_FUTURE = functools.reduce(
    operator.or_, (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
)


def serve(sock: socket.socket) -> None:
    """Answer the judge's messages until it closes the socket."""
    channel = Channel(sock, max_bytes=MAX_BYTES)
    learner = _Learner()
    here = os.getpid()
    channel.send({"ready": True})
    while True:
        try:
            message, parts = channel.receive()
        except ClosedError:
            return
        answer, sent = learner.answer(message, parts)
        if os.getpid() != here:  # learner code forked, and its child came back as well
            os._exit(0)
        try:
            channel.send(answer, sent)
        except TooLargeError as error:
            described = _described(LearnerError(f"Too much came back: {error}."))
            channel.send({"error": described, "token": answer["token"]})


class _Silent:
    """Stands for what has no meaning here, such as `check` and the notebook's front end."""

    def __getattr__(self, name: str) -> "_Silent":
        return self

    def __call__(self, *args: object, **named: object) -> "_Silent":
        return self


class _Learner:
    """The names of a notebook, and the objects that cases hold."""

    def __init__(self) -> None:
        module = types.ModuleType("__main__")
        sys.modules["__main__"] = module
        self._names = vars(module)
        self._names |= {"get_ipython": lambda: _Silent(), "display": _Silent()}
        d2l_lite.grading.check = _Silent()  # type: ignore[assignment]
        self._performer = Performer(self._names)
        self._max_bytes = MAX_BYTES
        self._future = 0

    def answer(
        self, message: Mapping[str, Any], parts: Sequence[memoryview]
    ) -> tuple[dict[str, Any], list[bytes]]:
        """Return the reply to a message of the judge: a value or an error, and what was printed."""
        sent: list[bytes] = []
        with quiet() as output:
            try:
                kind = message["do"]
                if kind == "ask":
                    node, sent = self._ask(message, parts)
                    answer: dict[str, Any] = {"value": node}
                else:
                    {"cell": self._run_cell, "case": self._start_case}[kind](message, parts)
                    answer = {"value": None}
            except LearnerError as error:
                answer = {"error": _described(error)}
            except BaseException as error:
                found = LearnerError.from_exception(error, self._names)
                answer = {"error": _described(found)}
        return answer | {"printed": output(), "token": message.get("token")}, sent

    def _start_case(self, message: Mapping[str, Any], _: Sequence[memoryview]) -> None:
        """Forget the objects of the case before, and seed the random state."""
        self._performer = Performer(self._names, torch_allowed=message["torch_allowed"])
        self._max_bytes = message["max_bytes"]
        seed_everything(message["seed"])

    def _ask(
        self, message: Mapping[str, Any], parts: Sequence[memoryview]
    ) -> tuple[Any, list[bytes]]:
        """Return the encoded result of an operation."""
        operands, named = decode(
            message["node"], parts, resolve=self._performer.resolve, arguments=True
        )
        result = self._performer.perform(message["operation"], operands, named)
        return encode(result, refer=self._referred, max_bytes=self._max_bytes)

    def _referred(self, thing: object) -> Reference:
        """Return the reference to an object that the codec does not take for a plain value."""
        return thing if isinstance(thing, Reference) else self._performer.refer(thing)

    def _run_cell(self, message: Mapping[str, Any], parts: Sequence[memoryview]) -> None:
        """Run a cell as a notebook would; its last value is not shown."""
        name = f"cell {message['number']}"
        source = str(parts[0], "utf-8", "surrogatepass")
        try:
            code = _compiled(source, name, self._future)
        except SyntaxError as error:
            raise _no_python(error) from None
        self._future |= code.co_flags & _FUTURE
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        result = eval(code, self._names)
        if inspect.iscoroutine(result):
            asyncio.run(result)


def _compiled(source: str, name: str, future: int) -> types.CodeType:
    """Return the code of a cell; IPython's own syntax is translated only where there is some."""
    try:
        return _code(source, name, future)
    except SyntaxError as error:
        plain = _translated(source)
        if plain == source or plain is None:
            raise error from None
        return _code(plain, name, future)


def _no_python(error: SyntaxError) -> LearnerError:
    """Return the error of a cell that is no Python, with the line where that was seen."""
    place = clean(f"line {error.lineno}: {(error.text or '').strip()}", 120)
    return LearnerError(f"{type(error).__name__}: {error.msg}", place=place)


def _code(source: str, name: str, future: int) -> types.CodeType:
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | future
    code: types.CodeType = compile(source, name, "exec", flags=flags, dont_inherit=True)
    return code


def _translated(source: str) -> str | None:
    """Return a cell with magics and shell lines as calls of a front end, which does nothing here.

    A cell under `%%time` or `%%capture` is run without it; a cell in another language is left out.
    """
    first, _, rest = source.lstrip().partition("\n")
    if first.startswith("%%"):
        words = first[2:].split()
        is_python = bool(words) and words[0] in ("time", "timeit", "capture", "prun")
        return _translated(rest) if is_python else ""
    try:
        from IPython.core import inputtransformer2
    except ImportError:
        return None
    manager: Any = inputtransformer2.TransformerManager
    return str(manager().transform_cell(source))


def _described(error: LearnerError) -> dict[str, Any]:
    """Return an error as the fields of a message."""
    return {
        "message": error.message,
        "place": error.place,
        "kind": error.kind,
        "bases": list(error.bases),
    }
