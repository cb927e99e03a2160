"""Quizzes: questions to check oneself that work in the built page, with no kernel."""

import html
import itertools
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from d2l_lite.embedding import embed

_LABEL = "Check yourself"
_HEAD = {"one": _LABEL, "many": f"{_LABEL} (choose all that are right)", "number": _LABEL}
_ITEM = re.compile(r"- \[([ x])\] (.*\S)\s*")
_BLOCK = re.compile(r"\s*(?:[-*+>#|]|\d+[.)])\s|\s*(?:```|\$\$|:::)")  # of Markdown, not known here
_MARKED = re.compile(r"(`[^`]+`|\$[^$]+\$|\*[^*`$\s](?:[^*`$]*[^*`$\s])?\*)")
# Mathematics is written as Sphinx writes it, so that pages set both in the same way.
_MATH = r'<span class="math notranslate nohighlight">\({}\)</span>'
_TAGS = {"`": "<code>{}</code>", "$": _MATH, "*": "<em>{}</em>"}


class _Item(NamedTuple):
    """An answer that a reader may give, and what is said to it."""

    answer: str
    why: str
    right: bool


@dataclass(frozen=True, repr=False)
class Quiz:
    """A question with answers and an explanation for each; a notebook shows it as HTML."""

    question: str
    html: str
    markdown: str

    def __repr__(self) -> str:
        return f"Quiz: {self.question}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.html, "text/markdown": self.markdown, "text/plain": repr(self)}


def _item(mark: str, text: str) -> _Item:
    """Return an item from its text; a bar in code or mathematics separates nothing."""
    cut = _MARKED.sub(lambda found: "x" * len(found[0]), text).find(" | ")
    answer, why = text[:cut].strip(), text[cut + 3 :].strip()
    if cut < 0 or not answer or not why:
        raise ValueError(f"each item needs `answer | explanation`, got {text!r}")
    return _Item(answer, why, mark == "x")


def _parse(text: str) -> tuple[list[str], list[_Item]]:
    """Return the paragraphs of a question and its items."""
    question, items = "", []
    for number, line in enumerate(textwrap.dedent(text).strip().splitlines(), 1):
        if found := _ITEM.fullmatch(line):
            items.append([found[1], found[2]])
        elif items and line.startswith("  "):
            items[-1][1] += f" {line.strip()}"
        elif not items and not _BLOCK.match(line):
            question += f"{line.strip()}\n"
        elif line.strip():
            rule = "expected text, then items `- [ ] answer | explanation`, `- [x]` for right ones"
            raise ValueError(f"line {number} of the quiz: {rule}; got {line!r}")
    paragraphs = [" ".join(part.split()) for part in question.split("\n\n") if part.strip()]
    return paragraphs, [_item(*item) for item in items]


def _value(text: str) -> float | None:
    """Return the number that an item names, None for any other number."""
    try:
        return None if text == "other" else float(Fraction(text.replace("−", "-")))
    except (ValueError, ZeroDivisionError) as error:
        rule = "an item of a numeric quiz must be a number such as 0.25, 1/4 or 1e-3, or `other`"
        raise ValueError(f"{rule}; got {text!r}") from error


def _numbers(items: list[_Item], answer: Any, tolerance: float | None) -> dict[str, Any]:
    """Return the numbers of a numeric quiz, once the right one is known to be the answer."""
    truth, values = float(answer), [_value(item.answer) for item in items]
    right = [value for value, item in zip(values, items, strict=True) if item.right]
    width = abs(truth) / 100 if tolerance is None else tolerance
    if None not in values or len(right) != 1 or right[0] is None:
        rule = "a numeric quiz needs one right number and `- [ ] other | explanation`"
        raise ValueError(f"{rule}, got {[item.answer for item in items]}")
    if not abs(right[0] - truth) <= width:
        raise ValueError(f"the right item must be {truth:g} ± {width:g}, got {right[0]:g}")
    for low, high in itertools.pairwise(sorted(value for value in values if value is not None)):
        if high - low <= width:
            rule = f"two numbers must differ by more than the tolerance {width:g}"
            raise ValueError(f"{rule}, got {low:g} and {high:g}")
    return {"values": values, "tolerance": float(f"{width:.6g}")}


