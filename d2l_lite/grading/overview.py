"""The page of a class for its instructor: who has what, and what went wrong most often."""

from collections import Counter
from collections.abc import Sequence
from html import escape

from d2l_lite.grading.gradebook import ClassStatistics, QuestionStatistics, question_names
from d2l_lite.grading.pages import box, document, name_of
from d2l_lite.grading.rendering import WORDS, prose
from d2l_lite.grading.views import QuestionView, View
from d2l_lite.grading.wording import count, cut

_UNTRUSTED = (
    "<p>{} graded in the tier <code>plain</code> or an unknown one, where a notebook can read the "
    "tests and change its own score. <strong>Do not use these scores as grades.</strong> Run "
    "<code>python -m d2l_lite.grading probe</code> to see what this machine lacks, and grade "
    "again.</p>\n"
)
_FAILED = (
    "<p>{} not graded because the grading itself failed. In the gradebook their points are empty, "
    "which is no zero. Once the cause is mended, run <code>grade</code> again with the same "
    "<code>--out</code>: only these are graded anew.</p>\n"
)
_PRIVATE = (
    "<p>This page names learners and hidden cases: keep it to yourself. Each page in "
    "<code>feedback/</code> is for one learner.</p>\n"
)
#: Heights of the picture of scores, in units of its own.
_HEIGHT, _MAX_BARS = 60, 30


def overview_page(
    views: Sequence[View], facts: ClassStatistics, *, book: str = "", title: str = ""
) -> str:
    """Return the page of a class.

    Args:
        views: The records of one set, by learner.
        facts: Their statistics.
        book: Address of the book, without a slash at its end; empty where it is unknown.
        title: What the work is called; the name of the set where it is empty.

    Returns:
        HTML with everything inside.
    """
    name = title or name_of(views[0].slug if views else "")
    body = f"<h1>{escape(name)}</h1>\n{_facts(facts)}{_warnings(views, facts)}"
    if views:
        body += _scores(views, facts) + _questions(facts) + _failures(facts) + _table(views)
    script = "overview.js"
    return document(f"Class: {name}", body, footer=_PRIVATE, book=book, script=script, kind="class")


def _facts(facts: ClassStatistics) -> str:
    """Return one line below the title."""
    words = [count(facts.learners, "learner")]
    words += [f"{number} {escape(status)}" for status, number in facts.statuses.items()]
    tiers = ", ".join(f"<code>{escape(tier or 'unknown')}</code>" for tier in facts.tiers)
    words += [f"tier {tiers}"] if tiers else []
    files = '<a href="gradebook.csv">gradebook.csv</a> · <a href="summary.json">summary.json</a>'
    return f'<p class="facts">{" · ".join(words)}<br>{files}</p>\n'


def _were(number: int) -> str:
    """Return `1 submission was`, `2 submissions were`."""
    return f"{count(number, 'submission')} {'was' if number == 1 else 'were'}"


def _warnings(views: Sequence[View], facts: ClassStatistics) -> str:
    """Return boxes for what makes the scores of this page less than they seem."""
    untrusted = sum(not view.trusted for view in views)
    failed = facts.statuses.get("infrastructure", 0)
    boxes = ""
    if untrusted:
        words = _UNTRUSTED.format(_were(untrusted))
        boxes += box("wrong loud", "These scores are not trusted", words)
    if failed:
        boxes += box("note", "Some submissions were not graded", _FAILED.format(_were(failed)))
    return boxes


def _scores(views: Sequence[View], facts: ClassStatistics) -> str:
    """Return the distribution of the points, in words and as a picture."""
    graded = [view.points for view in views if view.graded]
    if not graded:
        return ""
    words = f"Mean {facts.mean:.2f}, median {facts.median:g}, of {facts.of:g} points"
    words += f", over {count(len(graded), 'graded submission')}."
    return f"<h2>Points</h2>\n<p>{words}</p>\n{_histogram(graded, facts.of)}"


def _histogram(points: Sequence[float], of: float) -> str:
    """Return a picture of how many learners have how many points."""
    bins = min(int(of) + 1, _MAX_BARS)
    where = Counter(min(int(one / (of or 1) * (bins - 1) + 0.5), bins - 1) for one in points)
    top, bars = max(where.values()), []
    for place in range(bins):
        number, value = where[place], of * place / max(bins - 1, 1)
        height = _HEIGHT * number / top
        bars.append(
            f'<g><title>{value:.3g} points: {count(number, "learner")}</title><rect class="share" '
            f'x="{place * 10 + 1}" y="{_HEIGHT - height:.4g}" width="8" height="{height:.4g}"/></g>'
        )
    label = f"How many learners have 0 to {of:g} points; at most {top} have the same."
    return (
        f'<figure><svg class="histogram" viewBox="0 0 {bins * 10} {_HEIGHT}" role="img" '
        f'preserveAspectRatio="none" aria-label="{label}">{"".join(bars)}</svg>\n'
        f"<figcaption><span>0</span><span>{of:g} points</span></figcaption></figure>\n"
    )


