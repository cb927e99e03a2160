"""The source of the helper package inside the page, highlighted."""

import html
import inspect
import re
import textwrap
from dataclasses import dataclass
from importlib import resources
from typing import Any

_PLAIN = "n|nn|ne|o|p|vm|w"  # token classes without a color of their own


@dataclass(frozen=True, repr=False)
class Source:
    """Python source, which a notebook shows highlighted."""

    name: str
    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        from pygments import highlight  # type: ignore[import-untyped]
        from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
        from pygments.lexers import PythonLexer  # type: ignore[import-untyped]

        style = resources.files("d2l_lite.scenes").joinpath("source.css").read_text("utf-8")
        code = highlight(self.text, PythonLexer(), HtmlFormatter(nowrap=True))
        code = re.sub(rf'<span class="(?:{_PLAIN})">(.*?)</span>', r"\1", code)
        label = f"Source of {html.escape(self.name)}"
        return (
            f'<div class="d2l-source" role="region" aria-label="{label}" tabindex="0">\n'
            f"<style>\n{style}</style>\n<pre>{code}</pre>\n</div>"
        )


def show_source(obj: Any) -> Source:
    """Return the source of a function, class, method or module; a notebook shows it highlighted.

    Args:
        obj: what to show.

    Returns:
        The source; `str(...)` of it is the plain text.

    Raises:
        TypeError: `obj` is a value, or is not written in Python.
    """
    kind = type(obj).__name__
    name = getattr(obj, "__qualname__", getattr(obj, "__name__", kind))
    try:
        text = inspect.getsource(obj)
    except (TypeError, OSError) as error:
        rule = "show_source needs a function, class, method or module written in Python"
        remedy = f"for a value show its class: show_source({kind})"
        raise TypeError(f"{rule}, got {name!r} of type {kind}; {remedy}") from error
    return Source(name, textwrap.dedent(text))
