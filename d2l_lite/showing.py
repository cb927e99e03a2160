"""The source of the helper package inside the page, highlighted."""

import html
import inspect
import textwrap
from dataclasses import dataclass
from typing import Any

# Each theme sets text and background together, so the card is readable in a host of any color.
_LIGHT = "--b:#f6f8fa;--t:#24292f;--k:#a0111f;--s:#0a3069;--c:#57606a;--f:#6639ba;--n:#0550ae"
_DARK = "--b:#161b22;--t:#d5dce3;--k:#ff7b72;--s:#a5d6ff;--c:#9aa4af;--f:#d2a8ff;--n:#79c0ff"
_DARK_HOSTS = (
    "html[data-theme=dark]",
    "html[theme=dark]",
    "body[data-jp-theme-light=false]",
    "body.vscode-dark",
)
_STYLE = f"""\
.d2l-source {{ {_LIGHT} }}
{", ".join(f"{host} .d2l-source" for host in _DARK_HOSTS)} {{ {_DARK} }}
.d2l-source {{ background: var(--b); color: var(--t); border-radius: 4px; overflow-x: auto; }}
.d2l-source pre {{ margin: 0; padding: 0.7em 1em; background: none; color: inherit; border: 0;
  font-size: 0.85em; line-height: 1.45; white-space: pre; }}
.d2l-source :is(.k, .kn, .kc, .kd, .ow) {{ color: var(--k) }}
.d2l-source :is(.s1, .s2, .sd, .sa, .si, .se, .sx, .sr) {{ color: var(--s) }}
.d2l-source :is(.c1, .cm) {{ color: var(--c) }}
.d2l-source :is(.nf, .nc, .nd, .fm) {{ color: var(--f) }}
.d2l-source :is(.mi, .mf, .mh, .nb, .bp) {{ color: var(--n) }}"""


@dataclass(frozen=True)
class Source:
    """Python source that a notebook shows highlighted."""

    name: str
    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        from pygments import highlight  # type: ignore[import-untyped]
        from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
        from pygments.lexers import PythonLexer  # type: ignore[import-untyped]

        code = highlight(self.text, PythonLexer(), HtmlFormatter(nowrap=True))
        return (
            f'<div class="d2l-source" role="region" tabindex="0" '
            f'aria-label="Source of {html.escape(self.name)}">\n'
            f"<style>\n{_STYLE}\n</style>\n<pre>{code}</pre>\n</div>"
        )


def show_source(obj: Any) -> Source:
    """Return the source of a function, class, method or module, shown highlighted in a notebook.

    Args:
        obj: what to show.

    Returns:
        The source; `str(...)` of it is the plain text.

    Raises:
        TypeError: `obj` is a value, or is not written in Python.
    """
    name = getattr(obj, "__qualname__", getattr(obj, "__name__", type(obj).__name__))
    try:
        text = inspect.getsource(obj)
    except (TypeError, OSError) as error:
        kind = type(obj).__name__
        rule = "show_source needs a function, class, method or module written in Python"
        remedy = f"for a value show its class: show_source({kind})"
        raise TypeError(f"{rule}, got {name!r} of type {kind}; {remedy}") from error
    return Source(name, textwrap.dedent(text))
