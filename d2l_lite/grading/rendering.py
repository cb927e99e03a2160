"""Results as text and as HTML: restrained, escaped, readable on light and dark pages."""

import html
import re
from collections.abc import Sequence

from d2l_lite.grading.outcomes import CaseResult, QuestionResult
from d2l_lite.grading.wording import count

PASSED, FAILED, OPEN = "#009E73", "#D55E00", "#808080"
_COLORS = {"passed": PASSED, "failed": FAILED}
WORDS = {"unfinished": "not written yet", "missing": "not defined yet"}
_PRE = "white-space:pre-wrap;overflow-wrap:anywhere;font-family:monospace;font-size:.95em"
_BLOCK = ";display:block"


def headline(result: QuestionResult) -> str:
    """Return the first line of a result: name, points, cases."""
    points = f"{result.points} of {count(result.question.points, 'point')}"
    if result.status in WORDS:
        return f"{result.question.name}: {WORDS[result.status]}, {points}"
    passed = sum(one.status == "passed" for one in result.cases)
    return (
        f"{result.question.name}: {points} ({passed} of {count(len(result.cases), 'case')} passed)"
    )


def details(case: CaseResult) -> list[tuple[str, str]]:
    """Return the labelled lines below a case that did not pass."""
    lines = [
        ("called" if "(" in case.called else "looked at", case.called),
        ("in your code", case.place),
        ("came back", case.got),
        ("expected", case.want),
        ("result", case.message),
    ]
    return [(label, text) for label, text in lines if text]


def blocks(result: QuestionResult) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return marked titles with their labelled lines; without an answer, one line says so."""
    if result.status in WORDS:
        first = result.cases[0]
        lines = [("result", first.message), ("in your code", first.place)]
        return [("", [(label, text) for label, text in lines if text])]
    return [
        (f"✓ {one.title}", []) if one.status == "passed" else (f"✗ {one.title}", details(one))
        for one in result.cases
    ]


def notes(result: QuestionResult) -> list[tuple[str, str]]:
    """Return hints and printed text, each once."""
    found = [("hint", result.question.hints[key]) for key in result.hints]
    printed = dict.fromkeys(one.printed for one in result.cases if one.printed)
    return found + [("your code printed", text) for text in list(printed)[:2]]


def as_text(result: QuestionResult) -> str:
    """Return a result as plain text."""
    lines = [headline(result)]
    for title, rows in blocks(result):
        lines += [f"  {title}"] if title else []
        lines += [_indented(label, text, 6 if title else 2) for label, text in rows]
    return "\n".join(lines + [_indented(label, text, 2) for label, text in notes(result)])


def _indented(label: str, text: str, indent: int) -> str:
    """Return a labelled text whose further lines stand below its first."""
    start = f"{' ' * indent}{label + ':':<13} "
    return start + text.replace("\n", "\n" + " " * len(start))


def as_html(result: QuestionResult) -> str:
    """Return a result as HTML; everything from the learner is escaped."""
    parts = [f"<strong>{_escaped(headline(result))}</strong>"]
    for title, rows in blocks(result):
        parts += [_title(title)] if title else []
        parts += [_row(label, text, indent=1.4 if title else 0) for label, text in rows]
    parts += [_row(label, text) for label, text in notes(result)]
    return _box("".join(parts), _COLORS.get(result.status, OPEN))


def _title(title: str) -> str:
    """Return the title of a case; its mark is colored, and readable without color."""
    color = PASSED if title[0] == "✓" else FAILED
    mark = f'<span style="color:{color};font-weight:bold">{title[0]}</span>'
    return f"<div>{mark}{prose(title[1:])}</div>"


def _box(inside: str, color: str) -> str:
    """Return a box with a colored edge; colors of text and page are the page's own."""
    return (
        f'<div style="border-left:4px solid {color};padding:.2em 0 .2em .8em;margin:.4em 0;'
        f'line-height:1.5">{inside}</div>'
    )


def _row(label: str, text: str, *, indent: float = 0) -> str:
    """Return a labelled line; sentences as prose, values in a fixed-width font."""
    body = (
        f"<span>{prose(text)}</span>"
        if label in ("result", "hint")
        else f'<span style="{_PRE + _BLOCK * (chr(10) in text)}">{_escaped(text)}</span>'
    )
    return f'<div style="margin-left:{indent}em"><em>{label}:</em> {body}</div>'


def _escaped(text: str) -> str:
    """Return text that HTML shows as it is; a lone dollar sign starts no mathematics."""
    return html.escape(text).replace("$", "<span>$</span>")


def prose(text: str) -> str:
    """Return escaped text with `code` set as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _escaped(text))


def summary_rows(results: Sequence[QuestionResult]) -> list[tuple[str, str, str]]:
    """Return question, points and state of each result."""
    return [
        (
            one.question.name,
            f"{one.points} of {one.question.points}",
            WORDS.get(one.status, one.status),
        )
        for one in results
    ]


def total(results: Sequence[QuestionResult]) -> str:
    """Return the last line of a summary."""
    points = sum(one.points for one in results)
    return f"{points} of {count(sum(one.question.points for one in results), 'point')}"


def summary_text(results: Sequence[QuestionResult]) -> str:
    """Return the points of all questions as a plain table."""
    rows = [("question", "points", ""), *summary_rows(results), ("total", total(results), "")]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    cells = ["  ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in cells)


def summary_html(results: Sequence[QuestionResult]) -> str:
    """Return the points of all questions as an HTML table."""
    cell = '<td style="text-align:left;padding:.1em 1.2em .1em 0">{}</td>'
    rows = summary_rows(results)
    lines = [[f"<code>{_escaped(name)}</code>", points, state] for name, points, state in rows]
    lines.append(["<strong>total</strong>", f"<strong>{total(results)}</strong>", ""])
    table = ("<tr>" + "".join(cell.format(text) for text in line) + "</tr>" for line in lines)
    color = PASSED if all(one.passed for one in results) else OPEN
    return _box(f'<table style="background:none"><tbody>{"".join(table)}</tbody></table>', color)