def _pieces(text: str, plain: Callable[[str], str], marked: Callable[[str], str]) -> str:
    """Return text with a function applied to what is marked, and another to the rest."""
    pieces = _MARKED.split(text)
    if any(re.search(r"[`$*]", piece) for piece in pieces[::2]):
        raise ValueError(f"`code`, $mathematics$ and *emphasis* must be closed; got {text!r}")
    return "".join(marked(piece) if i % 2 else plain(piece) for i, piece in enumerate(pieces))


def _html(text: str) -> str:
    escaped = html.escape(text, quote=False)
    return _pieces(escaped, str, lambda piece: _TAGS[piece[0]].format(piece[1:-1]))


def _markdown(text: str) -> str:
    return _pieces(text, lambda piece: re.sub(r"([\\<\[\]&_~])", r"\\\1", piece), str)


def _why(kind: str, item: _Item) -> str:
    """Return what is said to an answer; a number is named, other answers have their letter."""
    said = "right" if item.right else "wrong"
    name = "Any other number" if item.answer == "other" else item.answer
    return f"*{f'{name} is {said}' if kind == 'number' else said.capitalize()}.* {item.why}"


def _still(kind: str, paragraphs: list[str], items: list[_Item]) -> str:
    """Return the quiz as it stands where no script runs: the answers can be unfolded."""
    asked = "".join(f"<p>{_html(text)}</p>\n" for text in paragraphs)
    options = "".join(f"<li>{_html(item.answer)}</li>\n" for item in items)
    options = "" if kind == "number" else f'<ol class="d2l-options" type="A">\n{options}</ol>\n'
    whys = [f'<li value="{i}">{_html(_why(kind, item))}</li>\n' for i, item in enumerate(items, 1)]
    return (
        f'<p class="d2l-head">{_HEAD[kind]}</p>\n<div class="d2l-ask">\n{asked}</div>\n{options}'
        '<details><summary>Answer</summary>\n<ol class="d2l-whys" type="A">\n'
        f"{''.join(whys)}</ol>\n</details>"
    )


def _fallback(kind: str, paragraphs: list[str], items: list[_Item]) -> str:
    """Return the quiz as Markdown, for paper: answers stand below the question."""
    letters = ("" if kind == "number" else f"({chr(65 + i)}) " for i in range(len(items)))
    pairs = list(zip(letters, items, strict=True))
    asked = "".join(f"{text}\n\n" for text in paragraphs)
    options = "".join(f"- {letter}{item.answer}\n" for letter, item in pairs if letter)
    whys = "".join(f"\n- {letter}{_why(kind, item)}" for letter, item in pairs)
    return f"**{_LABEL}.** " + _markdown(f"{asked}{options}\n*Answers*\n{whys}")


def quiz(text: str, *, answer: Any = None, tolerance: float | None = None) -> Quiz:
    r"""Return a question that readers can check themselves with, in the page, with no kernel.

    The text is the question, then an item for each answer, `- [ ] answer | explanation`, with
    `- [x]` for right ones. Several right ones ask to choose all. An item goes on in indented lines.
    Text knows `code`, $mathematics$ and *emphasis*.

    Args:
        text: the question and its items.
        answer: the number that was computed, for a numeric quiz. Its items are numbers that readers
            are expected to give, and `other` for the rest.
        tolerance: largest difference, in the unit of the answer, of numbers that count as equal;
            1 percent of the answer by default.

    Returns:
        The quiz as HTML, Markdown and plain text.

    Raises:
        ValueError: a line that is no item, an item without explanation, items that are equal or
            fewer than two, none right; for a numeric quiz a right item that is not the answer.
    """
    paragraphs, items = _parse(text)
    right = [i for i, item in enumerate(items) if item.right]
    if not (paragraphs and right and 2 <= len(items) == len({item.answer for item in items})):
        rule = "a quiz needs a question, two or more different items, and `- [x]` at the right ones"
        raise ValueError(f"{rule}; got {paragraphs} with {[tuple(item) for item in items]}")
    if answer is None and tolerance is not None:
        raise ValueError(f"tolerance={tolerance} needs answer=, the number computed")
    kind = "number" if answer is not None else "many" if len(right) > 1 else "one"
    numbers = _numbers(items, answer, tolerance) if kind == "number" else {}
    spec = {"label": _LABEL, "kind": kind, "right": right, **numbers}
    files = ("quiz.css", "page.js", "quiz.js")
    call = 'page.mount("ID", (root) => quiz.bind(root, spec));'
    made = embed("quiz", spec, files=files, call=call, still=_still(kind, paragraphs, items))
    return Quiz(" ".join(paragraphs), made, _fallback(kind, paragraphs, items))
