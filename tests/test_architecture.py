"""The limits of the architecture, and each of them seen to fail on a planted fault."""

import ast
import inspect
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import d2l_lite

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "d2l_lite"
#: Which modules of the package each module may import. Arrows point down only.
MAY_IMPORT: dict[str, set[str]] = {
    "data": set(),
    "models": set(),
    "optim": set(),
    "training": {"data"},
    "plotting": {"training"},
    "embedding": set(),
    "frames": {"plotting"},
    "explore": {"frames", "embedding"},
    "quiz": {"embedding"},
    "showing": set(),
    "grading": set(),
    "scenes": {"plotting"},
    "__main__": {"data"},
}
MAY_KNOW_IPYTHON = {"explore", "quiz", "showing", "grading", "plotting"}
#: Lines of code: docstrings, comments and blank lines are what makes the rest readable. A third
#: of them serve the page (explorables, quizzes); who reads the mathematics can leave it out.
MAX_PACKAGE_LINES = 1725
#: A scene stands beside its script and is read with it, by itself.
MAX_SCENE_LINES = 80
MAX_BODY_LINES = 25
MAX_POSITIONAL = 3
MIN_DUPLICATE_STATEMENTS = 2
NOT_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_files(folder: Path) -> list[Path]:
    """Return the files of Python below a folder, but for the generated cases of the exercises."""
    found = folder.rglob("*.py")
    return sorted(path for path in found if "visible" not in path.relative_to(folder).parts)


def module_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(tree: ast.AST, package: str = "d2l_lite") -> Iterator[str]:
    """Yield the modules that a tree imports; those of the package as `d2l_lite.<module>`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = f"{package}.{base}" if base else package
            if base == package:
                yield from (f"{package}.{alias.name}" for alias in node.names)
            else:
                yield base


def wrong_arrows(module: str, tree: ast.AST) -> list[str]:
    faults = []
    for name in imported_modules(tree):
        parts = name.split(".")
        if parts[0] == "d2l_lite" and len(parts) > 1:
            if parts[1] != module and parts[1] not in MAY_IMPORT[module]:
                faults.append(f"{module} imports {parts[1]}")
        elif parts[0] == "IPython" and module not in MAY_KNOW_IPYTHON:
            faults.append(f"{module} imports IPython")
    return faults


def functions(tree: ast.AST) -> Iterator[Function]:
    yield from (node for node in ast.walk(tree) if isinstance(node, Function))


def body_without_docstring(function: Function) -> list[ast.stmt]:
    first = function.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return function.body[1:] if is_docstring else function.body


def code_lines(text: str) -> int:
    """Return the number of lines of a module that hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NOT_CODE:
            lines |= set(range(token.start[0], token.end[0] + 1))
    tree = ast.parse(text)
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            lines -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return len(lines)


def body_lines(function: Function) -> int:
    body = body_without_docstring(function)
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def oversize(tree: ast.AST) -> list[str]:
    faults = []
    for function in functions(tree):
        if body_lines(function) > MAX_BODY_LINES:
            faults.append(f"{function.name}: {body_lines(function)} lines")
        names = [a.arg for a in function.args.args if a.arg not in ("self", "cls")]
        if len(names) > MAX_POSITIONAL and not function.name.startswith("_"):
            faults.append(f"{function.name}: {len(names)} positional parameters")
    return faults


def code_of(source: str) -> str:
    """Return the Python of a text source's code cells, magics left out."""
    cells = re.findall(r"^```\{code-cell\}[^\n]*\n(.*?)^```", source, re.M | re.S)
    plain = []
    for cell in cells:
        cell = re.sub(r"\A---\n.*?^---\n", "", cell, flags=re.M | re.S)
        plain += [line for line in cell.splitlines() if not re.match(r"\s*[%!]|:[\w-]+:", line)]
    return "\n".join(plain)


