"""One hostile submission: how its notebook is made, and the points that it may get.

Most attacks follow one pattern: *if the attack worked, the answer is right, and wrong otherwise*.
So one number tells whether it worked: a question that is attacked and gives points was stolen.

Words in at signs stand for what a range sets up anew (`@OPEN@`: a folder that everybody may write
to; `@VAULT@`: the instructor's, 0700; `@MARK@`: a word by which processes are found again).
"""

import functools
import json
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from d2l_lite.grading.source import ExerciseSource, read_source, solution_text

HERE = Path(__file__).parent
KINDS = ("tamper", "read", "escape", "exhaust", "forge", "malformed")
#: A wrong answer to each question that attacks choose.
WRONG: Mapping[str, str] = {
    "standardize": "def standardize(x):\n    return x\n",
    "softmax": "def softmax(x):\n    return np.zeros(x.shape)\n",
    "halvings": "def halvings(value, limit):\n    return 0\n",
    "odds": "def odds(p):\n    return 0.0\n",
    "Scaler": "class Scaler:\n    pass\n",
    "summary": "def summary(name, x):\n    return {}\n",
    "mse": "def mse(y_hat, y):\n    return y_hat.sum()\n",
    "step_size": "def step_size(step):\n    return 0.0\n",
    "make_classifier": "def make_classifier(X, y):\n    return torch.nn.Linear(X.shape[1], 1)\n",
}
#: Stops an attack that would harm the machine if its worker were not confined at all.
GUARD = """\
import os as _os
if _os.access("@VAULT@", _os.R_OK) or _os.geteuid() == 0:
    raise RuntimeError("this worker is not confined")
"""
#: Tiers in which the code runs as the user who grades, on the machine's own files and network.
UNCONFINED = "a plain process has the rights of its user: for self-checks only"


@dataclass(frozen=True)
class Attack:
    """A hostile or broken submission.

    `code` holds the cells that answer `question`; the other questions are answered honestly. Where
    `make` is set it writes the whole file. `loses` and `earns` are questions that differ from that.
    `never` is a pattern that the result must not show: it would have failed for another reason.
    """

    name: str
    kind: str
    question: str
    code: tuple[str, ...]
    base: str = "arrays"
    first: bool = False
    loses: tuple[str, ...] = ()
    earns: tuple[str, ...] = ()
    status: str = "graded"
    seconds: float = 8.0
    wait: float = 0.0
    never: str = ""
    make: Callable[[str, Path], Path] | None = None
    not_in: Mapping[str, str] = field(default_factory=dict)

    def points(self, full: Mapping[str, int]) -> dict[str, int]:
        """Return the points of every question, given what each is worth."""
        lost = {self.question, *self.loses} - {*self.earns}
        if self.status != "graded":
            lost = set(full)
        return {name: 0 if name in lost else worth for name, worth in full.items()}


def attack(kind: str, name: str, *cells: str, question: str = "softmax", **more: object) -> Attack:
    """Return an attack whose cells are these."""
    return Attack(name, kind, question, tuple(map(textwrap.dedent, cells)), **more)  # type: ignore


def attempt(kind: str, name: str, body: str, **more: object) -> Attack:
    """Return an attack whose answer is right if this function's body returned something true."""
    question = str(more.get("question", "softmax"))
    tried = f"def _attempt():\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n"
    tried += "try:\n    won, why = bool(_attempt()), 'tried'\n"
    tried += "except BaseException as error:\n    won, why = False, repr(error)\n"
    return attack(kind, name, tried + rewarded(question), **more)  # type: ignore[arg-type]


def rewarded(question: str = "softmax", won: str = "won") -> str:
    """Return the code of an answer that is right if `won` is true."""
    honest, wrong = solutions()[question], WRONG[question]
    return f"if {won}:\n{textwrap.indent(honest, '    ')}\nelse:\n{textwrap.indent(wrong, '    ')}"


@functools.cache
def base(name: str) -> ExerciseSource:
    """Return the source of an assignment that is attacked."""
    return read_source(HERE / f"{name}.md")


def solutions(*names: str) -> dict[str, str]:
    """Return the right answer to every question."""
    found = (base(name).questions for name in names or ("arrays", "tensors"))
    return {key: solution_text(cell) for cells in found for key, cell in cells.items()}


def cells_of(one: Attack) -> list[str]:
    """Return the code cells of an attack's notebook."""
    answers = {key: [text] for key, text in solutions(one.base).items() if key != one.question}
    order = [*answers, one.question] if not one.first else [one.question, *answers]
    answers[one.question] = list(one.code)
    return ["import numpy as np\nimport math", *(["import torch"] * (one.base == "tensors"))] + [
        cell for key in order for cell in answers[key]
    ]


def new_cell(kind: str, source: str | list[str], **metadata: object) -> dict[str, Any]:
    """Return a notebook's cell that was never run."""
    made = {"cell_type": kind, "metadata": metadata, "source": source}
    return made | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def document(cells: Iterable[Mapping[str, Any]], *, minor: int = 5) -> dict[str, Any]:
    """Return a notebook of format 4; cells have ids from 4.5 on."""
    numbered = [
        {**cell, "id": f"cell-{number}"} if minor >= 5 else {**cell}
        for number, cell in enumerate(cells)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": numbered, "metadata": metadata, "nbformat": 4, "nbformat_minor": minor}


def notebook(cells: Sequence[str]) -> str:
    """Return the JSON of a notebook with these code cells."""
    return json.dumps(document(new_cell("code", text) for text in cells))


def filled(text: str, words: Mapping[str, str]) -> str:
    """Return a text with its words in at signs replaced."""
    return re.sub(r"@([A-Z]+)@", lambda found: words.get(found[1], found[0]), text)
