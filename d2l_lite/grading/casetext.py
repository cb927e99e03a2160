"""What the text of a case says without being run: its question, and the hints that it names."""

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping

PRELOADS = ("numpy", "torch")


def functions_of(tree: ast.Module) -> list[ast.FunctionDef]:
    """Return the functions at the left margin."""
    return [node for node in tree.body if isinstance(node, ast.FunctionDef)]


def questions_of(function: ast.FunctionDef) -> list[str]:
    """Return the questions named in a function's `@case(...)`."""
    return [
        str(call.args[0].value)
        for call in function.decorator_list
        if isinstance(call, ast.Call)
        and ast.unparse(call.func).split(".")[-1] == "case"
        and call.args
        and isinstance(call.args[0], ast.Constant)
    ]


def hint_faults(hints: Mapping[str, Collection[str]], function: ast.FunctionDef) -> list[str]:
    """Return faults of the question and the hints that a case names.

    Args:
        hints: Keys of the hints of each question.
        function: The case.

    Returns:
        The faults; none where the function is no case.
    """
    found = []
    for question in questions_of(function):
        if question not in hints:
            found.append(f"a case must name a question of the set, got {question!r}")
            continue
        known = sorted(hints[question])
        found += [
            f"a hint of question {question!r} must be one of {known}, got {name!r}"
            for name in _hints_named(function)
            if name not in known
        ]
    return found


def _hints_named(function: ast.FunctionDef) -> list[object]:
    """Return the keys of hints that stand in a case as literals."""
    keys: list[ast.expr | None] = []
    for node in ast.walk(function):
        for keyword in node.keywords if isinstance(node, ast.Call) else []:
            if keyword.arg == "hint":
                keys.append(keyword.value)
            elif keyword.arg in ("mistakes", "errors") and isinstance(keyword.value, ast.Dict):
                keys += keyword.value.keys
    return [key.value for key in keys if isinstance(key, ast.Constant) and key.value is not None]


def _needs_torch(code: str) -> bool:
    """Return whether code imports PyTorch, or the parts of this package that do."""
    for node in ast.walk(ast.parse(code)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        if isinstance(node, ast.FunctionDef) and "generator" in {a.arg for a in node.args.args}:
            names.append("torch")  # what a case gets under this name is a torch.Generator
        for name in names:
            package, _, inner = name.partition(".")
            if package == "torch" or (package == "d2l_lite" and not inner.startswith("grading")):
                return True
    return False


def preload_for(code: Iterable[str]) -> tuple[str, ...]:
    """Return what the sandbox must load for pieces of code, as their imports say."""
    return PRELOADS if any(map(_needs_torch, code)) else PRELOADS[:1]


def preload_of(text: str) -> tuple[str, ...]:
    """Return what the sandbox must load for tests: as they say, or as their imports do.

    Args:
        text: The text of the tests.

    Returns:
        Names of modules.
    """
    for value in _preload_values(ast.parse(text)):
        return tuple(ast.literal_eval(value))
    return preload_for([text])


def preload_faults(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and fault of a setting that `preload_of`, which runs nothing, could not read."""
    for value in _preload_values(tree):
        items = value.elts if isinstance(value, ast.Tuple | ast.List) else [None]
        if not all(isinstance(one, ast.Constant) and one.value in PRELOADS for one in items):
            known = " or ".join(map(repr, PRELOADS))
            got = ast.unparse(value)
            yield value.lineno, f"PRELOAD must be written as a tuple of {known}, got `{got:.200}`"


def _preload_values(tree: ast.Module) -> list[ast.expr]:
    """Return what stands behind `PRELOAD =`."""
    return [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PRELOAD"
    ]
