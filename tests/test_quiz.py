"""A quiz holds a question, every answer with its explanation, and cannot be wrong unseen."""

import html
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from d2l_lite import quiz
from d2l_lite.embedding import read
from tests.processes import distinct_outputs

CHOICE = r"""
Descent runs with the rate $1.9/\lambda_\max$, and `lr` stays.

What does the error along the steep axis do?

- [ ] It grows. | Growth needs a factor above 1 in size.
- [x] It shrinks and changes sign. | The factor is $1 - 1.9 = -0.9$,
  which is *negative*.
- [ ] $|w|<1$ | A bar | inside $|w|$ and `a | b` separates nothing.
"""
MANY = """
Which are linear?

- [x] sum | It is.
- [ ] maximum | It bends.
- [x] mean | It is, too.
"""
NUMERIC = """
Half of a half?

- [x] 0.25 | Yes.
- [ ] 1/2 | That is one half.
- [ ] other | Multiply.
"""


def spec_of(made):
    return json.loads(re.search(r"^const spec = (.*);$", made.html, re.M).group(1))


class Shown(HTMLParser):
    """The text of the elements of one name, as a page without scripts shows it."""

    def __init__(self, text, tag):
        super().__init__()
        self.tag, self.depth, self.texts = tag, 0, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == self.tag:
            self.depth += 1
            self.texts.append("")

    def handle_endtag(self, tag):
        self.depth -= tag == self.tag

    def handle_data(self, data):
        if self.depth:
            self.texts[-1] += data


def test_question_answers_and_explanations_stand_in_the_page_without_a_script():
    shown = Shown(quiz(CHOICE).html, "li").texts
    assert shown[:3] == ["It grows.", "It shrinks and changes sign.", r"\(|w|<1\)"]
    assert shown[3] == "Wrong. Growth needs a factor above 1 in size."
    assert shown[4] == r"Right. The factor is \(1 - 1.9 = -0.9\), which is negative."
    assert shown[5] == r"Wrong. A bar | inside \(|w|\) and a | b separates nothing."
    paragraphs = Shown(quiz(CHOICE).html, "p").texts
    assert paragraphs[1].startswith(r"Descent runs with the rate \(1.9/\lambda_\max\), and lr")
    assert paragraphs[2] == "What does the error along the steep axis do?"
    assert Shown(quiz(CHOICE).html, "summary").texts == ["Answer"]


def test_the_script_is_told_the_kind_and_the_right_ones():
    assert (spec_of(quiz(CHOICE))["kind"], spec_of(quiz(CHOICE))["right"]) == ("one", [1])
    assert (spec_of(quiz(MANY))["kind"], spec_of(quiz(MANY))["right"]) == ("many", [0, 2])
    spec = spec_of(quiz(NUMERIC, answer=0.5**2))
    assert (spec["kind"], spec["right"]) == ("number", [0])
    assert (spec["values"], spec["tolerance"]) == ([0.25, 0.5, None], 0.0025)


def test_the_numbers_that_are_expected_are_not_offered_as_options():
    made = quiz(NUMERIC, answer=0.25)
    assert "d2l-options" not in made.html.split("</style>")[1].split("<script>")[0]
    assert Shown(made.html, "li").texts == [
        "0.25 is right. Yes.",
        "1/2 is wrong. That is one half.",
        "Any other number is wrong. Multiply.",
    ]


def test_mathematics_is_marked_as_sphinx_marks_it_and_code_and_emphasis_are_set():
    made = quiz(CHOICE).html
    assert r'<span class="math notranslate nohighlight">\(|w|&lt;1\)</span>' in made
    assert "<code>a | b</code>" in made
    assert "<em>negative</em>" in made


def test_everything_else_is_escaped():
    evil = "</script><img src=x onerror=alert(1)> & \\ 3 < 4"
    made = quiz(f"{evil}\n- [x] a{evil} | {evil}\n- [ ] b `{evil}` | *{evil}*")
    assert "<img" not in made.html
    assert made.html.count("</script>") == 1
    assert Shown(made.html, "li").texts[0] == f"a{evil}"
    assert Shown(made.html, "li").texts[1] == f"b {evil}"


