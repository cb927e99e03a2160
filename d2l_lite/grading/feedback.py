"""The page that a learner gets: points, the smallest failing example, hints, where to read on."""

import re
from collections.abc import Iterator
from html import escape

from d2l_lite.grading.outcomes import CaseResult
from d2l_lite.grading.pages import book_page, box, document, name_of, own_page
from d2l_lite.grading.rendering import WORDS, details, prose
from d2l_lite.grading.views import QuestionView, View, points_text
from d2l_lite.grading.wording import MAX_PRINTED, count, plural

MAX_PRINTED_TEXTS = 2
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d:\d\d):\d\d(?:\.\d+)?Z")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_SELF_CHECK = (
    "<p>The notebook ran without the isolation that protects scores (tier <code>{}</code>). "
    "Use these points to see where you stand; they are not a grade.</p>\n"
)
_FAULT = (
    "<p><strong>The grading itself failed, and your work was not judged.</strong> This is not a "
    "zero, and nothing is wrong with your notebook as far as we know. It is kept, and is graded "
    "once the cause is mended. You need to do nothing.</p>\n"
)
_ADVICE = """\
<h2>What you can do</h2>
<ol>
<li>Open the file in Jupyter. If it does not open there, start again from the notebook of the
exercises and copy your code into it.</li>
<li>Choose <em>Restart kernel and run all cells</em>, and save.</li>
<li>Hand in the saved <code>.ipynb</code> file itself, under the name that was asked for.</li>
</ol>
"""


def feedback_page(view: View, *, book: str = "", title: str = "") -> str:
    """Return the page of feedback for one record.

    Args:
        view: The record.
        book: Address of the book, without a slash at its end; empty where it is unknown.
        title: What the work is called; the name of the set where it is empty.

    Returns:
        HTML with everything inside; nothing of it is asked from anywhere.
    """
    name = title or name_of(view.slug)
    body = f"<h1>Feedback: {escape(name)}</h1>\n{_facts(view)}{_read_on(view, book)}{_choice(view)}"
    body += _graded(view, book) if view.graded else _ungraded(view)
    return document(f"{view.learner}: {name}", body, footer=_footer(view), book=book)


def _choice(view: View) -> str:
    """Return which of several notebooks counts."""
    words = f'<p class="text">{prose(view.choice)}</p>\n'
    return box("note", "Several notebooks", words) if view.choice else ""


def _graded(view: View, book: str) -> str:
    """Return the main part for a submission that was graded."""
    body = "" if view.trusted else box("wrong", "A self-check", _SELF_CHECK.format(_tier(view)))
    body += box("note", "About this submission", _reason(view)) if view.message else ""
    body += _overview(view) + _notes(view)
    return body + "".join(_question(view, number, book) for number in range(len(view.questions)))


def _ungraded(view: View) -> str:
    """Return the main part for a submission that was not graded: what happened, what to do."""
    if view.status == "infrastructure":
        return box("note", "Not graded yet", _FAULT + _reason(view, "What happened"))
    if view.status == "missing":
        return _score(view) + box("note", "Nothing was handed in", _reason(view))
    why = box("wrong", "Your notebook could not be read", _reason(view))
    return _score(view) + why + _notes(view) + _ADVICE


def _tier(view: View) -> str:
    return escape(view.tier or "unknown")


def _facts(view: View) -> str:
    """Return whose work this is, which file, and when it was graded."""
    parts = [f"<bdi>{escape(view.learner)}</bdi>"]
    parts += [f"<bdi>{escape(view.file)}</bdi>"] if view.file else []
    parts += [f"graded {when(view.time)}"] if view.time and view.graded else []
    return f'<p class="facts">{" · ".join(parts)}</p>\n'


def when(time: str) -> str:
    """Return a time as HTML: `Nov 21, 2026, 17:00 UTC`."""
    found = _TIME.fullmatch(time)
    if found is None or not 1 <= int(found[2]) <= 12:
        return escape(time)
    words = f"{_MONTHS[int(found[2]) - 1]} {int(found[3])}, {found[1]}, {found[4]} UTC"
    return f'<time datetime="{time}">{words}</time>'


def _read_on(view: View, book: str) -> str:
    """Return links to the pages of the set: its author's, or the book's."""
    page = escape(book_page(view, book))
    if not page:
        return ""
    if own_page(view):
        return f'<p class="buttons"><a class="button" href="{page}">The exercises</a></p>\n'
    chapter = f"{escape(book)}/chapters/{escape(view.slug)}.html"
    return (
        f'<p class="buttons"><a class="button" href="{page}">Exercises in the book</a>'
        f'<a class="button" href="{chapter}">The chapter</a></p>\n'
    )


