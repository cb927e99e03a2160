"""Quizzes as a reader meets them: numbers read generously, answers judged, by mouse and by keys."""

import re

import pytest

from d2l_lite import quiz
from tests.test_quiz import CHOICE, MANY, NUMERIC


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.25", 0.25),
        ("0,25", 0.25),
        (" .5 ", 0.5),
        ("5.", 5),
        ("1/4", 0.25),
        ("-1 / 4", -0.25),
        ("−0.9", -0.9),
        ("1e-3", 1e-3),
        ("2.5E3", 2500),
        ("65,536", 65536),
        ("65 536", 65536),
        ("65_536", 65536),
        ("1,234,567.5", 1234567.5),
        ("0,125", 0.125),
        ("2^16", 65536),
        ("-2^2", -4),
        ("10^-3", 1e-3),
        ("", None),
        ("abc", None),
        ("1/0", None),
        ("1/2/3", None),
        ("1,2,3", None),
        ("0x10", None),
        ("1e", None),
        ("Infinity", None),
        ("--1", None),
    ],
)
def test_numbers_are_read_as_people_write_them(node, text, value):
    script = "const v = scene.number(given.text); return Number.isFinite(v) ? v : null;"
    read = node(script, "quiz", text=text)
    assert read == (value if value is None else pytest.approx(value, rel=1e-15))


@pytest.mark.parametrize(
    ("value", "item"),
    [(0.25, 0), (0.259, 0), (0.26, 0), (0.2601, 2), (0.5, 1), (0.375, 2), (-0.25, 2), (1e300, 2)],
)
def test_a_number_is_taken_for_the_nearest_item_within_the_tolerance(node, value, item):
    given = {"values": [0.25, 0.5, None], "tolerance": 0.01}
    assert node(
        "return scene.nearest(given.spec, given.value)", "quiz", spec=given, value=value
    ) == (item)


@pytest.mark.parametrize(
    ("right", "given", "verdict"),
    [
        ([1], [1], "✓ Right."),
        ([1], [0], "✗ Not yet."),
        ([0, 2], [0, 2], "✓ Right."),
        ([0, 2], [2], "✗ Not yet: some are missing."),
        ([0, 2], [0, 1, 2], "✗ Not yet."),
    ],
)
def test_the_verdict_needs_all_right_ones_and_no_other(node, right, given, verdict):
    script = "return scene.judge({ right: given.right }, given.chosen)"
    assert node(script, "quiz", right=right, chosen=given) == verdict


def parts(page, nth=0):
    root = page.locator(".d2l-quiz").nth(nth)
    return root, root.get_by_role("status"), root.get_by_role("button", name="Check")


def shown_whys(root):
    return [why.inner_text() for why in root.locator(".d2l-whys > li").all() if why.is_visible()]


def test_a_choice_is_answered_wrong_then_right(open_page):
    page = open_page(quiz(CHOICE).html)
    root, status, check = parts(page)
    legend = root.locator("fieldset > legend").inner_text()
    assert legend == "What does the error along the steep axis do?"
    assert root.locator("details").count() == 0
    assert root.locator(".d2l-ask").inner_text().startswith("Descent runs with the rate")
    assert status.inner_text().strip() == ""
    check.click()
    assert status.inner_text().strip() == "Choose an answer first."
    root.get_by_label("It grows.").check()
    assert status.inner_text().strip() == ""
    check.click()
    assert status.inner_text().startswith("✗ Not yet.")
    assert shown_whys(root) == ["Growth needs a factor above 1 in size."]
    assert root.locator("label", has_text="It grows").inner_text().endswith("✗ wrong")
    assert "✓" not in root.inner_text()  # what is right stays hidden until it is found
    root.get_by_label("It shrinks").check()
    assert shown_whys(root) == []
    check.click()
    assert status.inner_text().startswith("✓ Right.")
    assert shown_whys(root) == [r"The factor is \(1 - 1.9 = -0.9\), which is negative."]
    assert check.evaluate("button => button === document.activeElement")


