"""Every quiz is answered with the keys alone: wrong, corrected, and right, each with its reason."""

import json
import re

import numpy as np
import pytest

import d2l_lite as d2l
from tests.book.built import HTML, ROOT, pages
from tests.browser import Witness

REPORT = ("quizzes.md", "Every answer to every quiz", ["page", "question", "answer", "verdict"])
SHELL = 'class="d2l-quiz"'
PAGES = [
    path.relative_to(HTML).as_posix()
    for path in pages()
    if SHELL in path.read_text(encoding="utf-8")
]
SAMPLES = [
    d2l.quiz("One?\n\n- [ ] no | It is not.\n- [x] yes | It is.\n- [ ] both | It cannot."),
    d2l.quiz("Which?\n\n- [x] a | First.\n- [ ] b | Never.\n- [x] c | Third."),
    d2l.quiz("Half?\n\n- [x] 0.5 | So.\n- [ ] 2 | Upside down.\n- [ ] other | No.", answer=1 / 2),
]
#: The verdict, and the explanations that can be seen.
SAID = """(status) => [status.querySelector("p").innerText, [...status.querySelectorAll("li")]
  .filter((why) => why.checkVisibility({ visibilityProperty: true }) && why.getClientRects().length)
  .map((why) => why.innerText)]"""


class Quiz:
    """A quiz of a page, answered as somebody without a mouse would answer it."""

    def __init__(self, page, root):
        self.page, self.root = page, root
        script = root.locator("script").first.text_content()
        self.spec = json.loads(re.search(r"^const spec = (.*);$", script, re.M)[1])
        self.inputs = root.locator("fieldset input")
        self.status = root.get_by_role("status").element_handle()
        self.check = root.get_by_role("button", name="Check").element_handle()
        self.question = root.locator(".d2l-ask, legend").last.inner_text()

    def wrong(self):
        """Return every wrong answer that has an explanation of its own."""
        right = self.spec["right"]
        if self.spec["kind"] == "number":
            values = self.spec["values"]
            far = 10 * max(abs(v) for v in values if v is not None) + 7
            shown = [far if value is None else value for value in values]
            return [[number] for i, number in enumerate(shown) if i not in right]
        return [[i] for i in range(self.inputs.count()) if i not in right]

    def right(self):
        if self.spec["kind"] == "number":
            return [self.spec["values"][i] for i in self.spec["right"]]
        return self.spec["right"]

    def choose(self, answer):
        """Give an answer with the keys, and leave it unchecked."""
        keys = self.page.keyboard
        if self.spec["kind"] == "number":
            self.inputs.first.focus()
            keys.press("Control+a")
            return keys.type(np.format_float_positional(answer[0], trim="-"))
        if self.spec["kind"] == "one":
            self.inputs.first.focus()
            keys.press("Space")
            for _ in range(answer[0]):
                keys.press("ArrowDown")
            return None
        checked = self.inputs.evaluate_all("(all) => all.map((one) => one.checked)")
        for i, now in enumerate(checked):
            if now != (i in answer):
                self.inputs.nth(i).focus()
                keys.press("Space")
        return None

    def said(self):
        verdict, whys = self.status.evaluate(SAID)
        return verdict, whys


def faults_of(quiz, *, rows=None, name=""):
    """Answer a quiz in every way, and return what a reader would miss."""
    faults = []
    tries = [*((answer, "✗") for answer in quiz.wrong()), (quiz.right(), "✓")]
    for number, (answer, expected) in enumerate(tries):
        quiz.choose(answer)
        if quiz.said() != ("", []):
            faults.append(f"{answer}: the last verdict stays while another answer is given")
        if number % 2:
            quiz.page.keyboard.press("Enter")
        else:
            quiz.check.press("Space")
        verdict, whys = quiz.said()
        if not verdict.startswith(expected):
            faults.append(f"{answer}: says {verdict!r} instead of {expected}")
        if len(whys) != len(answer) or not all(len(why) > 3 for why in whys):
            faults.append(f"{answer}: explained by {whys}")
        if quiz.inputs.evaluate_all("(all) => all.some((one) => one.matches(':disabled'))"):
            faults.append(f"{answer}: cannot be corrected")
        if rows is not None:
            rows.append([name, quiz.question[:60], " ".join(map(str, answer)), verdict])
    return faults


def opened(context, address):
    page = context.new_page()
    page.goto(address)
    alive = "(all) => all.every((e) => e.querySelector('fieldset'))"
    assert page.locator(".d2l-quiz").evaluate_all(alive)
    return [Quiz(page, root) for root in page.locator(".d2l-quiz").all()]


@pytest.fixture
def sample(tmp_path):
    path = tmp_path / "sample.html"
    body = "\n".join(quiz.html for quiz in SAMPLES)
    path.write_text(f'<!doctype html><html lang="en"><meta charset="utf-8">{body}</html>')
    return path


@pytest.mark.parametrize("name", PAGES)
def test_every_quiz_of_a_page_is_answered(context, report, name):
    witness = Witness(context, HTML.as_uri())
    for quiz in opened(context, f"{HTML.as_uri()}/{name}"):
        assert faults_of(quiz, rows=report.rows, name=name) == []
    assert witness.faults == []


def test_each_kind_of_quiz_is_answered(context, report, sample):
    quizzes = opened(context, sample.as_uri())
    assert [quiz.spec["kind"] for quiz in quizzes] == ["one", "many", "number"]
    for quiz in quizzes:
        assert faults_of(quiz, rows=report.rows, name="a sample of each kind") == []


def test_a_part_of_the_right_answers_is_not_right_yet(context, sample):
    quiz = opened(context, sample.as_uri())[1]
    quiz.choose([0])
    quiz.page.keyboard.press("Enter")
    verdict, whys = quiz.said()
    assert "missing" in verdict
    assert len(whys) == 1


def test_verdicts_stand_in_a_region_that_is_read_aloud(context, sample):
    for quiz in opened(context, sample.as_uri()):
        assert quiz.root.get_by_role("status").count() == 1
        assert quiz.said() == ("", []), "the region stands there, empty, before there is a verdict"


PLANTED = {
    "the wrong one is right": ('"right":[1]', '"right":[0]', "instead of"),
    "no explanation": ("why.hidden = !given.includes(i)", "why.hidden = true", "explained by []"),
    "disabled": (
        "verdict.textContent = text;",
        "verdict.textContent = text; inputs.forEach((one) => { one.disabled = text !== ''; });",
        "cannot be corrected",
    ),
    "stays": ('field.addEventListener("input", () => say(""));', "", "stays while another"),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_planted_faults_are_seen(context, sample, fault):
    old, new, message = PLANTED[fault]
    text = sample.read_text(encoding="utf-8")
    assert old in text
    quiz = opened(context, sample.as_uri())[0]
    honest = quiz.spec
    sample.write_text(text.replace(old, new), encoding="utf-8")
    spoiled = opened(context, sample.as_uri())[0]
    spoiled.spec = honest
    assert any(message in line for line in faults_of(spoiled))


def test_pages_show_the_quizzes_that_notebooks_store():
    for path in sorted((ROOT / "chapters").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        stored = sum(
            SHELL in "".join(output.get("data", {}).get("text/html", ""))
            for cell in cells
            for output in cell.get("outputs", [])
        )
        page = (HTML / "chapters" / f"{path.stem}.html").read_text(encoding="utf-8")
        assert page.count(SHELL) == stored