def test_markdown_for_paper_has_question_options_and_all_answers():
    text = quiz(CHOICE).markdown
    question, answers = text.split("\n*Answers*\n")
    assert question.startswith(
        "**Check yourself.** Descent runs with the rate $1.9/\\lambda_\\max$"
    )
    assert "\n- (B) It shrinks and changes sign.\n" in question
    assert "shrinks" not in answers
    assert "\n- (B) *Right.* The factor is $1 - 1.9 = -0.9$, which is *negative*.\n" in answers
    assert answers.count("*Wrong.*") == 2
    number = quiz(NUMERIC, answer=0.25).markdown
    assert "0.25" not in number.split("*Answers*")[0]
    assert "- *0.25 is right.* Yes." in number


def test_markdown_means_what_the_page_shows():
    from markdown_it import MarkdownIt

    text = "Is a_b_c < [x](y) & <b> ~ \\? A `<b>`.\n- [x] yes_ | so_\n- [ ] no | &lt;"
    made = quiz(text)
    rendered = MarkdownIt("commonmark").render(made.markdown)
    asked = html.unescape(re.sub(r"<[^>]+>", "", rendered)).split("\n")[0]
    assert asked == r"Check yourself. Is a_b_c < [x](y) & <b> ~ \? A <b>."
    assert "&amp;lt;" in rendered


def test_the_bundle_has_fixed_text_and_small_files():
    made = quiz(CHOICE)
    bundle = made._repr_mimebundle_()
    assert list(bundle) == ["text/html", "text/markdown", "text/plain"]
    assert bundle["text/plain"] == repr(made)
    assert repr(made).startswith(r"Quiz: Descent runs with the rate $1.9/\lambda_\max$")
    assert len(read("page.js", "quiz.js").encode()) <= 4096
    assert len(made.html.encode()) <= 10_000
    assert not re.search(r"https?:|import\(|<link|src=|localStorage|fetch", made.html)


BYTES = f"""
from d2l_lite import quiz
for made in quiz({CHOICE!r}), quiz({MANY!r}), quiz({NUMERIC!r}, answer=0.25):
    print(made._repr_mimebundle_())
"""


def test_two_processes_store_the_same_bytes():
    assert len(distinct_outputs(BYTES)) == 1


def test_quizzes_that_differ_in_their_text_have_ids_of_their_own():
    ids = {
        re.search(r'id="(d2l-\w+)"', quiz(text).html).group(1)
        for text in (MANY, MANY.replace("bends", "jumps"), MANY.replace("linear", "odd"), MANY)
    }
    assert len(ids) == 3


def test_a_noisy_last_digit_of_the_answer_is_not_stored():
    one, two = (quiz(NUMERIC, answer=0.25 + noise) for noise in (0, 1e-12))
    assert one.markdown == two.markdown
    assert spec_of(one) == spec_of(two)


@pytest.mark.parametrize("answer", [0.25, torch.tensor(0.25), np.float32(0.25), np.array(0.25)])
def test_an_answer_may_be_any_number(answer):
    assert spec_of(quiz(NUMERIC, answer=answer))["right"] == [0]


@pytest.mark.parametrize(
    ("answer", "tolerance", "fits"),
    [
        (0.2524, None, True),
        (0.2530, None, False),
        (0.26, 0.02, True),
        (0.25, 0, True),
        (0.25 + 1e-9, 0, False),
    ],
)
def test_the_item_marked_right_must_be_what_was_computed(answer, tolerance, fits):
    if fits:
        quiz(NUMERIC, answer=answer, tolerance=tolerance)
    else:
        with pytest.raises(ValueError, match=r"the right item must be 0\.25.* ± .*, got 0\.25"):
            quiz(NUMERIC, answer=answer, tolerance=tolerance)


