"""Ways to write one answer down: right ones that look different, and wrong ones of every kind.

Each function takes what a learner finds or would write and returns the text of a cell. Whether the
answer is worth its points follows from how it was made, never from running it.
"""

import ast
import random
import re
from collections.abc import Callable, Mapping

FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
REMARKS = (
    "# my first try was wrong, this one is by the formula",
    "# TODO ask about the shapes",
    "# Ableitung von Hand geprüft, 看起来没错",
    "# x.sum() / n, see the lecture",
)
NEW_NAMES = ("tmp", "foo", "out_", "values_1", "größe", "aa", "the_result")

#: Other formulas for questions of the book, by exercise set and question. Each is right.
ALTERNATIVES: dict[str, dict[str, tuple[str, ...]]] = {
    "averages": {
        "softmax": (
            "def softmax(scores):\n"
            "    rows = []\n"
            "    for row in scores:\n"
            "        e = np.exp(row - np.max(row))\n"
            "        rows.append(e / np.sum(e))\n"
            "    return np.array(rows)\n",
            "def softmax(scores):\n"
            "    m = scores.max(axis=1)[:, None]\n"
            "    return np.exp(scores - m - np.log(np.exp(scores - m).sum(1))[:, None])\n",
        ),
        "moving_average": (
            "def moving_average(x, k):\n"
            "    if k < 1 or k > x.shape[0]:\n"
            "        raise ValueError('bad window')\n"
            "    return np.array([np.mean(x[i:i + k]) for i in range(x.shape[0] - k + 1)])\n",
            "def moving_average(x, k):\n"
            "    assert_ok = 0 < k <= len(x)\n"
            "    if assert_ok:\n"
            "        sums = np.concatenate([[0.0], np.cumsum(x)])\n"
            "        return (sums[k:] - sums[:-k]) / k\n"
            "    else:\n"
            "        raise ValueError\n",
            "def moving_average(x, k):\n"
            "    if not 1 <= k <= len(x):\n"
            "        raise ValueError(k)\n"
            "    return np.lib.stride_tricks.sliding_window_view(x, k).mean(axis=-1)\n",
        ),
        "best": (
            "measured = np.array([2.0, 3.0, 2.5, 4.0])\n"
            "variances = np.array([0.5, 1.0, 0.25, 2.0])\n"
            "w = 1 / variances\n"
            "w /= w.sum()\n"
            "best = float(w @ measured)\n",
        ),
    },
    "mlp": {
        "widest_hidden": (
            "def widest_hidden(d, q, budget):\n"
            "    h = 0\n"
            "    while (h + 1) * (d + 1) + (h + 2) * q <= budget:\n"
            "        h += 1\n"
            "    return h\n",
            "widest_hidden = lambda d, q, budget: int((budget - q) // (1 + q + d))\n",
        ),
        "forward_pytorch": (
            "def forward_pytorch(X, layers):\n"
            "    *hidden, (V, c) = layers\n"
            "    for W, b in hidden:\n"
            "        X = torch.relu(torch.nn.functional.linear(X, W, b))\n"
            "    return torch.nn.functional.linear(X, V, c)\n",
        ),
        "prelu_backward": (
            "def prelu_backward(grad, z, alpha):\n"
            "    positive = (z > 0).to(grad.dtype)\n"
            "    slope = positive + alpha * (1 - positive)\n"
            "    return slope * grad, ((1 - positive) * z * grad).sum()\n",
        ),
        "normalize_units": (
            "def normalize_units(W, b, V):\n"
            "    n = torch.sqrt((W**2).sum(dim=0) + b**2)\n"
            "    return W / n[None, :], b / n, torch.diag(n) @ V\n",
        ),
        "num_pieces": (
            "def num_pieces(w, b, v):\n"
            "    bends = []\n"
            "    for i in range(len(w)):\n"
            "        if float(w[i]) == 0:\n"
            "            continue\n"
            "        kink, bend = float(-b[i] / w[i]), float(v[i]) * abs(float(w[i]))\n"
            "        for other in bends:\n"
            "            if abs(other[0] - kink) < 1e-3:\n"
            "                other[1] += bend\n"
            "                break\n"
            "        else:\n"
            "            bends.append([kink, bend])\n"
            "    return 1 + len([1 for _, bend in bends if abs(bend) > 1e-6])\n",
        ),
    },
}


def defined_names(text: str) -> list[str]:
    """Return the names that a cell defines or assigns at the left margin."""
    names: list[str] = []
    for part in ast.parse(text).body:
        if isinstance(part, FUNCTION | ast.ClassDef):
            names.append(part.name)
        elif isinstance(part, ast.Assign):
            nodes = [node for target in part.targets for node in ast.walk(target)]
            names += [node.id for node in nodes if isinstance(node, ast.Name)]
    return list(dict.fromkeys(names))


def functions_of(text: str) -> list[ast.FunctionDef]:
    """Return the functions at a cell's left margin."""
    return [part for part in ast.parse(text).body if isinstance(part, ast.FunctionDef)]


# Right answers. The text changes, what it computes does not.


def as_it_is(text: str, rng: random.Random) -> str:
    return text