def trees() -> dict[str, ast.AST]:
    """Return every syntax tree in which a function body may stand only once."""
    found: dict[str, ast.AST] = {}
    for folder in (PACKAGE, ROOT / "tools", ROOT / "benchmarks"):
        for path in python_files(folder):
            found[str(path.relative_to(ROOT))] = ast.parse(path.read_text(encoding="utf-8"))
    for folder in ("chapters", "exercises"):
        for path in sorted((ROOT / folder / "source").glob("*.md")):
            text = code_of(path.read_text(encoding="utf-8"))
            found[str(path.relative_to(ROOT))] = ast.parse(text)
    return found


def duplicates(found: dict[str, ast.AST]) -> list[str]:
    places = defaultdict(list)
    for name, tree in found.items():
        for function in functions(tree):
            body = body_without_docstring(function)
            statements = sum(isinstance(node, ast.stmt) for part in body for node in ast.walk(part))
            if statements >= MIN_DUPLICATE_STATEMENTS:
                places["\n".join(ast.dump(part) for part in body)].append(f"{name}:{function.name}")
    return [" = ".join(where) for where in places.values() if len(where) > 1]


def test_the_arrows_are_those_of_the_modules_that_are_there():
    assert set(MAY_IMPORT) == {module_of(path) for path in python_files(PACKAGE)} - {"__init__"}
    assert set().union(MAY_KNOW_IPYTHON, *MAY_IMPORT.values()) <= set(MAY_IMPORT)


@pytest.mark.parametrize("path", python_files(PACKAGE), ids=lambda path: path.name)
def test_arrows_point_down(path):
    if path.parent == PACKAGE and path.name == "__init__.py":
        return
    assert wrong_arrows(module_of(path), ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("data", "from d2l_lite.training import fit"),
        ("data", "import d2l_lite.plotting"),
        ("training", "from . import plotting"),
        ("training", "from .explore import explore"),
        ("training", "from IPython.display import display"),
    ],
)
def test_a_planted_upward_arrow_is_seen(module, line):
    assert len(wrong_arrows(module, ast.parse(line))) == 1


GRADER = PACKAGE / "grading"


def rooms() -> dict[str, tuple[set[str], set[str]]]:
    """Return the modules of each room of the grader, and the rooms it may import from."""
    text = ast.get_docstring(ast.parse((GRADER / "__init__.py").read_text(encoding="utf-8"))) or ""
    found = re.findall(r"^(\w+): [^\[\n]+ \[([\w, ]*)\]\n((?:    [^\n]+\n)+)", text, re.M)
    return {
        name: (set(re.findall(r"\w+", modules)), set(re.findall(r"\w+", others)))
        for name, others, modules in found
    }


def wrong_rooms(module: str, tree: ast.AST) -> list[str]:
    home = {one: room for room, (modules, _) in rooms().items() for one in modules}
    allowed = {home[module], *rooms()[home[module]][1]}
    used = [name.split(".")[2] for name in imported_modules(tree) if name.count(".") > 1]
    inside = [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "d2l_lite.grading"
        for alias in node.names
    ]
    found = {name for name in (*used, *inside) if name in home and home[name] not in allowed}
    return [f"{module} ({home[module]}) imports {name} ({home[name]})" for name in sorted(found)]


def test_every_module_of_the_grader_has_one_room():
    listed = sorted(module for modules, _ in rooms().values() for module in modules)
    there = [path.stem for path in GRADER.glob("*.py") if path.stem[0] != "_"]
    there += [path.parent.name for path in GRADER.glob("*/__init__.py")]
    assert listed == sorted(there)


@pytest.mark.parametrize("path", sorted(GRADER.glob("[a-z]*.py")), ids=lambda path: path.name)
def test_a_module_of_the_grader_imports_from_the_rooms_it_may(path):
    assert wrong_rooms(path.stem, ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "line",
    [
        "from d2l_lite.grading.judge import Judge",
        "from d2l_lite.grading import judge",
        "def f():\n    import d2l_lite.grading.judge",
    ],
)
def test_a_planted_way_from_a_learners_room_to_the_judge_is_seen(line):
    assert wrong_rooms("checker", ast.parse(line)) == ["checker (check) imports judge (judge)"]