def test_a_choice_is_answered_by_keys_alone(open_page):
    page = open_page(quiz(CHOICE).html)
    root, status, _ = parts(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    assert root.get_by_label("It shrinks").is_checked()
    page.keyboard.press("Enter")
    assert status.inner_text().startswith("✓ Right.")
    assert root.get_by_label("It shrinks").evaluate("input => input === document.activeElement")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert status.inner_text().startswith("✗ Not yet.")


def test_all_that_are_right_must_be_chosen(open_page):
    page = open_page(quiz(MANY).html)
    root, status, check = parts(page)
    assert "choose all that are right" in root.inner_text()
    root.get_by_label("sum").check()
    check.click()
    assert status.inner_text().startswith("✗ Not yet: some are missing.")
    assert shown_whys(root) == ["Right. It is."]
    root.get_by_label("maximum").check()
    check.click()
    assert shown_whys(root) == ["Right. It is.", "Wrong. It bends."]
    root.get_by_label("maximum").uncheck()
    root.get_by_label("mean").check()
    check.click()
    assert status.inner_text().startswith("✓ Right.")
    assert shown_whys(root) == ["Right. It is.", "Right. It is, too."]


def test_a_number_is_judged_and_explained(open_page):
    page = open_page(quiz(NUMERIC, answer=0.25).html)
    root, status, check = parts(page)
    field = root.get_by_label("Your answer")
    assert field.get_attribute("inputmode") == "decimal"
    said = []
    for text in ("", "a half", "1/2", "3", "0,25"):
        field.fill(text)
        field.press("Enter")
        said.append(" ".join(status.inner_text().split()))
    assert said == [
        "Write a number, like 0.25, 1/4 or 1e-3.",
        "Write a number, like 0.25, 1/4 or 1e-3, not “a half”.",
        "✗ Not yet. Read as 0.5. 1/2 is wrong. That is one half.",
        "✗ Not yet. Any other number is wrong. Multiply.",
        "✓ Right. Read as 0.25. 0.25 is right. Yes.",
    ]
    field.fill("<b>1</b>")
    check.click()
    assert status.inner_text().strip().endswith("not “<b>1</b>”.")


def test_copies_of_one_quiz_on_a_page_are_answered_by_themselves(open_page):
    page = open_page(quiz(CHOICE).html, quiz(CHOICE).html)
    for nth, (label, verdict) in enumerate([("It grows.", "✗"), ("It shrinks", "✓")]):
        root, _, check = parts(page, nth)
        root.get_by_label(label).check()
        check.click()
        assert shown_whys(root)
        assert root.get_by_role("status").inner_text().startswith(verdict)
    assert parts(page, 0)[0].get_by_label("It grows.").is_checked()


def test_a_host_leaves_keys_to_every_control(open_page):
    page = open_page(quiz(CHOICE).html, quiz(MANY).html, quiz(NUMERIC, answer=0.25).html)
    controls = page.locator(".d2l-quiz :is(input, button)")
    kept = [one.get_attribute("data-lm-suppress-shortcuts") for one in controls.all()]
    assert kept == ["true"] * (4 + 4 + 2)


def test_what_is_hidden_is_hidden_from_screen_readers_too(open_page):
    page = open_page(quiz(CHOICE).html)
    tree = page.locator(".d2l-quiz").aria_snapshot()
    assert 'group "What does the error along the steep axis do?"' in tree
    assert 'radio "It grows."' in tree
    assert "Growth needs" not in tree
    root, _, check = parts(page)
    root.get_by_label("It grows.").check()
    check.click()
    status = re.search(r"- status:.*", page.locator(".d2l-quiz").aria_snapshot(), re.S)[0]
    assert "Not yet." in status
    assert "Growth needs" in status


def test_without_scripts_the_answer_unfolds(open_page):
    page = open_page(quiz(CHOICE).html, java_script_enabled=False)
    assert page.get_by_text("It grows.").is_visible()
    assert not page.get_by_text("Growth needs").is_visible()
    assert page.locator("input, button").count() == 0
    page.get_by_text("Answer", exact=True).click()
    assert page.get_by_text("Growth needs").is_visible()


@pytest.mark.parametrize("dark", [False, True])
def test_a_quiz_fits_a_phone_and_both_themes(open_page, dark):
    long = CHOICE.replace("It grows.", "It grows " + "and grows " * 20 + "`" + "x" * 60 + "`")
    page = open_page(quiz(long).html, quiz(NUMERIC, answer=0.25).html, width=360)
    if dark:
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
    root, _, check = parts(page)
    root.get_by_label("It shrinks").check()
    check.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    scheme = "getComputedStyle(document.querySelector('.d2l-quiz')).colorScheme"
    assert page.evaluate(scheme) == ("dark" if dark else "normal")


def test_nothing_is_left_in_the_window_or_in_the_browser(open_page):
    page = open_page()
    leaked = page.evaluate(
        """html => {
          const known = new Set(Object.keys(window));
          document.body.append(document.createRange().createContextualFragment(html));
          return Object.keys(window).filter((key) => !known.has(key));
        }""",
        quiz(CHOICE).html,
    )
    assert leaked == []
    assert page.locator(".d2l-quiz fieldset").count() == 1