def retyped(text: str, rng: random.Random) -> str:
    """The same program in another layout, without comments."""
    return ast.unparse(ast.parse(text))


class _Renamed(ast.NodeTransformer):
    """Gives local variables other names."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self.names.get(node.id, node.id), node.ctx)


def renamed(text: str, rng: random.Random) -> str:
    """Other names for the local variables of every function, in another layout."""
    tree = ast.parse(text)
    for part in tree.body:
        if isinstance(part, ast.FunctionDef):
            nodes = list(ast.walk(part))
            stored = {
                node.id
                for node in nodes
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            }
            stored -= {node.arg for node in nodes if isinstance(node, ast.arg)}
            new = dict(zip(sorted(stored), rng.sample(NEW_NAMES, len(NEW_NAMES)), strict=False))
            part.body = [_Renamed(new).visit(line) for line in part.body]
    return ast.unparse(ast.fix_missing_locations(tree))


def remarked(text: str, rng: random.Random) -> str:
    return f"{rng.choice(REMARKS)}\n{text.rstrip()}  {rng.choice(REMARKS)}\n\n\n"


def wrapped(text: str, rng: random.Random) -> str:
    """Every function behind another one that passes everything on."""
    lines = [text]
    for one in functions_of(text):
        lines += [
            f"_{one.name}_inner = {one.name}",
            "",
            "",
            f"def {one.name}(*args, **kwargs):",
            f"    return _{one.name}_inner(*args, **kwargs)",
        ]
    return "\n".join(lines) + "\n"


def as_callable_object(text: str, rng: random.Random) -> str:
    """Every function as an object with `__call__`."""
    lines = [text]
    for one in functions_of(text):
        lines += [
            f"class Answer_{one.name}:",
            f"    function = staticmethod({one.name})",
            "",
            "    def __call__(self, *args, **kwargs):",
            "        return self.function(*args, **kwargs)",
            "",
            "",
            f"{one.name} = Answer_{one.name}()",
        ]
    return "\n".join(lines) + "\n"


def _with_first_line(text: str, line: str, *, above: str) -> str:
    """Every function with one more line at its beginning."""
    tree = ast.parse(text)
    for part in tree.body:
        if isinstance(part, ast.FunctionDef):
            part.body = [*ast.parse(line).body, *part.body]
    return f"{above}\n\n{ast.unparse(ast.fix_missing_locations(tree))}"


def printing(text: str, rng: random.Random) -> str:
    return _with_first_line(text, f"print('called', {rng.randrange(100)})", above="print('cell')")


def warning(text: str, rng: random.Random) -> str:
    line = f"warnings.warn('value {rng.randrange(100)} is approximate')"
    return _with_first_line(text, line, above="import warnings")


def on_stderr(text: str, rng: random.Random) -> str:
    line = "print('debug', file=sys.stderr)"
    return _with_first_line(text, line, above="import sys\n\nprint('loading', file=sys.stderr)")


QUIET: tuple[Callable[[str, random.Random], str], ...] = (
    as_it_is,
    retyped,
    renamed,
    remarked,
    wrapped,
    as_callable_object,
)
NOISY: tuple[Callable[[str, random.Random], str], ...] = (printing, warning, on_stderr)


# Wrong answers. None of them can be worth a point.


def _bodies(text: str, line: str) -> str:
    """A cell that defines the same names, with one line for every body; values become None."""
    parts, functions = [], {one.name: one for one in functions_of(text)}
    values = {name for name in defined_names(text) if re.search(rf"^{name} *=", text, re.M)}
    for name in defined_names(text):
        signature = ast.unparse(functions[name].args) if name in functions else "*args, **kwargs"
        function = f"def {name}({signature}):\n    {line}\n"
        parts.append(f"{name} = None" if name in values else function)
    return "\n\n".join(parts)


def raising(text: str, rng: random.Random) -> str:
    return _bodies(text, f"raise RuntimeError('stuck at step {rng.randrange(9)}')")


def forgetful(text: str, rng: random.Random) -> str:
    return _bodies(text, "pass  # how does this go?")


def talking(text: str, rng: random.Random) -> str:
    return _bodies(text, "return 'see my notes'")


def recursing(text: str, rng: random.Random) -> str:
    """Every function calls itself without end."""
    parts = (
        f"def {name}(*args, **kwargs):\n    return {name}(*args, **kwargs)"
        for name in defined_names(text)
    )
    return "\n\n\n".join(parts) + "\n"


def misspelled(text: str, rng: random.Random) -> str:
    return _bodies(text, "return undefined_name + 1")


def broken(text: str, rng: random.Random) -> str:
    """A cell that Python cannot read."""
    return text.rstrip() + rng.choice(("\n    return (\n", "\n)\n", "\n  def oops(:\n"))


def dying(text: str, rng: random.Random) -> str:
    """A cell that raises before it defines anything."""
    return rng.choice(("1 / 0\n", "import no_such_module\n", "raise SystemExit\n")) + text


def emptied(text: str, rng: random.Random) -> str:
    return "# no idea\n"


WRONG: tuple[Callable[[str, random.Random], str], ...] = (
    raising,
    forgetful,
    talking,
    recursing,
    misspelled,
    broken,
    dying,
    emptied,
)
