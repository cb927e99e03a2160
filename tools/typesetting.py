"""MathML for e-readers, and the text of explorables: a node process that answers line by line."""

import html
import json
import re
import subprocess
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

from tools.mathematics import MATHJAX

PROGRAM = Path(__file__).with_name("printing.js")
_VARIANT = re.compile(r'<(m[inot]\w*) mathvariant="([\w-]+)">([^<&]+)</\1>')


class TypesettingError(ValueError):
    """A formula, or something else that the node process was asked, made no sense."""


class Typesetter:
    """A node process that sets formulas, and knows the text of explorables; `close` ends it."""

    def __init__(self) -> None:
        command = ["node", str(PROGRAM), str(MATHJAX / "es5")]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )

    def ask(self, **question: Any) -> str:
        """Return the answer to a question of the form that `printing.js` describes.

        Raises:
            TypesettingError: there is no answer; the message is the program's own.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise TypesettingError("node ended early; its message stands above")
        answer = json.loads(line)
        if "error" in answer:
            raise TypesettingError(answer["error"])
        return str(answer["result"])

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


@cache
def styled(variant: str, letter: str) -> str:
    """Return the Unicode character of a letter in a MathML variant such as `bold`.

    A letter without such a character is returned as it is.
    """
    words = variant.replace("-", " ").replace("double struck", "double-struck").upper()
    for code in (*range(0x2100, 0x2150), *range(0x1D400, 0x1D800)):
        name = unicodedata.name(chr(code), "").removeprefix("MATHEMATICAL ")
        kind = re.sub(r" (SMALL|CAPITAL|DIGIT) .*", "", name)
        if kind == words and unicodedata.normalize("NFKC", chr(code)) == letter:
            return chr(code)
    return letter


def core_mathml(markup: str, tex: str) -> str:
    """Return MathML that needs no more than MathML Core, and says in TeX what it shows.

    Core has one `mathvariant`, "normal"; e-readers show other letters by their own characters.
    """

    def replace(match: re.Match[str]) -> str:
        tag, variant, text = match.groups()
        if variant == "normal":
            return match[0]
        return f"<{tag}>{''.join(styled(variant, letter) for letter in text)}</{tag}>"

    markup = re.sub(r' (?:data-mjx-[\w-]+|class)="[^"]*"', "", markup)
    markup = re.sub(r">\s+<", "><", _VARIANT.sub(replace, markup))
    return markup.replace("<math ", f'<math alttext="{html.escape(tex.strip())}" ', 1)