def test_the_package_is_readable_in_one_sitting():
    lines = {
        path.name: code_lines(path.read_text(encoding="utf-8"))
        for path in python_files(PACKAGE)
        if module_of(path) not in ("grading", "scenes")
    }
    assert len(lines) > 5
    assert sum(lines.values()) <= MAX_PACKAGE_LINES, lines


@pytest.mark.parametrize("path", python_files(PACKAGE / "scenes"), ids=lambda path: path.name)
def test_a_scene_is_small(path):
    assert code_lines(path.read_text(encoding="utf-8")) <= MAX_SCENE_LINES


@pytest.mark.parametrize(
    "path", python_files(PACKAGE) + python_files(ROOT / "tools"), ids=lambda path: path.name
)
def test_functions_are_short_and_take_few_positional_parameters(path):
    assert oversize(ast.parse(path.read_text(encoding="utf-8"))) == []


def test_lines_of_code_leave_out_text_and_nothing_else():
    text = '"""Module,\n\ntwo lines."""\n\n# note\na = (\n    1,\n)\n'
    text += 'def f():\n    """Doc."""\n    return a\n'
    assert code_lines(text) == 5


def test_a_planted_long_function_is_seen():
    long = "def f(a):\n" + "    a += 1\n" * (MAX_BODY_LINES + 1)
    assert oversize(ast.parse(long)) == [f"f: {MAX_BODY_LINES + 1} lines"]
    assert len(oversize(ast.parse("def f(a, b, c, d): pass"))) == 1
    assert oversize(ast.parse("def f(self, a, b, c, *, d): pass")) == []


def test_nothing_is_typed_twice():
    assert duplicates(trees()) == []


def test_a_planted_duplicate_is_seen_under_another_name():
    one = ast.parse("def f(x):\n    '''One.'''\n    y = x + 1\n    return y")
    two = ast.parse("def g(x):\n    y = x + 1\n    return y")
    assert duplicates({"a": one, "b": two}) == ["a:f = b:g"]
    assert duplicates({"a": one, "b": ast.parse("def g(x):\n    y = x + 2\n    return y")}) == []


def test_code_cells_are_found_without_their_options():
    source = "text\n```{code-cell} ipython3\n---\ntags: [define]\n---\n%pip install x\na = 1\n```\n"
    assert code_of(source).strip() == "a = 1"
    assert code_of("```{code-cell} ipython3\n:tags: [define]\n\nb = 2\n```\n").strip() == "b = 2"


def undocumented(function: Callable[..., object]) -> list[str]:
    """Return what the docstring of a function leaves out: parameters, what it returns."""
    text = inspect.getdoc(function) or ""
    described = re.search(r"^Args:\n((?:[ ].*\n|\n)*)", f"{text}\n", re.M)
    signature = inspect.signature(function)
    faults = [
        f"parameter {name}"
        for name in signature.parameters
        if described is None or not re.search(rf"^ +\**{name}\b", described[1], re.M)
    ]
    returns = signature.return_annotation not in (None, "None")
    if returns and not re.search(r"^(Returns:|Yields:)", text, re.M):
        faults.append("what it returns")
    return faults


def test_every_public_function_documents_its_parameters_and_what_it_returns():
    public = {name: getattr(d2l_lite, name) for name in d2l_lite.__all__}
    faults = {name: undocumented(one) for name, one in public.items() if inspect.isfunction(one)}
    assert len(faults) > 5
    assert not any(faults.values()), faults


def test_a_planted_parameter_that_only_another_part_names_is_seen():
    def f(x: int) -> int:
        """Return it.

        Args:
            y: Another.

        Returns:
            x as it is.
        """
        return x

    assert undocumented(f) == ["parameter x"]
    assert undocumented(lambda x: x) == ["parameter x", "what it returns"]