def _reason(view: View, label: str = "") -> str:
    """Return why a submission was not graded."""
    words = prose(view.message or "No reason was recorded.")
    return f'<p class="text">{f"<em>{label}:</em> " if label else ""}{words}</p>\n'


def _score(view: View) -> str:
    """Return the points in large type."""
    of = f"of {view.of:g} {plural(view.of, 'point')}"
    words = f"<strong>{view.points:g}</strong> <span>{of}</span>"
    return f'<p class="score">{words}</p>\n'


def _overview(view: View) -> str:
    """Return the points of all questions: a sum, a bar, and a table that leads to each."""
    rows = "".join(_row(number, one) for number, one in enumerate(view.questions, 1))
    return (
        '<section class="overview" aria-label="Points">\n'
        f'<div class="total">{_score(view)}<p class="sum">{_sum(view)}</p></div>\n{_bar(view)}'
        '<table>\n<thead><tr><th scope="col">Question</th><th scope="col">Result</th>'
        f'<th scope="col" class="number">Points</th></tr></thead>\n<tbody>\n{rows}</tbody>\n'
        "</table>\n</section>\n"
    )


def _sum(view: View) -> str:
    """Return one sentence about the whole."""
    full = sum(one.status == "passed" for one in view.questions)
    still = sum(one.status in WORDS for one in view.questions)
    if not view.questions:
        return "Of no question is there a result."
    if full == len(view.questions):
        return "Every question has full points."
    if still == len(view.questions):
        return "No answer was found. What is missing stands below."
    number = f"{full} of {len(view.questions)} questions" if full else "No question"
    words = f"{number} {_have(full or 1)} full points."
    return words + (f" {still} {_have(still)} no answer yet." if still else "")


def _have(number: int) -> str:
    return "has" if number == 1 else "have"


def _bar(view: View) -> str:
    """Return a bar in which each question is as wide as its points; the table says the same."""
    start, parts = 0.0, []
    for one in view.questions:
        parts.append(f'<rect class="{one.kind}" x="{start:g}" width="{one.of:g}" height="1"/>')
        start += one.of
    return (
        f'<svg class="bar" viewBox="0 0 {start or 1:g} 1" preserveAspectRatio="none" '
        f'aria-hidden="true" focusable="false">{"".join(parts)}</svg>\n'
    )


def _row(number: int, one: QuestionView) -> str:
    """Return a row of the overview."""
    return (
        f'<tr><td><a href="#q{number}"><code>{escape(one.name)}</code></a></td>'
        f"<td>{_state(one)}</td>"
        f'<td class="number">{one.points:g} of {one.of:g}</td></tr>\n'
    )


def _state(one: QuestionView) -> str:
    """Return the state of a question: a sign, colored, and a word."""
    words = WORDS.get(one.status, one.status)
    return f'<span class="mark {one.kind}" aria-hidden="true">{one.mark}</span> {escape(words)}'


def _notes(view: View) -> str:
    """Return what was left out or stopped."""
    items = "".join(f'<li class="text">{prose(note)}</li>\n' for note in view.notes)
    return box("note", "What happened while it ran", f"<ul>\n{items}</ul>\n") if items else ""


def _question(view: View, number: int, book: str) -> str:
    """Return the section of a question."""
    one, name = view.questions[number], f"q{number + 1}"
    page = escape(book_page(view, book, one.name))
    place = "" if own_page(view) else " in the book"
    link = f' <a href="{page}">Read the question{place}</a>' if page else ""
    return (
        f'<section class="question {one.kind}" id="{name}" aria-labelledby="{name}-name">\n'
        f'<h2 id="{name}-name"><code>{escape(one.name)}</code> '
        f'<span class="points">{points_text(one.points, one.of)}</span></h2>\n'
        f'<p class="state">{_state(one)}{_tally(one)}.{link}</p>\n'
        f"{_missing(one) if one.status in WORDS else _example(one)}"
        f"{_hints(one)}{_printed(one)}{_all_cases(one)}</section>\n"
    )


def _tally(one: QuestionView) -> str:
    """Return how many visible cases passed, and how many hidden ones did not."""
    if one.status != "failed":
        return ""
    passed, hidden = len(one.visible) - len(one.failed), one.hidden_failed
    words = [f"{passed} of {count(len(one.visible), 'visible case')} passed"] if one.visible else []
    words += [f"{count(hidden, 'hidden case')} failed"] if hidden else []
    return ": " + ", ".join(words) if words else ""