def test_tolerance_is_one_percent_of_a_negative_answer_too():
    made = quiz(NUMERIC.replace("0.25", "−0.5"), answer=-0.5)
    assert spec_of(made)["tolerance"] == 0.005
    assert spec_of(made)["values"][0] == -0.5


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("Q?\n- [ ] a | b\n- [ ] c | d", {}, r"`- \[x\]` at the right ones; got \['Q\?'\] with"),
        ("Q?\n- [x] a | b", {}, "two or more different items"),
        ("Q?\n- [x] a | b\n- [ ] a | c", {}, r"different items.*\('a', 'b', True\), \('a', 'c'"),
        ("- [x] a | b\n- [ ] c | d", {}, r"needs a question.*got \[\]"),
        ("Q?\n- [x] a\n- [ ] c | d", {}, r"`answer \| explanation`, got 'a'"),
        ("Q?\n- [x] a | \n- [ ] c | d", {}, r"`answer \| explanation`, got 'a \|'"),
        ("Q?\n- [x] $a | b$\n- [ ] c | d", {}, r"`answer \| explanation`, got '\$a \| b\$'"),
        ("Q?\n- [X] a | b", {}, r"line 2 of the quiz: .* got '- \[X\] a \| b'"),
        ("Q?\n- a | b", {}, r"line 2 of the quiz: .* got '- a \| b'"),
        ("Q?\n\n- [x] a | b\nmore\n- [ ] c | d", {}, "line 4 of the quiz: .* got 'more'"),
        ("# Q?\n- [x] a | b", {}, "line 1 of the quiz: .* got '# Q"),
        ("Q?\n```\nx\n```\n- [x] a | b", {}, "line 2 of the quiz: .* got '```'"),
        ("Q $x?\n- [x] a | b\n- [ ] c | d", {}, r"must be closed; got 'Q \$x\?'"),
        ("Q?\n- [x] a `b | c\n- [ ] c | d", {}, "must be closed; got 'a `b'"),
        ("Q?\n- [x] a | **b**\n- [ ] c | d", {}, r"must be closed; got '.*\*\*b\*\*'"),
        ("Q?\n- [x] a | b\n- [ ] c | d", {"tolerance": 1}, "tolerance=1 needs answer="),
        (NUMERIC.replace("1/2", "half"), {"answer": 0.25}, "must be a number .* got 'half'"),
        (NUMERIC.replace("1/2", "1/0"), {"answer": 0.25}, "must be a number .* got '1/0'"),
        (NUMERIC.replace("1/2", "0,5"), {"answer": 0.25}, "must be a number .* got '0,5'"),
        (NUMERIC.replace("other", "4"), {"answer": 0.25}, r"`- \[ \] other \| explanation`, got"),
        (NUMERIC.replace("[ ] 1/2", "[x] 1/2"), {"answer": 0.25}, "needs one right number"),
        (
            NUMERIC.replace("[x]", "[ ]").replace("[ ] other", "[x] other"),
            {"answer": 0.25},
            "needs one right number",
        ),
        (NUMERIC, {"answer": 0.2, "tolerance": 0.01}, r"must be 0\.2 ± 0\.01, got 0\.25"),
        (NUMERIC, {"answer": 0.25, "tolerance": 0.25}, "tolerance 0.25, got 0.25 and 0.5"),
        (NUMERIC.replace("1/2", "1/4"), {"answer": 0.25}, "got 0.25 and 0.25"),
        (NUMERIC, {"answer": float("nan")}, "must be nan ± nan, got 0.25"),
        (NUMERIC, {"answer": 0.25, "tolerance": -1}, "must be 0.25 ± -1, got 0.25"),
        (NUMERIC, {"answer": 0.25, "tolerance": float("inf")}, "tolerance inf, got"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(text, options, message):
    with pytest.raises(ValueError, match=message):
        quiz(text, **options)
