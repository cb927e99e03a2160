"""Texts for messages: cleaned and cut, and numbers with their nouns. No library is loaded here."""

import re

MAX_CHARACTERS = 240
#: Characters of what learner code printed that are kept.
MAX_PRINTED = 600
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


def clean(text: str, limit: int = MAX_CHARACTERS) -> str:
    """Return `text` without control characters, cut to at most `limit` characters.

    Half of a surrogate pair, which no file can hold, becomes a question mark.
    """
    text = _CONTROL.sub("", text[: 4 * limit + 1000]).encode("utf-8", "replace").decode()
    return text if len(text) <= limit else text[: limit - 2] + " …"


def count(number: int, noun: str) -> str:
    """Return `1 point`, `2 points`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
