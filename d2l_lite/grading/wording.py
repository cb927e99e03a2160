"""Texts for messages: cleaned and cut, and numbers with their nouns. No library is loaded here."""

import re
from collections.abc import Iterable

MAX_CHARACTERS = 240
#: Characters of what learner code printed that are kept.
MAX_PRINTED = 600
#: What commands a terminal, such as a color.
SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_CONTROL = re.compile(rf"{SEQUENCE.pattern}|[\x00-\x08\x0b-\x1f\x7f]")


def clean(text: str, limit: int = MAX_CHARACTERS) -> str:
    """Return `text` without control characters, cut to at most `limit` characters.

    Half of a surrogate pair, which no file can hold, becomes a question mark.
    """
    text = _CONTROL.sub("", text[: 4 * limit + 1000]).encode("utf-8", "replace").decode()
    return cut(text, limit)


def cut(text: str, limit: int) -> str:
    """Return a text of at most `limit` characters."""
    return text if len(text) <= limit else text[: limit - 2] + " …"


def plural(number: float, noun: str) -> str:
    """Return `point` for 1, `points` for any other number."""
    return noun if number == 1 else f"{noun}s"


def count(number: int, noun: str) -> str:
    """Return `1 point`, `2 points`."""
    return f"{number} {plural(number, noun)}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question that names the nearest of the known names; nothing where none is near."""
    import difflib

    near = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