def _missing(one: QuestionView) -> str:
    """Return why there is nothing to check yet."""
    if not one.visible:
        return ""
    case = one.visible[0]
    why = f'<p class="why">{prose(case.message)}</p>\n' if case.message else ""
    return why + _lines([("in your code", case.place)] if case.place else [])


def _example(one: QuestionView) -> str:
    """Return the smallest failing visible example; a sentence where only hidden cases failed."""
    case = one.example
    if case is None:
        return "" if one.status == "passed" else _ONLY_HIDDEN if one.hidden_failed else ""
    why = f"Of the {len(one.failed)} visible cases that failed, this one has the smallest inputs."
    chosen = f'<p class="chosen">{why}</p>\n' if len(one.failed) > 1 else ""
    title = f'<p class="case"><span class="mark failed">✗</span> {prose(case.title)}</p>\n'
    return f'<div class="example">\n{title}{_lines(details(case))}{chosen}</div>\n'


_ONLY_HIDDEN = (
    "<p>Your code passes every case that is shown, and fails for other inputs. Think of what the "
    "shown cases leave out: other shapes, zeros, negative or large numbers, a single example.</p>\n"
)


def _lines(pairs: list[tuple[str, str]]) -> str:
    """Return labelled texts: what went wrong as a sentence, values as code."""
    items = "".join(_labelled(label, text) for label, text in pairs)
    return f"<dl>\n{items}</dl>\n" if items else ""


def _labelled(label: str, text: str) -> str:
    """Return one labelled text."""
    if label == "result":
        return f'<div><dt>result</dt><dd class="text">{prose(text)}</dd></div>\n'
    return f"<div><dt>{escape(label)}</dt><dd><code>{escape(text)}</code></dd></div>\n"


def _hints(one: QuestionView) -> str:
    """Return the hints, in a box."""
    words = "".join(f'<p class="text">{prose(text)}</p>\n' for text in one.hints)
    return box("hint", "Hint" if len(one.hints) == 1 else "Hints", words) if words else ""


def _printed(one: QuestionView) -> str:
    """Return what was printed in visible cases; in hidden ones it might be their inputs."""
    texts = list(dict.fromkeys(case.printed for case in one.visible if case.printed))
    shown = texts[:MAX_PRINTED_TEXTS]
    if not shown:
        return ""
    blocks = "".join(f"<pre>{escape(text)}</pre>\n" for text in shown)
    words = []
    if any("…" in text[-80:] for text in shown):
        words.append(f"Printed text is cut after {MAX_PRINTED} characters a case.")
    if len(texts) > len(shown):
        words.append(f"{count(len(texts) - len(shown), 'other case')} printed something else.")
    notes = f'<p class="chosen">{" ".join(words)}</p>\n' if words else ""
    return f"<h3>Your code printed</h3>\n{blocks}{notes}"


def _all_cases(one: QuestionView) -> str:
    """Return all visible cases, folded; those that failed with what was called and came back."""
    if not one.visible or one.status in WORDS:
        return ""
    items = "".join(_item(case, detailed=case is not one.example) for case in one.visible)
    label = "The visible case" if len(one.visible) == 1 else f"All {len(one.visible)} visible cases"
    return f"<details>\n<summary>{label}</summary>\n<ul>\n{items}</ul>\n</details>\n"


def _item(case: CaseResult, *, detailed: bool) -> str:
    """Return one visible case of the folded list."""
    passed = case.status == "passed"
    kind, mark, word = ("passed", "✓", "passed") if passed else ("failed", "✗", "failed")
    inside = "" if passed else _lines(details(case)) if detailed else "<p>Shown above.</p>\n"
    return (
        f'<li><span class="mark {kind}" role="img" aria-label="{word}">{mark}</span> '
        f"{prose(case.title)}{inside}</li>\n"
    )


def _footer(view: View) -> str:
    """Return how this was graded, so that it can be done again."""
    return f"<p>{' · '.join(_how(view))}</p>\n"


def _how(view: View) -> Iterator[str]:
    """Yield the parts of the foot."""
    if view.graded:
        yield "A question gives all its points or none"
        yield f"graded in {view.seconds:.1f} s"
    yield f"tier <code>{_tier(view)}</code>"
    if view.tests:
        yield f"tests <code>{escape(view.tests)}</code>"
