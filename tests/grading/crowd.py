"""A class of learners: any number of submissions, each with the points that it is worth.

Every submission is drawn from a seed: full answers in many forms, half-finished ones, stubs,
typical mistakes, code that raises, prints or warns, and a share of hostile ones. What a submission
is worth is known from what was put in; no judge is asked.
"""

import ast
import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from d2l_lite.grading.source import (
    ExerciseSource,
    SourceCell,
    read_source,
    solution_text,
    stub_text,
)
from tests.grading import crowd_answers as answers
from tests.grading.attacks import submission

#: What kinds of learners there are, and how many of a hundred.
SHARES: Mapping[str, int] = {
    "complete": 40,  # every answer is right
    "noisy": 15,  # every answer is right; they print, warn and write to stderr
    "mixed": 30,  # each answer is right, a typical mistake, a stub or broken
    "begun": 10,  # the first answers are right, the rest are stubs
    "untouched": 5,  # the notebook as it was handed out
}
HOSTILE = 0.05
SCRATCH = (
    "print('hello')",
    "import math\n\nmath.pi",
    "x = list(range(5))\nx[10]",
    "1 / 0",
    "%matplotlib inline",
    "import warnings\n\nwarnings.warn('this cell warns')",
    "import sys\n\nprint('on stderr', file=sys.stderr)",
    "# nothing here",
    "",
    "for i in range(3):\n    print(i, end=' ')",
    "help(len)",
)
NOTES = ("## My notes", "I am not sure about *this* one.", "Siehe Skript, S. 12 ≤ 14.", "---")


@dataclass(frozen=True)
class Piece:
    """One cell of a submission; `question` is set where it holds the answer to one."""

    kind: str
    text: str
    question: str = ""


@dataclass(frozen=True)
class Attack:
    """A hostile submission: `make` takes an honest notebook's cells and returns the file.

    `points` are what a judge that holds gives it, where that is known.
    """

    name: str
    make: Callable[[Sequence[Piece]], bytes]
    points: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Entry:
    """One learner's submission.

    `points` are those that each question is worth; None where it is hostile and its attack does not
    say what it may get. `attack` is the attack's name. `answers` says what was put in for each
    question.
    """

    learner: str
    kind: str
    notebook: bytes
    points: Mapping[str, int] | None
    pieces: tuple[Piece, ...]
    answers: Mapping[str, str]
    attack: str = ""


def from_corpus(
    attacks: Iterable[submission.Attack], full: Mapping[str, int], words: Mapping[str, str]
) -> list[Attack]:
    """Return attacks of the corpus as those of a crowd, each with the points that it may get.

    Args:
        attacks: Those of one assignment; the ones that are no notebook's text are left out.
        full: What each question of that assignment is worth.
        words: What the words in at signs stand for.

    Returns:
        The attacks. Their files do not depend on an honest notebook.
    """

    def file(one: submission.Attack) -> bytes:
        text = submission.filled(submission.notebook(submission.cells_of(one)), words)
        return text.encode("utf-8", "surrogatepass")

    return [
        Attack(one.name, lambda _, one=one: file(one), one.points(full))
        for one in attacks
        if one.make is None
    ]


@dataclass(frozen=True)
class Answer:
    """The text of a cell, whether it is right, and how it was made."""

    text: str
    right: bool
    made: str


def points_of(source: ExerciseSource) -> dict[str, int]:
    """Return the points of every question of a set."""
    return {name: cell.metadata["points"] for name, cell in source.questions.items()}


def dependent_questions(source: ExerciseSource) -> list[str]:
    """Return the questions whose answers or cases use the answers to others.

    What such a question is worth does not follow from its own answer alone.
    """
    owner = {
        name: question
        for question, cell in source.questions.items()
        for name in answers.defined_names(solution_text(cell))
    }
    used = [(question, solution_text(cell)) for question, cell in source.questions.items()]
    for cell in source.of("visible", "hidden"):
        for one in answers.functions_of(cell.source):
            used += [(question, ast.unparse(one)) for question in _questions_of(one)]
    found = []
    for question, text in used:
        names = {
            getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(ast.parse(text))
        }
        found += [question for name in names if owner.get(name, question) != question]
    return sorted(set(found))


def _questions_of(function: ast.FunctionDef) -> list[str]:
    """Return the questions of which a function is a case."""
    calls = [one for one in function.decorator_list if isinstance(one, ast.Call)]
    return [str(ast.literal_eval(call.args[0])) for call in calls if call.args]