def _scroll(label: str, table: str) -> str:
    """Return a table that scrolls inside itself, by keyboard as well."""
    return f'<div class="scroll" role="region" aria-label="{label}" tabindex="0">\n{table}</div>\n'


def _head(*columns: str) -> str:
    """Return the head of a table; names that begin with `#` stand over numbers."""
    cells = "".join(
        f'<th scope="col"{" class=" + chr(34) + "number" + chr(34) if name[0] == "#" else ""}>'
        f"{name.removeprefix('#')}</th>"
        for name in columns
    )
    return f"<thead><tr>{cells}</tr></thead>\n"


def _questions(facts: ClassStatistics) -> str:
    """Return the statistics of each question."""
    rows = "".join(_question(one) for one in facts.questions)
    head = _head("Question", "Full points", "#Mean", "#No answer", "Commonest hints")
    table = f"<table>\n{head}<tbody>\n{rows}</tbody>\n</table>\n"
    return f"<h2>Questions</h2>\n{_scroll('Questions', table)}"


def _question(one: QuestionStatistics) -> str:
    """Return a row of the questions."""
    hints = "".join(f"<li>{number} × {prose(text)}</li>" for text, number in one.hints)
    cell = f'<td class="hints"><ul>{hints}</ul></td>' if hints else "<td></td>"
    bar = (
        '<svg class="share-bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="ground" width="100" height="1"/>'
        f'<rect class="share" width="{100 * one.share:.3g}" height="1"/></svg>'
    )
    return (
        f'<tr><th scope="row"><code>{escape(one.name)}</code></th>'
        f"<td>{one.full} of {one.learners} ({100 * one.share:.0f}%){bar}</td>"
        f'<td class="number">{one.mean:.2f} of {one.of:g}</td>'
        f'<td class="number">{one.without_answer}</td>'
        f"{cell}</tr>\n"
    )


def _failures(facts: ClassStatistics) -> str:
    """Return the cases that fail most often."""
    if not facts.failures:
        return ""
    rows = "".join(
        f'<tr><td class="number">{one.learners}</td><td><code>{escape(one.question)}</code></td>'
        f"<td>{prose(one.title)}{' <em>(hidden)</em>' if one.hidden else ''}</td></tr>\n"
        for one in facts.failures
    )
    table = f"<table>\n{_head('#Learners', 'Question', 'Case')}<tbody>\n{rows}</tbody>\n</table>\n"
    return f"<h2>Cases that fail most often</h2>\n{_scroll('Cases that fail', table)}"


def _table(views: Sequence[View]) -> str:
    """Return the class, a row for each learner."""
    names = question_names(views)
    head = _head(
        "Learner", "#Total", "Status", *(f"#<code>{escape(name)}</code>" for name in names), "Notes"
    )
    rows = "".join(_row(view, names) for view in views)
    table = f'<table class="class" data-sortable>\n{head}<tbody>\n{rows}</tbody>\n</table>\n'
    return f"<h2>Learners</h2>\n{_scroll('Learners', table)}"


def _row(view: View, names: Sequence[str]) -> str:
    """Return the row of a learner."""
    found = {one.name: one for one in view.questions}
    cells = "".join(_cell(found.get(name), view) for name in names)
    total = '<td class="number">–</td>'
    if view.score is not None:
        words = f"<b>{view.score:g}</b> of {view.of:g}"
        total = f'<td class="number" data-value="{view.score:g}">{words}</td>'
    trust = "" if view.trusted else ", not trusted"
    # The whole stands on the learner's page.
    name, notes = cut(view.learner, 60), cut(" ".join(view.told), 160)
    return (
        f'<tr><th scope="row"><a href="feedback/{view.stem}.html">'
        f"<bdi>{escape(name)}</bdi></a></th>{total}"
        f'<td class="status">{escape(view.status)}{trust}</td>{cells}'
        f'<td class="notes">{escape(notes)}</td></tr>\n'
    )


def _cell(one: QuestionView | None, view: View) -> str:
    """Return the points of a question, and a word where there is no answer."""
    if one is None or view.score is None:
        return '<td class="number">–</td>'
    word = WORDS.get(one.status, one.status)
    return (
        f'<td class="number" data-value="{one.points:g}">{one.points:g} '
        f'<span class="mark {one.kind}" role="img" aria-label="{escape(word)}" '
        f'title="{escape(word)}">{one.mark}</span></td>'
    )
