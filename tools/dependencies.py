"""Which files of the package a notebook's outputs depend on, read from its code without running it.

A change in one module then makes only those notebooks stale that use it. Where the code leaves a
doubt, such as the package passed on as a whole, it depends on everything.
"""

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from d2l_lite.grading.cells import digest

PACKAGE = "d2l_lite"
_MAGIC = re.compile(r"^\s*[%!].*$", re.M)


class DoubtError(Exception):
    """What the code uses of the package cannot be told from its text."""


def package_hash(root: Path, code: Iterable[str], *, exercise: str | None = None) -> str:
    """Return the hash of the package's files that a notebook's outputs depend on.

    Args:
        root: the top folder of the book.
        code: the notebook's code cells.
        exercise: None for a chapter; the slug of an exercise set, which depends on the grader and
            on its own visible cases.
    """
    every = [
        path.relative_to(root / PACKAGE)
        for path in sorted((root / PACKAGE).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and path.name[0] != "."
    ]
    try:
        kept = set(used_files(root / PACKAGE, "\n\n".join(code)))
    except DoubtError:
        kept = {path for path in every if path.parts[0] != "grading"}
    if exercise is not None:
        kept |= set(grader_files(root / PACKAGE, exercise))
    chosen = [path for path in every if path in kept]
    files = {path.as_posix(): (root / PACKAGE / path).read_bytes() for path in chosen}
    return digest({name: hashlib.sha256(content).hexdigest() for name, content in files.items()})


def grader_files(package: Path, exercise: str) -> Iterator[Path]:
    """Yield the files of the grader that `check` needs for one set, not the judge's."""
    waiting, found = {"__init__", "visible/__init__", f"visible/{exercise}"}, set[str]()
    while waiting:
        name = waiting.pop()
        path = package / "grading" / f"{name}.py"
        if name not in found and path.is_file():
            found.add(name)
            yield path.relative_to(package)
            waiting |= set(_graders(ast.parse(path.read_text(encoding="utf-8"))))


def _graders(tree: ast.AST) -> Iterator[str]:
    """Yield the modules of the grader that a module of it may import."""
    for node in ast.walk(tree):
        path = (node.module or "").split(".") if isinstance(node, ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom) and path[:2] == [PACKAGE, "grading"]:
            yield from ["/".join(path[2:])] if path[2:] else [alias.name for alias in node.names]


def used_files(package: Path, code: str) -> Iterator[Path]:
    """Yield the files below the package that code uses, the grader's left out.

    Raises:
        DoubtError: that cannot be told.
    """
    modules = closure(package, used_modules(package, code))
    scenes = {path.stem for path in (package / "scenes").glob("*.py")} - {"__init__"}
    named = scenes & _strings(code) if _scenes_are_literal(code) else scenes
    for path in sorted(package.rglob("*")):
        inside = path.relative_to(package)
        if inside.parts[0] == "scenes":
            alone = path.suffix != ".py" and path.stem not in scenes
            if (alone and {"embedding", "showing"} & modules) or path.stem in named:
                yield inside
        elif inside.parts[0] != "grading" and (inside.suffix != ".py" or inside.stem in modules):
            yield inside


def used_modules(package: Path, code: str) -> set[str]:
    """Return the modules of the package that provide the names in the code.

    Raises:
        DoubtError: the code does not parse, or takes the package as a whole.
    """
    try:
        tree = ast.parse(_MAGIC.sub("", code))
    except SyntaxError as error:
        raise DoubtError(str(error)) from error
    homes = exported(package)
    aliases, found = {PACKAGE}, set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == PACKAGE:
                    aliases.add(alias.asname or PACKAGE)
                    found |= set(alias.name.split(".")[1:2])
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
            inner = (node.module or "").split(".")[1:2]
            found |= set(inner) or {_home(package, homes, alias.name) for alias in node.names}
    return found | {_home(package, homes, name) for name in _attributes(tree, aliases)}


def _attributes(tree: ast.AST, aliases: set[str]) -> set[str]:
    """Return the attributes taken of the package; raise `DoubtError` for any other use of it."""
    owned = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    direct = [n for n in owned if isinstance(n.value, ast.Name) and n.value.id in aliases]
    names = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id in aliases]
    if len(names) > len(direct):
        raise DoubtError("the package itself is passed on")
    return {node.attr for node in direct}


def exported(package: Path) -> dict[str, str]:
    """Return the module that each name of the package's `__init__` comes from."""
    path = package / "__init__.py"
    tree = ast.parse(path.read_text(encoding="utf-8") if path.is_file() else "")
    return {
        alias.asname or alias.name: node.module.split(".")[1]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}.")
        for alias in node.names
        if node.module
    }


def _home(package: Path, homes: dict[str, str], name: str) -> str:
    if name in homes:
        return homes[name]
    if (package / f"{name}.py").is_file() or (package / name).is_dir():
        return name
    raise DoubtError(f"nobody exports {name}")


def closure(package: Path, modules: set[str]) -> set[str]:
    """Return modules with all that they import from the package."""
    found, waiting = set[str](), set(modules)
    while waiting:
        module = waiting.pop()
        found.add(module)
        path = package / f"{module}.py"
        if path.is_file():
            code = path.read_text(encoding="utf-8")
            waiting |= used_modules(package, code) - found
    return found


def _strings(code: str) -> set[str]:
    nodes = ast.walk(ast.parse(_MAGIC.sub("", code)))
    return {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def _scenes_are_literal(code: str) -> bool:
    """Return whether every `scene=` in the code is given as a string."""
    nodes = ast.walk(ast.parse(_MAGIC.sub("", code)))
    given = [n.value for n in nodes if isinstance(n, ast.keyword) and n.arg == "scene"]
    return all(isinstance(value, ast.Constant) for value in given)
