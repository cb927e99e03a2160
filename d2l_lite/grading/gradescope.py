"""`results.json` as Gradescope reads it: learners see all of it, so no hidden case is in it.

Format: https://gradescope-autograders.readthedocs.io/en/latest/specs/
"""

from typing import Any

from d2l_lite.grading.rendering import WORDS, details
from d2l_lite.grading.views import QuestionView, View
from d2l_lite.grading.wording import count

_SELF_CHECK = "Self-check only: graded without the isolation that protects scores."


def gradescope(view: View) -> dict[str, Any] | None:
    """Return the content of `results.json` for one record.

    What the grading printed stays hidden, since hidden cases may show in it. Texts are plain text,
    never HTML or Markdown.

    Args:
        view: The record.

    Returns:
        Plain values; None where the grading itself failed. Gradescope then says that the
        autograder failed, and gives no zero.
    """
    if view.score is None:
        return None
    lead = ["" if view.trusted else _SELF_CHECK, view.message, view.choice, *view.notes]
    return {
        "score": view.score,
        "execution_time": round(view.seconds, 3),
        "output": "\n".join(text for text in lead if text),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [
            _test(one, str(number), "\n".join(_lines(one)) if view.graded else "")
            for number, one in enumerate(view.questions, 1)
        ],
    }


def _test(one: QuestionView, number: str, output: str) -> dict[str, Any]:
    """Return the entry of a question, which gives all its points or none."""
    return {
        "score": one.points,
        "max_score": one.of,
        "status": "passed" if one.status == "passed" else "failed",
        "name": one.name,
        "name_format": "text",
        "number": number,
        "output": output,
        "output_format": "text",
        "visibility": "visible",
    }


def _lines(one: QuestionView) -> list[str]:
    """Return what a learner reads about a question."""
    lines = [WORDS[one.status].capitalize() + "."] if one.status in WORDS else []
    case = one.example
    if case is not None:
        lines += [] if lines else [f"✗ {case.title}"]
        lines += [f"  {label}: {_continued(text)}" for label, text in details(case)]
    if len(one.failed) > 1 and one.status not in WORDS:
        lines.append(f"{count(len(one.failed), 'visible case')} failed; the smallest is shown.")
    if one.hidden_failed and one.status not in WORDS:
        lines.append(f"{count(one.hidden_failed, 'hidden case')} failed.")
    lines += [f"Hint: {_continued(text)}" for text in one.hints]
    return lines or [f"{count(len(one.visible), 'visible case')} passed."]


def _continued(text: str) -> str:
    """Return a text whose further lines are indented."""
    return text.replace("\n", "\n    ")