class Crowd:
    """Draws submissions to one exercise set."""

    def __init__(self, source: Path, *, seed: int = 0) -> None:
        self.source = read_source(source)
        self.points = points_of(self.source)
        self.seed = seed
        if dependent := dependent_questions(self.source):
            raise ValueError(
                f"a crowd needs questions that stand alone, but {dependent} of {source.name} "
                "use the answers to others; choose another set"
            )

    def draw(
        self, count: int, *, attacks: Sequence[Attack] = (), hostile: float = HOSTILE
    ) -> list[Entry]:
        """Return `count` submissions; with attacks, this share of them is hostile.

        Args:
            count: How many.
            attacks: What hostile submissions do; they take turns.
            hostile: Share of hostile submissions; none where there are no attacks.

        Returns:
            The submissions. The same arguments give the same bytes.
        """
        rng = random.Random(f"{self.source.slug} {self.seed} {count}")
        kinds = _shared_out(count - (round(count * hostile) if attacks else 0))
        kinds += ["hostile"] * (count - len(kinds))
        rng.shuffle(kinds)
        turn = iter(range(count))
        return [
            self._hostile(f"learner-{number:04}", attacks[next(turn) % len(attacks)])
            if kind == "hostile"
            else self._entry(f"learner-{number:04}", kind)
            for number, kind in enumerate(kinds)
        ]

    def full(self) -> list[Piece]:
        """Return the cells of the plainest full answer."""
        right = {name: self._right(name, None) for name in self.points}
        return list(self._pieces(right, random.Random(0), scratch=False))

    def _hostile(self, learner: str, attack: Attack) -> Entry:
        """Return a hostile submission."""
        pieces = tuple(self.full())
        made = attack.make(pieces)
        return Entry(learner, "hostile", made, attack.points, pieces, {}, attack.name)

    def _entry(self, learner: str, kind: str) -> Entry:
        """Return an honest submission of a kind."""
        rng = random.Random(f"{self.source.slug} {self.seed} {learner} {kind}")
        begun = rng.randrange(1, len(self.points))
        chosen = {}
        for index, name in enumerate(self.points):
            if kind in ("complete", "noisy") or (kind == "begun" and index < begun):
                chosen[name] = self._right(name, rng, noisy=kind == "noisy")
            elif kind == "mixed":
                chosen[name] = self._any(name, rng)
            else:
                chosen[name] = Answer(stub_text(self.source.questions[name]), False, "stub")
        scratch = kind != "untouched"
        pieces = tuple(self._pieces(chosen, rng, scratch=scratch))
        points = {name: one.right * self.points[name] for name, one in chosen.items()}
        made = {name: one.made for name, one in chosen.items()}
        return Entry(learner, kind, notebook_bytes(pieces, rng), points, pieces, made)

    def _right(self, name: str, rng: random.Random | None, *, noisy: bool = False) -> Answer:
        """Return a right answer: the solution or another formula, written in some form."""
        text = solution_text(self.source.questions[name])
        if rng is None:
            return Answer(text, True, "solution")
        others = answers.ALTERNATIVES.get(self.source.slug, {}).get(name, ())
        index = rng.randrange(len(others) + 1)
        form = rng.choice(answers.NOISY if noisy else answers.QUIET)
        base = text if index == 0 else others[index - 1]
        return Answer(form(base, rng), True, f"formula {index}, {form.__name__}")

    def _any(self, name: str, rng: random.Random) -> Answer:
        """Return an answer of any kind."""
        kind = rng.choices(("right", "mistake", "stub", "wrong", "corrected", "spoiled"),
                           (40, 25, 10, 15, 5, 5))[0]  # fmt: skip
        solution = solution_text(self.source.questions[name])
        mistake = rng.choice([one for one in self.source.of("mistake") if one.question == name])
        if kind == "right":
            return self._right(name, rng, noisy=rng.random() < 0.3)
        if kind == "wrong":
            form = rng.choice(answers.WRONG)
            return Answer(form(solution, rng), False, form.__name__)
        wrong = mistake.source
        if set(answers.defined_names(solution)) - set(answers.defined_names(wrong)):
            wrong = f"{solution}\n\n\n{wrong}"
        text = {
            "mistake": wrong,
            "stub": stub_text(self.source.questions[name]),
            "corrected": f"{wrong}\n\n\n{solution}",
            "spoiled": f"{solution}\n\n\n{wrong}",
        }[kind]
        return Answer(text, kind == "corrected", kind)

    def _pieces(
        self, chosen: Mapping[str, Answer], rng: random.Random, *, scratch: bool
    ) -> Iterator[Piece]:
        """Yield the cells of a notebook with these answers, as the student notebook has them."""
        for cell in self.source.of("markdown", "code", "question"):
            if cell.role == "question":
                yield Piece("code", chosen[cell.question].text, cell.question)
                yield Piece("code", f'check("{cell.question}")')
            else:
                yield Piece("markdown" if cell.role == "markdown" else "code", _kept(cell))
            if scratch and cell.role != "code" and rng.random() < 0.2:
                yield Piece("code", rng.choice(SCRATCH))
            if scratch and rng.random() < 0.1:
                yield Piece("markdown", rng.choice(NOTES))
        yield Piece("code", "check.all()")


def _kept(cell: SourceCell) -> str:
    """Return a cell's text; long prose is cut, since nobody grades it."""
    return cell.source if cell.role == "code" else cell.source[:400]


def _shared_out(count: int) -> list[str]:
    """Return a kind for each of `count` learners, as near to the shares as whole numbers are."""
    total, found, due = sum(SHARES.values()), [], 0.0
    for kind, share in SHARES.items():
        due += count * share / total
        found += [kind] * (round(due) - len(found))
    return found


def notebook_bytes(pieces: Sequence[Piece], rng: random.Random | None = None) -> bytes:
    """Return a notebook's file: nbformat 4.5, or 4.4, whose cells have no ids."""
    rng = rng or random.Random(0)
    minor = rng.choice((4, 5, 5))
    cells = []
    for piece in pieces:
        lines = piece.text.splitlines(keepends=True)
        cells.append(submission.new_cell(piece.kind, lines if rng.random() < 0.8 else piece.text))
    whole = submission.document(cells, minor=minor)
    return json.dumps(whole, indent=rng.choice((None, 1)), ensure_ascii=rng.random() < 0.5).encode()


def write(entries: Sequence[Entry], folder: Path, name: str) -> None:
    """Write every submission as `folder/learner/name.ipynb`."""
    for entry in entries:
        path = folder / entry.learner / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(entry.notebook)
