"""`check`: the visible cases of an exercise set, run at once on the names of the notebook."""

import importlib
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from d2l_lite.grading import rendering, visible
from d2l_lite.grading.cases import ExerciseSet
from d2l_lite.grading.modules import new_module
from d2l_lite.grading.outcomes import QuestionResult
from d2l_lite.grading.running import run_question
from d2l_lite.grading.visible import set_names
from d2l_lite.grading.wording import count, did_you_mean


class UnknownNameError(ValueError):
    """A name that is no exercise set or no question; the message lists those there are."""

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows: the message, without the lines of this package."""
        return [str(self)]


def load_set(slug: str) -> ExerciseSet:
    """Return an exercise set with its visible cases.

    Args:
        slug: Name of the set.

    Returns:
        The set.

    Raises:
        UnknownNameError: There is no set of this name.
    """
    if slug not in set_names():
        raise UnknownNameError(_unknown("exercise set", slug, set_names()))
    return ExerciseSet.from_names(slug, vars(importlib.import_module(f"{visible.__name__}.{slug}")))


def read_set(slug: str, cases: str) -> ExerciseSet:
    """Return the exercise set of a text of visible cases, as a notebook brings it along.

    Args:
        slug: Name of the set.
        cases: Python, like the modules in `visible`.

    Returns:
        The set.
    """
    names = vars(new_module(f"visible_cases_of_{slug}"))
    exec(compile(cases, f"<visible cases of {slug}>", "exec"), names)
    return ExerciseSet.from_names(slug, names)


def _unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """Return the message for a name that is not there, with the nearest one that is."""
    known = list(known)
    names = ", ".join(map(repr, known))
    return f"{kind} must be one of {names}; got {name!r}.{did_you_mean(str(name), known)}"


def _shell() -> Any:
    """Return IPython's running shell, or None in plain Python."""
    module = sys.modules.get("IPython")
    return module.get_ipython() if module is not None else None


class Check:
    """The checks of a notebook: `check.use("linear_regression")`, `check("mse")`, `check.all()`.

    Works on the names of the notebook (Jupyter, VS Code, Colab), or of the module that calls it.
    A question gives its points if every case passes, and none otherwise.
    """

    def __init__(self) -> None:
        self._set: ExerciseSet | None = None
        self._namespace: Mapping[str, object] | None = None

    def use(
        self,
        slug: str,
        *,
        namespace: Mapping[str, object] | None = None,
        cases: str | None = None,
    ) -> None:
        """Choose the exercise set of this notebook, and show its questions.

        Args:
            slug: Name of the set.
            namespace: Names to check; those of the notebook or of the caller where it is None.
            cases: The set's visible cases; those that this package holds where it is None.

        Raises:
            UnknownNameError: There is no set of this name.
        """
        self._set = load_set(slug) if cases is None else read_set(slug, cases)
        self._namespace = namespace
        questions = self._set.questions.values()
        words = [f"{one.name} ({count(one.points, 'point')})" for one in questions]
        print(f"Checks for {slug}: {', '.join(words)}.")

    def __call__(self, question: str) -> None:
        """Run the visible cases of a question and show what they found."""
        result = self.run(question, namespace=self._names())
        _show(rendering.as_text(result), rendering.as_html(result))

    def all(self) -> None:
        """Run the visible cases of every question and show the points so far."""
        names = self._names()
        results = [self.run(name, namespace=names) for name in self._chosen().questions]
        _show(rendering.summary_text(results), rendering.summary_html(results))

    def run(
        self, question: str, *, namespace: Mapping[str, object] | None = None
    ) -> QuestionResult:
        """Return what the visible cases of a question find, and show nothing.

        Args:
            question: Name of the question.
            namespace: Names to check; those of the notebook or of the caller where it is None.

        Returns:
            The result.

        Raises:
            UnknownNameError: The set has no question of this name.
        """
        chosen = self._chosen()
        if question not in chosen.questions:
            raise UnknownNameError(
                _unknown(f"question of {chosen.slug!r}", question, chosen.questions)
            )
        names = self._names() if namespace is None else namespace
        return run_question(chosen, question, namespace=names)

    def _chosen(self) -> ExerciseSet:
        """Return the set in use."""
        if self._set is None:
            known = ", ".join(map(repr, set_names()))
            raise UnknownNameError(
                "an exercise set must be chosen before a check, got none; "
                f"run check.use(...) first, with one of {known}"
            )
        return self._set

    def _names(self) -> Mapping[str, object]:
        """Return the names to check: given ones, the notebook's, or those of the calling module."""
        if self._namespace is not None:
            return self._namespace
        shell = _shell()
        if shell is not None:
            names: Mapping[str, object] = shell.user_ns
            return names
        frame = sys._getframe(1)
        while frame.f_back is not None and frame.f_globals is globals():
            frame = frame.f_back
        return frame.f_globals


def _show(text: str, markup: str) -> None:
    """Show text and HTML in a notebook, or print the text."""
    shell = _shell()
    if shell is None:
        print(text)
    else:
        shell.display_pub.publish(data={"text/plain": text, "text/html": markup}, metadata={})


#: The checks of this notebook.
check = Check()
